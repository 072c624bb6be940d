"""A running lab that is changed: the second guide's, by its own commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labgen.check.ladder import verify
from labgen.check.model import Status
from labgen.errors import InputError, LabError
from labgen.lab import content_files
from labgen.lab.change import Refused
from labgen.lab.current import as_it_is
from labgen.lab.live import LiveLab, live
from labgen.lab.operate import wait_converged
from labgen.lab.project import Project
from labgen.lab.verify import evidence_of
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime

NAME = "test-live-two"
REPO = Path(__file__).parents[2]
GUIDE = REPO.parent / "shared" / "reference" / "bgp-on-k8s.md"
A = ("cluster-a", "cluster-a-m02", "cluster-a-m03", "cluster-a-m04")
B = ("cluster-b", "cluster-b-m02", "cluster-b-m03", "cluster-b-m04")


@pytest.fixture(scope="module")
def project(deployed: Callable[[str, str], Project]) -> Project:
    return deployed("two-clusters", NAME)


@pytest.fixture(scope="module")
def lab(project: Project, engine: DockerRuntime) -> Iterator[LiveLab]:
    with live(project, engine) as opened:
        yield opened


def connections(lab: LiveLab, node: str) -> set[str]:
    """A node's TCP connections of BGP, by both ends: a session that drops gets other ports."""
    argv = ("ss", "-Htn", "state", "established", "( sport = 179 or dport = 179 )")
    lines = lab.run(node, argv).check().stdout.splitlines()
    return {" ".join(line.split()[2:4]) for line in lines}


def calicoctl(lab: LiveLab, cluster: str, *argv: str) -> str:
    answered = lab.calicoctl(cluster, argv)
    assert answered.code == 0, answered.err
    return answered.out


def of(lab: LiveLab, cluster: str, name: str) -> str:
    directory = f"cluster_{cluster[-1]}_calicomanifests"
    return str(lab.project.directory / directory / name)


def converged(lab: LiveLab) -> None:
    wait_converged(lab.design(), lab.site.commands, deadline=30.0)


def manifest(tmp_path: Path, text: str) -> str:
    path = tmp_path / "manifest.yaml"
    path.write_text(text)
    return str(path)


POOL = """\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: more}
spec: {cidr: 10.77.0.0/16, disabled: true}
"""


def test_a_new_pool_drops_no_session(lab: LiveLab, tmp_path: Path) -> None:
    before = {node: connections(lab, node) for node in (*A, *B)}
    answered = lab.calicoctl("cluster-a", ("apply", "-f", manifest(tmp_path, POOL)))
    assert answered.out == "Successfully applied 1 'IPPool' resource(s)\n"
    assert sorted(answered.changed.reconfigured) == sorted(A)  # cluster-b has no part in it
    assert {node: connections(lab, node) for node in (*A, *B)} == before
    assert all(len(found) == 3 for found in before.values())
    calicoctl(lab, "cluster-a", "delete", "ippool", "more")
    assert "10.77.0.0/16" not in lab.run("cluster-a", ("nft", "list", "ruleset")).stdout


def test_only_nodes_that_differ_are_touched(lab: LiveLab) -> None:
    text = (
        "apiVersion: projectcalico.org/v3\nkind: BGPConfiguration\n"
        "metadata: {name: node.cluster-a-m02}\nspec: {logSeverityScreen: Debug}\n"
    )
    path = lab.project.directory / "debug.yaml"
    path.write_text(text)
    answered = lab.calicoctl("cluster-a", ("apply", "-f", str(path)))
    assert answered.changed.reconfigured == ("cluster-a-m02",)
    answered = lab.calicoctl("cluster-a", ("apply", "-f", str(path)))
    assert not answered.changed  # nothing differs, nothing happens
    calicoctl(lab, "cluster-a", "delete", "bgpconfig", "node.cluster-a-m02")


EMPTY_RANGE = """\
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: empty}
spec:
  exportV4:
  - {action: Accept, cidr: 10.200.0.0/16, matchOperator: In, prefixLength: {min: 30, max: 28}}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: with-filter}
spec: {peerIP: 172.17.0.99, asNumber: 64999, filters: [empty]}
"""


def test_what_bird_refuses_changes_nothing(lab: LiveLab, tmp_path: Path) -> None:
    directory = lab.project.lab_directory
    kept = content_files.load(directory)
    files = {p: p.read_bytes() for p in directory.glob("cluster-a*/confd/*")}
    before = {node: connections(lab, node) for node in A}
    with pytest.raises(Refused, match=r"cluster-a.*bird refuses.*bird\.cfg"):
        lab.calicoctl("cluster-a", ("apply", "-f", manifest(tmp_path, EMPTY_RANGE)))
    assert content_files.load(directory) == kept
    assert {p: p.read_bytes() for p in directory.glob("cluster-a*/confd/*")} == files
    assert {node: connections(lab, node) for node in A} == before


def test_concurrent_changes_are_serialised(project: Project, engine: DockerRuntime) -> None:
    def label(number: int) -> str:
        with live(project, engine) as opened:
            argv = ("label", "nodes", "cluster-b", f"number-{number}={number}")
            return calicoctl(opened, "cluster-b", *argv)

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(label, range(4)))) == 4
    with live(project, engine) as opened:
        node = opened.state.clusters["cluster-b"].kubernetes.node("cluster-b")
        assert node is not None
        assert {f"number-{n}" for n in range(4)} <= set(node.meta.labels)


def test_a_node_joins_and_leaves(lab: LiveLab) -> None:
    changed = lab.add_node("cluster-a", "cluster-a-m05", labels={"rack": "r5"})
    assert changed.started == ("cluster-a-m05",)
    converged(lab)
    design = lab.design()
    assert len(design.sessions_of("cluster-a-m05")) == 4
    routes = lab.run("cluster-a", ("ip", "route")).stdout
    assert "via 172.17.0.10 " in routes  # the next free address of the segment, and its block
    shown = calicoctl(lab, "cluster-a", "get", "node", "cluster-a-m05", "-o", "wide")
    assert "172.17.0.10/16" in shown
    changed = lab.remove_node("cluster-a", "cluster-a-m05")
    assert changed.stopped == ("cluster-a-m05",)
    converged(lab)
    assert "172.17.0.10" not in lab.run("cluster-a", ("ip", "route")).stdout
    assert not (lab.project.lab_directory / "cluster-a-m05").exists()
    with pytest.raises(InputError, match="has no node cluster-a-m05"):
        lab.remove_node("cluster-a", "cluster-a-m05")
    with pytest.raises(InputError, match="the name demo is taken"):
        lab.add_node("cluster-a", "demo")


def test_a_node_that_does_not_start_leaves_the_lab_as_it_was(
    lab: LiveLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = content_files.load(lab.project.lab_directory)
    there = set(lab.site.containers())
    engine = lab.site.runtime

    def fails(container: str) -> int:
        raise LabError(f"start {container}: no room")

    with monkeypatch.context() as patched:
        patched.setattr(engine, "start", fails)
        with pytest.raises(LabError, match=r"node cluster-a-m06: start .*: no room"):
            lab.add_node("cluster-a", "cluster-a-m06")
    assert content_files.load(lab.project.lab_directory) == kept
    assert set(lab.site.containers()) == there
    converged(lab)


def service_of(lab: LiveLab, cluster: str) -> str:
    service = lab.state.clusters[cluster].kubernetes.service("echoserver")
    assert service is not None
    return f"http://{service.cluster_ips[0]}:8385"


def test_a_drained_node_gives_its_pods_away(lab: LiveLab) -> None:
    url = service_of(lab, "cluster-b")
    ask = ("curl", "-s", "-m", "2", url)
    served = lab.run("shell-b", ask).check().stdout
    pod = next(p for p in lab.state.clusters["cluster-b"].kubernetes.pods if "echo" in p.meta.name)
    answered = lab.kubectl("cluster-b", ("drain", "--ignore-daemonsets", pod.spec.node_name))
    assert answered.code == 0, answered.err
    assert answered.changed.stopped == (pod.meta.name,)
    (new,) = answered.changed.started
    after = wait_until(
        lambda: lab.run("shell-b", ask).stdout, lambda out: new in out,
        deadline=10.0, what="the new pod's answer",
    )  # fmt: skip
    assert pod.meta.name in served
    assert pod.meta.name not in after
    lab.kubectl("cluster-b", ("uncordon", pod.spec.node_name))


def test_replicas_share_the_flows(lab: LiveLab) -> None:
    assert (
        lab.kubectl("cluster-b", ("scale", "deployment", "echoserver", "--replicas", "3")).code == 0
    )
    converged(lab)
    url = service_of(lab, "cluster-b")
    script = f"for i in $(seq 40); do curl -s -m 2 {url} | head -1; done"
    served = lab.run("shell-b", ("sh", "-c", script)).stdout.splitlines()
    assert len(served) == 40
    assert len(set(served)) == 3
    lab.kubectl("cluster-b", ("scale", "deployment", "echoserver", "--replicas", "1"))


def test_the_guides_stages_reach_its_end_state(lab: LiveLab, engine: DockerRuntime) -> None:
    for cluster in ("cluster-a", "cluster-b"):
        calicoctl(lab, cluster, "apply", "-f", of(lab, cluster, "bgp-configuration.yaml"))
    converged(lab)
    for cluster, cluster_id in (("cluster-a", "244.0.0.1"), ("cluster-b", "244.0.0.2")):
        for node in (f"{cluster}-m03", f"{cluster}-m04"):
            change = {"spec": {"bgp": {"routeReflectorClusterID": cluster_id}}}
            calicoctl(lab, cluster, "patch", "node", node, "-p", json.dumps(change))
            assert lab.kubectl(cluster, ("label", "node", node, "route-reflector=true")).code == 0
        calicoctl(lab, cluster, "apply", "-f", of(lab, cluster, "bgp-rr-configuration.yaml"))
        mesh = '{"spec": {"nodeToNodeMeshEnabled": false}}'
        calicoctl(lab, cluster, "patch", "bgpconfiguration", "default", "-p", mesh)
    for cluster in ("cluster-a", "cluster-b"):
        calicoctl(lab, cluster, "apply", "-f", of(lab, cluster, "bgp-other-cluster.yaml"))
    converged(lab)
    # the point of step 20: the reflectors know the other cluster's routes, the others do not
    assert "10.211.0.0/16" in lab.run("cluster-a-m03", ("ip", "route")).stdout
    assert "10.211.0.0/16" not in lab.run("cluster-a", ("ip", "route")).stdout
    for cluster in ("cluster-a", "cluster-b"):
        file = of(lab, cluster, "disabled-othercluster-ippools.yaml")
        calicoctl(lab, cluster, "apply", "-f", file)
    converged(lab)
    for node, reflectors, network in [
        *((node, ("172.17.0.8", "172.17.0.9"), "10.211.0.0/16") for node in A),
        *((node, ("172.17.0.4", "172.17.0.5"), "10.201.0.0/16") for node in B),
    ]:
        route = lab.run(node, ("ip", "route", "show", network)).stdout
        assert all(f"via {address} " in route for address in reflectors), (node, route)
    shown = lab.calicoctl("cluster-a", ("node", "status"), node="cluster-a-m03").out
    assert len(re.findall(r"\| up .*Established", shown)) == 5
    answer = lab.run("shell-a", ("curl", "-s", "-m", "3", service_of(lab, "cluster-b"))).stdout
    assert answer.startswith("Request served by echoserver-")


def test_the_changed_lab_is_verified_as_it_is(
    lab: LiveLab, project: Project, engine: DockerRuntime
) -> None:
    now = as_it_is(project)
    assert now.design.sessions != project.design.sessions
    findings = verify(now.design, evidence_of(now, engine))
    red = [f for f in findings if f.status not in (Status.PASS, Status.SKIP)]
    assert [(f.subject, f.observed, f.expected) for f in red] == []
    assert len(findings) > 150


def test_redeploying_leaves_a_changed_lab_alone(project: Project) -> None:
    argv = (sys.executable, "-m", "labgen", "deploy", str(project.loaded.path))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "runs already" in done.stdout
