"""Causes that the capture shows for one session: decision order, wire first.

Each rule looks at one kind of sign and gives causes or nothing. A session that is up at the end
of the capture has no cause here, whatever its first seconds were like: refused and colliding
connections at start are ordinary (RFC 4271 section 6.8).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from labgen.bgp.capabilities import FourOctetAs, GracefulRestart
from labgen.bgp.conversation import Conversation, FlowFacts, WireMessage
from labgen.bgp.messages import Notification, Open
from labgen.check.diagnosis import stall_rules
from labgen.check.diagnosis.attempts import Outcome, code, ended, errors, on_purpose, outcome
from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Scene, at
from labgen.evidence import Address

AS_TRANS = 23456  # RFC 6793 section 9
_RESET = (6, 4)  # Administrative Reset: the session is meant to come back at once
_LARGE = 576  # octets: above what OPEN and KEEPALIVE need, below any full-sized segment


def causes(scene: Scene, pair: Pair) -> Iterator[Cause]:
    """Every cause that the wire shows for this pair."""
    result = outcome(pair.conversations, pair.capture_end)
    if result.alive is not None:
        hole = list(_black_hole(pair, (result.alive,)))
        yield from hole or stall_rules.fading(scene, pair, result.alive)
        if scene.history:
            past = _flaps(scene, pair, result)
            yield from (replace(c, rank=max(c.rank, Rank.PAST)) for c in past)
        return
    yield from _notifications(scene, pair, result.current())
    yield from _died(scene, pair, result)
    yield from stall_rules.stalled(scene, pair, result)
    yield from stall_rules.reset(scene, pair, result)
    yield from stall_rules.icmp(scene, pair, result.current())


def _flaps(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    """Up now, but it was up before, too, and ended by a fault that comes again."""
    earlier = [c for c in result.established if c is not result.alive]
    for conversation in earlier:
        if any(not on_purpose(n) for n in errors(conversation)):
            yield from _notifications(scene, pair, (conversation,))
        elif not ended(conversation):
            yield from _silence(pair, conversation)
        yield from _black_hole(pair, (conversation,))


def _notifications(
    scene: Scene, pair: Pair, conversations: tuple[Conversation, ...]
) -> Iterator[Cause]:
    for conversation in conversations:
        for message in conversation.notifications:
            body = message.message
            if isinstance(body, Notification):
                yield from _notification(scene, pair, conversation, message, body)


def _notification(
    scene: Scene, pair: Pair, conversation: Conversation, message: WireMessage, body: Notification
) -> Iterator[Cause]:
    sender, receiver = message.src.address, message.dst.address
    shown = at(
        message.seen,
        f"NOTIFICATION {body.error_code}/{body.error_subcode} "
        f"({body.error}/{body.name}) {sender} > {receiver}",
    )
    opens = tuple(_open_lines(conversation))
    number = code(body)
    if number == (2, 2):
        yield _bad_as(scene, pair, conversation, sender, (shown, *opens))
    elif number == (2, 3):
        yield decided(
            "duplicate-router-id",
            pair.subject,
            Rank.NOTIFICATION,
            f"{scene.name(sender)} refused the BGP identifier that {receiver} offers: it is "
            "its own, or 0.0.0.0.",
            (shown, *opens),
        )
    elif number == (2, 6):
        offered = conversation.open_from(receiver)
        seconds = f"{offered.hold_time} s" if offered else "what it offers"
        yield decided(
            "unacceptable-hold-time",
            pair.subject,
            Rank.NOTIFICATION,
            f"{scene.name(sender)} refused the hold time of {receiver}: {seconds}.",
            (shown, *opens),
        )
    elif number == (2, 7):
        yield decided(
            "address-family-not-activated",
            pair.subject,
            Rank.NOTIFICATION,
            f"{scene.name(sender)} has activated none of the address families that "
            f"{receiver} offers.",
            (shown, *opens),
        )
    elif number == (6, 1):
        limit = int.from_bytes(body.data[3:7], "big") if len(body.data) >= 7 else None
        yield decided(
            "maximum-prefix",
            pair.subject,
            Rank.NOTIFICATION,
            f"{scene.name(sender)} ended the session: more prefixes than its limit"
            + (f" of {limit}." if limit else "."),
            (shown,),
        )
    elif number in ((6, 0), (6, 10)):
        yield _bfd(scene, pair, number, sender, shown)
    elif body.error_code == 4:
        yield from _hold(pair, conversation, shown)
    elif body.error_code in (1, 3, 7):
        yield decided(
            "malformed-message",
            pair.subject,
            Rank.NOTIFICATION,
            f"{scene.name(sender)} refused a message of {receiver}: {body.name}.",
            (shown,),
        )
    elif on_purpose(body) and number != _RESET and not _dialled_since(pair, message):
        yield decided(
            "administrative-shutdown",
            pair.subject,
            Rank.MASKED,
            f"{scene.name(sender)} ended the session on purpose: {body.name}.",
            (shown,),
        )


def _dialled_since(pair: Pair, message: WireMessage) -> bool:
    return any(c.first.time_ns > message.time_ns for c in pair.conversations)


def _open_lines(conversation: Conversation) -> Iterator[str]:
    for message in conversation.messages:
        if isinstance(message.message, Open):
            body = message.message
            four = body.get(FourOctetAs)
            yield at(
                message.seen,
                f"OPEN {message.src.address}: my AS {body.my_as}"
                + (f", capability 65 says {four.asn}" if four else ", no capability 65")
                + f", hold time {body.hold_time}, identifier {body.bgp_identifier}",
            )


def _bad_as(
    scene: Scene, pair: Pair, conversation: Conversation, sender: Address, evidence: tuple[str, ...]
) -> Cause:
    receiver = pair.other(sender)
    offered = conversation.open_from(receiver)
    own = conversation.open_from(sender)
    if offered is not None and offered.my_as == AS_TRANS and not offered.has(FourOctetAs):
        return decided(
            "four-octet-as",
            pair.subject,
            Rank.NOTIFICATION,
            f"The OPEN of {scene.name(receiver)} carries AS_TRANS 23456 and no capability "
            f"65, so {sender} cannot know its AS.",
            evidence,
        )
    asn = f" AS {offered.asn}" if offered else ""
    mine = f" ({sender} itself is AS {own.asn})" if own else ""
    return decided(
        "wrong-remote-as",
        pair.subject,
        Rank.NOTIFICATION,
        f"{scene.name(sender)} is configured for another AS than{asn}, which {receiver} "
        f"sends{mine}: correct it on {sender}, or the AS of {receiver}.",
        evidence,
    )


def _bfd(scene: Scene, pair: Pair, number: tuple[int, int], sender: Address, shown: str) -> Cause:
    flows = [f for c in scene.facts.captures for f in c.bfd if {f.src, f.dst} == set(pair.ends)]
    lines = tuple(
        at(
            f.last,
            f"BFD {f.src} > {f.dst} udp/{f.port}: {f.packets} packets, last state "
            f"{f.states[-1][1] if f.states else '?'}",
        )
        for f in flows
    )
    text = f"{scene.name(sender)} ended the session because its BFD session went down."
    if number == (6, 10) or flows or _bfd_in_logs(scene, pair):
        return decided("bfd-mismatch", pair.subject, Rank.NOTIFICATION, text, (shown, *lines))
    return possible(
        "bfd-mismatch",
        pair.subject,
        Rank.NOTIFICATION,
        f"{scene.name(sender)} ended the session with Cease without a reason, as BIRD does "
        "when BFD goes down.",
        (shown,),
        "the daemon's log, or a capture of udp/3784 and udp/4784",
    )


def _bfd_in_logs(scene: Scene, pair: Pair) -> bool:
    configured = any(
        n.bfd for c in scene.facts.configs for n in c.neighbors if n.address in pair.ends
    )
    return configured or any(e.said.name == "BFD_DOWN" for e in scene.facts.events)


def _died(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    last = result.last_established
    if last is None or any(not on_purpose(n) for n in errors(last)):
        return
    if not ended(last):
        yield from _silence(pair, last)
        return
    if not errors(last):
        yield from _vanished(scene, pair, last)


def _silence(pair: Pair, last: Conversation) -> Iterator[Cause]:
    """No FIN, no RST, no NOTIFICATION: the path broke. Who retransmits was not heard."""
    evidence = [at(last.last, "last packet of the established connection")]
    for address in pair.ends:
        flow = last.of(address)
        evidence += [
            at(
                r.last,
                f"{address} sent the same {r.length} octets {r.times + 1} times, never "
                "acknowledged",
            )
            for r in flow.retransmitted[:2]
        ]
    yield from _hold(pair, last, *evidence)


def _hold(pair: Pair, conversation: Conversation, *evidence: str) -> Iterator[Cause]:
    if any(True for _ in _black_hole(pair, (conversation,))):
        yield from _black_hole(pair, (conversation,))
        return
    negotiated = conversation.negotiated
    hold = f" of {negotiated.hold_time} s" if negotiated else ""
    yield decided(
        "hold-timer-expired",
        pair.subject,
        Rank.SILENT,
        f"The session was Established, then one end stopped hearing the other and its hold "
        f"timer{hold} expired.",
        evidence,
    )


def _black_hole(pair: Pair, conversations: tuple[Conversation, ...]) -> Iterator[Cause]:
    for conversation in conversations:
        for address in pair.ends:
            flow = conversation.of(address)
            large = [r for r in flow.retransmitted if r.length >= _LARGE and r.times >= 2]
            hole = flow.unacknowledged >= _LARGE and (large or _small_after_gap(flow))
            if not hole:
                continue
            lines = [
                at(r.last, f"{address} sent the same {r.length} octets {r.times + 1} times")
                for r in large[:3]
            ]
            lines += [
                at(g.seen, f"{g.octets} octets of {address} are missing before this frame")
                for g in flow.gaps[:2]
            ]
            yield decided(
                "mtu-black-hole",
                pair.subject,
                Rank.SILENT,
                f"Small segments of {address} pass, its full-sized ones are never "
                f"acknowledged ({flow.unacknowledged} octets wait).",
                tuple(lines),
            )


def _small_after_gap(flow: FlowFacts) -> bool:
    """On the far side of the hole: later small segments arrive, the large ones never do."""
    return any(gap.octets >= _LARGE for gap in flow.gaps)


def _vanished(scene: Scene, pair: Pair, last: Conversation) -> Iterator[Cause]:
    """FIN or RST without a NOTIFICATION, with graceful restart agreed (RFC 4724 section 4.2)."""
    for address in pair.ends:
        flow = last.of(address)
        first = flow.fin or (flow.rsts[0] if flow.rsts else None)
        other = last.of(pair.other(address))
        rival = other.fin or (other.rsts[0] if other.rsts else None)
        if first is None or (rival is not None and rival.time_ns < first.time_ns):
            continue
        offered, helper = last.open_from(address), last.open_from(pair.other(address))
        restart = offered.get(GracefulRestart) if offered else None
        if restart is None or helper is None or not helper.has(GracefulRestart):
            continue
        if not _stayed_away(pair, address, first.time_ns):
            continue
        yield decided(
            "graceful-restart-stale",
            pair.subject,
            Rank.SILENT,
            f"{scene.name(address)} closed the connection without a NOTIFICATION and did not "
            f"come back; {pair.other(address)} keeps its routes for {restart.restart_time} s.",
            (at(first, f"{address} closes the established connection, no NOTIFICATION"),),
        )


def _stayed_away(pair: Pair, address: Address, since_ns: int) -> bool:
    """Its host answers with RST at the most, and it dials nobody itself: the daemon is gone."""
    later = [c for c in pair.conversations if c.first.time_ns > since_ns]
    return all(c.refused and c.server.address == address for c in later)
