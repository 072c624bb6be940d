"""Real containers for the runtime's tests: one small lab per module, removed afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import sample

from labgen.errors import HostError
from labgen.lab import running
from labgen.lab.deploy import Deployment, deploy
from labgen.lab.destroy import destroy
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime
from labgen.runtime.protocol import Commands

BLOCKS = tuple(block for _, block in sample.NODES.values())


@dataclass(frozen=True)
class Lab:
    """A deployed sample lab and what a test needs to look at it."""

    deployment: Deployment
    runtime: DockerRuntime
    root: Path

    @property
    def running(self) -> running.RunningLab:
        return running.find(self.runtime, self.deployment.lab)

    @property
    def commands(self) -> running.EngineCommands:
        return running.EngineCommands(self.runtime, self.running)


def until_routes(commands: Commands) -> None:
    """Wait until every kernel that routes holds every block."""
    for node in ("bigip-1", *sample.NODES):
        wait_until(
            lambda node=node: commands.run(node, ["ip", "route"]).check().stdout,
            lambda text: all(f"{block} " in text for block in BLOCKS),
            deadline=30,
            what=f"every block in the kernel of {node}",
        )


@pytest.fixture(scope="session")
def runtime() -> DockerRuntime:
    try:
        return DockerRuntime()
    except HostError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def bring_up(
    runtime: DockerRuntime, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Lab]]:
    made: list[str] = []

    def up(name: str) -> Lab:
        root = tmp_path_factory.mktemp(name)
        made.append(name)
        deployment = deploy(
            sample.plan(name),
            sample.artefacts(name),
            root,
            topology_file=root / f"{name}.clab.yml",
            runtime=runtime,
            wait=until_routes,
        )
        return Lab(deployment, runtime, root)

    yield up
    for name in made:
        destroy(name, runtime=runtime, cleanup=True)


@pytest.fixture(scope="module")
def lab(bring_up: Callable[[str], Lab], request: pytest.FixtureRequest) -> Lab:
    return bring_up("rt-" + Path(request.module.__file__).stem.removeprefix("test_"))
