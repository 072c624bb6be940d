"""What real BIRD exports to a peer is what the resources say: every filter feature, every rule."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from calico_given import node, one, peer

sys.path.insert(0, str(Path(__file__).parent))

from pair import Pair, Route, missing

WHY = missing()
pytestmark = [
    pytest.mark.lab,
    pytest.mark.xdist_group("calico-pair"),
    pytest.mark.skipif(WHY is not None, reason=str(WHY)),
]
NORMAL = 2147483647 - 1024
FIXED = (
    node("n1", "10.0.0.1/24"),
    one("BGPConfiguration", "default", "{nodeToNodeMeshEnabled: false}"),
    one("IPPool", "pods", "{cidr: 192.168.0.0/16}"),
    one("BlockAffinity", "b", "{node: n1, cidr: 192.168.0.0/26, state: confirmed}"),
)
POOLS = (
    one("IPPool", "seventies", "{cidr: 76.0.0.0/6, disabled: true}"),
    one("IPPool", "outside", "{cidr: 172.30.0.0/16, disabled: true}"),
)
OWN = ["77.0.0.0/16", "77.0.1.0/24", "77.0.2.0/28", "78.0.0.0/16", "79.0.0.0/16"]


def peers(filters: str = "") -> tuple[str, ...]:
    """The two sessions; the same filter on both."""
    more = f", filters: [{filters}]" if filters else ""
    return (
        peer("ext", f"{{peerIP: 10.0.0.2, asNumber: 65001{more}}}"),
        peer("int", f"{{peerIP: 10.0.0.3, asNumber: 64512{more}}}"),
    )


def exporting(*rules: str) -> tuple[str, ...]:
    """n1 with pools over its routes and one export filter of these rules."""
    return (
        *FIXED,
        *POOLS,
        *peers("f"),
        one("BGPFilter", "f", f"{{exportV4: [{', '.join(rules)}]}}"),
    )


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    made = Pair(tmp_path_factory.mktemp("pair"))
    try:
        made.start(*FIXED, *peers())
        yield made
    finally:
        made.stop()


def test_without_pools_only_blocks_and_elevated_addresses_go_out(pair: Pair) -> None:
    pair.configure(*FIXED, *peers())
    wanted = {"192.168.0.0/26", "192.168.0.6/32"}
    pair.expect("ext", lambda found: set(found) == wanted)
    found = pair.expect("int", lambda found: set(found) == wanted)
    assert found["192.168.0.0/26"].local_pref == NORMAL
    assert found["192.168.0.6/32"].local_pref == 2147483647 - 512


def test_pools_let_routes_out_except_through_tunnels_to_internal_peers(pair: Pair) -> None:
    pair.configure(*FIXED, *POOLS, *peers())
    outside = pair.expect("ext", lambda found: "79.0.0.0/16" in found)
    assert set(OWN) < set(outside)
    assert outside["77.0.0.0/16"].as_path == "64512"
    inside = pair.expect("int", lambda found: "172.30.0.0/16" in found)
    assert "79.0.0.0/16" not in inside  # leaves through vxlan.calico
    assert set(OWN) - set(inside) == {"79.0.0.0/16"}
    assert "172.31.0.0/16" not in inside  # learnt, and in no pool
    assert inside["172.30.0.0/16"].communities == ("(65001,30)",)


def test_a_pool_without_bgp_export(pair: Pair) -> None:
    quiet = one("IPPool", "quiet", "{cidr: 77.0.0.0/16, disableBGPExport: true}")
    pair.configure(*FIXED, *POOLS, quiet, *peers())
    pair.expect("ext", lambda found: "78.0.0.0/16" in found and "77.0.1.0/24" not in found)


def net(operator: str, more: str = "") -> str:
    return f"{{action: Accept, cidr: 77.0.0.0/16, matchOperator: {operator}{more}}}"


REST = "{action: Reject}"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (net("Equal"), {"77.0.0.0/16"}),
        (net("In"), {"77.0.0.0/16", "77.0.1.0/24", "77.0.2.0/28"}),
        (net("In", ", prefixLength: {min: 20}"), {"77.0.1.0/24", "77.0.2.0/28"}),
        (net("In", ", prefixLength: {max: 24}"), {"77.0.0.0/16", "77.0.1.0/24"}),
        (net("In", ", prefixLength: {min: 20, max: 24}"), {"77.0.1.0/24"}),
        (net("In", ", prefixLength: {}"), {"77.0.0.0/16", "77.0.1.0/24", "77.0.2.0/28"}),
        (net("Equal", ", prefixLength: {}"), set()),  # BIRD compares unlike types
        ("{action: Accept, interface: 'vxlan.*'}", {"79.0.0.0/16"}),
        ("{action: Accept, priority: 512}", {"78.0.0.0/16", "192.168.0.6/32"}),
        (
            "{action: Accept, source: RemotePeers, communities: {values: ['65001:30']}}",
            {"172.30.0.0/16"},
        ),
        ("{action: Accept, communities: {values: ['65001:2:9']}}", {"172.29.0.0/16"}),
        ("{action: Accept, asPathPrefix: [65001, 65009]}", set()),
        ("{action: Accept, asPathPrefix: [65009, 65001]}", {"172.29.0.0/16"}),
        (
            "{action: Accept, asPathPrefix: [65001]}",
            {"172.30.0.0/16", "172.31.0.0/16"},
        ),
        ("{action: Accept, peerType: iBGP, " + net("Equal")[1:], {"77.0.0.0/16"}),
        ("{action: Accept, peerType: eBGP, " + net("Equal")[1:], set()),
    ],
)
def test_each_match_towards_the_internal_peer(pair: Pair, rule: str, expected: set[str]) -> None:
    rule = rule.replace("action: Accept, peerType", "peerType")
    pair.configure(*exporting(rule, REST))
    pair.expect("int", lambda found: set(found) == expected)


def test_not_equal_and_not_in(pair: Pair) -> None:
    pair.configure(*exporting(net("NotIn"), REST))
    found = pair.expect("int", lambda found: "78.0.0.0/16" in found and "77.0.1.0/24" not in found)
    assert set(found) & set(OWN) == {"78.0.0.0/16", "79.0.0.0/16"}
    pair.configure(*exporting(net("NotEqual"), REST))
    found = pair.expect("int", lambda found: "77.0.1.0/24" in found and "77.0.0.0/16" not in found)
    assert "192.168.0.5/32" in found  # an accept passes by the aggregation


def test_peer_types_are_told_apart(pair: Pair) -> None:
    rule = "{peerType: eBGP, " + net("Equal")[1:]
    pair.configure(*exporting(rule, REST))
    pair.expect("int", lambda found: not found)
    pair.expect("ext", lambda found: set(found) == {"77.0.0.0/16"})


def test_operations_change_what_the_peers_see(pair: Pair) -> None:
    operations = (
        "operations: [{addCommunity: {value: '65000:1'}}, {addCommunity: {value: '65000:1:2'}},"
        " {prependASPath: {prefix: [64601, 64602]}}, {setPriority: {value: 700}}]"
    )
    pair.configure(*exporting(net("Equal", f", {operations}"), REST))
    communities = ("(65000, 1, 2)", "(65000,1)")
    found = pair.expect(
        "ext",
        lambda found: set(found) == {"77.0.0.0/16"} and bool(found["77.0.0.0/16"].communities),
    )
    # BIRD puts its own AS into the path before the export filter runs (bgp_import_control), so an
    # external peer sees the prepended numbers in front of it.
    assert found["77.0.0.0/16"] == Route("64601 64602 64512", communities, 100)
    found = pair.expect(
        "int",
        lambda found: set(found) == {"77.0.0.0/16"} and bool(found["77.0.0.0/16"].communities),
    )
    assert found["77.0.0.0/16"] == Route("64601 64602", communities, 2147483647 - 700)


def test_an_import_filter_keeps_routes_out_and_changes_them(pair: Pair) -> None:
    mark = "{addCommunity: {value: '1:2'}}"
    rules = (
        "{action: Reject, communities: {values: ['65001:30']}}",
        "{action: Accept, asPathPrefix: [65009, 65001], operations: [" + mark + "]}",
    )
    spec = f"{{importV4: [{', '.join(rules)}]}}"
    wide = one("IPPool", "wide", "{cidr: 172.16.0.0/12, disabled: true}")
    pair.configure(*FIXED, wide, *peers("f"), one("BGPFilter", "f", spec))
    found = pair.expect(
        "int", lambda found: "172.31.0.0/16" in found and "172.30.0.0/16" not in found
    )
    assert found["172.29.0.0/16"].communities == ("(1,2)", "(65001, 2, 9)")


def test_prefix_advertisements_add_communities(pair: Pair) -> None:
    default = one(
        "BGPConfiguration",
        "default",
        "{nodeToNodeMeshEnabled: false, prefixAdvertisements:"
        " [{cidr: 192.168.0.0/16, communities: ['64512:7', '64512:7:7']}]}",
    )
    pair.configure(FIXED[0], default, *FIXED[2:], *peers())
    found = pair.expect("ext", lambda found: any(r.communities for r in found.values()))
    assert found["192.168.0.0/26"].communities == ("(64512, 7, 7)", "(64512,7)")


def test_a_change_of_filters_drops_no_session(pair: Pair) -> None:
    before = pair.protocols()
    pair.configure(*exporting(net("In"), REST))
    pair.expect("ext", lambda found: len(found) == 3)
    since = [line.split()[:6] for line in before.splitlines() if " BGP " in line]
    assert [line.split()[:6] for line in pair.protocols().splitlines() if " BGP " in line] == since
