"""The ladder on recorded evidence: green as recorded, and red for each thing that may break."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from labgen.capture.read import read_capture
from labgen.check.ladder import verify
from labgen.check.model import Finding, Rung, Status, exit_code
from labgen.design.model import Design
from labgen.errors import ExitCode, LabError
from labgen.evidence import Evidence, Missing
from labgen.lab.observe import take
from labgen.lab.project import open_project
from labgen.report import text
from labgen.report.junit import junit
from labgen.runtime.protocol import Completed

REPO = Path(__file__).parents[2]
DATA = REPO / "tests" / "data" / "bigip-calico"
LAB = REPO / "topologies" / "bigip-calico" / "lab.yaml"


@dataclass
class Recorded:
    """Commands that answer as the recorded lab did; nodes in `dead` do not run."""

    answers: dict[tuple[str, tuple[str, ...]], dict[str, Any]]
    dead: tuple[str, ...] = ()

    def run(self, node, argv, *, stdin=None, timeout=30.0):  # type: ignore[no-untyped-def]
        if node in self.dead:
            raise LabError(f"node {node} of lab bigip-calico does not run (exited)")
        found = self.answers[node, tuple(argv)]
        return Completed(node, tuple(argv), found["code"], found["stdout"], found["stderr"])


def answers() -> dict[tuple[str, tuple[str, ...]], dict[str, Any]]:
    rows = json.loads((DATA / "commands.json").read_text())
    return {(row["node"], tuple(row["argv"])): row for row in rows}


@pytest.fixture(scope="module")
def design() -> Design:
    return open_project(LAB).design


@pytest.fixture(scope="module")
def evidence(design: Design) -> Evidence:
    capture = read_capture(DATA / "internal.pcapng")
    return take(design, Recorded(answers()), lambda: capture)


def red(findings: tuple[Finding, ...]) -> list[Finding]:
    return [f for f in findings if f.status in (Status.FAIL, Status.ERROR)]


def test_a_healthy_lab_is_all_green(design: Design, evidence: Evidence) -> None:
    findings = verify(design, evidence)
    assert red(findings) == []
    assert {f.status for f in findings} == {Status.PASS}
    assert exit_code(findings) is ExitCode.OK
    for session in design.sessions:
        assert {f.rung for f in findings if f.session == session.name} == set(Rung)


def test_every_finding_names_its_evidence(design: Design, evidence: Evidence) -> None:
    for finding in verify(design, evidence):
        assert finding.evidence or finding.check == "update", finding
        assert set(finding.as_json()) == {
            "check", "status", "rung", "subject", "expected", "observed", "evidence", "reference",
        }  # fmt: skip


def changed_node(evidence: Evidence, node: str, **changes: Any) -> Evidence:
    view = evidence.nodes[node]
    assert not isinstance(view, Missing)
    return replace(evidence, nodes={**evidence.nodes, node: replace(view, **changes)})


def forecasting(design: Design, announcements: Any) -> Design:
    return replace(design, known_forecast=replace(design.forecast, announcements=announcements))


def view(evidence: Evidence, node: str) -> Any:
    return evidence.nodes[node]


def no_tcp(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """G1: nothing of one session is on the wire."""
    wire: Any = evidence.wire
    gone = {IPv4Address("10.1.20.5"), IPv4Address("10.1.20.20")}
    kept = tuple(s for s in wire.sessions if set(s.addresses) != gone)
    return design, replace(evidence, wire=replace(wire, sessions=kept))


def only_syns(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """G1 as it looks: SYNs, and no answer."""
    wire: Any = evidence.wire
    sessions = []
    for session in wire.sessions:
        if IPv4Address("10.1.20.20") in session.addresses:
            silent = tuple(
                replace(c, messages=(), handshake_complete=False,
                        from_server=type(c.from_server)())
                for c in session.conversations
            )  # fmt: skip
            session = replace(session, conversations=silent)  # noqa: PLW2901
        sessions.append(session)
    return design, replace(evidence, wire=replace(wire, sessions=tuple(sessions)))


def wrong_as(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """G4: the BIG-IP expects another AS than kube-master's OPEN names."""
    session = design.sessions[0]
    end = session.a
    assert end.peer is not None
    other = replace(session, a=replace(end, peer=replace(end.peer, remote_as=65000)))
    return replace(design, sessions=(other, *design.sessions[1:])), evidence


def not_established(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """G8: the BIG-IP's daemon has lost the session since."""
    peers = view(evidence, "bigip-1").peers
    down = replace(peers[0], state="Active", last_error="Hold Timer Expired")
    return design, changed_node(evidence, "bigip-1", peers=(down, *peers[1:]))


def timers_disagree(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """The daemon runs another hold time than the two OPENs imply."""
    peers = view(evidence, "bigip-1").peers
    odd = replace(peers[0], hold_time=30)
    return design, changed_node(evidence, "bigip-1", peers=(odd, *peers[1:]))


def prefix_not_announced(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """The forecast has a block that the wire has not."""
    key = ("kube-master", "bigip-1")
    old = design.forecast.announcements[key]
    extra = replace(old[0], prefix=IPv4Network("192.168.99.0/26"))
    announcements = {**design.forecast.announcements, key: (*old, extra)}
    return forecasting(design, announcements), evidence


def prefix_not_expected(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """A block leaks."""
    key = ("kube-master", "bigip-1")
    announcements = {**design.forecast.announcements, key: ()}
    return forecasting(design, announcements), evidence


def wrong_attribute(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """LOCAL_PREF is not what Calico's export function sets."""
    key = ("kube-master", "bigip-1")
    odd = tuple(replace(a, local_pref=100) for a in design.forecast.announcements[key])
    announcements = {**design.forecast.announcements, key: odd}
    return forecasting(design, announcements), evidence


def rib_lacks_it(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """Announced on the wire, absent in the RIB: a disagreement."""
    rib = tuple(r for r in view(evidence, "bigip-1").rib if str(r.prefix) != "192.168.221.192/26")
    return design, changed_node(evidence, "bigip-1", rib=rib)


def rib_next_hop(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """G21: the path is there, and cannot be used."""
    rib = tuple(replace(r, valid=False, best=False) for r in view(evidence, "bigip-1").rib)
    return design, changed_node(evidence, "bigip-1", rib=rib)


def fib_lacks_it(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """In the RIB, not in the kernel."""
    return design, changed_node(evidence, "bigip-1", fib=())


def fib_overridden(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """A static route with a better metric hides BGP's."""
    fib = view(evidence, "bigip-1").fib
    rivals = tuple(replace(f, protocol="static", metric=1) for f in fib)
    return design, changed_node(evidence, "bigip-1", fib=(*fib, *rivals))


def fib_elsewhere(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """The kernel sends it to somebody else."""
    hop = (IPv4Address("10.1.20.99"), "eth1")
    fib = tuple(replace(f, next_hops=(hop,)) for f in view(evidence, "bigip-1").fib)
    return design, changed_node(evidence, "bigip-1", fib=fib)


def no_reply(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """Routes are right, and the pod does not answer."""
    pings: Any = tuple(replace(p, received=0, ttl=None) for p in evidence.pings)  # type: ignore[type-var]
    return design, replace(evidence, pings=pings)


def wrong_ttl(design: Design, evidence: Evidence) -> tuple[Design, Evidence]:
    """The answer comes by a detour."""
    pings: Any = tuple(replace(p, ttl=62) for p in evidence.pings)  # type: ignore[type-var]
    return design, replace(evidence, pings=pings)


DRILLS = [
    (no_tcp, Rung.TCP, "not one packet"),
    (only_syns, Rung.TCP, "unanswered"),
    (wrong_as, Rung.OPEN, "AS 64512"),
    (timers_disagree, Rung.OPEN, "bigip-1 runs 30 s"),
    (not_established, Rung.ESTABLISHED, "Active, Hold Timer Expired"),
    (prefix_not_announced, Rung.UPDATE, "192.168.99.0/26 was not announced"),
    (prefix_not_expected, Rung.UPDATE, "192.168.221.192/26 was announced, and should not be"),
    (wrong_attribute, Rung.UPDATE, "has LOCAL_PREF 2147482623, not 100"),
    (rib_lacks_it, Rung.RIB, "192.168.221.192/26 is missing"),
    (rib_next_hop, Rung.RIB, "its next hop 10.1.20.20 is unusable"),
    (fib_lacks_it, Rung.FIB, "192.168.221.192/26 is missing"),
    (fib_overridden, Rung.FIB, "192.168.221.192/26 is overridden"),
    (fib_elsewhere, Rung.FIB, "goes via 10.1.20.99, not 10.1.20.20"),
    (no_reply, Rung.TRAFFIC, "0 of 2 replies"),
    (wrong_ttl, Rung.TRAFFIC, "TTL 62"),
]


@pytest.mark.parametrize(("drill", "rung", "words"), DRILLS, ids=[d[0].__name__ for d in DRILLS])
def test_each_fault_turns_its_own_rung_red(  # type: ignore[no-untyped-def]
    drill, rung: Rung, words: str, design: Design, evidence: Evidence
) -> None:
    findings = verify(*drill(design, evidence))
    own = [f for f in findings if f.session == "bigip-1 ↔ kube-master"]
    broken = [f for f in own if f.status is Status.FAIL]
    assert broken, "the fault was not seen"
    assert {f.rung for f in broken} == {rung}
    assert any(words in f.observed for f in broken), [f.observed for f in broken]
    for finding in own:
        if finding.rung > rung:
            assert finding.status is Status.SKIP
            assert finding.observed == f"not reached: {rung.title} is broken"
    assert exit_code(findings) is ExitCode.CHECK_FAILED


def test_an_unreadable_capture_is_error_not_fail(design: Design, evidence: Evidence) -> None:
    lost = replace(evidence, wire=Missing("x.pcapng: not a capture file"))
    findings = verify(design, lost)
    assert {f.rung for f in findings if f.status is Status.ERROR} == {
        Rung.TCP, Rung.OPEN, Rung.UPDATE,
    }  # fmt: skip
    assert not any(f.status is Status.FAIL for f in findings)
    assert any(f.status is Status.PASS and f.rung is Rung.FIB for f in findings)
    assert exit_code(findings) is ExitCode.CHECK_ERROR


def test_a_dead_node_is_error_with_the_cause(design: Design) -> None:
    capture = read_capture(DATA / "internal.pcapng")
    evidence = take(design, Recorded(answers(), dead=("kube-node1",)), lambda: capture)
    errors = [f for f in verify(design, evidence) if f.status is Status.ERROR]
    assert errors
    assert all("kube-node1" in f.observed and "does not run" in f.observed for f in errors)


def test_a_peer_outside_the_lab_is_skipped_with_the_reason(
    design: Design, evidence: Evidence
) -> None:
    session = design.sessions[0]
    outside = replace(session, b=replace(session.b, node=None))
    (finding,) = verify(replace(design, sessions=(outside,)), evidence)
    assert finding.status is Status.SKIP
    assert "no node of this lab has the address 10.1.20.20" in finding.observed


def test_the_table_and_the_details(design: Design, evidence: Evidence) -> None:
    findings = verify(*fib_lacks_it(design, evidence))
    table = text.ladder(findings)
    assert table[0].split() == ["SESSION", *(rung.title for rung in Rung)]
    assert "✗" in table[1]
    assert len({len(line) - len(line.lstrip()) for line in table}) == 1
    details = "\n".join(text.details(findings))
    assert "FAIL FIB: bigip-1 from kube-master [fib]" in details
    assert "evidence  bigip-1: ip -j route" in details
    assert text.summary(findings).startswith(f"{len(findings)} checks: ")


def test_junit_counts_what_it_lists(design: Design, evidence: Evidence) -> None:
    import xml.etree.ElementTree as ET

    findings = verify(*fib_lacks_it(design, evidence))
    root = ET.fromstring(junit(findings, lab="bigip-calico").encode())
    assert int(root.get("tests", "")) == len(root.findall(".//testcase")) == len(findings)
    assert int(root.get("failures", "")) == len(root.findall(".//failure")) > 0
    assert int(root.get("skipped", "")) == len(root.findall(".//skipped")) > 0


def test_after_a_collision_the_survivor_is_current(evidence: Evidence) -> None:
    """Whichever connection began first, and even when the loser's FIN is the last packet."""
    wire: Any = evidence.wire
    session = next(s for s in wire.sessions if s.established)
    survivor = session.established[-1]
    later = survivor.last._replace(time_ns=survivor.last.time_ns + 1000)
    loser = replace(survivor, last=later, from_client=replace(survivor.from_client, fin=later))
    for pair in ((survivor, loser), (loser, survivor)):
        assert replace(session, conversations=pair).current is survivor
    restarted = later._replace(time_ns=later.time_ns + 1000)
    ended = replace(loser, first=restarted, last=restarted)
    assert replace(session, conversations=(survivor, ended)).current is ended
