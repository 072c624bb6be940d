"""Sessions as a table, messages as a list."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from labgen.bgp.vocabulary import MessageType
from labgen.report.wire_words import describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labgen.bgp.conversation import Capture, Flow, WireMessage, WireSession
    from labgen.bgp.tally import Direction, Tally

_HEAD = (
    "FROM", "TO", "STATE", "TCP", "OPEN", "UPDATE", "NOTIF", "KEEPALIVE", "REFRESH",
    "ANNOUNCED", "WITHDRAWN", "HELD", "END-OF-RIB", "BAD",
)  # fmt: skip


def session_table(capture: Capture, tally: Tally) -> Iterator[str]:
    """Two lines for each session, one for each direction, then remarks.

    TCP counts the connections, HELD the prefixes that stand at the end, BAD the messages that the
    RFCs do not allow.
    """
    rows: list[tuple[str, ...]] = [_HEAD]
    remarks: list[str] = []
    for session in capture.sessions:
        first, second = session.addresses
        for src, dst in ((first, second), (second, first)):
            rows.append(_row(session, str(src), str(dst), tally.directions.get((src, dst))))
        remarks += _remarks(session)
    if len(rows) == 1:
        yield "no BGP in this capture"
    else:
        yield from _aligned(rows)
    yield from remarks
    yield from capture.notes


def _row(session: WireSession, src: str, dst: str, direction: Direction | None) -> tuple[str, ...]:
    current = session.current
    state = current.state.value if current else ""
    head = (src, dst, state, str(len(session.conversations)))
    if direction is None:
        return (*head, *["0"] * 8, "", "0")
    counts = [str(direction.count(kind)) for kind in MessageType]
    held = sum(map(len, direction.held.values()))
    ended = " ".join(map(str, sorted(direction.end_of_rib)))
    numbers = (str(direction.announced), str(direction.withdrawn), str(held))
    return (*head, *counts, *numbers, ended, str(direction.errors))


def _remarks(session: WireSession) -> Iterator[str]:
    """Facts that no column has room for."""
    pair = " and ".join(map(str, session.addresses))
    unanswered = [c for c in session.conversations if c.unanswered]
    refused = [c for c in session.conversations if c.refused]
    if unanswered:
        syns = sum(len(c.from_client.syns) for c in unanswered)
        frame = unanswered[0].first.frame
        yield f"{pair}: {syns} SYNs without an answer, the first in frame {frame}"
    if refused:
        frame = refused[0].first.frame
        yield f"{pair}: {len(refused)} connections refused, the first in frame {frame}"
    for conversation in session.conversations:
        lost = conversation.from_client.gaps + conversation.from_server.gaps
        if lost:
            octets = sum(gap.octets for gap in lost)
            frame = lost[0].seen.frame
            yield f"{pair}: the capture lost {octets} octets, first before frame {frame}"
        for error in conversation.icmp_errors[:1]:
            yield f"{pair}: ICMP {error.name} from {error.sender}, frame {error.seen.frame}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.rjust(width) if row is not rows[0] and cell.isdigit() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S}"


@lru_cache(maxsize=1024)
def _ends(flow: Flow) -> str:
    return f"{flow.src.address} > {flow.dst.address}"


def message_line(wire: WireMessage) -> str:
    """Frame, time of day (UTC), ends, type and what matters."""
    kind = wire.type
    label = kind.label if kind else f"TYPE-{wire.type_code}"
    seconds, rest = divmod(wire.time_ns, 1_000_000_000)
    clock = f"{_second(seconds)}.{rest // 1000:06d}"
    return f"{wire.frame:>6} {clock} {_ends(wire.flow)} {label} {describe(wire)}".rstrip()
