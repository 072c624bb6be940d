"""`diagnose`: facts in, causes out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from labgen.check.diagnosis import (
    daemon_rules,
    dial_rules,
    quiet_rules,
    report_rules,
    route_rules,
    text_rules,
    wire_rules,
)
from labgen.check.diagnosis.model import Cause, Diagnosis, Skipped, in_order
from labgen.check.diagnosis.pairs import Scene, build
from labgen.facts import Daemon, Facts, LogEvent, Said


def diagnose(facts: Facts, *, history: bool = True) -> Diagnosis:
    """Why BGP does not do what it should, the cause first; no causes where nothing is wrong.

    With `history`, faults that ended during the capture count too (a bundle is a story); without,
    only the present state does (a running lab that was healed is healthy).
    """
    scene = build(facts if history else _of_now(facts), history=history)
    causes = list(_causes(scene))
    causes += report_rules.before_capture(scene, causes)
    causes += text_rules.causes(scene, causes)
    if not causes:
        causes = list(quiet_rules.silence(scene))
    return Diagnosis(in_order(causes), tuple(_skipped(facts)))


def _of_now(facts: Facts) -> Facts:
    """Without the log lines that a later line of the same log answers: the session came up."""
    ups = [e for e in facts.events if e.said is Said.UP]

    def answered(event: LogEvent) -> bool:
        return any(
            up.quote.file == event.quote.file
            and up.quote.line > event.quote.line
            and event.peer in (None, up.peer)
            for up in ups
        )

    return replace(facts, events=tuple(e for e in facts.events if not answered(e)))


def _causes(scene: Scene) -> Iterator[Cause]:
    yield from daemon_rules.causes(scene)
    for pair in scene.pairs:
        if pair.conversations:
            yield from wire_rules.causes(scene, pair)
            yield from dial_rules.causes(scene, pair)
    yield from quiet_rules.unresolved(scene)
    yield from quiet_rules.both_passive(scene)
    if not any(e.daemon is Daemon.BIRD for e in scene.facts.events):
        yield from quiet_rules.restarting(scene)
    yield from report_rules.causes(scene)
    yield from route_rules.causes(scene)


def _skipped(facts: Facts) -> Iterator[Skipped]:
    """What could not be looked at, and what evidence would allow it."""
    daemons = {e.daemon for e in facts.events} | {p.daemon for p in facts.peers}
    wanted = (
        (facts.captures, "wire", "a capture of tcp port 179 (pcap or pcapng)"),
        (
            [e for e in facts.events if e.daemon is Daemon.BIRD],
            "BIRD's log",
            "calico-node's bird log",
        ),
        ([e for e in facts.events if not e.daemon.is_calico], "the router's log", "bgpd's log"),
        (
            [d for d in daemons if d.is_calico and facts.peers],
            "BIRD's peers",
            "birdc show protocols all, or calicoctl node status",
        ),
        (
            [p for p in facts.peers if not p.daemon.is_calico],
            "the router's peers",
            "show ip bgp summary and show ip bgp neighbors",
        ),
        (
            [c for c in facts.counters if "MD5" in c.name],
            "MD5 and reverse-path counters",
            "nstat -az 'TcpExtTCPMD5*' TcpExtTCPMinTTLDrop TcpExtIPReversePathFilter of both hosts",
        ),
        (facts.sockets, "listening sockets", "ss -ltnp of the node"),
        (facts.routes, "tables", "show ip bgp, birdc show route all, ip route"),
        (facts.configs, "configurations", "show running-config and bird.cfg"),
        (facts.self_ips, "port lockdown", "tmsh list net self"),
    )
    for found, check, missing in wanted:
        if not found:
            yield Skipped(check, missing)
