"""Peerings that both ends dial: who is told of them first, and what the others wait for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from labgen.calico.calicoctl import command as calicoctl
from labgen.calico.datastore import Stamps
from labgen.design.model import Design
from labgen.lab import clusters, dialling
from labgen.lab.current import design_of
from labgen.lab.datastore_files import manifests, real_stamps
from labgen.lab.dialling import groups, wait_counted
from labgen.lab.project import open_project
from labgen.runtime.protocol import Completed

LAB = Path(__file__).parents[3] / "topologies" / "two-clusters"
FIRST, SECOND = ("cluster-a", "cluster-a-m02"), ("cluster-a-m03", "cluster-a-m04")
REFLECTOR = '{"spec": {"bgp": {"routeReflectorClusterID": "244.0.0.1"}}}'
PROTOCOL = """\
BIRD 1.6.8 ready.
name     proto    table    state  since       info
Node_x   BGP      master   start  18:05:56    Active
  BGP state:          Active
    Neighbor address: {}
    Neighbor AS:      64512
    Connect delay:    {}
"""


@pytest.fixture(scope="module")
def reflecting() -> Design:
    """cluster-a as its reflectors' file makes it: its nodes dial the reflectors, and they them."""
    project = open_project(LAB / "lab.yaml")
    stamps: Stamps = real_stamps()
    state = clusters.beginning(project.loaded.spec, project.design, stamps)
    cluster = state.clusters["cluster-a"]
    store = cluster.calico
    for argv in (
        *(("patch", "node", n, "-p", REFLECTOR) for n in SECOND),
        *(("label", "node", n, "route-reflector=true") for n in SECOND),
        ("apply", "-f", str(LAB / "cluster_a_calicomanifests/bgp-rr-configuration.yaml")),
    ):
        result = calicoctl.run(argv, store, read=manifests(), stamps=stamps)
        assert result.status == 0, result.stderr
        store = result.store
    return design_of(project.loaded, state.having(clusters.after_calicoctl(cluster, store, stamps)))


class Birds:
    """Each answers with the next of its delays, or the last one again."""

    def __init__(self, peer: str, *delays: str) -> None:
        self.peer, self.delays, self.asked = peer, list(delays), list[str]()

    def run(
        self, node: str, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 30.0
    ) -> Completed:
        self.asked.append(node)
        delay = self.delays.pop(0) if len(self.delays) > 1 else self.delays[0]
        code = 1 if delay == "dead" else 0
        return Completed(node, tuple(argv), code, PROTOCOL.format(self.peer, delay), "")


def test_reflectors_are_told_after_their_clients(reflecting: Design) -> None:
    assert groups(reflecting, (*SECOND, *FIRST)) == (FIRST, SECOND)
    assert groups(reflecting, SECOND) == (SECOND[:1], SECOND[1:])


def test_who_meets_nobody_halfway_is_told_at_once() -> None:
    mesh = open_project(LAB / "lab.yaml").design  # of the two ends of a mesh's peering, one dials
    assert groups(mesh, (*FIRST, *SECOND)) == ((*FIRST, *SECOND),)
    assert groups(mesh, ()) == ()


def test_the_second_end_waits_for_the_first_ones_first_second(reflecting: Design) -> None:
    birds = Birds("172.17.0.4", "2/2", "2/2", "2/2", "1/2")
    wait_counted(reflecting, SECOND, birds)
    assert not birds.delays[1:]
    assert set(birds.asked) == set(FIRST)


@pytest.mark.parametrize(
    ("peer", "delay"), [("172.17.0.99", "2/2"), ("172.17.0.4", "0/2"), ("172.17.0.4", "dead")]
)
def test_other_delays_are_not_waited_for(reflecting: Design, peer: str, delay: str) -> None:
    birds = Birds(peer, delay)
    wait_counted(reflecting, SECOND, birds)
    assert sorted(birds.asked) == sorted(FIRST)


def test_a_delay_that_does_not_count_is_no_error(
    reflecting: Design, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "COUNTED_SECONDS", 0.1)
    birds = Birds("172.17.0.4", "2/2")
    wait_counted(reflecting, SECOND, birds)
    assert len(birds.asked) > len(FIRST)
