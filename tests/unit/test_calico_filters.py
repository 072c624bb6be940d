"""BGPFilter as BIRD functions: every match, every operation, names, calls."""

from __future__ import annotations

import pytest
from calico_given import NO_MESH, THREE, config, one, peer, protocol, text

from labgen.calico.bgpfilter import short_name


def functions(rules: str, file: str = "bird.cfg") -> str:
    rendered = text(config(NO_MESH, THREE, one("BGPFilter", "f", rules)), file)
    return rendered.partition("error wait time 5,30; } ")[2]


def statement(rule: str, version: int = 4) -> str:
    """The one statement of an export rule."""
    file = "bird.cfg" if version == 4 else "bird6.cfg"
    found = functions(f"{{exportV{version}: [{rule}]}}", file)
    return found.partition("{ ")[2].removesuffix(" }")


@pytest.mark.parametrize(
    ("operator", "bird"), [("Equal", "="), ("NotEqual", "!="), ("In", "~"), ("NotIn", "!~")]
)
def test_match_operators(operator: str, bird: str) -> None:
    rule = f"{{action: Reject, cidr: 10.0.0.0/8, matchOperator: {operator}}}"
    assert statement(rule) == f"if ((net {bird} 10.0.0.0/8)) then {{ reject; }}"


@pytest.mark.parametrize(
    ("lengths", "bounds"),
    [
        ("{}", "10,32"),
        ("{min: 24}", "24,32"),
        ("{max: 24}", "10,24"),
        ("{min: 5, max: 28}", "10,28"),  # not below the CIDR's own length
        ("{min: 0, max: 0}", "10,0"),  # empty, and BIRD will say so
        ("{max: 8}", "10,8"),
    ],
)
def test_prefix_lengths(lengths: str, bounds: str) -> None:
    rule = f"{{action: Accept, cidr: 10.64.0.0/10, matchOperator: In, prefixLength: {lengths}}}"
    assert statement(rule) == f"if ((net ~ [ 10.64.0.0/10{{{bounds}}} ])) then {{ accept; }}"


def test_prefix_lengths_v6_and_the_cidr_stays_as_written() -> None:
    rule = "{action: Accept, cidr: '9000::0/64', matchOperator: NotIn, prefixLength: {max: 100}}"
    assert statement(rule, 6) == "if ((net !~ [ 9000::0/64{64,100} ])) then { accept; }"


@pytest.mark.parametrize(
    ("match", "condition"),
    [
        ("source: RemotePeers", "((defined(source))&&(source ~ [ RTS_BGP ]))"),
        ("interface: 'eth*'", '((defined(ifname))&&(ifname ~ "eth*"))'),
        ("communities: {values: ['65000:100']}", "((65000, 100) ~ bgp_community)"),
        ("communities: {values: ['65000:1:2']}", "((65000, 1, 2) ~ bgp_large_community)"),
        ("asPathPrefix: [65000]", "(bgp_path ~ [= 65000 * =])"),
        ("asPathPrefix: [65000, '1.0']", "(bgp_path ~ [= 65000 65536 * =])"),
        ("priority: 100", "(defined(bgp_local_pref)&&(bgp_local_pref = 2147483547))"),
    ],
)
def test_each_match(match: str, condition: str) -> None:
    assert statement(f"{{action: Reject, {match}}}") == f"if ({condition}) then {{ reject; }}"


def test_all_matches_together_in_confds_order() -> None:
    rule = (
        "{priority: 5, asPathPrefix: [1], communities: {values: ['1:2']}, interface: e,"
        " source: RemotePeers, matchOperator: In, cidr: 10.0.0.0/8, action: Accept}"
    )
    assert statement(rule) == (
        "if ((net ~ 10.0.0.0/8)&&((defined(source))&&(source ~ [ RTS_BGP ]))"
        '&&((defined(ifname))&&(ifname ~ "e"))&&((1, 2) ~ bgp_community)&&(bgp_path ~ [= 1 * =])'
        "&&(defined(bgp_local_pref)&&(bgp_local_pref = 2147483642))) then { accept; }"
    )


@pytest.mark.parametrize(
    ("operations", "body"),
    [
        ("{addCommunity: {value: '1:2'}}", "bgp_community.add((1, 2));"),
        ("{addCommunity: {value: '1:2:3'}}", "bgp_large_community.add((1, 2, 3));"),
        (
            "{prependASPath: {prefix: [1, 2, 3]}}",
            "bgp_path.prepend(3); bgp_path.prepend(2); bgp_path.prepend(1);",
        ),
        ("{setPriority: {value: 256}}", "bgp_local_pref = 2147483391;"),
        (
            "{setPriority: {value: 1}}, {addCommunity: {value: '1:2'}}",
            "bgp_local_pref = 2147483646; bgp_community.add((1, 2));",
        ),
    ],
)
def test_operations(operations: str, body: str) -> None:
    assert statement(f"{{action: Accept, operations: [{operations}]}}") == f"{body} accept;"


def test_a_rule_without_matches_stands_alone() -> None:
    assert statement("{action: Reject}") == "reject;"


def test_peer_type_wraps_the_rule_and_gives_the_function_its_parameter() -> None:
    rules = (
        "{exportV4: [{action: Accept, peerType: iBGP, interface: e},"
        " {action: Reject, peerType: eBGP}], importV4: [{action: Accept}]}"
    )
    assert functions(rules) == (
        "function 'bgp_f_importFilterV4'() { accept; } "
        "function 'bgp_f_exportFilterV4'(bool is_same_as) { "
        'if (is_same_as) then { if (((defined(ifname))&&(ifname ~ "e"))) then { accept; } } '
        "if (!is_same_as) then { reject; } }"
    )
    for number, same in ((64512, "true"), (65001, "false")):
        spec = f"{{peerIP: 10.9.0.1, asNumber: {number}, filters: [f]}}"
        found = config(NO_MESH, THREE, one("BGPFilter", "f", rules), peer("a", spec))
        body = protocol(found, "Global_10_9_0_1")
        assert "import filter { 'bgp_f_importFilterV4'(); if" in body
        assert f"}} 'bgp_f_exportFilterV4'({same}); calico_export_to_bgp_peers({same});" in body


def test_functions_come_by_name_whether_used_or_not_and_calls_in_the_peers_order() -> None:
    documents = [
        one("BGPFilter", "b", "{importV4: [{action: Accept}], exportV6: [{action: Reject}]}"),
        one("BGPFilter", "a", "{importV4: [{action: Reject}]}"),
        one("BGPFilter", "c", "{exportV4: [{action: Reject}]}"),
    ]
    spec = "{peerIP: 10.9.0.1, asNumber: 1, filters: [b, missing, a]}"
    found = config(NO_MESH, THREE, *documents, peer("p", spec))
    rendered = text(found)
    order = [rendered.index(f"function 'bgp_{name}_") for name in "abc"]
    assert order == sorted(order)
    assert "import filter { 'bgp_b_importFilterV4'(); 'bgp_a_importFilterV4'(); if" in rendered
    assert "'bgp_c_exportFilterV4'();" not in rendered
    assert "function 'bgp_b_exportFilterV6'() { reject; }" in text(found, "bird6.cfg")


def test_mesh_sessions_call_no_filters() -> None:
    rendered = text(config(THREE, one("BGPFilter", "f", "{importV4: [{action: Reject}]}")))
    assert "import filter { if (defined(bgp_local_pref)" in rendered
    assert rendered.count("bgp_f_importFilterV4") == 1


def test_no_address_of_the_family_means_no_functions() -> None:
    rules = "{importV6: [{action: Reject}]}"
    only_v4 = THREE.replace(", ipv6Address: 'fd00::1/64'", "")
    found = config(NO_MESH, only_v4, one("BGPFilter", "f", rules))
    assert "function 'bgp" not in text(found, "bird6.cfg")


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (
            "tor-uplink-export-policy-for-rack-a12-and-a13-ipv4-and-ipv6",
            "tor-uplink-export-policy-for_53E6EAB55840C0EE",
        ),
        ("a" * 45, "a" * 45),
        ("a" * 46, "a" * 28 + "_6643110C5628FFF5"),
    ],
)
def test_long_names_fit_into_a_bird_symbol(name: str, short: str) -> None:
    assert short_name(name) == short
    assert len(f"bgp_{short}_importFilterV4") <= 64
