"""Translations load into real FRR without a word; imish, sessions and lockdown are real."""

from __future__ import annotations

import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labgen.bigip import source, zebos
from labgen.bigip.lockdown import allow, ruleset
from labgen.bigip.translate import translate

ROOT = Path(__file__).parents[3]
# importlib mode has no sibling imports; these cases serve the unit tests as well
sys.path.insert(0, str(ROOT / "tests" / "unit" / "bigip"))
from statements import CASES, Case  # noqa: E402 - the path comes first

if TYPE_CHECKING:
    from conftest import StandIn

pytestmark = pytest.mark.lab

DATA = ROOT / "tests" / "data" / "zebos"
PUBLIC = sorted(DATA.glob("*"))
# what FRR says after any change of graceful restart, also on a configuration without a fault
NOTICE = "Graceful restart configuration changed"


@pytest.fixture(scope="module")
def said(stand_in: StandIn) -> dict[str, str]:
    """File name -> what vtysh said of it, for every statement and every public configuration."""
    files = {
        f"/tmp/t/case-{number}.conf": translate(
            zebos.parse(f"{case.before}{case.zebos}\n", "case")
        ).frr_conf
        for number, case in enumerate(CASES)
    }
    files |= {f"/tmp/t/{p.name}.conf": translate(source.read(p)).frr_conf for p in PUBLIC}
    stand_in.put(files)
    output = stand_in.script("load", *files)
    parts = output.split("== /tmp/t/")[1:]
    return {name: text for name, _, text in (part.partition("\n") for part in parts)}


def complaints(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip() and NOTICE not in line]


@pytest.mark.parametrize(
    ("number", "case"),
    list(enumerate(CASES)),
    ids=[f"{c.before[:6].strip()}|{c.zebos}" for c in CASES],
)
def test_statement_loads(said: dict[str, str], number: int, case: Case) -> None:
    assert complaints(said[f"case-{number}.conf"]) == [], case.zebos


@pytest.mark.parametrize("path", PUBLIC, ids=lambda p: p.name)
def test_public_configuration_loads(said: dict[str, str], path: Path) -> None:
    assert complaints(said[f"{path.name}.conf"]) == []


def test_a_fault_is_seen(stand_in: StandIn) -> None:
    """The check above can fail: the same run reports what FRR does not know."""
    stand_in.put({"/tmp/t/bad.conf": "router bgp 1\n max-paths ebgp 2\n"})
    assert "Unknown command" in stand_in.script("load", "/tmp/t/bad.conf")


TYPED = """\
configure terminal
router bgp 64512
neighbor calico-k8s peer-group
neighbor calico-k8s remote-as 64512
neighbor calico-k8s timers connect 1
neighbor calico-k8s password not-a-real-secret
neighbor 10.1.20.20 peer-group calico-k8s
neighbor 10.1.20.20 soft-reconfiguration inbound
neighbor 10.1.20.99 remote-as 64999
redistribute kernel
network 10.50.0.0/16
max-paths ibgp 2
no neighbor 10.1.20.99
exit
ip prefix-list P seq 5 permit 10.0.0.0/8 le 32
ip prefix-list P seq 10 deny any
route-map out permit 10
match ip address prefix-list P
set local-preference 200
exit
router bgp 64512
neighbor calico-k8s route-map out out
neighbor 10.1.20.20 description kube-master
aggregate-address 10.60.0.0/16 summary-only
neighbor fd00::99 remote-as 64999
neighbor fd00::99 password another-one
neighbor fd00::99 shutdown
address-family ipv6
neighbor fd00::99 activate
neighbor fd00::99 prefix-list P6 out
network fd01::/64
exit-address-family
exit
ipv6 prefix-list P6 seq 5 permit fd01::/64
end
write
"""
PEER = """\
router bgp 64512
 no bgp network import-check
 neighbor 10.1.20.5 remote-as 64512
 neighbor 10.1.20.5 password not-a-real-secret
 neighbor 10.1.20.5 timers connect 1
 address-family ipv4 unicast
  network 192.168.221.192/26
 exit-address-family
exit
"""
UP = (30, "192.168.221.192/26", "show ip route bgp")


@pytest.fixture(scope="module")
def typed(stand_in: StandIn) -> str:
    """A configuration typed into imish, with its session up; what FRR then runs."""
    stand_in.put({"/tmp/t/peer.conf": PEER})
    stand_in.script("fresh")
    stand_in.script("peer", "/tmp/t/peer.conf")
    answer = stand_in.imish(*TYPED.splitlines())
    assert answer == "Building configuration...\n[OK]\n"
    stand_in.script("until_shown", *map(str, UP))
    return stand_in.run("vtysh", "-c", "show running-config")[1]


def test_round_trip(stand_in: StandIn, typed: str) -> None:
    """Typed, shown, pasted into a new stand-in: the same FRR, the same session and route."""
    shown = stand_in.imish("show running-config")
    assert shown == stand_in.imish("show startup-config")
    routes = stand_in.imish("show ip bgp")
    assert "192.168.221.192/26" in routes
    stand_in.script("fresh")
    pasted = ["configure terminal", *shown.splitlines(), "write"]
    stand_in.imish(*pasted)
    stand_in.script("until_shown", *map(str, UP))
    assert stand_in.imish("show running-config") == shown
    assert sorted(stand_in.run("vtysh", "-c", "show running-config")[1].splitlines()) == sorted(
        typed.splitlines()
    )
    again = stand_in.imish("show ip bgp")
    assert again.splitlines()[4:] == routes.splitlines()[4:]


def test_typed_lines_end_where_the_whole_file_ends(stand_in: StandIn, typed: str) -> None:
    """Line by line through imish, or translated at once: FRR runs the same."""
    shown = stand_in.imish("show running-config")
    stand_in.put({"/tmp/t/whole.conf": translate(zebos.parse(shown, "t")).frr_conf})
    assert complaints(stand_in.script("load", "/tmp/t/whole.conf").partition("\n")[2]) == []
    whole = stand_in.run("vtysh", "-c", "show running-config")[1]
    assert sorted(whole.splitlines()) == sorted(typed.splitlines())


def test_taking_everything_back_leaves_nothing(stand_in: StandIn) -> None:
    stand_in.script("fresh")
    before = stand_in.run("vtysh", "-c", "show running-config")[1]
    stand_in.imish(*TYPED.splitlines())
    stand_in.imish(
        "configure terminal",
        "no router bgp 64512",
        "no route-map out",
        "no ip prefix-list P",
        "no ipv6 prefix-list P6",
        "end",
    )
    assert stand_in.run("vtysh", "-c", "show running-config")[1] == before
    assert "64512" not in stand_in.imish("show running-config")


def test_refused_input_changes_nothing(stand_in: StandIn) -> None:
    stand_in.script("fresh")
    stand_in.imish("configure terminal", "router bgp 64512", "neighbor 10.1.20.20 remote-as 64512")
    before = stand_in.run("vtysh", "-c", "show running-config")[1]
    answer = stand_in.imish(
        "configure terminal",
        "router bgp 64513",
        "router bgp 64512",
        "neighbor 10.1.20.21 peer-group nope",
        "neighbor 10.1.20.20 nonsense",
        "synchronization",
        "neighbor 10.1.20.5 remote-as 64512",  # its own address: FRR itself refuses
    )
    assert answer.count("% ") >= 5, answer
    assert "local system as neighbor" in answer
    assert stand_in.run("vtysh", "-c", "show running-config")[1] == before


@pytest.mark.parametrize(
    ("words", "bgp", "ssh"),
    [
        ((), "silent", "silent"),
        (("default",), "silent", "Connection refused"),
        (("tcp:bgp",), "open", "silent"),
        (("default", "tcp:179"), "open", "Connection refused"),
        (("all",), "open", "Connection refused"),
    ],
)  # fmt: skip
def test_lockdown(stand_in: StandIn, words: tuple[str, ...], bgp: str, ssh: str) -> None:
    """Silence, not a reset, where nothing is allowed; nothing listens on 22, so it is refused."""
    stand_in.put({"/tmp/t/lock.nft": ruleset({ip_address("10.1.20.5"): allow(words)})})
    stand_in.script("fresh")
    # FRR resets callers that it does not know, so the peer has to be one
    stand_in.imish("configure terminal", "router bgp 64512", "neighbor 10.1.20.20 remote-as 64512")
    stand_in.script("eval", "nft -f /tmp/t/lock.nft")
    assert stand_in.script("connects", "10.1.20.5", "179").strip() == bgp
    assert stand_in.script("connects", "10.1.20.5", "22").strip() == ssh
    stand_in.script("eval", "nft flush ruleset")


def test_behind_lockdown_the_bigips_own_connection_still_comes_up(stand_in: StandIn) -> None:
    """K17333: lockdown is for what comes in; that is why one-sided blocking goes unnoticed."""
    stand_in.put({"/tmp/t/lock.nft": ruleset({ip_address("10.1.20.5"): allow(())})})
    stand_in.script("fresh")
    stand_in.script("peer", "/tmp/t/peer.conf")
    stand_in.script("eval", "nft -f /tmp/t/lock.nft")
    stand_in.imish(*TYPED.splitlines())
    stand_in.script("until_shown", *map(str, UP))
    ends = stand_in.imish("show ip bgp neighbors 10.1.20.20 | include Foreign port")
    assert ends == "Foreign host: 10.1.20.20, Foreign port: 179\n"
    stand_in.script("eval", "nft flush ruleset")


def test_the_guides_two_outputs(stand_in: StandIn) -> None:
    stand_in.script("fresh")
    stand_in.imish(*TYPED.splitlines())
    stand_in.script("until_shown", *map(str, UP))
    lines = stand_in.imish("sh ip bgp neighbors").splitlines()
    assert lines[0] == "BGP neighbor is 10.1.20.20, remote AS 64512, local AS 64512, internal link"
    assert " Member of peer-group calico-k8s for session parameters" in lines
    assert "  BGP version 4, remote router ID 10.1.20.20" in lines
    assert any(line.startswith("  BGP state = Established, up for 00:00:") for line in lines)
    route = stand_in.imish("sh ip route bgp").splitlines()
    assert route[0].startswith(
        "B       192.168.221.192/26 [200/0] via 10.1.20.20, internal, 00:00:"
    )
    assert route[-1] == "Gateway of last resort is not set"
