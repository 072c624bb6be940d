"""The cluster routes and tunnels that Felix, not BIRD, puts into a node's kernel. Pure.

Which of the two owns a pool follows `BGPConfiguration.programClusterRoutes` (VXLAN is always
Felix's). On vanilla BIRD, which cannot set Calico's `krt_tunnel`, Felix's part grows by the IPIP
pools that Calico's own BIRD would program: pass `vanilla_bird`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_network
from typing import TYPE_CHECKING

from labgen.calico.addresses import network_of
from labgen.calico.confd import Confd
from labgen.calico.node_config import KernelAction
from labgen.calico.tunnels import ENCAPSULATED, IPIP, KINDS, VXLAN, VXLAN6, Kind
from labgen.calico.workload import vtep_mac

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from labgen.calico.addresses import Address, Network
    from labgen.calico.ipam_values import BlockRecord
    from labgen.calico.node_config import FamilyConfig, NodeConfig
    from labgen.calico.resources import IPPool, Node, Resources

FELIX_PROTOCOL = "80"  # as `ip route` shows it
IPIP_DEVICE = "tunl0"
VXLAN_DEVICE = {4: "vxlan.calico", 6: "vxlan-v6.calico"}
# What an encapsulation takes from the MTU (docs.tigera.io, "Configure MTU"), by address family.
IPIP_OVERHEAD = 20
VXLAN_OVERHEAD = {4: 50, 6: 70}
_TUNNELS = (KernelAction.TUNNEL, KernelAction.TUNNEL_CROSS_SUBNET)


@dataclass(frozen=True, slots=True)
class FelixRoute:
    """`ip route replace` as Felix would do it, always with protocol 80.

    A blackhole has neither gateway nor device. `device` None leaves it to the kernel: the gateway
    is in the node's own subnet. `onlink` goes with a tunnel device; `overhead` is what it takes
    from the MTU, in octets.
    """

    network: Network
    gateway: Address | None = None
    device: str | None = None
    overhead: int = 0

    @property
    def is_blackhole(self) -> bool:
        return self.gateway is None

    @property
    def onlink(self) -> bool:
        return self.device is not None


@dataclass(frozen=True, slots=True)
class TunnelEnd:
    """Another node's end: where its packets go, and how the tunnel device knows it."""

    node: Address
    address: Address
    mac: str


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A tunnel device of a node. `overhead` is what it takes from the MTU, in octets.

    IPIP has no MAC addresses; the ones here serve where the kernel has no IPIP and the device is
    a VXLAN one under the same name.
    """

    device: str
    kind: Kind
    local: Address
    address: Address
    mac: str
    overhead: int
    ends: tuple[TunnelEnd, ...]


class Felix:
    """Felix on every node of a cluster.

    `blocks` are IPAM's: an address that a node borrowed has a route of its own.
    """

    def __init__(
        self, resources: Resources, blocks: Iterable[BlockRecord] = (), *, vanilla_bird: bool = True
    ) -> None:
        self._resources = resources
        self._vanilla = vanilla_bird
        self._pools = {pool.name: pool for pool in resources.ip_pools}
        self._nodes = {node.name: node for node in resources.nodes}
        self._blocks = tuple(_affine(resources))
        self._borrowed = tuple(
            (allocation.address, allocation.node)
            for block in blocks
            for allocation in block.allocations.values()
            if allocation.node != block.owner
        )

    def routes(self, config: NodeConfig) -> tuple[FelixRoute, ...]:
        """A node's routes, IPv4 first, each family in the order of the networks."""
        routes: list[FelixRoute] = []
        for family in config.families:
            found = set(self._family(config.node, family))
            routes += sorted(found, key=lambda route: (int(route.network[0]), route.network))
        return tuple(routes)

    def tunnels(self, config: NodeConfig) -> tuple[Tunnel, ...]:
        """A node's tunnel devices. One without an address of its own makes none."""
        found = (self._tunnel(config, kind) for kind in KINDS)
        return tuple(tunnel for tunnel in found if tunnel is not None)

    def _tunnel(self, config: NodeConfig, kind: Kind) -> Tunnel | None:
        family = config.v4 if kind.version == 4 else config.v6
        node = self._nodes[config.node]
        address, local = kind.address_of(node.spec), family.host_part
        owned = any(kind.used_by(pool) for pool in self._owned(family).values())
        if not owned or address is None or local is None:
            return None
        ends = tuple(end for other in self._nodes.values()
                     if other is not node and (end := _end(other, kind)) is not None)  # fmt: skip
        device = IPIP_DEVICE if kind is IPIP else VXLAN_DEVICE[kind.version]
        overhead = IPIP_OVERHEAD if kind is IPIP else VXLAN_OVERHEAD[kind.version]
        return Tunnel(device, kind, local, address, _mac(node, kind), overhead, ends)

    def _owned(self, family: FamilyConfig) -> dict[Network, IPPool]:
        """The pools whose routes are Felix's."""
        return {
            rule.network: self._pools[rule.pool]
            for rule in family.pools
            if rule.kernel in (KernelAction.REJECT_FELIX, KernelAction.REJECT_VXLAN)
            or (self._vanilla and rule.kernel in _TUNNELS)
        }

    def _family(self, name: str, family: FamilyConfig) -> Iterator[FelixRoute]:
        owned = self._owned(family)
        for block, owner in self._blocks:
            pool = _pool_of(block, owned)
            if pool is None:
                continue
            if owner == name:
                if block.prefixlen < block.max_prefixlen:
                    yield FelixRoute(block)
            else:
                yield from self._remote(block, pool, owner, family)
        for address, holder in self._borrowed:
            pool = _pool_of(ip_network(address), owned)
            if pool is not None and holder != name:
                yield from self._remote(ip_network(address), pool, holder, family)

    def _remote(
        self, network: Network, pool: IPPool, owner: str, family: FamilyConfig
    ) -> Iterator[FelixRoute]:
        """To another node: through the tunnel, unless both nodes share a subnet."""
        node = self._nodes.get(owner)
        interface = _interface(node, family.version)
        if node is None or interface is None or family.address is None:
            return
        modes = (pool.spec.vxlan_mode, pool.spec.ipip_mode)
        near = interface.ip in family.address.network
        if near and "Always" not in modes:
            yield FelixRoute(network, interface.ip)
        elif modes[0] in ENCAPSULATED:
            kind = VXLAN if family.version == 4 else VXLAN6
            gateway = kind.address_of(node.spec)
            if gateway is not None:  # Felix has no VTEP for a node without one, hence no route
                version = family.version
                yield FelixRoute(network, gateway, VXLAN_DEVICE[version], VXLAN_OVERHEAD[version])
        elif modes[1] in ENCAPSULATED:
            yield FelixRoute(network, interface.ip, IPIP_DEVICE, IPIP_OVERHEAD)
        else:
            yield FelixRoute(network, interface.ip)


def cluster_routes(
    resources: Resources,
    node_name: str,
    *,
    environment: Mapping[str, str] | None = None,
    vanilla_bird: bool = True,
) -> tuple[FelixRoute, ...]:
    """Routes of `node_name`. Raises InputError where there is no such Node."""
    config = Confd(resources, environment=environment).node(node_name)
    return Felix(resources, vanilla_bird=vanilla_bird).routes(config)


def _affine(resources: Resources) -> Iterator[tuple[Network, str]]:
    """Blocks that belong to a node, with its name."""
    for affinity in resources.block_affinities:
        spec = affinity.spec
        live = spec.deleted.lower() != "true" and spec.state in ("", "confirmed")
        if live and spec.type in ("", "host"):
            yield network_of(affinity, spec.cidr, "spec", "cidr"), spec.node


def _pool_of(block: Network, owned: Mapping[Network, IPPool]) -> IPPool | None:
    return next(
        (
            pool
            for network, pool in owned.items()
            if network.version == block.version and block.network_address in network
        ),
        None,
    )


def _interface(node: Node | None, version: int) -> IPv4Interface | IPv6Interface | None:
    if node is None:
        return None
    return node.spec.ipv4 if version == 4 else node.spec.ipv6


def _end(node: Node, kind: Kind) -> TunnelEnd | None:
    interface = _interface(node, kind.version)
    if interface is None:
        return None
    address = interface.ip if kind is IPIP else kind.address_of(node.spec)
    return TunnelEnd(interface.ip, address, _mac(node, kind)) if address is not None else None


def _mac(node: Node, kind: Kind) -> str:
    stated = {
        VXLAN: node.spec.vxlan_tunnel_mac_addr, VXLAN6: node.spec.vxlan_tunnel_mac_addr_v6,
    }  # fmt: skip
    return stated.get(kind) or vtep_mac(node.name, kind.version)
