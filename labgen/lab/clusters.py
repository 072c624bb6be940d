"""The clusters of a running lab: what their API servers hold, and how one half follows the other.

A cluster has one Node object with two views: kubectl labels it, Calico's selectors read the label.
Pods take addresses from Calico's IPAM, an Installation makes IPPools. Everything here is a value;
`content_files` keeps it, `live` changes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from labgen.calico.calicoctl.ipam_blocks import block_document, blocks
from labgen.calico.datastore import (
    GROUP,
    VERSION,
    Datastore,
    Key,
    Stamps,
    seeded,
    yaml_document,
)
from labgen.calico.ipam import Ipam
from labgen.calico.resources import parse
from labgen.calico.tunnels import with_tunnel_addresses
from labgen.calico.workload import host_interface
from labgen.design import content
from labgen.design.content import Content
from labgen.design.model import Design
from labgen.kubernetes import state as states
from labgen.kubernetes import system
from labgen.kubernetes.objects import (
    EndpointSlice,
    Namespace,
    Phase,
    Pod,
    Service,
    StandsFor,
    ref,
)
from labgen.kubernetes.state import ClusterState
from labgen.spec.model import CalicoNode, Spec

if TYPE_CHECKING:
    from labgen.calico.resources import Resource

RECLAIMED_AFTER = timedelta(minutes=1)  # libcalico-go: an empty block younger than this is kept


@dataclass(frozen=True, slots=True)
class ClusterStore:
    """One cluster. `nodes` says where each node stands, as the spec would."""

    name: str
    calico: Datastore
    kubernetes: ClusterState
    nodes: Mapping[str, CalicoNode]

    def content(self) -> Content:
        """What the design is computed from."""
        resources = content.with_state(self.calico.resources(), self.kubernetes)
        return Content(self.name, resources, self.kubernetes, blocks(self.calico))

    def ipam(self, now: datetime | None = None) -> Ipam:
        """Calico's IPAM as it stands; with `now` it may take old empty blocks from other nodes."""
        found = Ipam(replace(self.calico.resources(), workload_endpoints=()))
        found.restore(blocks(self.calico))
        if now is not None:
            found.reclaimable = frozenset(
                ip_network(document["spec"]["cidr"])
                for document in self.calico.list("IPAMBlock")
                if now - _created(document) >= RECLAIMED_AFTER
            )
        return found


def _created(document: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(document["metadata"]["creationTimestamp"])


@dataclass(frozen=True, slots=True)
class LiveState:
    """Every cluster that runs, by name. `current` is kubectl's context; `generation` counts."""

    clusters: Mapping[str, ClusterStore] = field(default_factory=dict)
    current: str | None = None
    generation: int = 0

    def having(self, cluster: ClusterStore) -> LiveState:
        return replace(self, clusters={**self.clusters, cluster.name: cluster})

    def spec(self, written: Spec) -> Spec:
        """The spec with the clusters and nodes that there are now; its pods are the state's."""
        clusters = {
            name: written.clusters[name].model_copy(update={"nodes": dict(c.nodes), "pods": {}})
            for name, c in self.clusters.items()
        }
        return written.model_copy(update={"clusters": clusters})


def beginning(spec: Spec, design: Design, stamps: Stamps) -> LiveState:
    """What a lab's clusters hold when it has just been deployed."""
    now = stamps.now()
    clusters = {}
    for one in design.contents:
        store = seeded(_documents(one), stamps)
        for block in one.blocks:
            store = store.put(block_document(block), stamps)
        state = _made_at(one.state, now)
        made = ClusterStore(one.name, store, state, dict(spec.clusters[one.name].nodes))
        clusters[one.name] = with_endpoints(_labelled(made, stamps), stamps)
    return LiveState(clusters, current=next(iter(clusters), None))


def _documents(one: Content) -> list[Mapping[str, Any]]:
    """Calico's objects, without those that Kubernetes' state has already."""
    derived = {
        (cls.__name__, item.meta.namespace, item.meta.name)
        for cls in (Namespace, Service, EndpointSlice)
        for item in one.state.of(cls)
    }
    return [
        _node_document(item) if item.kind == "Node" else plain(item.raw)
        for item in (*one.resources.every(), *one.resources.ignored)
        if (item.kind, item.namespace or "", item.name) not in derived
    ]


def plain(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document in JSON's types alone, so that it is equal to itself when it is read back."""
    read: Mapping[str, Any] = json.loads(json.dumps(document))
    return read


def _node_document(node: Resource[Any]) -> Mapping[str, Any]:
    """A Calico Node with what its Kubernetes Node said as well."""
    metadata = {"name": node.name, "labels": dict(node.labels)}
    if node.annotations:
        metadata["annotations"] = dict(node.annotations)
    spec = node.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"apiVersion": VERSION, "kind": "Node", "metadata": metadata, "spec": spec}


def _made_at(state: ClusterState, now: datetime) -> ClusterState:
    """Everything is as old as the lab; a design knows no time."""
    made: list[Any] = []
    for item in state.objects.values():
        new = replace(item, meta=replace(item.meta, created=now))
        made.append(replace(new, started=now) if isinstance(new, Pod) and new.started else new)
    return state.having(*made)


# --- one half follows the other ---------------------------------------------------------------


def after_calicoctl(cluster: ClusterStore, store: Datastore, stamps: Stamps) -> ClusterStore:
    """The cluster with a changed datastore: labels of Nodes are Kubernetes' as well, and what
    calico-node does of itself (addresses of tunnels) is done.
    """
    state = cluster.kubernetes
    for document in store.list("Node"):
        metadata = document["metadata"]
        node = state.node(metadata["name"])
        labels = metadata.get("labels") or {}
        if node is not None and dict(node.meta.labels) != labels:
            state = state.having(replace(node, meta=replace(node.meta, labels=labels)))
    return with_tunnels(replace(cluster, calico=store, kubernetes=state), stamps)


def after_kubectl(cluster: ClusterStore, state: ClusterState, stamps: Stamps) -> ClusterStore:
    """The cluster with changed objects: labels, IPPools of an Installation, released addresses."""
    before = cluster.kubernetes
    cluster = _labelled(replace(cluster, kubernetes=state), stamps)
    if state.operator_resources != before.operator_resources:
        cluster = _with_pools(cluster, stamps)
    ipam = cluster.ipam()
    gone = [p for p in before.pods if _is_other(state.get(ref(p)), p)]
    released = [
        allocation
        for pod in gone
        for allocation in ipam.release_handle(content.handle(pod.meta.namespace, pod.meta.name))
    ]
    if released:
        cluster = _with_ipam(cluster, ipam, stamps)
    return with_endpoints(cluster, stamps)


def _is_other(found: object, pod: Pod) -> bool:
    return not isinstance(found, Pod) or found.meta.uid != pod.meta.uid


def with_pods_started(cluster: ClusterStore, stamps: Stamps) -> ClusterStore:
    """The cluster in which every waiting pod has its address and runs. Raises NoAddress."""
    state = cluster.kubernetes
    if not state.to_start():
        return cluster
    ipam = cluster.ipam(stamps.now())
    state = content.started(state, ipam, {}, stamps.now())
    cluster = _with_ipam(replace(cluster, kubernetes=state), ipam, stamps)
    return with_endpoints(cluster, stamps)


def with_first_blocks(cluster: ClusterStore, stamps: Stamps) -> ClusterStore:
    """Every node with a block of each family, as a node has once a DaemonSet's pod runs there."""
    ipam = cluster.ipam()
    resources = cluster.calico.resources("IPPool")
    for name in cluster.nodes:
        content.claim_first_blocks(ipam, resources, name)
    return with_tunnels(_with_ipam(cluster, ipam, stamps), stamps)


def with_tunnels(cluster: ClusterStore, stamps: Stamps) -> ClusterStore:
    """Every node with the tunnel addresses that the pools ask for, and no others."""
    ipam = cluster.ipam()
    resources = cluster.calico.resources("Node", "IPPool")
    changed = with_tunnel_addresses(resources, ipam, cluster.nodes)
    if not changed:
        return cluster
    store = cluster.calico
    for node in changed:
        store = store.put(_node_document(node), stamps)
    return _with_ipam(replace(cluster, calico=store), ipam, stamps)


def with_node(
    cluster: ClusterStore, name: str, node: CalicoNode, resource: Resource[Any], stamps: Stamps
) -> ClusterStore:
    """The cluster with one more node: both API servers' objects, and its first blocks.

    `resource` is its Calico Node. Raises InputError for a name that is taken.
    """
    labels = dict(resource.labels)
    state = content.with_node(cluster.kubernetes, name, node, labels, stamps.now())
    store = cluster.calico.put(_node_document(resource), stamps)
    nodes = {**cluster.nodes, name: node}
    made = replace(cluster, calico=store, kubernetes=state, nodes=nodes)
    return with_first_blocks(_labelled(made, stamps), stamps)


def started_anew(
    name: str,
    like: ClusterState,
    nodes: Mapping[str, CalicoNode],
    found: Mapping[str, Resource[Any]],
    stamps: Stamps,
) -> ClusterStore:
    """A cluster as `minikube start` leaves it: nodes, kube-proxy, and nothing of Calico's yet.

    `like` has its networks; `found` its Calico Nodes.
    """
    state = states.new_cluster(
        name, service_networks=like.service_networks, pod_networks=like.pod_networks,
        now=stamps.now(),
    )  # fmt: skip
    state = system.with_kube_proxy(state, stamps.now())
    cluster = ClusterStore(name, seeded((), stamps), state, {})
    for node_name, node in nodes.items():
        cluster = with_node(cluster, node_name, node, found[node_name], stamps)
    return cluster


def without_nodes(cluster: ClusterStore, names: set[str], stamps: Stamps) -> ClusterStore:
    """The cluster after nodes left it: their addresses and blocks are free again."""
    ipam = cluster.ipam()
    store = cluster.calico
    for name in names:
        ipam.release_node(name)
        store = store.remove(Key(GROUP, "Node", "", name))
        store = store.remove(Key(GROUP, "BGPConfiguration", "", f"node.{name}"))
    nodes = {name: node for name, node in cluster.nodes.items() if name not in names}
    cluster = _with_ipam(replace(cluster, calico=store, nodes=nodes), ipam, stamps)
    return with_endpoints(cluster, stamps)


def _labelled(cluster: ClusterStore, stamps: Stamps) -> ClusterStore:
    """Calico's Nodes with the labels of Kubernetes' ones."""
    store = cluster.calico
    for node in cluster.kubernetes.nodes:
        document = store.get(Key(GROUP, "Node", "", node.meta.name))
        if document is None:
            continue
        if (document["metadata"].get("labels") or {}) != dict(node.meta.labels):
            document["metadata"]["labels"] = dict(node.meta.labels)
            store = store.put(document, stamps)
    return replace(cluster, calico=store)


def _with_pools(cluster: ClusterStore, stamps: Stamps) -> ClusterStore:
    """The IPPools that the operator makes of an Installation, for those that are not there."""
    store = cluster.calico
    known = {document["spec"]["cidr"] for document in store.list("IPPool")}
    operator = cluster.kubernetes.operator_resources
    for pool in parse(yaml_document(item.body) for item in operator).ip_pools:
        if pool.raw["spec"]["cidr"] not in known:
            store = store.put(plain(pool.raw), stamps)
    return with_first_blocks(replace(cluster, calico=store), stamps)


def _with_ipam(cluster: ClusterStore, ipam: Ipam, stamps: Stamps) -> ClusterStore:
    """The datastore with IPAM's blocks and affinities as they are."""
    blocks_now = [block_document(block) for block in ipam.blocks]
    store = _replaced(cluster.calico, "IPAMBlock", blocks_now, stamps)
    return replace(cluster, calico=_with_affinities(store, ipam, stamps))


def _replaced(
    store: Datastore, kind: str, documents: Iterable[Mapping[str, Any]], stamps: Stamps
) -> Datastore:
    """The store with these objects of a kind and no others; only what differs is written."""
    wanted = {(d["metadata"].get("namespace", ""), d["metadata"]["name"]): d for d in documents}
    for key in store.keys(kind):
        document = wanted.pop((key.namespace, key.name), None)
        if document is None:
            store = store.remove(key)
        elif store.objects[key]["spec"] != document["spec"]:
            store = store.put(document, stamps)
    for document in wanted.values():
        store = store.put(document, stamps)
    return store


def _with_affinities(store: Datastore, ipam: Ipam, stamps: Stamps) -> Datastore:
    """Affinities of the blocks that have an owner; those that are not confirmed are left alone."""
    owned = {a.spec.cidr: a for a in ipam.block_affinities()}
    for document in store.list("BlockAffinity"):
        spec = document["spec"]
        affinity = owned.get(spec["cidr"])
        if affinity is not None and affinity.spec.node == spec["node"]:
            del owned[spec["cidr"]]
        elif spec.get("state", "confirmed") in ("", "confirmed"):
            store = store.remove(Key(GROUP, "BlockAffinity", "", document["metadata"]["name"]))
    for affinity in owned.values():
        store = store.put(affinity.raw, stamps)
    return store


# --- what Calico shows of pods ----------------------------------------------------------------


def with_endpoints(cluster: ClusterStore, stamps: Stamps) -> ClusterStore:
    """The datastore with a WorkloadEndpoint for each pod that runs, as Calico shows them."""
    found = [d for d in map(_endpoint, cluster.kubernetes.pods) if d is not None]
    store = _replaced(cluster.calico, "WorkloadEndpoint", found, stamps)
    return replace(cluster, calico=store)


def _endpoint(pod: Pod) -> dict[str, Any] | None:
    """A pod's WorkloadEndpoint (libcalico-go names it after node, orchestrator, pod, interface)."""
    if pod.phase is not Phase.RUNNING or pod.stands_for is not StandsFor.OWN_CONTAINERS:
        return None
    meta, node = pod.meta, pod.spec.node_name
    name = "-".join(part.replace("-", "--") for part in (node, "k8s", meta.name, "eth0"))
    return {
        "apiVersion": VERSION,
        "kind": "WorkloadEndpoint",
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": {
                **meta.labels,
                "projectcalico.org/namespace": meta.namespace,
                "projectcalico.org/orchestrator": "k8s",
            },
        },
        "spec": {
            "orchestrator": "k8s",
            "node": node,
            "pod": meta.name,
            "endpoint": "eth0",
            "interfaceName": host_interface(meta.namespace, meta.name),
            "ipNetworks": [f"{a}/{a.max_prefixlen}" for a in pod.addresses],
            "profiles": [f"kns.{meta.namespace}"],
        },
    }
