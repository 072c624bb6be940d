"""What people save on the Calico side: birdc's outputs and `calicoctl node status`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from labgen.facts import (
    BfdReport,
    Daemon,
    Facts,
    Identity,
    LogEvent,
    NotExported,
    PeerReport,
    RouteFact,
    Said,
)
from labgen.observe.lines import Line, address, command_on, network, protocol_peer

_HEADER = re.compile(
    r"^\s?(?P<name>[A-Za-z_]\S*)\s+BGP\s+(?P<table>\S+)\s+"
    r"(?P<state>up|start|down|stop|feed|flush|wait)\s+(?P<since>[\d:.-]+)(?:\s+(?P<info>\S.*))?$"
)
_OTHER = re.compile(r"^\s?\S+\s+(?:Kernel|Device|Direct|Static|Pipe|BFD|OSPF|RIP|RAdv)\s+\S+\s+\w+")
_FIELD = re.compile(r"^\s+(?P<key>[A-Z][\w ]*):\s*(?P<value>.*)$")
_STATUS = re.compile(
    r"^\|\s*(?P<peer>[0-9a-fA-F.:]+)\s*\|\s*(?P<type>[^|]+?)\s*\|\s*(?P<state>\w+)\s*\|"
    r"\s*(?P<since>[^|]*?)\s*\|\s*(?P<info>[^|]*?)\s*\|"
)
_ROUTE = re.compile(
    r"^(?P<prefix>[0-9a-fA-F.:]+/\d+)?\s+(?:via (?P<via>\S+) on \S+|dev \S+|unreachable|blackhole"
    r"|prohibited|multipath)\s+\[(?P<proto>\S+) [^\]]*?(?:from (?P<peer>\S+?))?\]"
)
_WAIT = re.compile(r"Graceful restart recovery in progress|Wait timer is \d+/\d+")
_WORDS = {
    "Idle": "Idle",
    "Connect": "Connect",
    "Active": "Active",
    "OpenSent": "OpenSent",
    "OpenConfirm": "OpenConfirm",
    "Established": "Established",
    "Passive": "Active",
    "Close": "Idle",
    "Down": "Idle",
}


def peers(lines: Sequence[Line]) -> Iterator[PeerReport]:
    """Every BGP protocol of `show protocols [all]`, and every row of `calicoctl node status`."""
    yield from _status_rows(lines)
    current: PeerReport | None = None
    for line in lines:
        if (match := _HEADER.match(line.text)) is not None:
            if current:
                yield current
            current = _header(line, match)
        elif current is not None:
            if command_on(line) is not None or _OTHER.match(line.text):
                yield current
                current = None
            elif (field := _FIELD.match(line.text)) is not None:
                current = _with(current, field["key"].strip(), field["value"].strip())
    if current:
        yield current


def _header(line: Line, match: re.Match[str]) -> PeerReport:
    info = (match["info"] or "").strip()
    word, _, rest = info.partition(" ")
    state = _WORDS.get(word, "Idle")
    if word not in _WORDS:
        rest = info  # `down  Error: No listening socket`
    return PeerReport(
        daemon=Daemon.BIRD,
        name=match["name"],
        quote=line,
        address=protocol_peer(match["name"]),
        state=state,
        info=rest.strip(),
        peer_state="Passive" if word == "Passive" else match["state"],
    )


def _with(peer: PeerReport, key: str, value: str) -> PeerReport:
    if key == "Neighbor address":
        return replace(peer, address=address(value))
    if key == "Source address":
        return replace(peer, local=address(value))
    if key == "Neighbor AS" and value.isdigit():
        return replace(peer, remote_as=int(value))
    if key == "BGP state":
        return replace(
            peer,
            state=_WORDS.get(value, peer.state),
            peer_state="Passive" if value == "Passive" else peer.peer_state,
        )
    if key == "Import withdraws" and (columns := value.split()) and len(columns) == 5:
        return replace(peer, ignored=int(columns[3]) if columns[3].isdigit() else 0)
    if key == "Last error" and not peer.info:
        return replace(peer, info=value)
    if key == "Routes" and (counts := re.match(r"(\d+) imported,.*?(\d+) exported", value)):
        return replace(peer, received=int(counts[1]), sent=int(counts[2]))
    return peer


def _status_rows(lines: Iterable[Line]) -> Iterator[PeerReport]:
    for line in lines:
        match = _STATUS.match(line.text) if line.text.startswith("|") else None
        if match is None:
            continue
        word, _, rest = match["info"].partition(" ")
        state = _WORDS.get(word, "Idle")
        yield PeerReport(
            daemon=Daemon.CALICOCTL,
            name=match["type"],
            quote=line,
            address=address(match["peer"]),
            state=state,
            info=rest.strip() if word in _WORDS else match["info"],
            peer_state="Passive" if word == "Passive" else match["state"],
        )


def routes(lines: Sequence[Line]) -> Facts:
    """`show route …`: a table's routes, or with `noexport` what a protocol does not announce."""
    found: list[RouteFact] = []
    held_back: list[NotExported] = []
    prefix, protocol, reading = "", "", False
    for line in lines:
        command = command_on(line)
        if command is not None:
            match = re.search(r"\bno ?export(?:ed)? (\S+)", command)
            protocol, reading = (match[1] if match else "", "route" in command)
            continue
        if "BIRD" in line.text and "ready" in line.text:
            reading = True
        match = _ROUTE.match(line.text) if reading or "[" in line.text else None
        if match is None:
            found[-1:] = [_attribute(found[-1], line.text)] if found else []
            continue
        prefix = match["prefix"] or prefix
        net = network(prefix)
        if net is None:
            continue
        if protocol:
            name = protocol.strip("'\"")
            held_back.append(NotExported(name, net, line, protocol_peer(name)))
        else:
            via = address(match["via"] or "")
            usable = False if " unreachable " in line.text else None
            found.append(
                RouteFact(
                    Daemon.BIRD,
                    line,
                    net,
                    via,
                    usable,
                    protocol=match["proto"],
                    peer=address(match["peer"] or ""),
                )
            )
    return Facts(routes=tuple(found), not_exported=tuple(held_back))


def _attribute(route: RouteFact, text: str) -> RouteFact:
    if "BGP.next_hop:" not in text:
        return route
    return replace(route, next_hop=address(text.partition(":")[2].split()[0]))


def bfd(lines: Iterable[Line]) -> Iterator[BfdReport]:
    """`show bfd sessions`; a multihop session has no interface."""
    for line in lines:
        match = re.match(
            r"^([0-9a-fA-F.:]+)\s+(\S+)\s+(Up|Down|Init|AdminDown)\s+\S+\s+[\d.]+\s+[\d.]+\s*$",
            line.text,
        )
        peer = address(match[1]) if match else None
        if match is not None and peer is not None:
            yield BfdReport(Daemon.BIRD, peer, match[3] == "Up", match[2] == "---", line)


def waiting(lines: Iterable[Line]) -> Iterator[LogEvent]:
    """`show status` while BIRD recovers from a restart (`bird -R`)."""
    for line in lines:
        if _WAIT.search(line.text):
            yield LogEvent(Said.RESTART_WAITING, Daemon.BIRD, line)


def identities(lines: Iterable[Line]) -> Iterator[Identity]:
    """Addresses that a node's own output says are its own."""
    for line in lines:
        match = re.match(r"\s*Router ID is (\S+)|\s+Source address:\s+(\S+)", line.text)
        found = address((match[1] or match[2]).strip()) if match else None
        if found is not None and line.node:
            yield Identity(line.node, found, Daemon.BIRD)
