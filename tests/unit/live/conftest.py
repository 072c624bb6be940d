"""The second guide's lab on an engine in memory, with a BIRD that takes or refuses."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labgen.lab.current import begin
from labgen.lab.deploy import deploy
from labgen.lab.live import LiveLab, live
from labgen.lab.project import Project, open_project
from labgen.runtime.memory import MemoryRuntime

REPO = Path(__file__).parents[3]


@dataclass
class Bird:
    """Answers the commands of a change; `refuses` and `fails` name nodes (by container)."""

    refuses: set[str] = field(default_factory=set)
    fails: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, container: str, argv: Sequence[str], _: str) -> tuple[int, str, str]:
        line = " ".join(argv)
        self.asked.append((container, line))
        if " -p -c " in line:
            if container in self.refuses:
                return 1, "", f"{argv[-1]}, line 7: syntax error"
            return 0, "", ""
        if line.endswith(" configure"):
            if container in self.fails:
                return 0, "BIRD 1.6.8 ready.\nReading configuration\nsyntax error\n", ""
            return 0, "BIRD 1.6.8 ready.\nReading configuration\nReconfigured\n", ""
        return 0, "", ""

    def configured(self) -> list[str]:
        return sorted({c for c, line in self.asked if line.endswith(" configure")})


@pytest.fixture
def bird() -> Bird:
    return Bird()


@pytest.fixture
def engine(bird: Bird) -> MemoryRuntime:
    return MemoryRuntime(answer=bird)


@pytest.fixture
def project(tmp_path: Path, engine: MemoryRuntime) -> Project:
    """The lab, deployed."""
    place = tmp_path / "two-clusters"
    ignore = shutil.ignore_patterns("clab-*", "*.clab.yml")
    shutil.copytree(REPO / "topologies" / "two-clusters", place, ignore=ignore)
    opened = open_project(place / "lab.yaml")
    deploy(opened.plan, opened.artefacts, opened.directory, topology_file=opened.topology_file,
           runtime=engine)  # fmt: skip
    begin(opened)
    return opened


@pytest.fixture
def lab(project: Project, engine: MemoryRuntime) -> Iterator[LiveLab]:
    with live(project, engine) as opened:
        yield opened
