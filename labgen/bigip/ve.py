"""What a real BIG-IP VE is told: the same self-IPs, VLANs, routes and ZebOS text as the stand-in.

A bash script for the BIG-IP itself. F5's own order: VLANs, self-IPs, routes, the routing protocol
on the route domain (K16122), then ZebOS.conf, which tmrouted reads when it starts.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.bigip import running, running_config
from labgen.bigip.tmsh_tree import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from labgen.bigip.tmsh import Route, SelfIp
    from labgen.bigip.tmsh_tree import Tree
    from labgen.bigip.zebos import Config

ZEBOS_CONF = "/config/zebos/rd0/ZebOS.conf"
LTM_CONF = "/var/tmp/labgen-ltm.conf"  # noqa: S108 - on the BIG-IP, whose root runs the script
_END = "END_OF_ZEBOS_CONF"
_END_LTM = "END_OF_LTM_CONF"


def startup(
    vlans: Mapping[str, tuple[str, int]],
    self_ips: Sequence[SelfIp],
    routes: Iterable[Route],
    config: Config,
    objects: Tree | None = None,
) -> str:
    """The script. `vlans` maps a VLAN's name to its TMOS interface and its MTU in octets;
    `objects` has the local traffic.

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
        *(_local_traffic(objects) if objects is not None else ()),
        f"tmsh modify net route-domain 0 routing-protocol add {{ BGP{' BFD' if bfd else ''} }}",
        f"umask 077; cat > {ZEBOS_CONF} <<'{_END}'",
        running_config.show(standing, interfaces=vlans).rstrip("\n"),
        _END,
        "tmsh restart sys service tmrouted",
        "tmsh save sys config",
        "",
    ]
    return "\n".join(lines)


def left_out(objects: Tree) -> Iterator[str]:
    """What the script does not hand over: iRules, whose text is no list of properties."""
    for item in objects.items.values():
        if item.component == "ltm rule":
            yield f"{item.mark}: `ltm rule {item.name}` is not handed over: load it by hand"
        rules = item.get("rules")
        if item.component == "ltm virtual" and rules is not None and rules.names != ("none",):
            yield f"{rules.mark}: `ltm virtual {item.name}` is handed over without its rules"


def _local_traffic(objects: Tree) -> Iterator[str]:
    """`load sys config merge` takes what `list` prints, in whatever order. Folders come first."""
    items = [
        replace(item, body=tuple(e for e in item.body if e.name != "rules"))
        for item in objects.items.values()
        if item.component.startswith("ltm ") and item.component != "ltm rule"
    ]
    if not items:
        return
    folders = dict.fromkeys(
        parts[: depth + 1]
        for item in items
        if (parts := tuple(item.name.split("/")[1:-1])) and parts[0] != "Common"
        for depth in range(len(parts))
    )
    for parts in folders:
        name = _word("/".join(parts) if len(parts) == 1 else f"/{'/'.join(parts)}")
        yield f"tmsh create {'auth partition' if len(parts) == 1 else 'sys folder'} {name}"
    yield f"cat > {LTM_CONF} <<'{_END_LTM}'"
    for item in items:
        yield from shown(item)
    yield _END_LTM
    yield f"tmsh load sys config merge file {LTM_CONF}"


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
