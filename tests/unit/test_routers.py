"""Routers of a spec: plain FRR beside the BIG-IP, and what eBGP on a shared LAN announces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labgen.design.model import Announcement
from labgen.errors import InputError
from labgen.lab.project import Project, open_project
from labgen.plan import Role

REPO = Path(__file__).parents[2]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Project]:
    """`edited(lab, file, old, new, …)`: a lab with some text of a file replaced."""

    def make(lab: str, *changes: str) -> Project:
        for name in ("topologies", "frr-configs"):
            shutil.copytree(REPO / name, tmp_path / name,
                            ignore=shutil.ignore_patterns("clab-*", "*.clab.yml"))  # fmt: skip
        for file, old, new in zip(changes[::3], changes[1::3], changes[2::3], strict=True):
            text = (tmp_path / file).read_text()
            assert old in text
            (tmp_path / file).write_text(text.replace(old, new, 1))
        return open_project(tmp_path / "topologies" / lab / "lab.yaml")

    return make


TOR = "frr-configs/tor-1.frr.conf"


def sent(project: Project, sender: str, receiver: str) -> dict[str, Announcement]:
    found = project.design.forecast.announcements[sender, receiver]
    return {str(a.prefix): a for a in found}


def test_a_tor_keeps_a_third_partys_next_hop_on_the_shared_lan(
    edited: Callable[..., Project],
) -> None:
    """RFC 4271 §5.1.3: node 2's block reaches node 1 with node 2's own address."""
    project = edited("bgp-tor")
    routes = sent(project, "tor-1", "tor-node1")
    assert str(routes["192.168.12.0/26"].next_hop) == "10.1.30.12"
    assert routes["192.168.12.0/26"].as_path == (65001, 64514)
    assert str(routes["198.51.100.0/24"].next_hop) == "10.1.30.1"
    assert "192.168.11.0/26" not in routes


def test_next_hop_self_ends_that(edited: Callable[..., Project]) -> None:
    own = "  neighbor tor-node1 next-hop-self\n exit-address-family"
    project = edited("bgp-tor", TOR, " exit-address-family", own)
    routes = sent(project, "tor-1", "tor-node1")
    assert str(routes["192.168.12.0/26"].next_hop) == "10.1.30.1"


def test_the_frr_conf_is_used_as_it_is(edited: Callable[..., Project]) -> None:
    project = edited("bgp-tor")
    files = project.artefacts
    written = (REPO / TOR).read_bytes()
    assert files["clab-bgp-tor/tor-1/frr/frr.conf"] == written
    assert "clab-bgp-tor/tor-1/lockdown.nft" not in files
    assert project.plan.node("tor-1").role is Role.ROUTER
    speaker = project.design.speaker("tor-1")
    assert speaker.add_path_receive
    assert {p.hold_time for p in speaker.peers} == {180}


def test_frrs_own_image_gets_its_addresses_from_its_configuration(
    edited: Callable[..., Project],
) -> None:
    spec = "topologies/bgp-tor/lab.yaml"
    line = "    image: quay.io/frrouting/frr:8.4.4\n    interfaces:"
    project = edited("bgp-tor", spec, "    interfaces:", line)
    node = project.plan.node("tor-1")
    assert node.image == "quay.io/frrouting/frr:8.4.4"
    assert any(b.target == "/etc/frr" and not b.read_only for b in node.binds)
    conf = project.artefacts["clab-bgp-tor/tor-1/frr/frr.conf"].decode()
    assert "interface eth1\n ip address 10.1.30.1/24\nexit\n" in conf


def test_what_a_foreign_image_lacks_is_told(edited: Callable[..., Project]) -> None:
    project = edited("bigip-calico", LAB, "    kind: bigip\n", "    kind: bigip\n    image: f:1\n")
    assert any("f:1 has no port lockdown" in note for note in project.design.notes)


def test_a_missing_policy_is_told_before_anything_runs(edited: Callable[..., Project]) -> None:
    project = edited("bgp-tor", TOR, " no bgp ebgp-requires-policy\n", "")
    notes = [n for n in project.design.notes if "RFC 8212" in n]
    assert len(notes) == 2
    assert "tor-1.frr.conf:" in notes[0]
    assert "10.1.30.11" in notes[0]


def test_redistributed_networks_are_incomplete(edited: Callable[..., Project]) -> None:
    project = edited("bgp-tor", TOR, "  network 198.51.100.0/24", "  redistribute connected")
    route = sent(project, "tor-1", "tor-node1")["10.1.30.0/24"]
    assert route.origin == "INCOMPLETE"


LAB = "topologies/bigip-calico/lab.yaml"
STATED = """\
        vlan: internal
        address: 10.1.20.5
        allow_service: [default, "tcp:179"]
"""
CONFIG = "    config: ../../frr-configs/bigip-1.imish\n"
TMSH = """\
net self internal-self {
    address 10.1.20.5/24
    allow-service {
        default
        tcp:bgp
    }
    vlan internal
}
net vlan internal {
    interfaces {
        1.1 { }
    }
    tag 20
    mtu 9000
}
net route servers {
    gw 10.1.20.21
    network 172.16.0.0/16
}
net route sink {
    blackhole
    network 172.17.0.0/16
}
net route-domain 0 {
    id 0
    routing-protocol {
        BGP
    }
}
"""


@pytest.fixture
def with_tmsh(edited: Callable[..., Project], tmp_path: Path) -> Callable[..., Project]:
    """`with_tmsh(old, new, …)`: the guide's lab with its self-IPs in a tmsh file, edited."""

    def make(*changes: str, spec: str = "") -> Project:
        text = TMSH
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / "bigip-1.tmsh").write_text(text)
        named = f"{CONFIG}    tmsh: ../../bigip-1.tmsh\n"
        return edited("bigip-calico", LAB, STATED, spec, LAB, CONFIG, named)

    return make


def test_self_ips_from_tmsh_are_what_the_spec_said(
    edited: Callable[..., Project], with_tmsh: Callable[..., Project], tmp_path: Path
) -> None:
    by_hand = open_project(REPO / LAB)
    by_tmsh = with_tmsh()
    for name in ("lockdown.nft", "frr/frr.conf"):
        path = f"clab-bigip-calico/bigip-1/{name}"
        assert by_tmsh.artefacts[path] == by_hand.artefacts[path]
    assert by_tmsh.design.routers[0].interfaces == by_hand.design.routers[0].interfaces
    lines = by_tmsh.artefacts["clab-bigip-calico/bigip-1/interfaces"].decode().splitlines()
    assert lines[-2] == "route add 172.16.0.0/16 via 10.1.20.21"
    assert lines[-1] == "route add blackhole 172.17.0.0/16"
    assert by_tmsh.design.notes == (
        f"{tmp_path / 'bigip-1.tmsh'}: without effect in the stand-in: mtu (line 14)",
    )


BAD_TMSH = {
    "an address of another network": (("10.1.20.5/24", "10.1.21.5/24"), r":1:1: .*not of the"),
    "another length": (("10.1.20.5/24", "10.1.20.5/25"), r":1:1: .*not of the segment"),
    "a node's address": (("10.1.20.5/24", "10.1.20.21/24"), r":1:1: .*belongs to `kube-node1`"),
    "a VLAN without interface": (("vlan internal\n}", "vlan dmz\n}"), r":1:1: .*VLAN `dmz`"),
    "no self-IP": (("net self internal-self {", "net self internal-self {\n floating enabled\n"),
                   r":1:1: .*no self-IP of its own"),
    "a gateway out of reach": (("gw 10.1.20.21", "gw 10.9.9.9"), r":16:1: .*10\.9\.9\.9"),
    "no BGP": (("        BGP\n", ""), r":24:1: .*no `router bgp` would run"),
    "cut off": (("    id 0\n    routing-protocol {\n        BGP\n    }\n}\n", ""),
                r":24:20: `\{` is not closed"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TMSH)
def test_a_tmsh_file_that_the_lab_contradicts_is_an_error_by_line(
    case: str, with_tmsh: Callable[..., Project]
) -> None:
    changes, pattern = BAD_TMSH[case]
    with pytest.raises(InputError, match=r"bigip-1\.tmsh" + pattern):
        with_tmsh(*changes)


@pytest.mark.parametrize("line", ["address: 10.1.20.5", "allow_service: [all]"])
def test_self_ips_stand_in_the_spec_or_in_tmsh(
    line: str, with_tmsh: Callable[..., Project]
) -> None:
    with pytest.raises(InputError, match=r"lab\.yaml:\d+:\d+: .*stands here and in"):
        with_tmsh(spec=f"        {line}\n")


def test_neither_is_an_error(edited: Callable[..., Project]) -> None:
    with pytest.raises(InputError, match=r"lab\.yaml:\d+:\d+: .*`address` is missing"):
        edited("bigip-calico", LAB, "        address: 10.1.20.5\n", "")


def test_only_the_active_unit_announces_what_floats(edited: Callable[..., Project]) -> None:
    project = edited("bigip-ha")
    routes = sent(project, "bigip-a", "ha-node1")
    assert (routes["10.99.99.100/32"].origin, str(routes["10.99.99.100/32"].next_hop)) == (
        "INCOMPLETE", "10.1.20.5",
    )  # fmt: skip
    assert sent(project, "bigip-b", "ha-node1") == {}
    for unit, state in (("bigip-a", "active"), ("bigip-b", "standby")):
        assert project.plan.node(unit).env["LABGEN_FAILOVER_STATE"] == state
        given = project.artefacts[f"clab-bigip-ha/{unit}/floating"].decode()
        assert given == "self eth1 10.1.20.7/24\n"  # the virtual one follows its pool's health
        served = json.loads(project.artefacts[f"clab-bigip-ha/{unit}/ltm.json"])
        assert served["addresses"]["10.99.99.100"]["advertisement"] == "selective"
        assert served["snat"] == [{"interface": "eth1", "address": "10.1.20.7"}]
        assert served["pools"]["web"]["monitors"][0]["interval"] == 2
        at_start = project.artefacts[f"clab-bigip-ha/{unit}/interfaces"].decode()
        assert "10.1.20.7" not in at_start
    assert project.design.notes == ()


def test_a_floating_bgp_identifier_is_told(edited: Callable[..., Project]) -> None:
    """FRR takes the highest address: with the floating one, failover resets every session."""
    project = edited("bigip-ha", "frr-configs/bigip-a.imish", "bgp router-id 10.1.20.5\n", "")
    (note,) = project.design.notes
    assert "no `bgp router-id`" in note
    assert str(project.design.speaker("bigip-a").bgp_identifier) == "10.1.20.7"
