"""The spec's statements on the wire, judged on a recorded lab: each one green and each one red."""

from __future__ import annotations

import shutil
import typing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from labgen.bgp.capabilities import CAPABILITY_NAMES, CLASSES
from labgen.capture.read import read_capture
from labgen.check.ladder import verify
from labgen.check.model import Finding, Status
from labgen.check.stated import judge
from labgen.design.model import Design
from labgen.design.wire import Stated
from labgen.errors import InputErrors
from labgen.evidence import Evidence, Missing
from labgen.lab.project import open_project
from labgen.spec.wire import Capability, WireStatement

REPO = Path(__file__).parents[3]
LAB = REPO / "topologies" / "bigip-calico" / "lab.yaml"
CAPTURE = REPO / "tests" / "data" / "bigip-calico" / "internal.pcapng"
NODE, BIGIP = "kube-master", "bigip-1"


@cache
def design() -> Design:
    return open_project(LAB).design


@cache
def evidence() -> Evidence:
    return Evidence(datetime.now(UTC), read_capture(CAPTURE), {})


def judged(sender: str = NODE, **said: object) -> list[Finding]:
    receiver = BIGIP if sender == NODE else NODE
    statement = WireStatement.model_validate({"from": sender, "to": receiver, **said})
    session = next(s for s in design().sessions if {s.a.node, s.b.node} == {NODE, BIGIP})
    stated = replace(design(), stated=(Stated(session, sender, statement),))
    return list(judge(stated, evidence()))


BLOCK = "192.168.221.192/26"
GREEN_AND_RED = {
    "offers": (["four_octet_as", "graceful_restart"], ["role"]),
    "lacks": (["role"], ["four_octet_as"]),
    "open": ({"asn": 64512, "hold_time": 240}, {"hold_time": 90}),
    "negotiated": (
        {"four_octet_as": True, "families": ["ipv4/unicast"]},
        {"families": ["ipv4/unicast", "ipv6/unicast"]},
    ),
    "end_of_rib": (["ipv4/unicast"], ["ipv6/unicast"]),
    "never": (["notification"], ["update"]),
    "established_within": ("60s", "0s"),
    "absent": (["10.0.0.0/8"], [BLOCK]),
    "announces": ({BLOCK: {"next_hop": "10.1.20.20", "origin": "IGP"}}, {"10.0.0.0/8": None}),
    "in_order": ([{"announce": BLOCK}], [{"withdraw": BLOCK}]),
}


@pytest.mark.parametrize("said", GREEN_AND_RED)
def test_green_and_red(said: str) -> None:
    green, red = GREEN_AND_RED[said]
    assert {f.status for f in judged(**{said: green})} == {Status.PASS}
    assert {f.status for f in judged(**{said: red})} == {Status.FAIL}


def test_withdrawals_and_keepalives_need_to_be_seen() -> None:
    """The recorded lab withdrew nothing, and its capture is shorter than a keepalive interval."""
    (verdict,) = judged(withdraws=[BLOCK])
    assert verdict.status is Status.FAIL
    assert verdict.observed.startswith("announced: via 10.1.20.20")
    (regular,) = judged(keepalives=True)
    assert regular.status is Status.PASS


def test_a_finding_has_its_place_in_the_ladder() -> None:
    (finding,) = judged(absent=[BLOCK])
    assert finding.session == "bigip-1 ↔ kube-master"
    assert finding.rung.title == "UPDATE"
    assert finding.check == "wire-absent"
    assert finding.evidence == (f"{CAPTURE} frame 40",)


def test_without_a_capture_nothing_is_judged() -> None:
    statement = WireStatement.model_validate({"from": NODE, "to": BIGIP, "end_of_rib": []})
    stated = replace(design(), stated=(Stated(design().sessions[0], NODE, statement),))
    blind = replace(evidence(), wire=Missing("no capture is there"))
    (finding,) = [f for f in verify(stated, blind) if f.check == "wire"]
    assert (finding.status, finding.observed) == (Status.ERROR, "no capture is there")


def test_the_spec_knows_every_capability_that_is_decoded() -> None:
    assert set(typing.get_args(Capability)) == {CAPABILITY_NAMES[kind.CODE] for kind in CLASSES}


def lab_with(tmp_path: Path, wire: str) -> Path:
    for directory in (LAB.parent, REPO / "frr-configs"):
        target = tmp_path / directory.relative_to(REPO)
        shutil.copytree(directory, target, ignore=shutil.ignore_patterns("clab-*"))
    spec = tmp_path / LAB.relative_to(REPO)
    spec.write_text(spec.read_text() + wire)
    return spec


def test_a_lab_states_what_the_wire_must_show(tmp_path: Path) -> None:
    wire = """
wire:
  - from: kube-master
    to: bigip-1
    offers: [graceful_restart]
    announces:
      192.168.221.192/26: {next_hop: 10.1.20.20, local_pref: 100}
    absent: [10.96.0.0/12]
"""
    design = open_project(lab_with(tmp_path, wire)).design
    found = [f for f in verify(design, evidence()) if f.check.startswith("wire-")]
    assert [(f.check, f.status.value) for f in found] == [
        ("wire-offers", "PASS"),
        ("wire-announces", "FAIL"),
        ("wire-absent", "PASS"),
    ]
    assert "local_pref 2147482623" in found[1].observed


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (
            "wire: [{from: kube-master, to: nobody}]",
            "no session between `kube-master` and `nobody`",
        ),
        ("wire: [{from: kube-master, to: bigip-1, offers: [wings]}]", "wings"),
        ("wire: [{from: a, to: b, in_order: [{}]}]", "either `announce` or `withdraw`"),
    ],
)
def test_a_statement_that_makes_no_sense(tmp_path: Path, wire: str, words: str) -> None:
    with pytest.raises(InputErrors, match=words.replace("[", r"\[")):
        _ = open_project(lab_with(tmp_path, "\n" + wire + "\n")).design
