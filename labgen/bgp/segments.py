"""Octets of the segments of AS_PATH and AS4_PATH (RFC 4271 section 4.3, RFC 6793)."""

from __future__ import annotations

import struct

from labgen.bgp.attributes import AsSegment, SegmentType

_UNALLOCATED = (1_000_000, 4_200_000_000)


def decode_segments(body: bytes, width: int) -> tuple[AsSegment, ...] | None:
    """The segments, or None where they do not fill the body exactly with AS numbers so wide."""
    found: list[AsSegment] = []
    at = 0
    while at < len(body):
        if at + 2 > len(body) or not 1 <= body[at] <= 4 or body[at + 1] == 0:
            return None
        kind, count = body[at], body[at + 1]
        end = at + 2 + count * width
        if end > len(body):
            return None
        asns = struct.unpack_from(f"!{count}{'I' if width == 4 else 'H'}", body, at + 2)
        found.append(AsSegment(SegmentType(kind), asns))
        at = end
    return tuple(found)


def segments_of_unknown_width(body: bytes) -> tuple[AsSegment, ...] | None:
    """Octets that fit one width by chance almost never fit the other as well. Where they do: AS 0
    does not exist (RFC 7607), and IANA has allocated no number between a million and the private
    ones of RFC 6996."""
    wide, narrow = decode_segments(body, 4), decode_segments(body, 2)
    if wide is None or not body:
        return narrow
    if narrow is None or any(0 in segment.asns for segment in narrow):
        return wide
    allocated = all(
        not _UNALLOCATED[0] <= asn < _UNALLOCATED[1] for segment in wide for asn in segment.asns
    )
    return wide if allocated else narrow


def encode_segments(segments: tuple[AsSegment, ...], width: int) -> bytes:
    form = "I" if width == 4 else "H"
    return b"".join(
        struct.pack(f"!BB{len(s.asns)}{form}", s.type, len(s.asns), *s.asns) for s in segments
    )
