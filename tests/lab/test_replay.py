"""Both guides, line by line, in a lab's shell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labgen.lab import shell
from labgen.lab.current import current_design
from labgen.lab.guide import steps
from labgen.lab.project import Project
from labgen.lab.replay import Verdict, replay

REFERENCE = Path(__file__).parents[3] / "shared" / "reference"
# Why a command is answered, but not as the guide shows it: by the line in the guide.
DIFFERENT_1 = {
    46: "FRR's counters and capabilities",
    56: "the interface is eth1 here, a VLAN there",
    70: "the interface is eth1 here, a VLAN there",
    107: "a lab has no etcd, scheduler or CoreDNS",
    126: "a lab's pod has no priority and no Calico annotations",
    150: "counters, and the queue length of a newer kernel",
}
DIFFERENT_2 = {
    30: "the id of a Docker network on the author's machine",
    271: "without a terminal kubectl does not ask for Enter; the ClusterIP is the author's",
}


def guide(name: str) -> str:
    path = REFERENCE / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside this repository")
    return path.read_text(encoding="utf-8")


def followed(project: Project, text: str, *, rst: bool) -> dict[int, tuple[Verdict, str]]:
    nodes = frozenset(s.node for s in current_design(project).speakers)
    with shell.made(project.name, project.loaded.path.resolve()) as made:
        results = list(replay(steps(text, rst=rst), made, nodes))
    return {r.step.line: (r.verdict, r.reason) for r in results}


def different(found: dict[int, tuple[Verdict, str]]) -> dict[int, str]:
    return {line: why for line, (verdict, why) in found.items() if verdict is not Verdict.ANSWERED}


def test_the_first_guide(deployed: Callable[[str, str], Project]) -> None:
    text = guide("bgp-verify.rst")
    found = followed(deployed("bigip-calico", "test-replay-one"), text, rst=True)
    assert len(found) == 10
    assert set(different(found)) <= set(DIFFERENT_1), different(found)
    assert not [line for line, (v, _) in found.items() if v is Verdict.UNSUPPORTED]


def test_the_second_guide(deployed: Callable[[str, str], Project]) -> None:
    text = guide("bgp-on-k8s.md")
    found = followed(deployed("two-clusters", "test-replay-two"), text, rst=False)
    assert len(found) == 68
    assert set(different(found)) == set(DIFFERENT_2), different(found)
    assert not [line for line, (v, _) in found.items() if v is Verdict.UNSUPPORTED]
