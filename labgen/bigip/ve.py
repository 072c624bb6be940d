"""What a real BIG-IP VE is told: the same self-IPs, VLANs, routes and ZebOS text as the stand-in.

A bash script for the BIG-IP itself. F5's own order: VLANs, self-IPs, routes, the routing protocol
on the route domain (K16122), then ZebOS.conf, which tmrouted reads when it starts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from labgen.bigip import running, running_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labgen.bigip.tmsh import Route, SelfIp
    from labgen.bigip.zebos import Config

ZEBOS_CONF = "/config/zebos/rd0/ZebOS.conf"
_END = "END_OF_ZEBOS_CONF"


def startup(
    vlans: Mapping[str, tuple[str, int]],
    self_ips: Sequence[SelfIp],
    routes: Iterable[Route],
    config: Config,
) -> str:
    """The script. `vlans` maps a VLAN's name to its TMOS interface and its MTU in octets.

    It holds the BGP passwords in clear, as a ZebOS.conf does.
    """
    standing = running.apply(config.statements).standing
    bfd = any(s.command == "neighbor fall-over bfd" for s in standing)
    lines = [
        "#!/bin/bash",
        "# Made by labgen. Run it on the BIG-IP as root: ssh root@ADDRESS bash -s < this file",
        "set -e",
        *(_vlan(name, label, mtu) for name, (label, mtu) in vlans.items()),
        *(_self_ip(s) for s in self_ips),
        *(_route(r) for r in routes if r.route_domain == 0),
        f"tmsh modify net route-domain 0 routing-protocol add {{ BGP{' BFD' if bfd else ''} }}",
        f"umask 077; cat > {ZEBOS_CONF} <<'{_END}'",
        running_config.show(standing, interfaces=vlans).rstrip("\n"),
        _END,
        "tmsh restart sys service tmrouted",
        "tmsh save sys config",
        "",
    ]
    return "\n".join(lines)


def _vlan(name: str, label: str, mtu: int) -> str:
    return f"tmsh create net vlan {_word(name)} interfaces add {{ {label} }} mtu {mtu}"


def _self_ip(self_ip: SelfIp) -> str:
    allowed = str(self_ip.port_lockdown)
    if allowed.startswith("{"):
        allowed = f"replace-all-with {allowed}"
    domain = f"%{self_ip.route_domain}" if self_ip.route_domain else ""
    return (
        f"tmsh create net self {_word(self_ip.name)} "
        f"address {self_ip.address}{domain}/{self_ip.prefix_length} vlan {_word(self_ip.vlan)} "
        f"allow-service {allowed} traffic-group {_word(self_ip.traffic_group)}"
    )


def _route(route: Route) -> str:
    where = "blackhole"
    if route.pool:
        where = f"pool {_word(route.pool)}"
    elif route.vlan:
        where = f"interface {_word(route.vlan)}"
    elif route.gateway is not None:
        where = f"gw {route.gateway}"
    return f"tmsh create net route {_word(route.name)} network {route.network} {where}"


def _word(text: str) -> str:
    """A name as one word of a shell line."""
    return text if re.fullmatch(r"[\w./:-]+", text) else "'" + text.replace("'", "'\\''") + "'"
