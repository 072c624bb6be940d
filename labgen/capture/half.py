"""One direction of a TCP connection as a capture shows it: reassembly (RFC 9293 section 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from labgen.bgp.facts import FlowFacts, Gap, Retransmission, Seen

if TYPE_CHECKING:
    from labgen.bgp.conversation import Flow, WireMessage
    from labgen.capture.framing import Framing

MODULUS = 1 << 32
HALF = 1 << 31
MAX_FACTS = 256  # how many SYNs, resets, gaps of one connection are kept one by one
_MAX_PENDING = 256
_MAX_PENDING_OCTETS = 1 << 20
_REORDERED_NS = 3_000_000  # later than this, a filled hole is a retransmission, not reordering
_PATIENCE_NS = 1_000_000_000


class Segment(NamedTuple):
    """A TCP segment. `data` is what the capture holds of its payload of `length` octets;
    `carriers` are the frames of its IP fragments, empty where it came in one packet."""

    seen: Seen
    seq: int
    ack: int
    flags: int
    ttl: int
    md5: bool
    mss: int | None
    data: bytes
    length: int
    identity: int
    interface: str
    carriers: tuple[int, ...] = ()


class _Pending(NamedTuple):
    seq: int
    segment: Segment


class HalfConnection:
    """One direction: its place in the sequence space, what waits, and what was noticed."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.framing: Framing | None = None
        self.next: int | None = None
        self.delivered = 0
        self.acked: int | None = None  # the highest number the other end acknowledged
        self.pending: list[_Pending] = []
        self.pending_octets = 0
        self.syns: list[Seen] = []
        self.isn: int | None = None
        self.first_data: Seen | None = None
        self.last_data: Seen | None = None
        self.fin: Seen | None = None
        self.rsts: list[Seen] = []
        self.segments = 0
        self.octets = 0
        self.md5 = 0
        self.md5_syns = 0
        self.mss: int | None = None
        self.handshake_ttls: set[int] = set()
        self.data_ttls: set[int] = set()
        self.reset_ttls: set[int] = set()
        self.syn_classes: set[int] = set()
        self.reset_classes: set[int] = set()
        self.retransmissions = 0
        self.repeats: dict[int, Retransmission] = {}
        self.duplicates = 0
        self.out_of_order = 0
        self.gaps: list[Gap] = []
        self.largest = 0
        self.interfaces: set[str] = set()
        self.last_identity: tuple[int, int, int] | None = None
        self.counts: dict[int, int] = {}
        self.established: Seen | None = None

    def note_message(self, message: WireMessage) -> None:
        code = message.type_code
        self.counts[code] = self.counts.get(code, 0) + 1
        if self.established is None and code in (2, 4, 5):
            self.established = message.seen

    def facts(self) -> FlowFacts:
        unacknowledged = 0
        if self.next is not None and self.acked is not None:
            behind = (self.next - self.acked) % MODULUS
            unacknowledged = behind if behind < HALF else 0
        elif self.acked is None:
            unacknowledged = self.octets
        return FlowFacts(
            syns=tuple(self.syns),
            first_data=self.first_data,
            last_data=self.last_data,
            fin=self.fin,
            rsts=tuple(self.rsts),
            segments=self.segments,
            octets=self.octets,
            md5=self.md5,
            md5_syns=self.md5_syns,
            mss=self.mss,
            handshake_ttls=frozenset(self.handshake_ttls),
            data_ttls=frozenset(self.data_ttls),
            reset_ttls=frozenset(self.reset_ttls),
            syn_classes=frozenset(self.syn_classes),
            reset_classes=frozenset(self.reset_classes),
            retransmissions=self.retransmissions,
            retransmitted=tuple(self.repeats.values()),
            duplicates=self.duplicates,
            out_of_order=self.out_of_order,
            gaps=tuple(self.gaps),
            unacknowledged=unacknowledged,
            largest_segment=self.largest,
            interfaces=frozenset(self.interfaces),
            counts=tuple(sorted(self.counts.items())),
            established=self.established,
        )

    def count(self, segment: Segment) -> None:
        self.segments += 1
        self.md5 += segment.md5
        if segment.interface:
            self.interfaces.add(segment.interface)

    def note_reset(self, segment: Segment) -> None:
        if len(self.rsts) < MAX_FACTS:
            self.rsts.append(segment.seen)
        self.reset_ttls.add(segment.ttl)

    def push(self, segment: Segment) -> None:
        """A segment with payload: deliver what is next, keep what is early, note what is old."""
        seen = segment.seen
        if self.first_data is None:
            self.first_data = seen
        self.last_data = seen
        self.largest = max(self.largest, segment.length)
        if self.next is None:
            self.next = segment.seq
        ahead = (segment.seq - self.next) % MODULUS
        if ahead == 0:
            self._deliver(segment, 0)
            if self.pending:
                self._filled(seen)
                self._drain()
        elif ahead < HALF:
            self._wait(segment)
        else:
            behind = MODULUS - ahead
            self._repeated(segment, behind)
            if segment.length > behind:
                self._deliver(segment, behind)
                if self.pending:
                    self._drain()

    def _deliver(self, segment: Segment, skip: int) -> None:
        assert self.next is not None
        assert self.framing is not None
        fresh = segment.length - skip
        self.next = (self.next + fresh) % MODULUS
        self.delivered += fresh
        self.octets += fresh
        data = segment.data[skip:] if skip else segment.data
        framing = self.framing
        framing.file = segment.seen.file
        if data:
            framing.feed(data, segment.seen.frame, segment.seen.time_ns, segment.carriers)
        if len(data) < fresh:
            self._gap(segment.seen, fresh - len(data))

    def _wait(self, segment: Segment) -> None:
        if any(p.seq == segment.seq and p.segment.length >= segment.length for p in self.pending):
            self._count_repeat(segment, 0)
            return
        self.pending.append(_Pending(segment.seq, segment))
        self.pending_octets += len(segment.data)
        self._give_up(segment.seen.time_ns)

    def _give_up(self, now_ns: int) -> None:
        """Decide whether what is missing will still come. The other end acknowledged it: then it
        was delivered, and the capture lost it."""
        waited = now_ns - self.pending[0].segment.seen.time_ns
        full = len(self.pending) >= _MAX_PENDING or self.pending_octets >= _MAX_PENDING_OCTETS
        if full or (self._hole_acknowledged() and (waited >= _PATIENCE_NS or self._many())):
            self.skip_hole()

    def _many(self) -> bool:
        return len(self.pending) >= 16

    def _hole_acknowledged(self) -> bool:
        if self.acked is None or self.next is None:
            return False
        first = min((p.seq - self.next) % MODULUS for p in self.pending)
        return first <= (self.acked - self.next) % MODULUS < HALF

    def skip_hole(self) -> None:
        """Give up on the octets before the earliest waiting segment."""
        assert self.next is not None
        base = self.next
        first = min(self.pending, key=lambda p: (p.seq - base) % MODULUS)
        missing = (first.seq - base) % MODULUS
        self.next = first.seq
        self.delivered += missing
        self._gap(first.segment.seen, missing)
        self._drain()

    def _gap(self, seen: Seen, octets: int) -> None:
        assert self.framing is not None
        if len(self.gaps) < MAX_FACTS:
            self.gaps.append(Gap(seen, octets))
        self.framing.file = seen.file
        self.framing.gap(seen.frame)

    def _filled(self, seen: Seen) -> None:
        if seen.time_ns - self.pending[0].segment.seen.time_ns > _REORDERED_NS:
            self.retransmissions += 1
        else:
            self.out_of_order += 1

    def _drain(self) -> None:
        """Deliver what waited and is next by now."""
        moved = True
        while moved and self.pending:
            moved = False
            assert self.next is not None
            for index, (seq, segment) in enumerate(self.pending):
                ahead = (seq - self.next) % MODULUS
                if ahead == 0 or ahead >= HALF:
                    behind = 0 if ahead == 0 else MODULUS - ahead
                    del self.pending[index]
                    self.pending_octets -= len(segment.data)
                    if segment.length > behind:
                        self._deliver(segment, behind)
                    moved = True
                    break

    def _repeated(self, segment: Segment, behind: int) -> None:
        # RFC 9293 section 3.8.4: a TCP keep-alive is one octet before the window.
        if segment.length <= 1 and behind == 1:
            return
        self._count_repeat(segment, behind)

    def _count_repeat(self, segment: Segment, behind: int) -> None:
        identity = (segment.identity, segment.seq, segment.length)
        if segment.identity and identity == self.last_identity:
            # The same packet, met twice on its way through the host: not sent twice.
            self.duplicates += 1
            return
        self.retransmissions += 1
        offset = self.delivered - behind
        known = self.repeats.get(offset)
        if known is not None:
            self.repeats[offset] = Retransmission(
                offset,
                max(known.length, segment.length),
                known.times + 1,
                known.first,
                segment.seen,
            )
        elif len(self.repeats) < MAX_FACTS:
            self.repeats[offset] = Retransmission(
                offset, segment.length, 1, segment.seen, segment.seen
            )
