"""Octets of BGP messages: decoding (RFC 4271 section 4). Encoding is in `labgen.bgp.encoder`."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from labgen.bgp.attribute_codec import MalformedAttributeError, decode_attribute
from labgen.bgp.attributes import Flag, PathAttribute, PathAttributes
from labgen.bgp.capabilities import Capability, decode_capabilities
from labgen.bgp.context import FOUR_OCTET_CONTEXT, UNKNOWN_CONTEXT, DecodeContext
from labgen.bgp.encoder import encode
from labgen.bgp.everyday import is_everyday
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
from labgen.bgp.nlri import EMPTY, decode_nlri
from labgen.bgp.vocabulary import (
    CAPABILITIES_PARAMETER,
    EXTENDED_PARAMETERS,
    HEADER_LENGTH,
    IPV4_UNICAST,
    MARKER,
    MAX_LENGTH,
    Family,
    MessageType,
    Treatment,
)
from labgen.errors import DecodeError

_HEADER = struct.Struct("!16sHB")
_MIN_LENGTHS = {1: 29, 2: 23, 3: 21, 4: 19, 5: 23}  # RFC 4271 section 6.1; RFC 2918 section 3
_TYPES = {int(kind): kind for kind in MessageType}
_HEADER_REFERENCE = "RFC 4271 section 6.1"
_SET_CACHE_SIZE = 4096
_ATTRIBUTE_CACHE_SIZE = 16384

_EXTENDED_LENGTH = int(Flag.EXTENDED_LENGTH)  # a plain number: IntFlag arithmetic is slow
# Sets of attribute codes are numbers in which bit n stands for code n.
_MP_REACH_CODE = 1 << 14
_MP_CODES = _MP_REACH_CODE | 1 << 15
_MANDATORY_CODES = 1 << 1 | 1 << 2
_NEXT_HOP_CODE = 1 << 3
_MANDATORY_NAMES = ((1, "ORIGIN"), (2, "AS_PATH"), (3, "NEXT_HOP"))

# A parsed attribute field: its attributes, what is wrong with them, and the codes present.
_Parsed = tuple[PathAttributes, tuple[UpdateError, ...], int]


class Decoder:
    """Decodes the messages of one direction of a session.

    It keeps what it has decoded: attribute sets repeat, and each distinct one is parsed once. The
    caches are bounded; the results are the same values that a fresh decoder gives.
    """

    def __init__(self, context: DecodeContext = UNKNOWN_CONTEXT) -> None:
        self.context = context
        self._add_path = context.add_path_for(IPV4_UNICAST)
        self._everyday = context.four_octet_as is True and self._add_path is False
        self._sets: dict[bytes, _Parsed] = {}
        self._attributes: dict[bytes, tuple[PathAttribute | None, int]] = {}

    def decode(self, raw: bytes) -> Message:
        """One whole message, header included. Raises DecodeError."""
        size = len(raw)
        if (
            23 <= size <= self.context.max_length
            and raw[18] == 2
            and raw[16] << 8 | raw[17] == size
            and raw.startswith(MARKER)
        ):
            return self._update(raw)
        kind = check_header(raw, self.context)
        if kind is MessageType.KEEPALIVE:
            return Keepalive()
        if kind is MessageType.OPEN:
            return _open(raw)
        if kind is MessageType.NOTIFICATION:
            return Notification(raw[19], raw[20], raw[21:])
        return _route_refresh(raw)

    def everyday_prefixes(self, raw: bytes) -> tuple[str, ...] | None:
        """The prefixes of a whole UPDATE that does nothing but announce IPv4 routes with everyday
        attributes; None where only `decode` can tell. For counting: nothing else is built."""
        size = len(raw)
        if self._everyday and 23 < size <= self.context.max_length and raw[19:21] == b"\0\0":
            end = 23 + (raw[21] << 8 | raw[22])
            if end < size and is_everyday(raw, 23, end):
                return decode_nlri(raw[end:], IPV4_UNICAST, add_path=False, offset=end).texts
        return None

    def _update(self, raw: bytes) -> Update:
        size = len(raw)
        withdrawn_end = 21 + (raw[19] << 8 | raw[20])
        start = withdrawn_end + 2
        if start > size:
            raise _inconsistent("Withdrawn Routes Length", 19)
        end = start + (raw[withdrawn_end] << 8 | raw[withdrawn_end + 1])
        if end > size:
            raise _inconsistent("Total Path Attribute Length", withdrawn_end)
        withdrawn = nlri = EMPTY
        add_path = self._add_path
        if withdrawn_end > 21:
            field = raw[21:withdrawn_end]
            withdrawn = decode_nlri(field, IPV4_UNICAST, add_path=add_path, offset=21)
        attributes, errors, codes = self._path_attributes(raw[start:end], start)
        wanted = _MANDATORY_CODES if codes & _MP_REACH_CODE else 0
        if end < size:
            nlri = decode_nlri(raw[end:], IPV4_UNICAST, add_path=add_path, offset=end)
            wanted = _MANDATORY_CODES | _NEXT_HOP_CODE
        if codes & wanted != wanted and not errors:
            errors = _missing(codes, wanted, end=end)
        update = Update(withdrawn, attributes, nlri, errors)
        if errors and update.treated_as_withdraw and not update.carries_routes:
            # Where no reachable route is found, it may be the error that hides them.
            raise DecodeError(
                errors[0].reason, offset=errors[0].offset, reference="RFC 7606 section 5.2"
            )
        return update

    def _path_attributes(self, block: bytes, start: int) -> _Parsed:
        known = self._sets.get(block)
        if known is not None:
            return known
        parsed = self._walk(block, start)
        # Errors know their offset in the message, and MP_REACH_NLRI hardly ever repeats.
        _, errors, codes = parsed
        if not errors and not codes & _MP_CODES:
            if len(self._sets) >= _SET_CACHE_SIZE:
                self._sets.clear()
            self._sets[block] = parsed
        return parsed

    def _walk(self, block: bytes, start: int) -> _Parsed:
        found: list[PathAttribute] = []
        errors: list[UpdateError] = []
        cached = self._attributes.get
        codes = 0
        at = 0
        size = len(block)
        while at < size:
            if at + 3 > size:
                errors.append(_overrun(start + at))
                break
            if block[at] & _EXTENDED_LENGTH:
                body = at + 4
                end = body + int.from_bytes(block[at + 2 : body], "big")
            else:
                body = at + 3
                end = body + block[at + 2]
            if end > size or body > size:
                errors.append(_overrun(start + at))
                break
            known = cached(block[at:end])
            if known is None:
                known = self._attribute(block[at:end], body - at, start + at, errors)
            attribute, bit = known
            if codes & bit:
                errors.append(_repeated(block[at + 1], start + at))
            elif attribute is not None:
                found.append(attribute)
            codes |= bit
            at = end
        return PathAttributes(tuple(found), codes | 1), tuple(errors), codes

    def _attribute(
        self, octets: bytes, head: int, offset: int, errors: list[UpdateError]
    ) -> tuple[PathAttribute | None, int]:
        """An attribute not met before, and its code's bit; None where it is malformed."""
        flags, code = octets[0], octets[1]
        bit = 1 << code
        try:
            attribute = decode_attribute(flags, code, octets[head:], self.context)
        except MalformedAttributeError as error:
            errors.append(
                UpdateError(
                    f"attribute {code}: {error.reason}",
                    offset + head + error.at,
                    error.reference,
                    error.treatment,
                    (3, error.subcode),
                )
            )
            # The routes that are to be treated as withdrawn must be known.
            return (error.attribute if bit & _MP_CODES else None), bit
        except DecodeError as error:
            raise DecodeError(
                error.reason, offset=offset + head + error.offset, reference=error.reference
            ) from None
        if not bit & _MP_CODES:
            if len(self._attributes) >= _ATTRIBUTE_CACHE_SIZE:
                self._attributes.clear()
            self._attributes[octets] = attribute, bit
        return attribute, bit


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


def _missing(codes: int, wanted: int, *, end: int) -> tuple[UpdateError, ...]:
    """Well-known mandatory attributes (RFC 4271 section 5) that an announcement lacks.

    NEXT_HOP is mandatory for the NLRI field only (RFC 4760 section 3).
    """
    return tuple(
        UpdateError(
            f"{name} is missing",
            end,
            "RFC 7606 section 3 (d)",
            Treatment.TREAT_AS_WITHDRAW,
            (3, 3),
        )
        for code, name in _MANDATORY_NAMES
        if wanted & ~codes & 1 << code
    )


def check_header(raw: bytes, context: DecodeContext = UNKNOWN_CONTEXT) -> MessageType:
    """The message's type. Raises DecodeError for a header that RFC 4271 section 6.1 forbids."""
    reference = _HEADER_REFERENCE
    if len(raw) < HEADER_LENGTH:
        raise DecodeError(f"only {len(raw)} octets of a header", offset=0, reference=reference)
    marker, length, code = _HEADER.unpack_from(raw)
    if marker != MARKER:
        raise DecodeError("the marker is not all ones", offset=0, reference=reference)
    kind = _TYPES.get(code)
    if kind is None:
        raise DecodeError(f"unknown message type {code}", offset=18, reference=reference)
    # RFC 8654 section 4: OPEN and KEEPALIVE never grow beyond 4,096 octets.
    limit = MAX_LENGTH if code in (1, 4) else context.max_length
    if not _MIN_LENGTHS[code] <= length <= limit or (code == 4 and length != HEADER_LENGTH):
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
    if length and len(raw) >= 32 and raw[29] == EXTENDED_PARAMETERS:
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
        if raw[at] == CAPABILITIES_PARAMETER:
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
    if subtype in (1, 2) and len(raw) != 23:
        raise DecodeError(
            f"length {len(raw)} is not allowed for a ROUTE-REFRESH of subtype {subtype}",
            offset=16,
            reference="RFC 7313 section 5",
        )
    return RouteRefresh(Family(afi, safi), subtype, raw[23:])


def decode(raw: bytes, context: DecodeContext = UNKNOWN_CONTEXT) -> Message:
    """One whole message, header included. Raises DecodeError."""
    return Decoder(context).decode(raw)


__all__ = [
    "FOUR_OCTET_CONTEXT",
    "UNKNOWN_CONTEXT",
    "DecodeContext",
    "Decoder",
    "check_header",
    "decode",
    "encode",
]
