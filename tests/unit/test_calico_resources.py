"""Reading what people have: dumps, Lists, odd scalars, Kubernetes Nodes, the operator's pools."""

from __future__ import annotations

from pathlib import Path

import pytest
from calico_given import config, given, names, node, one

from labgen import yaml_source
from labgen.calico import resources
from labgen.calico.gotypes import go_float, whole_seconds
from labgen.errors import InputError, InputErrors

INPUTS = Path(__file__).parents[3] / "shared" / "reference" / "inputs"


def parse(text: str) -> resources.Resources:
    return resources.parse(yaml_source.parse(text, "given.yaml"))


def test_a_dump_with_lists_and_server_side_fields() -> None:
    found = parse(
        "apiVersion: v1\nkind: List\nmetadata: {resourceVersion: ''}\nitems:\n"
        "- apiVersion: crd.projectcalico.org/v1\n  kind: IPPool\n"
        "  metadata:\n    name: p\n    uid: x\n    creationTimestamp: 2024-01-01T00:00:00Z\n"
        "    managedFields: [{manager: kubectl, fieldsV1: {'f:spec': {}}}]\n"
        "  spec: {cidr: 10.48.0.0/16, blockSize: 26}\n"
        "- apiVersion: v1\n  kind: List\n  items:\n"
        "  - {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {a: 1}}\n"
        "---\napiVersion: projectcalico.org/v3\nkind: BGPPeerList\nmetadata: {}\n"
        "items:\n- metadata: {name: tor}\n  spec: {peerIP: 10.0.0.1, asNumber: 65001}\n---\n"
    )
    assert [str(pool.spec.network) for pool in found.ip_pools] == ["10.48.0.0/16"]
    assert found.ip_pools[0].from_server
    assert [peer.spec.as_number for peer in found.bgp_peers] == [65001]
    assert [(item.kind, item.name) for item in found.ignored] == [("Deployment", "web")]
    assert str(found.bgp_peers[0].mark("spec", "asNumber")) == "given.yaml:23:28"
    assert found.ip_pools[0].raw["metadata"]["uid"] == "x"


def test_calicoctls_array_of_several_results() -> None:
    found = parse(
        "- apiVersion: projectcalico.org/v3\n  kind: IPPool\n  metadata: {name: p}\n"
        "  spec: {cidr: 10.48.0.0/16}\n"
        "- apiVersion: projectcalico.org/v3\n  kind: BGPPeer\n  metadata: {name: tor}\n"
        "  spec:\n    peerIP: 10.0.0.1\n"
    )
    assert str(found.bgp_peers[0].mark("spec", "peerIP")) == "given.yaml:9:5"
    assert len(found.ip_pools) == 1


def test_scalars_as_go_reads_them() -> None:
    found = parse(
        "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata:\n  name: 12\n"
        "  labels: {route-reflector: yes, rank: 3, ratio: 1.5}\n"
        "spec: {bgp: {ipv4Address: 10.0.0.1/24, asNumber: '0.64512', ipv6Address: null}}\n"
    )
    (only,) = found.nodes
    assert (only.name, dict(only.labels)) == (
        "12",
        {"route-reflector": "true", "rank": "3", "ratio": "1.5"},
    )
    assert only.spec.bgp is not None
    assert only.spec.bgp.as_number == 64512


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1m30s", 90), ("1500ms", 2), ("2500ms", 3), ("1.4s", 1), ("0", 0), ("1h", 3600)],
)
def test_durations_round_half_away_from_zero(text: str, seconds: int) -> None:
    found = parse(one("BGPPeer", "p", f"{{peerIP: 10.0.0.1, maxRestartTime: '{text}'}}"))
    restart = found.bgp_peers[0].spec.max_restart_time
    assert restart is not None
    assert whole_seconds(restart) == seconds


def test_an_unquoted_tag_is_an_empty_selector_and_is_told() -> None:
    found = parse(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: p}\n"
        "spec:\n  nodeSelector: !all()\n  peerIP: 10.0.0.1\n"
    )
    assert found.bgp_peers[0].spec.node_selector == ""
    (notice,) = found.notices
    assert str(notice).startswith("given.yaml:5:")
    assert "quote it: '!all()'" in notice.message


def test_an_unquoted_tag_before_more_text_leaves_that_text() -> None:
    found = parse(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: p}\n"
        "spec:\n  nodeSelector: !has(a) && has(b)\n  peerIP: 10.0.0.1\n"
    )
    assert found.bgp_peers[0].spec.node_selector == "has(b)"  # `&&` is an anchor
    assert 'Calico sees "has(b)" there, so quote the whole value' in found.notices[0].message


def test_a_label_without_value_is_there() -> None:
    (only,) = parse(
        "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata:\n  name: n1\n"
        "  labels:\n    node-role.kubernetes.io/control-plane:\n  annotations: {note: }\n"
    ).nodes
    assert only.labels == {"node-role.kubernetes.io/control-plane": ""}
    assert only.annotations == {"note": ""}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.1, "1.1"),
        (1e6, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (100000.0, "100000"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-2.5, "-2.5"),
        (0.0, "0"),
        (float("inf"), "+Inf"),
        (float("nan"), "NaN"),
    ],
)
def test_a_float_becomes_gos_text(value: float, text: str) -> None:
    assert go_float(value) == text


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("kind: BGPPeer\nmetadata: {name: p}\nsepc: {peerIP: 10.0.0.1}\n", "sepc"),
        ("kind: IPPool\nmetadata: {name: p, label: {a: b}}\nspec: {}\n", "metadata.label"),
        ("kind: Node\nmetadata: {name: p, spec: {}}\n", "metadata.spec"),
    ],
)
def test_a_field_beside_spec_is_refused_and_a_servers_is_told(document: str, field: str) -> None:
    text = f"apiVersion: projectcalico.org/v3\n{document}"
    with pytest.raises(InputError, match=rf"is in the wrong location: {field}\Z"):
        parse(text)
    dumped = text.replace("{name: p", "{uid: '7', name: p")
    (notice,) = parse(dumped).notices
    assert f"labgen does not know {field}; it has no effect" in notice.message


def test_a_misspelt_part_of_a_secret_is_refused() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringdata: {k: hunter2}\n"
    with pytest.raises(InputError, match=r"Secret\(default/s\): field .*: stringdata\Z") as caught:
        parse(secret)
    assert "hunter2" not in str(caught.value)


def test_equal_copies_are_one_and_different_ones_are_refused() -> None:
    twice = node("n1", "10.0.0.1/24")
    assert len(given(twice, twice).nodes) == 1
    with pytest.raises(InputError, match=r"stands twice.*the first is at given.yaml:3"):
        given(twice, node("n1", "10.0.0.2/24"))


def test_every_problem_is_reported_in_one_pass() -> None:
    with pytest.raises(InputErrors) as caught:
        given(one("BGPPeer", "a", "{asNumber: x}"), one("IPPool", "b", "{cidrs: 1}"))
    assert len(caught.value.problems) == 2


# --- Nodes ----------------------------------------------------------------------------------

KUBERNETES = """
apiVersion: v1
kind: Node
metadata:
  name: n1
  uid: 7
  labels: {rack: a, kubernetes.io/os: linux}
  annotations:
    projectcalico.org/IPv4Address: 10.0.0.1/24
    projectcalico.org/IPv6Address: fd00::1/64
    projectcalico.org/ASNumber: "65010"
    projectcalico.org/RouteReflectorClusterID: 244.0.0.1
    projectcalico.org/IPv4IPIPTunnelAddr: 192.168.0.1
    projectcalico.org/IPv4WireguardInterfaceAddr: 192.168.9.1
spec: {podCIDR: 10.244.0.0/24}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}
"""


def test_a_kubernetes_node_is_a_calico_node() -> None:
    (only,) = parse(KUBERNETES).nodes
    assert only.kind == "Node"
    assert str(only.spec.ipv4) == "10.0.0.1/24"
    assert str(only.spec.ipv6) == "fd00::1/64"
    assert only.spec.cluster_id == "244.0.0.1"
    assert only.spec.bgp is not None
    assert (only.spec.bgp.as_number, only.spec.bgp.ipv4_ipip_tunnel_addr) == (65010, "192.168.0.1")
    assert only.spec.wireguard is not None
    assert only.labels["rack"] == "a"


def test_the_v3_node_wins_field_by_field() -> None:
    calico = one("Node", "n1", "{bgp: {ipv4Address: 10.0.0.9/24}}", "{rack: b, own: c}")
    (only,) = parse(KUBERNETES + "---\n" + calico).nodes
    assert str(only.spec.ipv4) == "10.0.0.9/24"
    assert str(only.spec.ipv6) == "fd00::1/64"
    assert dict(only.labels) == {"rack": "b", "own": "c", "kubernetes.io/os": "linux"}


def test_kubernetes_labels_in_a_v3_node_of_an_etcd_cluster() -> None:
    text = node("n1", "10.0.0.1/24").replace(
        "labels: {}", 'annotations: {projectcalico.org/kube-labels: \'{"rack":"a"}\'}'
    )
    (only,) = parse(text).nodes
    assert dict(only.labels) == {"rack": "a"}


def test_a_kubelets_own_labels_can_be_selected() -> None:
    selected = one(
        "BGPPeer", "p", "{nodeSelector: kubernetes.io/hostname == 'n1', peerIP: 9.9.9.9}"
    )
    cluster = (node("n1", "10.0.0.1/24"), node("n2", "10.0.0.2/24"), selected)
    assert "Node_9_9_9_9" in names(config(*cluster))
    assert "Node_9_9_9_9" not in names(config(*cluster, at="n2"))


def test_a_bad_annotation_is_named() -> None:
    with pytest.raises(InputError, match=r"given.yaml:11:.*annotation projectcalico.org/ASNumber"):
        parse(KUBERNETES.replace('"65010"', '"many"'))


# --- Installation ---------------------------------------------------------------------------


def installation(*pools: str) -> str:
    return (
        "apiVersion: operator.tigera.io/v1\nkind: Installation\nmetadata: {name: default}\n"
        f"spec: {{calicoNetwork: {{bgp: Enabled, ipPools: [{', '.join(pools)}]}}}}\n"
    )


@pytest.mark.parametrize(
    ("encapsulation", "ipip", "vxlan"),
    [
        ("None", "Never", "Never"),
        ("IPIP", "Always", "Never"),
        ("IPIPCrossSubnet", "CrossSubnet", "Never"),
        ("VXLAN", "Never", "Always"),
        ("VXLANCrossSubnet", "Never", "CrossSubnet"),
    ],
)
def test_the_operators_encapsulations(encapsulation: str, ipip: str, vxlan: str) -> None:
    (pool,) = given(
        installation(
            f"{{cidr: 10.200.0.0/16, encapsulation: {encapsulation}, natOutgoing: Enabled}}"
        )
    ).ip_pools
    assert (pool.spec.ipip_mode, pool.spec.vxlan_mode) == (ipip, vxlan)
    assert (pool.name, pool.spec.nat_outgoing) == ("default-ipv4-ippool", True)


@pytest.mark.parametrize(
    ("pools", "expected"),
    [
        (("{cidr: 10.1.0.0/16}",), ["default-ipv4-ippool"]),
        (("{cidr: 'fd20::/48'}",), ["default-ipv6-ippool"]),
        (
            ("{cidr: 10.1.0.0/16}", "{cidr: 'fd20::/48'}"),
            ["default-ipv4-ippool", "default-ipv6-ippool"],
        ),
        (("{cidr: 10.1.0.0/16}", "{cidr: 10.2.0.0/16}"), ["10.1.0.0-16", "10.2.0.0-16"]),
        (
            ("{cidr: 10.1.0.0/16, name: mine}", "{cidr: 10.2.0.0/16}", "{cidr: 'fd20::/48'}"),
            ["10.2.0.0-16", "fd20.0000.0000.0000.0000.0000.0000.0000-48", "mine"],
        ),
    ],
)
def test_the_operators_names(pools: tuple[str, ...], expected: list[str]) -> None:
    assert [pool.name for pool in given(installation(*pools)).ip_pools] == expected


def test_a_pool_that_is_there_already_wins() -> None:
    dumped = one("IPPool", "default-ipv4-ippool", "{cidr: 10.1.0.0/16, vxlanMode: Always}")
    renamed = one("IPPool", "old", "{cidr: 10.2.0.0/16}")
    found = given(installation("{cidr: 10.1.0.0/16}"), dumped)
    assert [pool.spec.vxlan_mode for pool in found.ip_pools] == ["Always"]
    found = given(installation("{cidr: 10.2.0.0/16}"), renamed)
    assert [pool.name for pool in found.ip_pools] == ["old"]


def test_an_installation_without_pools_is_told() -> None:
    assert "names no ipPools" in given(installation()).notices[0].message


# --- load -----------------------------------------------------------------------------------


def test_load_takes_files_and_directories_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "n1.yml").write_text(node("n1", "10.0.0.1/24"))
    (tmp_path / "n2.yaml").write_text(node("n2", "10.0.0.2/24"))
    (tmp_path / "README.md").write_text("not yaml: [")
    found = resources.load([tmp_path, tmp_path / "n2.yaml"])
    assert [item.name for item in found.nodes] == ["n1", "n2"]


def test_other_yaml_in_a_directory_is_left_out_and_a_named_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text(node("n1", "10.0.0.1/24"))
    values = tmp_path / "values.yaml"
    values.write_text("replicas: 3\n")
    found = resources.load([tmp_path])
    assert [item.name for item in found.nodes] == ["n1"]
    assert str(found.notices[0]) == f"{values}:1:1: no Kubernetes resource; left out"
    with pytest.raises(InputError, match="has no apiVersion"):
        resources.load([tmp_path, values])
    values.write_text("kind: BGPPeer\n")
    with pytest.raises(InputError, match="has no apiVersion"):
        resources.load([tmp_path])


def test_load_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        resources.load([tmp_path / "nope.yaml"])
    with pytest.raises(InputError, match="no resources in this directory"):
        resources.load([tmp_path])


@pytest.mark.skipif(not INPUTS.is_dir(), reason="the guides' inputs are not beside this repository")
@pytest.mark.parametrize(
    "place",
    [
        "bigip-calico",
        "two-clusters/cluster_a_calicomanifests",
        "two-clusters/cluster_b_calicomanifests",
    ],
)
def test_the_guides_inputs_load(place: str) -> None:
    found = resources.load([INPUTS / place])
    assert found.bgp_configurations
    assert found.ip_pools
    assert all(item.mark().path.startswith(str(INPUTS)) for item in found.every())


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        *(
            ("projectcalico.org/v3", kind)
            for kind in (
                "NetworkPolicy", "GlobalNetworkPolicy", "HostEndpoint", "FelixConfiguration",
                "ClusterInformation", "KubeControllersConfiguration", "CalicoNodeStatus", "Tier",
                "Profile", "NetworkSet", "BFDConfiguration", "ExternalNetwork", "LicenseKey",
            )
        ),
        ("crd.projectcalico.org/v1", "IPAMBlock"),
        ("crd.projectcalico.org/v1", "IPAMHandle"),
        ("metallb.io/v1beta2", "BGPPeer"),
        ("whereabouts.cni.cncf.io/v1alpha1", "IPPool"),
        ("v1", "Pod"),
        ("v1", "Endpoints"),
        ("metrics.k8s.io/v1beta1", "NodeMetrics"),
    ],
)  # fmt: skip
def test_kinds_that_do_not_concern_bgp_are_left_out(version: str, kind: str) -> None:
    found = parse(f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{a: 1}}\n")
    assert [item.kind for item in found.ignored] == [kind]
    assert found.every() == ()


def test_a_known_kind_of_another_group_is_left_out_and_told() -> None:
    (notice,) = parse(
        "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: x}\n"
    ).notices
    assert str(notice) == (
        "given.yaml:1:1: EndpointSlice(x) of discovery.k8s.io/v1beta1 is left out: "
        "labgen reads EndpointSlice of discovery.k8s.io/v1"
    )


def test_aliases_that_multiply_are_refused_and_others_are_not() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(InputError, match=r"given.yaml:1:1: aliases repeat more than 100000 values"):
        parse("\n".join(lines))
    with pytest.raises(InputError, match="nested too deeply"):
        parse("a: &a [*a]\n")
    shared = "spec: &spec {peerIP: 10.0.0.1, asNumber: 65001}\n"
    head = "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: p}\n"
    assert parse(f"{head}{shared}status: *spec\n").bgp_peers[0].spec.as_number == 65001
