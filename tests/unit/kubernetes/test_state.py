"""Objects follow from one another as Kubernetes' controllers would have it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from labgen.errors import InputError
from labgen.kubernetes import controllers, kinds, naming, nodes, state, system, verbs
from labgen.kubernetes.errors import ServerError
from labgen.kubernetes.kinds import Ref
from labgen.kubernetes.objects import Phase, Pod, ReplicaSet, ref
from labgen.kubernetes.state import ClusterState

from .conftest import ECHO, NOW, decode, started

POD_NAME = re.compile(r"echo-[456789bcdf]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\Z")


def echo_pods(cluster: ClusterState) -> list[Pod]:
    return [pod for pod in cluster.of(Pod, "default") if pod.meta.labels.get("app") == "echo"]


def test_names_have_kubernetes_shape_and_repeat(four_nodes: ClusterState) -> None:
    runs = [verbs.apply(four_nodes, decode(ECHO), source="e", now=NOW).checked() for _ in range(2)]
    names = [[pod.meta.name for pod in echo_pods(run)] for run in runs]
    assert names[0] == names[1]
    assert POD_NAME.match(names[0][0])
    hash_ = echo_pods(runs[0])[0].meta.labels["pod-template-hash"]
    assert names[0][0].split("-")[1] == hash_


def test_template_hash_changes_with_the_template_only(echo: ClusterState) -> None:
    other = ECHO.replace("example/echo", "example/other")
    changed = verbs.apply(echo, decode(other), source="e", now=NOW).checked()
    old, new = {s.meta.name for s in echo.of(ReplicaSet)}, changed.of(ReplicaSet)
    assert sorted(s.replicas for s in new) == [0, 1]
    assert {s.meta.name for s in new if s.replicas == 0} == old
    relabelled = ECHO.replace("tier: test", "tier: other")
    same = verbs.apply(echo, decode(relabelled), source="e", now=NOW).checked()
    assert {s.meta.name for s in same.of(ReplicaSet)} == old


def test_generated_names_fit_a_dns_label() -> None:
    name = naming.generated("a" * 80, "x")
    assert len(name) == 63


def test_replicas_spread_over_uncordoned_nodes(scaled: Callable[[int], ClusterState]) -> None:
    cluster = scaled(8)
    assert Counter(pod.spec.node_name for pod in echo_pods(cluster)) == {
        "cluster-a": 2, "cluster-a-m02": 2, "cluster-a-m03": 2, "cluster-a-m04": 2,
    }  # fmt: skip
    cordoned = nodes.cordon(cluster, ["cluster-a-m02"], now=NOW).state
    at = Ref(kinds.DEPLOYMENT, "default", "echo")
    more = verbs.scale(cordoned, [at], 14, now=NOW).state
    counted = Counter(pod.spec.node_name for pod in echo_pods(more))
    assert counted["cluster-a-m02"] == 2
    assert {counted["cluster-a"], counted["cluster-a-m03"], counted["cluster-a-m04"]} == {4}


def test_without_a_schedulable_node_a_pod_waits_and_then_starts(empty: ClusterState) -> None:
    cluster = verbs.apply(empty, decode(ECHO), source="e", now=NOW).checked()
    assert [pod.phase for pod in echo_pods(cluster)] == [Phase.PENDING]
    cluster = nodes.add_node(cluster, "n1", [ip_address("172.18.0.2")], now=NOW)
    assert [pod.spec.node_name for pod in cluster.to_start()] == ["n1"]


def test_a_node_selector_is_obeyed(four_nodes: ClusterState) -> None:
    text = ECHO.replace("      containers:", "      nodeSelector: {disk: fast}\n      containers:")
    cluster = verbs.apply(four_nodes, decode(text), source="e", now=NOW).checked()
    assert [pod.phase for pod in echo_pods(cluster)] == [Phase.PENDING]
    at = Ref(kinds.NODE, "", "cluster-a-m03")
    cluster = verbs.label(cluster, [at], {"disk": "fast"}, now=NOW).checked()
    assert [pod.spec.node_name for pod in echo_pods(cluster)] == ["cluster-a-m03"]


def test_a_removed_node_takes_its_pods_and_they_come_back_elsewhere(echo: ClusterState) -> None:
    before = echo_pods(echo)[0]
    gone = verbs.delete(echo, [Ref(kinds.NODE, "", before.spec.node_name)], now=NOW).checked()
    after = echo_pods(gone)[0]
    assert after.meta.name != before.meta.name
    assert after.spec.node_name != before.spec.node_name
    difference = state.changes(echo, gone)
    assert [node.meta.name for node in difference.nodes_removed] == [before.spec.node_name]
    assert [pod.meta.name for pod in difference.pods_to_stop] == [before.meta.name]


def test_endpoints_follow_pods_and_the_readiness_of_nodes(echo: ClusterState) -> None:
    (pod,) = echo_pods(echo)
    (found,) = echo.endpoint_slices
    assert found.service == "echo"
    assert [(e.address, e.ready, e.node_name, e.pod) for e in found.endpoints] == [
        (pod.addresses[0], True, pod.spec.node_name, pod.meta.name)
    ]
    assert [port.port for port in found.ports] == [8080]
    down = nodes.set_ready(echo, pod.spec.node_name, ready=False, now=NOW)
    assert [e.ready for s in down.endpoint_slices for e in s.endpoints] == [False]
    deleted = verbs.delete(echo, [ref(pod)], now=NOW).checked()
    assert [s.endpoints for s in deleted.endpoint_slices] == [()]  # the new pod does not run yet
    back = started(deleted)
    assert [len(s.endpoints) for s in back.endpoint_slices] == [1]


def test_a_slice_keeps_its_identity_while_its_endpoints_change(
    echo: ClusterState, scaled: Callable[[int], ClusterState]
) -> None:
    (before,), (after,) = echo.endpoint_slices, scaled(3).endpoint_slices
    assert before.meta.uid == after.meta.uid
    assert len(after.endpoints) == 3


def test_a_container_that_lacks_the_named_port_is_left_out(four_nodes: ClusterState) -> None:
    text = ECHO.replace("name: http, ", "name: web, ")
    cluster = started(verbs.apply(four_nodes, decode(text), source="e", now=NOW).checked())
    assert [s.ports for s in cluster.endpoint_slices] == [()]


def test_deleting_a_deployment_takes_replica_sets_and_pods(echo: ClusterState) -> None:
    done = verbs.delete(echo, [Ref(kinds.DEPLOYMENT, "default", "echo")], now=NOW)
    assert done.out == ('deployment.apps "echo" deleted',)
    assert not echo_pods(done.state)
    assert not done.state.of(ReplicaSet)


def test_daemon_sets_serve_every_node_even_a_cordoned_one(four_nodes: ClusterState) -> None:
    cluster = nodes.cordon(four_nodes, ["cluster-a-m03"], now=NOW).state
    cluster = system.with_kindnet(cluster, NOW)
    at = Ref(kinds.DAEMON_SET, "kube-system", "kindnet")
    assert len(cluster.pods_of(at)) == 4
    assert all(pod.phase is Phase.RUNNING for pod in cluster.pods_of(at))
    done = verbs.delete(cluster, [at], now=NOW)
    assert done.out == ('daemonset.apps "kindnet" deleted',)
    assert not done.state.pods_of(at)
    # no container ever ran for it, so the lab has nothing to stop
    assert state.changes(cluster, done.state).pods_to_stop == ()


def test_a_pod_that_was_deleted_while_it_started_stays_away(echo: ClusterState) -> None:
    at = Ref(kinds.POD, "default", "gone")
    same = controllers.running(echo, {at: (ip_address("10.200.9.9"),)}, NOW)
    assert same.get(at) is None


def test_a_pod_of_the_same_name_made_again_is_a_change(echo: ClusterState) -> None:
    (pod,) = echo_pods(echo)
    other = echo.having(replace(pod, meta=replace(pod.meta, uid="another")))
    difference = state.changes(echo, other)
    assert [item.meta.name for item in difference.added] == [pod.meta.name]
    assert [item.meta.name for item in difference.removed] == [pod.meta.name]


def test_nothing_changed_is_falsy(echo: ClusterState) -> None:
    assert not state.changes(echo, controllers.settle(echo, NOW))


@pytest.mark.parametrize(
    ("services", "pods", "reason"),
    [
        ([], ["10.0.0.0/16"], "service range is one network"),
        (["10.0.0.0/16", "10.1.0.0/16"], ["10.2.0.0/16"], "service range is one network"),
        (["10.0.0.0/16"], ["10.0.0.0/8"], "overlaps"),
    ],
)
def test_odd_networks_are_refused(services: list[str], pods: list[str], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        state.new_cluster(
            "c",
            service_networks=[ip_network(s) for s in services],
            pod_networks=[ip_network(p) for p in pods],
            now=NOW,
        )


def test_a_second_node_of_one_name_is_refused(four_nodes: ClusterState) -> None:
    with pytest.raises(ServerError, match='nodes "cluster-a" already exists'):
        nodes.add_node(four_nodes, "cluster-a", [ip_address("172.18.0.9")], now=NOW)
