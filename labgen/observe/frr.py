"""FRR's view of a node, through vtysh's JSON. Ask is one argv; parse is pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from labgen.errors import ParseError
from labgen.evidence import PeerView, RibRoute

NEIGHBORS = ("vtysh", "-c", "show bgp neighbors json")


def table(version: int = 4) -> tuple[str, ...]:
    """The argv that asks for a family's BGP table."""
    return ("vtysh", "-c", f"show bgp ipv{version} unicast json")


def parse_neighbors(text: str) -> tuple[PeerView, ...]:
    """Every peer of `show bgp neighbors json` (key names: FRR 8.4)."""
    data = _object(text, "show bgp neighbors json")
    try:
        return tuple(
            _peer(address, peer) for address, peer in data.items() if isinstance(peer, dict)
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ParseError("show bgp neighbors json", str(error), expected="FRR's peers") from None


def _object(text: str, command: str) -> Mapping[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        raise ParseError(command, text.strip(), expected="JSON") from None
    if not isinstance(data, dict):
        raise ParseError(command, text.strip(), expected="a JSON object")
    return data


def _peer(address: str, peer: Mapping[str, Any]) -> PeerView:
    family = peer.get("addressFamilyInfo", {}).get("ipv4Unicast", {})
    up = peer.get("bgpTimerUpMsec")
    return PeerView(
        name=address,
        address=ip_address(address),
        remote_as=peer.get("remoteAs"),
        state=str(peer["bgpState"]),
        shown=f"BGP state = {peer['bgpState']}",
        hold_time=_seconds(peer.get("bgpTimerHoldTimeMsecs")),
        keepalive=_seconds(peer.get("bgpTimerKeepAliveIntervalMsecs")),
        uptime=up / 1000 if up is not None else None,
        received=family.get("acceptedPrefixCounter"),
        sent=family.get("sentPrefixCounter"),
        last_error=str(peer.get("lastNotificationReason") or peer.get("lastResetDueTo") or ""),
        detail={
            key: str(peer[key])
            for key in ("peerState", "lastErrorCodeSubcode", "remoteRouterId", "localAs",
                        "portLocal", "portForeign", "connectionsEstablished",
                        "connectionsDropped")
            if key in peer
        },
    )  # fmt: skip


def _seconds(milliseconds: int | None) -> int | None:
    return milliseconds // 1000 if milliseconds is not None else None


def parse_table(text: str) -> tuple[RibRoute, ...]:
    """Every path of `show bgp ipv4 unicast json`; an empty table is an empty tuple."""
    data = _object(text, "show bgp unicast json")
    try:
        return tuple(
            _path(prefix, path)
            for prefix, paths in data.get("routes", {}).items()
            for path in paths
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ParseError("show bgp unicast json", str(error), expected="FRR's table") from None


def _path(prefix: str, path: Mapping[str, Any]) -> RibRoute:
    hops = [hop["ip"] for hop in path.get("nexthops", ()) if hop.get("ip")]
    peer = path.get("peerId", "(unspec)")
    local = peer == "(unspec)"
    return RibRoute(
        prefix=ip_network(prefix),
        next_hop=None if local or not hops else ip_address(hops[0]),
        best=bool(path.get("bestpath")),
        valid=bool(path.get("valid")),
        origin=str(path.get("origin", "")),
        as_path=tuple(int(asn) for asn in str(path.get("path", "")).split() if asn.isdigit()),
        local_pref=path.get("locPrf"),
        peer=None if local else ip_address(peer),
        stale=bool(path.get("stale")),
    )
