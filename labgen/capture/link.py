"""Link layers: from a frame to its network layer (tcpdump.org/linktypes.html)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
_VLAN_TAGS = {0x8100, 0x88A8, 0x9100}  # IEEE 802.1Q, 802.1ad, and the older QinQ

ETHERTYPE_PPPOE = 0x8864
_MPLS = {0x8847, 0x8848}  # RFC 5332 section 3
_IP_OVER_PPP = {0x21: ETHERTYPE_IPV4, 0x57: ETHERTYPE_IPV6}  # RFC 1332, RFC 5072
_NLPIDS = {0xCC: ETHERTYPE_IPV4, 0x8E: ETHERTYPE_IPV6}  # RFC 2427 section 4

NULL, ETHERNET, PPP, PPP_HDLC, CISCO_HDLC = 0, 1, 9, 50, 104
FRAME_RELAY, LOOP, SLL, SLL2 = 107, 108, 113, 276
_RAW = {12, 14, 101, 228, 229}

_AF_INET = 2
_AF_INET6 = {10, 24, 28, 30}  # Linux, NetBSD, FreeBSD, Darwin


def network_layer(link_type: int, data: bytes) -> tuple[int, int] | None:
    """(EtherType, offset of the network header), or None for a frame that has none we read."""
    reader = _READERS.get(link_type)
    found = None if reader is None else reader(data)
    if found is None:
        return None
    ethertype, at = found
    if ethertype in _MPLS:
        return _mpls(data, at)
    if ethertype == ETHERTYPE_PPPOE:
        return _ppp(data, at + 6)  # RFC 2516 section 4: six octets, then PPP's protocol field
    return found


def _sll2(data: bytes) -> tuple[int, int] | None:
    """The protocol stands first; what a VLAN tag pushed down follows the 20-octet header."""
    protocol = int.from_bytes(data[:2], "big")
    return _tagged(data, 22, protocol) if len(data) >= 20 else None


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


def _mpls(data: bytes, at: int) -> tuple[int, int] | None:
    """Behind the label that is the bottom of the stack (RFC 3032 section 2.1)."""
    while at + 4 <= len(data):
        bottom = data[at + 2] & 1
        at += 4
        if bottom:
            return _by_version(data, at)
    return None


def _ppp(data: bytes, at: int) -> tuple[int, int] | None:
    """RFC 1662 section 3.1; address and control may be left out, the protocol compressed."""
    if data[at : at + 2] == b"\xff\x03":
        at += 2
    head = data[at : at + 2]
    if len(head) < 2:
        return None
    protocol, size = (head[0], 1) if head[0] & 1 else (head[0] << 8 | head[1], 2)
    ethertype = _IP_OVER_PPP.get(protocol)
    return None if ethertype is None else (ethertype, at + size)


def _serial(data: bytes) -> tuple[int, int] | None:
    """PPP in HDLC-like framing, or Cisco's HDLC (RFC 1547 section 4.3.1): the address tells."""
    return _tagged(data, 2) if data[:1] in (b"\x0f", b"\x8f") else _ppp(data, 0)


def _frame_relay(data: bytes) -> tuple[int, int] | None:
    """RFC 2427: a Q.922 address (its last octet is odd), control 3, an NLPID."""
    at = 0
    while at < len(data) and not data[at] & 1:
        at += 1
    if data[at + 1 : at + 2] != b"\x03" or at + 3 > len(data):
        return None
    if data[at + 2 : at + 7] == b"\0\x80\0\0\0":  # padding, SNAP, OUI 0: an EtherType follows
        return _tagged(data, at + 7)
    ethertype = _NLPIDS.get(data[at + 2])
    return None if ethertype is None else (ethertype, at + 3)


_READERS: dict[int, Callable[[bytes], tuple[int, int] | None]] = {
    ETHERNET: lambda data: _tagged(data, 12),
    SLL: lambda data: _tagged(data, 14),
    SLL2: _sll2,
    NULL: _loopback,
    LOOP: _loopback,
    PPP: lambda data: _ppp(data, 0),
    PPP_HDLC: _serial,
    CISCO_HDLC: _serial,
    FRAME_RELAY: _frame_relay,
    **dict.fromkeys(_RAW, lambda data: _by_version(data, 0)),
}
LINK_TYPES = frozenset(_READERS)
