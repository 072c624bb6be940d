"""Acting, waiting, judging, counting: on a lab that a test makes up, with a clock of its own."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from labgen.bgp.conversation import Capture
from labgen.check.model import Rung, Status
from labgen.errors import CommandFailed, LabError
from labgen.evidence import FibRoute, Missing, PeerView, RibRoute
from labgen.lab.clusters import beginning
from labgen.lab.datastore_files import real_stamps
from labgen.lab.fault_blocks import Target
from labgen.lab.live import Answered
from labgen.lab.project import open_project
from labgen.observe.bird import parse_cluster_lists
from labgen.rehearsal.calls import Texts
from labgen.rehearsal.judging import Condition, Phase, Seen, conditions, reach
from labgen.rehearsal.observing import Look
from labgen.rehearsal.outages import Sample
from labgen.rehearsal.probing import Probing, flows_of, probing
from labgen.rehearsal.result import Outcome, Rehearsal
from labgen.rehearsal.stages import Stageplay, play
from labgen.rehearsal.targets import Places
from labgen.report import rehearsal as report
from labgen.report import rehearsal_html
from labgen.runtime.protocol import Completed
from labgen.spec.stages import Expect

REPO = Path(__file__).parents[3]
PROJECT = open_project(REPO / "topologies/two-clusters/lab.yaml")
STATE = beginning(PROJECT.loaded.spec, PROJECT.design, real_stamps())
PLACES = Places(PROJECT.design, STATE)
A, M02, M03 = (ip_address(f"172.17.0.{n}") for n in (2, 3, 4))
BLOCK = ip_network("10.210.1.0/26")


@dataclass
class Observed:
    """A look whose answers a test writes."""

    peers_of: Mapping[str, Any] = field(default_factory=dict)
    ribs: Mapping[str, Any] = field(default_factory=dict)
    fibs: Mapping[str, Any] = field(default_factory=dict)
    lists: Mapping[str, Any] = field(default_factory=dict)

    def peers(self, node: str) -> Any:
        return self.peers_of.get(node, Missing(f"{node}: it does not run"))

    def rib(self, node: str, version: int) -> Any:
        return self.ribs.get(node, ())

    def fib(self, node: str, version: int) -> Any:
        return self.fibs.get(node, ())

    def cluster_lists(self, node: str, version: int) -> Any:
        return self.lists.get(node, {})


def peer(address: object, state: str = "Established", asn: int = 64512) -> PeerView:
    return PeerView(f"Mesh_{address}", ip_address(str(address)), asn, state, state,
                    last_error="Connection refused" if state != "Established" else "")  # fmt: skip


def path(via: object, prefix: object = BLOCK) -> RibRoute:
    return RibRoute(ip_network(str(prefix)), ip_address(str(via)), True, True, "IGP", (), 100, None)


def route(*via: object, prefix: object = BLOCK, protocol: str = "bird") -> FibRoute:
    hops = tuple((ip_address(str(v)), "eth1") for v in via)
    return FibRoute(ip_network(str(prefix)), "unicast", protocol, 1024, hops)


def judged(expect: Mapping[str, Any], seen: Observed) -> list[tuple[str, bool | None, str]]:
    stated = Expect.model_validate({"converged": False, **expect})
    found = conditions(stated, PLACES, PROJECT.design, None)  # type: ignore[arg-type]
    return [(c.check, s.ok, s.observed) for c in found for s in [c.judge(seen)]]  # type: ignore[arg-type]


def test_sessions_are_exactly_those() -> None:
    expect = {"sessions": {"cluster-a": ["cluster-a-m02", "cluster-a-m03"]}}
    assert judged(expect, Observed({"cluster-a": (peer(M02), peer(M03))})) == [
        ("sessions", True, "2 Established: cluster-a-m02, cluster-a-m03")
    ]
    missing = judged(expect, Observed({"cluster-a": (peer(M02), peer(M03, "Connect"))}))
    assert missing[0][1:] == (
        False,
        "no session with cluster-a-m03; cluster-a-m03 is Connect (Connection refused)",
    )
    more = judged(expect, Observed({"cluster-a": (peer(M02), peer(M03), peer("172.17.0.5"))}))
    assert more[0][1:] == (False, "not expected: cluster-a-m04")
    assert judged(expect, Observed())[0][1:] == (None, "cluster-a: it does not run")


def test_the_as_is_what_the_peers_negotiated() -> None:
    everywhere = {s.node: () for s in PROJECT.design.speakers}
    nodes = ["172.17.0.6", "172.17.0.7", "172.17.0.8", "172.17.0.9"]
    good = Observed(everywhere | {"cluster-b": tuple(peer(n, asn=64513) for n in nodes)})
    expect = {"as_numbers": {"cluster-b": 64513}}
    assert judged(expect, good)[0][1] is True
    wrong = Observed(everywhere | {"cluster-b": tuple(peer(n) for n in nodes)})
    assert "cluster-b is in AS 64512" in judged(expect, wrong)[0][2]
    idle = Observed(everywhere | {"cluster-b": tuple(peer(n, "Idle", 64513) for n in nodes)})
    assert judged(expect, idle)[0][1] is False  # configured is not negotiated


def routes(**more: Any) -> dict[str, Any]:
    return {"routes": [{"nodes": ["cluster-a"], "to": "10.210.0.0/16", **more}]}


def test_routes_by_their_exact_next_hops() -> None:
    both = Observed(ribs={"cluster-a": (path(M02), path(M03))},
                    fibs={"cluster-a": (route(M02, M03),)})  # fmt: skip
    expect = routes(via=["cluster-a-m02", "cluster-a-m03"])
    assert [ok for _, ok, _ in judged(expect, both)] == [True, True]
    one = Observed(ribs=both.ribs, fibs={"cluster-a": (route(M02),)})
    rib, fib = judged(expect, one)
    assert rib[1] is True
    assert fib[1:] == (False, "10.210.1.0/26 via cluster-a-m02")
    assert judged(routes(as_many=2), both)[0][1:] == (False, "1 routes")


@pytest.mark.parametrize("protocol", ["kernel", "static"])
def test_only_what_bgp_brought_counts(protocol: str) -> None:
    seen = Observed(fibs={"cluster-a": (route(M02, protocol=protocol),)})
    assert judged(routes() | {}, seen)[1][1] is False


def test_absence_looks_at_rib_and_fib() -> None:
    expect = routes(absent=True)
    assert [ok for _, ok, _ in judged(expect, Observed())] == [True, True]
    seen = judged(expect, Observed(ribs={"cluster-a": (path(M02),)}))
    assert [(check, ok) for check, ok, _ in seen] == [("rib-absent", False), ("fib-absent", True)]
    assert "10.210.1.0/26" in seen[0][2]


def test_the_cluster_list_of_reflected_paths() -> None:
    expect = routes(cluster_list=["244.0.0.1"])
    right = {"cluster-a": {BLOCK: frozenset({(), (ip_address("244.0.0.1"),)})}}
    assert judged(expect, Observed(lists=right))[-1][1] is True
    wrong = {"cluster-a": {BLOCK: frozenset({(ip_address("244.0.0.2"),)})}}
    assert judged(expect, Observed(lists=wrong))[-1][1:] == (False, "244.0.0.2")
    none = {"cluster-a": {BLOCK: frozenset({()})}}
    assert judged(expect, Observed(lists=none))[-1][2] == "no reflected path"


def test_cluster_lists_are_read_from_bird() -> None:
    text = (
        "BIRD 1.6.8 ready.\n"
        "10.200.97.0/26     via 172.17.0.2 on eth1 [Node_172_17_0_4 04:48:10 from 172.17.0.4] *"
        " (100/0) [i]\n"
        "\tType: BGP unicast univ\n\tBGP.as_path: \n\tBGP.originator_id: 172.17.0.2\n"
        "\tBGP.cluster_list: 244.0.0.1 244.0.0.9\n"
        "                   via 172.17.0.2 on eth1 [Mesh_172_17_0_2 04:48:10] (100/0) [i]\n"
        "\tType: BGP unicast univ\n\tBGP.as_path: \n"
    )  # fmt: skip
    ids = (ip_address("244.0.0.1"), ip_address("244.0.0.9"))
    assert parse_cluster_lists(text) == {ip_network("10.200.97.0/26"): frozenset({ids, ()})}


# --- waiting ----------------------------------------------------------------------------------


def condition(name: str, phase: Phase, *answers: bool | None) -> tuple[Condition, list[int]]:
    asked: list[int] = []

    def judge(_: Look) -> Seen:
        asked.append(1)
        return Seen(answers[min(len(asked), len(answers)) - 1], f"look {len(asked)}")

    return Condition(name, Rung.RIB, phase, name, "yes", judge), asked


def test_absence_is_judged_after_everything_else_and_twice() -> None:
    state, _ = condition("state", Phase.STATE, False, False, True)
    gone, asked = condition("gone", Phase.ABSENCE, True)
    found = reach([gone, state], lambda: None, deadline=5)  # type: ignore[arg-type, return-value]
    assert [f.status for f in found] == [Status.PASS, Status.PASS]
    assert len(asked) == 2


def test_what_comes_late_is_not_absent() -> None:
    gone, _ = condition("gone", Phase.ABSENCE, True, False)
    assert reach([gone], lambda: None, deadline=5)[0].status is Status.FAIL  # type: ignore[arg-type, return-value]


def test_a_deadline_leaves_the_last_look_and_what_was_not_reached() -> None:
    state, _ = condition("state", Phase.STATE, False)
    traffic, asked = condition("traffic", Phase.TRAFFIC, True)
    broken, _ = condition("broken", Phase.STATE, None)
    found = reach([state, traffic, broken], lambda: None, deadline=0.1)  # type: ignore[arg-type, return-value]
    assert [f.status for f in found] == [Status.FAIL, Status.SKIP, Status.ERROR]
    assert found[1].observed == "not reached"
    assert not asked


# --- paths -----------------------------------------------------------------------------------


class Counting:
    """Legs that count what a test says; `through` of the connects get through."""

    def __init__(self, through: int, *counts: int) -> None:
        self.through, self.counts, self.tables = through, dict(zip(LEGS, counts, strict=True)), 0

    def run(self, node: str, argv: Sequence[str], **more: Any) -> Completed:
        said = ""
        if argv[0] == "python3":
            said = f"{self.through}\n"
        elif argv == ("nft", "-f", "-"):
            assert "ip dscp 43" in more["stdin"]
            self.tables += 1
        elif "delete" in argv:
            self.tables -= 1
        elif argv[0] == "nft":
            counter = {"counter": {"packets": self.counts[node], "bytes": 0}}
            said = json.dumps({"nftables": [{"metainfo": {}}, {"rule": {"expr": [{}, counter]}}]})
        return Completed(node, tuple(argv), 0, said, "")


LEGS = ("cluster-b-m03", "cluster-b-m04")


@pytest.mark.parametrize(
    ("through", "counts", "ok"),
    [(48, (20, 28), True), (48, (0, 48), False), (48, (48, 0), False), (47, (20, 28), False)],
)
def test_every_leg_carries_some_of_the_flows(
    through: int, counts: tuple[int, int], ok: bool
) -> None:
    commands = Counting(through, *counts)
    traffic = {"from": "shell-a", "to": {"pod": "shell-b"}, "kind": "icmp", "over": list(LEGS)}
    stated = Expect.model_validate({"converged": False, "traffic": [traffic]})
    found = conditions(stated, PLACES, PROJECT.design, commands)
    assert [c.check for c in found] == ["traffic", "legs"]
    seen = found[1].judge(Observed())  # type: ignore[arg-type]
    assert seen.ok is ok
    assert f"{through} of 48 connects; SYNs over cluster-b-m03 {counts[0]}" in seen.observed
    assert commands.tables == 0  # the filters that counted are gone


# --- playing ----------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        self.ns += 1_000_000
        return self.ns


@dataclass
class MadeUpLab:
    """Answers commands, and notes them; `refusing` is the verb that fails."""

    refusing: str = ""
    done: list[str] = field(default_factory=list)

    @property
    def state(self) -> Any:
        return STATE

    def design(self) -> Any:
        return PROJECT.design

    def run(self, node: str, argv: Sequence[str], *, timeout: float = 30.0) -> Completed:
        self.done.append(f"{node}: {' '.join(argv)}")
        return Completed(node, tuple(argv), 0, "", "")

    def _answer(self, argv: Sequence[str]) -> Answered:
        self.done.append(" ".join(argv))
        bad = argv[0] == self.refusing
        return Answered(err="it said no\n" if bad else "", code=int(bad))

    def calicoctl(self, cluster: str, argv: Sequence[str], **_: Any) -> Answered:
        return self._answer(argv)

    def kubectl(self, cluster: str | None, argv: Sequence[str], **_: Any) -> Answered:
        return self._answer(argv)

    def add_node(self, cluster: str, name: str, **_: Any) -> object:
        return self.done.append(f"add {name}")

    def remove_node(self, cluster: str, name: str) -> object:
        return self.done.append(f"remove {name}")


class Silence:
    """Commands that answer nothing but success."""

    def run(self, node: str, argv: Sequence[str], **_: Any) -> Completed:
        return Completed(node, tuple(argv), 0, "", "")


class NoFaults:
    """A lab without faults."""

    def inject(self, fault: str, target: Target) -> object:
        raise LabError(f"{fault} cannot be injected")

    def heal(self, fault: str, target: Target) -> object:
        raise LabError(f"{fault} cannot be healed")


def staged(*stages: Mapping[str, Any]) -> Any:
    quiet = {"converged": False}
    made = [{"expect": quiet, **s} for s in stages]
    return PROJECT.loaded.spec.model_validate(
        {**PROJECT.loaded.spec.model_dump(by_alias=True, mode="json", exclude_unset=True),
         "stages": made}
    )  # fmt: skip


def played(lab: MadeUpLab, spec: Any, probes: Probing | None = None, clock: Any = None) -> Any:
    probes = probes or Probing((), lab.run)
    on = Stageplay(lab, spec, Texts(PROJECT.loaded), Silence(), NoFaults(), probes,  # type: ignore[arg-type]
                   lambda: Capture(()), now=clock or Clock())  # fmt: skip
    return play(on, spec.stages)


ACTIONS = [
    {"label": {"cluster": "cluster-a", "nodes": ["cluster-a"], "labels": {"x": "y", "z": ""}}},
    {"drain": {"cluster": "cluster-a", "nodes": ["cluster-a-m03"]}},
    {"add_node": {"cluster": "cluster-a", "name": "cluster-a-m05"}},
    {"remove_node": {"cluster": "cluster-a", "name": "cluster-a-m05"}},
    {"run": {"node": "shell-a", "argv": ["true"]}},
]


def test_actions_become_the_programs_command_lines() -> None:
    lab = MadeUpLab()
    found = played(lab, staged({"name": "one", "actions": ACTIONS}))
    assert [s.outcome for s in found] == [Outcome.PASS]
    assert lab.done == [
        "label node cluster-a x=y z- --overwrite",
        "drain --ignore-daemonsets cluster-a-m03",
        "add cluster-a-m05",
        "remove cluster-a-m05",
        "shell-a: true",
    ]


def test_a_refused_action_ends_the_rehearsal_with_what_was_said() -> None:
    spec = staged({"name": "one", "actions": ACTIONS[1:2]}, {"name": "two"})
    found = played(MadeUpLab(refusing="drain"), spec)
    assert [s.outcome for s in found] == [Outcome.ERROR, Outcome.NOT_RUN]
    assert "it said no" in found[0].story[0]
    assert "drain cluster-a-m03" in found[0].story[0]


class Deaf(Probing):
    """Probes that cannot be read any more."""

    def read_until(self, time_ns: int) -> None:
        raise LabError("shell-b: the journal is gone")


def test_probes_that_cannot_be_read_are_an_error_not_a_pass() -> None:
    lab = MadeUpLab()
    probes = Deaf(flows_of(PROJECT.loaded.spec.probes, PLACES)[:1], lab.run)
    found = played(lab, staged({"name": "one", "max_gap": "1s"}, {"name": "two"}), probes)
    assert [s.outcome for s in found] == [Outcome.ERROR, Outcome.NOT_RUN]
    assert "the journal is gone" in found[0].story[0]


@dataclass
class FewFaults:
    """Faults by name; `stuck` cannot be healed."""

    stuck: str = ""
    there: list[str] = field(default_factory=list)

    def inject(self, fault: str, target: Target) -> object:
        return self.there.append(f"{fault} on {target.node}")

    def heal(self, fault: str, target: Target) -> object:
        if fault == self.stuck:
            raise LabError("BIRD does not answer")
        return self.there.remove(f"{fault} on {target.node}")


BIGIP = open_project(REPO / "topologies/bigip-calico/lab.yaml")


class MadeUpBigip(MadeUpLab):
    """A lab in which faults fit."""

    def design(self) -> Any:
        return BIGIP.design


def with_faults(faults: FewFaults, *actions: Mapping[str, Any]) -> tuple[Any, list[str]]:
    lab = MadeUpBigip()
    spec = staged({"name": "one", "actions": list(actions)})
    on = Stageplay(lab, spec, Texts(PROJECT.loaded), Silence(), faults, Probing((), lab.run),  # type: ignore[arg-type]
                   lambda: Capture(()), now=Clock())  # fmt: skip
    return play(on, spec.stages), on.notes


def fault(verb: str, name: str = "md5-mismatch", **more: str) -> dict[str, Any]:
    return {verb: {"fault": name, **more}}


def test_a_fault_is_healed_where_it_was_put_in() -> None:
    faults = FewFaults()
    found, notes = with_faults(faults, fault("inject", node="kube-node2"), fault("heal"))
    assert (found[0].outcome, faults.there, notes) == (Outcome.PASS, [], [])


def test_a_fault_that_is_still_in_at_the_end_is_taken_out() -> None:
    faults = FewFaults()
    _, notes = with_faults(faults, fault("inject", node="kube-node2"))
    assert (faults.there, notes) == ([], [])


def test_a_fault_that_cannot_be_taken_out_is_told() -> None:
    faults = FewFaults(stuck="md5-mismatch")
    found, notes = with_faults(faults, fault("inject"), fault("inject", "both-passive"))
    assert found[0].outcome is Outcome.PASS
    assert notes == ["the fault md5-mismatch is still in the lab: BIRD does not answer"]
    assert faults.there == ["md5-mismatch on kube-master"]


class Replayed(Probing):
    """Probes whose samples a test writes: 100 a second, `lost` those without an answer."""

    def __init__(self, lab: MadeUpLab, start: int, lost: range) -> None:
        super().__init__(flows_of(PROJECT.loaded.spec.probes, PLACES)[2:3], lab.run)
        number = self.flows[0].number
        self.samples[number] = [
            Sample(number, start + i * 20_000, None if i in lost else 300, "t" if i in lost else "")
            for i in range(200)
        ]

    def read_until(self, time_ns: int) -> None:
        """All is there."""


@pytest.mark.parametrize(("limit", "outcome"), [("1ms", Outcome.FAIL), ("10ms", Outcome.PASS)])
def test_a_threshold_turns_a_stage_red(limit: str, outcome: Outcome) -> None:
    lab, clock = MadeUpLab(), Clock()
    spec = staged({"name": "one", "actions": ACTIONS, "max_gap": limit, "max_lost": 199})
    probes = Replayed(lab, clock.ns, range(60, 140))
    result = played(lab, spec, probes, clock)[0]
    assert result.outcome is outcome
    loss = result.losses[0]
    assert loss.lost > 0
    if outcome is Outcome.FAIL:
        assert "no gap longer than 1 ms" in result.story[0]
    whole = Rehearsal("two-clusters", (result,), 1.0, True)
    told = "\n".join(report.lines(whole))
    assert loss.flow in told
    assert json.loads(json.dumps(whole.as_json()))["stages"][0]["flows"][0]["lost"] == loss.lost
    suites = ET.fromstring(report.junit(whole))
    assert int(suites.get("failures", "0")) == (2 if outcome is Outcome.FAIL else 0)
    assert loss.flow in rehearsal_html.page(whole)


# --- probes -----------------------------------------------------------------------------------


def test_probes_are_started_read_and_taken_away() -> None:
    started: list[tuple[str, ...]] = []

    def start(node: str, argv: Sequence[str], *, stdin: bytes | None = None) -> Completed:
        started.append((node, *argv))
        said = {"python3": "77\n", "cat": f"77 (a b) S {'0 ' * 10}20 10 0\n"}.get(argv[0], "")
        assert (stdin is not None) is (argv[0] == "python3")
        return Completed(node, tuple(argv), 0, said, "")

    def run(node: str, argv: Sequence[str]) -> Completed:
        text = "0 1000 5\n= 2000\n0 3000" if argv[2] == "+1" else "= 4000\n"
        return Completed(node, tuple(argv), 0, text, "")

    flows = flows_of(PROJECT.loaded.spec.probes, PLACES)[:1]
    with probing(flows, start, run, seconds=60) as probes:
        probes.read_until(3500)
        assert probes.of(flows[0]) == (Sample(0, 1000, 5),)
        assert probes.journals[0].octets == len("0 1000 5\n= 2000\n") + len("= 4000\n")
    assert [call[1] for call in started] == ["sh", "touch", "python3", "cat", "kill", "rm"]
    assert probes.cost["shell-a"] > 0.3
    assert started[0][0] == "shell-a"


def test_probes_that_cannot_start_are_no_silence() -> None:
    def start(node: str, argv: Sequence[str], *, stdin: bytes | None = None) -> Completed:
        return Completed(node, tuple(argv), 2, "", "no such file")

    flows = flows_of(PROJECT.loaded.spec.probes, PLACES)[:1]
    with (
        pytest.raises((LabError, CommandFailed), match="no such file"),
        probing(flows, start, start, seconds=1),
    ):
        pass
