"""ZebOS's forms from FRR 8.4.4's recorded JSON (tests/data/frr-8.4.4/README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labgen.bigip import frr_json, show
from labgen.errors import ParseError

DATA = Path(__file__).parents[2] / "data" / "frr-8.4.4"


def recorded(name: str) -> str:
    return (DATA / f"{name}.json").read_text(encoding="utf-8")


def test_neighbors_begin_as_in_the_guide() -> None:
    views = frr_json.neighbors(recorded("neighbors"))
    text = show.neighbors(views, table_version=4)
    block = text[text.index("BGP neighbor is 10.1.20.21") :].splitlines()
    assert block[:5] == [
        "BGP neighbor is 10.1.20.21, remote AS 64512, local AS 64512, internal link",
        " Member of peer-group calico-k8s for session parameters",
        "  BGP version 4, remote router ID 10.1.20.21",
        "  BGP state = Established, up for 00:00:36",
        "  Last read 00:00:11, hold time is 90, keepalive interval is 30 seconds",
    ]
    assert "    Route refresh: advertised and received (new)" in block
    assert "    Address family IPv4 Unicast: advertised and received" in block
    assert "  Minimum time between advertisement runs is 5 seconds" in block
    assert "  1 accepted prefixes" in block
    assert " Connections established 1; dropped 0" in block


def test_a_neighbor_that_is_down() -> None:
    views = frr_json.neighbors(recorded("neighbors"))
    [view] = [v for v in views if v.address == "10.1.20.22"]
    lines = show.neighbors([view], table_version=4).splitlines()
    assert "  BGP state = Active" in lines
    assert "  Last read , hold time is 90, keepalive interval is 30 seconds" in lines
    assert lines[-2] == " Next connect timer due in 4 seconds"
    assert not any("Local host" in line for line in lines)


def test_routes_are_the_guides_line_for_line() -> None:
    view = frr_json.rib(recorded("route-bgp"))
    assert show.routes(view, vlans={}, header=False) == (
        "B       192.168.180.0/26 [200/0] via 10.1.20.21, internal, 00:00:37\n"
        "B       192.168.221.192/26 [200/0] via 10.1.20.20, internal, 00:00:37\n"
        "\n"
        "Gateway of last resort is not set\n"
    )


def test_the_fourth_field_of_a_route_is_the_vlan() -> None:
    view = frr_json.rib(recorded("route-bgp").replace('"internal"', '"eth1"'))
    text = show.routes(view, vlans={"eth1": "/Common/k8s"}, header=False)
    assert "via 10.1.20.21, /Common/k8s, 00:00:37" in text


def test_all_routes() -> None:
    text = show.routes(frr_json.rib(recorded("route")), vlans={}, header=True)
    assert text.startswith("Codes: K - kernel, C - connected, S - static, R - RIP, B - BGP\n")
    lines = text.splitlines()
    assert "C       10.1.20.0/24 is directly connected, internal" in lines
    assert "S       10.60.0.0/16 [1/0] via 10.1.20.20, internal" in lines
    assert "S       10.61.0.0/16 [1/0] is directly connected, Null" in lines
    assert "K       10.99.99.100/32 [0/0] is directly connected, tmm" in lines


def test_gateway_of_last_resort() -> None:
    data = json.loads(recorded("route-bgp"))
    [(prefix, found)] = list(data.items())[:1]
    data = {"0.0.0.0/0": [{**found[0], "prefix": "0.0.0.0/0", "protocol": "static"}]}
    text = show.routes(frr_json.rib(json.dumps(data)), vlans={}, header=False)
    assert text.startswith("S*      0.0.0.0/0 [200/0] via 10.1.20.21, internal\n"), prefix
    assert text.endswith("Gateway of last resort is 10.1.20.21 to network 0.0.0.0\n")


def test_summary() -> None:
    text = show.summary(frr_json.summary(recorded("summary")), as_paths=0, communities=0)
    assert text == (
        "BGP router identifier 10.1.20.5, local AS number 64512\n"
        "BGP table version is 4\n"
        "0 BGP AS-PATH entries\n"
        "0 BGP community entries\n"
        "\n"
        "Neighbor        V    AS MsgRcvd MsgSent   TblVer  InQ OutQ Up/Down  State/PfxRcd\n"
        "10.1.20.20      4 64512       5       6        0    0    0 00:00:36            1\n"
        "10.1.20.21      4 64512       5       6        0    0    0 00:00:36            1\n"
        "10.1.20.22      4 64512       0       0        0    0    0    never       Active\n"
        "10.1.20.23      4 64513       0       0        0    0    0    never Idle (Admin)\n"
        "fd00:20::20     4 64512       0       0        0    0    0    never       Active\n"
        "\n"
        "Total number of neighbors 5\n"
    )


def test_table_and_its_columns() -> None:
    text = show.table(frr_json.table(recorded("bgp")))
    lines = text.splitlines()
    assert lines[0] == "BGP table version is 4, local router ID is 10.1.20.5"
    header = next(line for line in lines if line.startswith("   Network"))
    # the last columns, from 0, of what a BIG-IP prints
    for word, column in (("Metric", 45), ("LocPrf", 56), ("Weight", 67)):
        assert header.index(word) + len(word) - 1 == column
    row = next(line for line in lines if line.startswith("*>i192.168.180.0/26"))
    assert (row[45], row[54:57], row[67], row[69:]) == ("0", "100", "0", "i")
    assert lines[-1] == "Total number of prefixes 4"
    # a network that is too long has a line of its own
    long = lines.index("*>i192.168.221.192/26")
    assert lines[long + 1].startswith(" " * 20 + "10.1.20.20")
    assert not any("vrf" in line or "RPKI" in line for line in lines)


def test_ipv6_table() -> None:
    text = show.table(frr_json.table(recorded("bgp-ipv6")))
    assert any(line.startswith("*> fd00:50::/48     ::") for line in text.splitlines())


def test_one_prefix() -> None:
    text = show.entry(frr_json.entry(recorded("prefix")))
    assert text == (
        "BGP routing table entry for 192.168.221.192/26\n"
        "Paths: (1 available, best #1, table Default-IP-Routing-Table)\n"
        "  Not advertised to any peer\n"
        "  Local\n"
        "    10.1.20.20 from 10.1.20.20 (10.1.20.20)\n"
        "      Origin IGP metric 0, localpref 100, valid, internal, best\n"
        "      Last update: Sun Nov 22 04:00:28 2026\n"
        "\n"
    )
    own = show.entry(frr_json.entry(recorded("prefix-local")))
    assert "  Advertised to peers:\n  10.1.20.20 10.1.20.21\n" in own
    assert "      Origin incomplete metric 0, localpref 100, weight 32768, valid, sourced" in own
    assert show.entry(frr_json.entry(recorded("prefix-absent"))) == "% Network not in table\n"


@pytest.mark.parametrize(
    ("name", "direction", "prefix"),
    [
        ("neighbor-advertised", "advertised", "10.99.99.100/32"),
        ("neighbor-received", "received", "192.168.221.192/26"),
    ],
)
def test_what_a_neighbor_sends_and_gets(name: str, direction: str, prefix: str) -> None:
    view = frr_json.adjacency(recorded(name), direction)
    assert view is not None
    assert prefix in show.table(view)


def test_received_routes_without_soft_reconfiguration() -> None:
    assert frr_json.adjacency(recorded("neighbor-received-refused"), "received") is None


def test_a_neighbor_that_is_not_configured() -> None:
    assert frr_json.neighbors(recorded("neighbor-absent")) == ()


@pytest.mark.parametrize("text", ["% Unknown command", "", "[1]", '{"half": '])
def test_output_that_is_not_json_is_a_parse_error(text: str) -> None:
    with pytest.raises(ParseError, match="JSON"):
        frr_json.table(text)
