"""Faults as steps: every one leaves the lab as it was, on nodes that keep state in memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labgen.check.diagnosis.faults import GALLERY
from labgen.errors import InputError, LabError
from labgen.lab import collect, injected
from labgen.lab.fault_steps import (
    BIRD_CONFIG,
    BIRD_SOCKET,
    EditBird,
    FaultPlan,
    Injection,
    heal,
    inject,
    prepare,
)
from labgen.lab.faults import Target, names, plan_of

TARGET = Target(
    "bigip-1",
    "10.1.20.5",
    64512,
    "kube-node1",
    "10.1.20.21",
    (("kube-master", "10.1.20.20"), ("kube-node2", "10.1.20.22")),
)
BGP = """router bgp 64512
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor calico-k8s peer-group
 neighbor calico-k8s remote-as 64512
 neighbor 10.1.20.20 peer-group calico-k8s
 neighbor 10.1.20.21 peer-group calico-k8s
 neighbor 10.1.20.22 peer-group calico-k8s
 !
 address-family ipv4 unicast
  maximum-paths 1
 exit-address-family
exit
"""


def bird_config(own: str) -> str:
    """As labgen renders it: confd's form, one protocol for each peer."""
    peers = "".join(
        f"protocol bgp {kind}_{a.replace('.', '_')} from bgp_template {{\n"
        f"  neighbor {a} as 64512;\n  source address {own};\n  multihop;\n"
        "  import filter {\n    accept;\n  };\n"
        "  export filter {\n    if ( true ) then {\n      accept;\n    }\n    reject;\n  };\n}\n\n"
        for kind, a in (
            ("Global", "10.1.20.5"),
            *(("Mesh", x) for _, x in TARGET.nodes if x != own),
        )
    )
    return (
        f'include "bird_aggr.cfg";\nrouter id {own};\ntemplate bgp bgp_template {{\n'
        f"  local as 64512;\n}}\n\n{peers}"
    )


@dataclass
class Done:
    code: int = 0
    stdout: str = ""
    stderr: str = ""


@dataclass
class FakeNode:
    """A node's state: files, packet filters, routes, `router bgp`, and what BIRD last read."""

    files: dict[str, str] = field(default_factory=dict)
    tables: set[str] = field(default_factory=set)
    routes: set[str] = field(default_factory=set)
    processes: set[str] = field(default_factory=set)
    bgp: str = ""
    bird: str = ""

    def run(self, argv: Sequence[str], stdin: str | None) -> Done:
        command = getattr(self, argv[0].replace("-", "_"), None)
        if command is None:
            return Done(127, stderr=f"{argv[0]}: not found")
        done = command(list(argv[1:]), stdin)
        assert isinstance(done, Done)
        return done

    def vtysh(self, argv: list[str], stdin: str | None) -> Done:
        if argv[0] == "-f":
            self.bgp = self.files[argv[1]]
        elif argv[-1].startswith("no router bgp"):
            assert f"router bgp {argv[-1].split()[-1]}\n" in self.bgp
            self.bgp = ""
        elif argv[-1] == "show running-config":
            return Done(stdout=f"frr version 8.4.4\n!\n{self.bgp}!\nend\n")
        return Done()

    def birdc(self, argv: list[str], stdin: str | None) -> Done:
        if "configure" in argv:
            path = argv[-1].strip('"')
            if path not in self.files:
                return Done(stdout="BIRD 1.6.8 ready.\nUnable to open configuration file\n")
            self.bird = self.files[path]
            return Done(stdout="BIRD 1.6.8 ready.\nReconfigured\n")
        return Done()

    def tee(self, argv: list[str], stdin: str | None) -> Done:
        self.files[argv[0]] = stdin or ""
        return Done()

    def cat(self, argv: list[str], stdin: str | None) -> Done:
        return Done(stdout=self.files[argv[0]])

    def rm(self, argv: list[str], stdin: str | None) -> Done:
        for path in argv:
            self.files.pop(path, None)
        return Done()

    def mv(self, argv: list[str], stdin: str | None) -> Done:
        source, target = [a for a in argv if not a.startswith("-")]
        if source not in self.files:
            return Done(1, stderr="no such file")
        self.files[target] = self.files.pop(source)
        return Done()

    def nft(self, argv: list[str], stdin: str | None) -> Done:
        if argv[0] == "-f":
            self.tables.add(re.match(r"table (\w+ \w+)", stdin or "")[1])  # type: ignore[index]
            return Done()
        name = " ".join(argv[2:])
        found = name in self.tables
        self.tables.discard(name)
        return Done(0 if found else 1)

    def ip(self, argv: list[str], stdin: str | None) -> Done:
        change = self.routes.discard if argv[1] == "del" else self.routes.add
        change(f"{argv[0]} {argv[2]}")
        return Done()

    def python3(self, argv: list[str], stdin: str | None) -> Done:
        if "fork" in argv[1]:
            self.processes.add("python")
        return Done()

    def bird_(self, argv: list[str], stdin: str | None) -> Done:
        self.processes.add("bird")
        self.files[BIRD_SOCKET] = "second"
        return Done()

    def pkill(self, argv: list[str], stdin: str | None) -> Done:
        self.processes.clear()
        return Done()


class FakeLab:
    def __init__(self) -> None:
        self.nodes = {TARGET.router: FakeNode(bgp=BGP.replace(" !\n", ""))}
        for name, address in TARGET.nodes:
            text = bird_config(address)
            files = {BIRD_CONFIG: text, BIRD_SOCKET: "first"}
            self.nodes[name] = FakeNode(files=files, bird=text)
        self.fails: Callable[[str, Sequence[str]], bool] = lambda node, argv: False

    def run(self, node: str, argv: Sequence[str], stdin: str | None) -> Done:
        if self.fails(node, argv):
            return Done(1, stderr="refused")
        if argv[0] == "bird":
            return self.nodes[node].bird_(list(argv[1:]), stdin)
        return self.nodes[node].run(argv, stdin)

    def state(self) -> dict[str, str]:
        return {name: repr(node) for name, node in self.nodes.items()}


def wait(condition: Callable[[], bool], what: str) -> None:
    """A double's daemons are always ready."""


def test_the_catalogue_is_the_gallery() -> None:
    assert {plan_of(n, TARGET).code: n for n in names()} == {c: f.name for c, f in GALLERY.items()}
    assert plan_of("g4", TARGET) == plan_of("wrong-remote-as", TARGET)


def test_an_unknown_fault_says_where_the_names_are() -> None:
    with pytest.raises(InputError, match=r"no fault is called G30.*labgen fault list"):
        plan_of("G30", TARGET)
    with pytest.raises(InputError, match=r"did you mean md5-mismatch"):
        plan_of("md5-missmatch", TARGET)


def test_a_destroyed_lab_has_no_faults(tmp_path: Path) -> None:
    target = tmp_path / "faults" / "wrong-remote-as.json"
    target.parent.mkdir()
    target.write_text(Injection("wrong-remote-as").to_json())
    assert [i.name for i in injected.injected(tmp_path)] == ["wrong-remote-as"]
    injected.forget(tmp_path)
    assert injected.injected(tmp_path) == ()


@pytest.mark.parametrize(
    "line",
    [
        " neighbor 10.1.20.20 password s3cret",
        " neighbor 10.1.20.20 password 7 s3cret",
        '  password "s3cret s3cret";',
        "  password 's3cret';",
        "root@node:~# calicoctl --password=s3cret",
        "s3cretState   Recv-Q Send-Q  Local Address:Port",
        "\t md5keys:10.1.20.20/32=s3cret bbr wscale:10,10",
    ],
)
def test_a_collected_text_has_no_password(line: str) -> None:
    (text,) = collect.logs(["node"], lambda _: [line]).values()
    assert "s3cret" not in text
    assert "*****" in text


@pytest.mark.parametrize("name", names())
def test_inject_changes_the_lab_and_heal_changes_it_back(name: str) -> None:
    lab, plan = FakeLab(), plan_of(name, TARGET)
    before = lab.state()
    injection = prepare(plan, lab.run)
    inject(plan, injection, lab.run, wait)
    assert lab.state() != before
    heal(plan, Injection.from_json(injection.to_json()), lab.run, wait)
    assert lab.state() == before


@pytest.mark.parametrize("name", names())
def test_heal_without_fault_does_no_harm(name: str) -> None:
    lab, plan = FakeLab(), plan_of(name, TARGET)
    before = lab.state()
    heal(plan, prepare(plan, lab.run), lab.run, wait)
    assert lab.state() == before


def test_a_step_that_fails_undoes_those_before_it() -> None:
    lab, plan = FakeLab(), plan_of("tcp-179-filtered", TARGET)
    before = lab.state()
    lab.fails = lambda node, argv: node == TARGET.node and argv[:2] == ("nft", "-f")
    with pytest.raises(LabError, match="kube-node1: `nft -f -` failed: refused"):
        inject(plan, prepare(plan, lab.run), lab.run, wait)
    assert lab.state() == before


def test_an_edit_that_finds_nothing_is_an_error() -> None:
    lab = FakeLab()
    lab.nodes[TARGET.node].files[BIRD_CONFIG] = "router id 10.1.20.21;\n"
    plan = plan_of("wrong-remote-as", TARGET)
    with pytest.raises(LabError, match="this fault does not fit this lab"):
        inject(plan, prepare(plan, lab.run), lab.run, wait)


def test_bird_that_refuses_the_configuration_is_an_error() -> None:
    lab = FakeLab()
    lab.fails = lambda node, argv: "configure" in argv and "fault" in argv[-1]
    plan = FaultPlan("x", "", "", (EditBird(TARGET.node),))
    with pytest.raises(LabError, match="kube-node1"):
        inject(plan, prepare(plan, lab.run), lab.run, wait)


def test_a_damaged_record_is_input_that_is_wrong() -> None:
    with pytest.raises(InputError, match="damaged"):
        Injection.from_json("{")
