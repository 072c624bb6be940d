"""Builds captures for tests: packets, link layers, and sessions of generated messages."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from labgen.bgp.attribute_codec import DecodeContext, attribute
from labgen.bgp.attributes import (
    Aggregator,
    AsPath,
    AsSegment,
    AtomicAggregate,
    ClusterList,
    Communities,
    Community,
    ExtendedCommunities,
    ExtendedCommunity,
    LargeCommunities,
    LargeCommunity,
    LocalPref,
    MpReachNlri,
    MpUnreachNlri,
    MultiExitDisc,
    NextHop,
    Origin,
    OriginatorId,
    OriginCode,
    PathAttributes,
    SegmentType,
)
from labgen.bgp.capabilities import (
    AddPath,
    AddPathMode,
    EnhancedRouteRefresh,
    ExtendedMessage,
    FourOctetAs,
    Fqdn,
    GracefulRestart,
    GracefulRestartFamily,
    Multiprotocol,
    RouteRefreshCapability,
)
from labgen.bgp.codec import encode
from labgen.bgp.messages import Keepalive, Message, Notification, Open, RouteRefresh, Update
from labgen.bgp.nlri import NlriBlock
from labgen.bgp.vocabulary import IPV4_UNICAST, IPV6_UNICAST

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from random import Random

CLIENT, SERVER = ip_address("10.1.20.5"), ip_address("10.1.20.20")
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def tcp(
    sport: int, dport: int, seq: int, ack: int, flags: int, data: bytes = b"", options: bytes = b""
) -> bytes:
    options += b"\0" * (-len(options) % 4)
    head = struct.pack(
        "!HHIIBBHHH",
        sport,
        dport,
        seq & 0xFFFFFFFF,
        ack & 0xFFFFFFFF,
        (20 + len(options)) << 2,
        flags,
        65535,
        0,
        0,
    )
    return head + options + data


def ip(
    src: IPv4Address | IPv6Address,
    dst: IPv4Address | IPv6Address,
    payload: bytes,
    *,
    protocol: int = 6,
    ttl: int = 64,
    identity: int = 0,
    fragment: int = 0x4000,
) -> bytes:
    if isinstance(src, IPv6Address):
        return (
            struct.pack("!IHBB", 6 << 28, len(payload), protocol, ttl)
            + src.packed
            + dst.packed
            + payload
        )
    total = 20 + len(payload)
    head = struct.pack("!BBHHHBBH", 0x45, 0, total, identity, fragment, ttl, protocol, 0)
    return head + src.packed + dst.packed + payload


def fragmented(packet: bytes, size: int) -> list[bytes]:
    """The packet in IP fragments of `size` octets of payload (a multiple of 8)."""
    if packet[0] >> 4 == 6:
        head, payload = packet[:40], packet[40:]
        identity = 0x1000 + packet[46]
    else:
        head, payload = packet[:20], packet[20:]
    found = []
    for at in range(0, len(payload), size):
        piece, more = payload[at : at + size], at + size < len(payload)
        if packet[0] >> 4 == 6:
            extra = struct.pack("!BBHI", head[6], 0, at | more, identity)
            length = struct.pack("!H", len(extra) + len(piece))
            found.append(head[:4] + length + b"\x2c" + head[7:] + extra + piece)
        else:
            length = struct.pack("!H", 20 + len(piece))
            word = struct.pack("!H", at >> 3 | more << 13)
            found.append(head[:2] + length + head[4:6] + word + head[8:] + piece)
    return found


def ethernet(packet: bytes, *tags: int) -> bytes:
    kind = b"\x08\x00" if packet[0] >> 4 == 4 else b"\x86\xdd"
    vlans = b"".join(
        struct.pack("!HH", 0x88A8 if i < len(tags) - 1 else 0x8100, tag)
        for i, tag in enumerate(tags)
    )
    return bytes(6) + b"\x02" + bytes(5) + vlans + kind + packet


def pcap(
    frames: Iterable[tuple[int, bytes]],
    *,
    link_type: int = 1,
    order: str = "<",
    nanoseconds: bool = True,
    snaplen: int = 262144,
) -> bytes:
    """A pcap file of (nanoseconds, frame) pairs."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    out = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snaplen, link_type)]
    for time_ns, frame in frames:
        seconds, fraction = divmod(time_ns, 1_000_000_000)
        kept = frame[:snaplen]
        part = fraction if nanoseconds else fraction // 1000
        out.append(struct.pack(f"{order}IIII", seconds, part, len(kept), len(frame)) + kept)
    return b"".join(out)


class Connection:
    """Makes the packets of one TCP connection; keep, drop, repeat or reorder them at will."""

    def __init__(
        self,
        client: IPv4Address | IPv6Address = CLIENT,
        server: IPv4Address | IPv6Address = SERVER,
        *,
        ports: tuple[int, int] = (40000, 179),
        isn: tuple[int, int] = (1000, 2000),
        start_ns: int = 1_700_000_000_000_000_000,
    ) -> None:
        self.ends = (client, server)
        self.ports = ports
        self.seq = list(isn)
        self.now = start_ns
        self.identity = 0

    def packet(
        self,
        side: int,
        flags: int,
        data: bytes = b"",
        *,
        seq: int | None = None,
        options: bytes = b"",
        ttl: int = 64,
        step_ns: int = 1_000_000,
    ) -> tuple[int, bytes]:
        """A packet of the client (0) or the server (1); it advances that side unless `seq`."""
        at = self.seq[side] if seq is None else seq
        segment = tcp(
            self.ports[side], self.ports[1 - side], at, self.seq[1 - side], flags, data, options
        )
        if seq is None:
            self.seq[side] = at + len(data) + bool(flags & SYN) + bool(flags & FIN)
        self.now += step_ns
        self.identity += 1
        packet = ip(self.ends[side], self.ends[1 - side], segment, ttl=ttl, identity=self.identity)
        return self.now, packet

    def handshake(self) -> list[tuple[int, bytes]]:
        return [self.packet(0, SYN), self.packet(1, SYN | ACK), self.packet(0, ACK)]


def on_ethernet(packets: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    return [(time_ns, ethernet(packet)) for time_ns, packet in packets]


def an_open(
    asn: int = 64512,
    identifier: str = "10.1.20.5",
    *,
    four_octet_as: bool = True,
    add_path: bool = False,
    hold_time: int = 90,
) -> Open:
    capabilities = [
        Multiprotocol(IPV4_UNICAST),
        Multiprotocol(IPV6_UNICAST),
        RouteRefreshCapability(),
        EnhancedRouteRefresh(),
        ExtendedMessage(),
        Fqdn("node"),
    ]
    capabilities.append(
        GracefulRestart(False, False, 120, (GracefulRestartFamily(IPV4_UNICAST, True),))
    )
    if four_octet_as:
        capabilities.append(FourOctetAs(asn))
    if add_path:
        both = tuple((family, AddPathMode.BOTH) for family in (IPV4_UNICAST, IPV6_UNICAST))
        capabilities.append(AddPath(both))
    return Open(
        4, asn if asn < 65536 else 23456, hold_time, IPv4Address(identifier), tuple(capabilities)
    )


def _prefixes(source: Random, count: int, *, version: int) -> list[str]:
    # A default route only alone: tshark's guess at path identifiers stumbles over it.
    width, most = (32, 32) if version == 4 else (128, 128)
    found = []
    for _ in range(count):
        bits = source.randint(8, most)
        number = source.getrandbits(bits) << (width - bits)
        address = IPv4Address(number) if version == 4 else IPv6Address(number)
        found.append(
            str(ip_network((int(address) if version == 4 else address, bits)))
            if version == 4
            else f"{address}/{bits}"
        )
    return list(dict.fromkeys(found))


def _block(source: Random, *, add_path: bool, version: int = 4, most: int = 30) -> NlriBlock:
    texts = tuple(_prefixes(source, source.randint(1, most), version=version))
    ids = tuple(source.randint(1, 60) for _ in texts) if add_path else None
    return NlriBlock(texts, ids)


def _as_path(source: Random, *, four_octet_as: bool) -> AsPath:
    limit = (1 << 32) - 1 if four_octet_as else 65535
    kinds = source.choices([SegmentType.AS_SEQUENCE, SegmentType.AS_SET], k=source.randint(0, 3))
    segments = [
        AsSegment(kind, tuple(source.randint(1, limit) for _ in range(source.randint(1, 9))))
        for kind in kinds
    ]
    return AsPath(tuple(segments))


def _attributes(source: Random, *, four_octet_as: bool) -> list[object]:
    values: list[object] = [
        Origin(source.choice(list(OriginCode))),
        _as_path(source, four_octet_as=four_octet_as),
    ]
    maybe = [
        MultiExitDisc(source.getrandbits(32)),
        LocalPref(source.getrandbits(32)),
        AtomicAggregate(),
        Aggregator(source.randint(1, 65535), IPv4Address(source.getrandbits(32))),
        Communities(
            tuple(
                Community(source.getrandbits(32) % 0xFFFF0000) for _ in range(source.randint(1, 80))
            )
        ),
        OriginatorId(IPv4Address(source.getrandbits(32))),
        ClusterList(
            tuple(IPv4Address(source.getrandbits(32)) for _ in range(source.randint(1, 5)))
        ),
        ExtendedCommunities(
            tuple(
                ExtendedCommunity(b"\0\2" + source.randbytes(6))
                for _ in range(source.randint(1, 5))
            )
        ),
        LargeCommunities(
            tuple(
                LargeCommunity(*(source.getrandbits(32) for _ in range(3)))
                for _ in range(source.randint(1, 5))
            )
        ),
    ]
    return values + [value for value in maybe if source.random() < 0.4]


def _update(source: Random, *, four_octet_as: bool, add_path: bool) -> Update:
    kind = source.random()
    if kind < 0.15:
        return Update(withdrawn_routes=_block(source, add_path=add_path))
    values = _attributes(source, four_octet_as=four_octet_as)
    if kind < 0.3:
        block = _block(source, add_path=add_path, version=6, most=8)
        return Update(attributes=PathAttributes((attribute(MpUnreachNlri(IPV6_UNICAST, block)),)))
    if kind < 0.5:
        # RFC 2545 section 3: a global address, and perhaps the link-local one.
        hops = (IPv6Address((0x2001 << 112) | source.getrandbits(112)),)
        hops += source.choice([(), (IPv6Address((0xFE80 << 112) | source.getrandbits(64)),)])
        block = _block(source, add_path=add_path, version=6, most=8)
        values.append(MpReachNlri(IPV6_UNICAST, hops, block))
        return Update(attributes=PathAttributes(tuple(map(attribute, values))))
    values.insert(2, NextHop(IPv4Address(source.getrandbits(32))))
    return Update(
        attributes=PathAttributes(tuple(map(attribute, values))),
        nlri=_block(source, add_path=add_path),
    )


def generated_messages(
    source: Random, *, count: int, four_octet_as: bool, add_path: bool
) -> list[tuple[int, bytes]]:
    """(side, octets) pairs: both OPENs, then messages of every kind."""
    context = DecodeContext(four_octet_as=four_octet_as)
    chosen: list[tuple[int, Message]] = [
        (0, an_open(four_octet_as=four_octet_as, add_path=add_path)),
        (1, an_open(65001, "10.1.20.20", four_octet_as=four_octet_as, add_path=add_path)),
        (0, Keepalive()),
        (1, Keepalive()),
    ]
    for _ in range(count):
        side, kind = source.choice([0, 0, 1]), source.random()
        if kind < 0.1:
            chosen.append((side, Keepalive()))
        elif kind < 0.15:
            family = source.choice([IPV4_UNICAST, IPV6_UNICAST])
            chosen.append((side, RouteRefresh(family, source.choice([0, 1, 2]))))
        else:
            chosen.append((side, _update(source, four_octet_as=four_octet_as, add_path=add_path)))
    chosen.append((0, Notification(6, 2, b"\x05" + b"hello")))
    return [(side, encode(message, context)) for side, message in chosen]


def write_session(path: Path, messages: Sequence[tuple[int, bytes]], *, source: Random) -> None:
    """One connection in segments of random size; what one side says in a row is joined."""
    connection = Connection()
    packets = connection.handshake()
    pending: list[tuple[int, bytes]] = []
    for index, (side, octets) in enumerate(messages):
        if pending and pending[-1][0] == side and index > 4:
            pending[-1] = (side, pending[-1][1] + octets)
        else:
            pending.append((side, octets))
    for side, octets in pending:
        at = 0
        while at < len(octets):
            size = source.choice([1, 18, 19, 100, 536, 1448, 9000])
            packets.append(connection.packet(side, PSH | ACK, octets[at : at + size]))
            at += size
    path.write_bytes(pcap(on_ethernet(packets)))
