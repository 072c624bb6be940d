"""The cluster routes that Felix, not BIRD, puts into a node's kernel.

Which of the two owns a pool follows `BGPConfiguration.programClusterRoutes` (VXLAN is always
Felix's). On vanilla BIRD, which cannot set Calico's `krt_tunnel`, Felix's part grows by the IPIP
pools that Calico's own BIRD would program: pass `vanilla_bird`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labgen.calico.addresses import network_of
from labgen.calico.confd import Confd
from labgen.calico.node_config import KernelAction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labgen.calico.addresses import Address, Network
    from labgen.calico.node_config import FamilyConfig
    from labgen.calico.resources import IPPool, Node, Resources

IPIP_DEVICE = "tunl0"
VXLAN_DEVICE = "vxlan.calico"
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


def cluster_routes(
    resources: Resources,
    node_name: str,
    *,
    environment: Mapping[str, str] | None = None,
    vanilla_bird: bool = True,
) -> tuple[FelixRoute, ...]:
    """Routes of `node_name`, IPv4 first, each family in the order of the networks.

    Raises InputError where there is no such Node.
    """
    config = Confd(resources, environment=environment).node(node_name)
    routes: list[FelixRoute] = []
    for family in config.families:
        found = _family(resources, node_name, family, vanilla_bird)
        routes += sorted(set(found), key=lambda route: (int(route.network[0]), route.network))
    return tuple(routes)


def _family(
    resources: Resources, node_name: str, family: FamilyConfig, vanilla_bird: bool
) -> Iterator[FelixRoute]:
    pools = {pool.name: pool for pool in resources.ip_pools}
    owned = {
        rule.network: pools[rule.pool]
        for rule in family.pools
        if rule.kernel in (KernelAction.REJECT_FELIX, KernelAction.REJECT_VXLAN)
        or (vanilla_bird and rule.kernel in _TUNNELS)
    }
    nodes = {node.name: node for node in resources.nodes}
    for affinity in resources.block_affinities:
        spec = affinity.spec
        if spec.deleted.lower() == "true" or spec.state not in ("", "confirmed"):
            continue
        block = network_of(affinity, spec.cidr, "spec", "cidr")
        pool = _pool_of(block, owned)
        if pool is None or spec.type not in ("", "host"):
            continue
        if spec.node == node_name:
            if block.prefixlen < block.max_prefixlen:
                yield FelixRoute(block)
        elif spec.node in nodes:
            route = _remote(block, pool, nodes[spec.node], family)
            if route is not None:
                yield route


def _pool_of(block: Network, owned: Mapping[Network, IPPool]) -> IPPool | None:
    return next(
        (
            pool
            for network, pool in owned.items()
            if network.version == block.version and block.network_address in network
        ),
        None,
    )


def _remote(block: Network, pool: IPPool, node: Node, family: FamilyConfig) -> FelixRoute | None:
    """To another node's block: through the tunnel, unless both nodes share a subnet."""
    interface = node.spec.ipv4 if family.version == 4 else node.spec.ipv6
    if interface is None or family.address is None:
        return None
    near = interface.ip in family.address.network
    spec = pool.spec
    if spec.vxlan_mode == "Always" or (spec.vxlan_mode == "CrossSubnet" and not near):
        gateway = _vxlan_address(node, block, family.version)
        return FelixRoute(block, gateway, VXLAN_DEVICE, VXLAN_OVERHEAD[family.version])
    if spec.ipip_mode == "Always" or (spec.ipip_mode == "CrossSubnet" and not near):
        return FelixRoute(block, interface.ip, IPIP_DEVICE, IPIP_OVERHEAD)
    return FelixRoute(block, interface.ip)


def _vxlan_address(node: Node, block: Network, version: int) -> Address:
    """The remote node's VXLAN address; IPAM gives it the first of the node's first block."""
    spec = node.spec
    text = spec.ipv4_vxlan_tunnel_addr if version == 4 else spec.ipv6_vxlan_tunnel_addr
    try:
        return ip_address(text) if text else block.network_address
    except ValueError:
        return block.network_address
