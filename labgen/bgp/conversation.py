"""What a capture tells about BGP: frozen values that checks and diagnosis read.

    Capture -> WireSession (two addresses) -> Conversation (one TCP connection) -> WireMessage

A `Conversation` also holds what is not BGP data but explains it: unanswered SYNs, resets, TTLs,
the MD5 option, ICMP errors that quote it. Times are nanoseconds since the epoch; frames are
numbered from 1 in each file, as Wireshark numbers them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from labgen.bgp.facts import (
    ArpQuestion,
    BfdFlow,
    FlowFacts,
    Gap,
    IcmpError,
    Retransmission,
    Seen,
    SocketAddress,
)
from labgen.bgp.messages import Notification, Open, Update
from labgen.bgp.negotiated import Negotiated, negotiate
from labgen.bgp.vocabulary import IPV4_UNICAST, FsmState, MessageType
from labgen.bgp.wire_message import Flow, WireMessage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.bgp.attributes import IpAddress, PathAttributes
    from labgen.bgp.nlri import IpNetwork
    from labgen.bgp.vocabulary import Family


@dataclass(frozen=True, slots=True)
class Conversation:
    """One TCP connection, or one attempt at it.

    The client is the end that sent the SYN. Where the SYN is not in the capture
    (`start_seen` False) it is the end whose port is not a BGP port.
    """

    client: SocketAddress
    server: SocketAddress
    start_seen: bool
    first: Seen
    last: Seen
    from_client: FlowFacts
    from_server: FlowFacts
    handshake_complete: bool
    messages: tuple[WireMessage, ...] = ()
    icmp_errors: tuple[IcmpError, ...] = ()

    @property
    def refused(self) -> bool:
        """The SYN was answered by a RST."""
        answered = bool(self.from_server.syns)
        return bool(self.from_client.syns and self.from_server.rsts) and not answered

    @property
    def unanswered(self) -> bool:
        """SYNs left, and nothing came back."""
        return bool(self.from_client.syns) and not self.from_server.segments

    @property
    def closed(self) -> bool:
        """One end sent a FIN or a RST."""
        flows = (self.from_client, self.from_server)
        return any(flow.fin is not None or flow.rsts for flow in flows)

    @property
    def resets(self) -> tuple[tuple[SocketAddress, Seen], ...]:
        """Each RST with its sender, in time order."""
        both = [(self.client, seen) for seen in self.from_client.rsts]
        both += [(self.server, seen) for seen in self.from_server.rsts]
        return tuple(sorted(both, key=lambda pair: pair[1].time_ns))

    def of(self, sender: IpAddress | SocketAddress) -> FlowFacts:
        """The facts of what this end sent."""
        end = sender if isinstance(sender, SocketAddress) else None
        is_client = end == self.client if end else sender == self.client.address
        return self.from_client if is_client else self.from_server

    def sent_by(self, sender: IpAddress | SocketAddress) -> tuple[WireMessage, ...]:
        if isinstance(sender, SocketAddress):
            return tuple(m for m in self.messages if m.src == sender)
        return tuple(m for m in self.messages if m.src.address == sender)

    def open_from(self, sender: IpAddress | SocketAddress) -> Open | None:
        """The first OPEN that this end sent and that can be decoded."""
        for message in self.sent_by(sender):
            if message.type_code == MessageType.OPEN and isinstance(message.message, Open):
                return message.message
        return None

    @property
    def negotiated(self) -> Negotiated | None:
        """What the OPENs agree on, client's first; None unless both were seen."""
        ours, theirs = self.open_from(self.client), self.open_from(self.server)
        return negotiate(ours, theirs) if ours and theirs else None

    @property
    def notifications(self) -> tuple[WireMessage, ...]:
        return tuple(m for m in self.messages if isinstance(m.message, Notification))

    @property
    def state(self) -> FsmState:
        """The highest state of RFC 4271 section 8.2.2 that the wire proves was reached.

        Established is proved by an UPDATE, a ROUTE-REFRESH or, after both OPENs, a KEEPALIVE from
        both ends.
        """
        ours, theirs = dict(self.from_client.counts), dict(self.from_server.counts)
        opens = 1 in ours and 1 in theirs
        if self.from_client.segments and self.from_server.segments:
            alive = 4 in ours and 4 in theirs and (opens or not self.start_seen)
        else:
            # Half a capture: periodic KEEPALIVEs of the end that is seen.
            alive = max(ours.get(4, 0), theirs.get(4, 0)) > 1
        if alive or {2, 5} & {*ours, *theirs}:
            return FsmState.ESTABLISHED
        # A KEEPALIVE answers an OPEN (RFC 4271 section 8.2.2, OpenSent).
        if opens or 4 in ours or 4 in theirs:
            return FsmState.OPEN_CONFIRM
        return FsmState.OPEN_SENT if self.handshake_complete else FsmState.CONNECT

    @property
    def established(self) -> Seen | None:
        """Where the session provably is Established: the later of the two first KEEPALIVEs."""
        if self.state is not FsmState.ESTABLISHED:
            return None
        both = (self.from_client.established, self.from_server.established)
        return max((seen for seen in both if seen is not None), default=None)


class RouteEvent(NamedTuple):
    """A prefix announced (with its attributes) or withdrawn (None) by one end."""

    message: WireMessage
    family: Family
    prefix: IpNetwork
    path_id: int | None
    attributes: PathAttributes | None

    @property
    def announced(self) -> bool:
        return self.attributes is not None


@dataclass(frozen=True, slots=True)
class WireSession:
    """Everything two addresses said to each other over BGP, in time order.

    `addresses` is sorted. Several conversations are restarts, failed attempts, or a connection
    collision (RFC 4271 section 6.8).
    """

    addresses: tuple[IpAddress, IpAddress]
    conversations: tuple[Conversation, ...]

    @property
    def messages(self) -> tuple[WireMessage, ...]:
        """Every message of every conversation, by time."""
        found = [m for c in self.conversations for m in c.messages]
        return tuple(sorted(found, key=lambda m: m.time_ns))

    def sent_by(self, sender: IpAddress) -> tuple[WireMessage, ...]:
        return tuple(m for m in self.messages if m.src.address == sender)

    def other(self, address: IpAddress) -> IpAddress:
        """The end that is not `address`."""
        first, second = self.addresses
        return second if address == first else first

    @property
    def established(self) -> tuple[Conversation, ...]:
        """The conversations that reached Established."""
        return tuple(c for c in self.conversations if c.state is FsmState.ESTABLISHED)

    @property
    def current(self) -> Conversation | None:
        """The conversation that counts now: of those Established (else of all) the one heard last.

        A connection collision (RFC 4271 section 6.8) ends with the loser's FIN, which may be the
        last packet of all: a conversation that was open meanwhile and that nobody closed wins.
        """
        chosen = self.established or self.conversations
        last = max(chosen, key=lambda c: c.last.time_ns, default=None)
        if last is None or not last.closed:
            return last
        rivals = [c for c in chosen if not c.closed and c.last.time_ns >= last.first.time_ns]
        return max(rivals, key=lambda c: c.last.time_ns, default=last)

    def opens(self, sender: IpAddress) -> tuple[WireMessage, ...]:
        """Every OPEN that this end sent."""
        return tuple(m for m in self.sent_by(sender) if isinstance(m.message, Open))

    @property
    def negotiated(self) -> Negotiated | None:
        """What the current conversation agreed on."""
        return self.current.negotiated if self.current else None

    @property
    def notifications(self) -> tuple[WireMessage, ...]:
        return tuple(m for m in self.messages if isinstance(m.message, Notification))

    @property
    def collisions(self) -> tuple[tuple[Conversation, Conversation], ...]:
        """Pairs of conversations, dialled from opposite ends, whose lifetimes overlap."""
        ready = [c for c in self.conversations if c.handshake_complete and c.messages]
        return tuple(
            (one, two)
            for i, one in enumerate(ready)
            for two in ready[i + 1 :]
            if one.client.address == two.server.address
            and two.first.time_ns <= one.last.time_ns
            and one.first.time_ns <= two.last.time_ns
        )

    def routes(
        self, sender: IpAddress, *, conversation: Conversation | None = None
    ) -> Iterator[RouteEvent]:
        """What this end announced and withdrew, in wire order, in one or every conversation."""
        messages = conversation.messages if conversation else self.messages
        for message in messages:
            if message.src.address == sender and message.type_code == MessageType.UPDATE:
                yield from route_events(message)

    def adj_rib_in(
        self, sender: IpAddress, *, until_ns: int | None = None
    ) -> dict[tuple[Family, IpNetwork, int | None], RouteEvent]:
        """What the other end holds from `sender` (its Adj-RIB-In, RFC 4271 section 3.2) at the
        end of the current conversation, or at `until_ns`, before any import policy."""
        held: dict[tuple[Family, IpNetwork, int | None], RouteEvent] = {}
        if self.current is None:
            return held
        for event in self.routes(sender, conversation=self.current):
            if until_ns is not None and event.message.time_ns > until_ns:
                break
            key = (event.family, event.prefix, event.path_id)
            if event.announced:
                held[key] = event
            else:
                held.pop(key, None)
        return held

    def end_of_rib(self, sender: IpAddress, family: Family = IPV4_UNICAST) -> WireMessage | None:
        """The first End-of-RIB of this end in the current conversation."""
        for message in self.current.sent_by(sender) if self.current else ():
            if message.type_code == MessageType.UPDATE:
                update = message.message
                if isinstance(update, Update) and update.end_of_rib == family:
                    return message
        return None


def route_events(message: WireMessage) -> Iterator[RouteEvent]:
    """The routes of one UPDATE: withdrawals first, as RFC 4271 section 4.3 orders them."""
    update = message.message
    if not isinstance(update, Update):
        return
    for family, block in update.withdrawn:
        for route in block:
            yield RouteEvent(message, family, route.prefix, route.path_id, None)
    for family, block in update.announced:
        for route in block:
            yield RouteEvent(message, family, route.prefix, route.path_id, update.attributes)


@dataclass(frozen=True, slots=True)
class Capture:
    """All that one capture (a file, or the files of one ring) tells.

    `fragments` counts IP fragments, `incomplete_datagrams` the datagrams that they left unfinished.
    `notes` are one-line remarks on the file itself, such as a last record cut short.
    """

    sessions: tuple[WireSession, ...]
    arp: tuple[ArpQuestion, ...] = ()
    bfd: tuple[BfdFlow, ...] = ()
    fragments: int = 0
    incomplete_datagrams: int = 0
    frames: int = 0
    notes: tuple[str, ...] = ()

    def session(self, one: IpAddress | str, two: IpAddress | str) -> WireSession | None:
        """The session between two addresses, whichever way round."""
        wanted = {str(one), str(two)}
        return next((s for s in self.sessions if {str(a) for a in s.addresses} == wanted), None)


__all__ = [
    "ArpQuestion",
    "BfdFlow",
    "Capture",
    "Conversation",
    "Flow",
    "FlowFacts",
    "Gap",
    "IcmpError",
    "Retransmission",
    "RouteEvent",
    "Seen",
    "SocketAddress",
    "WireMessage",
    "WireSession",
    "route_events",
]
