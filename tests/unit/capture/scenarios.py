"""Captures of everything that networks, captures and speakers do to BGP, as files.

Each is made for one question: does another reader of the wire see the same messages?
"""

from __future__ import annotations

import struct
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING

from labgen.bgp.codec import encode
from labgen.bgp.messages import Keepalive, Notification, Update
from labgen.bgp.nlri import NlriBlock
from labgen.bgp.vocabulary import MARKER
from tests.unit.capture.packets import (
    ACK,
    CLIENT,
    FIN,
    PSH,
    RST,
    SERVER,
    SYN,
    Connection,
    an_open,
    ethernet,
    fragmented,
    generated_messages,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Frames = list[tuple[int, bytes]]
KEEPALIVE = encode(Keepalive())
V6 = (ip_address("fd00:10::5"), ip_address("fd00:10::20"))
TIMESTAMPS = b"\x01\x01\x08\x0a" + bytes(8)
MD5 = b"\x13\x12" + bytes(16)


def update(*prefixes: str) -> bytes:
    return encode(Update(withdrawn_routes=NlriBlock.of(prefixes)))


def many(count: int = 40, seed: int = 1, **options: bool) -> list[tuple[int, bytes]]:
    options = {"four_octet_as": True, "add_path": False} | options
    return generated_messages(Random(seed), count=count, **options)  # type: ignore[arg-type]


def packets(connection: Connection | None = None, count: int = 40) -> Frames:
    """A session, one message in a segment."""
    connection = connection or Connection()
    found = connection.handshake()
    found += [connection.packet(side, PSH | ACK, octets) for side, octets in many(count)]
    return found


# Link layers -------------------------------------------------------------------------------------


def _ethertype(packet: bytes) -> int:
    return 0x0800 if packet[0] >> 4 == 4 else 0x86DD


def sll(packet: bytes, *tags: int) -> bytes:
    kinds = [*(0x8100 for _ in tags), _ethertype(packet)]
    head = struct.pack("!HHH8sH", 0, 1, 6, bytes(8), kinds[0])
    return head + b"".join(map(_tag, tags, kinds[1:])) + packet


def sll2(packet: bytes, *tags: int) -> bytes:
    kinds = [*(0x8100 for _ in tags), _ethertype(packet)]
    head = struct.pack("!HHIHBB8s", kinds[0], 0, 3, 1, 0, 6, bytes(8))
    return head + b"".join(map(_tag, tags, kinds[1:])) + packet


def _tag(tag: int, kind: int) -> bytes:
    return struct.pack("!HH", tag, kind)


def loopback(order: str, packet: bytes, six: int = 30) -> bytes:
    return struct.pack(f"{order}I", 2 if packet[0] >> 4 == 4 else six) + packet


LINKS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "ethernet": (1, ethernet),
    "vlan": (1, lambda p: ethernet(p, 20)),
    "qinq": (1, lambda p: ethernet(p, 100, 20)),
    "three-tags": (1, lambda p: ethernet(p, 100, 20, 30)),
    "padded": (1, lambda p: ethernet(p) + bytes(7)),
    "sll": (113, sll),
    "sll-vlan": (113, lambda p: sll(p, 20)),
    "sll2": (276, sll2),
    "sll2-vlan": (276, lambda p: sll2(p, 20)),
    "raw": (101, lambda p: p),
    "null": (0, lambda p: loopback("<", p)),
    "null-big": (0, lambda p: loopback(">", p)),
    "null-freebsd": (0, lambda p: loopback("<", p, 28)),
    "loop": (108, lambda p: loopback(">", p, 24)),
    "ppp": (9, lambda p: b"\xff\x03" + (b"\0\x21" if p[0] >> 4 == 4 else b"\0\x57") + p),
    "ppp-short": (9, lambda p: (b"\x21" if p[0] >> 4 == 4 else b"\x57") + p),
    "ppp-hdlc": (50, lambda p: b"\xff\x03" + (b"\0\x21" if p[0] >> 4 == 4 else b"\0\x57") + p),
    "hdlc": (104, lambda p: b"\x0f\0" + struct.pack("!H", _ethertype(p)) + p),
    "frame-relay": (107, lambda p: b"\x18\x41\x03" + (b"\xcc" if p[0] >> 4 == 4 else b"\x8e") + p),
    "mpls": (1, lambda p: bytes(12) + b"\x88\x47" + b"\0\x01\0\xff" + b"\0\x02\x01\xff" + p),
    "pppoe": (
        1,
        lambda p: (
            bytes(12)
            + b"\x88\x64\x11\0\0\1"
            + struct.pack("!H", len(p) + 2)
            + (b"\0\x21" if p[0] >> 4 == 4 else b"\0\x57")
            + p
        ),
    ),
}


# Files -------------------------------------------------------------------------------------------


def block(order: str, kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))


def pcapng(order: str) -> bytes:
    """Three interfaces with link types and time resolutions of their own, then another section."""
    resolutions = ((1, 9, 10**9), (113, 6, 10**6), (101, 0x80 | 20, 1 << 20), (276, 3, 1000))
    wraps = (ethernet, sll, lambda p: p, sll2)
    out = section(order)
    for n, (link, code, _) in enumerate(resolutions):
        body = struct.pack(f"{order}HHI", link, 0, 0) + option(order, 2, b"eth%d" % n)
        body += option(order, 9, bytes((code,))) + option(order, 0, b"")
        out += block(order, 1, body)
    for index, (now, packet) in enumerate(packets()):
        n = index % 4
        frame = wraps[n](packet)
        ticks = now * resolutions[n][2] // 10**9
        head = struct.pack(
            f"{order}IIIII", n, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)
        )
        out += block(order, 6, head + frame + b"\0" * (-len(frame) % 4) + option(order, 1, b"hi"))
        if index == 20:
            out += block(order, 5, struct.pack(f"{order}III", 0, 0, 0))
    other = ">" if order == "<" else "<"
    out += section(other) + block(other, 1, struct.pack(f"{other}HHI", 1, 0, 0))
    for now, packet in packets(Connection(ports=(41000, 179)), 5):
        frame = ethernet(packet)
        ticks = now // 1000
        head = struct.pack(
            f"{other}IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)
        )
        out += block(other, 6, head + frame)
    return out


def all_links() -> bytes:
    """A short session over each link layer and IP version, each on an interface of its own."""
    out, number = section("<"), 0
    for n, (kind, wrap) in enumerate(LINKS.values()):
        for ends in ((CLIENT, SERVER), V6):
            resolution = option("<", 9, b"\x09") + option("<", 0, b"")
            out += block("<", 1, struct.pack("<HHI", kind, 0, 0) + resolution)
            for now, packet in packets(Connection(*ends, ports=(40000 + n, 179)), 4):
                frame = wrap(packet)
                size = len(frame)
                head = struct.pack("<IIIII", number, now >> 32, now & 0xFFFFFFFF, size, size)
                out += block("<", 6, head + frame)
            number += 1
    return out


# TCP ---------------------------------------------------------------------------------------------


def segmented(messages: Sequence[tuple[int, bytes]], size: int, **options: object) -> Frames:
    connection = Connection(**options)  # type: ignore[arg-type]
    found = connection.handshake()
    for side, octets in messages:
        for at in range(0, len(octets), size):
            found.append(connection.packet(side, PSH | ACK, octets[at : at + size]))
    return found


def repeats() -> Frames:
    """Each data segment once more, now and then with what follows it, later also other octets."""
    connection = Connection()
    found = connection.handshake()
    source = Random(4)
    for side, octets in many(30):
        start = connection.seq[side]
        found.append(connection.packet(side, PSH | ACK, octets))
        kind = source.random()
        if kind < 0.3:
            found.append(connection.packet(side, PSH | ACK, octets, seq=start))
        elif kind < 0.5:
            found.append(connection.packet(side, PSH | ACK, bytes(len(octets)), seq=start))
        elif kind < 0.7:
            found.append(connection.packet(side, PSH | ACK, octets + KEEPALIVE, seq=start))
            connection.seq[side] += len(KEEPALIVE)
    return found


def probes() -> Frames:
    """Keep-alive probes with and without an octet, window probes, duplicate ACKs, a zero window."""
    connection = Connection()
    found = connection.handshake()
    for side, octets in many(12):
        found.append(connection.packet(side, PSH | ACK, octets))
        before = connection.seq[side] - 1
        found.append(connection.packet(side, ACK, b"\0", seq=before))
        found.append(connection.packet(side, ACK, b"", seq=before))
        found += [connection.packet(1 - side, ACK) for _ in range(3)]
    return found


def reordered(distance: int) -> Frames:
    frames = segmented([(0, octets) for _, octets in many(40)], 700)
    head, body = frames[:3], frames[3:]
    for at in range(4, len(body) - distance, 5):
        body.insert(at + distance, body.pop(at))
    return head + body


def restarts() -> Frames:
    """The same ports three times: after a FIN, after a RST, and with nothing in between."""
    found: Frames = []
    now = 1_700_000_000_000_000_000
    for n, ending in enumerate((FIN | ACK, RST, 0)):
        connection = Connection(isn=(1000 + n * 5_000_000, 2000 + n * 7_000_000), start_ns=now)
        found += connection.handshake()
        found += [connection.packet(side, PSH | ACK, octets) for side, octets in many(8, n)]
        if ending:
            found.append(connection.packet(n % 2, ending))
        now = connection.now + 10_000_000_000
    return found


def collision() -> Frames:
    """Both ends dial; each sends an OPEN on both; the connection of the lower identifier goes."""
    one = Connection(ports=(40001, 179))
    two = Connection(SERVER, CLIENT, ports=(40002, 179), isn=(9, 99))
    one.now = two.now
    found = one.handshake() + two.handshake()
    low, high = encode(an_open()), encode(an_open(65001, "10.1.20.20"))
    found += [one.packet(0, PSH | ACK, low), two.packet(1, PSH | ACK, low)]
    found += [two.packet(0, PSH | ACK, high), one.packet(1, PSH | ACK, high)]
    found.append(one.packet(1, PSH | ACK, encode(Notification(6, 7))))
    found.append(one.packet(1, FIN | ACK))
    found += [two.packet(side, PSH | ACK, KEEPALIVE) for side in (0, 1)]
    found += [two.packet(0, PSH | ACK, update("10.0.0.0/8") + update())]
    return sorted(found)


def midstream(**options: bool) -> Frames:
    """No handshake and no OPEN; the first segment begins inside a message."""
    connection = Connection()
    found = []
    rest = [m for m in many(30, **options) if m[1][18] != 1]
    for n, (side, octets) in enumerate(rest):
        found.append(connection.packet(side, PSH | ACK, octets[7:] if n == 0 else octets))
    return found


def options() -> Frames:
    """Timestamps and the MD5 option on every segment; the handshake with all that Linux sends."""
    connection = Connection()
    syn = b"\x02\x04\x05\xb4\x04\x02\x08\x0a" + bytes(8) + b"\x01\x03\x03\x07"
    found = [
        connection.packet(0, SYN, options=syn),
        connection.packet(1, SYN | ACK, options=syn),
        connection.packet(0, ACK, options=TIMESTAMPS),
    ]
    for n, (side, octets) in enumerate(many(20)):
        extra = (TIMESTAMPS, MD5, MD5 + TIMESTAMPS)[n % 3]
        found.append(connection.packet(side, PSH | ACK, octets, options=extra))
    return found


def in_fragments(ends: tuple[object, object], size: int, *, reverse: bool) -> Frames:
    connection = Connection(*ends)  # type: ignore[arg-type]
    found = connection.handshake()
    for side, octets in many(25):
        now, packet = connection.packet(side, PSH | ACK, octets)
        pieces = fragmented(packet, size) if len(octets) > 60 else [packet]
        found += [(now, piece) for piece in (reversed(pieces) if reverse else pieces)]
    return found


def closes_inside(flags: int) -> Frames:
    """A message is cut by the end of the connection."""
    connection = Connection()
    found = connection.handshake()
    found += [connection.packet(side, PSH | ACK, octets) for side, octets in many(6)]
    found.append(connection.packet(0, PSH | ACK, update("10.0.0.0/8")[:20]))
    found.append(connection.packet(0, flags))
    return found


def lossy() -> Frames:
    """Every seventh data segment never stood in the capture, its ACK did."""
    connection = Connection()
    found = connection.handshake()
    for n, (side, octets) in enumerate(many(40)):
        packet = connection.packet(side, PSH | ACK, octets)
        if n % 7 != 6:
            found.append(packet)
        found.append(connection.packet(1 - side, ACK, step_ns=500_000_000))
    return found


TCP: dict[str, Callable[[], Frames]] = {
    "one-a-segment": packets,
    "ipv6": lambda: packets(Connection(*V6)),
    "octet-by-octet": lambda: segmented(many(8), 1),
    "split-in-the-header": lambda: segmented(many(40), 18),
    "several-in-one": lambda: segmented(
        [(0, b"".join(o for s, o in many(60)[2:] if s == 0))], 1448
    ),
    "large-segments": lambda: segmented([(0, b"".join(o for _, o in many(80)[2:]))], 9000),
    "sequence-wrap": lambda: segmented(many(60), 500, isn=(0xFFFFFF00, 0xFFFFF000)),
    "repeats": repeats,
    "probes": probes,
    "reordered-by-1": lambda: reordered(1),
    "reordered-by-3": lambda: reordered(3),
    "client-only": lambda: [f for f in packets() if f[1][12:16] == CLIENT.packed],
    "server-only": lambda: [f for f in packets() if f[1][12:16] == SERVER.packed],
    "restarts": restarts,
    "collision": collision,
    "midstream": midstream,
    "midstream-two-octet": lambda: midstream(four_octet_as=False),
    "midstream-add-path": lambda: midstream(add_path=True),
    "options": options,
    "fin-inside": lambda: closes_inside(FIN | ACK),
    "rst-inside": lambda: closes_inside(RST),
    "lossy": lossy,
    "fragments": lambda: in_fragments((CLIENT, SERVER), 48, reverse=False),
    "fragments-reversed": lambda: in_fragments((CLIENT, SERVER), 48, reverse=True),
    "fragments-ipv6": lambda: in_fragments(V6, 48, reverse=False),
}


# Messages ----------------------------------------------------------------------------------------


def framed(kind: int, body: bytes) -> bytes:
    return MARKER + struct.pack("!HB", 19 + len(body), kind) + body


def capabilities(*pairs: tuple[int, str]) -> bytes:
    """An OPEN of AS 64512 with these capabilities (code, hexadecimal), one parameter for all."""
    octets = b"".join(bytes((code, len(b := bytes.fromhex(h)))) + b for code, h in pairs)
    parameter = bytes((2, len(octets))) + octets
    fixed = struct.pack("!BHH4sB", 4, 64512, 90, CLIENT.packed, len(parameter))
    return framed(1, fixed + parameter)


def raw_attribute(flags: int, code: int, body: bytes) -> bytes:
    if len(body) > 255:
        return struct.pack("!BBH", flags | 0x10, code, len(body)) + body
    return bytes((flags, code, len(body))) + body


def raw_update(*attributes: bytes, nlri: bytes = b"", withdrawn: bytes = b"") -> bytes:
    field = b"".join(attributes)
    return framed(
        2,
        struct.pack("!H", len(withdrawn))
        + withdrawn
        + struct.pack("!H", len(field))
        + field
        + nlri,
    )


ORIGIN = raw_attribute(0x40, 1, b"\0")
NEXT_HOP = raw_attribute(0x40, 3, bytes.fromhex("0a011405"))
LOCAL_PREF = raw_attribute(0x40, 5, bytes.fromhex("00000064"))
ROUTE = bytes.fromhex("18c0a801")


def as_path(*segments: tuple[int, tuple[int, ...]], width: int = 4, code: int = 2) -> bytes:
    body = b"".join(
        bytes((kind, len(asns))) + b"".join(asn.to_bytes(width, "big") for asn in asns)
        for kind, asns in segments
    )
    return raw_attribute(0x40 if code == 2 else 0xC0, code, body)


PATH = as_path((2, (64512, 4200000001)))
GLOBAL, LOCAL = (
    bytes.fromhex("20010db8" + "00" * 11 + "01"),
    bytes.fromhex("fe80" + "00" * 13 + "01"),
)


def mp_reach(afi: int, safi: int, hop: bytes, nlri: bytes) -> bytes:
    body = struct.pack("!HBB", afi, safi, len(hop)) + hop + b"\0" + nlri
    return raw_attribute(0x80, 14, body)


def _reach(*parts: object) -> bytes:
    return raw_update(mp_reach(*parts), ORIGIN, PATH, LOCAL_PREF)  # type: ignore[arg-type]


UPDATES: dict[str, bytes] = {
    "as-path-empty": raw_update(ORIGIN, as_path(), NEXT_HOP, LOCAL_PREF, nlri=ROUTE),
    "as-path-set": raw_update(ORIGIN, as_path((2, (1, 2)), (1, (3, 4))), NEXT_HOP, nlri=ROUTE),
    "as-path-confederation": raw_update(
        ORIGIN, as_path((3, (65001, 65002)), (4, (65003,)), (2, (1,))), NEXT_HOP, nlri=ROUTE
    ),
    "as-path-255": raw_update(ORIGIN, as_path((2, tuple(range(1, 256)))), NEXT_HOP, nlri=ROUTE),
    "as4-path": raw_update(
        ORIGIN, PATH, NEXT_HOP, as_path((2, (4200000001, 4200000002)), code=17), nlri=ROUTE
    ),
    "aggregators": raw_update(
        ORIGIN,
        PATH,
        NEXT_HOP,
        raw_attribute(0x40, 6, b""),
        raw_attribute(0xC0, 7, bytes.fromhex("fa56ea010a010203")),
        raw_attribute(0xC0, 18, bytes.fromhex("fa56ea010a010203")),
        nlri=ROUTE,
    ),
    "communities": raw_update(
        ORIGIN,
        PATH,
        NEXT_HOP,
        raw_attribute(0xC0, 8, bytes.fromhex("fc000064ffffff01ffffff02ffffff03ffff029affff0000")),
        nlri=ROUTE,
    ),
    "extended-communities": raw_update(
        ORIGIN,
        PATH,
        NEXT_HOP,
        raw_attribute(
            0xC0,
            16,
            bytes.fromhex(
                "0002fc0000000037"
                "01020a0101010037"
                "0202fa56ea010037"
                "0003fc0000000037"
                "4004fc0049742400"
                "030c000000000008"
                "0600010000000007"
                "0602aabbccddeeff"
                "80060000497424a0"
                "43000000000000ff"
                "ff01020304050607"
            ),
        ),
        nlri=ROUTE,
    ),
    "large-communities": raw_update(
        ORIGIN, PATH, NEXT_HOP, raw_attribute(0xC0, 32, bytes(range(24))), nlri=ROUTE
    ),
    "reflection": raw_update(
        ORIGIN,
        PATH,
        NEXT_HOP,
        LOCAL_PREF,
        raw_attribute(0x80, 9, bytes.fromhex("0a010101")),
        raw_attribute(0x80, 10, bytes.fromhex("0a0101010a010102")),
        nlri=ROUTE,
    ),
    "unknown-attribute": raw_update(
        ORIGIN, PATH, NEXT_HOP, raw_attribute(0xE0, 99, b"abc"), nlri=ROUTE
    ),
    "aigp-and-otc": raw_update(
        ORIGIN,
        PATH,
        NEXT_HOP,
        raw_attribute(0x80, 26, bytes.fromhex("01000b0000000000000064")),
        raw_attribute(0xC0, 35, bytes.fromhex("0000fde9")),
        nlri=ROUTE,
    ),
    "extended-length": raw_update(bytes.fromhex("5001000100"), PATH, NEXT_HOP, nlri=ROUTE),
    "default-and-hosts": raw_update(
        ORIGIN, PATH, NEXT_HOP, nlri=bytes.fromhex("00200a01010101801f0a010102")
    ),
    "stray-bits": raw_update(ORIGIN, PATH, NEXT_HOP, nlri=bytes.fromhex("0bffff")),
    "withdraw-and-announce": raw_update(
        ORIGIN, PATH, NEXT_HOP, nlri=ROUTE, withdrawn=bytes.fromhex("100a01180a0203")
    ),
    "end-of-rib": raw_update(),
    "end-of-rib-ipv6": raw_update(raw_attribute(0x80, 15, b"\0\2\1")),
    "end-of-rib-vpn": raw_update(raw_attribute(0x80, 15, b"\0\1\x80")),
    "ipv6": _reach(2, 1, GLOBAL, bytes.fromhex("4020010db8000000000080") + GLOBAL),
    "ipv6-link-local": _reach(2, 1, GLOBAL + LOCAL, bytes.fromhex("2020010db8")),
    "ipv6-withdrawn": raw_update(raw_attribute(0x80, 15, bytes.fromhex("0002012020010db8"))),
    "ipv4-in-mp-reach": _reach(1, 1, CLIENT.packed, ROUTE),
    "ipv4-multicast": _reach(1, 2, CLIENT.packed, ROUTE),
    "rfc-8950": _reach(1, 1, GLOBAL, ROUTE),
    "rfc-8950-link-local": _reach(1, 1, GLOBAL + LOCAL, ROUTE),
    "vpnv4": _reach(
        1, 128, bytes(8) + CLIENT.packed, bytes.fromhex("700006410000fc0000000001c0a801")
    ),
    "vpnv6": _reach(2, 128, bytes(8) + GLOBAL, bytes.fromhex("780006410000fc000000000120010db8")),
    "labelled": _reach(1, 4, CLIENT.packed, bytes.fromhex("30000641c0a801")),
    "evpn": _reach(
        25,
        70,
        CLIENT.packed,
        bytes.fromhex("031100010a010101000000000000200a010101"),
    ),
    "flowspec": _reach(1, 133, b"", bytes.fromhex("0501180a0102")),
    "route-target": _reach(1, 132, CLIENT.packed, bytes.fromhex("600000fc000002fc0000000037")),
}

OPENS: dict[str, bytes] = {
    "all-capabilities": capabilities(
        (1, "00010001"),
        (1, "00020001"),
        (1, "00010080"),
        (1, "00190046"),
        (1, "00010085"),
        (2, ""),
        (5, "000100010002"),
        (6, ""),
        (64, "80780001018000020100"),
        (65, "fa56ea01"),
        (69, "0001010300020101"),
        (70, ""),
        (73, "066e6f64652d31076578616d706c65"),
        (128, ""),
    ),
    "less-common": capabilities(
        (9, "03"),
        (7, "080001"),
        (71, "0001018000000e10"[:14]),
        (64, "4078"),
        (67, "0102"),
        (131, "00"),
        (200, "abcd"),
    ),
    "none": framed(1, struct.pack("!BHH4sB", 4, 64512, 0, CLIENT.packed, 0)),
    "version-3": framed(1, struct.pack("!BHH4sB", 3, 64512, 180, CLIENT.packed, 0)),
}

OTHERS: dict[str, bytes] = {
    "refresh": framed(5, b"\0\1\0\1"),
    "borr": framed(5, b"\0\1\1\1"),
    "eorr": framed(5, b"\0\2\2\1"),
    "orf": framed(5, bytes.fromhex("000100010140000c80000000051020180a0101")),
    "bad-peer-as": framed(3, bytes.fromhex("0202fde9")),
    "hold-timer": framed(3, b"\4\0"),
    "fsm": framed(3, b"\5\2"),
    "collision": framed(3, b"\6\7"),
    "max-prefixes": framed(3, bytes.fromhex("060100010100000064")),
    "shutdown": framed(3, b"\6\2\x0cgone fishing"),
    "shutdown-utf-8": framed(
        3, b"\6\2" + bytes((len("Stromausfall für Ü".encode()),)) + "Stromausfall für Ü".encode()
    ),
    "shutdown-empty": framed(3, b"\6\2\0"),
    "shutdown-nothing": framed(3, b"\6\2"),
    "shutdown-255": framed(3, b"\6\4\xff" + b"a" * 255),
    "hard-reset": framed(3, b"\6\x09\6\2"),
    "bfd-down": framed(3, b"\6\x0a"),
    "refresh-error": framed(3, b"\7\1\0\1\0\1"),
    "send-hold-timer": framed(3, b"\x08\0"),
    "unknown-error": framed(3, b"\x63\x07ab"),
}


def said(octets: bytes, *, first: bytes | None = None) -> Frames:
    """A session in which the client says this, after OPENs with four-octet AS numbers."""
    connection = Connection()
    found = connection.handshake()
    for side, asn in ((0, 64512), (1, 65001)):
        found.append(connection.packet(side, PSH | ACK, first or encode(an_open(asn))))
        found.append(connection.packet(1 - side, ACK))
    found += [connection.packet(side, PSH | ACK, KEEPALIVE) for side in (0, 1)]
    found.append(connection.packet(0, PSH | ACK, octets))
    found.append(connection.packet(1, PSH | ACK, KEEPALIVE))
    return found


def long_messages() -> Frames:
    """UPDATEs of up to 65,535 octets (RFC 8654), in full segments."""
    routes = b"".join(b"\x18\x0a" + bytes((n >> 8 & 255, n & 255)) for n in range(16000))
    sizes = (1012, 1013, 1014, 4000, 16000)
    octets = b"".join(
        raw_update(ORIGIN, PATH, NEXT_HOP, LOCAL_PREF, nlri=routes[: size * 4]) for size in sizes
    )
    connection = Connection()
    found = connection.handshake()
    for side, asn in ((0, 64512), (1, 65001)):
        found.append(connection.packet(side, PSH | ACK, encode(an_open(asn)) + KEEPALIVE))
    for at in range(0, len(octets), 1448):
        found.append(connection.packet(0, PSH | ACK, octets[at : at + 1448]))
    return found
