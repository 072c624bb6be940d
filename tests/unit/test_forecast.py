"""The forecast: what BGP converges to, by RFC 4271, RFC 4456 and Calico's export table."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from labgen.design.forecast import CALICO_LOCAL_PREF, forecast
from labgen.design.model import Alien, Daemon, ExportPolicy, PeerConfig, Speaker
from labgen.design.sessions import derive

POOL = (IPv4Network("10.200.0.0/16"),)


def peer(address: str, *, local: int = 64512, remote: int = 64512, **more: object) -> PeerConfig:
    values: dict[str, object] = {
        "name": address, "kind": "mesh", "address": IPv4Address(address), "port": 179,
        "local_address": None, "local_as": local, "remote_as": remote, **more,
    }  # fmt: skip
    return PeerConfig(**values)  # type: ignore[arg-type]


def calico(
    name: str, address: str, block: str, peers: list[PeerConfig], *, asn: int = 64512,
    pools: tuple[IPv4Network, ...] = POOL, cluster_id: str | None = None,
) -> Speaker:  # fmt: skip
    network = IPv4Network(block)
    return Speaker(
        name, Daemon.BIRD, asn, IPv4Address(address), (IPv4Address(address),), tuple(peers),
        (network,), ExportPolicy(blocks=(network,), pools=pools),
        cluster_id=IPv4Address(cluster_id) if cluster_id else None, add_path_receive=True,
    )  # fmt: skip


def bigip(address: str, peers: list[PeerConfig], *, asn: int = 64512) -> Speaker:
    return Speaker(
        "bigip", Daemon.FRR, asn, IPv4Address(address), (IPv4Address(address),), tuple(peers), (),
        ExportPolicy(everything=True),
    )  # fmt: skip


def run(*speakers: Speaker):  # type: ignore[no-untyped-def]
    return forecast(speakers, derive(speakers))


def test_a_bigip_learns_each_block_from_its_own_node() -> None:
    f5 = bigip("10.0.0.5", [peer("10.0.0.1", kind="neighbor"), peer("10.0.0.2", kind="neighbor")])
    a = calico(
        "a", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.2"), peer("10.0.0.5", kind="global")]
    )
    b = calico(
        "b", "10.0.0.2", "10.200.2.0/26", [peer("10.0.0.1"), peer("10.0.0.5", kind="global")]
    )
    result = run(f5, a, b)
    (one,) = result.announcements["a", "bigip"]
    assert one.prefix == IPv4Network("10.200.1.0/26")
    assert (one.origin, one.as_path, one.next_hop) == ("IGP", (), IPv4Address("10.0.0.1"))
    assert one.local_pref == CALICO_LOCAL_PREF == 2147482623
    assert result.announcements["bigip", "a"] == ()  # iBGP routes go to no iBGP peer
    assert [(str(r.prefix), str(r.next_hops[0])) for r in result.routes["bigip"]] == [
        ("10.200.1.0/26", "10.0.0.1"),
        ("10.200.2.0/26", "10.0.0.2"),
    ]


def test_without_a_mesh_nodes_hold_only_what_is_theirs() -> None:
    f5 = bigip("10.0.0.5", [peer("10.0.0.1"), peer("10.0.0.2")])
    a = calico("a", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.5")])
    b = calico("b", "10.0.0.2", "10.200.2.0/26", [peer("10.0.0.5")])
    result = run(f5, a, b)
    assert result.routes["a"] == result.routes["b"] == ()
    assert len(result.routes["bigip"]) == 2


def test_a_reflecting_bigip_passes_blocks_on_with_the_next_hop_kept() -> None:
    clients = [peer(f"10.0.0.{i}", rr_client=True) for i in (1, 2)]
    f5 = bigip("10.0.0.5", clients)
    a = calico("a", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.5")])
    b = calico("b", "10.0.0.2", "10.200.2.0/26", [peer("10.0.0.5")])
    result = run(f5, a, b)
    (route,) = result.routes["a"]
    assert (str(route.prefix), route.next_hops) == ("10.200.2.0/26", (IPv4Address("10.0.0.2"),))


def test_a_wrong_as_on_one_side_exchanges_nothing() -> None:
    f5 = bigip("10.0.0.5", [peer("10.0.0.1", remote=65000)])
    a = calico("a", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.5")])
    result = run(f5, a)
    assert result.announcements == {}
    assert result.routes["bigip"] == ()


def two_clusters(pools_a: tuple[IPv4Network, ...]) -> list[Speaker]:
    """a1 and b1 reflect for a2 and b2, and peer over eBGP with each other."""
    ebgp_a = peer("10.0.1.1", local=64512, remote=64513, kind="node")
    ebgp_b = peer("10.0.0.1", local=64513, remote=64512, kind="node")
    pools_b = (IPv4Network("10.210.0.0/16"), IPv4Network("10.200.0.0/16"))
    rr, client = {"rr_client": True}, {"local": 64513, "remote": 64513}
    return [
        calico("a1", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.2", **rr), ebgp_a],
               pools=pools_a, cluster_id="244.0.0.1"),
        calico("a2", "10.0.0.2", "10.200.2.0/26", [peer("10.0.0.1")], pools=pools_a),
        calico("b1", "10.0.1.1", "10.210.1.0/26", [peer("10.0.1.2", **client, **rr), ebgp_b],
               asn=64513, pools=pools_b, cluster_id="244.0.0.2"),
        calico("b2", "10.0.1.2", "10.210.2.0/26", [peer("10.0.1.1", **client)], asn=64513,
               pools=pools_b),
    ]  # fmt: skip


def prefixes(routes: object) -> set[str]:
    return {str(r.prefix) for r in routes}  # type: ignore[attr-defined]


def test_foreign_routes_stop_at_the_reflector_without_a_pool_that_covers_them() -> None:
    result = run(*two_clusters(POOL))
    assert prefixes(result.routes["a1"]) == {"10.200.2.0/26", "10.210.1.0/26", "10.210.2.0/26"}
    assert prefixes(result.routes["a2"]) == {"10.200.1.0/26"}
    assert prefixes(result.routes["b2"]) == {"10.210.1.0/26", "10.200.1.0/26", "10.200.2.0/26"}


def test_a_disabled_pool_lets_them_spread() -> None:
    result = run(*two_clusters((*POOL, IPv4Network("10.210.0.0/16"))))
    assert prefixes(result.routes["a2"]) == {"10.200.1.0/26", "10.210.1.0/26", "10.210.2.0/26"}
    foreign = [r for r in result.routes["a2"] if str(r.prefix).startswith("10.210.")]
    assert {r.next_hops for r in foreign} == {(IPv4Address("10.0.1.1"),)}  # unchanged over iBGP


def test_one_as_on_both_sides_is_a_loop() -> None:
    """Two clusters with AS 64512 behind an eBGP router never learn each other's blocks."""
    f5 = bigip(
        "10.0.0.5", [peer("10.0.0.1", local=65000), peer("10.0.0.2", local=65000)], asn=65000
    )
    a = calico("a", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.5", remote=65000)])
    b = calico("b", "10.0.0.2", "10.200.2.0/26", [peer("10.0.0.5", remote=65000)])
    result = run(f5, a, b)
    assert prefixes(result.routes["bigip"]) == {"10.200.1.0/26", "10.200.2.0/26"}
    assert result.routes["a"] == ()
    assert result.announcements["bigip", "a"][0].as_path == (65000, 64512)


def test_an_end_without_configuration_still_is_a_session() -> None:
    f5 = bigip("10.0.0.5", [])
    a = calico("a", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.5"), peer("10.9.9.9")])
    sessions = derive([f5, a])
    assert [s.name for s in sessions] == ["a ↔ bigip", "a ↔ 10.9.9.9"]
    assert sessions[0].b.peer is None
    assert sessions[1].b.node is None


@pytest.mark.parametrize(
    ("f5", "node", "reason"),
    [
        ({}, {}, None),
        ({"remote": 65000}, {}, "bigip expects AS 65000 of a, which is AS 64512"),
        ({}, {"remote": 65000}, "a expects AS 65000 of bigip, which is AS 64512"),
        ({"password": "s3cret-1"}, {}, "only bigip has a password"),
        ({}, {"password": "s3cret-1"}, "only a has a password"),
        ({"password": "s3cret-1"}, {"password": "s3cret-2"}, "the two passwords differ"),
        ({"password": "s3cret-1"}, {"password": "s3cret-1"}, None),
    ],
)
def test_what_the_configurations_already_rule_out(f5, node, reason) -> None:  # type: ignore[no-untyped-def]
    one = bigip("10.0.0.5", [peer("10.0.0.1", **f5)])
    two = calico("a", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.5", **node)])
    (session,) = derive([one, two])
    assert session.conflict == reason
    assert "s3cret" not in repr(session)
    assert bool(forecast([one, two], [session]).routes["bigip"]) is (reason is None)


def with_alien(speaker: Speaker, prefix: str, gateway: str, *, tunnelled: bool) -> Speaker:
    alien = Alien(IPv4Network(prefix), IPv4Address(gateway), tunnelled)
    return replace(speaker, aliens=(alien,))


@pytest.mark.parametrize("tunnelled", [True, False])
def test_felixs_routes_are_learned_and_told_on_as_the_export_table_says(tunnelled: bool) -> None:
    """Row 3: through a tunnel not to iBGP peers; row 10: to eBGP peers all the same."""
    gateway = "10.200.2.0" if tunnelled else "10.0.0.9"
    one = calico(
        "one", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.2"), peer("10.0.0.7", remote=65001)]
    )
    one = with_alien(one, "10.200.2.0/26", gateway, tunnelled=tunnelled)
    two = calico("two", "10.0.0.2", "10.200.3.0/26", [peer("10.0.0.1")])
    tor = replace(bigip("10.0.0.7", [peer("10.0.0.1", local=65001)], asn=65001), node="tor")
    found = run(one, two, tor)
    to_two = {a.prefix: a for a in found.announcements["one", "two"]}
    to_tor = {a.prefix: a for a in found.announcements["one", "tor"]}
    block = IPv4Network("10.200.2.0/26")
    assert (block in to_two) is not tunnelled
    if not tunnelled:  # the gateway stays, the metric of 0 becomes the highest LOCAL_PREF
        assert (str(to_two[block].next_hop), to_two[block].local_pref) == (gateway, 2_147_483_647)
    assert str(to_tor[block].next_hop) == "10.0.0.1"
    assert block not in {r.prefix for r in found.routes["one"]}  # it came from the kernel


def test_bird_tells_nobody_a_route_by_way_of_himself() -> None:
    one = calico("one", "10.0.0.1", "10.200.1.0/26", [peer("10.0.0.2")])
    one = with_alien(one, "10.200.3.0/26", "10.0.0.2", tunnelled=False)
    two = calico("two", "10.0.0.2", "10.200.3.0/26", [peer("10.0.0.1")])
    found = run(one, two)
    assert [str(a.prefix) for a in found.announcements["one", "two"]] == ["10.200.1.0/26"]


def test_a_router_speaks_from_the_lan_that_its_peer_is_on() -> None:
    lans = (IPv4Network("10.0.0.0/24"), IPv4Network("10.0.1.0/24"))
    spine = replace(
        bigip("10.0.0.7", [peer("10.0.1.1", local=65001, kind="neighbor")], asn=65001),
        addresses=(IPv4Address("10.0.0.7"), IPv4Address("10.0.1.7")), lans=lans,
    )  # fmt: skip
    far = calico("far", "10.0.1.1", "10.200.1.0/26", [peer("10.0.1.7", remote=65001)])
    (session,) = derive((spine, far))
    assert (str(session.a.address), session.conflict) == ("10.0.1.7", None)
