"""calicoctl and calico-node inside a real node container, with real BIRD."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from labgen.calico import readiness
from labgen.calico.calicoctl import node_status

if TYPE_CHECKING:
    from collections.abc import Iterator

docker = pytest.importorskip("docker")
pytestmark = pytest.mark.lab

NODE = """\
router id 127.0.0.1;
listen bgp address 127.0.0.1;
protocol device {}
protocol bgp Mesh_127_0_0_3 {
  local 127.0.0.1 as 64512; source address 127.0.0.1; neighbor 127.0.0.3 as 64512; multihop;
  connect delay time 1; connect retry time 1; error wait time 1, 2;
}
"""
PEER = """\
router id 127.0.0.3;
listen bgp address 127.0.0.3;
protocol device {}
protocol bgp node {
  local 127.0.0.3 as 64512; source address 127.0.0.3; neighbor 127.0.0.1 as 64512; multihop;
  passive on;
}
"""
# Waits inside the container: at most 20 s until the command succeeds.
UNTIL = "for _ in $(seq 200); do {} && exit 0; sleep 0.1; done; exit 1"


@pytest.fixture(scope="module")
def node() -> Iterator[Any]:
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    images = client.images.list(filters={"label": "labgen.image=calico-node"})
    if not images:
        client.close()
        pytest.skip("there is no labgen/calico-node image: `labgen doctor --engine` builds it")
    newest = max(images, key=lambda image: str(image.attrs["Created"]))
    container = client.containers.create(
        newest.id, name="labgen-test-node-scripts", network_mode="none", hostname="node1",
        cap_add=["NET_ADMIN", "NET_RAW"],
    )  # fmt: skip
    try:
        container.put_archive("/", _archive())
        container.start()
        code, _ = run(container, "bash", "-c", UNTIL.format("test -e /run/labgen/ready"))
        assert code == 0, container.logs()
        yield container
    finally:
        container.remove(force=True)
        client.close()


def _archive() -> bytes:
    """The two scripts as the image is to install them, and BIRD's configurations."""
    files = {
        "etc/calico/confd/config/bird.cfg": (NODE, 0o644),
        "etc/peer.cfg": (PEER, 0o644),
        "opt/labgen/node_status.py": (Path(node_status.__file__).read_text(), 0o755),
        "opt/labgen/readiness.py": (Path(readiness.__file__).read_text(), 0o755),
    }
    links = {
        "usr/local/bin/calicoctl": "/opt/labgen/node_status.py",
        "usr/local/bin/calico-node": "/opt/labgen/readiness.py",
    }
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, (text, mode) in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text.encode()), mode
            archive.addfile(info, io.BytesIO(text.encode()))
        for name, target in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return stream.getvalue()


def run(node: Any, *argv: str) -> tuple[int, str]:
    code, output = node.exec_run(list(argv))
    return code, output.decode()


def test_a_node_from_its_start_to_an_established_session(node: Any) -> None:
    code, text = run(node, "calicoctl", "node", "status")
    assert code == 0
    lines = text.splitlines()
    assert lines[:3] == ["Calico process is running.", "", "IPv4 BGP status"]
    assert lines[4].startswith("| PEER ADDRESS | PEER TYPE         | STATE | SINCE    | INFO ")
    assert lines[6].startswith("| 127.0.0.3    | node-to-node mesh | start | ")
    assert lines[-2:] == ["INFO: BIRDv6 process: 'bird6' is not running.", ""]

    assert run(node, "calico-node", "-bird-ready", "-felix-ready") == (
        1,
        "calico/node is not ready: BIRD is not ready: BGP not established with 127.0.0.3\n",
    )
    assert run(node, "calico-node", "-felix-ready", "-bird-live") == (0, "")
    code, text = run(node, "calico-node", "health", "--bird6-ready")
    assert code == 1
    assert "BIRDv6 socket: dial unix /var/run/bird/bird6.ctl: connect: no such file" in text

    assert (
        run(node, "bird", "-s", "/tmp/peer.ctl", "-P", "/tmp/peer.pid", "-c", "/etc/peer.cfg")[0]
        == 0
    )
    shown = "calicoctl node status | grep -q Established"
    assert run(node, "bash", "-c", UNTIL.format(shown))[0] == 0
    row = run(node, "calicoctl", "node", "status")[1].splitlines()[6]
    assert [cell.strip() for cell in row.split("|")[1:4]] == [
        "127.0.0.3", "node-to-node mesh", "up",
    ]  # fmt: skip
    assert run(node, "calico-node", "-bird-ready", "-felix-ready") == (0, "")


def test_the_other_verbs_point_to_the_host(node: Any) -> None:
    code, text = run(node, "calicoctl", "get", "nodes")
    assert code == 1
    assert "labgen calicoctl --cluster" in text
