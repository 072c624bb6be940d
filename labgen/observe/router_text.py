"""What people save on the BIG-IP or FRR side, as text: summaries, neighbours, tables, next hops.

ZebOS and FRR differ in headers and columns (reference: `show ip bgp summary` of both); the rows
are close enough that one reader serves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from labgen.evidence import Address
from labgen.facts import BfdReport, Daemon, Identity, NextHopFact, PeerReport, RouteFact
from labgen.observe.lines import Line, address, command_on, network

_SUMMARY = re.compile(
    r"^\*?(?P<peer>[0-9a-fA-F.:]+|[\w.-]+\([0-9a-fA-F.:]+\))\s+4\s+(?P<asn>\d+)\s+\d+\s+\d+\s+\d+\s+\d+\s+\d+"
    r"\s+(?P<uptime>\S+)\s+(?P<state>\d+|[A-Za-z]\w+)(?:\s+\((?P<paren>[^)]*)\))?"
    r"(?:\s+(?P<sent>\d+|\([^)]*\)))?"
)
_STATES = {"Idle", "Connect", "Active", "OpenSent", "OpenConfirm", "Established"}
_TABLE = re.compile(
    r"^(?P<codes>[sdh*>=irSR ]{1,5}?)\s*(?P<prefix>\d+\.\d+\.\d+\.\d+(?:/\d+)?|[0-9a-fA-F:]+/\d+)"
    r"(?:\s+(?P<hop>[0-9a-fA-F.:]+)?.*)?$"
)
_NEXT_HOP = re.compile(r"^\s(?P<hop>[0-9a-fA-F.:]+) (?P<word>valid|invalid)\b(?P<rest>.*)$")
_ROUTE = re.compile(
    r"^(?P<code>[KCSBO])(?P<marks>[>*qrb\s]*)\s(?P<prefix>[0-9a-fA-F.:]+/\d+)\s.*?"
    r"(?:via (?P<hop>[0-9a-fA-F.:]+))?"
)


def peers(lines: Sequence[Line]) -> Iterator[PeerReport]:
    """Every row of `show ip bgp summary` and every block of `show ip bgp neighbors`."""
    for line in lines:
        match = _SUMMARY.match(line.text)
        if match is not None:
            yield _summary(line, match, Daemon.FRR)
    yield from _neighbors(lines)


def _summary(line: Line, match: re.Match[str], daemon: Daemon) -> PeerReport:
    state = match["state"]
    paren = match["paren"] or ""
    name = re.sub(r".*\(|\)", "", match["peer"])
    counts = state.isdigit()
    up = counts or state == "NoNeg"  # up, without this address family
    if state == "Policy" or (match["sent"] or "") == "(Policy)":
        paren = "Policy"
    sent = match["sent"] or ""
    return PeerReport(
        daemon=daemon,
        name=name,
        quote=line,
        address=address(name),
        state="Established" if up else state if state in _STATES else "Idle",
        peer_state=paren,
        received=int(state) if counts else None,
        sent=int(sent) if sent.isdigit() else None,
        remote_as=int(match["asn"]),
    )


# What FRR writes after `Last reset`: RFC 4271 section 4.5's names of what decides something.
_ERRORS = {
    "OPEN Message Error/Bad Peer AS": (2, 2),
    "OPEN Message Error/Bad BGP Identifier": (2, 3),
    "OPEN Message Error/Unacceptable Hold Time": (2, 6),
    "OPEN Message Error/Unsupported Capability": (2, 7),
    "Hold Timer Expired": (4, 0),
    "Cease/Maximum Number of Prefixes Reached": (6, 1),
}
_POLICY = re.compile(
    r"^\*?(?P<peer>[0-9a-fA-F.:]+)\s+4\s+(?P<asn>\d+)\s.*\s\(Policy\)\s+\(Policy\)"
)


def policy_peers(lines: Iterable[Line]) -> Iterator[PeerReport]:
    """Rows whose prefix count FRR replaces by `(Policy)` (RFC 8212)."""
    for line in lines:
        match = _POLICY.match(line.text)
        if match is not None:
            yield PeerReport(
                Daemon.FRR,
                match["peer"],
                line,
                address(match["peer"]),
                "Established",
                peer_state="Policy",
                remote_as=int(match["asn"]),
            )


def _neighbors(lines: Sequence[Line]) -> Iterator[PeerReport]:
    current: PeerReport | None = None
    for line in lines:
        text = line.text
        start = re.match(r"^BGP neighbor is (\S+?),\s+remote AS (\d+), local AS (\d+)", text)
        if start is not None:
            if current:
                yield current
            current = PeerReport(
                Daemon.FRR,
                start[1],
                line,
                address(start[1]),
                "Idle",
                remote_as=int(start[2]),
                local_as=int(start[3]),
            )
        elif current is not None:
            if command_on(line) is not None:
                yield current
                current = None
            else:
                current = _neighbor_line(current, line)
    if current:
        yield current


def _neighbor_line(peer: PeerReport, line: Line) -> PeerReport:
    text = line.text.strip()
    if (match := re.match(r"BGP state = (\w+)(?: \((\w+)\))?", text)) is not None:
        return replace(peer, state=match[1], quote=line, peer_state=match[2] or "")
    if (match := re.match(r"Last reset [\w:]+,\s+(?:due to )?(.*)", text)) is not None:
        sent = re.match(r"Notification \w+ \(([^)]*)\)", match[1])
        error = _ERRORS.get(sent[1]) if sent else None
        clock = re.match(r"Last reset (\d+):(\d\d):(\d\d),", text)
        ago = sum(int(n) * 60**i for i, n in enumerate(clock.groups()[::-1])) if clock else None
        return replace(peer, last_reset=match[1], error=error, reset_ago=ago)
    if (match := re.match(r"Local host: (\S+),", text)) is not None:
        return replace(peer, local=address(match[1]))
    if (match := re.match(r"(\d+) accepted prefixes", text)) is not None:
        return replace(peer, received=int(match[1]))
    if (match := re.match(r"(\d+) announced prefixes", text)) is not None:  # ZebOS
        return replace(peer, sent=int(match[1]))
    if "Inbound updates discarded due to missing policy" in text:
        return replace(peer, peer_state="Policy")
    return peer


def table(lines: Sequence[Line]) -> Iterator[RouteFact]:
    """`show ip bgp`: paths with their status codes; no `*` means the path is not valid."""
    reading, prefix_line = False, None
    for line in lines:
        if line.text.startswith("Status codes:"):
            reading = True
        elif command_on(line) is not None or line.text.startswith(("Total number", "Displayed")):
            reading = False
        if not reading or line.text.startswith((" " * 12, "Origin", "Status", "BGP")):
            if reading and prefix_line and (hop := address((line.text.split() or [""])[0])):
                yield replace(prefix_line, next_hop=hop)
            prefix_line = None
            continue
        match = _TABLE.match(line.text)
        if match is None:
            continue
        net = network(match["prefix"])
        if net is None:
            continue
        codes, hop = match["codes"], address(match["hop"] or "")
        fact = RouteFact(
            Daemon.FRR,
            line,
            net,
            hop,
            "*" in codes or "S" in codes,
            stale="S" in codes,
            protocol="BGP",
        )
        if hop is None and match["hop"] is None:
            prefix_line = fact  # a long prefix stands on a line of its own
        else:
            yield fact


def inaccessible(lines: Iterable[Line]) -> Iterator[RouteFact]:
    """`show ip bgp P`: a path whose next hop is `(inaccessible)`."""
    prefix = None
    for line in lines:
        if (
            match := re.match(r"BGP routing table entry for (\S+?),?(?:\s|$)", line.text)
        ) is not None:
            prefix = network(match[1])
        elif prefix is not None and "inaccessible" in line.text:
            hop = address((line.text.split() or [""])[0])
            yield RouteFact(Daemon.FRR, line, prefix, hop, usable=False, protocol="BGP")


def next_hops(lines: Iterable[Line]) -> Iterator[NextHopFact]:
    """`show ip bgp nexthop`; the reason stands on the line after an invalid one."""
    pending: NextHopFact | None = None
    for line in lines:
        match = _NEXT_HOP.match(line.text)
        if match is not None:
            if pending:
                yield pending
            hop = address(match["hop"])
            if hop is not None:
                pending = NextHopFact(hop, match["word"] == "valid", match["rest"].strip(), line)
        elif pending is not None and "Must be Connected" in line.text:
            pending = replace(pending, reason=f"{pending.reason} Must be Connected".strip())
    if pending:
        yield pending


def installed(lines: Iterable[Line]) -> Iterator[RouteFact]:
    """`show ip route` of FRR or ZebOS: BGP and kernel routes in the RIB."""
    for line in lines:
        match = re.match(
            r"^(?P<code>[KB])(?P<marks>[>*qrbt ]+)(?P<prefix>[0-9a-fA-F.:]+/\d+)\s.*$", line.text
        )
        net = network(match["prefix"]) if match else None
        if match is None or net is None:
            continue
        via = re.search(r"via ([0-9a-fA-F.:]+)", line.text)
        yield RouteFact(
            None,
            line,
            net,
            address(via[1]) if via else None,
            protocol="zebra" if match["code"] == "B" else "kernel",
        )


def bfd(lines: Iterable[Line]) -> Iterator[BfdReport]:
    """`show bfd peers`: one `Status:` for each peer; and the block in `show bgp neighbors`."""
    found: re.Match[str] | None = None
    lines = list(lines)
    yield from _neighbor_bfd(lines)
    for line in lines:
        start = re.match(r"\s+peer ([0-9a-fA-F.:]+)( multihop)?(?: |$)", line.text)
        found = start or found
        status = re.match(r"\s+Status: (\w+)", line.text)
        if status is not None and found is not None:
            peer = address(found[1])
            if peer is not None:
                up = status[1].lower() == "up"
                yield BfdReport(Daemon.FRR, peer, up, found[2] is not None, line)
            found = None


def _neighbor_bfd(lines: Iterable[Line]) -> Iterator[BfdReport]:
    peer: Address | None = None
    multihop: bool | None = None
    for line in lines:
        if (start := re.match(r"BGP neighbor is ([^\s,]+)", line.text)) is not None:
            peer, multihop = address(start[1]), None
        elif (kind := re.match(r"\s+BFD: Type: (\w+) hop", line.text)) is not None:
            multihop = kind[1] != "single"
        elif (status := re.match(r"\s+Status: (\w+), Last update", line.text)) is not None and peer:
            yield BfdReport(Daemon.FRR, peer, status[1] == "Up", multihop, line)


def identities(lines: Iterable[Line]) -> Iterator[Identity]:
    """Addresses that the router says are its own."""
    for line in lines:
        match = re.match(
            r"BGP router identifier ([\d.]+)|.*local router ID is ([\d.]+)"
            r"|Local host: ([\d.a-fA-F:]+),",
            line.text,
        )
        found = address(next(g for g in match.groups() if g)) if match else None
        if found is not None and line.node:
            yield Identity(line.node, found, Daemon.FRR)
