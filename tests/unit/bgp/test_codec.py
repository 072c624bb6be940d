"""The codec against octets written by hand from the RFCs."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from labgen.bgp.attribute_codec import DecodeContext, attribute
from labgen.bgp.attributes import AsPath, LocalPref, NextHop, Origin, OriginCode, PathAttributes
from labgen.bgp.codec import FOUR_OCTET_CONTEXT, decode, encode
from labgen.bgp.messages import Keepalive, Notification, Open, Update
from labgen.bgp.nlri import Nlri, NlriBlock
from labgen.bgp.vocabulary import IPV4_UNICAST, MARKER, Treatment
from labgen.errors import DecodeError


def message(kind: int, body: str) -> bytes:
    octets = bytes.fromhex(body)
    return MARKER + (19 + len(octets)).to_bytes(2, "big") + bytes((kind,)) + octets


def test_a_keepalive_is_a_header() -> None:
    assert decode(message(4, "")) == Keepalive()


def test_an_update_announces_one_prefix() -> None:
    raw = message(
        2, "0000 0014 400101 00 400206 0201 0000fc00 400304 0a000001".replace(" ", "") + "180a0102"
    )
    update = decode(raw, FOUR_OCTET_CONTEXT)
    assert isinstance(update, Update)
    assert update.nlri[0] == Nlri(NlriBlock.of(["10.1.2.0/24"]).prefixes[0])
    assert update.attributes.get(Origin) == Origin(OriginCode.IGP)
    assert update.attributes.as_path == AsPath.sequence(64512)
    assert update.attributes.next_hops == (IPv4Address("10.0.0.1"),)
    assert encode(update) == raw


def test_path_identifiers_are_read_where_negotiated() -> None:
    update = Update(
        attributes=PathAttributes(
            (
                attribute(Origin(OriginCode.IGP)),
                attribute(AsPath()),
                attribute(NextHop(IPv4Address("10.0.0.1"))),
                attribute(LocalPref(100)),
            )
        ),
        nlri=NlriBlock(("10.1.2.0/24", "10.1.0.0/26"), (1, 1)),
    )
    raw = encode(update)
    assert decode(raw, DecodeContext(True, frozenset({IPV4_UNICAST}))) == update
    assert decode(raw, DecodeContext(None, None)) == update


def test_an_empty_update_is_the_end_of_rib() -> None:
    update = decode(message(2, "00000000"))
    assert isinstance(update, Update)
    assert update.end_of_rib == IPV4_UNICAST


def test_the_shutdown_communication_is_text() -> None:
    notification = decode(message(3, "0602" + "05" + b"hello".hex()))
    assert isinstance(notification, Notification)
    assert notification.shutdown_communication == "hello"
    assert (notification.error, notification.name) == ("Cease", "Administrative Shutdown")


def test_one_parameter_and_many_hold_the_same_capabilities() -> None:
    fixed = "04fc0000b40a000001"
    one = decode(message(1, fixed + "0e" + "020c" + "010400010001" + "0200" + "4600" + "0600"))
    many = decode(
        message(1, fixed + "14" + "0206010400010001" + "02020200" + "02024600" + "02020600")
    )
    assert isinstance(one, Open)
    assert isinstance(many, Open)
    assert one.capabilities == many.capabilities
    assert (one.parameters, many.parameters) == ((4,), (1, 1, 1, 1))


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        (b"\0" * 19, 0),
        (message(9, ""), 18),
        (message(4, "00"), 16),
        (message(2, "0005" + "0000"), 19),
        (message(2, "0000" + "0009"), 21),
        (message(2, "0000" + "0000" + "29ffffffffff"), 23),
        (message(1, "04fc0000b40a00000105020a"), 28),
    ],
)
def test_an_error_that_costs_the_session_says_where(raw: bytes, offset: int) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(raw)
    assert caught.value.offset == offset
    assert "RFC" in caught.value.reference


def test_a_missing_next_hop_is_treated_as_withdraw() -> None:
    update = decode(message(2, "0000000d40010100400206020100" + "00fc00" + "180a0102"))
    assert isinstance(update, Update)
    assert [e.treatment for e in update.errors] == [Treatment.TREAT_AS_WITHDRAW]
    assert not update.announced
    assert [str(p) for _, block in update.withdrawn for p in block.prefixes] == ["10.1.2.0/24"]
