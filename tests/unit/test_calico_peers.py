"""Which sessions a node has and with which options (Calico's confd, peer processing)."""

from __future__ import annotations

import pytest
from calico_given import (
    NO_MESH,
    THREE,
    config,
    default,
    names,
    node,
    one,
    peer,
    protocol,
    session,
    text,
)

from labgen.calico.node_config import NextHop, PeerKind
from labgen.calico.peers import EndpointStatus

REFLECTOR = node(
    "rr", "10.0.0.9/24", "fd00::9/64", "routeReflectorClusterID: 244.0.0.1", "{rr: yes}"
)

SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: kube-system}
stringData: {k: w}
"""


# --- the mesh -------------------------------------------------------------------------------


def test_a_mesh_session_is_passive_towards_the_larger_text() -> None:
    cluster = node("n9", "10.0.0.9/24") + "---\n" + node("n10", "10.0.0.10/24")
    assert session(config(cluster, at="n10"), "Mesh_10_0_0_9").passive
    assert not session(config(cluster, at="n9"), "Mesh_10_0_0_10").passive


def test_mesh_peers_come_in_byte_order_of_their_names() -> None:
    cluster = "---\n".join(node(f"n{i}", f"10.0.0.{i}/24") for i in (1, 2, 10))
    assert names(config(cluster)) == ["Mesh_10_0_0_10", "Mesh_10_0_0_2"]


def test_the_mesh_takes_the_other_nodes_as_and_port_but_never_puts_the_port_in_the_name() -> None:
    cluster = (
        node("n1", "10.0.0.1/24", more="asNumber: 65010")
        + "---\n"
        + node("n2", "10.0.0.2/24", more="asNumber: 65020")
        + "---\n"
        + node("n3", "10.0.0.3/24")
    )
    own_port = one("BGPConfiguration", "node.n2", "{listenPort: 1790}")
    found = config(cluster, own_port, default("{listenPort: 178, asNumber: 64999}"))
    two, three = session(found, "Mesh_10_0_0_2"), session(found, "Mesh_10_0_0_3")
    assert (two.remote_as, two.port) == (65020, 1790)
    # without an own AS the peer is taken to have ours
    assert (three.remote_as, three.port) == (65010, 178)
    assert "neighbor 10.0.0.2 port 1790 as 65020;" in protocol(found, "Mesh_10_0_0_2")


def test_the_mesh_leaves_out_reflectors_equal_addresses_and_the_other_family() -> None:
    twin = node("twin", "10.0.0.1/24")
    six = node("six", "", "fd00::6/64")
    found = config(THREE, REFLECTOR, twin, six)
    assert names(found) == ["Mesh_10_0_0_2", "Mesh_10_0_0_3"]
    assert names(found, 6) == ["Mesh_fd00__2", "Mesh_fd00__3", "Mesh_fd00__6"]


def test_a_reflector_has_no_mesh() -> None:
    assert names(config(THREE, REFLECTOR, at="rr")) == []


def test_a_mesh_password_and_restart_time() -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: bgp, namespace: calico-system}\n"
        "data: {key: aHVudGVyIDI=}\n"
    )
    spec = default(
        "{nodeMeshPassword: {secretKeyRef: {name: bgp, key: key}}, nodeMeshMaxRestartTime: 1500ms}"
    )
    found = config(THREE, spec, secret, environment={"NAMESPACE": "calico-system"})
    body = protocol(found, "Mesh_10_0_0_2")
    assert body.endswith('passive on; graceful restart time 2; password "hunter 2";')
    assert "hunter" not in repr(found)
    elsewhere = config(THREE, spec, secret)
    assert session(elsewhere, "Mesh_10_0_0_2").password is None
    assert any("has no key key in kube-system" in n and "calico-system" in n
               for n in elsewhere.notices)  # fmt: skip


def test_a_password_whose_key_is_missing_is_told() -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: bgp, namespace: kube-system}\n"
    spec = default("{nodeMeshPassword: {secretKeyRef: {name: bgp, key: key}}}")
    assert config(THREE, spec, secret + "data: {key: aHVudGVyIDI=}\n").notices == ()
    (told,) = config(THREE, spec, secret + "data: {other: aHVudGVyIDI=}\n").notices
    assert told == "Secret bgp has no key key in kube-system: its peerings have no password"


# --- who wins -------------------------------------------------------------------------------


def test_the_first_resource_by_name_wins_and_a_global_peer_hides_a_node_peer() -> None:
    found = config(
        NO_MESH,
        THREE,
        peer("b-global", "{peerIP: 10.9.0.1, asNumber: 65002}"),
        peer("a-global", "{peerIP: 10.9.0.1, asNumber: 65001}"),
        peer("a-node", "{node: n1, peerIP: 10.9.0.1, asNumber: 65003}"),
        peer("z-node", "{node: n1, peerIP: 10.9.0.2, asNumber: 65005}"),
        peer("y-node", "{nodeSelector: rack == 'a', peerIP: 10.9.0.2, asNumber: 65004}"),
    )
    assert names(found) == ["Global_10_9_0_1", "Node_10_9_0_2"]
    assert session(found, "Global_10_9_0_1").remote_as == 65001
    assert session(found, "Node_10_9_0_2").remote_as == 65004


def test_port_179_is_the_same_peer_as_no_port_and_another_port_is_not() -> None:
    found = config(
        NO_MESH,
        THREE,
        peer("a", "{peerIP: '10.9.0.1:179', asNumber: 65001}"),
        peer("b", "{peerIP: 10.9.0.1, asNumber: 65002}"),
        peer("c", "{peerIP: '10.9.0.1:1790', asNumber: 65003}"),
    )
    assert names(found) == ["Global_10_9_0_1_port_179", "Global_10_9_0_1_port_1790"]
    assert "neighbor 10.9.0.1 port 179 as 65001;" in protocol(found, "Global_10_9_0_1_port_179")


def test_a_peer_that_is_the_node_itself_is_left_out() -> None:
    found = config(NO_MESH, THREE, peer("a", "{peerIP: 10.0.0.1, asNumber: 64512}"))
    assert not [p for p in found.peers if p.address == found.v4.host_part]


def test_an_unparsable_selector_selects_nothing_and_is_told() -> None:
    found = config(NO_MESH, THREE, peer("a", "{nodeSelector: 'has(', peerIP: 10.9.0.1}"))
    assert names(found) == []
    assert any("BGPPeer(a) nodeSelector" in notice for notice in found.notices)


def test_an_unquoted_negation_is_a_global_peer() -> None:
    found = config(NO_MESH, THREE, peer("a", "{nodeSelector: !all() , peerIP: 10.9.0.1}"))
    assert names(found) == ["Global_10_9_0_1"]


# --- peerIP ---------------------------------------------------------------------------------


def test_a_peer_ip_without_as_number_is_as_0() -> None:
    found = config(NO_MESH, THREE, peer("a", "{peerIP: 10.9.0.1}"))
    assert "neighbor 10.9.0.1 as 0;" in protocol(found, "Global_10_9_0_1")


def test_a_peer_ip_that_is_a_node_takes_its_port_if_the_as_fits() -> None:
    port = one("BGPConfiguration", "node.n2", "{listenPort: 1790}")
    cases = {
        "{peerIP: 10.0.0.2}": "Global_10_0_0_2_port_1790",  # no AS stands for the global one
        "{peerIP: 10.0.0.2, asNumber: 64512}": "Global_10_0_0_2_port_1790",
        "{peerIP: 10.0.0.2, asNumber: 65001}": "Global_10_0_0_2",
        "{peerIP: '10.0.0.2:99', asNumber: 64512}": "Global_10_0_0_2_port_99",
    }
    for spec, name in cases.items():
        assert names(config(NO_MESH, THREE, port, peer("a", spec))) == [name]


def test_global_peers_that_are_nodes_wait_for_the_larger_text_and_node_peers_never() -> None:
    spec = "{peerIP: 10.0.0.3, asNumber: 64512, reversePeering: Manual}"
    assert session(config(NO_MESH, THREE, peer("a", spec)), "Global_10_0_0_3").passive
    scoped = "{node: n1, peerIP: 10.0.0.3, asNumber: 64512, reversePeering: Manual}"
    assert not session(config(NO_MESH, THREE, peer("a", scoped)), "Node_10_0_0_3").passive
    outside = "{peerIP: 10.9.0.3, asNumber: 64512}"
    assert not session(config(NO_MESH, THREE, peer("a", outside)), "Global_10_9_0_3").passive
    chosen = "{peerSelector: rack == 'b'}"
    assert not session(config(NO_MESH, THREE, peer("a", chosen)), "Global_10_0_0_3").passive


def test_local_as_makes_the_session_external() -> None:
    spec = "{peerIP: 10.9.0.1, asNumber: 64512, localASNumber: 65100, keepOriginalNextHop: true}"
    found = config(NO_MESH, THREE, peer("a", spec))
    body = protocol(found, "Global_10_9_0_1")
    assert body.startswith("local as 65100; neighbor 10.9.0.1 as 64512;")
    assert "calico_export_to_bgp_peers(false);" in body
    assert body.endswith("next hop keep;")
    back = "{peerIP: 10.9.0.1, asNumber: 65100, localASNumber: 65100, keepOriginalNextHop: true}"
    body = protocol(config(NO_MESH, THREE, peer("a", back)), "Global_10_9_0_1")
    assert "calico_export_to_bgp_peers(true);" in body
    assert "next hop" not in body


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("nextHopMode: Auto, keepOriginalNextHop: true", NextHop.AUTO),
        ("nextHopMode: Keep", NextHop.KEEP),
        ("nextHopMode: Self", NextHop.SELF),
        ("keepOriginalNextHop: true", NextHop.KEEP),
        ("keepOriginalNextHop: false", NextHop.AUTO),
    ],
)
def test_next_hop(options: str, expected: NextHop) -> None:
    spec = f"{{peerIP: 10.9.0.1, asNumber: 65001, {options}}}"
    assert session(config(NO_MESH, THREE, peer("a", spec)), "Global_10_9_0_1").next_hop is expected


def test_the_order_of_all_options() -> None:
    spec = (
        "{peerIP: '[fd99::1]:1790', asNumber: '1.1', localASNumber: 65537, ttlSecurity: 3,"
        " maxRestartTime: 1m, keepaliveTime: 20s, password: {secretKeyRef: {name: s, key: k}},"
        " nextHopMode: Self, numAllowedLocalASNumbers: 2}"
    )
    cluster = node("n1", "", "fd00::1/64", "routeReflectorClusterID: 244.0.0.1")
    body = protocol(
        config(NO_MESH, cluster, SECRET, peer("a", spec)),
        "Global_fd99__1_port_1790",
        "bird6.cfg",
    )
    head, _, tail = body.partition(" import filter {")
    assert head == (
        "local as 65537; neighbor fd99::1 port 1790 as 65537; source address fd00::1; "
        "ttl security on; multihop 3;"
    )
    assert tail.partition("reject; }; ")[2] == (
        "graceful restart time 60; keepalive time 20; rr client; rr cluster id 244.0.0.1; "
        'password "w"; next hop self; allow local as 2;'
    )


def test_no_source_address() -> None:
    spec = "{peerIP: 10.9.0.1, asNumber: 65001, sourceAddress: None}"
    body = protocol(config(NO_MESH, THREE, peer("a", spec)), "Global_10_9_0_1")
    assert "source address" not in body
    assert "ttl security off; multihop;" in body


# --- reachableBy ----------------------------------------------------------------------------


def test_reachable_by_gives_host_routes_global_first_each_in_text_order() -> None:
    found = config(
        NO_MESH,
        THREE,
        peer("a", "{node: n1, peerIP: 10.9.0.2, asNumber: 65001, reachableBy: 10.0.0.254}"),
        peer("b", "{peerIP: '10.9.0.9:1790', asNumber: 65001, reachableBy: 10.0.0.254}"),
        peer("c", "{peerIP: 10.9.0.10, asNumber: 65001, reachableBy: 10.0.0.254}"),
        peer("d", "{peerIP: 'fd99::1', asNumber: 65001, reachableBy: 'fd00::fe'}"),
    )
    assert (
        "template static static_template { "
        "route 10.9.0.10/32 via 10.0.0.254; route 10.9.0.9/32 via 10.0.0.254; "
        "route 10.9.0.2/32 via 10.0.0.254; } protocol static" in text(found, "bird_aggr.cfg")
    )
    assert "route fd99::1/128 via fd00::fe;" in text(found, "bird6_aggr.cfg")


def test_reachable_by_of_the_other_family_drops_the_peer() -> None:
    found = config(
        NO_MESH, THREE, peer("a", "{peerIP: 10.9.0.1, asNumber: 1, reachableBy: 'fd00::1'}")
    )
    assert names(found) == []
    assert any("reachableBy 'fd00::1'" in notice for notice in found.notices)


# --- selectors, reflectors, reverse peerings ------------------------------------------------


def test_reflector_clients_and_equal_cluster_ids() -> None:
    second = node("rr2", "10.0.0.8/24", "", "routeReflectorClusterID: 244.0.0.1", "{rr: yes}")
    third = node("rr3", "10.0.0.7/24", "", "routeReflectorClusterID: 244.0.0.2", "{rr: yes}")
    every = peer("a", "{nodeSelector: all(), peerSelector: has(rr)}")
    found = config(NO_MESH, THREE, REFLECTOR, second, third, every, at="rr")
    assert session(found, "Node_10_0_0_1").rr_client
    assert not session(found, "Node_10_0_0_8").rr_client
    assert session(found, "Node_10_0_0_7").rr_client
    body = protocol(found, "Node_10_0_0_1")
    assert body.endswith("rr client; rr cluster id 244.0.0.1;")
    assert not session(config(NO_MESH, THREE, REFLECTOR, every), "Node_10_0_0_9").rr_client


def test_an_internal_peer_ip_is_always_a_client_of_a_reflector() -> None:
    found = config(REFLECTOR, peer("a", "{peerIP: 10.9.0.1, asNumber: 64512}"), at="rr")
    assert session(found, "Global_10_9_0_1").rr_client
    found = config(REFLECTOR, peer("a", "{peerIP: 10.9.0.1, asNumber: 64513}"), at="rr")
    assert not session(found, "Global_10_9_0_1").rr_client


def test_an_empty_password_and_a_negative_count_write_nothing() -> None:
    empty = SECRET.replace("k: w", "k: ''")
    spec = (
        "{peerIP: 10.9.0.1, asNumber: 65001, numAllowedLocalASNumbers: -1,"
        " password: {secretKeyRef: {name: s, key: k}}}"
    )
    found = protocol(config(NO_MESH, THREE, empty, peer("a", spec)), "Global_10_9_0_1")
    assert "password" not in found
    assert "allow local" not in found


def test_local_as_and_allowed_as_do_nothing_with_a_peer_selector() -> None:
    spec = "{peerSelector: has(rr), localASNumber: 65100, numAllowedLocalASNumbers: 2}"
    found = session(config(NO_MESH, THREE, REFLECTOR, peer("a", spec)), "Global_10_0_0_9")
    assert (found.local_as, found.allow_local_as) == (None, 0)


def test_a_selected_node_peers_back_unless_manual() -> None:
    spec = "nodeSelector: rack == 'a', peerSelector: rack == 'b'"
    auto = peer("a", f"{{{spec}, ttlSecurity: 2, nextHopMode: Self}}")
    found = config(NO_MESH, THREE, auto, at="n3")
    assert names(found) == ["Node_10_0_0_1", "Node_10_0_0_2"]
    assert names(found, 6) == ["Node_fd00__1", "Node_fd00__2"]
    back = session(found, "Node_10_0_0_1")
    assert (back.ttl_hops, back.next_hop, back.kind) == (2, NextHop.SELF, PeerKind.NODE)
    manual = peer("a", f"{{{spec}, reversePeering: Manual}}")
    assert names(config(NO_MESH, THREE, manual, at="n3")) == []


def test_a_named_node_peers_back_only_in_the_family_of_the_address() -> None:
    spec = peer("a", "{node: n1, peerIP: 'fd00::3', asNumber: 64512}")
    found = config(NO_MESH, THREE, spec, at="n3")
    assert (names(found), names(found, 6)) == ([], ["Node_fd00__1"])
    other_as = peer("a", "{node: n1, peerIP: 'fd00::3', asNumber: 64513}")
    assert names(config(NO_MESH, THREE, other_as, at="n3"), 6) == []


def test_everybody_is_the_other_side_of_a_global_peer() -> None:
    found = config(NO_MESH, THREE, peer("a", "{peerSelector: rack == 'b'}"), at="n3")
    assert names(found) == ["Node_10_0_0_1", "Node_10_0_0_2"]


@pytest.mark.parametrize(
    ("own", "everywhere", "peers_back"),
    [
        (None, None, True),
        (1790, None, True),
        (1791, None, False),
        (None, 1790, True),
        (None, 178, False),
        (1790, 178, False),  # Calico's quirk
    ],
)
def test_the_port_of_a_reverse_peering(
    own: int | None, everywhere: int | None, peers_back: bool
) -> None:
    documents = [THREE, peer("a", "{node: n1, peerIP: '10.0.0.3:1790', asNumber: 64512}")]
    mesh_off = "nodeToNodeMeshEnabled: false"
    documents.append(default(f"{{{mesh_off}, listenPort: {everywhere or 'null'}}}"))
    if own:
        documents.append(one("BGPConfiguration", "node.n3", f"{{listenPort: {own}}}"))
    assert bool(names(config(*documents, at="n3"))) is peers_back


# --- local workloads ------------------------------------------------------------------------

POD = EndpointStatus("cali1", "ee:ee", ("10.48.0.7/32",), ("fd20::7/128",), "pods")


@pytest.mark.parametrize("scope", ["", "node: n1, ", "nodeSelector: rack == 'a', "])
def test_local_workload_peers(scope: str) -> None:
    spec = (
        f"{{{scope}localWorkloadSelector: has(bgp), asNumber: 65200, localASNumber: 65100,"
        " ttlSecurity: 1, keepaliveTime: 5s, nextHopMode: Self, filters: [f],"
        " password: {secretKeyRef: {name: s, key: k}}}"
    )
    filters = one("BGPFilter", "f", "{importV4: [{action: Accept}]}")
    found = config(NO_MESH, THREE, SECRET, filters, peer("pods", spec), status=(POD,))
    assert names(found) == ["Local_Workload_10_48_0_7"]
    assert names(found, 6) == ["Local_Workload_fd20__7"]
    body = protocol(found, "Local_Workload_10_48_0_7")
    assert body.startswith(
        "local as 65100; neighbor 10.48.0.7 as 65200; ttl security off; multihop; "
        "import filter { 'bgp_f_importFilterV4'();"
    )
    assert body.endswith("reject; }; passive on;")


def test_a_workload_of_another_peer_or_node_is_not_taken() -> None:
    spec = peer("others", "{localWorkloadSelector: has(bgp), asNumber: 65200}")
    assert names(config(NO_MESH, THREE, spec, status=(POD,))) == []
    elsewhere = peer("pods", "{node: n2, localWorkloadSelector: has(bgp), asNumber: 65200}")
    assert names(config(NO_MESH, THREE, elsewhere, status=(POD,))) == []
