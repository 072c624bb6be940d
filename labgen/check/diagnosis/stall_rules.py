"""Connections that are taken and lead nowhere: data that dies, is not taken, or is reset."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from labgen.bgp.conversation import Conversation, FlowFacts
from labgen.bgp.messages import Notification
from labgen.check.diagnosis.attempts import Outcome, code, errors, on_purpose, outcome
from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Role, Scene, at
from labgen.evidence import Address

_REMOVED, _CHANGED = (6, 3), (6, 6)  # RFC 4486: Peer De-configured, Other Configuration Change
_FADING = 3  # repeats of one segment
_FADING_NS = 5_000_000_000
_INITIAL_TTLS = {32, 64, 128, 255}


def stalled(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    for conversation in result.stalled():
        yield from _stall(scene, pair, conversation)


def _stall(scene: Scene, pair: Pair, conversation: Conversation) -> Iterator[Cause]:
    expired = [
        e
        for e in conversation.icmp_errors
        if (e.type, e.code) in ((11, 0), (3, 0))
        and e.type in (11, 3)
        and "exceed" in e.name.lower()
    ]
    for address in pair.ends:
        mine, other = conversation.of(address), conversation.of(pair.other(address))
        dying = 1 in mine.data_ttls and (mine.unacknowledged or mine.retransmissions)
        if dying or expired:
            lines = [at(e.seen, f"ICMP {e.name} from {e.sender}") for e in expired[:3]]
            lines += (
                [at(mine.last_data, f"{address} sends its data with TTL 1")]
                if mine.last_data and dying
                else []
            )
            yield decided(
                "ebgp-multihop-missing",
                pair.subject,
                Rank.SILENT,
                f"The handshake completes, but {scene.name(address)} sends its data with TTL 1, "
                "which dies at the first hop.",
                tuple(lines),
            )
            return
        if 255 in mine.data_ttls and _not_heard(other) and _low(other):
            yield _gtsm(scene, pair, conversation, address)
            return
    yield from _mute(scene, pair, conversation)
    yield from _unheard(scene, pair, conversation)


def _not_heard(flow: FlowFacts) -> bool:
    return bool(flow.unacknowledged and flow.retransmissions)


def _low(flow: FlowFacts) -> bool:
    return bool(flow.data_ttls) and max(flow.data_ttls) < 254


def _gtsm(scene: Scene, pair: Pair, conversation: Conversation, address: Address) -> Cause:
    other = pair.other(address)
    flow = conversation.of(other)
    lines = [
        at(
            r.last,
            f"{other} sent the same {r.length} octets {r.times + 1} times with TTL "
            f"{max(flow.data_ttls)}, never acknowledged",
        )
        for r in flow.retransmitted[:2]
    ]
    lines += [
        str(c.quote)
        for c in scene.facts.counters
        if c.name == "TcpExtTCPMinTTLDrop" and c.value > 0
    ]
    return decided(
        "ttl-security-one-sided",
        pair.subject,
        Rank.SILENT,
        f"{scene.name(address)} sends TTL 255 and takes nothing that {other} sends with TTL "
        f"{max(flow.data_ttls)}: TTL security is on at {address} only.",
        tuple(lines),
    )


def fading(scene: Scene, pair: Pair, conversation: Conversation) -> Iterator[Cause]:
    """A session that one end believes in, while the other takes nothing of what it sends."""
    for address in pair.ends:
        mine, other = conversation.of(address), conversation.of(pair.other(address))
        last = [r for r in mine.retransmitted if r.times >= _FADING]
        if not last or not mine.unacknowledged or not other.segments:
            continue
        if 255 in other.data_ttls and _low(mine):
            yield _gtsm(scene, pair, conversation, pair.other(address))
        elif last[-1].last.time_ns >= conversation.last.time_ns - _FADING_NS:
            yield possible(
                "hold-timer-expired",
                pair.subject,
                Rank.SILENT,
                f"{scene.name(address)} repeats what it sends, and {pair.other(address)} does not "
                "acknowledge it: the hold timer will expire.",
                (at(last[-1].last, f"{address} sent the same octets {last[-1].times + 1} times"),),
                "a longer capture, or one at the other end",
            )


def _unheard(scene: Scene, pair: Pair, conversation: Conversation) -> Iterator[Cause]:
    """An end repeats its OPEN in vain; the capture began too late to show what the other sent."""
    if conversation.start_seen:
        return
    for address in pair.ends:
        flow, other = conversation.of(address), conversation.of(pair.other(address))
        if not (_not_heard(flow) and _low(flow)) or other.octets:
            continue
        lines = [
            at(r.last, f"{address} sent the same {r.length} octets {r.times + 1} times")
            for r in flow.retransmitted[:2]
        ]
        counted = [
            str(c.quote)
            for c in scene.facts.counters
            if c.name == "TcpExtTCPMinTTLDrop" and c.value > 0
        ]
        strict = [
            str(n.quote)
            for c in scene.facts.configs
            for n in c.neighbors
            if n.ttl_security and n.address == address
        ]
        text = (
            f"{scene.name(pair.other(address))} took the connection and does not acknowledge what "
            f"{address} sends with TTL {max(flow.data_ttls)}."
        )
        if counted or strict:
            proof = (*lines, *counted, *strict)
            yield decided("ttl-security-one-sided", pair.subject, Rank.SILENT, text, proof)
            return
        decides = f"nstat -az TcpExtTCPMinTTLDrop on {pair.other(address)}, and its packet filter"
        yield possible(
            "ttl-security-one-sided", pair.subject, Rank.SILENT, text, tuple(lines), decides
        )
        yield possible(
            "tcp-179-filtered", pair.subject, Rank.UNANSWERED, text, tuple(lines), decides
        )


def _mute(scene: Scene, pair: Pair, conversation: Conversation) -> Iterator[Cause]:
    """The server takes the connection and its OPEN never arrives: what its TTL tells."""
    hops = [ttl for ttl in conversation.from_server.handshake_ttls if ttl not in _INITIAL_TTLS]
    server = conversation.server.address
    if conversation.from_server.octets or not hops:
        return
    yield possible(
        "ebgp-multihop-missing",
        pair.subject,
        Rank.SILENT,
        f"{scene.name(server)} is behind a hop (its SYN-ACK arrives with TTL {hops[0]}), takes "
        "the connection, and nothing that it sends afterwards arrives.",
        (at(conversation.last, f"last packet; {server} has sent no data"),),
        "a capture on the router's side (TTL 1, ICMP time exceeded), or its `show ip bgp nexthop`",
    )


def reset(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    if any(not on_purpose(n) for c in result.current() for n in errors(c)):
        return  # the NOTIFICATION says more than the resets around it
    for address in pair.ends:
        found = result.reset_by(address)
        if not found:
            continue
        other = pair.other(address)
        lines = tuple(
            at(seen, f"{sender.address} resets the connection after the OPEN of {other}")
            for c in found
            for sender, seen in islice(c.resets, 1)
        )[:3]
        if scene.role(address) is Role.CALICO and _ended_with(result, address, _REMOVED):
            yield decided(
                "bgppeer-missing",
                pair.subject,
                Rank.RESET,
                f"{scene.name(address)} ended the session with Peer De-configured, and resets "
                f"{other} since: its BGPPeer is gone.",
                lines,
            )
        elif scene.role(address) is Role.CALICO:
            yield possible(
                "bgppeer-missing",
                pair.subject,
                Rank.RESET,
                f"{scene.name(address)} takes the connection of {other}, and resets it after the "
                "OPEN: it has no peer with that address.",
                lines,
                "BIRD's log (`Unexpected connect from unknown address`) or calicoctl get bgppeer",
            )
        elif _ended_with(result, address, _CHANGED):
            yield possible(
                "address-family-not-activated",
                pair.subject,
                Rank.RESET,
                f"{scene.name(address)} ended the session for a change of its configuration, and "
                f"resets {other} since: it has no address family for this neighbor any more.",
                lines,
                "the router's `show running-config`: is the neighbor activated?",
            )
        elif _ended_with(result, address, _REMOVED):
            yield decided(
                "neighbor-not-configured",
                pair.subject,
                Rank.RESET,
                f"{scene.name(address)} ended the session with Peer De-configured, and resets "
                f"{other} since: the neighbor was removed.",
                lines,
            )
        elif (sought := _seeks(scene, address)) is not None:
            yield decided(
                "neighbor-not-configured",
                pair.subject,
                Rank.RESET,
                f"{scene.name(address)} resets {other} after the OPEN, and looks for a neighbor "
                "that nobody is: it is configured for another address.",
                (*lines, sought),
            )
        else:
            yield possible(
                "neighbor-not-configured",
                pair.subject,
                Rank.RESET,
                f"{scene.name(address)} takes the connection of {other}, and resets it after the "
                "OPEN: it has no such neighbor, or the neighbor is shut down or has no address "
                "family.",
                lines,
                "the router's `show running-config`: is the address a neighbor, and activated?",
            )


def _ended_with(result: Outcome, sender: Address, number: tuple[int, int]) -> bool:
    """The last session ended with this NOTIFICATION of this end."""
    last = result.last_established
    found = [m for m in last.notifications if m.src.address == sender] if last else []
    return any(isinstance(m.message, Notification) and code(m.message) == number for m in found)


def _seeks(scene: Scene, router: Address) -> str | None:
    """The router asks by ARP, in vain, for an address that nobody in the bundle has."""
    known = {
        end
        for p in scene.pairs
        if any(c.from_server.segments for c in p.conversations)
        for end in p.ends
    }
    for capture in scene.facts.captures:
        for q in capture.arp:
            if q.sender == router and not q.replies and q.requests > 1 and q.target not in known:
                return at(q.last, f"ARP who-has {q.target} tell {router}, unanswered")
    for pair in scene.pairs:
        for c in pair.conversations:
            far = c.server.address
            if c.client.address == router and far not in known and c.icmp_errors:
                return at(c.icmp_errors[0].seen, f"{far} is unreachable for {router}")
    return None


def icmp(scene: Scene, pair: Pair, tail: tuple[Conversation, ...]) -> Iterator[Cause]:
    for conversation in tail:
        rejects = any(
            outcome(p.conversations, p.capture_end).reset_by(conversation.client.address)
            for p in scene.pairs
            if p is not pair and conversation.client.address in p.ends
        )
        for error in conversation.icmp_errors:
            if (
                error.type in (1, 3)
                and "fragmentation" not in error.name.lower()
                and error.mtu is None
            ):
                yield decided(
                    "host-unreachable",
                    pair.subject,
                    Rank.QUIET if rejects else Rank.UNANSWERED,
                    f"{error.sender} answers the connection attempt with ICMP {error.name}.",
                    (at(error.seen, f"ICMP {error.name} from {error.sender}"),),
                )
                return
