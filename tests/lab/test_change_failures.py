"""Changes that meet trouble: two at once, a node half-way down, a node that is dead."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgen.errors import LabError
from labgen.lab import content_files
from labgen.lab.live import LiveLab, live
from labgen.lab.operate import wait_converged
from labgen.lab.project import Project
from labgen.runtime.docker import DockerRuntime

NAME = "test-change-failures"
NODES = ("tor-node1", "tor-node2")
SOCKET = "/var/run/calico/bird.ctl"
PEER = """\
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: absent}
spec: {peerIP: 10.1.30.99, asNumber: 65099}
"""
NEW = "Global_10_1_30_99"


@pytest.fixture(scope="module")
def project(deployed: Callable[[str, str], Project]) -> Project:
    return deployed("bgp-tor", NAME)


@pytest.fixture
def lab(project: Project, engine: DockerRuntime) -> Iterator[LiveLab]:
    with live(project, engine) as opened:
        yield opened


@pytest.fixture
def peer(tmp_path: Path) -> str:
    path = tmp_path / "peer.yaml"
    path.write_text(PEER)
    return str(path)


def argv(project: Project, *words: str) -> list[str]:
    spec = str(project.loaded.path)
    return [sys.executable, "-m", "labgen", "calicoctl", "--lab", spec, "--cluster", "k8s", *words]


def has_new_peer(lab: LiveLab, node: str) -> bool:
    return NEW in lab.run(node, ("birdc", "-s", SOCKET, "show", "protocols")).check().stdout


def kept(lab: LiveLab) -> tuple[object, dict[Path, bytes]]:
    root = lab.project.lab_directory
    return content_files.load(root), {p: p.read_bytes() for p in root.glob("*/confd/*.cfg")}


def test_two_commands_at_once_both_count(project: Project, tmp_path: Path, lab: LiveLab) -> None:
    running = []
    for number in range(3):
        path = tmp_path / f"pool{number}.yaml"
        path.write_text(
            "apiVersion: projectcalico.org/v3\nkind: IPPool\n"
            f"metadata: {{name: pool{number}}}\n"
            f"spec: {{cidr: 10.8{number}.0.0/16, disabled: true}}\n"
        )
        words = argv(project, "apply", "-f", str(path))
        running.append(
            subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    for process in running:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "Successfully applied 1 'IPPool' resource(s)\n"), (
            err
        )
    shown = lab.run("tor-node1", ("cat", "/etc/calico/confd/config/bird_ipam.cfg")).stdout
    assert all(f"10.8{number}.0.0/16" in shown for number in range(3))
    assert lab.calicoctl("k8s", ("delete", "ippool", "pool0", "pool1", "pool2")).code == 0


def test_a_change_that_fails_half_way_is_taken_back(
    lab: LiveLab, project: Project, engine: DockerRuntime, peer: str
) -> None:
    """BIRD is down on one node: its file is good, and nobody takes it there."""
    before = kept(lab)
    bird(lab, engine, "stop")
    try:
        done = subprocess.run(
            argv(project, "apply", "-f", peer), capture_output=True, text=True, check=False
        )
        assert done.returncode == 3
        assert done.stdout == ""
        (line,) = done.stderr.splitlines()
        assert "tor-node2" in line
        assert kept(lab) == before
        assert not has_new_peer(lab, "tor-node1")
        assert "absent" not in lab.calicoctl("k8s", ("get", "bgppeers")).out
    finally:
        bird(lab, engine, "start")
    wait_converged(lab.design(), lab.site.commands, deadline=30.0)
    assert lab.calicoctl("k8s", ("apply", "-f", peer)).code == 0
    assert all(has_new_peer(lab, node) for node in NODES)
    assert lab.calicoctl("k8s", ("delete", "bgppeer", "absent")).code == 0


def test_a_dead_node_is_named_and_nothing_changes(
    lab: LiveLab, engine: DockerRuntime, peer: str
) -> None:
    before = kept(lab)
    engine.api.kill(container(lab, "tor-node2"))
    with pytest.raises(LabError, match="tor-node2"):
        lab.calicoctl("k8s", ("apply", "-f", peer))
    assert kept(lab) == before
    assert not has_new_peer(lab, "tor-node1")
    shown = json.loads(lab.calicoctl("k8s", ("get", "bgppeers", "-o", "json")).out)
    assert [item["metadata"]["name"] for item in shown["items"]] == ["tor-1"]
    # without the dead node the lab can be changed again
    assert lab.remove_node("k8s", "tor-node2").stopped[:1] == ("tor-node2",)
    assert lab.calicoctl("k8s", ("apply", "-f", peer)).code == 0
    assert has_new_peer(lab, "tor-node1")


def container(lab: LiveLab, node: str) -> str:
    return lab.site.containers()[node].id


def bird(lab: LiveLab, engine: DockerRuntime, action: str) -> None:
    engine.run(container(lab, "tor-node2"), ("/opt/labgen/daemon", "bird", action)).check()
