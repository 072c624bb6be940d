"""BIRD's view of a node, through `birdc`. Ask is one argv; parse is pure text to values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Address, ip_address, ip_network

from labgen.errors import ParseError
from labgen.evidence import Address, Network, PeerView, RibRoute

SOCKETS = {4: "/var/run/calico/bird.ctl", 6: "/var/run/calico/bird6.ctl"}


def protocols(version: int = 4) -> tuple[str, ...]:
    """The argv that asks for every protocol."""
    return (_client(version), "-s", SOCKETS[version], "show", "protocols", "all")


def status(version: int = 4) -> tuple[str, ...]:
    """The argv of the cheapest question: is it there, since when."""
    return (_client(version), "-s", SOCKETS[version], "show", "status")


def routes(version: int = 4) -> tuple[str, ...]:
    """The argv that asks for every route with its attributes."""
    return (_client(version), "-s", SOCKETS[version], "show", "route", "all")


def _client(version: int) -> str:
    return "birdc" if version == 4 else "birdc6"


_HEADER = re.compile(
    r"(?P<name>\S+)\s+(?P<proto>[A-Z]\w+)\s+(?P<table>\S+)\s+(?P<state>\w+)\s+(?P<since>\S+)"
    r"(?:\s+(?P<info>.*))?\Z"
)
_FIELD = re.compile(r"\s+(?P<key>[A-Z][^:]*):\s*(?P<value>.*)\Z")
# `!` in place of `*`: the best path, too, but BIRD thinks that the kernel lacks it
_ROUTE = re.compile(
    r"(?P<prefix>[0-9a-fA-F.:]+/\d+)?\s+(?:via (?P<via>\S+) on (?P<dev>\S+)|dev (?P<odev>\S+)"
    r"|(?P<kind>blackhole|unreachable|prohibited|multipath))\s+"
    r"\[(?P<proto>\S+) (?P<since>\S+)(?: from (?P<peer>\S+))?\](?P<best> [*!])?"
)
_STATES = {
    "Idle": "Idle",
    "Connect": "Connect",
    "Active": "Active",
    "OpenSent": "OpenSent",
    "OpenConfirm": "OpenConfirm",
    "Established": "Established",
    "Passive": "Active",  # BIRD's word for waiting on the peer: RFC 4271's Active
    "Close": "Idle",
    "Down": "Idle",
}


def parse_protocols(text: str) -> tuple[PeerView, ...]:
    """Every BGP protocol of `show protocols all`. Raises ParseError if it is not BIRD's output."""
    if "BIRD" not in text:
        raise ParseError("birdc show protocols all", text, expected="BIRD's banner")
    return tuple(
        _peer(header, fields) for header, fields in _blocks(text) if header["proto"] == "BGP"
    )


def parse_delays(text: str) -> dict[Address, tuple[int, int]]:
    """Neighbour to seconds left and whole `connect delay time`, for each that is yet to be dialled.

    From `show protocols all`. Raises ParseError if it is not BIRD's output.
    """
    return {
        peer.address: (int(left), int(whole))
        for peer in parse_protocols(text)
        for left, _, whole in [peer.detail.get("Connect delay", "").partition("/")]
        if left.lstrip("-").isdigit() and whole.isdigit()
    }


def _blocks(text: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    header: dict[str, str] | None = None
    fields: dict[str, str] = {}
    for line in text.splitlines():
        match = _HEADER.match(line)
        if match and match["name"] not in ("name", "BIRD"):
            if header:
                yield header, fields
            header = {key: value or "" for key, value in match.groupdict().items()}
            fields = {}
        elif header and (field := _FIELD.match(line)):
            fields[field["key"].strip()] = field["value"].strip()
    if header:
        yield header, fields


def _peer(header: dict[str, str], fields: dict[str, str]) -> PeerView:
    word, _, error = header["info"].strip().partition(" ")
    counts = re.match(r"(\d+) imported, (\d+) exported", fields.get("Routes", ""))
    hold = re.search(r"/(\d+)", fields.get("Hold timer", ""))
    keepalive = re.search(r"/(\d+)", fields.get("Keepalive timer", ""))
    neighbor_as = fields.get("Neighbor AS", "")
    return PeerView(
        name=header["name"],
        address=_address(fields.get("Neighbor address", "")),
        remote_as=int(neighbor_as) if neighbor_as.isdigit() else None,
        state=_STATES.get(fields.get("BGP state", word), "Idle"),
        shown=f"{header['state']} {header['since']} {header['info'].strip()}".strip(),
        hold_time=int(hold[1]) if hold else None,
        keepalive=int(keepalive[1]) if keepalive else None,
        received=int(counts[1]) if counts else None,
        sent=int(counts[2]) if counts else None,
        last_error=fields.get("Last error", error.strip()),
        detail={**fields, "state": header["state"], "since": header["since"]},
    )


def _address(text: str) -> Address:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        raise ParseError("birdc show protocols all", text, expected="a neighbor address") from None


def parse_routes(text: str) -> tuple[RibRoute, ...]:
    """Every path of `show route all` that BGP brought, or a local protocol holds."""
    if "BIRD" not in text:
        raise ParseError("birdc show route all", text, expected="BIRD's banner")
    result: list[RibRoute] = []
    prefix, route = "", None
    attributes: dict[str, str] = {}
    for line in text.splitlines():
        if match := _ROUTE.match(line):
            if route:
                result.append(_rib_route(prefix, route, attributes))
            prefix, route, attributes = match["prefix"] or prefix, match, {}
        elif route and (match2 := re.match(r"\s+(BGP\.\w+|Type):\s*(.*)", line)):
            attributes[match2[1]] = match2[2].strip()
    if route:
        result.append(_rib_route(prefix, route, attributes))
    return tuple(result)


def _rib_route(prefix: str, route: re.Match[str], attributes: dict[str, str]) -> RibRoute:
    hop = attributes.get("BGP.next_hop", "").split(" ")[0]
    # BIRD leaves `from` out where it equals the gateway
    peer = route["peer"] or (route["via"] if hop else None)
    pref = attributes.get("BGP.local_pref")
    return RibRoute(
        prefix=ip_network(prefix),
        next_hop=ip_address(hop) if hop else None,
        best=route["best"] is not None,
        valid=route["kind"] != "unreachable",
        origin=attributes.get("BGP.origin", ""),
        as_path=tuple(int(n) for n in re.findall(r"\d+", attributes.get("BGP.as_path", ""))),
        local_pref=int(pref) if pref else None,
        peer=ip_address(peer) if peer else None,
    )


def parse_cluster_lists(text: str) -> dict[Network, frozenset[tuple[IPv4Address, ...]]]:
    """The CLUSTER_LIST (RFC 4456 section 8) of each prefix's paths in `show route all`.

    A path without one counts as the empty list. Raises ParseError if it is not BIRD's output.
    """
    if "BIRD" not in text:
        raise ParseError("birdc show route all", text, expected="BIRD's banner")
    found: dict[Network, set[tuple[IPv4Address, ...]]] = {}
    prefix: Network | None = None
    path: tuple[IPv4Address, ...] | None = None
    for line in [*text.splitlines(), ""]:
        match = _ROUTE.match(line)
        if match or not line:
            if prefix is not None and path is not None:
                found.setdefault(prefix, set()).add(path)
            path = None
        if match:
            prefix = ip_network(match["prefix"]) if match["prefix"] else prefix
            path = ()
        elif path is not None and "BGP.cluster_list:" in line:
            path = tuple(map(IPv4Address, line.partition(":")[2].split()))
    return {prefix: frozenset(paths) for prefix, paths in found.items()}
