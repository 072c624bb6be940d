"""The routes that a lab must program because Felix would."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from calico_given import default, given, node, one

from labgen.calico.confd import compute
from labgen.calico.felix import Felix, FelixRoute, cluster_routes
from labgen.calico.ipam import Ipam
from labgen.calico.ipam_values import Allocation, BlockRecord, Request
from labgen.calico.tunnels import with_tunnel_addresses
from labgen.calico.workload import vtep_mac
from labgen.design.model import CalicoNode
from labgen.errors import InputError
from labgen.render import hosts


def at(name: str, v4: str, v6: str, tunnel: str, tunnel6: str) -> str:
    return one(
        "Node",
        name,
        f"{{bgp: {{ipv4Address: {v4}, ipv6Address: '{v6}', ipv4IPIPTunnelAddr: {tunnel}}}, "
        f"ipv4VXLANTunnelAddr: {tunnel}, ipv6VXLANTunnelAddr: '{tunnel6}'}}",
    )


NODES = (
    at("n1", "10.0.0.1/24", "fd00::1/64", "10.48.0.0", "fd20::40"),
    at("near", "10.0.0.2/24", "fd00::2/64", "10.48.0.64", "fd20::80"),
    at("far", "10.0.1.3/24", "fd00:1::3/64", "10.48.0.128", "fd20::"),
)
BLOCKS = tuple(
    one("BlockAffinity", f"b{i}", f"{{node: {owner}, cidr: '{cidr}', state: {state}}}")
    for i, (owner, cidr, state) in enumerate(
        (
            ("n1", "10.48.0.0/26", "confirmed"),
            ("near", "10.48.0.64/26", "confirmed"),
            ("far", "10.48.0.128/26", "confirmed"),
            ("far", "10.48.0.192/26", "pending"),
            ("far", "10.99.0.0/26", "confirmed"),  # in no pool
            ("far", "fd20::/122", "confirmed"),
        )
    )
)
OWN = "10.48.0.0/26 blackhole"


def routes(pool: str, mode: str = "null", **more: bool) -> list[str]:
    cluster = given(
        *NODES,
        *BLOCKS,
        default(f"{{programClusterRoutes: {mode}}}"),
        one("IPPool", "p", f"{{cidr: 10.48.0.0/16{pool}}}"),
        one("IPPool", "q", f"{{cidr: 'fd20::/48'{pool.replace('ipip', 'vxlan')}}}"),
    )
    return [shown(route) for route in cluster_routes(cluster, "n1", **more)]


def shown(route: FelixRoute) -> str:
    if route.is_blackhole:
        return f"{route.network} blackhole"
    device = f" dev {route.device} onlink -{route.overhead}" if route.onlink else ""
    return f"{route.network} via {route.gateway}{device}"


@pytest.mark.parametrize(
    ("pool", "mode", "expected"),
    [
        ("", "null", []),  # BIRD's
        ("", "Disabled", [OWN, "10.48.0.64/26 via 10.0.0.2", "10.48.0.128/26 via 10.0.1.3"]),
        (
            ", ipipMode: Always",
            "null",
            [
                OWN,
                "10.48.0.64/26 via 10.0.0.2 dev tunl0 onlink -20",
                "10.48.0.128/26 via 10.0.1.3 dev tunl0 onlink -20",
            ],
        ),
        (
            ", ipipMode: CrossSubnet",
            "Enabled",  # vanilla BIRD cannot do its part
            [
                OWN,
                "10.48.0.64/26 via 10.0.0.2",
                "10.48.0.128/26 via 10.0.1.3 dev tunl0 onlink -20",
            ],
        ),
        (
            ", vxlanMode: CrossSubnet",
            "null",
            [
                OWN,
                "10.48.0.64/26 via 10.0.0.2",
                "10.48.0.128/26 via 10.48.0.128 dev vxlan.calico onlink -50",
            ],
        ),
    ],
)
def test_cluster_routes(pool: str, mode: str, expected: list[str]) -> None:
    assert [text for text in routes(pool, mode) if not text.startswith("fd20")] == expected


def test_ipv6_through_vxlan() -> None:
    assert "fd20::/122 via fd20:: dev vxlan-v6.calico onlink -70" in routes(", vxlanMode: Always")


def test_calicos_own_bird_keeps_its_ipip_pools() -> None:
    assert routes(", ipipMode: Always", "Enabled", vanilla_bird=False) == [
        "fd20::/122 via fd20:: dev vxlan-v6.calico onlink -70"
    ]


def test_a_single_address_block_is_no_blackhole_and_a_stated_tunnel_address_is_taken() -> None:
    cluster = given(
        NODES[0],
        one(
            "Node",
            "far",
            "{bgp: {ipv4Address: 10.0.1.3/24}, ipv4VXLANTunnelAddr: 10.48.9.9}",
        ),
        one("IPPool", "p", "{cidr: 10.48.0.0/16, vxlanMode: Always}"),
        one("BlockAffinity", "a", "{node: n1, cidr: 10.48.0.1/32}"),
        one("BlockAffinity", "b", "{node: far, cidr: 10.48.0.64/26}"),
    )
    found = cluster_routes(cluster, "n1")
    assert [shown(route) for route in found] == [
        "10.48.0.64/26 via 10.48.9.9 dev vxlan.calico onlink -50"
    ]
    with pytest.raises(InputError, match="has no Node resource"):
        cluster_routes(cluster, "n7")


def of_n1(*documents: str, blocks: tuple[BlockRecord, ...] = ()) -> CalicoNode:
    cluster = given(*documents)
    config, felix = compute(cluster, "n1"), Felix(cluster, blocks)
    return CalicoNode(
        "n1", "k", (), config, (), routes=felix.routes(config), tunnels=felix.tunnels(config)
    )


def test_the_file_for_felix_names_the_tunnel_its_ends_and_the_routes() -> None:
    shown = hosts.felix(
        of_n1(*NODES, *BLOCKS, one("IPPool", "p", "{cidr: 10.48.0.0/16, vxlanMode: CrossSubnet}"))
    )
    n1, near, far = (vtep_mac(name, 4) for name in ("n1", "near", "far"))
    assert shown.splitlines() == [
        f"tunnel vxlan.calico 10.0.0.1 10.48.0.0 {n1} 1450 vxlan 4096 4789",
        f"end vxlan.calico 10.0.1.3 10.48.0.128 {far}",
        f"end vxlan.calico 10.0.0.2 10.48.0.64 {near}",
        "blackhole 10.48.0.0/26",
        "route 10.48.0.64/26 10.0.0.2 -",
        "route 10.48.0.128/26 10.48.0.128 vxlan.calico",
    ]


def test_ipip_and_ipv6_have_devices_of_their_own() -> None:
    found = of_n1(
        *NODES,
        one("IPPool", "p", "{cidr: 10.48.0.0/16, ipipMode: Always}"),
        one("IPPool", "q", "{cidr: 'fd20::/48', vxlanMode: Always}"),
    )
    assert [(t.device, str(t.local), str(t.address)) for t in found.tunnels] == [
        ("tunl0", "10.0.0.1", "10.48.0.0"),
        ("vxlan-v6.calico", "fd00::1", "fd20::40"),
    ]
    assert str(found.tunnels[0].ends[0].address) == "10.0.1.3"  # IPIP knows nodes, not tunnels
    assert of_n1(*NODES, one("IPPool", "p", "{cidr: 10.48.0.0/16}")).tunnels == ()


def test_without_an_address_there_is_no_tunnel_and_nobody_routes_through_it() -> None:
    pool = one("IPPool", "p", "{cidr: 10.48.0.0/16, vxlanMode: Always}")
    bare = node("n1", "10.0.0.1/24")
    assert of_n1(bare, *NODES[1:], *BLOCKS, pool).tunnels == ()
    far = node("far", "10.0.1.3/24")
    found = of_n1(*NODES[:2], far, *BLOCKS, pool)
    assert [str(end.node) for end in found.tunnels[0].ends] == ["10.0.0.2"]
    assert [shown(route) for route in found.routes] == [
        OWN,
        "10.48.0.64/26 via 10.48.0.64 dev vxlan.calico onlink -50",
    ]


def test_a_borrowed_address_has_a_route_to_its_borrower() -> None:
    block = BlockRecord(ip_network("10.48.0.0/26"), "p", "n1")
    for ordinal, holder in ((7, "far"), (8, "n1")):
        address = block.network[ordinal]
        block.allocations[ordinal] = Allocation(address, holder, "h", {})
    pool = one("IPPool", "p", "{cidr: 10.48.0.0/16, vxlanMode: Always}")
    found = of_n1(*NODES, pool, blocks=(block,))
    assert [shown(route) for route in found.routes] == [
        "10.48.0.7/32 via 10.48.0.128 dev vxlan.calico onlink -50"
    ]


def tunnels_of(pool: str) -> list[str | None]:
    cluster = given(node("n1", "10.0.0.1/24"), one("IPPool", "p", pool))
    changed = with_tunnel_addresses(cluster, Ipam(cluster), ["n1", "n7"])
    return [n.spec.ipv4_vxlan_tunnel_addr for n in changed]


def _start_of(pool: str, name: str) -> object:
    cluster = given(node(name, "10.0.0.1/24"), one("IPPool", "p", f"{{cidr: {pool}}}"))
    block = Ipam(cluster).claim(Request(name, "h"))
    assert block is not None
    return block.network.network_address


def test_calico_node_takes_the_first_address_of_its_first_block() -> None:
    pool = "{cidr: 192.168.0.0/16, vxlanMode: CrossSubnet}"
    (first,) = tunnels_of(pool)
    assert first == str(_start_of("192.168.0.0/16", "n1"))
    assert tunnels_of("{cidr: 192.168.0.0/16}") == []
    assert tunnels_of(pool.replace("}", ", disabled: true}")) == []
    assert tunnels_of(pool.replace("}", ", allowedUses: [Workload]}")) == []
    assert tunnels_of(pool.replace("}", ", nodeSelector: has(other)}")) == []


def test_an_address_follows_the_pools() -> None:
    before = given(
        node("n1", "10.0.0.1/24"), one("IPPool", "p", "{cidr: 10.48.0.0/16, vxlanMode: Always}")
    )
    ipam = Ipam(before)
    (taken,) = with_tunnel_addresses(before, ipam, ["n1"])
    held = ip_address(taken.spec.ipv4_vxlan_tunnel_addr or "")
    allocation = ipam.allocation(held)
    assert allocation is not None
    assert allocation.handle == "vxlan-tunnel-addr-n1"
    assert with_tunnel_addresses(replace(before, nodes=(taken,)), ipam, ["n1"]) == ()
    # a Node that was replaced by a file without the address gets it back
    assert with_tunnel_addresses(before, ipam, ["n1"]) == (taken,)
    plain = given(node("n1", "10.0.0.1/24"), one("IPPool", "p", "{cidr: 10.48.0.0/16}"))
    (bare,) = with_tunnel_addresses(replace(plain, nodes=(taken,)), ipam, ["n1"])
    assert bare.spec.ipv4_vxlan_tunnel_addr is None
    assert ipam.allocation(held) is None


def test_a_stated_address_is_taken_where_it_is_free() -> None:
    stated = given(
        one("Node", "n1", "{bgp: {ipv4Address: 10.0.0.1/24}, ipv4VXLANTunnelAddr: 10.48.3.7}"),
        one("IPPool", "p", "{cidr: 10.48.0.0/16, vxlanMode: Always}"),
    )
    ipam = Ipam(stated)
    assert with_tunnel_addresses(stated, ipam, ["n1"]) == ()
    assert ipam.held("vxlan-tunnel-addr-n1") == (ip_address("10.48.3.7"),)
