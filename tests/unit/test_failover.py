"""Failover's order and its refusals, on units that only remember what they were told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from labgen.design.model import Design
from labgen.errors import InputError, LabError
from labgen.lab.failover import failover
from labgen.lab.project import open_project
from labgen.runtime.protocol import Completed

REPO = Path(__file__).parents[2]


class Units:
    def __init__(self, **state: str) -> None:
        self.state = {name.replace("_", "-"): s for name, s in state.items()}
        self.told: list[tuple[str, str]] = []

    def run(self, node: str, argv: Sequence[str], *, stdin: str | None = None,
            timeout: float = 30.0) -> Completed:  # fmt: skip
        if argv[1] != "show":
            self.told.append((node, argv[1]))
            self.state[node] = argv[1]
        return Completed(node, tuple(argv), 0, json.dumps({"state": self.state[node]}), "")


@pytest.fixture(scope="module")
def design() -> Design:
    return open_project(REPO / "topologies" / "bigip-ha" / "lab.yaml").design


def test_the_old_unit_lets_go_first(design: Design) -> None:
    units = Units(bigip_a="active", bigip_b="standby")
    assert failover(design, units) == ("bigip-a", "bigip-b")
    assert units.told == [("bigip-a", "standby"), ("bigip-b", "active")]


def test_with_no_active_unit_one_takes_over(design: Design) -> None:
    units = Units(bigip_a="standby", bigip_b="standby")
    assert failover(design, units, to="bigip-b") == ("none", "bigip-b")
    assert units.told == [("bigip-b", "active")]


def test_refusals_change_nothing(design: Design) -> None:
    units = Units(bigip_a="active", bigip_b="standby")
    with pytest.raises(InputError, match="is active already"):
        failover(design, units, to="bigip-a")
    with pytest.raises(InputError, match="no unit ha-node1"):
        failover(design, units, to="ha-node1")
    both = Units(bigip_a="active", bigip_b="active")
    with pytest.raises(LabError, match="both active"):
        failover(design, both)
    assert units.told == both.told == []


def test_a_lab_without_a_pair_says_so() -> None:
    single = open_project(REPO / "topologies" / "bigip-calico" / "lab.yaml").design
    with pytest.raises(InputError, match="no router has a floating self-IP"):
        failover(single, Units())
