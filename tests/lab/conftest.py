"""Labs of real containers. Each test module deploys its own, under a name of its own."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgen.errors import HostError
from labgen.lab.attach import attached
from labgen.lab.project import Project
from labgen.runtime.docker import DockerRuntime

REPO = Path(__file__).parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything below this directory needs containers."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerRuntime]:
    """The Docker engine; without one these tests are skipped with the reason."""
    try:
        runtime = DockerRuntime()
    except HostError as error:
        pytest.skip(str(error))
    with contextlib.closing(runtime):
        yield runtime


def copy_of(lab: str, name: str, root: Path) -> Path:
    """A topology under another lab name, with everything that it points at. Returns its spec."""
    ignore = shutil.ignore_patterns("clab-*", "*.clab.yml")
    shutil.copytree(REPO / "topologies" / lab, root / "topologies" / lab, ignore=ignore)
    shutil.copytree(REPO / "frr-configs", root / "frr-configs")
    spec = root / "topologies" / lab / "lab.yaml"
    text = spec.read_text()
    assert f"name: {lab}\n" in text
    spec.write_text(text.replace(f"name: {lab}\n", f"name: {name}\n", 1))
    return spec


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`copied(lab, name)`: the spec of a copy of a topology under another name."""
    root = tmp_path_factory.mktemp("labs")
    return lambda lab, name: copy_of(lab, name, root / name)


@pytest.fixture(scope="module")
def deployed(
    engine: DockerRuntime, copied: Callable[[str, str], Path]
) -> Iterator[Callable[[str, str], Project]]:
    """`deployed(lab, name)`: a copy of a topology, running and converged until the module ends."""
    with contextlib.ExitStack() as stack:
        yield lambda lab, name: stack.enter_context(attached(str(copied(lab, name)), engine))
