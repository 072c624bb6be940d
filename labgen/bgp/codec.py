"""Octets of BGP messages: decoding and encoding (RFC 4271 section 4)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from labgen.bgp.attribute_codec import (
    DecodeContext,
    MalformedAttributeError,
    decode_attribute,
    encode_attribute,
)
from labgen.bgp.attributes import Flag, PathAttribute, PathAttributes
from labgen.bgp.capabilities import Capability, decode_capabilities, encode_capability
from labgen.bgp.messages import (
    Keepalive,
    Message,
    Notification,
    Open,
    OptionalParameter,
    RouteRefresh,
    Update,
    UpdateError,
)
from labgen.bgp.nlri import decode_nlri, encode_nlri
from labgen.bgp.vocabulary import (
    HEADER_LENGTH,
    IPV4_UNICAST,
    MARKER,
    MAX_LENGTH,
    Family,
    MessageType,
    Treatment,
)
from labgen.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

_HEADER = struct.Struct("!16sHB")
_CAPABILITIES = 2  # RFC 5492 section 4
_EXTENDED_PARAMETERS = 255  # RFC 9072 section 2
_MIN_LENGTHS = {  # RFC 4271 section 6.1; RFC 2918 section 3
    MessageType.OPEN: 29,
    MessageType.UPDATE: 23,
    MessageType.NOTIFICATION: 21,
    MessageType.KEEPALIVE: 19,
    MessageType.ROUTE_REFRESH: 23,
}
_SET_CACHE_SIZE = 4096
_ATTRIBUTE_CACHE_SIZE = 16384

UNKNOWN_CONTEXT = DecodeContext()
FOUR_OCTET_CONTEXT = DecodeContext(four_octet_as=True, add_path=frozenset())

_Parsed = tuple[PathAttributes, tuple[UpdateError, ...]]


class Decoder:
    """Decodes the messages of one direction of a session.

    It keeps what it has decoded: attribute sets repeat, and each distinct one is parsed once. The
    caches are bounded; the results are the same values that a fresh decoder gives.
    """

    def __init__(self, context: DecodeContext = UNKNOWN_CONTEXT) -> None:
        self.context = context
        self._sets: dict[bytes, _Parsed] = {}
        self._attributes: dict[bytes, PathAttribute] = {}

    def decode(self, raw: bytes) -> Message:
        """One whole message, header included. Raises DecodeError."""
        kind = check_header(raw, self.context)
        if kind is MessageType.UPDATE:
            return self._update(raw)
        if kind is MessageType.KEEPALIVE:
            return Keepalive()
        if kind is MessageType.OPEN:
            return _open(raw)
        if kind is MessageType.NOTIFICATION:
            return Notification(raw[19], raw[20], raw[21:])
        return _route_refresh(raw)

    def _update(self, raw: bytes) -> Update:
        withdrawn_end = 21 + int.from_bytes(raw[19:21], "big")
        if withdrawn_end + 2 > len(raw):
            raise _inconsistent("Withdrawn Routes Length", 19)
        start = withdrawn_end + 2
        end = start + int.from_bytes(raw[withdrawn_end:start], "big")
        if end > len(raw):
            raise _inconsistent("Total Path Attribute Length", withdrawn_end)
        add_path = self.context.add_path_for(IPV4_UNICAST)
        withdrawn = decode_nlri(raw[21:withdrawn_end], IPV4_UNICAST, add_path=add_path, offset=21)
        attributes, errors = self._path_attributes(raw[start:end], start)
        nlri = decode_nlri(raw[end:], IPV4_UNICAST, add_path=add_path, offset=end)
        missing = _missing(attributes, plain=bool(nlri), end=end, known=errors)
        return Update(withdrawn, attributes, nlri, (*errors, *missing) if missing else errors)

    def _path_attributes(self, block: bytes, start: int) -> _Parsed:
        known = self._sets.get(block)
        if known is not None:
            return known
        found, errors = self._walk(block, start)
        parsed = PathAttributes(tuple(found)), tuple(errors)
        # Errors know their offset in the message, and MP_REACH_NLRI hardly ever repeats.
        if not errors and not any(a.code in (14, 15) for a in found):
            if len(self._sets) >= _SET_CACHE_SIZE:
                self._sets.clear()
            self._sets[block] = parsed
        return parsed

    def _walk(self, block: bytes, start: int) -> tuple[list[PathAttribute], list[UpdateError]]:
        found: list[PathAttribute] = []
        errors: list[UpdateError] = []
        seen: set[int] = set()
        at = 0
        while at < len(block):
            head = 4 if block[at] & Flag.EXTENDED_LENGTH else 3
            if at + head > len(block):
                errors.append(_overrun(start + at))
                break
            flags, code = block[at], block[at + 1]
            body = at + head
            end = body + int.from_bytes(block[at + 2 : body], "big")
            if end > len(block):
                errors.append(_overrun(start + at))
                break
            if code in seen:
                errors.append(_repeated(code, start + at))
            else:
                seen.add(code)
                self._one(block[at:end], flags, code, head, start + at, found, errors)
            at = end
        return found, errors

    def _one(
        self,
        octets: bytes,
        flags: int,
        code: int,
        head: int,
        offset: int,
        found: list[PathAttribute],
        errors: list[UpdateError],
    ) -> None:
        known = self._attributes.get(octets)
        if known is None:
            try:
                known = decode_attribute(flags, code, octets[head:], self.context)
            except MalformedAttributeError as error:
                place = offset + head + error.at
                reason = f"attribute {code}: {error.reason}"
                notification = (3, error.subcode)
                errors.append(
                    UpdateError(reason, place, error.reference, error.treatment, notification)
                )
                return
            except DecodeError as error:
                raise DecodeError(
                    error.reason, offset=offset + head + error.offset, reference=error.reference
                ) from None
            if code not in (14, 15):
                if len(self._attributes) >= _ATTRIBUTE_CACHE_SIZE:
                    self._attributes.clear()
                self._attributes[octets] = known
        found.append(known)


def _inconsistent(field: str, offset: int) -> DecodeError:
    return DecodeError(
        f"{field} points past the end of the message",
        offset=offset,
        reference="RFC 4271 section 6.3, RFC 7606 section 3 (b)",
    )


def _overrun(offset: int) -> UpdateError:
    return UpdateError(
        "an attribute runs past the end of the attribute field",
        offset,
        "RFC 7606 section 4",
        Treatment.TREAT_AS_WITHDRAW,
        (3, 1),
    )


def _repeated(code: int, offset: int) -> UpdateError:
    if code in (14, 15):
        raise DecodeError(
            f"attribute {code} stands twice", offset=offset, reference="RFC 7606 section 3 (g)"
        )
    return UpdateError(
        f"attribute {code} stands twice; the first one counts",
        offset,
        "RFC 7606 section 3 (g)",
        Treatment.ATTRIBUTE_DISCARD,
        (3, 1),
    )


_MANDATORY = ((1, "ORIGIN"), (2, "AS_PATH"))


def _missing(
    attributes: PathAttributes, *, plain: bool, end: int, known: Sequence[UpdateError]
) -> tuple[UpdateError, ...]:
    """Well-known mandatory attributes (RFC 4271 section 5) that an announcement lacks.

    NEXT_HOP is mandatory for the NLRI field only (RFC 4760 section 3).
    """
    codes = {attribute.code for attribute in attributes}
    if known or not (plain or 14 in codes):
        return ()
    wanted = (*_MANDATORY, (3, "NEXT_HOP")) if plain else _MANDATORY
    return tuple(
        UpdateError(
            f"{name} is missing",
            end,
            "RFC 7606 section 3 (d)",
            Treatment.TREAT_AS_WITHDRAW,
            (3, 3),
        )
        for code, name in wanted
        if code not in codes
    )


def check_header(raw: bytes, context: DecodeContext = UNKNOWN_CONTEXT) -> MessageType:
    """The message's type. Raises DecodeError for a header that RFC 4271 section 6.1 forbids."""
    reference = "RFC 4271 section 6.1"
    if len(raw) < HEADER_LENGTH:
        raise DecodeError(f"only {len(raw)} octets of a header", offset=0, reference=reference)
    marker, length, code = _HEADER.unpack_from(raw)
    if marker != MARKER:
        raise DecodeError("the marker is not all ones", offset=0, reference=reference)
    if not 1 <= code <= 5:
        raise DecodeError(f"unknown message type {code}", offset=18, reference=reference)
    kind = MessageType(code)
    # RFC 8654 section 4: OPEN and KEEPALIVE never grow beyond 4,096 octets.
    limit = MAX_LENGTH if code in (1, 4) else context.max_length
    exact = 19 if kind is MessageType.KEEPALIVE else None
    if not _MIN_LENGTHS[kind] <= length <= limit or (exact and length != exact):
        raise DecodeError(
            f"length {length} is not allowed for {kind.label}", offset=16, reference=reference
        )
    if length != len(raw):
        raise DecodeError(
            f"{len(raw)} of {length} octets are present", offset=len(raw), reference=reference
        )
    return kind


def _open(raw: bytes) -> Open:
    version, my_as, hold_time, identifier, length = struct.unpack_from("!BHH4sB", raw, 19)
    at, wide = 29, False
    if length and len(raw) >= 32 and raw[29] == _EXTENDED_PARAMETERS:
        # RFC 9072 section 2: type 255 in the first parameter, then a two-octet length. (Such a
        # sender sets the old length to 255, but a receiver must not rely on it.)
        length, at, wide = int.from_bytes(raw[30:32], "big"), 32, True
    if at + length != len(raw):
        raise DecodeError(
            f"optional parameters of {length} octets in a message with room for {len(raw) - at}",
            offset=28,
            reference="RFC 4271 section 6.2",
        )
    found: list[Capability] = []
    counts: list[int] = []
    others: list[OptionalParameter] = []
    head = 3 if wide else 2
    while at < len(raw):
        if at + head > len(raw):
            raise _parameter_overrun(at)
        end = at + head + int.from_bytes(raw[at + 1 : at + head], "big")
        if end > len(raw):
            raise _parameter_overrun(at)
        body = raw[at + head : end]
        if raw[at] == _CAPABILITIES:
            capabilities = decode_capabilities(body, at + head)
            found += capabilities
            counts.append(len(capabilities))
        else:
            others.append(OptionalParameter(raw[at], body))
        at = end
    return Open(
        version=version,
        my_as=my_as,
        hold_time=hold_time,
        bgp_identifier=IPv4Address(identifier),
        capabilities=tuple(found),
        parameters=tuple(counts),
        other_parameters=tuple(others),
        extended=wide,
    )


def _parameter_overrun(offset: int) -> DecodeError:
    return DecodeError(
        "an optional parameter runs past the end of the message",
        offset=offset,
        reference="RFC 4271 section 6.2",
    )


def _route_refresh(raw: bytes) -> RouteRefresh:
    afi, subtype, safi = struct.unpack_from("!HBB", raw, 19)
    return RouteRefresh(Family(afi, safi), subtype, raw[23:])


def decode(raw: bytes, context: DecodeContext = UNKNOWN_CONTEXT) -> Message:
    """One whole message, header included. Raises DecodeError."""
    return Decoder(context).decode(raw)


def encode(message: Message, context: DecodeContext = FOUR_OCTET_CONTEXT) -> bytes:
    """The message's octets, header included.

    `context.four_octet_as` False writes AS_PATH and AGGREGATOR in two octets. Raises ValueError
    for a message longer than `context.max_length`.
    """
    body = _message_body(message, context)
    length = HEADER_LENGTH + len(body)
    if length > context.max_length:
        raise ValueError(f"a message of {length} octets; the limit is {context.max_length}")
    return _HEADER.pack(MARKER, length, message.TYPE) + body


def _message_body(message: Message, context: DecodeContext) -> bytes:
    match message:
        case Open():
            return _open_body(message)
        case Update():
            withdrawn = encode_nlri(message.withdrawn_routes)
            attributes = b"".join(encode_attribute(a, context) for a in message.attributes)
            return (
                struct.pack("!H", len(withdrawn))
                + withdrawn
                + struct.pack("!H", len(attributes))
                + attributes
                + encode_nlri(message.nlri)
            )
        case Notification():
            return bytes((message.error_code, message.error_subcode)) + message.data
        case RouteRefresh():
            family = message.family
            return struct.pack("!HBB", family.afi, message.subtype, family.safi) + message.data
        case Keepalive():
            return b""


def _open_body(message: Open) -> bytes:
    counts = message.parameters or ((len(message.capabilities),) if message.capabilities else ())
    if sum(counts) != len(message.capabilities):
        raise ValueError("`parameters` does not add up to the capabilities")
    form = "!BH" if message.extended else "!BB"
    parameters = bytearray()
    at = 0
    for count in counts:
        body = b"".join(encode_capability(c) for c in message.capabilities[at : at + count])
        parameters += struct.pack(form, _CAPABILITIES, len(body)) + body
        at += count
    for other in message.other_parameters:
        parameters += struct.pack(form, other.code, len(other.octets)) + other.octets
    fixed = struct.pack(
        "!BHH4s",
        message.version,
        message.my_as,
        message.hold_time,
        message.bgp_identifier.packed,
    )
    if message.extended:
        return fixed + struct.pack("!BBH", 255, _EXTENDED_PARAMETERS, len(parameters)) + parameters
    if len(parameters) > 255:
        raise ValueError("more than 255 octets of optional parameters need `extended`")
    return fixed + bytes((len(parameters),)) + parameters
