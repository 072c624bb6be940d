"""The second guide's own command lines, each answered in the order in which the guide has them.

bash itself expands the guide's loops and `&&`: kubectl and minikube are functions there that write
down what they were called with.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from labgen import yaml_source
from labgen.kubernetes import nodes, state, system
from labgen.kubernetes.kubectl import kubectl, session_ended
from labgen.kubernetes.minikube import Profile, minikube
from labgen.kubernetes.shell import (
    AddNode,
    Answer,
    Attach,
    Clusters,
    DeleteClusters,
    NodeCalicoctl,
    NodeShell,
    StartCluster,
)

from .conftest import NOW, started

SHARED = Path(__file__).parents[4] / "shared" / "reference"
GUIDE = SHARED / "bgp-on-k8s.md"
INPUTS = SHARED / "inputs" / "two-clusters"
pytestmark = [
    pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not beside this repository"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed"),
]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RECORD = r"""
record() { printf '%s' "$1"; shift; printf '\037%s' "$@"; printf '\036'; }
kubectl() { record kubectl "$@"; }
minikube() { record minikube "$@"; }
calicoctl() { :; }; cat() { :; }; route() { :; }; docker() { :; }; grep() { command cat; }
echo() { :; }
"""
# The guide's step 23 asks cluster-b for a node of cluster-a; minikube refuses that too.
SLIP = ("minikube", "ssh", "-p", "cluster-b", "-n", "cluster-a", "ip route")


def commands() -> list[tuple[str, ...]]:
    """Every kubectl and minikube call of the guide's blocks, arguments expanded by bash."""
    found: list[tuple[str, ...]] = []
    for block in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        # from the prompt inside the pod on, the block shows a session and no more commands
        text = block.partition("\nIf you don't see")[0]
        done = subprocess.run(
            ["bash", "-c", f"{RECORD}\n{text}"], capture_output=True, text=True, check=True
        )
        found += [tuple(call.split("\037")) for call in done.stdout.split("\036") if call]
    return found


def profile(letter: str, base: int) -> Profile:
    name = f"cluster-{letter}"
    return Profile(
        name,
        (name, *(f"{name}-m0{i}" for i in (2, 3, 4))),
        (ip_network(f"10.{base + 1}.0.0/16"),),
        (ip_network(f"10.{base}.0.0/16"),),
    )


@dataclass
class Lab:
    """What the running lab would do, as far as the clusters' states show it."""

    profiles: dict[str, Profile]
    clusters: Clusters = field(default_factory=Clusters)
    now = NOW

    def __call__(self, argv: tuple[str, ...]) -> Answer:
        self.now += timedelta(seconds=5)
        if argv[0] == "minikube":
            answer = minikube(argv[1:], self.clusters, self.profiles)
        else:
            answer = kubectl(argv[1:], self.clusters, read=self.read, now=self.now)
        self.clusters = answer.clusters
        self.carry_out(answer)
        states = {name: started(each) for name, each in self.clusters.states.items()}
        self.clusters = replace(self.clusters, states=states)
        return answer

    def read(self, path: str) -> list[yaml_source.Document]:
        return yaml_source.read(INPUTS / path)

    def carry_out(self, answer: Answer) -> None:
        action = answer.action
        if isinstance(action, StartCluster):
            found = self.profiles[action.profile]
            new = state.new_cluster(
                found.name,
                service_networks=found.service_networks,
                pod_networks=found.pod_networks,
                now=self.now,
            )
            new = system.with_kube_proxy(new, self.now)
            self.clusters = replace(self.clusters.having(new), current=found.name)
            self.add(found.name, *action.nodes)
        elif isinstance(action, AddNode):
            self.add(action.profile, action.node)
        elif isinstance(action, Attach):
            self.clusters = session_ended(answer.clusters, action, now=self.now).clusters
        elif isinstance(action, DeleteClusters):
            kept = {n: s for n, s in self.clusters.states.items() if n not in action.profiles}
            self.clusters = Clusters(kept)

    def add(self, cluster: str, *names: str) -> None:
        found = self.clusters.states[cluster]
        for name in names:
            index = len(found.nodes) + (2 if cluster == "cluster-a" else 6)
            address = ip_address(f"172.18.0.{index}")
            first = not found.nodes
            found = nodes.add_node(found, name, [address], control_plane=first, now=self.now)
            found = found if first else system.with_kindnet(found, self.now)
        self.clusters = self.clusters.having(found)


@pytest.fixture
def lab() -> Lab:
    return Lab({"cluster-a": profile("a", 200), "cluster-b": profile("b", 210)})


def test_every_command_is_answered(lab: Lab) -> None:
    answers = [(argv, lab(argv)) for argv in commands()]
    refused = [argv for argv, answer in answers if answer.code]
    assert refused == [SLIP]
    assert len(answers) > 70
    asked = [answer.action for _, answer in answers if isinstance(answer.action, NodeCalicoctl)]
    assert {action.argv for action in asked} == {("node", "status")}
    assert len([a for _, a in answers if isinstance(a.action, NodeShell)]) == 7
    for cluster in lab.clusters.states.values():
        assert len(cluster.nodes) == 4
        assert all(node.schedulable for node in cluster.nodes)
        reflectors = [n.meta.name for n in cluster.nodes if "route-reflector" in n.meta.labels]
        assert reflectors == [f"{cluster.name}-m03", f"{cluster.name}-m04"]
        names = {pod.meta.name.split("-")[0] for pod in cluster.pods}
        assert names == {"calico", "kube", "echoserver"}


def test_the_guides_steps_8_and_15(lab: Lab) -> None:
    seen = {argv: lab(argv) for argv in commands()}
    kindnet = ("kubectl", "--cluster=cluster-a", "delete", "ds", "-n=kube-system", "kindnet")
    assert seen[kindnet].out == 'daemonset.apps "kindnet" deleted\n'
    drain = (
        "kubectl", "--cluster=cluster-a", "drain", "--ignore-daemonsets", "cluster-a-m03",
        "cluster-a-m04",
    )  # fmt: skip
    assert seen[drain].out == (
        "node/cluster-a-m03 cordoned\nnode/cluster-a-m04 cordoned\n"
        "node/cluster-a-m03 drained\nnode/cluster-a-m04 drained\n"
    )
    assert seen[drain].err.count("Warning: ignoring DaemonSet-managed Pods: ") == 2
