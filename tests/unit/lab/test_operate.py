"""Waiting for a lab's state: what is asked of whom, and what a wait that fails says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from labgen.errors import NotReady
from labgen.lab.operate import wait_converged
from labgen.lab.project import open_project
from labgen.runtime.protocol import Completed

BIGIP_CALICO = Path(__file__).parents[3] / "topologies" / "bigip-calico" / "lab.yaml"


class Quiet:
    """Nodes whose daemons answer and have nothing to tell; each look takes `step` seconds."""

    def __init__(self, step: float) -> None:
        self.step, self.now = step, 100.5
        self.asked: list[tuple[str, str]] = []

    def clock(self) -> float:
        self.now += self.step
        return self.now

    def run(
        self, node: str, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 30.0
    ) -> Completed:
        self.asked.append((node, argv[-1]))
        text = "[]" if argv[0] == "ip" else "{}" if argv[0] == "vtysh" else "BIRD 1.6.8 ready.\n"
        return Completed(node, tuple(argv), 0, text, "")


def test_a_wait_that_fails_names_what_is_missing() -> None:
    lab = Quiet(0.0)
    with pytest.raises(NotReady, match=r"kube-master: no session with 10\.1\.20\.\d+"):
        wait_converged(open_project(BIGIP_CALICO).design, lab, deadline=0.0, clock=lab.clock)


def test_each_bird_is_asked_for_its_status_when_a_second_of_its_clock_has_passed() -> None:
    lab = Quiet(0.4)
    with pytest.raises(NotReady):
        wait_converged(open_project(BIGIP_CALICO).design, lab, deadline=0.5, clock=lab.clock)
    turned = [node for node, question in lab.asked if question == "status"]
    seconds = int(lab.now) - 100
    assert 1 <= turned.count("kube-master") <= seconds
    assert {turned.count(n) for n in turned} == {turned.count("kube-master")}
    assert set(turned) == {"kube-master", "kube-node1", "kube-node2"}  # FRR keeps its own time
