"""What BIRD does with routes inside each IPPool: export and kernel programming."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.calico.addresses import network_of
from labgen.calico.node_config import KernelAction, PoolRule

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network, IPv6Network

    from labgen.calico.resources import IPPool
    from labgen.calico.specs import IPPoolSpec

_ENABLED = ("Always", "CrossSubnet")


def pool_rules(
    pools: Iterable[IPPool], version: int, owns: tuple[bool, bool]
) -> tuple[PoolRule, ...]:
    """A rule for each pool of a family, in the text order of the CIDR.

    `owns` says whether BIRD programs IPIP pools, and pools without encapsulation. `disabled` has
    no effect here: it only keeps IPAM away. Of two pools with one CIDR the first name counts.
    """
    chosen: dict[IPv4Network | IPv6Network, IPPool] = {}
    for pool in sorted(pools, key=lambda item: item.name):
        chosen.setdefault(network_of(pool, pool.spec.cidr, "spec", "cidr"), pool)
    rules = [
        PoolRule(
            network=network,
            exported=not pool.spec.disable_bgp_export,
            kernel=_kernel_action(pool.spec, version, owns),
            pool=pool.name,
        )
        for network, pool in chosen.items()
        if network.version == version
    ]
    return tuple(sorted(rules, key=lambda rule: f"{rule.network})"))


def _kernel_action(spec: IPPoolSpec, version: int, owns: tuple[bool, bool]) -> KernelAction:
    owns_ipip, owns_plain = owns
    if spec.vxlan_mode in _ENABLED:
        return KernelAction.REJECT_VXLAN
    if spec.ipip_mode in _ENABLED:
        if not owns_ipip:
            return KernelAction.REJECT_FELIX
        if version == 6:
            return KernelAction.NONE
        always = spec.ipip_mode == "Always"
        return KernelAction.TUNNEL if always else KernelAction.TUNNEL_CROSS_SUBNET
    if not owns_plain:
        return KernelAction.REJECT_FELIX
    return KernelAction.ACCEPT if version == 4 else KernelAction.NONE
