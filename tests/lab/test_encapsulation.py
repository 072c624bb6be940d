"""VXLAN and IPIP pools: Felix's devices and routes in real kernels, and what crosses the wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labgen.check.ladder import verify
from labgen.check.model import Finding, Status
from labgen.lab.attach import attached
from labgen.lab.current import as_it_is
from labgen.lab.live import LiveLab, live
from labgen.lab.operate import wait_converged
from labgen.lab.project import Project
from labgen.lab.verify import evidence_of, tunnel_notes
from labgen.runtime.docker import DockerRuntime

NAME = "test-encapsulation"
NODES = ("kube-master", "kube-node1", "kube-node2")
POD, OTHER = "nginx-1", "192.168.127.10"  # on kube-node1 and kube-node2
BLOCK = "192.168.127.0/26"


@pytest.fixture(scope="module")
def project(deployed: Callable[[str, str], Project]) -> Project:
    return deployed("bigip-calico", NAME)


@pytest.fixture(scope="module")
def lab(project: Project, engine: DockerRuntime) -> Iterator[LiveLab]:
    with live(project, engine) as opened:
        yield opened


def encapsulate(lab: LiveLab, **modes: str) -> None:
    """Give the pool these modes, whatever it had."""
    spec = {"ipipMode": "Never", "vxlanMode": "Never", **modes}
    argv = ("patch", "ippool", "default-ipv4-ippool", "-p", json.dumps({"spec": spec}))
    answered = lab.calicoctl("k8s", argv)
    assert answered.code == 0, answered.err
    wait_converged(lab.design(), lab.site.commands, deadline=30.0)


def shown(lab: LiveLab, *argv: str) -> str:
    return lab.run("kube-node1", argv).stdout


def pings(lab: LiveLab) -> str:
    return lab.run(POD, ("ping", "-c", "2", "-i", "0.2", "-W", "2", OTHER)).check().stdout


def on_the_wire(lab: LiveLab, *expression: str) -> str:
    """One packet of that kind on the segment, while the pods talk; tcpdump's words for it."""
    argv = ("timeout", "10", "tcpdump", "-nn", "-l", "-c", "1", "-i", "internal", *expression)
    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(lab.run, "internal", argv)
        while not seen.done():
            pings(lab)
        return seen.result().check().stdout


def judged(project: Project, engine: DockerRuntime) -> list[Finding]:
    now = as_it_is(project)
    return [f for f in verify(now.design, evidence_of(now, engine)) if f.status is not Status.PASS]


def sessions(lab: LiveLab) -> set[str]:
    argv = ("ss", "-Htn", "state", "established", "( sport = 179 or dport = 179 )")
    return {" ".join(line.split()[2:4]) for line in shown(lab, *argv).splitlines()}


def test_pods_meet_through_vxlan(lab: LiveLab, project: Project, engine: DockerRuntime) -> None:
    before = sessions(lab)
    encapsulate(lab, vxlanMode="Always")
    node = json.loads(lab.calicoctl("k8s", ("get", "node", "kube-node2", "-o", "json")).out)
    tunnel = node["spec"]["ipv4VXLANTunnelAddr"]
    assert shown(lab, "ip", "route", "show", BLOCK).split() == (
        f"{BLOCK} via {tunnel} dev vxlan.calico proto 80 onlink".split()
    )
    assert "vxlan id 4096 local 10.1.20.21" in shown(
        lab, "ip", "-d", "link", "show", "vxlan.calico"
    )
    assert f"{tunnel} lladdr 66:" in shown(lab, "ip", "neigh", "show", "dev", "vxlan.calico")
    assert "ttl=62" in pings(lab)
    packet = on_the_wire(lab, "udp", "port", "4789")
    assert "VXLAN, flags [I] (0x08), vni 4096" in packet
    assert "10.1.20.2" in packet
    held = lab.calicoctl("k8s", ("ipam", "show", "--ip", tunnel)).out
    assert "vxlan-tunnel-addr-kube-node2" in held
    assert judged(project, engine) == []
    assert sessions(lab) == before


def test_within_a_subnet_cross_subnet_goes_straight(
    lab: LiveLab, project: Project, engine: DockerRuntime
) -> None:
    encapsulate(lab, vxlanMode="CrossSubnet")
    assert f"{BLOCK} via 10.1.20.22 dev eth1 proto 80" in shown(lab, "ip", "route")
    assert "192.168.127.10: ICMP echo request" in on_the_wire(lab, "icmp")
    assert judged(project, engine) == []


def test_ipip_or_what_stands_in_for_it(
    lab: LiveLab, project: Project, engine: DockerRuntime
) -> None:
    encapsulate(lab, ipipMode="Always")
    assert f"{BLOCK} via 10.1.20.22 dev tunl0 proto 80 onlink" in shown(lab, "ip", "route")
    assert "vxlan.calico" not in shown(lab, "ip", "link")
    assert "ttl=62" in pings(lab)
    real = "ipip" in shown(lab, "ip", "-d", "link", "show", "tunl0")
    assert bool(tunnel_notes(as_it_is(project), engine)) is not real
    assert on_the_wire(lab, "ip", "proto", "4") if real else on_the_wire(lab, "udp", "port", "4789")
    found = judged(project, engine)
    assert {f.status for f in found} == (set() if real else {Status.SKIP})
    assert {f.subject for f in found} == (set() if real else {f"{n} tunl0" for n in NODES})


def test_without_encapsulation_nothing_of_it_stays(
    lab: LiveLab, project: Project, engine: DockerRuntime
) -> None:
    encapsulate(lab, vxlanMode="Always")
    encapsulate(lab)
    assert f"{BLOCK} via 10.1.20.22 dev eth1 proto bird" in shown(lab, "ip", "route")
    assert "proto 80" not in shown(lab, "ip", "route")
    assert "vxlan" not in shown(lab, "ip", "link")
    node = json.loads(lab.calicoctl("k8s", ("get", "node", "kube-node2", "-o", "json")).out)
    assert "ipv4VXLANTunnelAddr" not in node["spec"]
    assert judged(project, engine) == []


def test_a_node_that_joins_is_an_end_of_every_tunnel(lab: LiveLab) -> None:
    encapsulate(lab, vxlanMode="Always")
    before = sessions(lab)
    lab.add_node("k8s", "kube-node3")
    wait_converged(lab.design(), lab.site.commands, deadline=30.0)
    (tunnel,) = lab.design().tunnels("kube-node3")
    address = str(tunnel.address)
    assert address in shown(lab, "ip", "neigh", "show", "dev", "vxlan.calico")
    ping = ("ping", "-c", "1", "-W", "2", OTHER)
    assert "bytes from" in lab.run("kube-node3", ping).check().stdout
    lab.remove_node("k8s", "kube-node3")
    assert address not in shown(lab, "ip", "neigh", "show", "dev", "vxlan.calico")
    assert f"dst {tunnel.local} " not in shown(lab, "bridge", "fdb", "show", "dev", "vxlan.calico")
    assert before <= sessions(lab)
    encapsulate(lab)


def test_what_felix_lacks_is_red(lab: LiveLab, project: Project, engine: DockerRuntime) -> None:
    encapsulate(lab, vxlanMode="Always")
    lab.run("kube-node1", ("ip", "route", "delete", BLOCK)).check()
    red = [f for f in judged(project, engine) if f.status is Status.FAIL]
    assert {(f.check, f.observed) for f in red} >= {("fib", f"Felix's {BLOCK} is missing")}
    lab.run("kube-node1", ("ip", "link", "delete", "vxlan.calico")).check()
    red = [f for f in judged(project, engine) if f.status is Status.FAIL]
    assert ("kube-node1 vxlan.calico", "it is not there") in {(f.subject, f.observed) for f in red}
    encapsulate(lab)


# --- across subnets -------------------------------------------------------------------------------

TWO_RACKS = """\
name: test-cross-subnet
segments:
  rack1: {subnet: 10.1.30.0/24}
  rack2: {subnet: 10.1.40.0/24}
clusters:
  k8s:
    resources: [calico.yaml]
    nodes:
      near1: {segment: rack1, address: 10.1.30.11}
      near2: {segment: rack1, address: 10.1.30.12}
      far: {segment: rack2, address: 10.1.40.13}
    pods:
      a: {node: near1}
      b: {node: near2}
      c: {node: far}
routers:
  spine:
    kind: frr
    config: spine.conf
    interfaces:
      eth1: {segment: rack1, address: 10.1.30.1}
      eth2: {segment: rack2, address: 10.1.40.1}
"""
SPINE = """\
router bgp 65001
 no bgp ebgp-requires-policy
 neighbor 10.1.30.11 remote-as 64512
 neighbor 10.1.30.12 remote-as 64512
 neighbor 10.1.40.13 remote-as 64512
 address-family ipv4 unicast
  network 10.1.30.0/24
  network 10.1.40.0/24
 exit-address-family
"""
OF_RACKS = """\
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {nodeToNodeMeshEnabled: false}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: rack1}
spec:
  nodeSelector: kubernetes.io/hostname in {'near1', 'near2'}
  peerIP: 10.1.30.1
  asNumber: 65001
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: rack2}
spec: {node: far, peerIP: 10.1.40.1, asNumber: 65001}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.48.0.0/16, vxlanMode: CrossSubnet}
"""


def test_only_between_subnets_is_anything_encapsulated(
    engine: DockerRuntime, tmp_path: Path
) -> None:
    for name, text in (("lab.yaml", TWO_RACKS), ("spine.conf", SPINE), ("calico.yaml", OF_RACKS)):
        (tmp_path / name).write_text(text)
    with attached(str(tmp_path / "lab.yaml"), engine) as found, live(found, engine) as lab:
        pods = {pod.name: str(pod.addresses[0]) for pod in lab.design().pods}
        blocks = {r.device: str(r.network) for r in lab.design().felix_routes("near1")}
        routes = lab.run("near1", ("ip", "route", "show", "proto", "80")).stdout
        assert f"{blocks['vxlan.calico']} via " in routes
        assert "via 10.1.30.12 dev eth1" in routes
        listen = ("timeout", "10", "tcpdump", "-nn", "-l", "-c", "2", "-i", "rack1")
        for target, what, seen in (
            ("b", ("icmp",), "ICMP echo request"),
            ("c", ("udp", "port", "4789"), "10.1.40.13.4789: VXLAN"),
        ):
            with ThreadPoolExecutor(1) as pool:
                heard = pool.submit(lab.run, "rack1", (*listen, *what))
                while not heard.done():
                    ping = ("ping", "-c", "2", "-i", "0.2", "-W", "2", pods[target])
                    assert "ttl=62" in lab.run("a", ping).check().stdout
            assert seen in heard.result().check().stdout
