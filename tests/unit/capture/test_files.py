"""Capture files of every form, whole and damaged."""

from __future__ import annotations

import gzip
import lzma
import struct
from pathlib import Path

import pytest

from labgen.bgp.codec import encode
from labgen.bgp.messages import Keepalive
from labgen.capture.assembler import Assembler
from labgen.capture.files import Record, open_capture
from labgen.capture.read import follow_messages, read_capture, resolve_captures, rings
from labgen.errors import CaptureError
from tests.unit.capture.packets import ACK, PSH, Connection, ethernet, on_ethernet, pcap
from tests.unit.capture.scenarios import block, option, section, sll, sll2

NOW = 1_700_000_000_123_456_789


def packets(port: int = 40000) -> list[tuple[int, bytes]]:
    connection = Connection(start_ns=NOW, ports=(port, 179))
    found = connection.handshake()
    found.append(connection.packet(0, PSH | ACK, encode(Keepalive())))
    return found


def interface(order: str, link_type: int, name: str, *options: bytes) -> bytes:
    head = struct.pack(f"{order}HHI", link_type, 0, 0)
    named = option(order, 2, name.encode())
    return block(order, 1, head + named + b"".join(options) + option(order, 0, b""))


def enhanced(order: str, index: int, ticks: int, frame: bytes) -> bytes:
    head = struct.pack(
        f"{order}IIIII", index, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)
    )
    return block(order, 6, head + frame)


def records(path: Path) -> tuple[list[Record], list[str]]:
    with open_capture(path) as reader:
        return list(reader.records()), reader.interfaces


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [True, False])
def test_pcap_in_both_byte_orders_and_resolutions(
    tmp_path: Path, order: str, nanoseconds: bool
) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(on_ethernet(packets()), order=order, nanoseconds=nanoseconds))
    found, _ = records(path)
    assert [r.frame for r in found] == [1, 2, 3, 4]
    expected = NOW + 1_000_000
    assert found[0].time_ns == (expected if nanoseconds else expected // 1000 * 1000)


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_interfaces_resolutions_and_a_second_section(
    tmp_path: Path, order: str
) -> None:
    frame = ethernet(packets()[0][1])
    nano = option(order, 9, bytes((9,)))
    binary = option(order, 9, bytes((0x80 | 10,)))
    offset = option(order, 14, struct.pack(f"{order}q", 100))
    data = (
        section(order)
        + interface(order, 1, "eth0", nano)
        + block(order, 4, bytes(4))  # name resolution: no frame
        + interface(order, 101, "tun0", binary, offset)
        + enhanced(order, 0, NOW, frame)
        + enhanced(order, 1, 1536, frame[14:])
        + block(order, 5, bytes(12))  # statistics: no frame
        + section(order)
        + interface(order, 1, "late")
        + enhanced(order, 0, 2_000_000, frame)
        + block(order, 3, struct.pack(f"{order}I", len(frame)) + frame)
    )
    path = tmp_path / "a.pcapng"
    path.write_bytes(data)
    found, names = records(path)
    assert [r.frame for r in found] == [1, 2, 3, 4]
    assert [names[r.interface] for r in found] == ["eth0", "tun0", "late", "late"]
    assert [r.time_ns for r in found] == [NOW, 101_500_000_000, 2_000_000_000, 0]
    assert [r.link_type for r in found] == [1, 101, 1, 1]
    assert found[3].data == frame


@pytest.mark.parametrize(
    ("link_type", "wrap"),
    [
        (1, ethernet),
        (1, lambda p: ethernet(p, 20)),
        (1, lambda p: ethernet(p, 100, 20)),
        (1, lambda p: ethernet(p) + bytes(20)),
        (113, sll),
        (276, sll2),
        (101, lambda p: p),
        (228, lambda p: p),
        (0, lambda p: struct.pack("<I", 2) + p),
        (0, lambda p: struct.pack(">I", 2) + p),
        (108, lambda p: struct.pack(">I", 2) + p),
    ],
    ids=[
        "ethernet",
        "vlan",
        "qinq",
        "padded",
        "sll",
        "sll2",
        "raw",
        "ipv4",
        "null",
        "null-big",
        "loop",
    ],
)
def test_every_link_layer_leads_to_the_same_message(
    tmp_path: Path, link_type: int, wrap: object
) -> None:
    path = tmp_path / "a.pcap"
    frames = [(time_ns, wrap(packet)) for time_ns, packet in packets()]  # type: ignore[operator]
    path.write_bytes(pcap(frames, link_type=link_type))
    (session,) = read_capture(path).sessions
    assert [m.message for m in session.messages] == [Keepalive()]


def test_a_capture_cut_short_is_read_to_its_last_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(on_ethernet(packets() * 2))[:-10])
    capture = read_capture(path)
    assert capture.frames == 7
    assert capture.notes == (f"{path}: cut short inside frame 8",)


def test_gzip_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap.gz"
    whole = pcap(on_ethernet(packets()))
    path.write_bytes(gzip.compress(whole))
    assert len(read_capture(path).sessions) == 1
    # Several members, and padding behind the last (RFC 1952 section 2.2)
    path.write_bytes(gzip.compress(whole[:60]) + gzip.compress(whole[60:]) + bytes(8))
    assert read_capture(path).frames == 4


def test_gzip_cut_short_is_read_to_its_last_whole_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap.gz"
    octets = gzip.compress(pcap(on_ethernet(packets() * 200)))
    path.write_bytes(octets[: len(octets) * 2 // 3])
    capture = read_capture(path)
    assert 10 < capture.frames < 800
    assert "cut short" in capture.notes[0]


def test_much_in_little_gzip_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap.gz"
    frames = [(n, bytes(60000)) for n in range(100)]
    path.write_bytes(gzip.compress(pcap(frames)))
    with open_capture(path) as reader:
        assert max(len(reader._stream.read(1 << 16)) for _ in range(20)) == 1 << 16


def test_other_compressions_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap.xz"
    path.write_bytes(lzma.compress(pcap(on_ethernet(packets()))))
    with pytest.raises(CaptureError, match="compressed with xz"):
        read_capture(path)


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\xa1\xb2",
        b"not a capture file at all, but long enough to look at",
        pcap([])[:20],
        pcap([]) + struct.pack("<IIII", 0, 0, 0x7FFFFFFF, 0x7FFFFFFF) + bytes(40),
        section("<") + struct.pack("<II", 6, 13) + bytes(40),
        section("<") + enhanced("<", 9, 0, b"x"),
        b"\x0a\x0d\x0d\x0a" + bytes(40),
        gzip.compress(b"nothing")[:-6],
        b"\x1f\x8b\x08\0junkjunk",
    ],
    ids=["empty", "two", "text", "header", "huge", "odd", "interface", "order", "gzip", "no-gzip"],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "bad"
    path.write_bytes(octets)
    with pytest.raises(CaptureError) as caught:
        read_capture(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_link_type_is_a_remark(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap([(1, bytes(60))], link_type=147))
    assert "link type 147" in read_capture(path).notes[0]


def test_what_an_argument_may_name(tmp_path: Path) -> None:
    place = tmp_path / "clab-demo" / "captures"
    place.mkdir(parents=True)
    names = ["b_00002_20261122100000.pcapng", "b_00001_20261122090000.pcapng", "a.pcapng"]
    for name in names:
        (place / name).touch()
    found = resolve_captures("demo", directory=tmp_path)
    assert [p.name for p in found] == sorted(names)
    assert [[p.name[:7] for p in ring] for ring in rings(found)] == [
        ["a.pcapn"],
        ["b_00001", "b_00002"],
    ]
    with pytest.raises(CaptureError, match="neither a capture file nor a lab"):
        resolve_captures("nothing", directory=tmp_path)


def test_a_ring_is_one_capture_and_frames_count_anew_in_each_file(tmp_path: Path) -> None:
    found = on_ethernet(packets())
    for index, part in enumerate((found[:2], found[2:]), 1):
        (tmp_path / f"r_{index:05}.pcap").write_bytes(pcap(part))
    capture = read_capture(resolve_captures(str(tmp_path)))
    (conversation,) = capture.sessions[0].conversations
    assert conversation.handshake_complete
    (message,) = conversation.messages
    assert (Path(message.file).name, message.frame) == ("r_00002.pcap", 2)


def test_a_growing_file_is_followed_and_so_is_its_ring(tmp_path: Path) -> None:
    first, second = tmp_path / "r_00001.pcap", tmp_path / "r_00002.pcap"
    whole = pcap(on_ethernet(packets()))
    first.write_bytes(whole[:50])
    more = iter([whole[50:90], whole[90:], None])

    def idle() -> bool:
        part = next(more, b"")
        if part is None:
            connection = Connection(isn=(5, 6), ports=(41000, 179))
            second.write_bytes(
                pcap(on_ethernet([connection.packet(0, PSH | ACK, encode(Keepalive()))]))
            )
            return True
        with first.open("ab") as stream:
            stream.write(part)
        return bool(part)

    found = list(follow_messages(lambda: sorted(tmp_path.glob("r_*")), Assembler, idle))
    assert [(Path(m.file).name, m.frame) for m in found] == [
        ("r_00001.pcap", 4),
        ("r_00002.pcap", 1),
    ]


def test_several_captures_are_followed_at_once(tmp_path: Path) -> None:
    """A lab has one capture for each segment, and more where a user started them."""
    parts = {}
    for name in ("a", "b"):
        place = tmp_path / name / "default.00001.pcap"
        place.parent.mkdir()
        octets = pcap(on_ethernet(packets()))
        place.write_bytes(octets[:-90])
        parts[place] = [octets[-90:-40], octets[-40:], b""]

    def idle() -> bool:
        for place, rest in parts.items():
            with place.open("ab") as stream:
                stream.write(rest.pop(0))
        return all(parts.values())

    paths = list(parts)
    found = list(follow_messages(lambda: paths, Assembler, idle))
    assert [(m.file, m.frame) for m in found] == [(str(path), 4) for path in paths]


def test_a_ring_may_lose_its_oldest_file_meanwhile(tmp_path: Path) -> None:
    names = ["default.00001.pcap", "default.00002.pcap", "default.00003.pcap"]
    looks = [names[:2], names[1:], names[2:]]
    for port, name in enumerate(names, 40000):
        (tmp_path / name).write_bytes(pcap(on_ethernet(packets(port))))

    def find() -> list[Path]:
        return [tmp_path / name for name in looks[0]]

    def idle() -> bool:
        looks.pop(0)
        return bool(looks)

    found = list(follow_messages(find, Assembler, idle))
    assert [Path(m.file).name for m in found] == names


@pytest.mark.parametrize(
    ("kind", "counts"),
    [(4, False), (5, False), (9, True), (10, False), (0xBAD, True), (0x204, True), (0x77, False)],
)
def test_frames_are_numbered_as_wireshark_numbers_them(
    tmp_path: Path, kind: int, counts: bool
) -> None:
    frame = ethernet(packets()[3][1])
    path = tmp_path / "a.pcapng"
    other = block("<", kind, bytes(32))
    start = section("<") + interface("<", 1, "eth0")
    path.write_bytes(start + other + enhanced("<", 0, 1, frame))
    (session,) = read_capture(path).sessions
    assert [m.frame for m in session.messages] == [2 if counts else 1]
