"""A cheap proof that an UPDATE's attributes are sound, for counting without building values.

One regular expression knows the attributes that everyday announcements carry, in the order in
which speakers write them, with their prescribed flags and lengths. What it does not recognise is
not wrong: it is left to the decoder.
"""

from __future__ import annotations

import re


def _lengths(code: bytes, flags: bytes, unit: int, most: int, head: bytes = b"") -> bytes:
    """An attribute of `unit` octets, repeated; with the extended length form where flags ask."""
    forms = []
    for count in range(1, most + 1):
        size = len(head) + unit * count
        body = b".{%d}" % (unit * count)
        if head:
            body = re.escape(head[:-1] + bytes((count,))) + body
        forms.append(re.escape(bytes((size,))) + body)
    extended = re.escape(bytes((flags[0] | 0x10,)) + code + b"\0")
    return b"(?:" + re.escape(flags + code) + b"|" + extended + b")(?:" + b"|".join(forms) + b")"


_SEQUENCE = b"\x02\x00"  # AS_SEQUENCE and its count, which is filled in
_EVERYDAY = re.compile(
    rb"(?s)"
    rb"@\x01\x01[\x00-\x02]"  # ORIGIN
    rb"(?:@\x02\x00|P\x02\x00\x00|" + _lengths(b"\x02", b"@", 4, 12, _SEQUENCE) + rb")"  # AS_PATH
    rb"@\x03\x04.{4}"  # NEXT_HOP
    rb"(?:\x80\x04\x04.{4})?"  # MULTI_EXIT_DISC
    rb"(?:@\x05\x04.{4})?"  # LOCAL_PREF
    rb"(?:@\x06\x00)?"  # ATOMIC_AGGREGATE
    rb"(?:" + _lengths(b"\x08", b"\xc0", 4, 16) + rb")?"  # COMMUNITIES
    rb"(?:\x80\x09\x04.{4})?"  # ORIGINATOR_ID
    rb"(?:" + _lengths(b"\x0a", b"\x80", 4, 4) + rb")?"  # CLUSTER_LIST
    rb"\Z"
)


def is_everyday(raw: bytes, start: int, end: int) -> bool:
    """Whether raw[start:end] is a sound attribute field of an IPv4 announcement, with AS numbers
    of four octets. False only says that the decoder must look."""
    return _EVERYDAY.match(raw, start, end) is not None
