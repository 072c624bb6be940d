"""Service advertisement: ranges, single addresses, traffic policies, exclusion, reflectors."""

from __future__ import annotations

import pytest
from calico_given import THREE, config, default, node, text

ALL = (
    "serviceClusterIPs: [{cidr: 10.96.0.0/12}, {}, {cidr: 'fd00:96::/112'}],"
    " serviceExternalIPs: [{cidr: 203.0.113.0/24}, {cidr: 203.0.114.7/32}],"
    " serviceLoadBalancerIPs: [{cidr: 198.51.100.0/24}, {cidr: 198.51.101.7/32}]"
)


def service(spec: str, ingress: str = "", namespace: str = "shop") -> str:
    found = (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: {namespace}}}\n"
        f"spec: {{{spec}}}\n"
    )
    return found + (f"status: {{loadBalancer: {{ingress: [{ingress}]}}}}\n" if ingress else "")


def endpoints(*parts: str, family: str = "IPv4", namespace: str = "shop") -> str:
    return (
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
        f"metadata: {{name: web-{family.lower()}, namespace: {namespace},"
        " labels: {kubernetes.io/service-name: web}}\n"
        f"addressType: {family}\nendpoints: [{', '.join(parts)}]\n"
    )


def endpoint(node_name: str = "n1", ready: str = "") -> str:
    conditions = f", conditions: {{ready: {ready}}}" if ready else ""
    return f"{{addresses: [192.168.0.9], nodeName: {node_name}{conditions}}}"


def static(*documents: str, at: str = "n1", **more: dict[str, str]) -> tuple[str, ...]:
    return config(THREE, *documents, at=at, **more).v4.static_routes  # type: ignore[arg-type]


RANGES = ("10.96.0.0/12", "198.51.100.0/24", "203.0.113.0/24")
LOCAL = "type: LoadBalancer, clusterIP: 10.96.0.10, externalTrafficPolicy: Local"


def test_ranges_are_advertised_and_kept_out_of_the_kernel() -> None:
    found = config(THREE, default(f"{{{ALL}}}"))
    assert found.v4.static_routes == RANGES
    assert found.v4.kernel_rejects == RANGES
    assert found.v6.static_routes == ("fd00:96::/112",)
    ipam = text(found, "bird_ipam.cfg")
    assert ipam.count("if ( net ~ 10.96.0.0/12 ) then { accept; }") == 1
    assert "filter calico_kernel_programming { if ( net ~ 10.96.0.0/12 ) then { reject; }" in ipam
    assert "route 10.96.0.0/12 blackhole;" in text(found, "bird_aggr.cfg")


def test_a_local_service_goes_out_from_the_nodes_that_serve_it() -> None:
    documents = (default(f"{{{ALL}}}"), service(LOCAL), endpoints(endpoint("n1")))
    assert static(*documents) == (RANGES[0], "10.96.0.10/32", *RANGES[1:])
    assert static(*documents, at="n2") == RANGES
    elsewhere = {"CALICO_K8S_NODE_REF": "n1"}
    assert "10.96.0.10/32" in static(*documents, at="n2", environment=elsewhere)


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        ((service(LOCAL),), "no EndpointSlice"),
        ((service(LOCAL), endpoints(endpoint("n1", "false"))), "not ready"),
        ((service(LOCAL), endpoints(endpoint("n1"), family="IPv6")), "another family"),
        ((service(LOCAL), endpoints(endpoint("n1"), namespace="other")), "another namespace"),
        (
            (
                service("type: ClusterIP, clusterIP: None, externalTrafficPolicy: Local"),
                endpoints(endpoint()),
            ),
            "headless",
        ),
        ((service("type: ExternalName"), endpoints(endpoint())), "no cluster IP"),
        (
            (service("type: NodePort, clusterIP: 10.96.0.10"), endpoints(endpoint())),
            "policy Cluster, and the range covers it",
        ),
        (
            (service("type: ClusterIP, clusterIP: 10.96.0.10"), endpoints(endpoint())),
            "inside the cluster only",
        ),
    ],
)
def test_what_is_not_advertised_by_itself(documents: tuple[str, ...], why: str) -> None:
    assert static(default(f"{{{ALL}}}"), *documents) == RANGES


def test_all_addresses_of_a_service_inside_the_ranges() -> None:
    spec = (
        "type: LoadBalancer, clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10, 'fd00:96::10'],"
        " externalIPs: [203.0.113.9, 192.0.2.1], externalTrafficPolicy: Local"
    )
    ingress = "{ip: 198.51.100.9}, {ip: 192.0.2.2}, {ip: 198.51.100.8/32}, {hostname: lb}"
    found = config(
        THREE, default(f"{{{ALL}}}"), service(spec, ingress), endpoints(endpoint("n1", "true"))
    )
    assert set(found.v4.static_routes) - set(RANGES) == {
        "10.96.0.10/32",
        "203.0.113.9/32",
        "198.51.100.9/32",
    }
    assert found.v6.static_routes == ("fd00:96::/112", "fd00:96::10/128")


def test_addresses_of_a_service_are_copied_as_they_are_written() -> None:
    spec = f"{LOCAL}, externalIPs: ['FD00:97:0::0009', not-an-address]"
    ranges = default("{serviceExternalIPs: [{cidr: 'fd00:97:0:0::/64'}]}")
    found = config(THREE, ranges, service(spec), endpoints(endpoint()))
    assert found.v6.static_routes == ("FD00:97:0::0009/128", "fd00:97:0:0::/64")


def test_cluster_ips_need_a_cluster_range() -> None:
    only_external = default("{serviceExternalIPs: [{cidr: 203.0.113.0/24}]}")
    spec = f"{LOCAL}, externalIPs: [203.0.113.9]"
    documents = (only_external, service(spec), endpoints(endpoint()))
    assert static(*documents) == ("203.0.113.0/24", "203.0.113.9/32")


def test_a_single_address_of_the_configuration_goes_out_from_every_node() -> None:
    spec = "type: LoadBalancer, clusterIP: 10.96.0.10"  # policy Cluster by default
    documents = (default(f"{{{ALL}}}"), service(spec, "{ip: 198.51.101.7}"), endpoints())
    assert "198.51.101.7/32" in static(*documents, at="n3")
    assert "10.96.0.10/32" in static(*documents, at="n3")
    wanted = service(f"{spec}, loadBalancerIP: 198.51.101.7")
    assert "10.96.0.10/32" in static(default(f"{{{ALL}}}"), wanted, endpoints())
    external = service("type: ClusterIP, clusterIP: 10.96.0.10, externalIPs: [203.0.114.7]")
    assert "203.0.114.7/32" in static(default(f"{{{ALL}}}"), external, endpoints())
    not_lb = service("type: NodePort, clusterIP: 10.96.0.10", "{ip: 198.51.101.7}")
    assert static(default(f"{{{ALL}}}"), not_lb, endpoints(endpoint())) == RANGES


def test_without_aggregation_each_address_goes_out_from_every_node_with_any_endpoint() -> None:
    spec = default(f"{{{ALL}, serviceLoadBalancerAggregation: Disabled}}")
    lb = service("type: LoadBalancer, clusterIP: 10.96.0.10", "{ip: 198.51.100.9}")
    found = config(THREE, spec, lb, endpoints(endpoint("n1")), at="n3")
    assert found.v4.static_routes == (
        "10.96.0.0/12",
        "10.96.0.10/32",
        "198.51.100.9/32",
        "203.0.113.0/24",
    )
    assert found.v4.kernel_rejects == ("10.96.0.0/12", "203.0.113.0/24")
    assert "10.96.0.10/32" not in static(spec, lb, endpoints(endpoint("n1", "false")))


def test_the_environment_replaces_the_cluster_range() -> None:
    environment = {"CALICO_ADVERTISE_CLUSTER_IPS": "10.100.0.0/16"}
    documents = (default(f"{{{ALL}}}"), service(LOCAL), endpoints(endpoint()))
    found = static(*documents, environment=environment)
    assert found == ("10.100.0.0/16", "10.96.0.10/32", *RANGES[1:])


def test_an_excluded_node_advertises_nothing_and_still_keeps_ranges_out_of_its_kernel() -> None:
    label = "{node.kubernetes.io/exclude-from-external-load-balancers: 'true'}"
    out = node("out", "10.0.0.8/24", labels=label)
    documents = (default(f"{{{ALL}}}"), service(LOCAL), endpoints(endpoint("out")), out)
    found = config(THREE, *documents, at="out")
    assert found.v4.static_routes == ()
    assert found.v4.kernel_rejects == RANGES


def test_a_reflector_passes_on_addresses_of_load_balancer_and_external_ranges() -> None:
    reflector = node("rr", "10.0.0.9/24", "fd00::9/64", "routeReflectorClusterID: 244.0.0.1")
    ipam = text(config(reflector, default(f"{{{ALL}}}"), at="rr"), "bird_ipam.cfg")
    tail = " ".join(
        f"if ( net ~ {cidr} ) then {{ accept; }}"
        for cidr in (
            *RANGES,
            "198.51.100.0/24",
            "198.51.101.7/32",
            "203.0.113.0/24",
            "203.0.114.7/32",
        )
    )
    assert f"calico_aggr(); {tail} }}" in ipam
