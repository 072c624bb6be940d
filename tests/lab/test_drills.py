"""Every fault of the catalogue on a running lab: inject, the diagnosis names it, heal, all is well.

One lab serves all drills, since none may leave anything behind for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest

pytest.importorskip("labgen.lab.attach", reason="the rooms that run labs are not here")

from labgen.cli import diagnose_lab
from labgen.lab import running
from labgen.lab.fault_steps import Completed, FaultPlan, heal, inject, prepare
from labgen.lab.faults import Target, names, plan_of, target_of
from labgen.lab.operate import wait_converged
from labgen.lab.project import Project
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("drills")]
SEEN_SECONDS = 60.0


@dataclass
class Drill:
    """A deployed lab, and how to reach its nodes: by the engine, so that processes stay."""

    project: Project
    engine: DockerRuntime
    target: Target

    def run(self, node: str, argv: Sequence[str], stdin: str | None) -> Completed:
        lab = running.find(self.engine, self.project.name)
        return running.EngineCommands(self.engine, lab).run(node, argv, stdin=stdin)

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, bool, deadline=45.0, what=what, interval=0.2)

    def causes(self) -> list[str]:
        result = diagnose_lab.diagnose_project(self.project, self.engine)
        return [cause.fault.name for cause in result.causes]

    def converged(self) -> None:
        lab = running.find(self.engine, self.project.name)
        commands = running.EngineCommands(self.engine, lab)
        wait_converged(self.project.design, commands, deadline=120.0)


@pytest.fixture(scope="module")
def drill(deployed: Callable[[str, str], Project], engine: DockerRuntime) -> Drill:
    project = deployed("bigip-calico", "drills")
    return Drill(project, engine, target_of(project.design, "kube-node1"))


def test_a_healthy_lab_has_no_cause(drill: Drill) -> None:
    assert drill.causes() == []


@pytest.mark.parametrize("name", names())
def test_drill(drill: Drill, name: str) -> None:
    plan: FaultPlan = plan_of(name, drill.target)
    injection = prepare(plan, drill.run)
    inject(plan, injection, drill.run, drill.wait)
    try:
        wait_until(
            drill.causes,
            lambda causes: causes[:1] == [name],
            deadline=SEEN_SECONDS,
            what=f"diagnosis of {name}",
            interval=1.0,
        )
    finally:
        heal(plan, injection, drill.run, drill.wait)
    drill.converged()
    wait_until(
        drill.causes,
        lambda causes: causes == [],
        deadline=SEEN_SECONDS,
        what="a healthy lab",
        interval=1.0,
    )
