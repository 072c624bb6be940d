"""Each ZebOS statement becomes what it must in FRR, or is reported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labgen.bigip import zebos
from labgen.bigip.rules import Severity, Verdict
from labgen.bigip.translate import Row, translate

sys.path.insert(0, str(Path(__file__).parent))
from statements import CASES, ROUTER, Case

DATA = Path(__file__).parents[2] / "data" / "zebos"


def row_of(text: str) -> Row:
    last = len(text.splitlines())
    rows = translate(zebos.parse(text, "t.conf")).rows
    return next(row for row in rows if row.mark and row.mark.line == last and row.zebos)


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.before[:6].strip()}|{c.zebos}")
def test_statement(case: Case) -> None:
    row = row_of(f"{case.before}{case.zebos}\n")
    assert (row.verdict.value, row.frr) == (case.verdict, case.frr)
    if row.verdict is not Verdict.SAME:
        assert row.reason
    if row.verdict is Verdict.UNSUPPORTED:
        assert row.severity is not Severity.NONE


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("synchronization", "never waits for an IGP"),
        ("auto-summary", "does not summarize"),
        ("address-family ipv4 vrf red", "route domain of its own"),
        ("neighbor 10.0.0.1 password 7 c0ffee", "encrypted"),
        ("bgp bestpath med remove-recv-med", "cannot strip MED"),
    ],
)
def test_what_changes_routes_and_cannot_be_honoured_is_an_error(
    statement: str, complaint: str
) -> None:
    problems = translate(zebos.parse(f"{ROUTER} {statement}\n", "t.conf")).problems
    assert [complaint in str(p) for p in problems] == [True]
    assert str(problems[0]).startswith("t.conf:7:2: ")
    assert "c0ffee" not in str(problems[0])


def test_a_password_is_in_frr_conf_alone() -> None:
    text = f"{ROUTER} neighbor 10.0.0.1 password open-sesame\n"
    config = zebos.parse(text, "t.conf")
    translation = translate(config)
    assert "neighbor 10.0.0.1 password open-sesame\n" in translation.frr_conf
    for shown in (repr(translation), repr(config), str(translation.rows)):
        assert "open-sesame" not in shown


def test_a_route_map_that_nobody_defined_denies_in_plain_sight() -> None:
    text = f"{ROUTER} neighbor 10.0.0.1 route-map gone in\n"
    translation = translate(zebos.parse(text, "t.conf"))
    assert "route-map gone deny 65535\n" in translation.frr_conf
    assert "the route map `gone` is not defined" in row_of(text).reason


@pytest.mark.parametrize(
    ("stated", "added"),
    [
        ("timers bgp 10 35", "timers bgp 30 90"),
        ("max-paths ebgp 2", "maximum-paths 1"),
        ("max-paths ibgp 2", "maximum-paths ibgp 1"),
        ("network synchronization", "no bgp network import-check"),
        ("neighbor G advertisement-interval 1", "neighbor G advertisement-interval 5"),
    ],
)
def test_a_default_gives_way_to_what_is_stated(stated: str, added: str) -> None:
    def lines(text: str) -> list[str]:
        conf = translate(zebos.parse(text, "t.conf")).frr_conf
        return [line.strip() for line in conf.splitlines()]

    assert added in lines(ROUTER)
    assert added not in lines(f"{ROUTER} {stated}\n")


@pytest.mark.parametrize(
    ("lines", "standing", "gone"),
    [
        ("timers bgp 10 35\ntimers bgp 20 60", "timers bgp 20 60", "timers bgp 10 35"),
        ("neighbor 10.0.0.1 passive\nno neighbor 10.0.0.1 passive", "", "passive"),
        ("redistribute kernel\nno redistribute kernel", "", "redistribute kernel"),
        ("no neighbor 10.0.0.1", "neighbor fd00::1 remote-as 64513", "neighbor 10.0.0.1"),
        ("no neighbor 10.0.0.1 remote-as 64513", "", "neighbor 10.0.0.1"),
        ("no neighbor G peer-group", "neighbor 10.0.0.1 remote-as 64513", "neighbor 10.0.0.2"),
        ("exit\nno router bgp 64512", "frr defaults", "router bgp"),
        ("neighbor G weight 5\naddress-family ipv4\nno neighbor G weight", "", "weight"),
    ],
)
def test_later_lines_replace_and_take_back(lines: str, standing: str, gone: str) -> None:
    conf = translate(zebos.parse(f"{ROUTER}{lines}\n", "t.conf")).frr_conf
    assert standing in conf
    assert gone not in conf


def test_a_prefix_list_goes_with_all_its_entries() -> None:
    text = "ip prefix-list P seq 5 permit any\nip prefix-list P seq 10 deny any\n"
    conf = translate(zebos.parse(f"{text}no ip prefix-list P\n", "t.conf")).frr_conf
    assert "prefix-list" not in conf
    conf = translate(zebos.parse(f"{text}no ip prefix-list P seq 5\n", "t.conf")).frr_conf
    assert "seq 5" not in conf
    assert "ip prefix-list P seq 10 deny any\n" in conf


@pytest.mark.parametrize(
    ("given", "expected"),
    [("internal", "eth1"), ("/Common/internal", "eth1"), ("lo", "lo")],
)
def test_a_vlan_becomes_its_interface(given: str, expected: str) -> None:
    text = f"{ROUTER} neighbor 10.0.0.1 update-source {given}\ninterface {given}\n"
    conf = translate(zebos.parse(text, "t.conf"), interfaces={"/Common/internal": "eth1"}).frr_conf
    assert f"neighbor 10.0.0.1 update-source {expected}\n" in conf
    assert f"interface {expected}\n" in conf


def test_an_unknown_vlan_is_an_error_that_names_the_known_ones() -> None:
    text = f"{ROUTER} neighbor 10.0.0.1 update-source external\n"
    problems = translate(zebos.parse(text, "t.conf"), interfaces={"internal": "eth1"}).problems
    assert [str(p) for p in problems] == [
        "t.conf:7:2: the VLAN `external` has no interface here (known VLANs: internal)"
    ]


@pytest.mark.parametrize("path", sorted(DATA.glob("*")), ids=lambda p: p.name)
def test_every_line_of_the_public_configurations_has_a_row(path: Path) -> None:
    from labgen.bigip import source

    translation = translate(source.read(path)).require()
    told = {row.mark.line for row in translation.rows if row.mark and row.zebos}
    text = path.read_text(encoding="utf-8").splitlines()
    start = next((i for i, line in enumerate(text, 1) if "ZebOS.conf" in line), 0)
    wanted = {
        n
        for n, line in enumerate(text, 1)
        if n > start and line.strip() and not line.strip().startswith("!")
    }
    assert told == wanted
