"""The DaemonSets that a cluster has by itself, and what each of them is in a lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.kubernetes import kinds
from labgen.kubernetes import state as states
from labgen.kubernetes.controllers import settle
from labgen.kubernetes.kinds import Ref
from labgen.kubernetes.labels import selector_of
from labgen.kubernetes.objects import (
    Container,
    DaemonSet,
    Meta,
    PodSpec,
    PodTemplate,
    StandsFor,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from labgen.kubernetes.state import ClusterState

CALICO_NAMESPACE = "calico-system"  # where Tigera's operator puts calico-node
KUBE_SYSTEM = "kube-system"
CALICO_NODE = "calico-node"
KINDNET = "kindnet"


def with_kube_proxy(state: ClusterState, now: datetime) -> ClusterState:
    """kube-proxy: the nftables rules of `proxy` on every node."""
    return _with(state, "kube-proxy", KUBE_SYSTEM, {"k8s-app": "kube-proxy"}, now)


def with_calico_node(
    state: ClusterState, now: datetime, *, namespace: str = CALICO_NAMESPACE
) -> ClusterState:
    """calico-node: BIRD and labgen's part of Felix on every node.

    The operator's namespace, unless the cluster was set up from `calico.yaml` (kube-system).
    """
    if state.get(Ref(kinds.NAMESPACE, "", namespace)) is None:
        state = state.having(states.namespace(state, namespace, now))
    return _with(state, CALICO_NODE, namespace, {"k8s-app": CALICO_NODE}, now)


def with_kindnet(state: ClusterState, now: datetime) -> ClusterState:
    """kindnet, which `minikube node add` brings along: listed, and nothing runs."""
    labels = {"app": KINDNET, "k8s-app": KINDNET, "tier": "node"}
    return _with(state, KINDNET, KUBE_SYSTEM, labels, now, StandsFor.NOTHING)


def after_operator(state: ClusterState, now: datetime) -> ClusterState:
    """Tigera's operator installs calico-node once an Installation exists."""
    wanted = any(item.kind == kinds.INSTALLATION for item in state.operator_resources)
    installed = any(item.meta.name == CALICO_NODE for item in state.of(DaemonSet))
    return with_calico_node(state, now) if wanted and not installed else state


def _with(
    state: ClusterState, name: str, namespace: str, labels: Mapping[str, str], now: datetime,
    stands_for: StandsFor = StandsFor.NODE_PROCESS,
) -> ClusterState:  # fmt: skip
    at = Ref(kinds.DAEMON_SET, namespace, name)
    if state.get(at) is not None:
        return state
    # no image of that name runs here: the process is part of the node's own image
    spec = PodSpec((Container(name, "(none)"),), host_network=True)
    daemon_set = DaemonSet(
        state.stamped(Meta(name, namespace, dict(labels)), kinds.DAEMON_SET, now),
        selector_of(labels),
        PodTemplate(dict(labels), {}, spec),
        stands_for,
    )
    return settle(state.having(daemon_set), now)
