"""Causes of a connection that never comes about: refused, unanswered, or not even tried."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from labgen.bgp.conversation import Conversation
from labgen.check.diagnosis import refusal_rules
from labgen.check.diagnosis.attempts import Outcome, outcome
from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Scene, at
from labgen.evidence import Address

_MASKED_SYNS = 3  # fewer unanswered SYNs may be a peer that was not ready yet
_BGP = 179


def causes(scene: Scene, pair: Pair) -> Iterator[Cause]:
    """Every cause that the pair's connection attempts show."""
    result = outcome(pair.conversations, pair.capture_end)
    if result.alive is not None:
        if scene.history:
            yield from _masked(scene, pair)
        return
    if _got_further(result):
        return
    yield from _half_open(scene, pair, result)
    yield from refusal_rules.causes(scene, pair, result)
    yield from _unanswered(scene, pair, result)


def _got_further(result: Outcome) -> bool:
    """Some attempt of late was taken by both kernels: what fails is not the dial."""
    attempts = (c for c in result.tail if c is not result.last_established and c.start_seen)
    return any(c.handshake_complete for c in attempts)


# unanswered.


def _half_open(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    """SYN-ACKs reach the capture, and the one who sent the SYN does not take them."""
    if result.last_established is not None and _dead(result):
        return
    for client in pair.ends:
        found = result.half_open(client)
        if not found:
            continue
        lines = tuple(
            at(
                c.from_server.syns[-1],
                f"SYN-ACK number {len(c.from_server.syns)} to {client}, which "
                "goes on sending its SYN",
            )
            for c in found[-2:]
        )
        counters = _counters(scene, "TcpExtIPReversePathFilter")
        text = (
            f"What {pair.other(client)} sends arrives at {scene.name(client)} and is dropped "
            "there before "
            "TCP sees it."
        )
        if counters:
            yield decided(
                "reverse-path-filter", pair.subject, Rank.UNANSWERED, text, (*counters, *lines)
            )
        else:
            yield possible(
                "reverse-path-filter",
                pair.subject,
                Rank.UNANSWERED,
                text,
                lines,
                "nstat -az TcpExtIPReversePathFilter on that host, and ip route get "
                f"{pair.other(client)}",
            )
        return


def _dead(result: Outcome) -> bool:
    last = result.last_established
    return last is not None and not (last.from_client.fin or last.from_server.fin or last.resets)


def _counters(scene: Scene, name: str) -> tuple[str, ...]:
    return tuple(str(c.quote) for c in scene.facts.counters if c.name == name and c.value > 0)


def _unanswered(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    found = tuple(chain.from_iterable(result.unanswered(end) for end in pair.ends))
    if (
        not found
        or any(c.icmp_errors for c in found)
        or result.half_open(pair.ends[0])
        or result.half_open(pair.ends[1])
    ):
        return
    if result.last_established is not None and _dead(result):
        return  # the path broke under an established session: that is the cause
    if any(c.from_client.md5_syns for c in found):
        yield from _md5(scene, pair, found)
        return
    counters = _counters(scene, "TcpExtIPReversePathFilter")
    lines = tuple(_syn_lines(found))
    if counters:
        yield decided(
            "reverse-path-filter",
            pair.subject,
            Rank.UNANSWERED,
            "SYNs stay unanswered, and a host counts packets that its reverse-path filter drops.",
            (*counters, *lines),
        )
        return
    yield from _filtered(scene, pair, found, lines)


def _syn_lines(found: tuple[Conversation, ...]) -> Iterator[str]:
    seen: set[Address] = set()
    for c in found:
        if c.client.address not in seen:
            seen.add(c.client.address)
            count = sum(
                len(o.from_client.syns) for o in found if o.client.address == c.client.address
            )
            yield at(
                c.from_client.syns[-1], f"{count} SYNs {c.client.address} > {c.server}, no answer"
            )


def _filtered(
    scene: Scene, pair: Pair, found: tuple[Conversation, ...], lines: tuple[str, ...]
) -> Iterator[Cause]:
    servers = {c.server.address for c in found}
    facts = scene.facts
    shut = [s for s in facts.self_ips if s.address in servers and not s.allows_bgp]
    rules = [r for r in facts.rules if r.protocol == "tcp" and not r.refuses]
    proof = (*(str(s.quote) for s in shut), *(str(r.quote) for r in rules))
    who = " and ".join(scene.name(a) for a in sorted(servers, key=str))
    text = f"SYNs to {who} are dropped: no SYN-ACK, no RST, no ICMP."
    if shut:
        text += f" Port lockdown of self-IP {shut[0].name} does not let tcp/179 in."
    counted = any(c.name == "TcpExtIPReversePathFilter" for c in facts.counters)
    if proof or counted:
        yield decided("tcp-179-filtered", pair.subject, Rank.UNANSWERED, text, (*lines, *proof))
        return
    decides = "nstat -az TcpExtIPReversePathFilter on both hosts, and their packet filters"
    yield possible("tcp-179-filtered", pair.subject, Rank.UNANSWERED, text, lines, decides)
    yield possible(
        "reverse-path-filter",
        pair.subject,
        Rank.UNANSWERED,
        "A strict reverse-path filter drops SYNs as silently as a packet filter.",
        lines,
        decides,
    )


def _md5(scene: Scene, pair: Pair, found: tuple[Conversation, ...]) -> Iterator[Cause]:
    """RFC 2385: which SYNs carry option 19, and which counter moved at the receiver."""
    signing = {c.client.address for c in found if c.from_client.md5_syns}
    plain = {c.client.address for c in found} - signing
    lines = tuple(_syn_lines(found))
    counters = tuple(
        str(c.quote)
        for c in scene.facts.counters
        if c.name.startswith("TcpExtTCPMD5") and c.value > 0
    )
    names = " and ".join(scene.name(a) for a in sorted(signing, key=str))
    if plain:
        other = scene.name(next(iter(plain)))
        yield decided(
            "md5-mismatch",
            pair.subject,
            Rank.UNANSWERED,
            f"{names} signs its SYNs (TCP option 19), {other} does not: only one side has a "
            "password.",
            (*lines, *counters),
        )
        return
    sign = "sign their" if len(signing) > 1 else "signs its"
    text = f"{names} {sign} SYNs (TCP option 19), which stay unanswered"
    if counters or len(signing) == 2:
        how = next(
            (k for k in ("Failure", "NotFound", "Unexpected") if any(k in c for c in counters)), ""
        )
        meaning = {
            "Failure": ": the keys differ.",
            "Unexpected": ": the other side has no password.",
            "NotFound": ": the other side has no password.",
            "": ": the keys differ.",
        }[how]
        yield decided(
            "md5-mismatch", pair.subject, Rank.UNANSWERED, text + meaning, (*lines, *counters)
        )
        return
    decides = "nstat -az 'TcpExtTCPMD5*' on both hosts; tcpdump -M KEY on the capture"
    yield possible("md5-mismatch", pair.subject, Rank.UNANSWERED, text + ".", lines, decides)
    yield possible(
        "tcp-179-filtered",
        pair.subject,
        Rank.UNANSWERED,
        "A packet filter drops signed SYNs as silently.",
        lines,
        decides,
    )


# one direction only.


def _masked(scene: Scene, pair: Pair) -> Iterator[Cause]:
    for client in pair.ends:
        mine = [c for c in pair.conversations if c.client.address == client]
        syns = sum(len(c.from_client.syns) for c in mine if c.unanswered)
        server = pair.other(client)
        if not any(c.of(server).segments for c in pair.conversations):
            continue  # half a capture: what this end sends is not in it
        shut = [s for s in scene.facts.self_ips if s.address == server and not s.allows_bgp]
        if mine and all(c.unanswered for c in mine) and shut:
            yield decided(
                "tcp-179-filtered",
                pair.subject,
                Rank.MASKED,
                f"Port lockdown of self-IP {shut[0].name} lets no connection in; the session is up "
                f"only because {server} dials itself.",
                (*_syn_lines(tuple(mine)), str(shut[0].quote)),
            )
        elif mine and all(c.unanswered for c in mine) and syns >= _MASKED_SYNS:
            yield possible(
                "tcp-179-filtered",
                pair.subject,
                Rank.MASKED,
                f"{scene.name(server)} takes no connection from {client}; the session is up only "
                f"because {server} dials itself.",
                tuple(_syn_lines(tuple(mine))),
                f"tmsh list net self, or the packet filter of {server}",
            )
        elif (
            mine
            and all(c.refused for c in mine)
            and (ports := tuple(refusal_rules.port_evidence(scene, server)))
        ):
            yield decided(
                "listen-port-changed",
                pair.subject,
                Rank.MASKED,
                f"BIRD on {server} does not listen on 179; the session is up only because {server} "
                "dials itself.",
                ports,
            )
