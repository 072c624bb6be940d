"""What is fuzzed: functions of octets that may raise nothing but what labgen documents."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING

from labgen.bgp.attribute_codec import DecodeContext
from labgen.bgp.codec import FOUR_OCTET_CONTEXT, UNKNOWN_CONTEXT, Decoder, encode
from labgen.bgp.conversation import Flow, SocketAddress, WireMessage
from labgen.bgp.fields import JsonLines
from labgen.bgp.messages import Update
from labgen.bgp.tally import Tally
from labgen.bgp.vocabulary import IPV4_UNICAST, IPV6_UNICAST, MARKER
from labgen.capture.assembler import Assembler
from labgen.capture.files import RecordReader
from labgen.errors import LabgenError
from labgen.report.ladder import LadderRows, ladders, terminal_ladder
from labgen.report.ladder_svg import svg
from labgen.report.wire_story import tell
from labgen.report.wire_table import message_line, session_table
from tests.unit.capture.packets import ACK, CLIENT, PSH, SERVER, Connection, ethernet, pcap

if TYPE_CHECKING:
    from collections.abc import Callable

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
        JsonLines().line(wire)
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


TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message,
    "file": file,
    "segments": segments,
}
