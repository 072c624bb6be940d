"""A change of a running lab: only what differs, or nothing at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from labgen.calico.calicoctl.ipam_blocks import with_blocks
from labgen.calico.datastore import Datastore, Stamps
from labgen.calico.ipam import Request
from labgen.errors import HostError, InputError, LabError
from labgen.kubernetes.state import new_cluster
from labgen.lab import content_files
from labgen.lab.change import Refused
from labgen.lab.clusters import ClusterStore
from labgen.lab.live import LiveLab, live
from labgen.yaml_source import parse

POOL = """\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: more}
spec: {cidr: 10.77.0.0/16, disabled: true}
"""
A = [f"clab-two-clusters-cluster-a{n}" for n in ("", "-m02", "-m03", "-m04")]


@pytest.fixture
def pool(tmp_path: Path) -> str:
    path = tmp_path / "pool.yaml"
    path.write_text(POOL)
    return str(path)


def files_of(lab: LiveLab) -> dict[str, bytes]:
    root = lab.project.lab_directory
    return {
        str(p.relative_to(root)): p.read_bytes()
        for p in sorted(root.rglob("*"))
        if p.is_file() and not p.name.startswith(".")
    }


def test_a_pool_reconfigures_the_nodes_of_its_cluster(lab, bird, pool):
    answered = lab.calicoctl("cluster-a", ("apply", "-f", pool))
    assert answered.out == "Successfully applied 1 'IPPool' resource(s)\n"
    assert bird.configured() == A
    assert {line for _, line in bird.asked if " -p -c " in line} == {
        "bird -p -c /etc/calico/confd/config/.next/bird.cfg"
    }
    text = (lab.project.lab_directory / "cluster-a/confd/bird_ipam.cfg").read_text()
    assert "10.77.0.0/16" in text
    assert "10.77.0.0/16" in (lab.project.lab_directory / "cluster-a/nat.nft").read_text()
    assert not list(lab.project.lab_directory.rglob(".next"))


def test_the_same_again_does_nothing(lab, bird, pool):
    lab.calicoctl("cluster-a", ("apply", "-f", pool))
    bird.asked.clear()
    answered = lab.calicoctl("cluster-a", ("apply", "-f", pool))
    assert answered.code == 0
    assert not answered.changed
    assert bird.asked == []


def test_reading_asks_no_node(lab, bird):
    assert "default-ipv4-ippool" in lab.calicoctl("cluster-a", ("get", "ippool")).out
    assert "cluster-b-m04" in lab.kubectl("cluster-b", ("get", "nodes")).out
    assert bird.asked == []


def test_what_one_bird_refuses_changes_nothing(lab, bird, pool):
    before = files_of(lab)
    bird.refuses.add(A[2])
    with pytest.raises(Refused, match=r"node cluster-a-m03: bird refuses bird\.cfg, line 7"):
        lab.calicoctl("cluster-a", ("apply", "-f", pool))
    assert files_of(lab) == before
    assert bird.configured() == []


def test_a_change_that_fails_half_way_is_taken_back_everywhere(lab, bird, pool):
    before = files_of(lab)
    bird.fails.add(A[3])
    with pytest.raises(LabError, match="node cluster-a-m04: bird does not take"):
        lab.calicoctl("cluster-a", ("apply", "-f", pool))
    assert files_of(lab) == before
    told = [c for c, line in bird.asked if line.endswith(" configure")]
    assert all(told.count(container) == 2 for container in A)  # there and back again


def test_what_cannot_be_kept_is_taken_back(lab, pool, monkeypatch):
    before = files_of(lab)

    def full(*_: object) -> None:
        raise HostError("no space left")

    monkeypatch.setattr(content_files, "save", full)
    with pytest.raises(HostError, match="no space left"):
        lab.calicoctl("cluster-a", ("apply", "-f", pool))
    assert files_of(lab) == before


def test_a_node_joins_at_the_next_address_and_leaves(lab, bird, engine):
    changed = lab.add_node("cluster-b", "cluster-b-m05", labels={"rack": "r1"})
    assert changed.started == ("cluster-b-m05",)
    assert len(changed.reconfigured) == 4
    assert engine.states["clab-two-clusters-cluster-b-m05"] == "running"
    shown = lab.calicoctl("cluster-b", ("get", "node", "-o", "wide", "cluster-b-m05")).out
    assert "172.17.0.10/16" in shown
    assert (
        lab.state.clusters["cluster-b"].kubernetes.node("cluster-b-m05").meta.labels["rack"] == "r1"
    )
    assert len(lab.design().sessions_of("cluster-b-m05")) == 4
    topology = lab.project.topology_file.read_text()
    assert "cluster-b-m05" in topology
    changed = lab.remove_node("cluster-b", "cluster-b-m05")
    assert changed.stopped == ("cluster-b-m05",)
    assert "clab-two-clusters-cluster-b-m05" not in engine.states
    blocks = lab.calicoctl("cluster-b", ("ipam", "show", "--show-blocks")).out
    assert blocks.count("Block") == 4
    assert "cluster-b-m05" not in lab.project.topology_file.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "demo"}, "the name demo is taken"),
        ({"name": "x", "segment": "other"}, "no segment other"),
        ({"name": "cluster-a"}, "the name cluster-a is taken"),
    ],
)
def test_a_node_that_cannot_join_is_refused(lab, arguments, message):
    with pytest.raises(InputError, match=message):
        lab.add_node("cluster-a", **arguments)


def test_a_node_that_does_not_start_is_taken_away(lab, engine):
    before = files_of(lab)
    engine.failing["clab-two-clusters-cluster-a-m05"] = "no room"
    with pytest.raises(LabError, match=r"node cluster-a-m05: .*no room"):
        lab.add_node("cluster-a", "cluster-a-m05")
    assert files_of(lab) == before
    assert "clab-two-clusters-cluster-a-m05" not in engine.states


def test_drain_stops_pods_before_their_successors_start(lab, engine):
    pod = next(p for p in lab.state.clusters["cluster-a"].kubernetes.pods if "echo" in p.meta.name)
    engine.calls.clear()
    answered = lab.kubectl("cluster-a", ("drain", "--ignore-daemonsets", pod.spec.node_name))
    assert answered.code == 0, answered.err
    (new,) = answered.changed.started
    calls = [call for call in engine.calls if "echo" in call[1]]
    assert [call[0] for call in calls] == ["remove", "create", "start"]
    state = lab.state.clusters["cluster-a"].kubernetes
    (slice_,) = (s for s in state.endpoint_slices if s.service == "echoserver")
    assert [e.pod for e in slice_.endpoints] == [new]
    assert (
        str(slice_.endpoints[0].address)
        in (lab.project.lab_directory / "cluster-a/nat.nft").read_text()
    )


def test_labels_are_one_thing_in_both_tools(lab):
    lab.kubectl("cluster-a", ("label", "node", "cluster-a", "zone=z1"))
    assert "zone: z1" in lab.calicoctl("cluster-a", ("get", "node", "cluster-a", "-o", "yaml")).out
    lab.calicoctl("cluster-a", ("label", "nodes", "cluster-a", "zone=z2", "--overwrite"))
    assert "zone=z2" in lab.kubectl("cluster-a", ("get", "nodes", "--show-labels")).out


def test_minikube_starts_a_cluster_from_nothing(lab, engine):
    gone = lab.minikube(("delete", "--all"))
    assert len(gone.changed.stopped) == 12
    assert set(engine.states) == {"clab-two-clusters-demo"} | {
        name for name in engine.states if "wiring" in name
    }
    started = lab.minikube(("-p", "cluster-a", "start"))
    assert started.changed.started == ("cluster-a",)
    assert lab.calicoctl("cluster-a", ("get", "ippool")).out.split() == ["NAME", "CIDR", "SELECTOR"]
    file = str(lab.project.directory / "cluster_a_calicomanifests/custom-resources.yaml")
    made = lab.kubectl("cluster-a", ("create", "-f", file))
    assert made.code == 0, made.err
    assert "10.200.0.0/16" in lab.calicoctl("cluster-a", ("get", "ippool")).out
    assert lab.minikube(("-p", "cluster-a", "node", "add")).changed.started == ("cluster-a-m02",)
    assert len(lab.design().sessions) == 1


def test_a_lab_that_runs_from_elsewhere_is_refused(project, engine, tmp_path):
    from labgen.lab.project import open_project

    other = tmp_path / "other"
    other.mkdir()
    for path in project.directory.glob("*"):
        if not path.name.startswith("clab-"):
            (other / path.name).symlink_to(path)
    with pytest.raises(LabError, match="runs from"), live(open_project(other / "lab.yaml"), engine):
        pass


def test_state_that_labgen_did_not_write_is_told(lab):
    path = lab.project.lab_directory / "datastore" / "lab.json"
    path.write_text("{")
    with pytest.raises(LabError, match="not what labgen wrote there"):
        lab.calicoctl("cluster-a", ("get", "nodes"))


def test_a_lab_that_another_command_changed_meanwhile(lab, bird, pool, project, engine):
    """Process ids are asked for again: the node that joined is told of the pool as well."""
    lab.calicoctl("cluster-a", ("apply", "-f", pool))
    with live(project, engine) as other:
        other.add_node("cluster-a", "cluster-a-m05")
    bird.asked.clear()
    lab.calicoctl("cluster-a", ("delete", "ippool", "more"))
    assert bird.configured() == [*A, "clab-two-clusters-cluster-a-m05"]


def test_a_released_address_stays_released(lab):
    """`calicoctl ipam release` frees it; its pod goes on, and no later change takes it back."""
    pod = next(p for p in lab.state.clusters["cluster-b"].kubernetes.pods if "echo" in p.meta.name)
    address = str(pod.addresses[0])
    said = lab.calicoctl("cluster-b", ("ipam", "release", "--ip", address)).out
    assert said == f"Successfully released IP address {address}\n"
    lab.calicoctl("cluster-b", ("label", "node", "cluster-b", "x=y"))
    lab.kubectl("cluster-b", ("label", "node", "cluster-b", "z=y"))
    shown = lab.calicoctl("cluster-b", ("ipam", "show", "--ip", address)).out
    assert shown == f"{address} is not assigned\n"
    checked = lab.calicoctl("cluster-b", ("ipam", "check", "--show-problem-ips")).out
    assert f"{address} in use by" in checked


def test_a_full_pool_takes_another_nodes_empty_block_after_a_minute():
    """Calico leaves a node its empty block for a minute."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    stamps = Stamps(now=lambda: now, uid=lambda: "00000000-0000-4000-8000-000000000000")
    pool = (
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: few}\n"
        "spec: {cidr: 10.9.0.0/30, blockSize: 30}\n"
    )
    store = Datastore()
    for document in parse(pool, "pool.yaml"):
        store = store.put(document.value, stamps)
    networks = (ip_network("10.96.0.0/12"),), (ip_network("10.9.0.0/30"),)
    state = new_cluster("c", service_networks=networks[0], pod_networks=networks[1], now=now)
    cluster = ClusterStore("c", store, state, {})
    ipam = cluster.ipam()
    ipam.claim(Request("n1", "h"))
    cluster = replace(cluster, calico=with_blocks(cluster.calico, ipam.blocks, stamps))
    young = cluster.ipam(now + timedelta(seconds=59))
    assert young.reclaimable == frozenset()
    old = cluster.ipam(now + timedelta(seconds=60))
    assert old.assign(Request("n2", "pod")).address in ip_network("10.9.0.0/30")
    assert [b.owner for b in old.blocks] == ["n2"]
