"""Assertions over BGP sessions: OPENs, what was negotiated, timing, NOTIFICATIONs.

Pure functions from a session to a `Verdict`; none raises for what the wire shows. Routes have
their own module, `labgen.check.wire_routes`.
"""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from labgen.bgp.capabilities import CAPABILITY_NAMES, Capability, code_of
from labgen.bgp.conversation import (
    Conversation,
    Seen,
    WireMessage,
    WireSession,
)
from labgen.bgp.messages import Notification, Open, Update
from labgen.bgp.negotiated import Negotiated
from labgen.bgp.vocabulary import MessageType
from labgen.check.verdict import Verdict, pairs

if TYPE_CHECKING:
    from labgen.bgp.attributes import IpAddress

_COLLISION = (6, 7)  # RFC 4486 section 4: the ordinary end of a connection collision


def open_offers(
    session: WireSession, sender: IpAddress, wanted: Capability | type[Capability]
) -> Verdict:
    """The last OPEN of `sender` offers this capability: by its class, or with these very values."""
    return _open_check(session, sender, wanted, present=True)


def open_lacks(
    session: WireSession, sender: IpAddress, unwanted: Capability | type[Capability]
) -> Verdict:
    """The last OPEN of `sender` does not offer this capability."""
    return _open_check(session, sender, unwanted, present=False)


def _open_check(
    session: WireSession,
    sender: IpAddress,
    wanted: Capability | type[Capability],
    *,
    present: bool,
) -> Verdict:
    kind = wanted if isinstance(wanted, type) else type(wanted)
    name = CAPABILITY_NAMES.get(getattr(kind, "CODE", 0), kind.__name__)
    shown = name if isinstance(wanted, type) else f"{name} {wanted}"
    expected = f"OPEN from {sender} {'offers' if present else 'does not offer'} {shown}"
    found = _last_open(session, sender)
    if found is None:
        return Verdict(None, expected, f"no OPEN from {sender} in the capture")
    wire, message = found
    same = [c for c in message.capabilities if isinstance(c, kind)]
    has = bool(same) if isinstance(wanted, type) else wanted in same
    observed = "; ".join(map(str, same)) if same else f"offered: {_capability_names(message)}"
    return Verdict(has is present, expected, observed, (wire.seen,))


def _capability_names(message: Open) -> str:
    codes = [code_of(c) for c in message.capabilities]
    return ", ".join(CAPABILITY_NAMES.get(code, str(code)) for code in codes) or "none"


def _last_open(session: WireSession, sender: IpAddress) -> tuple[WireMessage, Open] | None:
    opens = session.opens(sender)
    if not opens or not isinstance(opens[-1].message, Open):
        return None
    return opens[-1], opens[-1].message


def open_is(session: WireSession, sender: IpAddress, **expected: object) -> Verdict:
    """Fields of the last OPEN of `sender`: `asn`, `hold_time` (seconds), `bgp_identifier`,
    `my_as`, `version`."""
    wanted = f"OPEN from {sender} with {pairs(expected)}"
    found = _last_open(session, sender)
    if found is None:
        return Verdict(None, wanted, f"no OPEN from {sender} in the capture")
    wire, message = found
    seen = {name: getattr(message, name) for name in expected}
    return Verdict(_same(seen, expected), wanted, pairs(seen), (wire.seen,))


def negotiated(session: WireSession, **expected: object) -> Verdict:
    """What the current conversation agreed on: any field of `Negotiated`, by name.

    `families` and the add-path sets compare as sets of `Family`.
    """
    known = {f.name for f in fields(Negotiated)} | {"internal", "keepalive_interval"}
    unknown = expected.keys() - known
    if unknown:
        raise TypeError(f"Negotiated has no {', '.join(sorted(unknown))}")
    wanted = f"both agree on {pairs(expected)}"
    conversation = session.current
    agreed = conversation.negotiated if conversation else None
    if conversation is None or agreed is None:
        return Verdict(None, wanted, "the capture does not hold both OPENs")
    seen = {name: getattr(agreed, name) for name in expected}
    frames = tuple(m.seen for m in conversation.messages if m.type is MessageType.OPEN)
    return Verdict(_same(seen, expected), wanted, pairs(seen), frames)


def _same(seen: dict[str, Any], expected: dict[str, object]) -> bool:
    def plain(value: object) -> object:
        return frozenset(value) if isinstance(value, (set, frozenset)) else value

    return all(
        plain(seen[name]) == plain(value) or str(seen[name]) == str(value)
        for name, value in expected.items()
    )


def no_message(
    session: WireSession,
    kind: MessageType,
    *,
    sender: IpAddress | None = None,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> Verdict:
    """No message of this type, between two times if given.

    That there is none counts only if the capture lost no octet of the sender's, and where a later
    message of it shows that the capture reaches beyond `until_ns`. A NOTIFICATION that merely ends
    a connection collision (6/7) does not count: it belongs to ordinary starts (RFC 4271 section
    6.8).
    """
    who = f" from {sender}" if sender else ""
    expected = f"no {kind.label}{who}"
    found = [
        m
        for m in session.messages
        if m.type is kind
        and (sender is None or m.src.address == sender)
        and (since_ns is None or m.time_ns >= since_ns)
        and (until_ns is None or m.time_ns <= until_ns)
        and not _is_collision(m)
    ]
    if found:
        observed = f"{len(found)}, first: {_short(found[0])}"
        return Verdict(False, expected, observed, tuple(m.seen for m in found))
    for end in (sender,) if sender else session.addresses:
        doubt = _unheard(session, end, until_ns)
        if doubt:
            return Verdict(None, expected, f"none so far; {doubt}")
    return Verdict(True, expected, "none")


def _unheard(session: WireSession, sender: IpAddress, until_ns: int | None) -> str | None:
    """Why a message of `sender` may be missing from the capture; None where it cannot be."""
    if any(c.of(sender).gaps for c in session.conversations):
        return f"the capture lost octets from {sender}"
    sent = session.sent_by(sender)
    if not sent:
        return f"the capture holds no message from {sender}"
    if until_ns is not None and sent[-1].time_ns < until_ns:
        return f"{sender} said nothing after that time"
    return None


def _is_collision(wire: WireMessage) -> bool:
    message = wire.message
    return (
        isinstance(message, Notification)
        and (message.error_code, message.error_subcode) == _COLLISION
    )


def _short(wire: WireMessage) -> str:
    message = wire.message
    if isinstance(message, Notification):
        return f"{message.error}/{message.name} from {wire.src.address}"
    return f"{wire.type.label if wire.type else '?'} from {wire.src.address}"


def elapsed(
    first: Seen, second: Seen, *, at_most: float | None = None, at_least: float | None = None
) -> Verdict:
    """Seconds between two events, second minus first."""
    seconds = (second.time_ns - first.time_ns) / 1e9
    limits = [f"at least {at_least:g} s"] if at_least is not None else []
    limits += [f"at most {at_most:g} s"] if at_most is not None else []
    ok = (at_most is None or seconds <= at_most) and (at_least is None or seconds >= at_least)
    return Verdict(ok, " and ".join(limits), f"{seconds:.6f} s", (first, second))


def stays_established(session: WireSession, *, conversations: int = 1) -> Verdict:
    """Exactly so many conversations reached Established, and the last one was not closed."""
    done = session.established
    expected = f"Established {conversations} time(s), and still up"
    if not done:
        return Verdict(False, expected, "never Established")
    last = done[-1]
    ends = [s for s in (last.from_client.fin, last.from_server.fin) if s]
    ends += [seen for _, seen in last.resets]
    observed = f"Established {len(done)} time(s), {'closed' if ends else 'still up'}"
    frames = tuple(c.established for c in done if c.established) + tuple(ends)
    return Verdict(len(done) == conversations and not ends, expected, observed, frames)


def keepalives_regular(
    conversation: Conversation, sender: IpAddress, *, slack: float = 1.5
) -> Verdict:
    """`sender` never stays silent longer than the keepalive interval times `slack`.

    RFC 4271 section 4.4 asks for KEEPALIVEs often enough that the hold timer cannot expire, and
    proposes a third of the hold time; an UPDATE serves as well (section 8.2.2). Judged from
    Established to the sender's last message, and to the end of the conversation.
    """
    agreed = conversation.negotiated
    expected = f"{sender} speaks often enough for the hold time"
    start = conversation.established
    if agreed is None or start is None:
        return Verdict(None, expected, "the capture does not hold both OPENs and Established")
    if conversation.of(sender).gaps:
        return Verdict(None, expected, f"the capture lost octets from {sender}")
    if agreed.hold_time == 0:
        sent = [m for m in conversation.sent_by(sender) if m.type is MessageType.KEEPALIVE]
        # RFC 4271 section 4.4: with a hold time of zero, periodic KEEPALIVEs must not be sent.
        return Verdict(len(sent) <= 1, "no periodic KEEPALIVE", f"{len(sent)}", ())
    limit = agreed.keepalive_interval * slack
    expected = f"{sender} is never silent for more than {limit:g} s (hold {agreed.hold_time} s)"
    times = [start, *(m.seen for m in conversation.sent_by(sender) if m.time_ns > start.time_ns)]
    times.append(conversation.last)
    gaps = [(b.time_ns - a.time_ns, a, b) for a, b in pairwise(times)]
    longest, before, after = max(gaps)
    observed = f"longest silence {longest / 1e9:.3f} s over {len(times) - 1} intervals"
    return Verdict(longest / 1e9 <= limit, expected, observed, (before, after))


def decodes(session: WireSession) -> Verdict:
    """Every message is what the RFCs allow."""
    wrong: list[tuple[Seen, str]] = []
    for wire in session.messages:
        message = wire.message
        if wire.error is not None:
            if not wire.incomplete:
                wrong.append((wire.seen, str(wire.error)))
        elif isinstance(message, Update) and message.errors:
            error = message.errors[0]
            text = f"{error.reason} [{error.reference}]: {error.treatment.value}"
            wrong.append((wire.seen, text))
    observed = f"{len(wrong)} malformed, first: {wrong[0][1]}" if wrong else "all sound"
    return Verdict(
        not wrong, "every message is well-formed", observed, tuple(seen for seen, _ in wrong)
    )
