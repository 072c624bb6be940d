"""JSON in saved evidence: FRR's `… json`, `ip -j route`, wherever it stands in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labgen.facts import BfdReport, Daemon, Facts, PeerReport, RouteFact
from labgen.observe.lines import Line, address, network


def values(lines: Sequence[Line]) -> Iterator[tuple[Line, Any]]:
    """Every JSON object or array that starts a line, with that line."""
    decoder = json.JSONDecoder()
    text = "\n".join(line.text for line in lines)
    starts, at = [], 0
    for line in lines:
        starts.append(at)
        at += len(line.text) + 1
    past = 0
    for line, start in zip(lines, starts, strict=True):
        if start < past or not line.text.lstrip().startswith(("{", "[")):
            continue
        begin = start + len(line.text) - len(line.text.lstrip())
        try:
            value, past = decoder.raw_decode(text, begin)
        except ValueError:
            continue
        if isinstance(value, dict | list):
            yield line, value


def read(lines: Sequence[Line]) -> Facts:
    """All facts in the JSON of one file; JSON of another kind gives none."""
    facts = Facts()
    if not any(line.text.lstrip().startswith(("{", "[")) for line in lines):
        return facts
    for line, value in values(lines):
        place = _Place(lines, line)
        try:
            facts += _facts(value, place)
        except (KeyError, ValueError, TypeError, AttributeError):
            continue  # JSON of somebody else, or of a release with other keys: not our evidence
    return facts


class _Place:
    """Finds the line that shows a value, so that the quote is the value and not the bracket."""

    def __init__(self, lines: Sequence[Line], start: Line) -> None:
        self._lines = lines[start.line - 1 :]
        self._start = start

    def of(self, *words: str) -> Line:
        wanted = list(words)
        for line in self._lines:
            while wanted and wanted[0] in line.text:
                wanted.pop(0)
                if not wanted:
                    return line
        return self._start


def _facts(value: Any, place: _Place) -> Facts:
    if isinstance(value, list):
        return Facts(routes=tuple(_kernel(value, place)))
    if isinstance(value.get("routes"), dict):
        return Facts(routes=tuple(_table(value["routes"], place)))
    if "paths" in value and "prefix" in value:
        return Facts(routes=tuple(_paths(value, place)))
    peers = list(_summary(value, place)) + list(_neighbors(value, place))
    routes = list(_rib(value, place))
    return Facts(peers=tuple(peers), routes=tuple(routes), bfd=tuple(_bfd(value, place)))


def _bfd(value: Mapping[str, Any], place: _Place) -> Iterator[BfdReport]:
    """`peerBfdInfo` of `show bgp neighbors json`."""
    for name, peer in value.items():
        info = peer.get("peerBfdInfo") if isinstance(peer, dict) else None
        found = address(name)
        if info and found is not None:
            hops = str(info.get("type", "")).replace("-", " ")
            multihop = "multi" in hops if hops else None
            up = str(info.get("status", "")).lower() == "up"
            yield BfdReport(Daemon.FRR, found, up, multihop, place.of(f'"{name}"', '"peerBfdInfo"'))


def _summary(value: Mapping[str, Any], place: _Place) -> Iterator[PeerReport]:
    blocks = [value, *(v for v in value.values() if isinstance(v, dict))]
    for block in blocks:
        for name, peer in (
            (block.get("peers") or {}).items() if isinstance(block.get("peers"), dict) else ()
        ):
            yield PeerReport(
                daemon=Daemon.FRR,
                name=name,
                quote=place.of(f'"{name}"', '"state"'),
                address=address(name),
                state=str(peer["state"]),
                peer_state=_state(peer),
                received=peer.get("pfxRcd"),
                sent=peer.get("pfxSnt"),
                remote_as=peer.get("remoteAs"),
                local_as=block.get("as"),
            )


def _state(peer: Mapping[str, Any]) -> str:
    state = str(peer.get("peerState", ""))
    return "" if state == "OK" else state


def _neighbors(value: Mapping[str, Any], place: _Place) -> Iterator[PeerReport]:
    for name, peer in value.items():
        if not isinstance(peer, dict) or "bgpState" not in peer:
            continue
        family = (peer.get("addressFamilyInfo") or {}).get("ipv4Unicast") or {}
        policy = family.get("inboundEbgpRequiresPolicy") or family.get("outboundEbgpRequiresPolicy")
        bfd = (peer.get("peerBfdInfo") or {}).get("status")
        yield PeerReport(
            daemon=Daemon.FRR,
            name=name,
            quote=place.of(f'"{name}"', '"bgpState"'),
            address=address(name),
            state=str(peer["bgpState"]),
            local=address(str(peer.get("hostLocal", ""))),
            peer_state="Policy" if policy else str(peer.get("bgpStateIs", "")),
            last_reset=str(peer.get("lastResetDueTo", "")),
            received=family.get("acceptedPrefixCounter"),
            sent=family.get("sentPrefixCounter"),
            info=f"BFD {bfd}" if bfd else "",
            remote_as=peer.get("remoteAs"),
            local_as=peer.get("localAs"),
            reset_ago=_seconds(peer.get("lastResetTimerMsecs")),
            error=_error(str(peer.get("lastErrorCodeSubcode", ""))),
        )


def _seconds(milliseconds: object) -> float | None:
    return milliseconds / 1000 if isinstance(milliseconds, int) else None


def _error(digits: str) -> tuple[int, int] | None:
    """FRR prints code and subcode as four hexadecimal digits."""
    try:
        number = int(digits, 16)
    except ValueError:
        return None
    return (number >> 8, number & 0xFF)


def _table(routes: Mapping[str, Any], place: _Place) -> Iterator[RouteFact]:
    for prefix, paths in routes.items():
        net = network(prefix)
        for path in paths if isinstance(paths, list) and net is not None else ():
            hops = [address(str(h.get("ip", ""))) for h in path.get("nexthops", ())]
            assert net is not None
            yield RouteFact(
                Daemon.FRR,
                place.of(f'"{prefix}"'),
                net,
                hops[0] if hops else None,
                bool(path.get("valid")),
                bool(path.get("stale")),
                "BGP",
                address(str(path.get("peerId", ""))),
            )


def _paths(value: Mapping[str, Any], place: _Place) -> Iterator[RouteFact]:
    net = network(str(value["prefix"]))
    for path in value["paths"] if net is not None else ():
        for hop in path.get("nexthops", ()):
            if hop.get("accessible") is False:
                assert net is not None
                yield RouteFact(
                    Daemon.FRR,
                    place.of('"accessible":false'),
                    net,
                    address(str(hop.get("ip", ""))),
                    usable=False,
                    protocol="BGP",
                )


def _rib(value: Mapping[str, Any], place: _Place) -> Iterator[RouteFact]:
    """`show ip route json`: keys are prefixes, values lists with `protocol`."""
    for prefix, rows in value.items():
        net = network(prefix) if "/" in prefix else None
        for row in rows if net is not None and isinstance(rows, list) else ():
            if row.get("protocol") in ("bgp", "kernel"):
                hops = row.get("nexthops") or [{}]
                assert net is not None
                yield RouteFact(
                    None,
                    place.of(f'"{prefix}"'),
                    net,
                    address(str(hops[0].get("ip", ""))),
                    protocol="zebra" if row["protocol"] == "bgp" else "kernel",
                )


def _kernel(rows: Sequence[Any], place: _Place) -> Iterator[RouteFact]:
    """`ip -j route`."""
    for row in rows:
        net = network(str(row["dst"])) if isinstance(row, dict) and "dst" in row else None
        if net is not None and "dev" in row | {"dev": ""}:
            yield RouteFact(
                None,
                place.of(f'"{row["dst"]}"'),
                net,
                address(str(row.get("gateway", ""))),
                protocol=str(row.get("protocol", "")),
            )
