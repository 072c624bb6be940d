"""Pieces of IP and TCP headers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from labgen.bgp.facts import SocketAddress

# header -> (unit of its length field in octets, units that the field does not count); RFC 8200
# section 4, RFC 4302 section 2.2.
_IPV6_EXTENSIONS = {0: (8, 1), 43: (8, 1), 60: (8, 1), 135: (8, 1), 51: (4, 2)}
_MD5_OPTION = 19  # RFC 2385


def behind_extensions(data: bytes, protocol: int, place: int) -> tuple[int, int]:
    """The first header at or behind `place` that is no IPv6 extension: (protocol, place)."""
    while protocol in _IPV6_EXTENSIONS and place + 8 <= len(data):
        unit, uncounted = _IPV6_EXTENSIONS[protocol]
        protocol, place = data[place], place + (data[place + 1] + uncounted) * unit
    return protocol, place


def tcp_options(data: bytes, at: int, end: int) -> tuple[bool, int | None]:
    """Whether the MD5 option is present, and the MSS option's value."""
    md5, mss = False, None
    end = min(end, len(data))
    while at < end:
        kind = data[at]
        if kind == 1:
            at += 1
            continue
        if kind == 0 or at + 1 >= end or data[at + 1] < 2:
            break
        if kind == _MD5_OPTION:
            md5 = True
        elif kind == 2 and at + 4 <= end:
            mss = data[at + 2] << 8 | data[at + 3]
        at += data[at + 1]
    return md5, mss


def traffic_class(data: bytes, place: int, width: int) -> int:
    """The octet of IPv4's TOS or IPv6's traffic class, from where the source address stands."""
    if width == 4:
        return data[place - 11]
    return (data[place - 8] & 15) << 4 | data[place - 7] >> 4


def socket_address(octets: bytes) -> SocketAddress:
    packed, port = octets[:-2], int.from_bytes(octets[-2:], "big")
    address: IPv4Address | IPv6Address = ip_address(packed)
    return SocketAddress(address, port)
