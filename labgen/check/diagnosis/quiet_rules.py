"""Causes where nothing is dialled: no answer to ARP, or two ends that wait for each other."""

from __future__ import annotations

from collections.abc import Iterator

from labgen.bgp.capabilities import GracefulRestart
from labgen.bgp.facts import ArpQuestion
from labgen.check.diagnosis.attempts import outcome
from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Role, Scene, at
from labgen.evidence import Address
from labgen.facts import Daemon, LogEvent, PeerReport, Said, SpeakerConfig

_ARP_TRIES = 2


def unresolved(scene: Scene) -> Iterator[Cause]:
    """ARP (or neighbour solicitations) without an answer, for an address that BGP wants."""
    wanted = {p.address for p in scene.facts.peers if not p.established}
    wanted |= {e.peer for e in scene.facts.events if e.said is not Said.UP}
    wanted |= {n.address for c in scene.facts.configs for n in c.neighbors}
    for capture in scene.facts.captures:
        for question in capture.arp:
            if question.replies or question.requests < _ARP_TRIES:
                continue
            if question.target in wanted or _knows_no_better(scene, question):
                yield _no_arp(scene, question, asked_for=question.target in wanted)


def _knows_no_better(scene: Scene, question: ArpQuestion) -> bool:
    """No text says who peers with whom, and nothing else in the bundle fails or works."""
    return not scene.pairs and question.sender != question.target


def _no_arp(scene: Scene, question: ArpQuestion, *, asked_for: bool) -> Cause:
    ends = sorted((question.sender, question.target), key=lambda a: a.packed)
    subject = f"{ends[0]} ↔ {ends[1]}"
    text = (
        f"{question.sender} asks for {question.target} {question.requests} times and nobody "
        "answers."
    )
    line = (at(question.last, f"ARP who-has {question.target} tell {question.sender}, unanswered"),)
    if asked_for:
        rank = Rank.QUIET if _rejects(scene, question.sender) else Rank.UNANSWERED
        return decided("host-unreachable", subject, rank, text, line)
    return possible(
        "host-unreachable",
        subject,
        Rank.UNANSWERED,
        text,
        line,
        "which address the BGPPeer or neighbor names",
    )


def _rejects(scene: Scene, end: Address) -> bool:
    """It resets somebody who does dial: that it looks for another address is why."""
    return scene.role(end) is Role.ROUTER and any(
        outcome(p.conversations, p.capture_end).reset_by(end) for p in scene.pairs if end in p.ends
    )


def restarting(scene: Scene) -> Iterator[Cause]:
    """A node opens with the restart bit (RFC 4724 section 3) while one of its peers is dead.

    The wire does not show what the node withholds from its kernel: BIRD's own words decide.
    """
    for pair in scene.pairs:
        alive = outcome(pair.conversations, pair.capture_end).alive if pair.conversations else None
        for node in pair.ends if alive is not None else ():
            opened = alive.open_from(node) if alive is not None else None
            restart = opened.get(GracefulRestart) if opened is not None else None
            dead = _dead_peer(scene, node) if restart and restart.restart_state else None
            if alive is not None and dead is not None and scene.role(node) is Role.CALICO:
                yield possible(
                    "graceful-restart-wait",
                    str(node),
                    Rank.DAEMON_SAYS,
                    f"{node} restarts (its OPEN has the restart bit) and cannot reach {dead[0]}: "
                    "BIRD waits for it before it installs routes.",
                    (at(alive.first, f"session of {node}, OPEN with restart bit"), dead[1]),
                    "birdc show status on that node (Wait timer)",
                )
                return


def _dead_peer(scene: Scene, node: Address) -> tuple[Address, str] | None:
    """Somebody that the node dials or asks for in vain."""
    for capture in scene.facts.captures:
        for question in capture.arp:
            tried = question.requests >= _ARP_TRIES and not question.replies
            if question.sender == node and tried:
                line = at(question.last, f"ARP who-has {question.target}, unanswered")
                return question.target, line
    for pair in scene.pairs:
        found = outcome(pair.conversations, pair.capture_end)
        failing = (*found.unanswered(node), *found.refused(node)) if node in pair.ends else ()
        if failing:
            return pair.other(node), at(failing[-1].first, f"SYN to {pair.other(node)} in vain")
    return None


def both_passive(scene: Scene) -> Iterator[Cause]:
    """Both ends of a pair wait for the other, as their outputs or configurations say."""
    for pair in scene.pairs:
        alive = pair.conversations and outcome(pair.conversations, pair.capture_end).alive
        # Outputs are younger than a session that was taken down before the capture ended.
        told = {r.address for r in pair.reports if _waits(r)} == set(pair.ends)
        if alive and not told:
            continue
        lines = [_passive(scene, pair, end) for end in pair.ends]
        if all(lines):
            yield decided(
                "both-passive",
                pair.subject,
                Rank.UNANSWERED,
                "Both ends are passive, and nobody dials.",
                tuple(line for end in lines for line in end[:3]),
            )


def _passive(scene: Scene, pair: Pair, end: Address) -> list[str]:
    """Lines that say this end waits for the other."""
    other = pair.other(end)
    mine = [r for r in pair.reports if r.address == other and _waits(r)]
    lines = [str(r.quote) for r in mine]
    for config in scene.facts.configs:
        if _is_of(scene, config, end):
            lines += [str(n.quote) for n in config.neighbors if n.address == other and n.passive]
    return lines


def _waits(report: PeerReport) -> bool:
    return report.peer_state.lower() == "passive" and not report.established


def _is_of(scene: Scene, config: SpeakerConfig, end: Address) -> bool:
    known = scene.facts.addresses_of(config.quote.node)
    if known:
        return end in known
    return scene.role(end) is (Role.CALICO if config.daemon.is_calico else Role.ROUTER)


def silence(scene: Scene) -> Iterator[Cause]:
    """No cause so far, and not one SYN in the capture, though daemons run and no session is up."""
    facts = scene.facts
    waiting = [p for p in facts.peers if _waits(p)]
    if any(p.conversations for p in scene.pairs):
        yield from _never_dialled(scene)
    elif waiting:
        yield possible(
            "both-passive",
            str(waiting[0].address),
            Rank.QUIET,
            f"{waiting[0].address} is waited for, and no SYN leaves in either direction.",
            tuple(str(p.quote) for p in waiting[:4]),
            "the other end's configuration: is it passive, too?",
        )
    elif facts.captures and any(e.said is Said.UP for e in facts.events):
        yield from _never_dialled(scene)
    elif facts.captures and (quiet := _quiet_daemons(facts.events)):
        yield possible(
            "both-passive",
            "capture",
            Rank.QUIET,
            "Both daemons run, no session comes up, and not one SYN is in the capture.",
            quiet,
            "birdc show protocols (Passive) and the neighbor's `passive` on the router",
        )


def _never_dialled(scene: Scene) -> Iterator[Cause]:
    """BIRD has a peer whose other sessions are in the capture, and this one was never tried."""
    last: dict[tuple[str, str, Address], LogEvent] = {}
    came_up: set[tuple[str, str, Address]] = set()
    for event in scene.facts.events:
        if event.daemon is Daemon.BIRD and event.peer is not None:
            key = (event.quote.file, event.quote.node, event.peer)
            last[key] = event
            came_up |= {key} if event.said is Said.UP else set()
    for key, event in last.items():
        _, node, peer = key
        pair = scene.pair_of(event)
        if key in came_up:
            continue
        if event.said is not Said.SESSION_STARTED or (pair is not None and pair.conversations):
            continue
        yield possible(
            "both-passive",
            f"{node or 'node'} ↔ {peer}",
            Rank.QUIET,
            f"BIRD has started its peer {peer}, and no SYN of that session is in the capture.",
            (str(event.quote),),
            "birdc show protocols (Passive) and the neighbor's `passive` on the router",
        )


def _quiet_daemons(events: tuple[LogEvent, ...]) -> tuple[str, ...]:
    """BIRD's start in the log, and no session of either daemon ever up."""
    if any(e.said is Said.UP for e in events):
        return ()
    return tuple(str(e.quote) for e in events if e.said in (Said.STARTED, Said.SESSION_STARTED))[:3]
