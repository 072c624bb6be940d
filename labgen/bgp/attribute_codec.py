"""Octets of path attributes: decoding with RFC 7606's treatment of errors, and encoding."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from labgen.bgp.attributes import (
    Aggregator,
    As4Aggregator,
    As4Path,
    AsPath,
    AtomicAggregate,
    AttributeValue,
    ClusterList,
    Communities,
    Community,
    ExtendedCommunities,
    ExtendedCommunity,
    Flag,
    IpAddress,
    LargeCommunities,
    LargeCommunity,
    LocalPref,
    MpReachNlri,
    MpUnreachNlri,
    MultiExitDisc,
    NextHop,
    OnlyToCustomer,
    Origin,
    OriginatorId,
    OriginCode,
    PathAttribute,
    UnknownAttribute,
)
from labgen.bgp.context import DecodeContext
from labgen.bgp.nlri import decode_nlri, encode_nlri
from labgen.bgp.segments import decode_segments, encode_segments, segments_of_unknown_width
from labgen.bgp.vocabulary import Family, Treatment
from labgen.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

_WITHDRAW = Treatment.TREAT_AS_WITHDRAW
_DISCARD = Treatment.ATTRIBUTE_DISCARD


class MalformedAttributeError(Exception):
    """An attribute's octets are wrong; caught inside the codec, which turns it into a value.

    `attribute` is what could be read all the same.
    """

    def __init__(
        self,
        reason: str,
        at: int,
        reference: str,
        treatment: Treatment,
        subcode: int = 5,
        attribute: PathAttribute | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason, self.at, self.reference = reason, at, reference
        self.treatment, self.subcode, self.attribute = treatment, subcode, attribute


def _exact(body: bytes, length: int, section: str, treatment: Treatment = _WITHDRAW) -> None:
    if len(body) != length:
        raise MalformedAttributeError(
            f"length {len(body)} where {length} is required", 0, section, treatment
        )


def _multiple(body: bytes, unit: int, section: str) -> None:
    if not body or len(body) % unit:
        raise MalformedAttributeError(
            f"length {len(body)} is no non-zero multiple of {unit}", 0, section, _WITHDRAW
        )


def _origin(body: bytes, _: DecodeContext) -> AttributeValue:
    _exact(body, 1, "RFC 7606 section 7.1")
    if body[0] > 2:
        raise MalformedAttributeError(
            f"undefined ORIGIN {body[0]}", 0, "RFC 7606 section 7.1", _WITHDRAW, 6
        )
    return Origin(OriginCode(body[0]))


def _as_path(body: bytes, context: DecodeContext) -> AttributeValue:
    if context.four_octet_as is None:
        segments = segments_of_unknown_width(body)
    else:
        segments = decode_segments(body, 4 if context.four_octet_as else 2)
    if segments is None:
        raise MalformedAttributeError(
            "AS_PATH segments do not fit their lengths", 0, "RFC 7606 section 7.2", _WITHDRAW, 11
        )
    return AsPath(segments)


def _next_hop(body: bytes, _: DecodeContext) -> AttributeValue:
    _exact(body, 4, "RFC 7606 section 7.3")
    return NextHop(IPv4Address(body))


def _multi_exit_disc(body: bytes, _: DecodeContext) -> AttributeValue:
    _exact(body, 4, "RFC 7606 section 7.4")
    return MultiExitDisc(int.from_bytes(body, "big"))


def _local_pref(body: bytes, _: DecodeContext) -> AttributeValue:
    _exact(body, 4, "RFC 7606 section 7.5")
    return LocalPref(int.from_bytes(body, "big"))


def _atomic_aggregate(body: bytes, _: DecodeContext) -> AttributeValue:
    _exact(body, 0, "RFC 7606 section 7.6", _DISCARD)
    return AtomicAggregate()


def _aggregator(body: bytes, context: DecodeContext) -> AttributeValue:
    wide = context.four_octet_as
    if wide is None:
        wide = len(body) == 8
    _exact(body, 8 if wide else 6, "RFC 7606 section 7.7", _DISCARD)
    return Aggregator(int.from_bytes(body[:-4], "big"), IPv4Address(body[-4:]))


def _communities(body: bytes, _: DecodeContext) -> AttributeValue:
    _multiple(body, 4, "RFC 7606 section 7.8")
    values = struct.unpack(f"!{len(body) // 4}I", body)
    return Communities(tuple(map(Community, values)))


def _originator_id(body: bytes, _: DecodeContext) -> AttributeValue:
    _exact(body, 4, "RFC 7606 section 7.9")
    return OriginatorId(IPv4Address(body))


def _cluster_list(body: bytes, _: DecodeContext) -> AttributeValue:
    _multiple(body, 4, "RFC 7606 section 7.10")
    return ClusterList(tuple(IPv4Address(body[i : i + 4]) for i in range(0, len(body), 4)))


def _mp_reach(body: bytes, context: DecodeContext) -> AttributeValue:
    if len(body) < 5 or 5 + body[3] > len(body):
        # Section 7.11: the next hop stands before the NLRI, which then cannot be found.
        raise DecodeError(
            "the next hop of MP_REACH_NLRI runs past its end",
            offset=3,
            reference="RFC 7606 section 7.11",
        )
    family = Family(int.from_bytes(body[:2], "big"), body[2])
    start = 5 + body[3]
    hop = body[4 : start - 1]
    nlri = decode_nlri(body[start:], family, add_path=context.add_path_for(family), offset=start)
    known = family.afi in (1, 2) and family.safi in (1, 2)
    hops = _next_hops(hop, family) if known else _next_hops_behind_rd(hop)
    return MpReachNlri(family, hops, nlri, None if known else hop)


def _next_hops(hop: bytes, family: Family) -> tuple[IpAddress, ...]:
    """RFC 4760, RFC 2545 section 3 (16 or 32 octets), RFC 8950."""
    if len(hop) == 4 and family.afi == 1:
        return (IPv4Address(hop),)
    if len(hop) in (16, 32):
        return tuple(IPv6Address(hop[i : i + 16]) for i in range(0, len(hop), 16))
    raise DecodeError(
        f"a next hop of {len(hop)} octets does not belong to {family}",
        offset=3,
        reference="RFC 7606 section 7.11, RFC 2545 section 3",
    )


# length -> (octets of the route distinguisher, octets of an address)
_NEXT_HOP_FORMS = {4: (0, 4), 12: (8, 4), 16: (0, 16), 24: (8, 16), 32: (0, 16), 48: (8, 16)}


def _next_hops_behind_rd(hop: bytes) -> tuple[IpAddress, ...]:
    """Other families: addresses, for VPNs each behind a route distinguisher of eight octets (RFC
    4364 section 4.3.2, RFC 4659 section 3.2.1); none where the length says something else."""
    rd, width = _NEXT_HOP_FORMS.get(len(hop), (0, 0))
    kind = IPv4Address if width == 4 else IPv6Address
    places = range(0, len(hop), rd + width) if width else ()
    return tuple(kind(hop[at + rd : at + rd + width]) for at in places)


def _mp_unreach(body: bytes, context: DecodeContext) -> AttributeValue:
    if len(body) < 3:
        raise DecodeError(
            "MP_UNREACH_NLRI is shorter than its family",
            offset=0,
            reference="RFC 7606 section 5.3, RFC 4760 section 4",
        )
    family = Family(int.from_bytes(body[:2], "big"), body[2])
    add_path = context.add_path_for(family)
    return MpUnreachNlri(family, decode_nlri(body[3:], family, add_path=add_path, offset=3))


def _extended_communities(body: bytes, _: DecodeContext) -> AttributeValue:
    _multiple(body, 8, "RFC 7606 section 7.14")
    return ExtendedCommunities(
        tuple(ExtendedCommunity(body[i : i + 8]) for i in range(0, len(body), 8))
    )


def _as4_path(body: bytes, _: DecodeContext) -> AttributeValue:
    segments = decode_segments(body, 4)
    if segments is None:
        raise MalformedAttributeError(
            "AS4_PATH segments do not fit their lengths", 0, "RFC 6793 section 6", _DISCARD, 11
        )
    return As4Path(segments)


def _as4_aggregator(body: bytes, _: DecodeContext) -> AttributeValue:
    _exact(body, 8, "RFC 6793 section 6", _DISCARD)
    return As4Aggregator(int.from_bytes(body[:4], "big"), IPv4Address(body[4:]))


def _large_communities(body: bytes, _: DecodeContext) -> AttributeValue:
    _multiple(body, 12, "RFC 8092 section 5")
    return LargeCommunities(
        tuple(LargeCommunity(*triple) for triple in struct.iter_unpack("!III", body))
    )


def _only_to_customer(body: bytes, _: DecodeContext) -> AttributeValue:
    _exact(body, 4, "RFC 9234 section 5")
    return OnlyToCustomer(int.from_bytes(body, "big"))


# Plain numbers, since IntFlag arithmetic is slow.
_WELL_KNOWN = int(Flag.TRANSITIVE)
_TRANSITIVE = int(Flag.OPTIONAL | Flag.TRANSITIVE)
_NON_TRANSITIVE = _OPTIONAL = int(Flag.OPTIONAL)

# code -> (flags the standard prescribes, parser, treatment of wrong flags)
_PARSERS: dict[int, tuple[int, Callable[[bytes, DecodeContext], AttributeValue], Treatment]] = {
    1: (_WELL_KNOWN, _origin, _WITHDRAW),
    2: (_WELL_KNOWN, _as_path, _WITHDRAW),
    3: (_WELL_KNOWN, _next_hop, _WITHDRAW),
    4: (_NON_TRANSITIVE, _multi_exit_disc, _WITHDRAW),
    5: (_WELL_KNOWN, _local_pref, _WITHDRAW),
    6: (_WELL_KNOWN, _atomic_aggregate, _DISCARD),
    7: (_TRANSITIVE, _aggregator, _DISCARD),
    8: (_TRANSITIVE, _communities, _WITHDRAW),
    9: (_NON_TRANSITIVE, _originator_id, _WITHDRAW),
    10: (_NON_TRANSITIVE, _cluster_list, _WITHDRAW),
    14: (_NON_TRANSITIVE, _mp_reach, _WITHDRAW),
    15: (_NON_TRANSITIVE, _mp_unreach, _WITHDRAW),
    16: (_TRANSITIVE, _extended_communities, _WITHDRAW),
    17: (_TRANSITIVE, _as4_path, _DISCARD),
    18: (_TRANSITIVE, _as4_aggregator, _DISCARD),
    32: (_TRANSITIVE, _large_communities, _WITHDRAW),
    35: (_TRANSITIVE, _only_to_customer, _WITHDRAW),
}


def decode_attribute(flags: int, code: int, body: bytes, context: DecodeContext) -> PathAttribute:
    """One attribute from its value's octets.

    Raises MalformedAttributeError (offset within the value) for errors that spare the session,
    DecodeError (offset within the value) for those that cost it.
    """
    entry = _PARSERS.get(code)
    if entry is None:
        if not flags & _OPTIONAL:
            raise DecodeError(
                f"well-known attribute {code} does not exist",
                offset=0,
                reference="RFC 4271 section 6.3",
            )
        return PathAttribute(flags, code, len(body), UnknownAttribute(code, body))
    prescribed, parser, treatment = entry
    value = parser(body, context)
    if (flags ^ prescribed) & 0xC0:
        raise MalformedAttributeError(
            f"flags {flags:#04x} contradict the attribute's class",
            0,
            "RFC 7606 section 3 (c)",
            treatment,
            4,
            PathAttribute(flags, code, len(body), value),
        )
    return PathAttribute(flags, code, len(body), value)


def _encode_mp_reach(value: MpReachNlri) -> bytes:
    hop = value.next_hop
    if hop is None:
        hop = b"".join(address.packed for address in value.next_hops)
    head = struct.pack("!HBB", value.family.afi, value.family.safi, len(hop))
    return head + hop + b"\0" + encode_nlri(value.nlri)


def _encode_aggregator(value: Aggregator | As4Aggregator, width: int) -> bytes:
    return struct.pack("!I" if width == 4 else "!H", value.asn) + value.address.packed


def _encode_large(value: LargeCommunities) -> bytes:
    return b"".join(
        struct.pack("!III", c.global_administrator, c.local_data_1, c.local_data_2)
        for c in value.communities
    )


# The inverse of the parsers: (value, octets of an AS number) -> octets
_ENCODERS: dict[type[AttributeValue], Callable[[Any, int], bytes]] = {
    Origin: lambda v, _: bytes((v.origin,)),
    AsPath: lambda v, width: encode_segments(v.segments, width),
    NextHop: lambda v, _: v.next_hop.packed,
    MultiExitDisc: lambda v, _: struct.pack("!I", v.med),
    LocalPref: lambda v, _: struct.pack("!I", v.local_pref),
    AtomicAggregate: lambda _v, _: b"",
    Aggregator: _encode_aggregator,
    Communities: lambda v, _: struct.pack(f"!{len(v.communities)}I", *v.communities),
    OriginatorId: lambda v, _: v.originator_id.packed,
    ClusterList: lambda v, _: b"".join(address.packed for address in v.cluster_ids),
    MpReachNlri: lambda v, _: _encode_mp_reach(v),
    MpUnreachNlri: lambda v, _: struct.pack("!HB", *v.family) + encode_nlri(v.withdrawn_routes),
    ExtendedCommunities: lambda v, _: b"".join(c.octets for c in v.communities),
    As4Path: lambda v, _: encode_segments(v.segments, 4),
    As4Aggregator: lambda v, _: _encode_aggregator(v, 4),
    LargeCommunities: lambda v, _: _encode_large(v),
    OnlyToCustomer: lambda v, _: struct.pack("!I", v.asn),
    UnknownAttribute: lambda v, _: v.octets,
}


def _body(value: AttributeValue, width: int) -> bytes:
    return _ENCODERS[type(value)](value, width)


def encode_attribute(attribute: PathAttribute, context: DecodeContext) -> bytes:
    """Flags, code, length and value. The extended length form is used where the flags ask for it
    or the value needs it (RFC 4271 section 4.3)."""
    body = _body(attribute.value, 2 if context.four_octet_as is False else 4)
    flags = attribute.flags | (Flag.EXTENDED_LENGTH if len(body) > 255 else 0)
    form = "!BBH" if flags & Flag.EXTENDED_LENGTH else "!BBB"
    return struct.pack(form, flags, attribute.code, len(body)) + body


def attribute(value: AttributeValue, *, flags: int | None = None) -> PathAttribute:
    """An attribute to be sent: its class's prescribed flags, unless others are wanted."""
    code = value.code if isinstance(value, UnknownAttribute) else value.CODE
    if flags is None:
        flags = _PARSERS[code][0] if code in _PARSERS else _TRANSITIVE
    length = len(_body(value, 4))
    return PathAttribute(flags, code, length, value)


__all__ = [
    "DecodeContext",
    "MalformedAttributeError",
    "attribute",
    "decode_attribute",
    "encode_attribute",
]
