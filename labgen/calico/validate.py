"""Calico's validation of resources: the client's rules and those of its CRDs.

A problem is either one that no Calico datastore can hold (`Scope.ADMISSION`), or one that only a
write is refused for because of what else is there (`Scope.WRITE`): a cluster can come to hold
those, so rendering goes on with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labgen.calico import rules_bgp, rules_cluster, rules_filter, rules_ipam, rules_metadata
from labgen.calico.problem import Problem, Report, Scope, calico_message
from labgen.calico.resources import Notice, raise_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from labgen.calico.resources import Resources

__all__ = ["Problem", "Scope", "calico_message", "check", "problems"]

# The rules that need nothing but the resource itself, by its field in Resources.
_RULES: tuple[tuple[str, Callable[[Report, Any], Iterator[Problem]]], ...] = (
    ("nodes", rules_cluster.node),
    ("secrets", rules_cluster.secret),
    ("bgp_configurations", rules_bgp.configuration),
    ("bgp_filters", rules_filter.bgp_filter),
    ("ip_pools", rules_ipam.pool),
    ("ip_reservations", rules_ipam.reservation),
    ("block_affinities", rules_ipam.affinity),
    ("ipam_configs", rules_ipam.config),
)


def problems(resources: Resources) -> tuple[Problem, ...]:
    """Everything wrong with these resources, kind by kind."""
    return tuple(_problems(resources))


def _problems(resources: Resources) -> Iterator[Problem]:
    for resource in resources.every():
        if resource.api_version.endswith(("projectcalico.org/v3", "projectcalico.org/v1")):
            yield from rules_metadata.metadata(Report(resource))
    filters = frozenset(item.name for item in resources.bgp_filters)
    for peer in resources.bgp_peers:
        yield from rules_bgp.peer(Report(peer), peer.spec, filters)
    for kind, rules in _RULES:
        for item in getattr(resources, kind):
            yield from rules(Report(item), item.spec)
    yield from rules_ipam.overlaps(resources.ip_pools)


def check(resources: Resources, *, strict: bool = False) -> tuple[Notice, ...]:
    """Raise InputError(s) for what Calico would refuse; return the rest as notices.

    What an API server printed has passed that server's validation, of a Calico that may be newer or
    older than these rules: its problems are notices, unless `strict`. So are `Scope.WRITE` ones.
    """
    refused: list[Problem] = []
    told: list[Problem] = []
    for problem in problems(resources):
        tolerated = problem.scope is Scope.WRITE or problem.resource.from_server
        (told if tolerated and not strict else refused).append(problem)
    raise_all([problem.error() for problem in refused])
    return tuple(Notice(problem.message, problem.mark) for problem in told)
