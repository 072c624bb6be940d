"""Routers of a spec: plain FRR beside the BIG-IP, and what eBGP on a shared LAN announces."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labgen.design.model import Announcement
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
