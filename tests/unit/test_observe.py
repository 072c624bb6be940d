"""What daemons and kernels print, read into values: on output recorded from a lab."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from labgen.errors import ParseError
from labgen.observe import bird, frr, kernel

DATA = Path(__file__).parents[1] / "data"


def read(name: str) -> str:
    return (DATA / name).read_text()


def test_bird_delays() -> None:
    text = read("bird-1.6.8/show-protocols-delay.txt")
    assert bird.parse_delays(text) == {IPv4Address("172.17.0.9"): (2, 2)}
    assert bird.parse_delays(read("bird-1.6.8/show-protocols-all.txt")) == {}


def test_bird_peers() -> None:
    peers = {p.name: p for p in bird.parse_protocols(read("bird-1.6.8/show-protocols-all.txt"))}
    assert list(peers) == ["Global_10_1_20_5", "Mesh_10_1_20_21", "Mesh_10_1_20_22"]
    bigip = peers["Global_10_1_20_5"]
    assert bigip.address == IPv4Address("10.1.20.5")
    assert (bigip.remote_as, bigip.state, bigip.hold_time, bigip.keepalive) == (
        64512, "Established", 90, 30,
    )  # fmt: skip
    assert (bigip.received, bigip.sent) == (0, 1)
    assert peers["Mesh_10_1_20_21"].received == 1


def test_bird_routes() -> None:
    routes = {str(r.prefix): r for r in bird.parse_routes(read("bird-1.6.8/show-route-all.txt"))}
    assert len(routes) == 5
    remote = routes["192.168.180.0/26"]
    assert remote.best
    assert remote.next_hop == remote.peer == IPv4Address("10.1.20.21")
    assert (remote.origin, remote.as_path, remote.local_pref) == ("IGP", (), 2147482623)
    assert routes["192.168.221.192/26"].next_hop is None


@pytest.mark.parametrize(
    ("line", "state", "error"),
    [
        ("Global_10_1_20_5 BGP master start 03:41:31 Active Socket: Connection refused",
         "Active", "Socket: Connection refused"),
        ("Mesh_10_1_20_21 BGP master start 03:41:31 Passive", "Active", ""),
        ("Node_10_1_20_5 BGP master start 03:41:31 Idle BGP Error: Bad peer AS",
         "Idle", "BGP Error: Bad peer AS"),
    ],
)  # fmt: skip
def test_bird_peers_that_are_down(line: str, state: str, error: str) -> None:
    text = f"BIRD 1.6.8 ready.\n{line}\n    Neighbor address: 10.1.20.5\n    Neighbor AS: 64512\n"
    (peer,) = bird.parse_protocols(text)
    assert (peer.state, peer.last_error) == (state, error)


def test_frr_peers() -> None:
    peers = frr.parse_neighbors(read("frr-8.4.4/show-bgp-neighbors.json"))
    assert [str(p.address) for p in peers] == ["10.1.20.20", "10.1.20.21", "10.1.20.22"]
    assert {(p.state, p.hold_time, p.keepalive, p.received) for p in peers} == {
        ("Established", 90, 30, 1)
    }


def test_frr_table() -> None:
    routes = frr.parse_table(read("frr-8.4.4/show-bgp-ipv4-unicast.json"))
    assert {str(r.prefix): str(r.next_hop) for r in routes} == {
        "192.168.127.0/26": "10.1.20.22",
        "192.168.180.0/26": "10.1.20.21",
        "192.168.221.192/26": "10.1.20.20",
    }
    assert all(r.best and r.valid and r.local_pref == 2147482623 for r in routes)


def test_kernel_routes() -> None:
    routes = {
        str(r.prefix): r for r in kernel.parse_routes(read("linux/ip-route-calico-node.json"))
    }
    assert routes["192.168.221.192/26"].kind == "blackhole"
    assert routes["192.168.180.0/26"].protocol == "bird"
    assert routes["192.168.180.0/26"].next_hops == ((IPv4Address("10.1.20.21"), "eth1"),)
    assert routes["192.168.221.198/32"].metric == 1024


def test_kernel_multipath_and_default() -> None:
    text = """[{"dst":"default","gateway":"10.0.0.1","dev":"eth1","protocol":"static"},
    {"dst":"10.210.1.0/26","protocol":"bird","metric":1024,"nexthops":[
      {"gateway":"10.0.0.3","dev":"eth1","weight":1},{"gateway":"10.0.0.4","dev":"eth1","weight":1}]}]"""
    default, multipath = kernel.parse_routes(text)
    assert default.prefix == IPv4Network("0.0.0.0/0")
    assert [str(hop) for hop, _ in multipath.next_hops] == ["10.0.0.3", "10.0.0.4"]


def test_kernel_counters() -> None:
    counters = kernel.parse_counters(read("linux/netstat.txt"))
    assert counters["TcpExtTCPMD5Failure"] == 0
    assert counters["TcpActiveOpens"] >= 0


@pytest.mark.parametrize(
    "parse",
    [bird.parse_protocols, bird.parse_routes, frr.parse_neighbors, frr.parse_table,
     kernel.parse_routes, kernel.parse_counters],
)  # fmt: skip
@pytest.mark.parametrize("text", ["% Unknown command", "{", "[1]", "\x00\xff"])
def test_other_output_is_a_parse_error(parse, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ParseError):
        parse(text)
