"""What nodes say of their machines, in the columns of `kubectl get nodes -o wide`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from labgen.errors import LabError
from labgen.kubernetes import kubectl
from labgen.kubernetes.objects import NodeInfo
from labgen.kubernetes.shell import Clusters
from labgen.lab.clusters import beginning
from labgen.lab.datastore_files import real_stamps
from labgen.lab.node_info import parse, told, wanted
from labgen.lab.project import open_project
from labgen.runtime.protocol import Completed

PROJECT = open_project(Path(__file__).parents[3] / "topologies/two-clusters/lab.yaml")
STAMPS = real_stamps()
STATE = beginning(PROJECT.loaded.spec, PROJECT.design, STAMPS)
SAID = "Debian GNU/Linux 12 (bookworm)\n6.1.0-28-amd64\n"


class Machine:
    """Answers as a node and as an engine; `code` is what its commands exit with."""

    def __init__(self, code: int = 0) -> None:
        self.code = code

    def run(self, node: str, argv: Sequence[str], **_: Any) -> Completed:
        return Completed(node, tuple(argv), self.code, SAID, "")

    def engine(self) -> str:
        return "docker://20.10.24"


def test_what_a_node_says() -> None:
    assert parse(SAID) == NodeInfo(
        os_image="Debian GNU/Linux 12 (bookworm)", kernel_version="6.1.0-28-amd64"
    )


def test_the_columns_are_full() -> None:
    state = told(STATE, Machine(), Machine())  # type: ignore[arg-type]
    states = Clusters({n: c.kubernetes for n, c in state.clusters.items()}, "cluster-b")
    out = kubectl.kubectl(["get", "nodes", "-o", "wide"], states, read=lambda _: [],
                          now=STAMPS.now()).out  # fmt: skip
    for line in out.splitlines()[1:]:
        assert "v1.32.0+labgen" in line
        assert line.endswith("Debian GNU/Linux 12 (bookworm)   6.1.0-28-amd64   docker://20.10.24")


def test_a_node_that_does_not_answer_is_unknown_not_an_error() -> None:
    assert told(STATE, Machine(code=1), Machine()) is STATE  # type: ignore[arg-type]

    class NoEngine(Machine):
        def engine(self) -> str:
            raise LabError("it is gone")

    assert told(STATE, Machine(), NoEngine()) is STATE  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("line", "asks"),
    [
        ("get nodes -o wide", True),
        ("--cluster=a get no -owide", True),
        ("describe node/n1", True),
        ("get pods,nodes -o yaml", True),
        ("get nodes", False),
        ("get pods -o wide", False),
        ("drain node n1", False),
    ],
)
def test_only_what_shows_nodes_asks_them(line: str, asks: bool) -> None:
    assert wanted(line.split()) is asks
