"""The kernel's view of a node: routes and counters. Ask is one argv; parse is pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from labgen.errors import ParseError
from labgen.evidence import Address, FibRoute, Network

ROUTES = ("ip", "-j", "-4", "route", "show", "table", "main")
ROUTES6 = ("ip", "-j", "-6", "route", "show", "table", "main")
LINKS = ("ip", "-j", "-d", "link", "show")
_TUNNEL_KINDS = ("ipip", "vxlan", "wireguard")
# PID 1 is in the node's network namespace whoever asks; `self` may not be in its PID namespace
COUNTERS = ("cat", "/proc/1/net/netstat", "/proc/1/net/snmp")


def parse_routes(text: str, *, version: int = 4) -> tuple[FibRoute, ...]:
    """Routes from `ip -j route`. Raises ParseError for anything else."""
    try:
        rows = json.loads(text or "[]")
        return tuple(_route(row, version) for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParseError("ip -j route", str(error), expected="a JSON list of routes") from None


def _route(row: Mapping[str, Any], version: int) -> FibRoute:
    default = "0.0.0.0/0" if version == 4 else "::/0"
    destination: Network = ip_network(default if row["dst"] == "default" else row["dst"])
    hops = tuple(_hop(hop) for hop in row.get("nexthops") or [row])
    return FibRoute(
        prefix=destination,
        kind=row.get("type", "unicast"),
        protocol=str(row.get("protocol", "boot")),
        metric=int(row.get("metric", 0)),
        next_hops=hops,
    )


def _hop(row: Mapping[str, Any]) -> tuple[Address | None, str]:
    via = row.get("via") or {}
    gateway = row.get("gateway") or via.get("host")
    return (ip_address(gateway) if gateway else None, str(row.get("dev", "")))


def parse_tunnels(text: str) -> dict[str, str]:
    """Tunnel devices and their kinds from `ip -j -d link`. Raises ParseError."""
    try:
        rows = [row for row in json.loads(text or "[]") if row]
        kinds = {row["ifname"]: row.get("linkinfo", {}).get("info_kind", "") for row in rows}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParseError("ip -j -d link", str(error), expected="a JSON list of links") from None
    return {name: kind for name, kind in kinds.items() if kind in _TUNNEL_KINDS}


def parse_counters(text: str) -> dict[str, int]:
    """`TcpExtTCPMD5Failure` and the like from /proc/net/netstat and snmp, as nstat names them."""
    result: dict[str, int] = {}
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        group, _, keys = names.partition(":")
        result.update(_numbers(group, keys.split(), values.partition(":")[2].split()))
    if not result:
        raise ParseError("/proc/net/netstat", text, expected="pairs of name and value lines")
    return result


def _numbers(group: str, keys: Sequence[str], values: Sequence[str]) -> dict[str, int]:
    pairs = zip(keys, values, strict=False)
    return {f"{group}{key}": int(value) for key, value in pairs if value.lstrip("-").isdigit()}
