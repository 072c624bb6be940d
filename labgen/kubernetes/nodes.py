"""Nodes: add, remove, cordon, uncordon, drain, in kubectl's words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labgen.errors import InputError
from labgen.kubernetes import kinds
from labgen.kubernetes.controllers import settle
from labgen.kubernetes.errors import already_exists, not_found
from labgen.kubernetes.kinds import Ref
from labgen.kubernetes.objects import (
    CONTROL_PLANE_LABEL,
    DaemonSet,
    Meta,
    Node,
    NodeInfo,
    Phase,
    Pod,
    ref,
)
from labgen.kubernetes.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from labgen.kubernetes.objects import Address
    from labgen.kubernetes.state import ClusterState


def add_node(
    state: ClusterState, name: str, addresses: Iterable[Address], *,
    labels: Mapping[str, str] | None = None, control_plane: bool = False,
    info: NodeInfo | None = None, now: datetime,
) -> ClusterState:  # fmt: skip
    """A Node as its kubelet registers it. Raises ServerError if there is one of that name."""
    if state.node(name) is not None:
        raise already_exists("nodes", name)
    own = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
    }
    if control_plane:
        own[CONTROL_PLANE_LABEL] = ""
    meta = state.stamped(Meta(name, labels={**own, **(labels or {})}), kinds.NODE, now)
    return settle(state.having(Node(meta, tuple(addresses), info=info or NodeInfo())), now)


def set_ready(state: ClusterState, name: str, *, ready: bool, now: datetime) -> ClusterState:
    """The node's machine runs, or does not: its pods leave and join the EndpointSlices."""
    node = state.node(name)
    if node is None:
        raise not_found("nodes", name)
    return settle(state.having(replace(node, ready=ready)), now)


def cordon(
    state: ClusterState, names: Iterable[str], *, desired: bool = True, now: datetime
) -> Outcome:
    """`kubectl cordon`, or `uncordon` with `desired` False. All names must exist."""
    nodes = [state.node(name) or name for name in dict.fromkeys(names)]
    missing = tuple(not_found("nodes", node) for node in nodes if isinstance(node, str))
    if missing:
        return Outcome(state, problems=missing)
    word = "cordoned" if desired else "uncordoned"
    out = []
    for node in nodes:
        assert isinstance(node, Node)
        already = "already " if node.unschedulable is desired else ""
        out.append(f"{ref(node)} {already}{word}")
        state = state.having(replace(node, unschedulable=desired))
    return Outcome(settle(state, now), tuple(out))


@dataclass(frozen=True, slots=True)
class Drain:
    """`kubectl drain`'s options that decide what may be evicted."""

    ignore_daemonsets: bool = False
    force: bool = False


def drain(
    state: ClusterState, names: Sequence[str], options: Drain | None = None, *, now: datetime
) -> Outcome:
    """`kubectl drain`: cordon all the nodes, then evict their pods node by node.

    Pods of a Deployment appear anew on nodes that are not cordoned. A node that may not be drained
    stays cordoned, and kubectl goes on with the next.
    """
    options = options or Drain()
    done = cordon(state, names, now=now)
    if done.problems:
        return done
    state, out = done.state, list(done.out)
    warnings: list[str] = []
    problems: list[InputError] = []
    pending: list[str] = []
    reasons: list[str] = []
    for name in dict.fromkeys(names):
        plan = _plan(state, name, options)
        if plan.refusals:
            text = ", ".join(plan.refusals)
            shown = f"[{text}]" if len(plan.refusals) > 1 else text
            warnings.append(
                f'error: unable to drain node "{name}" due to error: {shown}, continuing command...'
            )
            pending.append(name)
            reasons += plan.refusals
            continue
        if plan.warnings:
            warnings.append("Warning: " + "; ".join(plan.warnings))
        out += (f"evicting pod {pod.meta.namespace}/{pod.meta.name}" for pod in plan.evicted)
        out += (f"{ref(pod)} evicted" for pod in plan.evicted)
        state = settle(state.without(ref(pod) for pod in plan.evicted), now)
        out.append(f"node/{name} drained")
    if pending:
        warnings += ["There are pending nodes to be drained:", *(f" {name}" for name in pending)]
        # kubectl prints these once more at the end, without its `error: `
        problems = [InputError(reason) for reason in dict.fromkeys(reasons)]
    return Outcome(state, tuple(out), tuple(warnings), tuple(problems))


@dataclass(frozen=True, slots=True)
class _Plan:
    evicted: tuple[Pod, ...]
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]


def _plan(state: ClusterState, node: str, options: Drain) -> _Plan:
    """What kubectl's pod filters say about the pods of a node (kubectl `drain/filters.go`)."""
    pods = [pod for pod in state.pods if pod.spec.node_name == node]
    daemons = [pod for pod in pods if _is_daemon(state, pod)]
    others = [pod for pod in pods if pod not in daemons]
    alone = [pod for pod in others if pod.meta.owner is None and pod.phase is not Phase.COMPLETED]
    warnings, refusals = [], []
    if daemons and options.ignore_daemonsets:
        warnings.append(f"ignoring DaemonSet-managed Pods: {_listed(daemons)}")
    elif daemons:
        refusals.append(
            "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): "
            f"{_listed(daemons)}"
        )
    if alone and options.force:
        warnings.append(f"deleting Pods that declare no controller: {_listed(alone)}")
    elif alone:
        # the doubled words are kubectl's own
        refusals.append(
            "cannot delete cannot delete Pods that declare no controller "
            "(use --force to override): "
            f"{_listed(alone)}"
        )
    return _Plan(tuple(others), tuple(sorted(warnings)), tuple(refusals))


def _is_daemon(state: ClusterState, pod: Pod) -> bool:
    owner: Ref | None = pod.meta.owner
    return owner is not None and isinstance(state.get(owner), DaemonSet)


def _listed(pods: Iterable[Pod]) -> str:
    return ", ".join(f"{pod.meta.namespace}/{pod.meta.name}" for pod in pods)
