"""What a cluster's API servers hold: Calico's resources and Kubernetes' objects. Pure.

`initial` completes what a user's files say by what a cluster has by itself: the Node objects, a
block for every node, the pods that the Deployments of the manifests make, their addresses from
Calico's IPAM, the EndpointSlices that follow. A running lab keeps the result and changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

from labgen.calico import resources as calico
from labgen.calico.ipam import Ipam, NoAddress, Request
from labgen.calico.resources import Resources, merged
from labgen.calico.tunnels import with_tunnel_addresses
from labgen.design.model import Address, Network
from labgen.errors import InputError, Mark
from labgen.kubernetes import kinds, manifests, nodes, system, verbs
from labgen.kubernetes import state as states
from labgen.kubernetes.controllers import running, settle
from labgen.kubernetes.kinds import Ref
from labgen.kubernetes.objects import (
    Container,
    DaemonSet,
    EndpointSlice,
    Meta,
    Namespace,
    Pod,
    PodSpec,
    Service,
    ref,
)
from labgen.kubernetes.present import manifest
from labgen.kubernetes.state import ClusterState
from labgen.spec.model import CalicoNode, Cluster, Spec
from labgen.yaml_source import Document

if TYPE_CHECKING:
    from labgen.calico.ipam_values import Allocation, BlockRecord

# A design has no clock: names that are made from times of creation stay the same each time.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
LAB_NODE = "labgen/node"  # annotation: the lab's name for a pod whose own name was taken
ANNOUNCES = "labgen/announces"  # annotation: the networks that a pod announces to its node
POD_IMAGE = "labgen/pod"
# kubeadm's --service-cidr, then private ranges for clusters whose pods live there
_SERVICE_NETWORKS = tuple(map(ip_network, ("10.96.0.0/12", "172.30.0.0/16", "192.168.240.0/20")))
_POD_NETWORK = ip_network("10.244.0.0/16")  # what kubeadm's documentation suggests


@dataclass(frozen=True, slots=True)
class Content:
    """A cluster's objects. `resources` holds all that confd reads, Services included.

    `blocks` are IPAM's, with their allocations: `resources` has only their affinities.
    """

    name: str
    resources: Resources
    state: ClusterState
    blocks: tuple[BlockRecord, ...]


def initial(
    spec: Spec, name: str, resources: Resources, documents: Iterable[Document],
    marks: Mapping[str, Mark],
) -> Content:  # fmt: skip
    """A cluster as it is when the lab starts. `resources` has a Node for each node of the spec.

    `documents` are those of `manifests:`. Raises InputError where an address or a manifest does
    not fit.
    """
    cluster = spec.clusters[name]
    state = _nodes(spec, name, resources)
    state = _spec_pods(state, cluster)
    decoded = manifests.decode([*_installations(resources), *documents])
    state = verbs.create(state, decoded, source=f"manifests of {name}", now=LONG_AGO).checked()
    if not any(item.meta.name == system.CALICO_NODE for item in state.of(DaemonSet)):
        state = system.with_calico_node(state, LONG_AGO, namespace=system.KUBE_SYSTEM)
    ipam = Ipam(resources)
    if not resources.block_affinities:
        _claim_first_blocks(ipam, resources, cluster)
    given = {
        Ref(kinds.POD, pod.namespace, pod_name): tuple(
            _given(ipam, cluster, pod_name, address, marks)
            for address in (pod.address, pod.address6)
            if address is not None
        )
        for pod_name, pod in cluster.pods.items()
    }
    tunnelled = with_tunnel_addresses(resources, ipam, cluster.nodes)
    resources = merged(resources, Resources(nodes=tunnelled))
    state = started(state, ipam, given, LONG_AGO)
    return Content(name, with_state(_with_blocks(resources, ipam), state), state, ipam.blocks)


def started(
    state: ClusterState, ipam: Ipam, given: Mapping[Ref, tuple[Address, ...]], now: datetime
) -> ClusterState:
    """The state in which every pod that waits for a container has an address and runs.

    `given` holds addresses that are decided already. Raises NoAddress.
    """
    versions = tuple(network.version for network in state.pod_networks)
    addresses = {
        ref(pod): given.get(ref(pod)) or assigned(ipam, pod, versions) for pod in state.to_start()
    }
    return running(state, addresses, now)


def assigned(ipam: Ipam, pod: Pod, versions: Sequence[int]) -> tuple[Address, ...]:
    """Addresses of a pod on its node, one of each family. Raises NoAddress."""
    if pod.spec.host_network:
        return ()
    found: list[Allocation] = [ipam.assign(request(pod, version)) for version in versions]
    return tuple(allocation.address for allocation in found)


def request(pod: Pod, version: int) -> Request:
    """What Calico's CNI plugin asks of IPAM for a pod."""
    meta = pod.meta
    attributes = {"namespace": meta.namespace, "node": pod.spec.node_name, "pod": meta.name}
    return Request(
        pod.spec.node_name, handle(meta.namespace, meta.name), version, attributes, meta.namespace
    )


def handle(namespace: str, pod: str) -> str:
    """The handle that holds a pod's addresses. Calico's has the container's id, which is not
    known before the container is made.
    """
    return f"k8s-pod-network.{namespace}.{pod}"


def with_state(resources: Resources, state: ClusterState) -> Resources:
    """The resources together with what confd reads of the Kubernetes objects."""
    first = Mark(f"kubernetes/{state.name}", 1, 1)
    documents = [
        Document(manifest(item, state), first.path, first, {})
        for cls in (Namespace, Service, EndpointSlice)
        for item in state.of(cls)
    ]
    return merged(resources, calico.parse(documents))


# --- the beginning ----------------------------------------------------------------------------


def _nodes(spec: Spec, name: str, resources: Resources) -> ClusterState:
    """The cluster with its nodes and the DaemonSet that every cluster has."""
    cluster = spec.clusters[name]
    pod_networks = _pod_networks(cluster, resources)
    state = states.new_cluster(
        name,
        service_networks=_service_networks(cluster, pod_networks),
        pod_networks=pod_networks,
        now=LONG_AGO,
    )
    for node_name, node in cluster.nodes.items():
        found = resources.node(node_name)
        labels = dict(found.labels) if found else {}
        state = with_node(state, node_name, node, labels, LONG_AGO)
    return system.with_kube_proxy(state, LONG_AGO)


def with_node(
    state: ClusterState, name: str, node: CalicoNode, labels: Mapping[str, str], now: datetime
) -> ClusterState:
    """The cluster with one more Node; the first one is the control plane."""
    addresses = tuple(a for a in (node.address, node.address6) if a is not None)
    return nodes.add_node(
        state, name, addresses, labels=labels, control_plane=not state.nodes, now=now
    )


def _installations(resources: Resources) -> list[Document]:
    """The operator's Installations that pools came from: they are Kubernetes objects as well."""
    found: dict[int, Document] = {}
    for pool in resources.ip_pools:
        document = pool.source.document
        if isinstance(document.value, dict) and document.value.get("kind") == "Installation":
            found[id(document)] = document
    return list(found.values())


def _pod_networks(cluster: Cluster, resources: Resources) -> tuple[Network, ...]:
    """kubeadm's pod-network-cidr: as the spec says, else the first enabled pool of each family."""
    if cluster.pod_network is not None:
        return (cluster.pod_network,)
    first: dict[int, Network] = {}
    for pool in resources.ip_pools:
        if not pool.spec.disabled:
            first.setdefault(pool.spec.network.version, pool.spec.network)
    return tuple(first[version] for version in sorted(first)) or (_POD_NETWORK,)


def _service_networks(
    cluster: Cluster, pod_networks: Sequence[Network]
) -> tuple[IPv4Network | IPv6Network, ...]:
    if cluster.service_network is not None:
        return (cluster.service_network,)
    for network in _SERVICE_NETWORKS:
        if not any(n.version == 4 and network.overlaps(n) for n in pod_networks):
            return (network,)
    raise InputError(
        "no service network is left beside the pods' networks", hint="write `service_network`"
    )


def _spec_pods(state: ClusterState, cluster: Cluster) -> ClusterState:
    """The pods that the spec places itself."""
    for name, pod in cluster.pods.items():
        if state.get(Ref(kinds.NAMESPACE, "", pod.namespace)) is None:
            state = state.having(states.namespace(state, pod.namespace, LONG_AGO))
        said = {ANNOUNCES: ",".join(map(str, pod.announces))} if pod.announces is not None else {}
        named = Meta(name, pod.namespace, dict(pod.labels), said)
        meta = state.stamped(named, kinds.POD, LONG_AGO)
        spec = PodSpec((Container("pod", POD_IMAGE),), node_name=pod.node)
        state = state.having(Pod(meta, spec))
    return settle(state, LONG_AGO)


def _claim_first_blocks(ipam: Ipam, resources: Resources, cluster: Cluster) -> None:
    """A block for each node in each family that has a pool for it.

    A node of a real cluster has one as soon as its first pod starts, and DaemonSets start pods on
    every node. Where the resources name affinities themselves, they are taken as they are.
    """
    for name in cluster.nodes:
        claim_first_blocks(ipam, resources, name)


def claim_first_blocks(ipam: Ipam, resources: Resources, node: str) -> None:
    """The first blocks of a node that joins, one of each family that its pools have."""
    for version in sorted({pool.spec.network.version for pool in resources.ip_pools}):
        ipam.claim(Request(node, f"node {node}", version))


def _given(
    ipam: Ipam, cluster: Cluster, name: str, address: Address, marks: Mapping[str, Mark]
) -> Address:
    """An address that the spec gives a pod, noted in IPAM where a pool holds it."""
    pod = cluster.pods[name]
    attributes = {"namespace": pod.namespace, "node": pod.node, "pod": name}
    wanted = Request(
        pod.node, handle(pod.namespace, name), address.version, attributes, pod.namespace
    )
    if ipam.pool_of(address) is None:
        return address  # outside every pool: no IPAM ever hears of it
    try:
        return ipam.assign_address(address, wanted).address
    except NoAddress as error:
        raise InputError(
            f"pod {name}: {error.message}", mark=marks[name], hint=error.hint
        ) from None


def _with_blocks(resources: Resources, ipam: Ipam) -> Resources:
    """The resources with an affinity for each block that has an owner and none yet."""
    known = {affinity.spec.cidr for affinity in resources.block_affinities}
    new = tuple(a for a in ipam.block_affinities() if a.spec.cidr not in known)
    return merged(resources, Resources(block_affinities=new)) if new else resources


def renamed(state: ClusterState, taken: Iterable[str]) -> ClusterState:
    """The state in which each pod whose name another node of the lab has got its own.

    `taken` are the names of the lab's other nodes. The annotation stays with the pod, so that its
    container keeps its name whatever happens to the other one.
    """
    used = set(taken)
    for pod in state.pods:
        if lab_node(pod) in used:
            meta = pod.meta
            annotations = {**meta.annotations, LAB_NODE: f"{state.name}-{meta.name}"}
            pod = replace(pod, meta=replace(meta, annotations=annotations))  # noqa: PLW2901 - renamed
            state = state.having(pod)
        used.add(lab_node(pod))
    return state


def lab_node(pod: Pod) -> str:
    """The lab's node that stands for a pod."""
    return pod.meta.annotations.get(LAB_NODE, pod.meta.name)
