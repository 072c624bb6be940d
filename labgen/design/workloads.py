"""Pods: their wiring, and the BGP that some of them speak with their node. Pure.

A pod whose labels a BGPPeer's `localWorkloadSelector` picks peers with its own node over its cali
interface, at the address `localWorkloadPeeringIPV4` (or V6) that Felix puts there. What the pod
itself announces is its own affair, so the lab is told: by `announces` in the spec, or by the
annotation `labgen/announces` of a Kubernetes object.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_address, ip_network
from typing import TYPE_CHECKING

from labgen.calico.peers import EndpointStatus
from labgen.calico.status import peering_of
from labgen.calico.workload import HOST_MAC, host_interface
from labgen.design.content import ANNOUNCES, lab_node
from labgen.design.model import (
    Daemon,
    ExportPolicy,
    PeerConfig,
    Pod,
    PodSpeaker,
    Speaker,
)
from labgen.errors import InputError
from labgen.kubernetes.objects import Namespace, Phase, StandsFor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labgen.calico.node_config import NodeConfig
    from labgen.calico.resources import Resources
    from labgen.design.content import Content
    from labgen.design.model import Address, Network
    from labgen.kubernetes.objects import Pod as KubernetesPod
    from labgen.kubernetes.state import ClusterState

WORKLOAD = "local-workload"  # the kind of such a session; see PeerKind.LOCAL_WORKLOAD
_EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def pods(content: Content, mtu: int) -> tuple[Pod, ...]:
    """The pods that run in containers of their own. Raises InputError for a bad annotation."""
    state = content.state
    peerings = peering_addresses(content.resources)
    found = []
    for pod in state.pods:
        if pod.stands_for is not StandsFor.OWN_CONTAINERS or pod.spec.host_network:
            continue
        if pod.phase is Phase.RUNNING:
            made = _pod(pod, state, mtu)
            status = _status(made, content.resources, endpoint_labels(pod, state))
            found.append(replace(made, status=status, peerings=peerings if status else ()))
    return tuple(found)


def _pod(pod: KubernetesPod, state: ClusterState, mtu: int) -> Pod:
    meta = pod.meta
    text = meta.annotations.get(ANNOUNCES)
    return Pod(
        lab_node(pod), meta.namespace, state.name, pod.spec.node_name, pod.addresses,
        host_interface(meta.namespace, meta.name), mtu, in_cluster=meta.name,
        announces=None if text is None else _prefixes(text, f"pod {meta.namespace}/{meta.name}"),
    )  # fmt: skip


def _prefixes(text: str, where: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise InputError(
            f"{where}: annotation {ANNOUNCES}: {error}", hint="write networks, with commas between"
        ) from None


def endpoint_labels(pod: KubernetesPod, state: ClusterState) -> dict[str, str]:
    """A pod's labels as Calico's selectors see them: its own, and its namespace's inherited."""
    meta = pod.meta
    namespace = next((n for n in state.of(Namespace) if n.meta.name == meta.namespace), None)
    inherited = {f"pcns.{key}": value for key, value in namespace.meta.labels.items()} if (
        namespace
    ) else {}  # fmt: skip
    return {
        **inherited,
        **meta.labels,
        "projectcalico.org/namespace": meta.namespace,
        "projectcalico.org/orchestrator": "k8s",
    }


def _status(pod: Pod, resources: Resources, labels: Mapping[str, str]) -> EndpointStatus | None:
    """What Felix writes of a pod that peers; None for every other pod."""
    peer = peering_of(resources, pod.node, labels)
    if peer is None:
        return None
    nets = {v: tuple(f"{a}/{a.max_prefixlen}" for a in pod.addresses if a.version == v)
            for v in (4, 6)}  # fmt: skip
    return EndpointStatus(pod.interface, HOST_MAC, nets[4], nets[6], peer)


def peering_addresses(resources: Resources) -> tuple[Address, ...]:
    """Where every node waits for the pods that peer."""
    default = resources.bgp_configuration()
    if default is None:
        return ()
    texts = (default.spec.local_workload_peering_ipv4, default.spec.local_workload_peering_ipv6)
    return tuple(ip_address(text) for text in texts if text)


def with_speakers(
    given: Sequence[Pod], resources: Resources, configs: Mapping[str, NodeConfig]
) -> tuple[Pod, ...]:
    """The pods, those that announce with the sessions that they open."""
    return tuple(
        pod if pod.announces is None else replace(pod, speaker=_speaker(pod, resources, configs))
        for pod in given
    )


def _speaker(
    pod: Pod, resources: Resources, configs: Mapping[str, NodeConfig]
) -> PodSpeaker | None:
    if pod.status is None or pod.node not in configs:
        return None
    peer = next(p for p in resources.bgp_peers if p.name == pod.status.bgp_peer_name)
    node_as = peer.spec.local_as_number or configs[pod.node].as_number
    return PodSpeaker(peer.spec.as_number or 0, node_as)


def speaker(pod: Pod) -> Speaker | None:
    """A pod's BGP speaker; None for one that does not speak."""
    own = pod.speaker
    if own is None or pod.announces is None:
        return None
    peers = tuple(
        PeerConfig(f"node{there.version}", WORKLOAD, there, 179, mine, own.asn, own.node_as)
        for there in pod.peerings
        for mine in pod.addresses
        if mine.version == there.version
    )
    identifier = next((a for a in pod.addresses if isinstance(a, IPv4Address)), None)
    return Speaker(
        pod.name, Daemon.BIRD, own.asn, identifier, pod.addresses, peers, pod.announces,
        ExportPolicy(everything=True, kernel_never=_EVERYTHING),
    )  # fmt: skip
