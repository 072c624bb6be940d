"""Wire assertions on recorded sessions: each one both ways."""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from pathlib import Path

import pytest

from labgen.bgp.capabilities import AddPath, FourOctetAs, Multiprotocol, RoleCapability
from labgen.bgp.codec import encode
from labgen.bgp.conversation import WireSession
from labgen.bgp.messages import Keepalive, Update
from labgen.bgp.nlri import NlriBlock
from labgen.bgp.vocabulary import IPV4_UNICAST, IPV6_UNICAST, MessageType
from labgen.capture.read import read_capture
from labgen.check import wire, wire_routes
from tests.unit.capture.packets import (
    ACK,
    CLIENT,
    PSH,
    SERVER,
    Connection,
    an_open,
    on_ethernet,
    pcap,
)

CAPTURES = Path(__file__).parents[2] / "data" / "captures"
BIGIP, NODE = ip_address("10.1.20.5"), ip_address("10.1.20.20")


@cache
def session() -> WireSession:
    found = read_capture(CAPTURES / "frr-bird-ibgp.pcapng").session(BIGIP, NODE)
    assert found is not None
    return found


def synthetic(tmp_path: Path, *messages: bytes, drop: bool = False) -> WireSession:
    connection = Connection()
    packets = connection.handshake()
    for side in (0, 1):
        octets = encode(an_open(hold_time=3)) + encode(Keepalive())
        packets.append(connection.packet(side, PSH | ACK, octets))
    if drop:
        connection.packet(0, PSH | ACK, encode(Keepalive()))
        packets.append(connection.packet(1, ACK))
    packets += [connection.packet(0, PSH | ACK, octets) for octets in messages]
    path = tmp_path / "s.pcap"
    path.write_bytes(pcap(on_ethernet(packets)))
    (found,) = read_capture(path).sessions
    return found


def test_what_an_open_offers() -> None:
    assert wire.open_offers(session(), NODE, FourOctetAs)
    assert wire.open_offers(session(), NODE, FourOctetAs(64512))
    assert wire.open_offers(session(), NODE, AddPath)
    wrong = wire.open_offers(session(), NODE, FourOctetAs(65000))
    assert wrong.ok is False
    assert "64512" in wrong.observed
    assert [seen.frame for seen in wrong.frames] == [68]
    assert wire.open_offers(session(), NODE, Multiprotocol(IPV6_UNICAST)).ok is False
    assert wire.open_lacks(session(), NODE, RoleCapability)
    assert wire.open_lacks(session(), NODE, FourOctetAs).ok is False


def test_what_an_open_says() -> None:
    assert wire.open_is(session(), BIGIP, asn=64512, hold_time=9, bgp_identifier="10.1.20.5")
    assert wire.open_is(session(), BIGIP, hold_time=90).observed == "hold_time 9"


def test_what_both_agreed_on() -> None:
    assert wire.negotiated(session(), hold_time=9, families={IPV4_UNICAST}, internal=True)
    assert wire.negotiated(session(), families={IPV4_UNICAST, IPV6_UNICAST}).ok is False
    with pytest.raises(TypeError, match="holdtime"):
        wire.negotiated(session(), holdtime=9)


def test_presence_and_absence() -> None:
    assert wire_routes.announced(session(), NODE, "192.168.1.0/26")
    assert wire_routes.announced(session(), BIGIP, "10.99.99.0/24").ok is False
    assert wire_routes.not_announced(session(), BIGIP, "10.99.99.0/24")
    absent = wire_routes.announced(session(), NODE, "192.168.9.0/26")
    assert absent.ok is False
    assert "End-of-RIB" in absent.observed


def test_absence_is_undecided_before_the_end_of_rib(tmp_path: Path) -> None:
    silent = synthetic(tmp_path, encode(Keepalive()))
    verdict = wire_routes.not_announced(silent, CLIENT, "10.0.0.0/8")
    assert verdict.ok is None
    assert not verdict
    marker = silent.messages[-1].time_ns
    assert wire_routes.not_announced(silent, CLIENT, "10.0.0.0/8", marker_ns=marker)
    assert wire_routes.not_announced(silent, CLIENT, "10.0.0.0/8", marker_ns=marker + 1).ok is None


def test_absence_is_undecided_where_the_capture_lost_octets(tmp_path: Path) -> None:
    messages = [encode(Update()), *[encode(Keepalive())] * 20]
    whole = synthetic(tmp_path, *messages)
    assert wire_routes.not_announced(whole, CLIENT, "10.0.0.0/8").ok is True
    lossy = synthetic(tmp_path, *messages, drop=True)
    assert wire_routes.not_announced(lossy, CLIENT, "10.0.0.0/8").ok is None


def test_nothing_is_decided_where_the_capture_lost_octets(tmp_path: Path) -> None:
    messages = [encode(Update()), *[encode(Keepalive())] * 20]
    whole, lossy = (synthetic(tmp_path, *messages, drop=drop) for drop in (False, True))
    gone = [("withdraw", "10.0.0.0/8")]
    for found, ok in ((whole, False), (lossy, None)):
        assert wire_routes.route_has(found, CLIENT, "10.0.0.0/8", med=1).ok is ok
        assert wire_routes.withdrawn(found, CLIENT, "10.0.0.0/8").ok is ok
        assert wire_routes.in_order(found, CLIENT, gone).ok is ok
        assert wire_routes.end_of_rib(found, CLIENT, IPV6_UNICAST).ok is ok
    assert wire.no_message(whole, MessageType.NOTIFICATION)
    assert wire.no_message(lossy, MessageType.NOTIFICATION).ok is None
    assert wire.no_message(lossy, MessageType.NOTIFICATION, sender=SERVER)
    assert wire.keepalives_regular(whole.conversations[0], CLIENT)
    assert wire.keepalives_regular(lossy.conversations[0], CLIENT).ok is None


def test_a_prefix_withdrawn() -> None:
    assert wire_routes.withdrawn(session(), BIGIP, "10.99.99.0/24")
    still = wire_routes.withdrawn(session(), NODE, "192.168.1.0/26")
    assert still.ok is False
    assert still.observed.startswith("announced: via")
    never = wire_routes.withdrawn(session(), NODE, "10.0.0.0/8")
    assert never.ok is False
    assert never.observed == "it was not announced"


def test_exactly_these_prefixes() -> None:
    blocks = ["192.168.1.0/26", "192.168.2.64/26", "192.168.3.0/24"]
    assert wire_routes.holds_exactly(session(), NODE, blocks)
    fewer = wire_routes.holds_exactly(session(), NODE, blocks[:2])
    assert fewer.ok is False
    assert "besides {192.168.3.0/24}" in fewer.observed
    more = wire_routes.holds_exactly(session(), NODE, [*blocks, "10.0.0.0/8"])
    assert "missing {10.0.0.0/8}" in more.observed


def test_attributes_of_a_prefix() -> None:
    good = {
        "next_hop": "10.1.20.5",
        "as_path": (65010, 65011),
        "med": 77,
        "local_pref": 100,
        "origin": "IGP",
        "communities": ["64512:100", "no-export"],
        "large_communities": ["64512:1:2"],
        "extended_communities": ["rt:64512:55"],
    }
    assert wire_routes.route_has(session(), BIGIP, "10.99.98.0/24", **good)
    for name, value in {
        "next_hop": "10.1.20.6",
        "as_path": (65011, 65010),
        "med": None,
        "local_pref": 101,
        "communities": ["64512:300"],
    }.items():
        verdict = wire_routes.route_has(session(), BIGIP, "10.99.98.0/24", **{name: value})
        assert verdict.ok is False, name
    absent = wire_routes.route_has(session(), BIGIP, "10.0.0.0/24", med=1)
    assert absent.ok is False
    assert absent.observed.startswith("not announced")
    with pytest.raises(TypeError, match="weight"):
        wire_routes.route_has(session(), BIGIP, "10.99.98.0/24", weight=1)


def test_order() -> None:
    steps = [("announce", "10.99.99.0/24"), ("announce", "10.99.98.0/24")]
    gone = ("withdraw", "10.99.99.0/24")
    assert wire_routes.in_order(session(), BIGIP, [*steps, gone])
    verdict = wire_routes.in_order(session(), BIGIP, [gone, steps[0]])
    assert verdict.ok is False
    assert verdict.observed.startswith("1 of 2 steps")


def test_end_of_rib() -> None:
    assert wire_routes.end_of_rib(session(), NODE)
    assert wire_routes.end_of_rib(session(), NODE, IPV6_UNICAST).ok is False


def test_no_message_of_a_kind() -> None:
    middle = session().conversations[0].messages[4].time_ns
    assert wire.no_message(session(), MessageType.ROUTE_REFRESH, until_ns=middle)
    assert wire.no_message(session(), MessageType.ROUTE_REFRESH).ok is False
    late = session().messages[-1].time_ns + 1
    verdict = wire.no_message(session(), MessageType.NOTIFICATION, since_ns=late, until_ns=late)
    assert verdict.ok is None, "the capture ends before"
    verdict = wire.no_message(session(), MessageType.NOTIFICATION, sender=BIGIP)
    assert verdict.ok is False
    assert [seen.frame for seen in verdict.frames] == [60]


def test_time_between_events() -> None:
    opened = session().opens(NODE)[0].seen
    established = session().conversations[0].established
    assert established is not None
    assert wire.elapsed(opened, established, at_most=1)
    assert wire.elapsed(opened, established, at_least=1).ok is False


def test_staying_established() -> None:
    verdict = wire.stays_established(session())
    assert verdict.ok is False
    assert verdict.observed == "Established 2 time(s), closed"


def test_keepalives(tmp_path: Path) -> None:
    first = session().conversations[0]
    assert wire.keepalives_regular(first, NODE)
    assert wire.keepalives_regular(first, NODE, slack=0.5).ok is False
    short = synthetic(tmp_path, encode(Keepalive()))
    assert wire.keepalives_regular(short.conversations[0], CLIENT)


def test_every_message_is_well_formed(tmp_path: Path) -> None:
    assert wire.decodes(session())
    naked = encode(Update(nlri=NlriBlock.of(["10.0.0.0/8"])))
    verdict = wire.decodes(synthetic(tmp_path, naked))
    assert verdict.ok is False
    assert "treat-as-withdraw" in verdict.observed
    assert SERVER
