"""minikube's commands over the nodes of the spec."""

from __future__ import annotations

import shlex
from ipaddress import ip_network

import pytest

from labgen.kubernetes.minikube import Profile, minikube
from labgen.kubernetes.shell import (
    AddNode,
    Answer,
    Clusters,
    DeleteClusters,
    NodeCalicoctl,
    NodeShell,
    StartCluster,
)
from labgen.kubernetes.state import ClusterState

NODES = ("cluster-a", "cluster-a-m02", "cluster-a-m03", "cluster-a-m04", "cluster-a-m05")
PROFILES = {
    "cluster-a": Profile(
        "cluster-a",
        NODES,
        (ip_network("10.201.0.0/16"),),
        (ip_network("10.200.0.0/16"),),
        "calico_cluster_peer_demo",
    )
}
START = (
    "-p cluster-a start --network-plugin=cni "
    "--extra-config=kubeadm.pod-network-cidr=10.200.0.0/16 "
    "--service-cluster-ip-range=10.201.0.0/16 --network=calico_cluster_peer_demo"
)
CALICOCTL = (
    "curl -o calicoctl -O -L "
    "http://github.com/projectcalico/calicoctl/releases/download/v3.21.1/calicoctl && "
    "sudo mv calicoctl /usr/local/bin/calicoctl && chmod +x /usr/local/bin/calicoctl"
)


def ask(line: str, cluster: ClusterState | None = None) -> Answer:
    clusters = Clusters({cluster.name: cluster}, cluster.name) if cluster else Clusters()
    return minikube(shlex.split(line), clusters, PROFILES)


def test_start_brings_up_the_first_node_of_the_spec() -> None:
    answer = ask(START)
    assert isinstance(answer.action, StartCluster)
    assert answer.action.nodes == ("cluster-a",)
    (after,) = answer.action.after
    assert after == (
        '* Done! kubectl is now configured to use "cluster-a" cluster and "default" namespace '
        "by default"
    )
    more = ask(START + " --nodes 3")
    assert isinstance(more.action, StartCluster)
    assert more.action.nodes == NODES[:3]


def test_start_again_changes_nothing(four_nodes: ClusterState) -> None:
    answer = ask(START, four_nodes)
    assert answer.action is None
    assert "is running already" in answer.out


def test_node_add_takes_the_next_node_of_the_spec(four_nodes: ClusterState) -> None:
    answer = ask("--profile cluster-a node add", four_nodes)
    assert answer.action == AddNode(
        "cluster-a",
        "cluster-a-m05",
        (
            "* Adding node m05 to cluster cluster-a",
            "* Starting worker node cluster-a-m05 in cluster cluster-a",
        ),
        ("* Successfully added m05 to cluster-a!",),
    )
    assert ask("-p cluster-a node list", four_nodes).out.splitlines()[0] == "cluster-a\t172.18.0.2"


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ('ssh -p cluster-a -n cluster-a-m02 "sudo calicoctl node status"',
         NodeCalicoctl("cluster-a", "cluster-a-m02", ("node", "status"), sudo=True)),
        ('ssh -p cluster-a -n m02 "calicoctl get nodes -o wide"',
         NodeCalicoctl("cluster-a", "cluster-a-m02", ("get", "nodes", "-o", "wide"), sudo=False)),
        ('ssh -p cluster-a "ip route"', NodeShell("cluster-a", "cluster-a", "ip route")),
        ("ssh -p cluster-a -n m03 -- ip route",
         NodeShell("cluster-a", "cluster-a-m03", "ip route")),
        ("ssh -p cluster-a", NodeShell("cluster-a", "cluster-a", None)),
        ('ssh -p cluster-a "sudo calicoctl node status | grep up"',
         NodeShell("cluster-a", "cluster-a", "sudo calicoctl node status | grep up")),
    ],
)  # fmt: skip
def test_ssh(four_nodes: ClusterState, line: str, action: object) -> None:
    assert ask(line, four_nodes).action == action


def test_the_download_of_calicoctl_is_met_without_a_fetch(four_nodes: ClusterState) -> None:
    answer = ask(f'ssh -p cluster-a -n cluster-a-m02 "{CALICOCTL}"', four_nodes)
    assert answer.action is None
    assert answer.out == (
        "cluster-a-m02: calicoctl: not fetched, this lab provides it by itself on every node\n"
    )


@pytest.mark.parametrize(
    "command",
    [
        f"{CALICOCTL}; rm -rf /",
        f"{CALICOCTL} && reboot",
        "curl -L http://example.org/calicoctl -o calicoctl",
        "curl http://github.com/projectcalico/calicoctl/releases/download/v1/calicoctl | sh",
    ],
)
def test_no_other_command_passes_for_that_download(four_nodes: ClusterState, command: str) -> None:
    answer = ask(f'ssh -p cluster-a "{command}"', four_nodes)
    assert answer.action == NodeShell("cluster-a", "cluster-a", command)


def test_delete(four_nodes: ClusterState) -> None:
    everything = ask("delete --all", four_nodes).action
    assert everything == DeleteClusters(
        ("cluster-a",),
        ('* Deleting "cluster-a" ...',),
        (
            '* Removed all traces of the "cluster-a" cluster.',
            "* Successfully deleted all profiles",
        ),
    )
    assert ask("delete --all").action == DeleteClusters(
        (), (), ("* Successfully deleted all profiles",)
    )
    one = ask("delete -p cluster-a", four_nodes).action
    assert isinstance(one, DeleteClusters)
    assert one.profiles == ("cluster-a",)


def test_profile_list_and_status(four_nodes: ClusterState) -> None:
    assert ask("profile list", four_nodes).out == (
        "|-----------|------------|---------|-------|--------------------|\n"
        "|  Profile  |     IP     |  Status | Nodes | Active Kubecontext |\n"
        "|-----------|------------|---------|-------|--------------------|\n"
        "| cluster-a | 172.18.0.2 | Running | 4     | *                  |\n"
        "|-----------|------------|---------|-------|--------------------|\n"
    )
    blocks = ask("-p cluster-a status", four_nodes).out.split("\n\n")
    assert blocks[0].splitlines() == [
        "cluster-a", "type: Control Plane", "host: Running", "node: Ready",
    ]  # fmt: skip
    assert len(blocks) == 4
    assert ask("-p cluster-a ip", four_nodes).out == "172.18.0.2\n"
    assert ask("profile", four_nodes).out == "cluster-a\n"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("start", 'Profile "minikube" not found (the lab\'s spec has cluster-a)'),
        ("-p cluster-a start --service-cluster-ip-range=10.9.0.0/16",
         "the service network 10.9.0.0/16 is not that of cluster cluster-a, 10.201.0.0/16"),
        ("-p cluster-a start --extra-config=kubeadm.pod-network-cidr=10.200.0.0/15",
         "the pod network 10.200.0.0/15 is not that of"),
        ("-p cluster-a start --extra-config=kubelet.v=4", "=kubelet.v is not covered"),
        ("-p cluster-a start --cni=flannel", "=flannel is not covered by this lab: it has Calico"),
        ("-p cluster-a start --nodes=9", "has 5 nodes"),
        ("-p cluster-a start --memory 4g", "minikube start --memory is not covered by this lab"),
        ("-p cluster-a node add", 'Profile "cluster-a" not found. Run "minikube profile list"'),
        ("-p cluster-b delete", 'Profile "cluster-b" not found'),
        ("profile list", "No minikube profile was found."),
        ("dashboard", "minikube dashboard is not covered by this lab; covered: start"),
        ("", "minikube is not covered by this lab"),
    ],
)  # fmt: skip
def test_refused(line: str, says: str) -> None:
    answer = ask(line)
    assert says in answer.err
    assert (answer.code, answer.out, answer.action) == (1, "", None)
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('ssh -p cluster-a -n m09 "ip r"', "node m09 does not exist in cluster cluster-a"),
        ("""ssh -p cluster-a "calicoctl get 'x" """, "No closing quotation"),
        ("-p cluster-a node delete m02", "minikube node delete is not covered by this lab"),
        ("-p cluster-a node add --control-plane", "--control-plane is not covered"),
        ("profile cluster-b", 'Profile "cluster-b" not found'),
    ],
)
def test_refused_while_it_runs(four_nodes: ClusterState, line: str, says: str) -> None:
    answer = ask(line, four_nodes)
    assert says in answer.err
    assert (answer.code, answer.action) == (1, None)


def test_a_spec_without_a_node_left_refuses_node_add(four_nodes: ClusterState) -> None:
    full = {"cluster-a": Profile("cluster-a", NODES[:4], (), ())}
    clusters = Clusters({"cluster-a": four_nodes}, "cluster-a")
    answer = minikube(["-p", "cluster-a", "node", "add"], clusters, full)
    assert "has all 4 nodes of the lab's spec" in answer.err
