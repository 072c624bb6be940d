"""BGP messages as octets (RFC 4271 section 4)."""

from __future__ import annotations

import struct

from labgen.bgp.attribute_codec import encode_attribute
from labgen.bgp.capabilities import encode_capability
from labgen.bgp.context import FOUR_OCTET_CONTEXT, DecodeContext
from labgen.bgp.messages import Keepalive, Message, Notification, Open, RouteRefresh, Update
from labgen.bgp.nlri import encode_nlri
from labgen.bgp.vocabulary import (
    CAPABILITIES_PARAMETER,
    EXTENDED_PARAMETERS,
    HEADER_LENGTH,
    MARKER,
)

_HEADER = struct.Struct("!16sHB")


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
        parameters += struct.pack(form, CAPABILITIES_PARAMETER, len(body)) + body
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
        return fixed + struct.pack("!BBH", 255, EXTENDED_PARAMETERS, len(parameters)) + parameters
    if len(parameters) > 255:
        raise ValueError("more than 255 octets of optional parameters need `extended`")
    return fixed + bytes((len(parameters),)) + parameters
