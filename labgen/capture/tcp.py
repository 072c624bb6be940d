"""One TCP connection as a capture shows it: both directions and the facts around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bgp.conversation import Conversation, Flow
from labgen.bgp.facts import IcmpError, Seen, SocketAddress
from labgen.capture.framing import Framing, plausible_header
from labgen.capture.half import HALF, MAX_FACTS, MODULUS, HalfConnection, Segment

if TYPE_CHECKING:
    from collections.abc import Callable

    from labgen.bgp.attributes import IpAddress
    from labgen.bgp.codec import Decoder
    from labgen.bgp.conversation import WireMessage
    from labgen.bgp.messages import Open
    from labgen.capture.surroundings import QuotedPacket

FIN, SYN, RST, ACK = 1, 2, 4, 16


class Connection:
    """One connection, being read. `freeze` gives the value that checks read."""

    def __init__(
        self,
        ends: tuple[SocketAddress, SocketAddress],
        emit: Callable[[WireMessage], None],
        decoder: Decoder,
        *,
        is_bgp: bool,
    ) -> None:
        one, two = ends
        self.halves = (
            HalfConnection(Flow(one, two, decoder)),
            HalfConnection(Flow(two, one, decoder)),
        )
        self.is_bgp = is_bgp
        self.client: int | None = None  # index into `halves`, once a SYN tells
        self.first: Seen | None = None
        self.last: Seen | None = None
        self.acknowledged = False
        self._quotes: list[tuple[int, Seen, IpAddress, QuotedPacket]] = []
        self.messages: list[WireMessage] = []
        self.opens: tuple[Open | None, Open | None] = (None, None)
        self._emit = emit

    def half_of(self, message: WireMessage) -> HalfConnection:
        first, second = self.halves
        return first if message.flow is first.flow else second

    def begins_anew(self, side: int, segment: Segment) -> bool:
        """Whether this SYN opens another connection on the same ports."""
        half = self.halves[side]
        if half.isn is not None:
            return half.isn != segment.seq
        return self.first is not None and (half.segments > 0 or not segment.flags & ACK)

    def add(self, side: int, segment: Segment) -> None:
        half, other = self.halves[side], self.halves[1 - side]
        seen = segment.seen
        if self.first is None:
            self.first = seen
        self.last = seen
        half.count(segment)
        flags = segment.flags
        if flags & SYN:
            self._syn(side, half, segment)
        elif flags & ACK and other.isn is not None and not flags & RST:
            self.acknowledged = self.acknowledged or (
                self.client == side and segment.ack != other.isn
            )
        if flags & ACK:
            _acknowledge(other, segment.ack)
        if segment.length and not flags & RST:
            self._payload(half, segment)
        if flags & RST:
            half.note_reset(segment)
        if flags & FIN:
            half.fin = half.fin or seen
        half.last_identity = (segment.identity, segment.seq, segment.length)

    def quote(self, side: int, seen: Seen, sender: IpAddress, quoted: QuotedPacket) -> None:
        """An ICMP error quotes a packet that side `side` sent."""
        self.first = self.first or seen
        self.last = seen
        if len(self._quotes) < MAX_FACTS:
            self._quotes.append((side, seen, sender, quoted))

    def note_class(self, side: int, flags: int, traffic_class: int) -> None:
        """The traffic class of a SYN or RST that side `side` sent."""
        half = self.halves[side]
        (half.reset_classes if flags & RST else half.syn_classes).add(traffic_class)

    def _syn(self, side: int, half: HalfConnection, segment: Segment) -> None:
        repeated = half.isn == segment.seq
        half.isn = segment.seq
        if len(half.syns) < MAX_FACTS:
            half.syns.append(segment.seen)
        half.handshake_ttls.add(segment.ttl)
        half.md5_syns += segment.md5
        half.mss = segment.mss or half.mss
        if not repeated:
            # Data on a SYN (RFC 7413) starts one number later, as any other.
            half.next = (segment.seq + 1) % MODULUS
        if not segment.flags & ACK:
            self.client = side
        elif self.client is None:
            self.client = 1 - side

    def _payload(self, half: HalfConnection, segment: Segment) -> None:
        if not self.is_bgp:
            if not plausible_header(segment.data):
                return
            self.is_bgp = True
        half.data_ttls.add(segment.ttl)
        if half.framing is None:
            start = half.next is not None and half.next == segment.seq
            half.framing = Framing(half.flow, self._emit, start=start)
            if not start and half.isn is None:
                half.next = segment.seq
        if segment.flags & SYN:
            segment = segment._replace(seq=(segment.seq + 1) % MODULUS)
        half.push(segment)

    def finish(self) -> None:
        """The capture ends: what still waits will not be completed."""
        for half in self.halves:
            while half.pending:
                half.skip_hole()
            if half.framing is not None and self.last is not None:
                half.framing.gap(self.last.frame)

    def freeze(self, ports: frozenset[int]) -> Conversation:
        client = self._client_side(ports)
        ours, theirs = self.halves[client], self.halves[1 - client]
        assert self.first is not None
        assert self.last is not None
        return Conversation(
            client=ours.flow.src,
            server=theirs.flow.src,
            start_seen=bool(ours.syns),
            first=self.first,
            last=self.last,
            from_client=ours.facts(),
            from_server=theirs.facts(),
            handshake_complete=self.acknowledged or bool(ours.octets or theirs.octets),
            messages=tuple(sorted(self.messages, key=lambda m: (m.time_ns, m.frame))),
            icmp_errors=tuple(
                IcmpError(seen, sender, q.type, q.code, q.name, side == client, q.mtu)
                for side, seen, sender, q in self._quotes
            ),
        )

    def _client_side(self, ports: frozenset[int]) -> int:
        if self.client is not None:
            return self.client
        first, second = (half.flow.src.port for half in self.halves)
        if (first in ports) != (second in ports):
            return 1 if first in ports else 0
        return 0 if first >= second else 1


def _acknowledge(half: HalfConnection, number: int) -> None:
    if half.acked is None or 0 < (number - half.acked) % MODULUS < HALF:
        half.acked = number
