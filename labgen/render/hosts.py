"""What a node's entrypoint applies before its daemons start: `ip -batch` lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from labgen.calico.tunnels import IPIP
from labgen.design.model import CalicoNode, Interface, KernelRoute, Pod, Router

if TYPE_CHECKING:
    from labgen.calico.felix import FelixRoute, Tunnel

POD_GATEWAY = "169.254.1.1"  # Calico's: every pod sees this address behind proxy ARP
VXLAN_ID, VXLAN_PORT = 4096, 4789  # FelixConfiguration vxlanVNI, vxlanPort
POD_GATEWAY6 = "fe80::ecee:eeff:feee:eeee"  # the link-local address of ee:ee:ee:ee:ee:ee


def interfaces(found: Sequence[Interface]) -> str:
    """Addresses of a router's or a Calico node's interfaces."""
    lines = []
    for interface in found:
        lines += [f"address add {a} dev {interface.name}{_nodad(a.version)}"
                  for a in interface.addresses]  # fmt: skip
        lines.append(f"link set dev {interface.name} up")
    return "\n".join(lines) + "\n"


def routes(found: Sequence[KernelRoute]) -> str:
    """Routes that stand in the kernel from the start."""
    return "".join(
        f"route add {r.prefix} via {r.via}\n" if r.via else f"route add blackhole {r.prefix}\n"
        for r in found
    )


def floating(router: Router) -> str:
    """What belongs to the active unit, for `/opt/labgen/failover`."""
    lines = [f"self {f.interface} {f.address}" for f in router.floating]
    virtuals = router.local_traffic.virtuals if router.local_traffic else ()
    served = {v.address for v in virtuals}  # whose route follows their pools' health besides
    lines += [f"virtual {a}" for a in router.virtual_addresses if a not in served]
    return "\n".join(lines) + "\n"


def frr_interfaces(found: Sequence[Interface]) -> str:
    """The same as frr.conf lines: an image that is not labgen's applies nothing else."""
    lines = []
    for interface in found:
        lines.append(f"interface {interface.name}")
        lines += [f" {'ip' if a.version == 4 else 'ipv6'} address {a}" for a in interface.addresses]
        lines.append("exit")
    return "\n".join([*lines, "!", ""])


def _nodad(version: int) -> str:
    # Duplicate address detection would hold an IPv6 address back for a second.
    return " nodad" if version == 6 else ""


def pod(pod: Pod) -> str:
    """A pod's own address and routes, as Calico's CNI plugin sets them."""
    lines = [
        f"address add {a}/{a.max_prefixlen} dev eth0{_nodad(a.version)}" for a in pod.addresses
    ]
    lines.append("link set dev eth0 up")
    if any(a.version == 4 for a in pod.addresses):
        lines += [
            f"route add {POD_GATEWAY} dev eth0 scope link",
            f"route add default via {POD_GATEWAY} dev eth0",
        ]
    if any(a.version == 6 for a in pod.addresses):
        lines.append(f"route add ::/0 via {POD_GATEWAY6} dev eth0")
    for network in pod.announces or ():  # the pod answers for every address of what it announces
        lines.append(f"route add local {network} dev lo")
    return "\n".join(lines) + "\n"


def felix(node: CalicoNode) -> str:
    """What Felix programs on a Calico node, for `felix.py`: pods, tunnels, cluster routes."""
    lines = [f"underlay {node.interfaces[0].name}"] if node.interfaces else []
    lines += [
        f"workload {pod.interface} {a}/{a.max_prefixlen}"
        for pod in node.pods
        for a in pod.addresses
    ]
    lines += [
        f"peering {pod.interface} {a}/{a.max_prefixlen}" for pod in node.pods for a in pod.peerings
    ]
    for tunnel in node.tunnels:
        lines += _tunnel(tunnel, node.mtu)
    lines += map(_route, node.routes)
    return "\n".join(lines) + "\n"


def _tunnel(tunnel: Tunnel, mtu: int) -> list[str]:
    kind = "ipip" if tunnel.kind is IPIP else f"vxlan {VXLAN_ID} {VXLAN_PORT}"
    first = (
        f"tunnel {tunnel.device} {tunnel.local} {tunnel.address} {tunnel.mac} "
        f"{mtu - tunnel.overhead} {kind}"
    )
    return [first, *(f"end {tunnel.device} {e.node} {e.address} {e.mac}" for e in tunnel.ends)]


def _route(route: FelixRoute) -> str:
    if route.is_blackhole:
        return f"blackhole {route.network}"
    return f"route {route.network} {route.gateway} {route.device or '-'}"
