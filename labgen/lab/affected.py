"""Which nodes a change of resources concerns: those whose rendered BIRD files differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.calico.confd import Confd
from labgen.render.bird import bird_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labgen.calico.node_config import NodeConfig
    from labgen.calico.peers import EndpointStatus
    from labgen.calico.resources import Resources


def affected(
    before: Resources,
    after: Resources,
    nodes: Iterable[str],
    environment: Mapping[str, str] | None = None,
    endpoint_status: Mapping[str, Sequence[EndpointStatus]] | None = None,
) -> tuple[str, ...]:
    """Those of `nodes` whose files differ, in the order given; a new node is one of them.

    A node without a Node resource in `after` is left out: confd renders nothing for it, and its
    old files stay. `environment` is calico-node's, `endpoint_status` that of each node.
    """
    old, new = (Confd(resources, environment=environment) for resources in (before, after))
    was, now = set(old.nodes), set(new.nodes)
    statuses = endpoint_status or {}

    def differs(name: str) -> bool:
        if name not in was:
            return True
        status = statuses.get(name, ())
        return _differ(old.node(name, status), new.node(name, status))

    return tuple(name for name in nodes if name in now and differs(name))


def _differ(one: NodeConfig, other: NodeConfig) -> bool:
    """Equal configurations render equally; unequal ones may still (a pool's new name, say)."""
    same = replace(one, notices=()) == replace(other, notices=())
    return not same and bird_files(one) != bird_files(other)
