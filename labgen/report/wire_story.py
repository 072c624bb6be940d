"""A session in plain words: what happened, in order, with the frames that show it.

It tells what the capture shows and what that leaves open; naming the cause is the diagnosis's work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bgp.messages import Update
from labgen.bgp.vocabulary import FsmState
from labgen.report.wire_words import describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.bgp.attributes import IpAddress
    from labgen.bgp.conversation import (
        ArpQuestion,
        BfdFlow,
        Capture,
        Conversation,
        WireSession,
    )
    from labgen.bgp.negotiated import Negotiated

_SHOWN = 5  # so many failed attempts are told one by one


def tell(capture: Capture) -> Iterator[str]:
    """Every session's story, then what else the capture holds."""
    for session in capture.sessions:
        yield from tell_session(session)
        yield ""
    for question in capture.arp:
        if not question.replies or len(question.answers) > 1:
            yield _arp(question)
    for flow in capture.bfd:
        yield _bfd(flow)
    if capture.fragments:
        lost = capture.incomplete_datagrams
        yield f"{capture.fragments} IP fragments are in the capture; " + (
            f"{lost} datagrams could not be put together: fragments lack or overlap."
            if lost
            else "every datagram was put together."
        )
    yield from capture.notes


def tell_session(session: WireSession) -> Iterator[str]:
    """The story of two addresses, one sentence a line."""
    first, second = session.addresses
    count = len(session.conversations)
    yield f"{first} and {second}: {count} TCP connection{'s' if count > 1 else ''}."
    failed = 0
    for conversation in session.conversations:
        if conversation.state is FsmState.CONNECT:
            failed += 1
            if failed > _SHOWN:
                continue
        yield from (f"  {line}" for line in _conversation(conversation))
    if failed > _SHOWN:
        yield f"  {failed - _SHOWN} more attempts ended the same way."
    for one, two in session.collisions:
        frames = f"frames {one.first.frame} and {two.first.frame}"
        yield (
            f"  Both ends dialled at once ({frames}): an ordinary connection collision, which "
            "one of them closes (RFC 4271 section 6.8)."
        )


def _conversation(conversation: Conversation) -> Iterator[str]:
    yield _handshake(conversation)
    for error in conversation.icmp_errors[:1]:
        who = conversation.client if error.quotes_client else conversation.server
        yield (
            f"{error.sender} answered a packet of {who.address} with ICMP: {error.name} "
            f"(frame {error.seen.frame}, {len(conversation.icmp_errors)} in all)."
        )
    if conversation.state is FsmState.CONNECT:
        return
    yield from _opens(conversation)
    start = conversation.established
    if start is not None:
        after = (start.time_ns - conversation.first.time_ns) / 1e9
        yield f"The session was Established {after:.3f} s later (frame {start.frame})."
    for end in (conversation.client.address, conversation.server.address):
        yield from _routes(conversation, end)
    yield from _trouble(conversation)
    yield from _ending(conversation)


def _handshake(conversation: Conversation) -> str:
    client, server = conversation.client, conversation.server
    asked, answered = conversation.from_client, conversation.from_server
    frame = conversation.first.frame
    if not asked.syns:
        return f"The capture begins in the middle of {client} > {server} (frame {frame})."
    md5 = " with the TCP MD5 option" if asked.md5_syns else ""
    dialled = f"{client.address} dialled {server}{md5} (frame {frame})"
    if conversation.refused:
        reset = answered.rsts[0]
        return f"{dialled} and was refused by a RST (frame {reset.frame}): nothing listens there."
    if conversation.unanswered:
        seconds = (asked.syns[-1].time_ns - asked.syns[0].time_ns) / 1e9
        times = f"{len(asked.syns)} SYNs in {seconds:.1f} s" if len(asked.syns) > 1 else "1 SYN"
        why = (
            "a filter, a wrong or missing MD5 key, or no way back"
            if md5
            else ("a filter, an MD5 key on the other side only, or no way back")
        )
        return f"{dialled}: {times}, no answer. Possible: {why}."
    if answered.md5_syns != asked.md5_syns and bool(answered.md5_syns) != bool(asked.md5_syns):
        return f"{dialled}; only one side uses the TCP MD5 option."
    if conversation.handshake_complete:
        return f"{dialled}; the connection stood at once."
    return f"{dialled}; the handshake is not complete in the capture."


def _opens(conversation: Conversation) -> Iterator[str]:
    agreed = conversation.negotiated
    for end in (conversation.client, conversation.server):
        found = [m for m in conversation.sent_by(end) if m.type_code == 1]
        if found:
            yield f"{end.address} sent OPEN (frame {found[0].frame}): {describe(found[0])}."
        else:
            yield f"{end.address} sent no OPEN that the capture holds."
    if agreed is not None:
        yield f"They agree on {agreed_words(agreed)}."


def agreed_words(agreed: Negotiated) -> str:
    """What two OPENs have in common, as a list of words."""
    timer = f"hold time {agreed.hold_time} s" if agreed.hold_time else "no keepalives"
    parts = ["iBGP" if agreed.internal else "eBGP", timer]
    parts.append(", ".join(map(str, sorted(agreed.families))) or "no address family")
    parts.append("4-octet AS numbers" if agreed.four_octet_as else "2-octet AS numbers")
    for name, families in (
        (agreed.first.bgp_identifier, agreed.add_path_from_first),
        (agreed.second.bgp_identifier, agreed.add_path_from_second),
    ):
        if families:
            parts.append(f"path identifiers from {name} in {', '.join(map(str, families))}")
    words = {
        "route refresh": agreed.route_refresh,
        "enhanced route refresh": agreed.enhanced_route_refresh,
        "graceful restart": agreed.graceful_restart,
        "extended messages": agreed.extended_message,
    }
    return "; ".join([*parts, *(word for word, on in words.items() if on)])


def _routes(conversation: Conversation, sender: IpAddress) -> Iterator[str]:
    updates = [m for m in conversation.sent_by(sender) if m.type_code == 2]
    if not updates:
        return
    announced = withdrawn = 0
    ended: dict[str, int] = {}
    for wire in updates:
        update = wire.message
        if not isinstance(update, Update):
            continue
        announced += sum(len(block) for _, block in update.announced)
        withdrawn += sum(len(block) for _, block in update.withdrawn)
        if update.end_of_rib is not None:
            ended.setdefault(str(update.end_of_rib), wire.frame)
    words = f"{sender} announced {announced} and withdrew {withdrawn} prefixes"
    marks = ", ".join(f"{family} in frame {frame}" for family, frame in ended.items())
    yield f"{words}; End-of-RIB for {marks}." if marks else f"{words}; no End-of-RIB."


def _trouble(conversation: Conversation) -> Iterator[str]:
    flows = (
        (conversation.client.address, conversation.from_client),
        (conversation.server.address, conversation.from_server),
    )
    for sender, facts in flows:
        if facts.gaps:
            octets = sum(gap.octets for gap in facts.gaps)
            yield (
                f"The capture lacks {octets} octets from {sender} (first at frame "
                f"{facts.gaps[0].seen.frame}); messages in them are unknown."
            )
        stubborn = [r for r in facts.retransmitted if r.times >= 3]
        if stubborn:
            worst = max(stubborn, key=lambda r: r.times)
            yield (
                f"{sender} sent {worst.length} octets again {worst.times} times (last in frame "
                f"{worst.last.frame}): the other end does not acknowledge them."
            )
    for wire in conversation.messages:
        update = wire.message
        if wire.error is not None or (isinstance(update, Update) and update.errors):
            yield f"Frame {wire.frame}: {describe(wire)}."


def _ending(conversation: Conversation) -> Iterator[str]:
    for wire in conversation.notifications:
        yield f"{wire.src.address} sent NOTIFICATION (frame {wire.frame}): {describe(wire)}."
    for end, seen in conversation.resets[:1]:
        yield f"{end.address} reset the connection (frame {seen.frame})."
    if not conversation.resets:
        for end, facts in (
            (conversation.client, conversation.from_client),
            (conversation.server, conversation.from_server),
        ):
            if facts.fin is not None:
                yield f"{end.address} closed the connection (frame {facts.fin.frame})."


def _arp(question: ArpQuestion) -> str:
    if len(question.answers) > 1:
        return (
            f"{len(question.answers)} hardware addresses answer for {question.target}: "
            f"{', '.join(sorted(question.answers))} (asked in frame {question.first.frame})."
        )
    return (
        f"{question.sender} asked {question.requests} times who has {question.target} (first in "
        f"frame {question.first.frame}); nobody answered."
    )


def _bfd(flow: BfdFlow) -> str:
    states = " → ".join(state for _, state in flow.states)
    kind = "single-hop" if flow.port == 3784 else "multihop"
    return f"BFD {kind} from {flow.src} to {flow.dst}: {flow.packets} packets, {states}."
