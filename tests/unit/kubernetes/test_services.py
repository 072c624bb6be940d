"""ClusterIPs, families, node ports: what the API server fills in, keeps and refuses."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from labgen.errors import InputError
from labgen.kubernetes import allocation, state, verbs
from labgen.kubernetes.export import resources
from labgen.kubernetes.objects import Service
from labgen.kubernetes.state import ClusterState

from .conftest import ECHO, NOW, decode


def applied(cluster: ClusterState, spec: str, name: str = "s") -> Service:
    text = f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
    after = verbs.apply(cluster, decode(text), source="f.yaml", now=NOW).checked()
    found = after.service(name)
    assert found is not None
    return found


def test_a_cluster_ip_comes_from_the_dynamic_band_and_repeats(empty: ClusterState) -> None:
    first = applied(empty, "ports: [{port: 80}]")
    assert first.cluster_ips == applied(empty, "ports: [{port: 80}]").cluster_ips
    (address,) = first.cluster_ips
    assert address in ip_network("10.201.0.0/16")
    assert int(address) - int(ip_address("10.201.0.0")) >= allocation.static_band(65536)
    assert applied(empty, "ports: [{port: 80}]", "t").cluster_ips != first.cluster_ips


def test_a_small_range_is_used_up_and_then_refused() -> None:
    network = ip_network("10.0.0.0/28")
    taken = set()
    for index in range(12):  # 16, less network, broadcast, the API server's and DNS's
        taken.add(allocation.cluster_ip(network, taken, str(index)))
    assert len(taken) == 12
    with pytest.raises(InputError, match="no free ClusterIP"):
        allocation.cluster_ip(network, taken, "x")


def test_an_asked_for_address_is_kept_and_cannot_be_taken_twice(empty: ClusterState) -> None:
    found = applied(empty, "clusterIP: 10.201.3.4, ports: [{port: 80}]")
    cluster = empty.having(found)
    with pytest.raises(InputError, match="provided IP is already allocated"):
        applied(cluster, "clusterIP: 10.201.3.4, ports: [{port: 80}]", "other")
    with pytest.raises(InputError, match="not in the valid range"):
        applied(cluster, "clusterIP: 10.9.0.1, ports: [{port: 80}]", "other")


def test_an_address_outlives_an_update_and_may_not_change(echo: ClusterState) -> None:
    before = echo.service("echo")
    changed = decode(ECHO.replace("8385", "9000"))
    after = verbs.apply(echo, changed, source="f", now=NOW).checked().service("echo")
    assert before is not None
    assert after is not None
    assert after.cluster_ips == before.cluster_ips
    assert [port.port for port in after.ports] == [9000]
    moved = decode(
        ECHO.replace("spec:\n  selector: {app", "spec:\n  clusterIP: 10.201.9.9\n  selector: {app")
    )
    done = verbs.apply(echo, moved, source="f", now=NOW)
    (problem,) = done.problems
    assert str(problem) == (
        'The Service "echo" is invalid: spec.clusterIPs[0]: Invalid value: ["10.201.9.9"]: '
        "may not change once set"
    )
    assert done.state.service("echo") == before


def test_families_follow_the_cluster() -> None:
    dual = state.new_cluster(
        "d",
        service_networks=[ip_network("10.201.0.0/16"), ip_network("fd00:201::/112")],
        pod_networks=[ip_network("10.200.0.0/16"), ip_network("fd00:200::/64")],
        now=NOW,
    )
    assert applied(dual, "ports: [{port: 80}]").families == (4,)
    both = applied(dual, "ports: [{port: 80}], ipFamilyPolicy: PreferDualStack")
    assert [address.version for address in both.cluster_ips] == [4, 6]
    only6 = applied(dual, "ports: [{port: 80}], ipFamilies: [IPv6]")
    assert [address.version for address in only6.cluster_ips] == [6]


def test_a_family_that_the_cluster_lacks_is_refused(empty: ClusterState) -> None:
    with pytest.raises(InputError, match="not configured on this cluster"):
        applied(empty, "ports: [{port: 80}], ipFamilies: [IPv6]")
    both = applied(empty, "ports: [{port: 80}], ipFamilyPolicy: PreferDualStack")
    assert both.families == (4,)


def test_node_ports_are_chosen_kept_and_unique(empty: ClusterState) -> None:
    first = applied(empty, "type: NodePort, ports: [{port: 80}]")
    assert 30000 <= first.ports[0].node_port <= 32767
    cluster = empty.having(first)
    again = applied(cluster, "type: NodePort, ports: [{port: 80, targetPort: 8080}]")
    assert again.ports[0].node_port == first.ports[0].node_port
    wanted = f"type: NodePort, ports: [{{port: 80, nodePort: {first.ports[0].node_port}}}]"
    with pytest.raises(InputError, match="provided port is already allocated"):
        applied(cluster, wanted, "other")


def test_a_load_balancer_has_the_address_it_asks_for_or_none(empty: ClusterState) -> None:
    asked = applied(empty, "type: LoadBalancer, loadBalancerIP: 192.0.2.7, ports: [{port: 80}]")
    assert asked.ingress == (ip_address("192.0.2.7"),)
    assert applied(empty, "type: LoadBalancer, ports: [{port: 80}]").ingress == ()


def test_a_headless_service_has_no_address(empty: ClusterState) -> None:
    found = applied(empty, "clusterIP: None, ports: [{port: 80}]")
    assert found.cluster_ips == ()
    assert found.families == (4,)


def test_calico_reads_what_the_cluster_holds(echo: ClusterState) -> None:
    found = resources(echo)
    assert [node.name for node in found.nodes] == [node.meta.name for node in echo.nodes]
    assert found.nodes[0].labels["kubernetes.io/hostname"] == "cluster-a"
    (service,) = found.services
    known = echo.service("echo")
    assert known is not None
    assert service.spec.spec.cluster_ip == str(known.cluster_ips[0])
    (slice_,) = found.endpoint_slices
    assert slice_.labels["kubernetes.io/service-name"] == "echo"
    assert slice_.spec.address_type == "IPv4"
    (pod,) = (p for p in echo.pods if p.meta.namespace == "default")
    assert [e.node_name for e in slice_.spec.endpoints] == [pod.spec.node_name]


def test_an_installation_reaches_calico_as_pools(four_nodes: ClusterState) -> None:
    text = """\
apiVersion: operator.tigera.io/v1
kind: Installation
metadata: {name: default}
spec: {calicoNetwork: {ipPools: [{cidr: 10.200.0.0/16, encapsulation: None}]}}
"""
    after = verbs.create(four_nodes, decode(text), source="f", now=NOW).checked()
    assert [pool.spec.cidr for pool in resources(after).ip_pools] == ["10.200.0.0/16"]


def test_not_ready_endpoints_reach_calico_as_such(echo: ClusterState) -> None:
    (found,) = echo.endpoint_slices
    unready = tuple(replace(endpoint, ready=False) for endpoint in found.endpoints)
    cluster = echo.having(replace(found, endpoints=unready))
    (slice_,) = resources(cluster).endpoint_slices
    assert [e.conditions.ready for e in slice_.spec.endpoints] == [False]
