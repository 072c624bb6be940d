"""Calico clusters of a spec: their nodes, pods and speakers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_interface, ip_network

from labgen.calico.cluster import MANIFEST_NAMESPACE, OPERATOR_NAMESPACE
from labgen.calico.confd import Confd
from labgen.calico.felix import Felix
from labgen.calico.node_config import BirdPeer, FamilyConfig, KernelAction, NextHop, PeerKind
from labgen.calico.resources import Resources, merged, parse, raise_all
from labgen.design import workloads
from labgen.design.content import Content
from labgen.design.model import (
    Address,
    Alien,
    CalicoNode,
    Daemon,
    ExportPolicy,
    Interface,
    InterfaceAddress,
    Network,
    PeerConfig,
    Pod,
    Speaker,
)
from labgen.design.plan import mac_of
from labgen.errors import InputError, Mark
from labgen.kubernetes.proxy import Pool, ruleset
from labgen.spec.model import CalicoNode as SpecNode
from labgen.spec.model import Cluster, Spec
from labgen.yaml_source import Document

BIRD_HOLD_TIME = 240  # BIRD's default; Calico has no setting for it
_NEVER_IN_KERNEL = {KernelAction.REJECT_VXLAN, KernelAction.REJECT_FELIX}


@dataclass(frozen=True, slots=True)
class ClusterDesign:
    """A cluster, decided."""

    content: Content
    nodes: tuple[CalicoNode, ...]
    pods: tuple[Pod, ...]
    notes: tuple[str, ...]


def decide(
    spec: Spec, content: Content, environment: Mapping[str, str] | None = None
) -> ClusterDesign:
    """A cluster's nodes and pods, from what its API servers hold.

    Raises InputError where the resources give what BIRD would refuse.
    """
    cluster, resources = spec.clusters[content.name], content.resources
    pods = workloads.pods(content, cluster.pod_mtu)
    confd = Confd(
        resources, environment={"NAMESPACE": _namespace(resources), **(environment or {})}
    )
    pools = [Pool(p.spec.network, bool(p.spec.nat_outgoing)) for p in resources.ip_pools]
    felix = Felix(resources, content.blocks)
    configs = {
        name: confd.node(name, [p.status for p in pods if p.node == name and p.status])
        for name in cluster.nodes
    }
    pods = workloads.with_speakers(pods, resources, configs)
    nodes = tuple(
        CalicoNode(
            node_name,
            content.name,
            (_interface(spec, node_name, node),),
            configs[node_name],
            tuple(pod for pod in pods if pod.node == node_name),
            nat=ruleset(content.state, node_name, pools),
            routes=felix.routes(configs[node_name]),
            tunnels=felix.tunnels(configs[node_name]),
            mtu=spec.segments[node.segment].mtu,
        )
        for node_name, node in cluster.nodes.items()
    )
    raise_all([_without_as(resources, p) for p in _peers_without_as(nodes)])
    notes = [str(notice) for notice in resources.notices]
    told = Counter(notice for node in nodes for notice in node.config.notices)
    notes += [text for text, times in told.items() if times == len(nodes)]
    notes += [
        f"{node.name}: {notice}"
        for node in nodes
        for notice in node.config.notices
        if told[notice] < len(nodes)
    ]
    return ClusterDesign(content, nodes, pods, tuple(notes))


def _namespace(resources: Resources) -> str:
    """Where this cluster's calico-node runs: the operator's namespace where only it has Secrets."""
    there = {secret.namespace for secret in resources.secrets}
    by_operator = OPERATOR_NAMESPACE in there and MANIFEST_NAMESPACE not in there
    return OPERATOR_NAMESPACE if by_operator else MANIFEST_NAMESPACE


def _peers_without_as(nodes: tuple[CalicoNode, ...]) -> list[str]:
    """BGPPeers that give a node a peer of AS 0, which BIRD refuses (RFC 7607)."""
    found = (p for n in nodes for p in n.config.peers if p.remote_as == 0 and p.resource)
    return list(dict.fromkeys(p.resource for p in found if p.resource))


def _without_as(resources: Resources, name: str) -> InputError:
    peer = next(p for p in resources.bgp_peers if p.name == name)
    return InputError(
        f"BGPPeer {name}: spec.asNumber is 0 or missing: BIRD would refuse the whole file",
        mark=peer.mark("spec", "asNumber"),
        hint="set the peer's AS number",
    )


def with_nodes(
    spec: Spec, cluster: Cluster, resources: Resources, marks: Mapping[str, Mark]
) -> Resources:
    """The resources, with a Node object for every node of the spec that has none with BGP."""
    documents = []
    for name, node in cluster.nodes.items():
        known = resources.node(name)
        if known is not None and known.spec.bgp is not None:
            _agree(name, node, known.spec.ipv4 or known.spec.ipv6, marks[name])
            continue
        addresses = {f"ipv{a.version}Address": str(a) for a in _addresses(spec, node)}
        labels = {"kubernetes.io/hostname": name, **node.labels}
        labels |= dict(known.labels) if known else {}
        value = {
            "apiVersion": "projectcalico.org/v3",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": {"bgp": addresses},
        }
        documents.append(Document(value, marks[name].path, marks[name], {}))
    return merged(resources, parse(documents)) if documents else resources


def _agree(name: str, node: SpecNode, found: InterfaceAddress | None, mark: Mark) -> None:
    if found is not None and found.ip not in (node.address, node.address6):
        raise InputError(
            f"node {name}: the spec says {node.address}, its Node resource {found.ip}",
            mark=mark,
            hint="Calico announces the Node's address; make them equal",
        )


def _addresses(spec: Spec, node: SpecNode) -> list[InterfaceAddress]:
    segment = spec.segments[node.segment]
    found = [ip_interface(f"{node.address}/{segment.subnet.prefixlen}")]
    if node.address6 is not None and segment.subnet6 is not None:
        found.append(ip_interface(f"{node.address6}/{segment.subnet6.prefixlen}"))
    return found


def _interface(spec: Spec, name: str, node: SpecNode) -> Interface:
    mac = mac_of(spec.name, name, "eth1")
    return Interface("eth1", node.segment, tuple(_addresses(spec, node)), mac)


def speaker(node: CalicoNode) -> Speaker:
    """The node's BGP speaker, from what confd computed."""
    config = node.config
    families = [f for f in config.families if f.address is not None]
    waiting: dict[int, Address] = {a.version: a for pod in node.pods for a in pod.peerings}
    return Speaker(
        node=node.name,
        daemon=Daemon.BIRD,
        asn=config.as_number,
        bgp_identifier=_identifier(config.router_id),
        addresses=tuple(f.address.ip for f in families if f.address is not None),
        peers=tuple(_peer(p, f, waiting) for f in families for p in f.peers),
        originates=tuple(n for f in families for n in _originates(f)),
        export=_policy(families),
        listen_port=config.v4.listen.port or 179,
        cluster_id=_identifier(config.cluster_id or ""),
        add_path_receive=True,  # `add paths on` in Calico's template
        aliens=tuple(Alien(r.network, r.gateway, r.onlink) for r in node.routes),
    )


def _identifier(text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        return None


def _peer(peer: BirdPeer, family: FamilyConfig, waiting: Mapping[int, Address]) -> PeerConfig:
    local = peer.source_address or family.host_part
    if peer.kind is PeerKind.LOCAL_WORKLOAD:
        local = waiting.get(family.version, local)
    return PeerConfig(
        name=peer.name,
        kind=peer.kind.value.lower().replace("_", "-"),
        address=peer.address,
        port=peer.port or 179,
        local_address=local,
        local_as=peer.effective_local_as,
        remote_as=peer.remote_as,
        passive=peer.passive,
        hold_time=BIRD_HOLD_TIME,
        password=peer.password.reveal() if peer.password is not None else None,
        rr_client=peer.rr_client,
        next_hop_self=peer.next_hop is NextHop.SELF,
        next_hop_keep=peer.next_hop is NextHop.KEEP,
        allow_local_as=peer.allow_local_as,
        policy=bool(peer.import_filters or peer.export_filters),
    )


def _originates(family: FamilyConfig) -> list[Network]:
    blocks: list[Network] = [b.network for b in family.blocks if not b.is_single_address]
    statics: list[Network] = [ip_network(text) for text in family.static_routes]
    return list(dict.fromkeys([*blocks, *statics]))


def _policy(families: list[FamilyConfig]) -> ExportPolicy:
    pools = [pool for family in families for pool in family.pools]
    services = [ip_network(t, strict=False)
                for f in families for t in (*f.static_routes, *f.reflected_ranges)]  # fmt: skip
    rejects: list[Network] = [
        ip_network(t, strict=False) for f in families for t in f.kernel_rejects
    ]
    rejects += [pool.network for pool in pools if pool.kernel in _NEVER_IN_KERNEL]
    return ExportPolicy(
        never=tuple(pool.network for pool in pools if not pool.exported),
        blocks=tuple(b.network for f in families for b in f.blocks if b.confirmed),
        services=tuple(services),
        pools=tuple(pool.network for pool in pools if pool.exported),
        kernel_never=tuple(rejects),
    )
