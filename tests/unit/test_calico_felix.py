"""The routes that a lab must program because Felix would."""

from __future__ import annotations

import pytest
from calico_given import default, given, node, one

from labgen.calico.felix import FelixRoute, cluster_routes
from labgen.errors import InputError

NODES = (
    node("n1", "10.0.0.1/24", "fd00::1/64"),
    node("near", "10.0.0.2/24", "fd00::2/64"),
    node("far", "10.0.1.3/24", "fd00:1::3/64"),
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
    assert "fd20::/122 via fd20:: dev vxlan.calico onlink -70" in routes(", vxlanMode: Always")


def test_calicos_own_bird_keeps_its_ipip_pools() -> None:
    assert routes(", ipipMode: Always", "Enabled", vanilla_bird=False) == [
        "fd20::/122 via fd20:: dev vxlan.calico onlink -70"
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
