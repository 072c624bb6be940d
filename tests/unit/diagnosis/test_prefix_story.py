"""A prefix's way through recorded evidence: whole as recorded, and stopped at each rung."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from labgen.capture.read import read_capture
from labgen.check.model import Rung, Status
from labgen.check.prefix_story import Step, follow, prefix_of, stops
from labgen.design.model import Design
from labgen.errors import InputError
from labgen.evidence import Evidence, Missing
from labgen.lab.observe import take
from labgen.lab.project import open_project
from labgen.runtime.protocol import Completed

REPO = Path(__file__).parents[3]
DATA = REPO / "tests" / "data" / "bigip-calico"
PREFIX = ip_network("192.168.180.0/26")  # kube-node1's block


@dataclass
class Recorded:
    """Commands that answer as the recorded lab did."""

    answers: dict[tuple[str, tuple[str, ...]], dict[str, Any]]

    def run(self, node, argv, *, stdin=None, timeout=30.0):  # type: ignore[no-untyped-def]
        found = self.answers[node, tuple(argv)]
        return Completed(node, tuple(argv), found["code"], found["stdout"], found["stderr"])


@pytest.fixture(scope="module")
def design() -> Design:
    return open_project(REPO / "topologies" / "bigip-calico" / "lab.yaml").design


@pytest.fixture(scope="module")
def evidence(design: Design) -> Evidence:
    rows = json.loads((DATA / "commands.json").read_text())
    answers = {(row["node"], tuple(row["argv"])): row for row in rows}
    capture = read_capture(DATA / "internal.pcapng")
    return take(design, Recorded(answers), lambda: capture)


def changed(evidence: Evidence, node: str, **changes: Any) -> Evidence:
    view: Any = evidence.nodes[node]
    return replace(evidence, nodes={**evidence.nodes, node: replace(view, **changes)})


def ends(design: Design, evidence: Evidence) -> list[tuple[str, str, Rung]]:
    return [(s.sender, s.receiver, s.rung) for s in stops(follow(design, evidence, PREFIX))]


def test_a_prefix_that_arrives_everywhere(design: Design, evidence: Evidence) -> None:
    steps = follow(design, evidence, PREFIX)
    assert {s.status for s in steps} == {Status.PASS}
    assert steps[0] == Step("kube-node1", "kube-node1", Rung.RIB, Status.PASS, "has it itself")
    assert {s.receiver for s in steps[1:]} == {"bigip-1", "kube-master", "kube-node2"}
    assert {s.rung for s in steps[1:]} == {
        Rung.ESTABLISHED, Rung.UPDATE, Rung.RIB, Rung.FIB, Rung.TRAFFIC,
    }  # fmt: skip
    assert set(steps[0].as_json()) == {"from", "to", "rung", "status", "observed"}


def test_it_stops_where_the_session_is_down(design: Design, evidence: Evidence) -> None:
    view: Any = evidence.nodes["bigip-1"]
    peers = tuple(replace(p, state="Active") for p in view.peers)
    got = ends(design, changed(evidence, "bigip-1", peers=peers))
    assert got == [("kube-node1", "bigip-1", Rung.ESTABLISHED)]


def test_it_stops_where_nobody_announces_it(design: Design, evidence: Evidence) -> None:
    """The sender's table has other prefixes only: the wire carries no UPDATE with this one."""
    told = design.forecast.announcements
    other = ip_network("192.168.99.0/26")
    moved = {
        way: tuple(replace(a, prefix=other) if a.prefix == PREFIX else a for a in announced)
        for way, announced in told.items()
    }
    elsewhere = replace(design, known_forecast=replace(design.forecast, announcements=moved))
    steps = stops(follow(elsewhere, evidence, other))
    assert steps[0].rung is Rung.RIB
    assert (steps[0].sender, steps[0].receiver) == ("kube-node1", "kube-node1")
    assert {s.rung for s in steps[1:]} == {Rung.UPDATE}


@pytest.mark.parametrize("broken", ["gone", "invalid", "not best"])
def test_it_stops_in_a_table(design: Design, evidence: Evidence, broken: str) -> None:
    view: Any = evidence.nodes["bigip-1"]
    rib = [r for r in view.rib if r.prefix != PREFIX or broken != "gone"]
    if broken == "invalid":
        rib = [replace(r, valid=r.prefix != PREFIX) for r in rib]
    if broken == "not best":
        rib = [replace(r, best=r.best and r.prefix != PREFIX) for r in rib]
    got = ends(design, changed(evidence, "bigip-1", rib=tuple(rib)))
    assert got == [("kube-node1", "bigip-1", Rung.RIB)]


def test_it_stops_before_a_kernel(design: Design, evidence: Evidence) -> None:
    view: Any = evidence.nodes["kube-master"]
    fib = tuple(r for r in view.fib if r.prefix != PREFIX)
    got = ends(design, changed(evidence, "kube-master", fib=fib))
    assert got == [("kube-node1", "kube-master", Rung.FIB)]


def test_it_stops_where_no_reply_comes(design: Design, evidence: Evidence) -> None:
    lost = tuple(
        replace(p, received=0) if not isinstance(p, Missing) and p.source == "bigip-1" else p
        for p in evidence.pings
    )
    got = ends(design, replace(evidence, pings=lost))
    assert got == [("kube-node1", "bigip-1", Rung.TRAFFIC)]


def test_what_cannot_be_asked_is_no_failure(design: Design, evidence: Evidence) -> None:
    silent = Missing("vtysh does not answer")
    steps = follow(design, changed(evidence, "bigip-1", rib=silent, fib=silent), PREFIX)
    unknown = [s for s in steps if s.receiver == "bigip-1" and s.rung in (Rung.RIB, Rung.FIB)]
    assert {s.status for s in unknown} == {Status.ERROR}
    assert stops(steps) == ()


def test_the_prefix_of_an_address(design: Design) -> None:
    assert prefix_of(design, "192.168.180.7") == PREFIX
    assert prefix_of(design, "192.168.180.0/26") == PREFIX
    for wrong in ("10.9.9.9", "no-prefix"):
        with pytest.raises(InputError):
            prefix_of(design, wrong)
