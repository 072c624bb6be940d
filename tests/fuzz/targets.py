"""What is fuzzed: functions of octets that may raise nothing but what labgen documents."""

from __future__ import annotations

import io
import json
import struct
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labgen.bgp.attribute_codec import DecodeContext
from labgen.bgp.capabilities import decode_capability, encode_capability
from labgen.bgp.codec import FOUR_OCTET_CONTEXT, UNKNOWN_CONTEXT, Decoder, encode
from labgen.bgp.conversation import Flow, SocketAddress, WireMessage
from labgen.bgp.fields import JsonLines, message_fields
from labgen.bgp.messages import Keepalive, Update
from labgen.bgp.nlri import decode_nlri, encode_nlri
from labgen.bgp.tally import Tally
from labgen.bgp.vocabulary import IPV4_UNICAST, IPV6_UNICAST, MARKER, Family
from labgen.capture.assembler import Assembler
from labgen.capture.files import RecordReader
from labgen.errors import LabgenError
from labgen.report.ladder import LadderRows, ladders, terminal_ladder
from labgen.report.ladder_svg import svg
from labgen.report.wire_story import tell
from labgen.report.wire_table import message_line, session_table
from tests.unit.capture.packets import (
    ACK,
    CLIENT,
    PSH,
    SERVER,
    Connection,
    an_open,
    ethernet,
    ip,
    on_ethernet,
    pcap,
    tcp,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTEXTS = (
    UNKNOWN_CONTEXT,
    FOUR_OCTET_CONTEXT,
    DecodeContext(False, frozenset(), 4096),
    DecodeContext(True, frozenset({IPV4_UNICAST, IPV6_UNICAST})),
)


def message(data: bytes) -> None:
    """One message: type octet, then body. Decoded in every context, written in every form."""
    if not data:
        return
    raw = MARKER + struct.pack("!HB", min(18 + len(data), 65535), data[0]) + data[1:65517]
    for context in CONTEXTS:
        decoder = Decoder(context)
        flow = Flow(SocketAddress(CLIENT, 40000), SocketAddress(SERVER, 179), decoder)
        wire = WireMessage(flow, raw, (1,), 1, "fuzz")
        everyday = wire.everyday_prefixes()
        decoded = wire.message
        line = json.loads(JsonLines().line(wire))
        if decoded is not None:
            assert message_fields(decoded).items() <= line.items()
        message_line(wire)
        Tally().add(wire)
        if everyday is not None:
            assert isinstance(decoded, Update)
            assert decoded.nlri.texts == everyday
            assert not decoded.errors
        if isinstance(decoded, Update):
            tuple(decoded.announced), tuple(decoded.withdrawn)
        # Encoding need not give the same octets back (spare bits), but the same value.
        if decoded is not None and not getattr(decoded, "errors", ()) and context.four_octet_as:
            again = encode(decoded, context)
            assert decoder.decode(again) == Decoder(context).decode(again)


def file(data: bytes) -> None:
    """A capture file, shown in every form."""
    assembler, tally, rows = Assembler(), Tally(), LadderRows()
    reader = RecordReader(io.BytesIO(data), "fuzz")  # type: ignore[arg-type]
    try:
        for record in reader.records():
            for wire in assembler.add(record, "fuzz", reader.interfaces[record.interface]):
                rows.add(wire, *tally.add(wire))
    except LabgenError:
        pass
    for wire in assembler.finish():
        rows.add(wire, *tally.add(wire))
    capture = assembler.capture()
    tuple(session_table(capture, tally))
    tuple(tell(capture))
    svg(ladders(capture, rows))
    for session, found, dropped in ladders(capture, rows):
        tuple(terminal_ladder(session, found, dropped))
        assert session.negotiated is None or session.negotiated.hold_time >= 0
        for end in session.addresses:
            session.adj_rib_in(end)


def segments(data: bytes) -> None:
    """A connection: each three octets are (where, how long, what) of one segment."""
    connection = Connection(isn=(0xFFFFFF00, 1))
    frames = connection.handshake()
    base = connection.seq[0]
    stream = data * 2
    for at in range(0, min(len(data), 600) - 3, 3):
        where, size, kind = data[at], data[at + 1], data[at + 2]
        start = (where * 4 + at) % max(1, len(stream))
        flags = (ACK | (kind & 0x3F)) if kind > 200 else PSH | ACK
        piece = stream[start : start + size]
        frames.append(connection.packet(kind & 1, flags, piece, seq=base + start))
    link = data[0] & 1 if data else 0
    whole = [(t, ethernet(p) if link else p) for t, p in frames]
    file(pcap(whole, link_type=1 if link else 101))


def attributes(data: bytes) -> None:
    """An UPDATE whose lengths are sound: what is fuzzed is the attribute field, and one route."""
    field = data[:4000]
    message(b"\x02\0\0" + struct.pack("!H", len(field)) + field + b"\x18\x0a\x09\x00")


def capabilities(data: bytes) -> None:
    """One capability after the other (code, length, value) and an OPEN that carries them all."""
    at = 0
    while at + 2 <= len(data):
        decoded = decode_capability(data[at], data[at + 2 : at + 2 + data[at + 1]])
        again = encode_capability(decoded)
        assert decode_capability(again[0], again[2:]) == decoded
        at += 2 + data[at + 1]
    field = data[:253]
    parameter = bytes((2, len(field))) + field
    message(b"\x01\x04\xfc\0\0\x5a\x0a\x01\x14\x05" + bytes((len(parameter),)) + parameter)
    wide = b"\x02" + struct.pack("!H", len(data)) + data
    length = b"\xff\xff" + struct.pack("!H", len(wide))
    message(b"\x01\x04\xfc\0\0\x5a\x0a\x01\x14\x05" + length + wide)


def nlri(data: bytes) -> None:
    """An NLRI field of any family, with, without and with unknown use of path identifiers."""
    if len(data) < 2:
        return
    family = Family(data[0] & 3, data[1] & 3)
    for add_path in (False, True, None):
        try:
            block = decode_nlri(data[2:], family, add_path=add_path)
        except LabgenError:
            continue
        used = block.path_ids is not None
        assert decode_nlri(encode_nlri(block), family, add_path=used) == block


def frames(data: bytes) -> None:
    """Frames of any link type: (link type, length, octets) in a row, each read twice."""
    links = (0, 1, 12, 101, 108, 113, 228, 229, 276, 7)
    at, found = 1, []
    while at < len(data):
        found.append((at, data[at + 1 : at + 1 + data[at]]))
        at += 1 + data[at]
    if found:
        file(pcap(found + found, link_type=links[data[0] % len(links)]))


def blocks(data: bytes) -> None:
    """A pcapng section whose blocks are framed soundly: (kind, length, body) in a row."""
    order = ">" if data[:1] > b"\x7f" else "<"
    out = bytearray(_block(order, 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1)))
    at = 1
    while at + 2 <= len(data):
        body = data[at + 2 : at + 2 + data[at + 1]]
        out += _block(order, data[at] if data[at] < 16 else 6, body)
        at += 2 + data[at + 1]
    file(bytes(out))


def _block(order: str, kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def conversation(data: bytes) -> None:
    """A session whose OPENs are sound, then messages (side and type, length, body) in a row.

    The first octet says what the OPENs offer and which of them the capture lacks.
    """
    if not data:
        return
    offer = data[0]
    connection = Connection()
    found = connection.handshake()
    for side, asn in ((0, 64512), (1, 65001)):
        said = an_open(asn, four_octet_as=bool(offer & 1), add_path=bool(offer & 2 << side))
        found.append(connection.packet(side, PSH | ACK, encode(said) + encode(Keepalive())))
    if offer & 8:
        del found[:-1]
    if offer & 16:
        del found[-1:]
    for side, octets in _messages(data[1:]):
        found.append(connection.packet(side, PSH | ACK, octets))
    file(pcap(on_ethernet(found)))


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(data):
        body = data[at + 2 : at + 2 + data[at + 1]]
        head = struct.pack("!HB", 19 + len(body), (data[at] >> 1) % 7)
        yield data[at] & 1, MARKER + head + body
        at += 2 + data[at + 1]


def fragments(data: bytes) -> None:
    """A segment in IP fragments: (identity and version, offset, length) three octets each."""
    octets = encode(an_open()) + encode(Keepalive()) * 20
    whole = tcp(40000, 179, 1, 1, PSH | ACK, octets)
    found = []
    for at in range(0, min(len(data), 900) - 3, 3):
        kind, where, size = data[at : at + 3]
        start, more = where * 8, size * 8
        piece = whole[start : start + more] + bytes(data[at : at + (kind & 3)])
        if kind & 1:
            source, target = CLIENT, SERVER
            word = start >> 3 | (0x2000 if kind & 4 else 0)
            packet = ip(source, target, piece, identity=kind >> 5, fragment=word)
        else:
            head = struct.pack("!BBHI", 6, 0, start | bool(kind & 4), kind >> 5)
            packet = ip(*V6_ENDS, head + piece, protocol=44)
        found.append((at * 1_000_000 * (1 + (kind & 16) * 1000), packet))
    file(pcap(found, link_type=101))


V6_ENDS = (ip_address("fd00::5"), ip_address("fd00::20"))

TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message,
    "attributes": attributes,
    "capabilities": capabilities,
    "nlri": nlri,
    "file": file,
    "blocks": blocks,
    "frames": frames,
    "segments": segments,
    "fragments": fragments,
    "conversation": conversation,
}
