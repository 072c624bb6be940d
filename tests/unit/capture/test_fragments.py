"""IP fragments: put together, dropped where the RFCs say so, and never more than memory allows."""

from __future__ import annotations

import io
from ipaddress import ip_address

import pytest

from labgen.bgp.codec import encode
from labgen.bgp.conversation import Capture, WireMessage
from labgen.bgp.messages import Keepalive
from labgen.capture.assembler import Assembler
from labgen.capture.files import RecordReader
from labgen.capture.fragments import Datagram, Fragment, Fragments
from labgen.report.wire_story import tell
from tests.unit.capture.packets import (
    ACK,
    CLIENT,
    PSH,
    SERVER,
    Connection,
    an_open,
    fragmented,
    pcap,
)

V4 = (CLIENT, SERVER)
V6 = (ip_address("fd00::5"), ip_address("fd00::20"))
OPEN = encode(an_open())

Frames = list[tuple[int, bytes]]


def read(frames: Frames, snaplen: int = 65535) -> tuple[list[WireMessage], Capture]:
    assembler = Assembler()
    data = pcap(frames, link_type=101, snaplen=snaplen)
    reader = RecordReader(io.BytesIO(data), "test")  # type: ignore[arg-type]
    found = [m for record in reader.records() for m in assembler.add(record, "test")]
    return found + assembler.finish(), assembler.capture()


def session(ends: tuple, data: bytes = OPEN, *, size: int = 32) -> tuple[Frames, Frames]:
    """A handshake, and the fragments of one segment with `data`, a millisecond apart."""
    connection = Connection(*ends)
    frames = connection.handshake()
    now, packet = connection.packet(0, PSH | ACK, data)
    pieces = fragmented(packet, size)
    return frames, [(now + n * 1_000_000, piece) for n, piece in enumerate(pieces)]


@pytest.mark.parametrize("ends", [V4, V6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("order", ["sent", "reversed", "repeated"])
def test_a_segment_in_fragments(ends: tuple, order: str) -> None:
    frames, pieces = session(ends, OPEN + encode(Keepalive()))
    assert len(pieces) > 3
    if order == "reversed":
        octets = [piece for _, piece in reversed(pieces)]
        pieces = [(now, piece) for (now, _), piece in zip(pieces, octets, strict=True)]
    if order == "repeated":
        pieces = [pieces[0], *pieces]
    found, capture = read(frames + pieces)
    assert [m.type.label for m in found if m.type] == ["OPEN", "KEEPALIVE"]
    last = len(frames) + len(pieces)
    for message in found:
        assert message.frame == last
        assert message.time_ns == pieces[-1][0]
        assert set(message.frames) <= set(range(len(frames) + 1, last + 1))
        assert len(message.frames) == len({piece for _, piece in pieces})
    assert capture.fragments == len(pieces)
    assert capture.incomplete_datagrams == 0
    assert any("every datagram was put together" in line for line in tell(capture))


@pytest.mark.parametrize("ends", [V4, V6], ids=["ipv4", "ipv6"])
def test_a_lost_fragment(ends: tuple) -> None:
    frames, pieces = session(ends)
    del pieces[1]
    found, capture = read(frames + pieces)
    assert found == []
    assert capture.incomplete_datagrams == 1
    assert any("1 datagrams could not be put together" in line for line in tell(capture))


def overlapping(pieces: Frames) -> Frames:
    """Between the first two fragments, one that repeats the first one's end with other octets."""
    now, first = pieces[0]
    _, second = pieces[1]
    v6 = first[0] >> 4 == 6
    at = 42 if v6 else 6
    head = 48 if v6 else 20
    word = int.from_bytes(second[at : at + 2], "big") - (8 if v6 else 1)
    length = len(second) + 8 - (40 if v6 else 0)
    forged = second[:at] + word.to_bytes(2, "big") + second[at + 2 : head] + b"\0" * 8
    forged += second[head:]
    place = 4 if v6 else 2
    forged = forged[:place] + length.to_bytes(2, "big") + forged[place + 2 :]
    return [pieces[0], (now, forged), *pieces[2:]]


def test_overlaps_condemn_an_ipv6_datagram() -> None:
    """RFC 5722 section 4: silently discarded, with the fragments that come later."""
    frames, pieces = session(V6)
    found, capture = read(frames + overlapping(pieces) + pieces)
    assert found == []
    assert capture.incomplete_datagrams == 1


def test_overlaps_in_ipv4_the_first_copy_counts() -> None:
    frames, pieces = session(V4)
    found, capture = read(frames + overlapping(pieces))
    assert [m.raw for m in found] == [OPEN]
    assert capture.incomplete_datagrams == 0


def test_a_datagram_waits_a_minute_of_the_capture() -> None:
    frames, pieces = session(V4)
    late = [(now + 61_000_000_000, piece) for now, piece in pieces]
    found, capture = read(frames + pieces[:2] + late[2:])
    assert found == []
    assert capture.incomplete_datagrams == 2  # the old one, and what the late ones began
    # Once forgotten, the same identification is a new datagram.
    found, _ = read(frames + pieces[:2] + late)
    assert [m.raw for m in found] == [OPEN]


def test_an_ipv6_fragment_alone_is_whole() -> None:
    """RFC 6946: offset 0 and nothing to follow."""
    frames, pieces = session(V6, size=8000)
    found, capture = read(frames + pieces)
    assert [m.raw for m in found] == [OPEN]
    assert (capture.fragments, capture.incomplete_datagrams) == (1, 0)


def test_a_snap_length_cuts_fragments() -> None:
    """What follows the cut is missing; what the datagram holds in all is known."""
    frames, pieces = session(V4, OPEN, size=96)
    found, capture = read(frames + pieces, snaplen=100)
    assert [m.error.reason for m in found if m.error] == [
        f"60 of {len(OPEN)} octets are in the capture"
    ]
    (gap,) = capture.sessions[0].conversations[0].from_client.gaps
    assert gap.octets == len(OPEN) - 60


def fragment(start: int, length: int, *, more: bool, time_ns: int = 0) -> Fragment:
    return Fragment(start, length, more, bytes(length), b"", 6, 1, time_ns)


def test_memory_is_bounded() -> None:
    fragments = Fragments(overlaps_condemn=False)
    for n in range(5000):
        assert fragments.add(n.to_bytes(4, "big"), fragment(0, 32000, more=True)) is None
    assert len(fragments._waiting) <= 1024
    assert fragments._held <= 1 << 24
    assert fragments.incomplete == 5000


def test_tiny_fragments_are_bounded_too() -> None:
    fragments = Fragments(overlaps_condemn=False)
    for n in range(40):
        for start in range(8, 65528, 16):
            fragments.add(bytes([n]), fragment(start, 8, more=True))
    assert fragments._held <= 1 << 24


@pytest.mark.parametrize(
    ("start", "length", "more"),
    [(65528, 16, False), (0, 0, True), (8, 12, True)],
    ids=["beyond 65,535", "empty", "no multiple of 8"],
)
@pytest.mark.parametrize("strict", [True, False])
def test_an_unsound_fragment_condemns(start: int, length: int, more: bool, strict: bool) -> None:
    fragments = Fragments(overlaps_condemn=strict)
    assert fragments.add(b"", fragment(start, length, more=more)) is None
    assert fragments.add(b"", fragment(0, 8, more=False)) is None
    assert fragments.incomplete == 1


def test_what_stands_behind_the_end_condemns() -> None:
    fragments = Fragments(overlaps_condemn=False)
    assert fragments.add(b"", fragment(16, 8, more=False)) is None
    assert fragments.add(b"", fragment(32, 8, more=True)) is None
    assert fragments.add(b"", fragment(0, 16, more=True)) is None
    assert fragments.incomplete == 1


def test_frames_stand_in_their_order() -> None:
    fragments = Fragments(overlaps_condemn=True)
    second = fragment(8, 8, more=False)._replace(frame=4)
    assert fragments.add(b"", second) is None
    whole = fragments.add(b"", fragment(0, 8, more=True)._replace(frame=9, header=b"head"))
    assert whole == Datagram(b"head", 6, bytes(16), 16, (4, 9))
