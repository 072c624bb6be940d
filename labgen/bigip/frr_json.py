"""FRR 8.4's JSON to values: what `show … json` of vtysh says, no more than ZebOS shows of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labgen.errors import ParseError


@dataclass(frozen=True, slots=True)
class SummaryPeer:
    address: str
    version: int
    remote_as: int
    received: int
    sent: int
    table_version: int
    in_queue: int
    out_queue: int
    uptime: str
    state: str
    prefixes: int


@dataclass(frozen=True, slots=True)
class Summary:
    router_id: str
    asn: int
    table_version: int
    peers: tuple[SummaryPeer, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """One line of the BGP table. `metric` and `local_preference` are None where absent."""

    prefix: str
    next_hop: str
    valid: bool
    best: bool
    stale: bool
    internal: bool
    metric: int | None
    local_preference: int | None
    weight: int
    as_path: str
    origin: str


@dataclass(frozen=True, slots=True)
class Table:
    router_id: str
    version: int
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class PathDetail:
    """One path of `show ip bgp PREFIX`; the peer is None for an own route."""

    next_hop: str
    accessible: bool
    peer: str | None
    peer_router_id: str
    as_path: str
    origin: str
    metric: int | None
    local_preference: int | None
    weight: int
    valid: bool
    best: bool
    stale: bool
    kind: str
    aggregated: bool
    communities: str
    updated: str


@dataclass(frozen=True, slots=True)
class Entry:
    prefix: str
    advertised_to: tuple[str, ...]
    paths: tuple[PathDetail, ...]


@dataclass(frozen=True, slots=True)
class NeighborFamily:
    name: str
    group: str | None
    soft_reconfiguration: bool
    communities: str
    accepted: int
    announced: int


@dataclass(frozen=True, slots=True)
class NeighborState:
    """One neighbor. Times are in milliseconds; None where FRR gives none."""

    address: str
    remote_as: int
    local_as: int
    internal: bool
    description: str | None
    group: str | None
    version: int
    router_id: str
    state: str
    up_for: str | None
    last_read: int | None
    hold: int
    keepalive: int
    refresh: str | None
    four_octet: str | None
    graceful_restart: str | None
    negotiated: tuple[tuple[str, str], ...]
    received: int
    sent: int
    notifications_received: int
    notifications_sent: int
    in_queue: int
    out_queue: int
    refresh_received: int
    refresh_sent: int
    interval: int
    families: tuple[NeighborFamily, ...]
    established: int
    dropped: int
    restart_time: int | None
    local: tuple[str, int] | None
    foreign: tuple[str, int] | None
    next_hops: tuple[str, str, str] | None
    shared_network: bool
    next_connect: int | None


@dataclass(frozen=True, slots=True)
class NextHop:
    """`interface` is Linux's name; `gateway` is None for a connected or discarded network."""

    gateway: str | None
    interface: str | None
    blackhole: bool


@dataclass(frozen=True, slots=True)
class RibRoute:
    prefix: str
    protocol: str
    distance: int
    metric: int
    uptime: str
    next_hops: tuple[NextHop, ...]


def load(text: str, source: str) -> Mapping[str, Any]:
    """The JSON object in vtysh's output. Raises ParseError for anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        raise ParseError(source, text, expected="JSON") from None
    if not isinstance(value, dict):
        raise ParseError(source, text, expected="a JSON object")
    return value


def summary(text: str) -> Summary:
    """`show bgp ipv4 unicast summary json`."""
    data = load(text, "show bgp summary json")
    peers = data.get("peers", {})
    return Summary(
        data.get("routerId", "0.0.0.0"),  # noqa: S104 - FRR's word for "no identifier yet"
        data.get("as", 0),
        data.get("tableVersion", 0),
        tuple(
            SummaryPeer(
                address,
                peer.get("version", 4),
                peer["remoteAs"],
                peer.get("msgRcvd", 0),
                peer.get("msgSent", 0),
                peer.get("tableVersion", 0),
                peer.get("inq", 0),
                peer.get("outq", 0),
                peer.get("peerUptime", "never"),
                peer.get("state", "Idle"),
                peer.get("pfxRcd", 0),
            )
            for address, peer in peers.items()
        ),
    )


def table(text: str) -> Table:
    """`show bgp ipv4 unicast json`, and the same for a neighbor's routes."""
    data = load(text, "show bgp json")
    paths = [
        _path(prefix, path) for prefix, found in data.get("routes", {}).items() for path in found
    ]
    return Table(data.get("routerId", ""), data.get("tableVersion", 0), tuple(paths))


def _path(prefix: str, data: Mapping[str, Any]) -> Path:
    hops = data.get("nexthops") or [{}]
    used = next((hop for hop in hops if hop.get("used")), hops[0])
    return Path(
        prefix,
        used.get("ip", ""),
        bool(data.get("valid")),
        bool(data.get("bestpath")),
        bool(data.get("stale")),
        data.get("pathFrom") == "internal",
        data.get("metric"),
        data.get("locPrf"),
        data.get("weight", 0),
        data.get("path", ""),
        data.get("origin", "incomplete"),
    )


def attribute_counts(text: str) -> tuple[int, int]:
    """How many distinct AS paths and community sets are in `show ip bgp detail json`."""
    data = load(text, "show bgp detail json")
    paths = [p for found in data.get("routes", {}).values() for p in found if "aspath" in p]
    as_paths = {p["aspath"].get("string") for p in paths if p["aspath"].get("length")}
    communities = {p["community"].get("string") for p in paths if "community" in p}
    return len(as_paths), len(communities)


_ORIGINS = {"i": "IGP", "e": "EGP", "?": "incomplete"}


def adjacency(text: str, direction: str) -> Table | None:
    """`… neighbors X advertised-routes|received-routes json`.

    None where FRR refuses, because the neighbor lacks inbound soft reconfiguration.
    """
    data = load(text, f"show bgp neighbors {direction} json")
    if "warning" in data:
        return None
    routes = data.get("advertisedRoutes" if direction == "advertised" else "receivedRoutes", {})
    return Table(
        data.get("bgpLocalRouterId", ""),
        data.get("bgpTableVersion", 0),
        tuple(
            Path(
                prefix,
                route.get("nextHop") or route.get("nextHopGlobal", ""),
                "*" in route.get("appliedStatusSymbols", {}),
                ">" in route.get("appliedStatusSymbols", {}),
                "S" in route.get("appliedStatusSymbols", {}),
                "i" in route.get("appliedStatusSymbols", {}),
                route.get("metric"),
                route.get("locPrf"),
                route.get("weight", 0),
                route.get("path", ""),
                _ORIGINS.get(route.get("bgpOriginCode", "?"), "incomplete"),
            )
            for prefix, route in routes.items()
        ),
    )


def entry(text: str) -> Entry | None:
    """`show bgp ipv4 unicast PREFIX json`; None where the prefix is not in the table."""
    data = load(text, "show bgp PREFIX json")
    if "prefix" not in data:
        return None
    paths = tuple(_detail(path) for path in data.get("paths", ()))
    return Entry(data["prefix"], tuple(data.get("advertisedTo", ())), paths)


def _detail(data: Mapping[str, Any]) -> PathDetail:
    hop = (data.get("nexthops") or [{}])[0]
    peer = data.get("peer", {})
    own = bool(data.get("sourced") or data.get("local") or data.get("aggregated"))
    best = data.get("bestpath", {})
    return PathDetail(
        hop.get("ip", ""),
        bool(hop.get("accessible")),
        None if own else peer.get("peerId"),
        peer.get("routerId", ""),
        data.get("aspath", {}).get("string", ""),
        data.get("origin", "incomplete"),
        data.get("metric"),
        data.get("locPrf"),
        data.get("weight", 0),
        bool(data.get("valid")),
        bool(best.get("overall")),
        bool(data.get("stale")),
        "sourced" if own else peer.get("type", "external"),
        bool(data.get("aggregated")),
        data.get("community", {}).get("string", ""),
        data.get("lastUpdate", {}).get("string", "").strip(),
    )


def neighbors(text: str) -> tuple[NeighborState, ...]:
    """`show bgp neighbors [X] json`; empty for a neighbor that is not configured."""
    data = load(text, "show bgp neighbors json")
    return tuple(
        _neighbor(address, peer)
        for address, peer in data.items()
        if isinstance(peer, dict) and "remoteAs" in peer
    )


def _neighbor(address: str, data: Mapping[str, Any]) -> NeighborState:
    capabilities = data.get("neighborCapabilities", {})
    stats = data.get("messageStats", {})
    up = data.get("bgpState") == "Established"
    families = data.get("addressFamilyInfo", {})
    restart = data.get("gracefulRestartInfo", {}).get("timers", {}).get("receivedRestartTimer")
    return NeighborState(
        address,
        data["remoteAs"],
        data.get("localAs", 0),
        bool(data.get("nbrInternalLink")),
        data.get("nbrDesc"),
        data.get("peerGroup"),
        data.get("bgpVersion", 4),
        data.get("remoteRouterId", ""),
        data.get("bgpState", "Idle"),
        data.get("bgpTimerUpString") if up else None,
        data.get("bgpTimerLastRead") if up else None,
        data.get("bgpTimerHoldTimeMsecs", 0),
        data.get("bgpTimerKeepAliveIntervalMsecs", 0),
        capabilities.get("routeRefresh"),
        capabilities.get("4byteAs"),
        capabilities.get("gracefulRestart"),
        tuple(
            (name, next(iter(how), ""))
            for name, how in capabilities.get("multiprotocolExtensions", {}).items()
        ),
        stats.get("totalRecv", 0),
        stats.get("totalSent", 0),
        stats.get("notificationsRecv", 0),
        stats.get("notificationsSent", 0),
        stats.get("depthInq", 0),
        stats.get("depthOutq", 0),
        stats.get("routeRefreshRecv", 0),
        stats.get("routeRefreshSent", 0),
        data.get("minBtwnAdvertisementRunsTimerMsecs", 0),
        tuple(_family(name, family) for name, family in families.items()),
        data.get("connectionsEstablished", 0),
        data.get("connectionsDropped", 0),
        restart or None,
        _end(data, "Local"),
        _end(data, "Foreign"),
        (data["nexthop"], data.get("nexthopGlobal", "::"), data.get("nexthopLocal", "::"))
        if "nexthop" in data
        else None,
        data.get("bgpConnection") == "sharedNetwork",
        data.get("nextConnectTimerDueInMsecs"),
    )


def _family(name: str, data: Mapping[str, Any]) -> NeighborFamily:
    return NeighborFamily(
        name,
        data.get("peerGroupMember"),
        bool(data.get("inboundSoftConfigPermit")),
        data.get("commAttriSentToNbr", ""),
        data.get("acceptedPrefixCounter", 0),
        data.get("sentPrefixCounter", 0),
    )


def _end(data: Mapping[str, Any], side: str) -> tuple[str, int] | None:
    port = data.get(f"port{side}", -1)
    return (data[f"host{side}"], port) if port >= 0 else None


def rib(text: str) -> tuple[RibRoute, ...]:
    """`show ip route [PROTOCOL] json`: the selected routes, in the order of the table."""
    data = load(text, "show ip route json")
    return tuple(
        RibRoute(
            route["prefix"],
            route["protocol"],
            route.get("distance", 0),
            route.get("metric", 0),
            route.get("uptime", ""),
            tuple(
                NextHop(hop.get("ip"), hop.get("interfaceName"), bool(hop.get("blackhole")))
                for hop in route.get("nexthops", ())
                if hop.get("fib")
            ),
        )
        for routes in data.values()
        for route in routes
        if route.get("selected")
    )
