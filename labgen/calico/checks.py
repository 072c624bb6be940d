"""The tests behind Calico's validator tags: small predicates over text."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_interface, ip_network

from labgen.calico import selector
from labgen.calico.peers import split_peer_ip

_INTERFACE = re.compile(r"[a-zA-Z0-9_.*-]{1,15}\Z")
_COMMUNITY = re.compile(r"[0-9]+(:[0-9]+){1,2}\Z")


def is_address(text: str, version: int | None = None) -> bool:
    """An IP address, of that family if one is given; no zone."""
    try:
        value = ip_address(text)
    except ValueError:
        return False
    return "%" not in text and version in (None, value.version)


def is_address_or_cidr(text: str, version: int) -> bool:
    """An address or CIDR of the family, host bits allowed (tags cidrv4, cidrv6)."""
    try:
        value = ip_interface(text)
    except ValueError:
        return False
    return "%" not in text and value.version == version and _plain_length(text)


def is_network(text: str, version: int | None = None) -> bool:
    """An address or a CIDR without host bits (tags net, netv4, netv6)."""
    try:
        value = ip_network(text)
    except ValueError:
        return False
    return "%" not in text and version in (None, value.version) and _plain_length(text)


def _plain_length(text: str) -> bool:
    """Python takes a netmask after the slash, Go takes a prefix length only."""
    _, slash, length = text.partition("/")
    return not slash or (length.isascii() and length.isdigit())


def is_peer_ip(text: str) -> bool:
    try:
        split_peer_ip(text)
    except ValueError:
        return False
    return "%" not in text


def selector_fault(text: str) -> str | None:
    """Why `text` is no selector, or None."""
    try:
        selector.parse(text)
    except selector.SelectorError as error:
        return str(error)
    return None


def is_interface_pattern(text: str) -> bool:
    return _INTERFACE.match(text) is not None


def community_fault(text: str) -> str | None:
    """Why `text` is no community value (RFC 1997 `a:b`, RFC 8092 `a:b:c`), or None."""
    if _COMMUNITY.match(text) is None:
        return "invalid community value or format used."
    bits = 32 if text.count(":") == 2 else 16
    if any(int(part) >= 2**bits for part in text.split(":")):
        return f"invalid community value, expected {bits} bit value"
    return None
