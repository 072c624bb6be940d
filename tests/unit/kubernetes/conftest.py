"""A small cluster, grown as the guides grow theirs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest

from labgen import yaml_source
from labgen.errors import InputError
from labgen.kubernetes import controllers, manifests, nodes, state, system, verbs
from labgen.kubernetes.kubectl import kubectl
from labgen.kubernetes.manifests import Manifest
from labgen.kubernetes.objects import ref
from labgen.kubernetes.shell import Answer, Clusters
from labgen.kubernetes.state import ClusterState
from labgen.yaml_source import Document

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ECHO = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: echo, labels: {tier: test}}
spec:
  replicas: 1
  selector: {matchLabels: {app: echo}}
  template:
    metadata: {labels: {app: echo}}
    spec:
      containers:
      - {name: echo, image: example/echo, ports: [{name: http, containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  selector: {app: echo}
  ports: [{port: 8385, targetPort: http}]
"""


def decode(text: str, namespace: str = "default") -> list[Manifest]:
    return manifests.decode(yaml_source.parse(text, "test.yaml"), namespace)


def started(cluster: ClusterState) -> ClusterState:
    """Every waiting pod runs, each with the next address of the pod network."""
    used = {address for pod in cluster.pods for address in pod.addresses}
    network = cluster.pod_networks[0]
    free = (network[i] for i in range(1, 500) if network[i] not in used)
    found = {ref(pod): (next(free),) for pod in cluster.to_start()}
    return controllers.running(cluster, found, NOW)


@pytest.fixture
def empty() -> ClusterState:
    return state.new_cluster(
        "cluster-a",
        service_networks=[ip_network("10.201.0.0/16")],
        pod_networks=[ip_network("10.200.0.0/16")],
        now=NOW,
    )


@pytest.fixture
def four_nodes(empty: ClusterState) -> ClusterState:
    """cluster-a, -m02, -m03, -m04 at 172.18.0.2 to .5, with kube-proxy and calico-node."""
    cluster = system.with_calico_node(system.with_kube_proxy(empty, NOW), NOW)
    for index, name in enumerate(("cluster-a", "cluster-a-m02", "cluster-a-m03", "cluster-a-m04")):
        cluster = nodes.add_node(
            cluster, name, [ip_address(f"172.18.0.{index + 2}")], control_plane=not index, now=NOW
        )
    return cluster


@pytest.fixture
def echo(four_nodes: ClusterState) -> ClusterState:
    """The four nodes with the echo Deployment running and its Service."""
    done = verbs.apply(four_nodes, decode(ECHO), source="echo.yaml", now=NOW)
    return started(done.checked())


@pytest.fixture
def scaled(echo: ClusterState) -> Callable[[int], ClusterState]:
    """The echo cluster with that many running replicas."""

    def to(replicas: int) -> ClusterState:
        at = [ref(item.item) for item in decode(ECHO)][:1]
        return started(verbs.scale(echo, at, replicas, now=NOW).checked())

    return to


class Shell:
    """A terminal in which kubectl answers, and whose lab starts every pod at once."""

    def __init__(self, *clusters: ClusterState, files: dict[str, str] | None = None) -> None:
        current = clusters[0].name if clusters else None
        self.clusters = Clusters({cluster.name: cluster for cluster in clusters}, current)
        self.files = files or {}
        self.now = NOW

    def read(self, path: str) -> list[Document]:
        if path not in self.files:
            raise InputError(f'the path "{path}" does not exist')
        return yaml_source.parse(self.files[path], path)

    def __call__(self, line: str) -> Answer:
        self.now += timedelta(seconds=10)
        answer = kubectl(shlex.split(line), self.clusters, read=self.read, now=self.now)
        states = {name: started(state) for name, state in answer.clusters.states.items()}
        self.clusters = replace(answer.clusters, states=states)
        return answer

    @property
    def state(self) -> ClusterState:
        return self.clusters.states[self.clusters.current or ""]


@pytest.fixture
def shell(echo: ClusterState) -> Shell:
    return Shell(echo, files={"echo.yaml": ECHO})
