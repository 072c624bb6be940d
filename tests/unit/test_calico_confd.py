"""What confd computes besides peers: ids, listening, logging, blocks, pools, communities."""

from __future__ import annotations

import pytest
from calico_given import NO_MESH, THREE, config, default, given, node, one, text

from labgen.calico import confd, status
from labgen.calico.confd import hashed_router_id
from labgen.calico.node_config import KernelAction
from labgen.calico.refused import refusals
from labgen.errors import InputError
from labgen.render.bird import adapt, bird_files


def block(cidr: str, state: str = "confirmed", more: str = "") -> str:
    name = cidr.translate(str.maketrans(".:/", "---"))
    return one(
        "BlockAffinity", f"n1-{name}", f"{{node: n1, cidr: '{cidr}', state: '{state}'{more}}}"
    )


def pool(name: str, spec: str) -> str:
    return one("IPPool", name, f"{{{spec}}}")


# --- ids, listening, logging ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "router_id"),
    [
        ("node1", "202.18.243.27"),
        ("worker-0", "220.142.52.224"),
        ("leaf-node-0", "192.227.201.86"),  # 224 would be multicast
    ],
)
def test_hashed_router_ids(name: str, router_id: str) -> None:
    assert hashed_router_id(name) == router_id
    found = config(node(name, "", "fd00::1/64"), at=name, environment={"CALICO_ROUTER_ID": "hash"})
    assert f"router id {router_id};" in text(found)
    assert f"router id {router_id};" in text(found, "bird6.cfg")


def test_a_router_id_of_ones_own_and_the_missing_one() -> None:
    assert config(THREE).router_id == "10.0.0.1"
    assert config(THREE, environment={"CALICO_ROUTER_ID": "9.9.9.9"}).router_id == "9.9.9.9"
    assert config(THREE, environment={"CALICO_ROUTER_ID": ""}).router_id == "10.0.0.1"
    lonely = config(node("n1", "", "fd00::1/64"))
    assert "router id ;" in text(lonely)
    assert "router id" in refusals(lonely)[0]


def test_as_numbers() -> None:
    assert config(THREE).as_number == 64512
    assert config(THREE, default("{asNumber: '1.0'}")).as_number == 65536
    own = node("n1", "10.0.0.1/24", more="asNumber: 65001")
    assert config(own, default("{asNumber: 65000}")).as_number == 65001


@pytest.mark.parametrize(
    ("spec", "own", "v4", "v6"),
    [
        ("{}", "", "", ""),
        ("{listenPort: 178}", "", "listen bgp port 178;", "listen bgp port 178;"),
        ("{listenPort: 178}", "{listenPort: 177}", "listen bgp port 177;", "listen bgp port 177;"),
        ("{bindMode: None}", "", "", ""),
        ("{bindMode: NodeIP}", "", "listen bgp address 10.0.0.1;", ""),
        (
            "{bindMode: NodeIP}",
            "{listenPort: 177}",
            "listen bgp address 10.0.0.1 port 177;",
            "listen bgp port 177;",
        ),
    ],
)
def test_listening(spec: str, own: str, v4: str, v6: str) -> None:
    documents = [node("n1", "10.0.0.1/24"), default(spec)]
    if own:
        documents.append(one("BGPConfiguration", "node.n1", own))
    found = config(*documents)
    for file, expected in (("bird.cfg", v4), ("bird6.cfg", v6)):
        between = text(found, file).partition("router id 10.0.0.1; ")[2]
        assert between.partition("protocol kernel")[0].strip() == expected


@pytest.mark.parametrize(
    ("everywhere", "own", "states", "template"),
    [
        (None, None, "debug { states };", "debug { states, routes, filters, events };"),
        ("DEBUG", None, "debug all;", "debug all;"),
        ("Warning", None, "", ""),
        ("Trace", None, "", ""),
        ("Debug", "{logSeverityScreen: none-of-these}", "", ""),
        # the CRD's default makes any node.* resource say Info
        (
            "Debug",
            "{listenPort: 1}",
            "debug { states };",
            "debug { states, routes, filters, events };",
        ),
    ],
)
def test_log_levels(everywhere: str | None, own: str | None, states: str, template: str) -> None:
    documents = [THREE, default(f"{{logSeverityScreen: {everywhere}}}" if everywhere else "{}")]
    if own:
        documents.append(one("BGPConfiguration", "node.n1", own))
    rendered = text(config(*documents))
    assert f"protocol device {{ {states} scan time 2; }}".replace("  ", " ") in rendered
    assert f"template direct direct_template {{ {states} interface".replace("  ", " ") in rendered
    assert f"bgp_template {{ {template} description".replace("  ", " ") in rendered


def test_other_bgp_configurations_are_ignored_and_told() -> None:
    found = config(THREE, one("BGPConfiguration", "special", "{asNumber: 1}"))
    assert found.as_number == 64512
    assert "BGPConfiguration(special) is ignored" in found.notices[0]


def test_a_node_without_resource_renders_nothing() -> None:
    with pytest.raises(InputError, match=r"node n9 has no Node resource.*n1, n2, n3"):
        config(THREE, at="n9")


# --- families -------------------------------------------------------------------------------


def test_a_family_without_address_ends_after_the_direct_protocol() -> None:
    found = config(node("n1", "10.0.0.1/24"), node("n2", "10.0.0.2/24", "fd00::2/64"))
    assert text(found, "bird6.cfg").endswith("protocol direct from direct_template { }")
    assert "protocol bgp Mesh_10_0_0_2" in text(found)


def test_a_bare_address_is_its_own_subnet() -> None:
    found = config(
        node("n1", "10.0.0.1"),
        default("{programClusterRoutes: Enabled}"),
        pool("p", "cidr: 10.48.0.0/16, ipipMode: CrossSubnet"),
    )
    assert "(bgp_next_hop ~ 10.0.0.1/32)" in text(found, "bird_ipam.cfg")


def test_without_ipv4_the_ipv4_kernel_rules_of_pools_are_gone_and_the_export_stays() -> None:
    pools = pool("p", "cidr: 10.48.0.0/16"), pool("q", "cidr: 'fd20::/48', vxlanMode: Always")
    found = config(node("n1", "", "fd00::1/64"), *pools)
    ipam = text(found, "bird_ipam.cfg")
    assert ipam.count("net ~ 10.48.0.0/16") == 1
    assert text(found, "bird6_ipam.cfg").count("net ~ fd20::/48") == 2


# --- blocks ---------------------------------------------------------------------------------


def test_blocks_by_state() -> None:
    found = config(
        THREE,
        block("192.168.221.64/26"),
        block("192.168.221.192/26", ""),
        block("10.2.0.1/32"),
        block("10.3.0.0/26", "pending"),
        block("10.4.0.0/26", "pendingDeletion"),
        block("10.5.0.0/26", more=", deleted: 'true'"),
        block("10.6.0.0/26", more=", type: virtual"),
        block("10.7.0.0/26", more=", type: host, deleted: false"),
        one("BlockAffinity", "other", "{node: n2, cidr: 10.8.0.0/26, state: confirmed}"),
    )
    aggr = text(found, "bird_aggr.cfg")
    assert aggr.startswith(
        "template static static_template { route 10.4.0.0/26 blackhole; "
        "route 10.7.0.0/26 blackhole; route 192.168.221.192/26 blackhole; "
        "route 192.168.221.64/26 blackhole; } protocol static from static_template { } "
        "function calico_aggr () { if ( net = 10.2.0.1/32 ) then { accept; } "
        "if ( net ~ 10.2.0.1/32 && krt_metric < 1024 ) then { accept; } "
        "if ( net ~ 10.2.0.1/32 ) then { reject; } if ( net = 10.7.0.0/26 )"
    )
    for absent in ("10.3.0.0", "10.5.0.0", "10.6.0.0", "10.8.0.0"):
        assert absent not in aggr


def test_a_lone_single_address_block_still_makes_the_static_protocol() -> None:
    assert text(config(THREE, block("10.2.0.1/32")), "bird_aggr.cfg").startswith(
        "template static static_template { } protocol static from static_template { } function"
    )
    assert "protocol static" not in text(config(THREE), "bird_aggr.cfg")


def test_the_priority_of_each_family() -> None:
    spec = default("{ipv4NormalRoutePriority: 5000, ipv6NormalRoutePriority: 80}")
    found = config(THREE, spec, block("10.1.0.0/26"), block("fd20::/122"))
    assert "krt_metric < 5000" in text(found, "bird_aggr.cfg")
    assert "(bgp_local_pref > 2147478647)" in text(found)
    assert "krt_metric < 80" in text(found, "bird6_aggr.cfg")
    assert "krt_metric = 80; if (defined(bgp_local_pref))" in text(found, "bird6_ipam.cfg")


# --- pools ----------------------------------------------------------------------------------

PLAIN, IPIP, CROSS, VXLAN = (
    "",
    ", ipipMode: Always",
    ", ipipMode: CrossSubnet",
    ", vxlanMode: CrossSubnet",
)


@pytest.mark.parametrize(
    ("mode", "encapsulation", "v4", "v6"),
    [
        ("null", PLAIN, KernelAction.ACCEPT, KernelAction.NONE),
        ("null", IPIP, KernelAction.REJECT_FELIX, None),
        ("null", VXLAN, KernelAction.REJECT_VXLAN, KernelAction.REJECT_VXLAN),
        ("Disabled", PLAIN, KernelAction.REJECT_FELIX, KernelAction.REJECT_FELIX),
        ("Disabled", CROSS, KernelAction.REJECT_FELIX, None),
        ("EnabledNoEncapOnly", PLAIN, KernelAction.ACCEPT, KernelAction.NONE),
        ("EnabledIPIPOnly", PLAIN, KernelAction.REJECT_FELIX, KernelAction.REJECT_FELIX),
        ("EnabledIPIPOnly", IPIP, KernelAction.TUNNEL, None),
        ("EnabledIPIPOnly", CROSS, KernelAction.TUNNEL_CROSS_SUBNET, None),
        ("Enabled", CROSS, KernelAction.TUNNEL_CROSS_SUBNET, None),
        ("Enabled", PLAIN, KernelAction.ACCEPT, KernelAction.NONE),
        ("Enabled", VXLAN, KernelAction.REJECT_VXLAN, KernelAction.REJECT_VXLAN),
        ("SomethingNew", PLAIN, KernelAction.ACCEPT, KernelAction.NONE),
    ],
)
def test_who_programs_a_pool(
    mode: str, encapsulation: str, v4: KernelAction, v6: KernelAction | None
) -> None:
    found = config(
        THREE,
        default(f"{{programClusterRoutes: {mode}}}"),
        pool("p", f"cidr: 10.48.0.0/16{encapsulation}"),
        pool("q", f"cidr: 'fd20::/48'{encapsulation}"),
    )
    assert found.v4.pools[0].kernel is v4
    if v6 is not None:
        assert found.v6.pools[0].kernel is v6
    tunnel_is_felixs = '|| (ifname ~ "tunl0")' in text(found, "bird_ipam.cfg")
    assert tunnel_is_felixs is (mode not in ("Enabled", "EnabledIPIPOnly"))


def test_disabled_pools_count_and_the_lowest_name_of_one_cidr_does() -> None:
    found = config(
        THREE,
        pool("b", "cidr: 10.48.0.0/16, disableBGPExport: true"),
        pool("a", "cidr: 10.48.0.0/16, disabled: true"),
        pool("c", "cidr: 10.49.0.0/16, disableBGPExport: true, vxlanMode: Always"),
    )
    ipam = text(found, "bird_ipam.cfg")
    assert "{ if (net ~ 10.49.0.0/16) then { reject; } if (internal_peer)" in ipam
    assert "calico_aggr(); if (net ~ 10.48.0.0/16) then { accept; } }" in ipam
    assert ipam.endswith(
        "(net ~ 10.48.0.0/16) then { accept; } if (net ~ 10.49.0.0/16) then { reject; } accept; }"
    )


def test_the_adaptation_to_vanilla_bird_is_what_the_notes_say() -> None:
    found = config(
        THREE,
        default("{programClusterRoutes: Enabled}"),
        pool("p", "cidr: 10.48.0.0/16, ipipMode: Always"),
        pool("q", "cidr: 10.49.0.0/16, ipipMode: CrossSubnet"),
        pool("r", "cidr: 10.50.0.0/16"),
    )
    files = bird_files(found)
    adapted, notes = adapt(files)
    assert [name for name in files if files[name] != adapted[name]] == ["bird_ipam.cfg"]
    ipam = " ".join(adapted["bird_ipam.cfg"].split())
    assert "krt_tunnel" not in ipam
    assert '(ifname ~ "*.calico") || (ifname ~ "tunl0")) then' in ipam
    assert ipam.endswith(
        "if (net ~ 10.48.0.0/16) then { reject; } if (net ~ 10.49.0.0/16) then { reject; } "
        "if (net ~ 10.50.0.0/16) then { accept; } accept; }"
    )
    assert "10.48.0.0/16, 10.49.0.0/16" in notes[0]
    assert adapt(bird_files(config(THREE))) == (bird_files(config(THREE)), ())


# --- communities, WireGuard -----------------------------------------------------------------


def test_communities_are_resolved_deduplicated_and_sorted_as_text() -> None:
    spec = default(
        "{communities: [{name: a, value: '100:6532'}, {name: b, value: '100:555:107'}],"
        " prefixAdvertisements: ["
        "{cidr: 10.48.0.0/16, communities: [a, b, '5663:12', '100:6532', nobody]},"
        "{cidr: 'fd20::0/48', communities: [b]},"
        "{cidr: 10.49.0.0/16, communities: [nobody]}]}"
    )
    found = config(THREE, spec)
    assert text(found).startswith(
        "function apply_communities () { if ( net ~ 10.48.0.0/16 ) then { "
        "bgp_large_community.add((100, 555, 107)); bgp_community.add((100, 6532)); "
        "bgp_community.add((5663, 12)); } } template kernel"
    )
    assert text(found, "bird6.cfg").startswith(
        "function apply_communities () { if ( net ~ fd20::0/48 ) then { "
        "bgp_large_community.add((100, 555, 107)); } } template kernel"
    )


def test_a_nodes_own_list_replaces_the_global_one_in_both_families() -> None:
    found = config(
        THREE,
        default(
            "{communities: [{name: a, value: '1:1'}], prefixAdvertisements:"
            " [{cidr: 'fd20::/48', communities: [a]}, {cidr: 10.49.0.0/16, communities: [a]}]}"
        ),
        one(
            "BGPConfiguration",
            "node.n1",
            "{prefixAdvertisements: [{cidr: 10.48.0.0/16, communities: [a, '2:2']}]}",
        ),
    )
    assert [(r.cidr, r.communities) for r in found.v4.communities] == [
        ("10.48.0.0/16", ("2:2",))  # the name `a` belongs to the other resource
    ]
    assert found.v6.communities == ()


def wireguard(name: str, v4: str, tunnel: str = "") -> str:
    spec = f"{{bgp: {{ipv4Address: {v4}}}"
    spec += f", wireguard: {{interfaceIPv4Address: {tunnel}}}}}" if tunnel else "}"
    return one("Node", name, spec)


def test_wireguard_next_hops_are_not_programmed() -> None:
    cluster = (
        wireguard("n1", "10.0.0.1/24", "192.168.9.1"),
        wireguard("n2", "10.0.0.20/24", "192.168.9.2"),
        wireguard("n3", "10.0.0.3/24", "192.168.9.3"),
        wireguard("n4", "10.0.0.4/24"),
    )
    statement = "if (defined(bgp_next_hop) && bgp_next_hop = {}) then {{ reject; }}"
    ipam = text(config(*cluster), "bird_ipam.cfg")
    wanted = " ".join(statement.format(a) for a in ("10.0.0.20", "10.0.0.3"))
    assert f"preference = 200; }} }} {wanted} accept; }}" in ipam
    assert "bgp_next_hop =" not in text(config(*cluster, at="n4"), "bird_ipam.cfg")


def test_ignored_interfaces_come_first() -> None:
    found = config(THREE, default("{ignoredInterfaces: ['docker*', lo1]}"))
    assert 'interface -"docker*", -"lo1", -"cali*", -"kube-ipvs*", "*";' in text(found)


# --- what BIRD would refuse -----------------------------------------------------------------


def test_what_bird_would_refuse_is_told() -> None:
    found = config(
        NO_MESH,
        THREE,
        one("BGPPeer", "zero", "{peerIP: 10.9.0.1, filters: [f]}"),
        one(
            "BGPPeer",
            "quoted",
            "{peerIP: 10.9.0.2, asNumber: 1, password: {secretKeyRef: {name: s, key: k}}}",
        ),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: kube-system}\n"
        "stringData: {k: 'a\"b'}\n",
        one(
            "BGPFilter",
            "f",
            "{exportV4: [{action: Accept, cidr: 10.0.0.0/26, matchOperator: In,"
            " prefixLength: {max: 24}}]}",
        ),
    )
    told = refusals(found)
    assert len(told) == 3
    assert "empty range 26-24" in told[0]
    assert "`neighbor 10.9.0.1 as 0`: set asNumber in BGPPeer zero" in told[1]
    assert "password of Global_10_9_0_2" in told[2]
    assert 'a"b' not in told[2]
    assert refusals(config(THREE)) == ()


def test_what_bird_would_refuse_of_addresses_is_told() -> None:
    found = config(
        node("n1", "10.0.0.1", "fd00::1"),
        node("n2", "10.0.0.2"),
        node("n3", "10.0.0.2"),
        default("{serviceClusterIPs: [{cidr: 10.96.0.1}, {cidr: 'fd00:96::1'}]}"),
        one("BGPPeer", "near", "{peerIP: 'fe80::1', asNumber: 65001}"),
        one(
            "BGPFilter",
            "f",
            "{importV4: [{action: Accept, cidr: 10.0.0.1, matchOperator: In, prefixLength: {}}]}",
        ),
    )
    told = refusals(found)
    assert len(told) == 5
    assert "`route 10.96.0.1 blackhole` has no prefix length: write 10.96.0.1/32" in told[0]
    assert "prefixLength beside the bare address 10.0.0.1" in told[1]
    assert "Mesh_10_0_0_2 stands twice" in told[2]
    assert "write fd00:96::1/128" in told[3]
    assert "fe80::1 of Global_fe80__1 is link-local" in told[4]


# --- Felix's choice of a BGPPeer for a pod --------------------------------------------------


def test_the_first_peer_by_name_that_selects_node_and_pod() -> None:
    cluster = given(
        THREE,
        one("BGPPeer", "a", "{node: n2, localWorkloadSelector: has(bgp), asNumber: 1}"),
        one(
            "BGPPeer",
            "b",
            "{nodeSelector: rack == 'b', localWorkloadSelector: has(bgp), asNumber: 1}",
        ),
        one("BGPPeer", "c", "{localWorkloadSelector: bgp == 'yes', asNumber: 1}"),
        one("BGPPeer", "d", "{peerIP: 10.9.0.1, asNumber: 1}"),
    )
    assert status.peering_of(cluster, "n2", {"bgp": "yes"}) == "a"
    assert status.peering_of(cluster, "n3", {"bgp": "yes"}) == "b"
    assert status.peering_of(cluster, "n1", {"bgp": "yes"}) == "c"
    assert status.peering_of(cluster, "n1", {"bgp": "no"}) is None


def test_all_nodes_of_one_confd_are_what_compute_gives() -> None:
    cluster = given(THREE, block("10.1.0.0/26"))
    whole = confd.Confd(cluster)
    assert whole.nodes == ("n1", "n2", "n3")
    assert [whole.node(name) for name in whole.nodes] == [
        confd.compute(cluster, name) for name in whole.nodes
    ]
