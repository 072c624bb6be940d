"""The codec against octets written by hand from the RFCs."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from labgen.bgp.attribute_codec import DecodeContext, attribute
from labgen.bgp.attributes import (
    AsPath,
    LocalPref,
    NextHop,
    Origin,
    OriginCode,
    PathAttributes,
    UnknownAttribute,
)
from labgen.bgp.capabilities import AddPath, AddPathMode, FourOctetAs, Multiprotocol
from labgen.bgp.codec import FOUR_OCTET_CONTEXT, decode, encode
from labgen.bgp.messages import Keepalive, Notification, Open, Update
from labgen.bgp.negotiated import context_from_one, negotiate
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


ORIGIN, AS_PATH, NEXT_HOP = "40010100", "40020602010000fc00", "4003040a000001"
MEDIUM = "180a0102"


def update_of(*attributes: str, nlri: str = MEDIUM) -> Update:
    block = "".join(attributes)
    found = decode(message(2, f"0000{len(block) // 2:04x}{block}{nlri}"), FOUR_OCTET_CONTEXT)
    assert isinstance(found, Update)
    return found


@pytest.mark.parametrize(
    ("attribute_octets", "treatment", "section", "notification"),
    [
        ("400101 07", "treat-as-withdraw", "7.1", (3, 6)),
        ("400102 0000", "treat-as-withdraw", "7.1", (3, 5)),
        ("400204 02010001", "treat-as-withdraw", "7.2", (3, 11)),
        ("400206 05010000fc00", "treat-as-withdraw", "7.2", (3, 11)),
        ("400202 0200", "treat-as-withdraw", "7.2", (3, 11)),
        ("400303 0a0000", "treat-as-withdraw", "7.3", (3, 5)),
        ("800403 000001", "treat-as-withdraw", "7.4", (3, 5)),
        ("400505 0000000001", "treat-as-withdraw", "7.5", (3, 5)),
        ("400601 00", "attribute-discard", "7.6", (3, 5)),
        ("c00706 fc000a000001", "attribute-discard", "7.7", (3, 5)),
        ("c00803 fc0000", "treat-as-withdraw", "7.8", (3, 5)),
        ("c00800", "treat-as-withdraw", "7.8", (3, 5)),
        ("800902 0a00", "treat-as-withdraw", "7.9", (3, 5)),
        ("800a02 0a00", "treat-as-withdraw", "7.10", (3, 5)),
        ("c01004 00020000", "treat-as-withdraw", "7.14", (3, 5)),
        ("c01102 0201", "attribute-discard", "RFC 6793", (3, 11)),
        ("c01204 0a000001", "attribute-discard", "RFC 6793", (3, 5)),
        ("c02004 00000001", "treat-as-withdraw", "RFC 8092", (3, 5)),
        ("c02302 0001", "treat-as-withdraw", "RFC 9234", (3, 5)),
        ("800101 00", "treat-as-withdraw", "3 (c)", (3, 4)),
        ("400404 00000001", "treat-as-withdraw", "3 (c)", (3, 4)),
    ],
)
def test_rfc_7606_says_what_a_malformed_attribute_costs(
    attribute_octets: str, treatment: str, section: str, notification: tuple[int, int]
) -> None:
    octets = attribute_octets.replace(" ", "")
    others = [a for a in (ORIGIN, AS_PATH, NEXT_HOP) if a[2:4] != octets[2:4]]
    update = update_of(*others, octets)
    (error,) = update.errors
    assert error.treatment.value == treatment
    assert section in error.reference
    assert error.notification == notification
    assert bool(update.announced) is (treatment == "attribute-discard")
    assert bool(update.withdrawn) is (treatment == "treat-as-withdraw")


def test_an_attribute_that_stands_twice_counts_once() -> None:
    update = update_of(ORIGIN, AS_PATH, NEXT_HOP, "40010102")
    assert [e.treatment for e in update.errors] == [Treatment.ATTRIBUTE_DISCARD]
    assert update.attributes.get(Origin) == Origin(OriginCode.IGP)
    assert update.announced


def test_mp_reach_twice_costs_the_session() -> None:
    reach = "800e15" + "000201" + "10" + "fd" + "00" * 15 + "00"
    with pytest.raises(DecodeError, match=r"stands twice.*3 \(g\)"):
        update_of(ORIGIN, AS_PATH, NEXT_HOP, reach, reach)


def test_an_error_without_any_route_costs_the_session() -> None:
    with pytest.raises(DecodeError, match=r"RFC 7606 section 5\.2"):
        update_of("40010107", AS_PATH, NEXT_HOP, nlri="")


def test_mp_reach_with_wrong_flags_is_withdrawn() -> None:
    reach = "c00e1a" + "000201" + "10" + "fd" + "00" * 15 + "00" + "20" + "fd000001"
    update = update_of(ORIGIN, AS_PATH, reach, nlri="")
    assert not update.announced
    assert [str(p) for _, block in update.withdrawn for p in block.prefixes] == ["fd00:1::/32"]


def test_an_unknown_attribute_is_kept_and_an_unknown_well_known_one_is_not() -> None:
    update = update_of(ORIGIN, AS_PATH, NEXT_HOP, "c0fa02abcd")
    assert update.attributes.attributes[-1].value == UnknownAttribute(250, b"\xab\xcd")
    assert encode(update) == encode(decode(encode(update), FOUR_OCTET_CONTEXT))
    with pytest.raises(DecodeError, match="well-known attribute 250"):
        update_of(ORIGIN, AS_PATH, NEXT_HOP, "40fa0101")


def test_an_attribute_beyond_the_field_is_treated_as_withdraw() -> None:
    update = update_of(ORIGIN, AS_PATH, NEXT_HOP, "c00808fc000001")
    assert [e.reference for e in update.errors] == ["RFC 7606 section 4"]
    assert update.treated_as_withdraw


def test_extended_optional_parameters() -> None:
    parameters = "02 0006 010400010001" + "02 0002 0200"
    octets = parameters.replace(" ", "")
    opened = decode(message(1, "04fc0000b40a000001" + "ffff" + f"{len(octets) // 2:04x}" + octets))
    assert isinstance(opened, Open)
    assert opened.extended
    assert len(opened.capabilities) == 2
    assert decode(encode(opened)) == opened


@pytest.mark.parametrize(
    ("code", "subcode", "name"),
    [
        (2, 2, "Bad Peer AS"),
        (2, 11, "Role Mismatch"),
        (3, 11, "Malformed AS_PATH"),
        (5, 3, "Receive Unexpected Message in Established State"),
        (6, 7, "Connection Collision Resolution"),
        (6, 10, "BFD Down"),
        (4, 0, "Unspecific"),
        (6, 99, "Unknown Subcode 99"),
    ],
)
def test_names_of_notifications(code: int, subcode: int, name: str) -> None:
    assert Notification(code, subcode).name == name


def test_a_hard_reset_holds_the_reason() -> None:
    inner = Notification(6, 9, bytes((6, 3))).hard_reset
    assert inner is not None
    assert inner.name == "Peer De-configured"


def test_negotiated_is_what_both_offer() -> None:
    def opened(asn: int, mode: AddPathMode, hold: int) -> Open:
        capabilities = (
            Multiprotocol(IPV4_UNICAST),
            FourOctetAs(asn),
            AddPath(((IPV4_UNICAST, mode),)),
        )
        return Open(4, 23456, hold, IPv4Address("10.0.0.1"), capabilities)

    ours, theirs = opened(4200000001, AddPathMode.SEND, 90), opened(65001, AddPathMode.BOTH, 0)
    agreed = negotiate(ours, theirs)
    assert agreed.hold_time == 0
    assert not agreed.internal
    assert agreed.add_path_from_first == {IPV4_UNICAST}
    assert agreed.add_path_from_second == frozenset()
    assert agreed.context_from_first == DecodeContext(True, frozenset({IPV4_UNICAST}), 4096)


def test_one_open_rules_out_what_it_does_not_offer() -> None:
    old = Open(4, 64512, 90, IPv4Address("10.0.0.1"))
    assert context_from_one(old, peer=None) == DecodeContext(False, frozenset(), 65535)
    assert context_from_one(None, peer=old) == DecodeContext(False, frozenset(), 4096)
