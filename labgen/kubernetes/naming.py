"""Names that Kubernetes makes up, made up here from content: the same input gives the same name."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

# apimachinery `util/rand`: no vowels and no 0, 1, 3, so that no word and no misreading appears
SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX = 5
_MAX_BASE = 63 - _SUFFIX  # apiserver `names.maxGeneratedNameLength`
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "labgen.kubernetes")


def digest(*parts: str) -> int:
    """256 bits that depend on every part and on where one ends and the next begins."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest(), "big")


def suffix(*parts: str, length: int = _SUFFIX) -> str:
    """`length` characters of the safe alphabet, as behind a pod's name."""
    number, text = digest(*parts), ""
    for _ in range(length):
        number, index = divmod(number, len(SAFE_ALPHABET))
        text += SAFE_ALPHABET[index]
    return text


def generated(base: str, *parts: str) -> str:
    """What `generateName: base` becomes: the base, cut to fit a DNS label, and five characters."""
    return base[:_MAX_BASE] + suffix(base, *parts)


def template_hash(template: Any) -> str:
    """`pod-template-hash` of a pod template given as JSON-like values.

    The deployment controller prints a 32-bit FNV-1a hash in decimal and maps each digit's code
    into the safe alphabet, hence up to ten characters of `456789bcdf`. The hashed text is JSON
    here and Go's own dump there, so the value differs from a real cluster's for the same template.
    """
    value = _FNV_OFFSET
    for octet in json.dumps(template, sort_keys=True).encode():
        value = ((value ^ octet) * _FNV_PRIME) & 0xFFFF_FFFF
    return "".join(SAFE_ALPHABET[ord(digit) % len(SAFE_ALPHABET)] for digit in str(value))


def uid(*parts: str) -> str:
    """`metadata.uid`: a UUID of version 5 over the parts."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts)))
