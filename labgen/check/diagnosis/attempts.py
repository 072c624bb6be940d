"""What became of a session's connection attempts: alive, or how each direction fails now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labgen.bgp.conversation import Conversation
from labgen.bgp.messages import Notification, Open
from labgen.evidence import Address

# An end that dials this long after the session was Established does not think it is. A colliding
# dial (RFC 4271 section 6.8) comes within the same second or two.
_SETTLED_NS = 5_000_000_000
_TEARDOWN_NS = 3_000_000_000
_HANDSHAKE_STALLS = 2  # SYN-ACKs repeated this often were not heard

# Cease subcodes that are no fault by themselves: a person or a configuration ended the session.
_ON_PURPOSE = {(6, 2), (6, 3), (6, 4), (6, 6), (6, 9)}
_COLLISION = (6, 7)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A pair's conversations, sorted by what they show. `tail` is since the last session's end."""

    alive: Conversation | None
    established: tuple[Conversation, ...]
    tail: tuple[Conversation, ...]
    last_established: Conversation | None

    def unanswered(self, client: Address) -> tuple[Conversation, ...]:
        return self._now(client, lambda c: c.unanswered)

    def refused(self, client: Address) -> tuple[Conversation, ...]:
        return self._now(client, lambda c: c.refused)

    def half_open(self, client: Address) -> tuple[Conversation, ...]:
        """SYN-ACKs came, again and again, and the client did not take them."""
        return self._now(
            client,
            lambda c: (
                not c.handshake_complete
                and len(c.from_server.syns) >= _HANDSHAKE_STALLS
                and len(c.from_client.syns) >= _HANDSHAKE_STALLS
                and not c.messages
            ),
        )

    def reset_by(self, address: Address) -> tuple[Conversation, ...]:
        """Connections that this end reset or closed after the other's OPEN, without its own."""
        clients = {c.client.address for c in self.tail}
        return tuple(
            c
            for client in clients
            for c in self._now(client, lambda c: _reset_after_open(c, address))
            if not self._collides(c)
        )

    def _collides(self, c: Conversation) -> bool:
        """Dialled from both ends at once, one of the two is closed (RFC 4271 section 6.8)."""
        return any(
            o.client.address == c.server.address
            and o.handshake_complete
            and o.messages
            and o.first.time_ns <= c.last.time_ns
            and c.first.time_ns <= o.last.time_ns
            for o in self.tail
        )

    def stalled(self) -> tuple[Conversation, ...]:
        """Handshakes that led nowhere: no reset, no NOTIFICATION, no session."""
        return tuple(
            c
            for c in self.tail
            if c.handshake_complete
            and not c.resets
            and not errors(c)
            and not ended(c)
            and c.state.name in ("OPEN_SENT", "OPEN_CONFIRM")
            and c is not self.last_established
            and (c.messages or c.from_client.octets or c.from_server.octets)
        )

    def current(self) -> tuple[Conversation, ...]:
        """What became of the attempts since the last change, and the session before them.

        Where one end's attempts came to fail in another way (refused, then unanswered), something
        changed; what the other end met before that is of the past, however seldom it dials.
        """
        clients = {c.client.address for c in self.tail if c.start_seen}
        runs = [self._run(client) for client in clients]
        changed = max((run[0].first.time_ns for run, turned in runs if turned), default=0)
        kept = [
            c
            for run, _ in runs
            for c in run
            if c.last.time_ns >= changed or run[-1].last.time_ns >= changed
        ]
        return tuple(
            c
            for c in self.tail
            if c is self.last_established or not c.start_seen or any(c is k for k in kept)
        )

    def _run(self, client: Address) -> tuple[list[Conversation], bool]:
        """This end's attempts of late that ended alike, and whether others went before them."""
        mine = self._attempts(client)
        kind = _kind(mine[-1])
        start = len(mine)
        while start and _kind(mine[start - 1]) == kind:
            start -= 1
        return mine[start:], start > 0

    def _attempts(self, client: Address) -> list[Conversation]:
        """What began in the capture. A single SYN at the end may be on its way still."""
        mine = [c for c in self.tail if c.client.address == client and c.start_seen]
        if len(mine) > 1 and mine[-1].unanswered and len(mine[-1].from_client.syns) == 1:
            mine.pop()
        return mine

    def _now(
        self, client: Address, kind: Callable[[Conversation], bool]
    ) -> tuple[Conversation, ...]:
        """All attempts of a kind, if that is how this end's attempts fail of late."""
        mine = self._attempts(client)
        if not mine or not any(mine[-1] is c for c in self.current()):
            return ()
        return tuple(c for c in mine if kind(c)) if kind(mine[-1]) else ()


def outcome(conversations: tuple[Conversation, ...], capture_end_ns: int = 0) -> Outcome:
    """Sort a pair's conversations. They are in time order.

    `capture_end_ns` is when the capture's last conversation ended, 0 where that is not known.
    """
    established = tuple(c for c in conversations if c.state.name == "ESTABLISHED")
    last = established[-1] if established else None
    lives = last is not None and (
        _lives(last, conversations) or _closing(last, conversations, capture_end_ns)
    )
    alive = last if lives else None
    if last is None:
        tail = conversations
    else:
        began = last.established.time_ns if last.established else last.first.time_ns
        tail = tuple(c for c in conversations if c is last or c.first.time_ns > began)
    return Outcome(alive, established, () if alive else tail, last)


def _lives(last: Conversation, conversations: tuple[Conversation, ...]) -> bool:
    if ended(last) or errors(last):
        return False
    began = last.established.time_ns if last.established else last.first.time_ns
    heard = _both_heard(last)
    return not any(
        c.first.time_ns > max(began + _SETTLED_NS, heard) for c in conversations if c is not last
    )


def _closing(last: Conversation, all_: tuple[Conversation, ...], capture_end_ns: int) -> bool:
    """The session ended in order with the capture: what was looked at was taken down.

    Without any error, with nobody dialling again, and with nothing else going on afterwards.
    """
    faults = [n for n in errors(last) if not on_purpose(n)]
    ended_last = capture_end_ns and last.last.time_ns >= capture_end_ns - _TEARDOWN_NS
    dialled = any(c.first.time_ns > end_of(last) for c in all_)
    return bool(ended(last) and not faults and ended_last and not dialled)


def _both_heard(conversation: Conversation) -> int:
    """Until when both ends sent messages: whoever dials before that is no sign of an end."""
    lasts: dict[Address, int] = {}
    for message in conversation.messages:
        lasts[message.src.address] = message.time_ns
    return min(lasts.values(), default=0)


def ended(conversation: Conversation) -> bool:
    """A FIN or RST was seen."""
    c = conversation
    return bool(c.from_client.fin or c.from_server.fin or c.resets)


def end_of(conversation: Conversation) -> int:
    """When the first FIN or RST was sent, else the last packet: who did not hear goes on."""
    flows = (conversation.from_client, conversation.from_server)
    closed = [flow.fin.time_ns for flow in flows if flow.fin is not None]
    closed += [seen.time_ns for _, seen in conversation.resets]
    return min(closed, default=conversation.last.time_ns)


def errors(conversation: Conversation) -> tuple[Notification, ...]:
    """The NOTIFICATIONs that say something is wrong: collisions do not."""
    found = (m.message for m in conversation.notifications)
    return tuple(n for n in found if isinstance(n, Notification) and code(n) != _COLLISION)


def code(notification: Notification) -> tuple[int, int]:
    return (notification.error_code, notification.error_subcode)


def _kind(c: Conversation) -> str:
    if c.refused:
        return "refused"
    return "taken" if c.handshake_complete else "unanswered"


def on_purpose(notification: Notification) -> bool:
    return code(notification) in _ON_PURPOSE


def _reset_after_open(c: Conversation, address: Address) -> bool:
    if c.state.name == "ESTABLISHED" or not c.handshake_complete or errors(c):
        return False
    mine = c.of(address)
    theirs = [m for m in c.messages if m.src.address != address and isinstance(m.message, Open)]
    said = any(m.src.address == address for m in c.messages)
    return bool((mine.rsts or mine.fin) and theirs and not said)
