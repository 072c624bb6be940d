"""The address of each node's end of a tunnel: from IPAM, as calico-node takes it. Pure.

calico-node (node/pkg/allocateip) keeps, for each encapsulation that an enabled pool uses on its
node, one address out of those pools, and writes it into its Node; where no such pool is left, it
gives the address back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labgen.calico.ipam_values import NoAddress, Request
from labgen.calico.specs import NodeBGPSpec, NodeSpec
from labgen.calico.workload import tunnel_handle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labgen.calico.ipam import Ipam
    from labgen.calico.ipam_values import Address
    from labgen.calico.resources import IPPool, Node, Resources

ENCAPSULATED = ("Always", "CrossSubnet")


@dataclass(frozen=True, slots=True)
class Kind:
    """An encapsulation in one family. `name` is how calico-node names its handle."""

    name: str
    version: int

    def used_by(self, pool: IPPool) -> bool:
        """The pool's packets between nodes take this encapsulation."""
        spec = pool.spec
        mode = spec.ipip_mode if self.name == "ipip" else spec.vxlan_mode
        return mode in ENCAPSULATED and spec.network.version == self.version

    def address_of(self, node: NodeSpec) -> Address | None:
        """The node's tunnel address; None where its Node has none that can be read."""
        texts = {
            "ipip": node.bgp.ipv4_ipip_tunnel_addr if node.bgp else None,
            "vxlan": node.ipv4_vxlan_tunnel_addr,
            "vxlan-v6": node.ipv6_vxlan_tunnel_addr,
        }
        try:
            return ip_address(texts[self.name] or "")
        except ValueError:
            return None

    def written(self, node: NodeSpec, address: Address | None) -> NodeSpec:
        """The Node's spec with that address, or without one."""
        text = str(address) if address is not None else None
        if self.name == "ipip":
            bgp = (node.bgp or NodeBGPSpec()).model_copy(update={"ipv4_ipip_tunnel_addr": text})
            return node.model_copy(update={"bgp": bgp})
        field = "ipv4_vxlan_tunnel_addr" if self.version == 4 else "ipv6_vxlan_tunnel_addr"
        return node.model_copy(update={field: text})


IPIP, VXLAN, VXLAN6 = Kind("ipip", 4), Kind("vxlan", 4), Kind("vxlan-v6", 6)
KINDS = (IPIP, VXLAN, VXLAN6)


def with_tunnel_addresses(
    resources: Resources, ipam: Ipam, nodes: Iterable[str]
) -> tuple[Node, ...]:
    """Those of `nodes` whose tunnel addresses change, as they are then; `ipam` is changed along.

    A node for which no pool has an address left goes without: its Felix then makes no tunnel.
    """
    changed = []
    for name in nodes:
        node = resources.node(name)
        if node is None:
            continue
        spec = node.spec
        for kind in KINDS:
            spec = _kept_up(spec, kind, ipam, name, resources)
        if spec != node.spec:
            changed.append(replace(node, spec=spec))
    return tuple(changed)


def _kept_up(spec: NodeSpec, kind: Kind, ipam: Ipam, name: str, resources: Resources) -> NodeSpec:
    """The node's spec with the address that this kind of tunnel has now."""
    handle, attributes = tunnel_handle(kind.name, name)
    wanted = Request(name, handle, kind.version, attributes, use="Tunnel")
    pools = tuple(p.name for p in resources.ip_pools if kind.used_by(p) and ipam.selects(p, wanted))
    wanted = replace(wanted, pools=pools)
    stated = kind.address_of(spec)
    if not pools:
        ipam.release_handle(handle)
        return spec if stated is None else kind.written(spec, None)
    held = [address for address in ipam.held(handle) if ipam.pool_of(address) in pools]
    if stated is not None and stated in held:
        return spec
    if held:
        return kind.written(spec, held[0])
    ipam.release_handle(handle)
    try:
        if stated is not None and ipam.pool_of(stated) in pools and not ipam.allocation(stated):
            return kind.written(spec, ipam.assign_address(stated, wanted).address)
        return kind.written(spec, ipam.assign(wanted).address)
    except NoAddress:
        return kind.written(spec, None)
