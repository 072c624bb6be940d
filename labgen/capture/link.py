"""Link layers: from a frame to its network layer (tcpdump.org/linktypes.html)."""

from __future__ import annotations

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
_VLAN_TAGS = {0x8100, 0x88A8, 0x9100}  # IEEE 802.1Q, 802.1ad, and the older QinQ

NULL, ETHERNET, LOOP, SLL, SLL2 = 0, 1, 108, 113, 276
_RAW = {12, 14, 101, 228, 229}
LINK_TYPES = frozenset({NULL, ETHERNET, LOOP, SLL, SLL2, *_RAW})

_AF_INET = 2
_AF_INET6 = {10, 24, 28, 30}  # Linux, NetBSD, FreeBSD, Darwin


def network_layer(link_type: int, data: bytes) -> tuple[int, int] | None:
    """(EtherType, offset of the network header), or None for a frame that has none we read."""
    if link_type == ETHERNET:
        return _tagged(data, 12)
    if link_type == SLL:
        return _tagged(data, 14)
    if link_type == SLL2:
        # The protocol stands first; what a VLAN tag pushed down follows the 20-octet header.
        protocol = int.from_bytes(data[:2], "big")
        return _tagged(data, 22, protocol) if len(data) >= 20 else None
    if link_type in _RAW:
        return _by_version(data, 0)
    if link_type in (NULL, LOOP):
        return _loopback(data)
    return None


def _tagged(data: bytes, at: int, protocol: int | None = None) -> tuple[int, int] | None:
    """Read an EtherType at `at`, behind any number of VLAN tags."""
    if protocol is not None:
        at -= 2
    elif at + 2 <= len(data):
        protocol = int.from_bytes(data[at : at + 2], "big")
        at += 2
    while protocol in _VLAN_TAGS:
        if at + 4 > len(data):
            return None
        protocol = int.from_bytes(data[at + 2 : at + 4], "big")
        at += 4
    return None if protocol is None else (protocol, at)


def _by_version(data: bytes, at: int) -> tuple[int, int] | None:
    if at >= len(data):
        return None
    version = data[at] >> 4
    if version == 4:
        return ETHERTYPE_IPV4, at
    return (ETHERTYPE_IPV6, at) if version == 6 else None


def _loopback(data: bytes) -> tuple[int, int] | None:
    """An address family in the byte order of the host that captured; both are tried."""
    if len(data) < 4:
        return None
    families = {int.from_bytes(data[:4], "big"), int.from_bytes(data[:4], "little")}
    if _AF_INET in families or families & _AF_INET6:
        return _by_version(data, 4)
    return None
