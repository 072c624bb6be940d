"""A session as a ladder: two ends, time downwards, an arrow for each event.

Rows are gathered while the capture streams by. Runs of KEEPALIVEs and of UPDATEs fold into one
row, and a session keeps a bounded number of rows, so a long capture still fits a screen.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from labgen.bgp.messages import Update
from labgen.bgp.vocabulary import MessageType
from labgen.report.wire_words import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labgen.bgp.attributes import IpAddress
    from labgen.bgp.conversation import (
        Capture,
        Conversation,
        Flow,
        Seen,
        WireMessage,
        WireSession,
    )

_FREE_UPDATES = 8  # so many UPDATEs of a run are shown one by one
_MAX_ROWS = 500
_ARROW_WIDTH = 28


class Weight(Enum):
    """How much a row matters to a reader."""

    QUIET = "quiet"
    PLAIN = "plain"
    BAD = "bad"


@dataclass(slots=True)
class Row:
    """One rung: `to_right` says whether the left end (the lower address) sent it; None, that the
    row stands between both. `frame` is where it begins, `last_frame` where a folded run ends."""

    time_ns: int
    frame: int
    to_right: bool | None
    label: str
    text: str
    weight: Weight = Weight.PLAIN
    count: int = 1
    last_frame: int = 0
    last_ns: int = 0
    announced: int = 0
    withdrawn: int = 0


@dataclass(slots=True)
class _Gathered:
    """The rows of one session so far; `run` counts the UPDATEs in a row from one end."""

    rows: list[Row]
    run: int = 0
    dropped: int = 0


class LadderRows:
    """Gathers the rows of every session, by its two addresses."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[IpAddress, IpAddress], _Gathered] = {}
        self._flows: dict[Flow, tuple[_Gathered, bool]] = {}

    def add(self, wire: WireMessage, announced: int, withdrawn: int) -> None:
        """A message, and how many prefixes it announces and withdraws."""
        gathered, to_right = self._flows.get(wire.flow) or self._new_flow(wire.flow)
        rows = gathered.rows
        last = rows[-1] if rows else None
        code = wire.type_code
        if last is not None and code == MessageType.KEEPALIVE and last.label == "KEEPALIVE":
            _fold(last, wire, to_right)
            return
        # An End-of-RIB always has a row of its own: it announces and withdraws nothing.
        foldable = code == MessageType.UPDATE and announced + withdrawn > 0
        same = foldable and last is not None and last.label == "UPDATE"
        gathered.run = gathered.run + 1 if same and last and last.to_right is to_right else 0
        if last is not None and gathered.run >= _FREE_UPDATES:
            _fold_update(last, wire, announced, withdrawn, first=gathered.run == _FREE_UPDATES)
        elif len(rows) >= _MAX_ROWS:
            gathered.dropped += 1
        else:
            rows.append(_row(wire, to_right))

    def _new_flow(self, flow: Flow) -> tuple[_Gathered, bool]:
        src, dst = flow.src.address, flow.dst.address
        to_right = src.packed <= dst.packed
        pair = (src, dst) if to_right else (dst, src)
        gathered = self._sessions.setdefault(pair, _Gathered([]))
        self._flows[flow] = (gathered, to_right)
        return gathered, to_right

    def dropped(self, session: WireSession) -> int:
        """How many messages found no room."""
        gathered = self._sessions.get(session.addresses)
        return gathered.dropped if gathered else 0

    def of(self, session: WireSession) -> list[Row]:
        """The session's rows, with what TCP, ICMP and the capture add, in time order."""
        gathered = self._sessions.get(session.addresses)
        rows = list(gathered.rows) if gathered else []
        for conversation in session.conversations:
            rows += _tcp_rows(conversation, session.addresses[0])
        rows.sort(key=lambda row: (row.time_ns, row.frame))
        return rows


def _row(wire: WireMessage, to_right: bool) -> Row:
    kind = wire.type
    label = kind.label if kind else f"TYPE-{wire.type_code}"
    return Row(wire.time_ns, wire.frame, to_right, label, describe(wire), _weight(wire))


def _weight(wire: WireMessage) -> Weight:
    if wire.error is not None or wire.type is MessageType.NOTIFICATION:
        return Weight.BAD
    if isinstance(wire.message, Update) and wire.message.errors:
        return Weight.BAD
    return Weight.QUIET if wire.type is MessageType.KEEPALIVE else Weight.PLAIN


def _fold(row: Row, wire: WireMessage, to_right: bool) -> None:
    if row.to_right is not to_right:
        row.to_right = None
    row.count += 1
    row.last_frame, row.last_ns = wire.frame, wire.time_ns
    row.text = f"{row.count} times until frame {row.last_frame}"


def _fold_update(
    row: Row, wire: WireMessage, announced: int, withdrawn: int, *, first: bool
) -> None:
    if first:
        row.text = f"{row.text}; then"
        row.announced = row.withdrawn = row.count = 0
    row.count += 1
    row.announced += announced
    row.withdrawn += withdrawn
    row.last_frame, row.last_ns = wire.frame, wire.time_ns


def finished_text(row: Row) -> str:
    """A row's text, with what a folded run of UPDATEs amounts to."""
    if row.label != "UPDATE" or not row.last_frame:
        return row.text
    return (
        f"{row.text} {row.count} more until frame {row.last_frame}: "
        f"{row.announced} announced, {row.withdrawn} withdrawn"
    )


def _tcp_rows(conversation: Conversation, left: IpAddress) -> Iterator[Row]:
    client, server = conversation.client, conversation.server
    from_left = client.address == left
    if client.address == server.address:
        from_left = True
    port = f"{client.port} → {server.port}"
    flows = ((conversation.from_client, from_left), (conversation.from_server, not from_left))
    for (facts, to_right), name in zip(flows, ("SYN", "SYN-ACK"), strict=True):
        md5 = ", MD5" if facts.md5_syns else ""
        ttl = "/".join(map(str, sorted(facts.handshake_ttls)))
        text = f"{port}, TTL {ttl}{md5}"
        yield from _repeated(facts.syns, to_right, name, text, answered=name == "SYN-ACK")
        for seen in facts.rsts[:3]:
            yield Row(seen.time_ns, seen.frame, to_right, "RST", port, Weight.BAD)
        if facts.fin:
            yield Row(facts.fin.time_ns, facts.fin.frame, to_right, "FIN", port, Weight.QUIET)
        for gap in facts.gaps[:8]:
            text = f"{gap.octets} octets are not in the capture"
            yield Row(gap.seen.time_ns, gap.seen.frame, to_right, "LOST", text, Weight.BAD)
        for again in facts.retransmitted[:8]:
            text = f"{again.length} octets, {again.times} times until frame {again.last.frame}"
            row = (again.first.time_ns, again.first.frame, to_right, "SENT AGAIN", text)
            yield Row(*row, Weight.QUIET)
    for error in conversation.icmp_errors[:8]:
        side = from_left if error.quotes_client else not from_left
        text = f"{error.name}, from {error.sender}"
        yield Row(error.seen.time_ns, error.seen.frame, not side, "ICMP", text, Weight.BAD)


def _repeated(
    seens: Iterable[Seen], to_right: bool, label: str, text: str, *, answered: bool
) -> Iterator[Row]:
    found = list(seens)
    for index, seen in enumerate(found[:4]):
        again = f"{text}, again" if index else text
        weight = Weight.BAD if index and not answered else Weight.PLAIN
        yield Row(seen.time_ns, seen.frame, to_right, label, again, weight)
    if len(found) > 4:
        rest = f"{text}, {len(found) - 4} times more until frame {found[-1].frame}"
        yield Row(found[4].time_ns, found[4].frame, to_right, label, rest, Weight.BAD)


def terminal_ladder(
    session: WireSession, rows: list[Row], dropped: int, *, ascii_only: bool = False
) -> Iterator[tuple[str, Weight]]:
    """Lines of a ladder and their weights. Times are seconds since the session's first row."""
    left, right = map(str, session.addresses)
    gutter = " " * 21
    if len(left) > _ARROW_WIDTH:  # a long IPv6 address takes a line of its own
        yield f"{gutter}{left}", Weight.PLAIN
        left = ""
    yield f"{gutter}{left:<{_ARROW_WIDTH + 2}}{right}", Weight.PLAIN
    if not rows:
        return
    begin = rows[0].time_ns
    for row in rows:
        arrow = _arrow(row, ascii_only=ascii_only)
        seconds = (row.time_ns - begin) / 1e9
        line = f"{seconds:>12.6f} {'#' + str(row.frame):>7} {arrow}  {finished_text(row)}"
        yield line.rstrip(), row.weight
    if dropped:
        yield f"{gutter}… {dropped} messages more", Weight.QUIET


def _arrow(row: Row, *, ascii_only: bool) -> str:
    dash, into, back = ("-", ">", "<") if ascii_only else ("─", "▶", "◀")
    bar = "|" if ascii_only else "│"
    body = f" {row.label} ".center(_ARROW_WIDTH - 1, dash)
    if row.to_right is None:
        return f"{bar}{back}{body[1:]}{into}{bar}"
    return f"{bar}{body}{into}{bar}" if row.to_right else f"{bar}{back}{body}{bar}"


def ladders(capture: Capture, gathered: LadderRows) -> Iterator[tuple[WireSession, list[Row], int]]:
    """Each session of a capture with its rows and how many did not fit."""
    for session in capture.sessions:
        yield session, gathered.of(session), gathered.dropped(session)
