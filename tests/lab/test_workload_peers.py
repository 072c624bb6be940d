"""A pod that speaks BGP with its node: Felix's files, BIRD's session, the route to the BIG-IP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgen.calico.status import load_endpoint_status
from labgen.check.ladder import verify
from labgen.check.model import Status
from labgen.lab.attach import attached
from labgen.lab.current import as_it_is
from labgen.lab.live import LiveLab, live
from labgen.lab.operate import wait_converged
from labgen.lab.project import Project
from labgen.lab.verify import evidence_of
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime

NAME = "test-workload-peers"
POD = "vm-1"
PREFIX = "172.25.1.0/24"
PEERING = """\
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: vms}
spec: {localWorkloadSelector: role == 'vm', asNumber: 65100}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: of-the-vms}
spec: {cidr: 172.25.0.0/16, disabled: true}
"""
SECRETIVE = """\
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: no-vms}
spec: {exportV4: [{action: Reject, cidr: 172.25.0.0/16, matchOperator: In}]}
"""


@pytest.fixture(scope="module")
def project(engine: DockerRuntime, copied: Callable[[str, str], Path]) -> Iterator[Project]:
    spec = copied("bigip-calico", NAME)
    text = spec.read_text()
    pod = f"{POD}: {{node: kube-node1, labels: {{role: vm}}, announces: [{PREFIX}]}}\n"
    spec.write_text(text.replace("      nginx-1:", f"      {pod}      nginx-1:", 1))
    with attached(str(spec), engine) as found:
        yield found


@pytest.fixture(scope="module")
def lab(
    project: Project, engine: DockerRuntime, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveLab]:
    with live(project, engine) as opened:
        spec = {"spec": {"localWorkloadPeeringIPV4": "169.254.0.179"}}
        calicoctl(opened, "patch", "bgpconfig", "default", "-p", json.dumps(spec))
        yield opened


def calicoctl(lab: LiveLab, *argv: str) -> str:
    answered = lab.calicoctl("k8s", argv)
    assert answered.code == 0, answered.err
    return answered.out


def apply(lab: LiveLab, tmp_path: Path, text: str) -> None:
    path = tmp_path / "given.yaml"
    path.write_text(text)
    calicoctl(lab, "apply", "-f", str(path))


def converged(lab: LiveLab) -> None:
    wait_converged(lab.design(), lab.site.commands, deadline=30.0)


def birdc(lab: LiveLab, node: str, *words: str) -> str:
    return lab.run(node, ("birdc", "-s", "/var/run/calico/bird.ctl", *words)).check().stdout


def bigip_knows(lab: LiveLab) -> str:
    argv = ("vtysh", "-c", f"show bgp ipv4 unicast {PREFIX} json")
    return lab.run("bigip-1", argv).stdout


def bigip_until(lab: LiveLab, *, known: bool) -> str:
    return wait_until(
        lambda: bigip_knows(lab), lambda out: ("65100" in out) is known,
        deadline=15.0, what=f"{PREFIX} {'at' if known else 'gone from'} the BIG-IP",
    )  # fmt: skip


def test_a_pod_peers_with_its_node_and_the_bigip_hears_of_it(
    lab: LiveLab, project: Project, engine: DockerRuntime, tmp_path: Path
) -> None:
    apply(lab, tmp_path, PEERING)
    converged(lab)
    pod = next(p for p in lab.design().pods if p.name == POD)
    name = f"Local_Workload_{str(pod.addresses[0]).replace('.', '_')}"
    assert "Established" in birdc(lab, "kube-node1", "show", "protocols", name)
    assert "65100" in birdc(lab, "kube-node1", "show", "route", PREFIX, "all")
    assert f"inet 169.254.0.179/32 scope global {pod.interface}" in (
        lab.run("kube-node1", ("ip", "address", "show", "dev", pod.interface)).stdout
    )
    (status,) = load_endpoint_status(project.lab_directory / "kube-node1")
    assert (status.interface_name, status.bgp_peer_name) == (pod.interface, "vms")
    listed = lab.run("kube-node1", ("ls", "/var/run/calico/endpoint-status/")).stdout
    assert listed.strip() == "k8s default%2Fvm-1 eth0"
    bigip_until(lab, known=True)
    found = verify(as_it_is(project).design, evidence_of(as_it_is(project), engine))
    red = [(f.check, f.subject) for f in found if f.status in (Status.FAIL, Status.ERROR)]
    # The mesh keeps the pod as NEXT_HOP, and BIRD resolves no BGP route by way of another one:
    # the other nodes do not reach what the pod announces. Calico's mesh has no next hop self.
    assert red == [("rib", f"{node} from kube-node1") for node in ("kube-master", "kube-node2")]
    unreachable = lab.run("kube-master", ("ip", "route", "show", PREFIX)).stdout
    assert unreachable.startswith(f"unreachable {PREFIX} proto bird")
    own = {f.rung.title: f.status for f in found if POD in f.session}
    assert own["TCP"] is Status.SKIP  # no segment carries it
    assert own["Established"] is own["FIB"] is Status.PASS
    assert "1 received" in lab.run("bigip-1", ("ping", "-c1", "-W2", "172.25.1.77")).stdout


def test_a_filter_keeps_it_from_the_bigip(lab: LiveLab, tmp_path: Path) -> None:
    apply(lab, tmp_path, PEERING)
    bigip_until(lab, known=True)
    apply(lab, tmp_path, SECRETIVE)
    peers = json.loads(calicoctl(lab, "get", "bgppeer", "-o", "json"))["items"]
    (bigip,) = (p["metadata"]["name"] for p in peers if p["spec"].get("peerIP"))
    filters = {"spec": {"filters": ["no-vms"]}}
    calicoctl(lab, "patch", "bgppeer", bigip, "-p", json.dumps(filters))
    bigip_until(lab, known=False)
    calicoctl(lab, "patch", "bgppeer", bigip, "-p", json.dumps({"spec": {"filters": None}}))
    bigip_until(lab, known=True)


def test_without_its_bgppeer_nothing_is_left(
    lab: LiveLab, project: Project, tmp_path: Path
) -> None:
    apply(lab, tmp_path, PEERING)
    bigip_until(lab, known=True)
    calicoctl(lab, "delete", "bgppeer", "vms")
    bigip_until(lab, known=False)
    converged(lab)
    assert load_endpoint_status(project.lab_directory / "kube-node1") == ()
    assert "169.254.0.179" not in lab.run("kube-node1", ("ip", "address")).stdout
    assert "Local_Workload" not in birdc(lab, "kube-node1", "show", "protocols")
