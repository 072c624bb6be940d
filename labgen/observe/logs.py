"""BIRD's, FRR's and ZebOS's log lines that decide something. Pure text to values.

Times and prefixes in front of a message (syslog, svlogd's `bird: `) vary and are not read. The
messages are those of BIRD 1.6.8, FRR 8.4 (bgpd/bgp_fsm.c, bgp_network.c, bgp_route.c) and of
ZebOS as F5 documents them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from labgen.facts import Daemon, LogEvent, Said
from labgen.observe.lines import Line, address, network, protocol_peer

_IP = r"(?P<peer>\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:]+)"

# A time of day reads like an IPv6 address.
_CLOCK = re.compile(r"(?<![:\w])\d\d:\d\d:\d\d(?:\.\d+)?(?![:\w])")

# NOTIFICATIONs, FRR: `%NOTIFICATION: sent to neighbor 10.1.20.20 2/2 (OPEN Message Error/…)`;
# ZebOS: `%BGP-3-NOTIFICATION: received from 10.1.20.20 2/2 (...)`.
_NOTIFICATION = re.compile(
    r"NOTIFICATION(?:\(Hard Reset\))?: (?P<way>sent|sending|received)(?: to| from)?(?: neighbor)? "
    + _IP
    + r"\S* (?P<code>\d+)/(?P<subcode>\d+)"
)

_FRR: tuple[tuple[Said, re.Pattern[str]], ...] = tuple(
    (said, re.compile(pattern))
    for said, pattern in (
        # Its reason may be that of an earlier reset: `Down No AFI/SAFI activated for peer`.
        (Said.DOWN, r"%ADJCHANGE: neighbor " + _IP + r"\S*.* Down No AFI"),
        (Said.NOT_CONFIGURED, _IP + r"\S* connection rejected\b.*not configured"),
        (Said.NOT_CONFIGURED, r"(?i:no such neighbou?r|unconfigured (?:peer|neighbou?r)).*?" + _IP),
        (Said.NO_FAMILY, r"(?:" + _IP + r")?.*(?i:no AF(?:I/SAFI)?(?:'s)? activated)"),
        (Said.POLICY_MISSING, r"(?:" + _IP + r".*)?EBGP inbound/outbound policy not properly"),
        (Said.POLICY_MISSING, _IP + r".*DENIED due to: inbound policy missing"),
        (Said.SAME_CLUSTER, _IP + r".*DENIED due to: reflected from the same cluster"),
        (Said.SAME_CLUSTER, r"DENIED due to: reflected from the same cluster"),
        (Said.OWN_AS, _IP + r".*DENIED due to: as-path contains our own AS"),
        (Said.NEXT_HOP, _IP + r".*DENIED due to: (?:martian or self|invalid) next-?hop"),
        (Said.MAXIMUM_PREFIX, r"%MAXPFXEXCEED.*?from " + _IP),
        (Said.BAD_AS, _IP + r".*bad OPEN, remote AS is \d+, expected \d+"),
        (Said.BAD_IDENTIFIER, _IP + r".*bad OPEN, wrong router identifier"),
        (Said.BAD_HOLD_TIME, _IP + r".*bad OPEN, .*[Hh]old ?time"),
        (Said.HOLD_EXPIRED, _IP + r".*[Hh]old timer expire"),
        (Said.BFD_DOWN, r"neighbor " + _IP + r".*Down BFD down"),
        (Said.CONNECT_REFUSED, _IP + r".*[Cc]onnect failed 111"),
        (Said.UNREACHABLE, _IP + r".*[Cc]onnect failed 113"),
        (Said.UNREACHABLE, _IP + r".*[Cc]onnect failed.*No route to host"),
        (Said.RESET, _IP + r".*bgp_read_packet error: Connection reset by peer"),
        (Said.WAITING_FOR_NEXT_HOP, _IP + r".*(?i:waiting for NHT|nexthop is invalid|No path to)"),
        (Said.UP, r"rcvd End-of-RIB for .* from " + _IP),
        (Said.UP, r"%ADJCHANGE: neighbor " + _IP + r"\S*.* Up\s*$"),
        (Said.DOWN, r"%ADJCHANGE: neighbor " + _IP + r"\S*.* Down\b"),
        (Said.UP, r"%BGP-\d-ADJCHANGE: neighbor " + _IP + r".*Up"),
        (Said.DOWN, r"%BGP-\d-ADJCHANGE: neighbor " + _IP + r".*Down"),
    )
)

_BIRD_LINE = re.compile(
    r"<(?:TRACE|DEBUG|INFO|WARN|ERR|AUTH|FATAL|BUG|RMT|REMOTE|ERROR)>\s+(?P<rest>.*)$"
    r"|\bbird6?(?:\[\d+\])?:\s+(?P<rest2>.*)$"
)
_BIRD_PROTOCOL = re.compile(r"(?P<protocol>[A-Za-z_][\w.-]*): (?P<message>.*)$")
_BIRD_ANYWHERE: tuple[tuple[Said, re.Pattern[str]], ...] = tuple(
    (said, re.compile(pattern))
    for said, pattern in (
        (Said.UNEXPECTED_CONNECT, r"Unexpected connect from unknown address " + _IP),
        (Said.PORT_TAKEN, r"bind: Address already in use|Cannot open listening socket"),
        (Said.SOURCE_ADDRESS, r"bind: Cannot assign requested address"),
        (Said.BFD_DOWN, r"Session to " + _IP + r" changed state from Up to Down"),
        (Said.BFD_UP, r"Session to " + _IP + r" changed state from \w+ to Up"),
        (Said.RESTART_STARTED, r"Graceful restart started"),
        (Said.RESTART_DONE, r"Graceful restart done"),
        (Said.STARTED, r"^Started\b"),
    )
)
# BIRD names a NOTIFICATION by its text (proto/bgp/packets.c, bgp_error_dsc).
_BIRD_ERRORS: tuple[tuple[str, Said, tuple[int, int]], ...] = (
    ("Bad peer AS", Said.BAD_AS, (2, 2)),
    ("Bad BGP identifier", Said.BAD_IDENTIFIER, (2, 3)),
    ("Unacceptable hold time", Said.BAD_HOLD_TIME, (2, 6)),
    ("Required capability missing", Said.NO_FAMILY, (2, 7)),
    ("Unsupported capability", Said.NO_FAMILY, (2, 7)),
    ("Hold timer expired", Said.HOLD_EXPIRED, (4, 0)),
    ("Maximum number of prefixes reached", Said.MAXIMUM_PREFIX, (6, 1)),
    ("Administrative shutdown", Said.DOWN, (6, 2)),
    ("Peer de-configured", Said.DOWN, (6, 3)),
    ("Administrative reset", Said.DOWN, (6, 4)),
    ("Connection collision resolution", Said.DOWN, (6, 7)),
)
_BIRD_SOCKET: tuple[tuple[str, Said], ...] = (
    ("Connection refused", Said.CONNECT_REFUSED),
    ("No route to host", Said.UNREACHABLE),
    ("Network is unreachable", Said.UNREACHABLE),
    ("Connection reset by peer", Said.RESET),
    ("BFD session down", Said.BFD_DOWN),
    ("State changed to up", Said.UP),
    ("State changed to start", Said.SESSION_STARTED),
    ("State changed to wait", Said.SESSION_WAITS),
    ("State changed to down", Said.DOWN),
)
_FILTERED = re.compile(r"< filtered out (?P<prefix>\S+/\d+)")


def read(lines: Iterable[Line]) -> Iterator[LogEvent]:
    """Every deciding log line, in file order."""
    for line in lines:
        if (bird := _BIRD_LINE.search(line.text)) is not None:
            yield from _bird(line, bird["rest"] or bird["rest2"] or "")
        else:
            yield from _router(line)


def _router(line: Line) -> Iterator[LogEvent]:
    text = _CLOCK.sub("", line.text)
    if (match := _NOTIFICATION.search(text)) is not None:
        daemon = Daemon.ZEBOS if "%BGP-" in text else Daemon.FRR
        sent = match["way"].startswith("sen")
        said = Said.NOTIFICATION_SENT if sent else Said.NOTIFICATION_RECEIVED
        error = (int(match["code"]), int(match["subcode"]))
        yield LogEvent(said, daemon, line, address(match["peer"]), error=error)
        return
    if not ("BGP" in text or "bgp" in text or "[" in text):
        return
    for said, pattern in _FRR:
        if (match := pattern.search(text)) is not None:
            found = match.groupdict().get("peer")
            daemon = Daemon.ZEBOS if "%BGP-" in text else Daemon.FRR
            yield LogEvent(said, daemon, line, address(found) if found else None)
            return


def _bird(line: Line, rest: str) -> Iterator[LogEvent]:
    for said, pattern in _BIRD_ANYWHERE:
        if (match := pattern.search(rest)) is not None:
            found = match.groupdict().get("peer")
            named = _BIRD_PROTOCOL.match(rest)
            peer = address(found) if found else protocol_peer(named["protocol"]) if named else None
            yield LogEvent(said, Daemon.BIRD, line, peer, named["protocol"] if named else "")
            return
    match = _BIRD_PROTOCOL.match(rest)
    if match is None:
        return
    name, message = match["protocol"], match["message"]
    peer = protocol_peer(name)
    if (filtered := _FILTERED.search(rest)) is not None:
        yield LogEvent(
            Said.FILTERED, Daemon.BIRD, line, peer, name, prefix=network(filtered["prefix"])
        )
        return
    yield from _bird_session(line, name, message)


def _bird_session(line: Line, name: str, message: str) -> Iterator[LogEvent]:
    peer = protocol_peer(name)
    for words, _, error in _BIRD_ERRORS:
        if words in message:
            way = Said.NOTIFICATION_RECEIVED if "Received" in message else Said.NOTIFICATION_SENT
            yield LogEvent(way, Daemon.BIRD, line, peer, name, error)
            return
    if re.fullmatch(r"(?:device|direct|kernel|static)\d*", name):
        return
    for words, said in _BIRD_SOCKET:
        if words in message:
            yield LogEvent(said, Daemon.BIRD, line, peer, name)
            return
