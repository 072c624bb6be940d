"""What Calico's confd computes for a node, from the resources of its cluster. Pure.

`compute` answers for one node; `Confd` keeps what all nodes share, so that a whole cluster costs
little more than one node. The semantics are those of projectcalico/calico's confd (its BIRD config
processor and route generator); docs/conformance.md lists where labgen differs and why.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from labgen.calico.addresses import network_of
from labgen.calico.cluster import Cluster, ClusterNode
from labgen.calico.gotypes import whole_seconds
from labgen.calico.node_config import (
    BirdPeer,
    Block,
    CommunityRule,
    FamilyConfig,
    HostRoute,
    KernelAction,
    Listen,
    LogLevel,
    NextHop,
    NodeConfig,
    PeerKind,
    PoolRule,
)
from labgen.calico.peers import EndpointStatus, PeerExpansion, RemoteEnd
from labgen.calico.pools import pool_rules
from labgen.calico.services import ServiceAdvertisement, ServiceRoutes
from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labgen.calico.node_config import Address
    from labgen.calico.resources import Resources
    from labgen.calico.specs import BGPConfigurationSpec


__all__ = ["Confd", "EndpointStatus", "compute"]

_COMMUNITY = re.compile(r"[0-9]+:[0-9]+(:[0-9]+)?\Z")
# programClusterRoutes -> (BIRD programs IPIP pools, BIRD programs pools without encapsulation)
_CLUSTER_ROUTES = {
    "Disabled": (False, False),
    "EnabledNoEncapOnly": (False, True),
    "EnabledIPIPOnly": (True, False),
    "Enabled": (True, True),
}


def compute(
    resources: Resources,
    node_name: str,
    *,
    environment: Mapping[str, str] | None = None,
    endpoint_status: Sequence[EndpointStatus] = (),
) -> NodeConfig:
    """What confd computes for `node_name`. For several nodes, make one `Confd` and ask it.

    `environment` is calico-node's: CALICO_ROUTER_ID, CALICO_ADVERTISE_CLUSTER_IPS,
    CALICO_K8S_NODE_REF, NAMESPACE. `endpoint_status` is the node's local workloads that peer.
    Raises InputError where there is no such Node.
    """
    return Confd(resources, environment=environment).node(node_name, endpoint_status)


class Confd:
    """confd for every node of a cluster."""

    def __init__(
        self, resources: Resources, *, environment: Mapping[str, str] | None = None
    ) -> None:
        self._cluster = Cluster(resources, environment or {})
        self._expansion = PeerExpansion(self._cluster)
        self._services = ServiceAdvertisement(self._cluster)
        owns = _CLUSTER_ROUTES.get(self._cluster.defaults.program_cluster_routes or "")
        self._owns = owns or _CLUSTER_ROUTES["EnabledNoEncapOnly"]
        self._pools = {v: pool_rules(resources.ip_pools, v, self._owns) for v in (4, 6)}
        self._global_ends = self._expansion.global_ends(())
        mesh = self._cluster.defaults.node_mesh_password
        self._mesh_password = self._cluster.password(mesh)
        self._blocks: dict[str, list[Block]] = {}
        for affinity in resources.block_affinities:
            spec = affinity.spec
            live = spec.deleted.lower() != "true" and spec.state != "pending"
            if live and spec.type in ("", "host"):
                network = network_of(affinity, spec.cidr, "spec", "cidr")
                self._blocks.setdefault(spec.node, []).append(Block(network, spec.state))

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the cluster's nodes, ascending."""
        return tuple(self._cluster.nodes)

    def node(self, name: str, endpoint_status: Sequence[EndpointStatus] = ()) -> NodeConfig:
        """The configuration of one node. Raises InputError where there is no such Node."""
        node = self._cluster.nodes.get(name)
        if node is None:
            known = ", ".join(self._cluster.nodes) or "there is none"
            shown = name or "''"
            raise InputError(
                f"node {shown} has no Node resource, and Calico renders nothing without one",
                hint=f"nodes in these resources: {known}",
            )
        own = self._cluster.node_configuration(name)
        services = self._services.routes(node)
        global_ends = self._global_ends
        if endpoint_status:
            global_ends = self._expansion.global_ends(endpoint_status)
        node_ends = self._expansion.node_ends(node, global_ends, endpoint_status)
        ends = (tuple(global_ends.values()), tuple(node_ends.values()))
        v4, v6 = (self._family(node, version, services, ends) for version in (4, 6))
        return NodeConfig(
            node=name,
            as_number=self._cluster.effective_as(node),
            router_id=self._router_id(node),
            log_level=_log_level(own.spec if own else self._cluster.defaults),
            ignored_interfaces=self._cluster.defaults.ignored_interfaces,
            cluster_id=node.cluster_id,
            bird_owns_ipip=self._owns[0],
            v4=v4,
            v6=v6,
            notices=tuple(self._cluster.notices),
        )

    def _router_id(self, node: ClusterNode) -> str:
        wanted = self._cluster.environment.get("CALICO_ROUTER_ID", "")
        if wanted == "hash":
            return hashed_router_id(node.name)
        address = node.address(4)
        return wanted or (str(address) if address else "")

    def _family(
        self,
        node: ClusterNode,
        version: int,
        services: ServiceRoutes,
        ends: tuple[tuple[RemoteEnd, ...], tuple[RemoteEnd, ...]],
    ) -> FamilyConfig:
        address = node.addresses.get(version)
        of_family = tuple(
            sorted((e for e in group if e.address.version == version), key=lambda e: e.key_text)
            for group in ends
        )
        binds = self._cluster.defaults.bind_mode == "NodeIP" and address is not None
        kernel_known = version == 6 or address is not None
        return FamilyConfig(
            version=version,
            address=address,
            listen=Listen(address.ip if binds and address else None, node.port or None),
            normal_priority=self._cluster.priority(version),
            communities=self._communities(node, version),
            filters=self._cluster.filter_functions[version],
            peers=self._peers(node, version, (*of_family[0], *of_family[1])),
            blocks=_sorted_blocks(self._blocks.get(node.name, ()), version),
            static_routes=services.static[version],
            global_host_routes=_host_routes(of_family[0]),
            node_host_routes=_host_routes(of_family[1]),
            kernel_rejects=services.rejects[version],
            reflected_ranges=services.reflected[version] if node.cluster_id else (),
            wireguard_next_hops=self._wireguard(node, version),
            pools=self._pools[version] if kernel_known else _without_kernel(self._pools[version]),
        )

    # --- sessions -----------------------------------------------------------------------------

    def _peers(
        self, node: ClusterNode, version: int, ends: Iterable[RemoteEnd]
    ) -> tuple[BirdPeer, ...]:
        own = node.address(version)
        if own is None:
            return ()
        local_as = self._cluster.effective_as(node)
        found = self._mesh(node, version, own, local_as)
        found += [self._explicit(node, own, local_as, e) for e in ends if e.address != own]
        return tuple(sorted(found, key=lambda peer: peer.name))

    def _mesh(self, node: ClusterNode, version: int, own: Address, local_as: int) -> list[BirdPeer]:
        """The node-to-node mesh: everybody with an address, without route reflectors."""
        spec = self._cluster.defaults
        if spec.node_to_node_mesh_enabled is False or node.cluster_id:
            return []
        restart = spec.node_mesh_max_restart_time
        restart_time = None if restart is None else whole_seconds(restart)
        password = self._mesh_password
        own_text = str(own)
        return [
            BirdPeer(
                name=f"Mesh_{other.names[version]}",
                kind=PeerKind.MESH,
                address=address,
                port=other.port,
                remote_as=local_as if other.own_as is None else other.own_as,
                effective_local_as=local_as,
                source_address=own,
                # Text order, as confd compares: of two nodes exactly one waits for the other.
                passive=str(address) > own_text,
                graceful_restart_time=restart_time,
                password=password,
            )
            for other in self._cluster.nodes.values()
            if not other.cluster_id
            and (address := other.address(version)) is not None
            and address != own
        ]

    def _explicit(self, node: ClusterNode, own: Address, node_as: int, end: RemoteEnd) -> BirdPeer:
        options = end.options
        local_as = end.local_as or node_as
        ibgp = end.as_number == local_as
        reflects = ibgp and bool(node.cluster_id) and end.known_cluster_id != node.cluster_id
        next_hop = options.next_hop
        if options.keep_original_next_hop and not ibgp:
            next_hop = NextHop.KEEP
        suffix = f"_port_{end.port}" if end.port else ""
        text = str(end.address)
        version = end.address.version
        workload = end.kind is PeerKind.LOCAL_WORKLOAD
        return BirdPeer(
            name=f"{end.kind.value}_{text.replace('.' if version == 4 else ':', '_')}{suffix}",
            kind=end.kind,
            address=end.address,
            port=end.port,
            remote_as=end.as_number,
            effective_local_as=local_as,
            local_as=end.local_as,
            source_address=own if options.use_node_ip else None,
            ttl_hops=options.ttl_hops,
            passive=workload
            or (end.kind is PeerKind.GLOBAL and end.is_calico_node and text > str(own)),
            graceful_restart_time=options.restart_time,
            keepalive_time=options.keepalive_time,
            rr_client=reflects,
            cluster_id=node.cluster_id if reflects else None,
            password=options.password,
            next_hop=next_hop,
            allow_local_as=end.allow_local_as,
            import_filters=self._expansion.filter_calls(options.filters, "import", version),
            export_filters=self._expansion.filter_calls(options.filters, "export", version),
            resource=options.resource,
        )

    # --- the rest -----------------------------------------------------------------------------

    def _communities(self, node: ClusterNode, version: int) -> tuple[CommunityRule, ...]:
        """From the node's own BGPConfiguration if it advertises anything, else from `default`."""
        own = self._cluster.node_configuration(node.name)
        spec = own.spec if own and own.spec.prefix_advertisements else self._cluster.defaults
        named: dict[str, str] = {}
        for community in spec.communities:
            named.setdefault(community.name, community.value)
        rules = []
        for advertised in spec.prefix_advertisements:
            values = {
                text if _COMMUNITY.match(text) else named.get(text, "")
                for text in advertised.communities
            } - {""}
            if values and (":" in advertised.cidr) == (version == 6):
                rules.append(CommunityRule(advertised.cidr, tuple(sorted(values))))
        return tuple(rules)

    def _wireguard(self, node: ClusterNode, version: int) -> tuple[Address, ...]:
        if version not in node.wireguard:
            return ()
        found = (
            other.address(version)
            for other in self._cluster.nodes.values()
            if other is not node and version in other.wireguard
        )
        return tuple(sorted((a for a in found if a is not None), key=lambda a: f"{a})"))


def hashed_router_id(node_name: str) -> str:
    """CALICO_ROUTER_ID=hash: four bytes of SHA-256, kept below the multicast range."""
    first, *rest = hashlib.sha256(node_name.encode()).digest()[:4]
    return ".".join(str(octet) for octet in (first - 32 if first > 223 else first, *rest))


def _log_level(spec: BGPConfigurationSpec) -> LogLevel:
    """The CRD's default is Info, so a resource without the field says Info too."""
    text = (spec.log_severity_screen or "info").lower()
    return {"debug": LogLevel.DEBUG, "info": LogLevel.INFO}.get(text, LogLevel.NONE)


def _sorted_blocks(blocks: Iterable[Block], version: int) -> tuple[Block, ...]:
    """By datastore key, `address-length` as text."""
    found = {str(b.network).replace("/", "-"): b for b in blocks if b.network.version == version}
    return tuple(found[key] for key in sorted(found))


def _host_routes(ends: Iterable[RemoteEnd]) -> tuple[HostRoute, ...]:
    return tuple(
        HostRoute(end.address, end.options.reachable_by)
        for end in ends
        if end.options.reachable_by is not None
    )


def _without_kernel(rules: Iterable[PoolRule]) -> tuple[PoolRule, ...]:
    return tuple(
        PoolRule(rule.network, rule.exported, KernelAction.NONE, rule.pool) for rule in rules
    )
