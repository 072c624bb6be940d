"""What each stage cost each flow, from the probes' samples, and which BGP event explains it. Pure.

A flow counts from its first answer on: before that it is not reachable yet, which is not a loss.
Gaps are measured by times of sending: from the first probe that was lost to the first one after it
that was answered; one that a stage finds open is that stage's as a whole, since it first began.
Times are nanoseconds since the epoch, of the captures' clock.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

from labgen.bgp.conversation import RouteEvent, route_events
from labgen.bgp.messages import Notification
from labgen.bgp.vocabulary import MessageType
from labgen.errors import ParseError

if TYPE_CHECKING:
    from labgen.bgp.conversation import Capture, WireSession

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
REASONS = {"t": "no answer", "r": "refused", "u": "unreachable", "e": "failed"}
WITHDRAWAL, ANNOUNCEMENT = 2, 3  # two of the ranks of a `BgpEvent`
# How long before a gap its cause is looked for: BIRD and the kernel act on an event at once, a busy
# machine some tenths later. New routes (rank 3) come all the time; only a close one is a cause.
BEFORE_NS = (1_000_000_000, 1_000_000_000, 1_000_000_000, 300_000_000)
AFTER_NS = 20_000_000  # a probe in flight is lost by what happens a moment after its sending
# A unit that stands by stops serving first and withdraws then: its withdrawal is within the gap.
INTO_NS = 1_000_000_000
MENDS_NS = 300_000_000  # how long before a gap's end the announcement that ended it may have been
TOGETHER_NS = 400_000_000  # events this close belong to one: a NOTIFICATION and its withdrawals
_SAMPLE = re.compile(r"(\d+) (\d+) (?:(\d+)|-([a-z]))\Z")
_DECIDED = re.compile(r"= (\d+)\Z")


@dataclass(frozen=True, slots=True)
class Sample:
    """One probe. `rtt_us` is None where no answer came, and `why` one of `REASONS`' keys."""

    flow: int
    sent_ns: int
    rtt_us: int | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """What a probe's journal tells. Every probe sent before `decided_ns` stands in it."""

    samples: tuple[Sample, ...]
    decided_ns: int


def parse(text: str, source: str) -> Samples:
    """A journal as `images/shared/probe.py` writes it; a line that is not complete yet is left out.

    Raises ParseError for anything else.
    """
    samples: list[Sample] = []
    decided = 0
    for line in text.splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        if match := _SAMPLE.match(line.rstrip("\n")):
            rtt = int(match[3]) if match[3] else None
            samples.append(Sample(int(match[1]), int(match[2]), rtt, match[4] or ""))
        elif match := _DECIDED.match(line.rstrip("\n")):
            decided = max(decided, int(match[1]))
        else:
            raise ParseError(source, line, expected="`FLOW TIME RTT` or `= TIME`")
    return Samples(tuple(samples), decided)


@dataclass(frozen=True, slots=True)
class BgpEvent:
    """Something on the wire that can cost traffic. `ends` are the session's two addresses.

    `rank` orders causes: 0 NOTIFICATION, 1 a connection that ended, 2 withdrawal, 3 announcement.
    """

    time_ns: int
    rank: int
    text: str
    ends: tuple[Address, Address]
    where: str
    prefixes: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """What a flow depends on: its two ends, and the BGP addresses of the nodes that they are on."""

    ends: tuple[Address, ...]
    nodes: frozenset[Address]


@dataclass(frozen=True, slots=True)
class Window:
    """A stage's time, and when each of its actions began (in words, nanoseconds)."""

    stage: str
    start_ns: int
    end_ns: int
    actions: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without answers. `end_ns` None: none came before the stage ended.

    `explained` took the route away, `mended` brought the one that ended the gap.
    """

    start_ns: int
    end_ns: int | None
    until_ns: int
    lost: int
    action: str
    after_ms: float
    explained: BgpEvent | None = None
    mended: BgpEvent | None = None

    @property
    def milliseconds(self) -> float:
        return ((self.end_ns or self.until_ns) - self.start_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Loss:
    """What one stage cost one flow. `first_answer_ns` is set in the stage that made it reachable.

    `reachable` False: no answer so far, so nothing is lost yet; `sent` counts all the same.
    """

    flow: str
    stage: str
    reachable: bool
    sent: int
    lost: int
    reasons: tuple[tuple[str, int], ...] = ()
    longest: Gap | None = None
    first_answer_ns: int | None = None
    median_rtt_us: int | None = None


def losses(
    flow: str,
    samples: Sequence[Sample],
    windows: Sequence[Window],
    path: Path,
    events: Sequence[BgpEvent],
) -> tuple[Loss, ...]:
    """One flow's losses, a value per window, oldest first. `samples` are the flow's own."""
    ordered = sorted(samples, key=lambda s: s.sent_ns)
    first = next((s.sent_ns for s in ordered if s.rtt_us is not None), None)
    found = []
    actions: tuple[tuple[str, int], ...] = ()
    for window in windows:
        actions += window.actions
        inside = [s for s in ordered if window.start_ns <= s.sent_ns < window.end_ns]
        if first is None or first >= window.end_ns:
            found.append(Loss(flow, window.stage, False, len(inside), 0))
            continue
        counted = [s for s in inside if s.sent_ns >= first]
        lost = [s for s in counted if s.rtt_us is None]
        open_one = []
        if counted and counted[0].rtt_us is None:
            open_one = _unanswered([s for s in ordered if first <= s.sent_ns < window.start_ns])
        gaps = _gaps([*open_one, *counted], replace(window, actions=actions), path, events)
        longest = max(gaps, key=lambda g: g.milliseconds, default=None)
        rtts = sorted(s.rtt_us for s in counted if s.rtt_us is not None)
        found.append(
            Loss(
                flow, window.stage, True, len(counted), len(lost),
                tuple(sorted(Counter(REASONS.get(s.why, s.why) for s in lost).items())),
                longest,
                first if first >= window.start_ns else None,
                rtts[len(rtts) // 2] if rtts else None,
            )
        )  # fmt: skip
    return tuple(found)


def _unanswered(samples: Sequence[Sample]) -> list[Sample]:
    """The last samples as far back as none was answered."""
    answered = (n for n in range(len(samples), 0, -1) if samples[n - 1].rtt_us is not None)
    return list(samples[next(answered, 0) :])


def _gaps(
    samples: Sequence[Sample], window: Window, path: Path, events: Sequence[BgpEvent]
) -> Iterator[Gap]:
    start, lost = 0, 0
    for sample in samples:
        if sample.rtt_us is None:
            start, lost = start or sample.sent_ns, lost + 1
        elif lost:
            yield _gap(start, sample.sent_ns, lost, window, path, events)
            start, lost = 0, 0
    if lost:
        yield _gap(start, None, lost, window, path, events)


def _gap(
    start: int, end: int | None, lost: int, window: Window, path: Path,
    events: Sequence[BgpEvent],
) -> Gap:  # fmt: skip
    before = [(text, at) for text, at in window.actions if at <= start + AFTER_NS]
    action, at = before[-1] if before else ("the stage's start", window.start_ns)
    return Gap(start, end, window.end_ns, lost, action, (start - at) / 1e6,
               explain(start, path, events, end, at), mend(start, end, path, events))  # fmt: skip


def explain(
    start_ns: int,
    path: Path,
    events: Iterable[BgpEvent],
    end_ns: int | None = None,
    since_ns: int = 0,
) -> BgpEvent | None:
    """The event that took the route away: the gravest of those nearest before the gap.

    Relevant is what concerns the ends' prefixes, and whole sessions of the ends' nodes; of
    announcements only those since `since_ns`, when the action began that the gap follows: earlier
    ones are what the change before it brought. A withdrawal soon after the gap began explains it
    where nothing of that time came before it.
    """
    concerning = [e for e in events if _concerns(e, path)]
    near = [
        e for e in concerning
        if start_ns - BEFORE_NS[e.rank] <= e.time_ns <= start_ns + AFTER_NS
        and (e.rank != ANNOUNCEMENT or e.time_ns >= since_ns)
    ]  # fmt: skip
    latest = max((e.time_ns for e in near), default=0)
    if latest < start_ns - TOGETHER_NS:
        until = min(start_ns + INTO_NS, end_ns or start_ns + INTO_NS)
        within = [
            e for e in concerning
            if e.rank == WITHDRAWAL and start_ns + AFTER_NS < e.time_ns <= until
        ]  # fmt: skip
        if within:
            return min(within, key=lambda e: (not _told_to(e, path), e.time_ns))
    together = [e for e in near if e.time_ns >= latest - TOGETHER_NS]
    return min(together, key=lambda e: (e.rank, -e.time_ns), default=None)


def mend(
    start_ns: int, end_ns: int | None, path: Path, events: Iterable[BgpEvent]
) -> BgpEvent | None:
    """The announcement that ended a gap: the last within it, a moment before its end."""
    if end_ns is None:
        return None
    since = max(start_ns, end_ns - MENDS_NS)
    found = [
        e for e in events
        if e.rank == ANNOUNCEMENT and since < e.time_ns <= end_ns and _concerns(e, path)
    ]  # fmt: skip
    return max(found, key=lambda e: (_told_to(e, path), e.time_ns), default=None)


def _told_to(event: BgpEvent, path: Path) -> bool:
    """Whether a node of the flow is at one end: what it heard counts before what others did."""
    return bool(path.nodes & set(event.ends))


def _concerns(event: BgpEvent, path: Path) -> bool:
    if event.prefixes:
        return any(
            address.version == prefix.version and address in prefix
            for prefix in event.prefixes for address in path.ends
        )  # fmt: skip
    return _told_to(event, path)


def events_of(
    capture: Capture, name_of: dict[Address, str], *, since_ns: int = 0
) -> tuple[BgpEvent, ...]:
    """Every event of a capture that can cost traffic, by time. Names replace addresses."""
    found = [e for session in capture.sessions for e in _session_events(session, name_of)]
    return tuple(sorted((e for e in found if e.time_ns >= since_ns), key=lambda e: e.time_ns))


def _session_events(session: WireSession, name_of: dict[Address, str]) -> Iterator[BgpEvent]:
    def name(address: Address) -> str:
        return name_of.get(address, str(address))

    for conversation in session.conversations:
        for message in conversation.messages:
            who = f"{name(message.src.address)} to {name(message.dst.address)}"
            where = f"{message.file}#{message.frame}"
            ends = (message.src.address, message.dst.address)
            if message.type_code == MessageType.NOTIFICATION:
                said = message.message
                words = f"{said.error}/{said.name}" if isinstance(said, Notification) else "broken"
                yield BgpEvent(message.time_ns, 0, f"NOTIFICATION {words}, {who}", ends, where)
            elif message.type_code == MessageType.UPDATE:
                yield from _route_changes(tuple(route_events(message)), who, where)
        ended = [s for s in (conversation.from_client.fin, conversation.from_server.fin) if s]
        ended += [seen for _, seen in conversation.resets]
        if ended and conversation.established is not None:
            seen = min(ended, key=lambda s: s.time_ns)
            both = (conversation.client.address, conversation.server.address)
            text = f"the session of {name(both[0])} and {name(both[1])} ended"
            yield BgpEvent(seen.time_ns, 1, text, both, f"{seen.file}#{seen.frame}")


def _route_changes(routes: Sequence[RouteEvent], who: str, where: str) -> Iterator[BgpEvent]:
    for rank, verb, announced in (
        (WITHDRAWAL, "withdraw", False), (ANNOUNCEMENT, "announce", True)
    ):  # fmt: skip
        chosen = [r for r in routes if r.announced is announced]
        if not chosen:
            continue
        message = chosen[0].message
        prefixes = tuple(r.prefix for r in chosen)
        shown = ", ".join(map(str, prefixes[:2])) + (" …" if len(prefixes) > 2 else "")
        hops = chosen[0].attributes.next_hops if chosen[0].attributes else ()
        via = f" via {hops[0]}" if hops else ""
        text = f"UPDATE {verb} {shown}{via}, {who}"
        ends = (message.src.address, message.dst.address)
        yield BgpEvent(message.time_ns, rank, text, ends, where, prefixes)
