"""Records of pcap and pcapng files, read in pieces so that memory stays bounded.

pcap: draft-ietf-opsawg-pcap; pcapng: draft-ietf-opsawg-pcapng. docs/wire.md says why this is not
left to scapy.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, Self

from labgen.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 20
_MAX_RECORD = 1 << 26  # no sane snaplen or block is larger; more means a damaged file
# Blocks without a packet that Wireshark numbers as frames all the same (tried with tshark 4.0.17):
# systemd journal entries, custom blocks, sysdig events.
_COUNTED = {0x9, 0xBAD, 0x40000BAD, 0x204, 0x216, 0x221}
_PACKED = {b"\xfd7zX": "xz", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"PK\3\4": "zip"}
_GZIP = b"\x1f\x8b"
_HINT = "expected pcap or pcapng, as tcpdump, dumpcap and Wireshark write"


class Record(NamedTuple):
    """One captured frame: its number (from 1), time, link type, octets and wire length.

    `interface` indexes `RecordReader.interfaces`.
    """

    frame: int
    time_ns: int
    link_type: int
    data: bytes
    wire_length: int
    interface: int


@dataclass(slots=True)
class _Interface:
    link_type: int
    name: str = ""
    # time = ticks * multiplier // divisor + offset, in nanoseconds
    multiplier: int = 1000
    divisor: int = 1
    offset: int = 0


class Readable(Protocol):
    """What a capture is read from: a file, standard input, or what unpacks one."""

    def read(self, size: int, /) -> bytes: ...

    def close(self) -> None: ...


class RecordReader:
    """Reads one capture file; `records()` may be called again when the file has grown."""

    def __init__(self, stream: Readable, name: str) -> None:
        self.name = name
        self.interfaces: list[str] = []
        self._stream = stream
        self._buffer = b""
        self._frame = 0
        self._parse: Callable[[], Iterator[Record]] | None = None
        self._blocks: list[_Interface] = []
        self._order = "<"
        self._section_start = 0
        self._at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    @property
    def frames(self) -> int:
        """How many frames were read so far."""
        return self._frame

    @property
    def recognised(self) -> bool:
        """Whether enough was read to know the file's form."""
        return self._parse is not None

    @property
    def leftover(self) -> int:
        """Octets of an unfinished last record."""
        return len(self._buffer)

    def records(self) -> Iterator[Record]:
        """Every complete record that the file holds by now. Raises CaptureError."""
        while True:
            try:
                chunk = self._stream.read(_CHUNK)
            except (OSError, zlib.error) as error:
                raise CaptureError(f"{self.name}: cannot be read: {error}") from None
            if not chunk:
                return
            self._buffer = self._buffer + chunk if self._buffer else chunk
            if self._parse is None and not self._recognise():
                continue
            assert self._parse is not None
            self._at = 0
            try:
                yield from self._parse()
            finally:
                self._buffer = self._buffer[self._at :]
                self._at = 0

    def _recognise(self) -> bool:
        """Find out the file's form, once enough of it is here."""
        head = self._buffer
        if len(head) < 4:
            return False
        magic = head[:4]
        if magic == b"\x0a\x0d\x0d\x0a":
            self._parse = self._pcapng
            return True
        forms = {
            b"\xa1\xb2\xc3\xd4": (">", 1000, 16),
            b"\xd4\xc3\xb2\xa1": ("<", 1000, 16),
            b"\xa1\xb2\x3c\x4d": (">", 1, 16),
            b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
            b"\xa1\xb2\xcd\x34": (">", 1000, 24),  # the "modified" pcap of old Linux systems
            b"\x34\xcd\xb2\xa1": ("<", 1000, 24),
        }
        if magic not in forms:
            packed = next((n for m, n in _PACKED.items() if head.startswith(m)), None)
            if packed is not None:
                raise CaptureError(f"{self.name}: compressed with {packed}", hint="unpack it first")
            raise CaptureError(f"{self.name}: not a capture file", hint=_HINT)
        if len(head) < 24:
            return False
        order, to_ns, header = forms[magic]
        (network,) = struct.unpack_from(f"{order}I", head, 20)
        link_type = network & 0xFFFF  # the upper half may hold the FCS length
        self.interfaces.append("")
        self._buffer = head[24:]
        self._parse = lambda: self._pcap(order, to_ns, header, link_type)
        return True

    def _pcap(self, order: str, to_ns: int, header: int, link_type: int) -> Iterator[Record]:
        unpack = struct.Struct(f"{order}IIII").unpack_from
        buffer = self._buffer
        size = len(buffer)
        at = 0
        frame = self._frame
        while at + header <= size:
            seconds, fraction, captured, length = unpack(buffer, at)
            if captured > _MAX_RECORD:
                raise CaptureError(
                    f"{self.name}: frame {frame + 1} claims {captured} octets: the file is damaged"
                )
            end = at + header + captured
            if end > size:
                break
            frame += 1
            data = buffer[at + header : end]
            at = end
            self._at = at
            self._frame = frame
            time_ns = seconds * 1_000_000_000 + fraction * to_ns
            yield Record(frame, time_ns, link_type, data, length, 0)

    def _pcapng(self) -> Iterator[Record]:
        buffer = self._buffer
        size = len(buffer)
        while self._at + 12 <= size:
            at = self._at
            if buffer[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                self._start_section(buffer[at + 8 : at + 12])
            kind, total = struct.unpack_from(f"{self._order}II", buffer, at)
            if total < 12 or total % 4 or total > _MAX_RECORD:
                raise CaptureError(
                    f"{self.name}: a block of {total} octets after frame {self._frame}: the file "
                    "is damaged"
                )
            if at + total > size:
                return
            self._at = at + total
            record = self._block(kind, buffer[at + 8 : at + total - 4])
            if record is not None:
                yield record

    def _start_section(self, magic: bytes) -> None:
        if magic not in (b"\x1a\x2b\x3c\x4d", b"\x4d\x3c\x2b\x1a"):
            raise CaptureError(f"{self.name}: a section with an unknown byte order", hint=_HINT)
        self._order = ">" if magic == b"\x1a\x2b\x3c\x4d" else "<"
        self._section_start = len(self._blocks)

    def _block(self, kind: int, body: bytes) -> Record | None:
        try:
            if kind == 6:
                return self._enhanced_packet(body)
            if kind == 1:
                self._interface(body)
            elif kind == 3:
                return self._simple_packet(body)
            elif kind == 2:
                return self._packet(body)
            elif kind in _COUNTED:
                self._frame += 1
        except (struct.error, IndexError):
            raise CaptureError(
                f"{self.name}: a malformed block after frame {self._frame}: the file is damaged"
            ) from None
        return None

    def _interface(self, body: bytes) -> None:
        (link_type,) = struct.unpack_from(f"{self._order}H", body)
        interface = _Interface(link_type)
        for code, value in self._options(body[8:]):
            if code == 2:
                interface.name = value.decode("utf-8", "replace").rstrip("\0")
            elif code == 9 and value:
                _set_resolution(interface, value[0])
            elif code == 14 and len(value) == 8:
                (seconds,) = struct.unpack(f"{self._order}q", value)
                interface.offset = seconds * 1_000_000_000
        self._blocks.append(interface)
        self.interfaces.append(interface.name)

    def _options(self, body: bytes) -> Iterator[tuple[int, bytes]]:
        at = 0
        while at + 4 <= len(body):
            code, length = struct.unpack_from(f"{self._order}HH", body, at)
            if code == 0:
                return
            yield code, body[at + 4 : at + 4 + length]
            at += 4 + (length + 3) // 4 * 4

    def _record(self, index: int, ticks: int | None, data: bytes, length: int) -> Record:
        # Interfaces are numbered anew in each section.
        number = self._section_start + index
        interface = self._blocks[number]
        self._frame += 1
        time_ns = 0
        if ticks is not None:
            time_ns = ticks * interface.multiplier // interface.divisor + interface.offset
        return Record(self._frame, time_ns, interface.link_type, data, length, number)

    def _enhanced_packet(self, body: bytes) -> Record:
        index, high, low, captured, length = struct.unpack_from(f"{self._order}IIIII", body)
        if 20 + captured > len(body):
            raise IndexError
        return self._record(index, high << 32 | low, body[20 : 20 + captured], length)

    def _simple_packet(self, body: bytes) -> Record:
        (length,) = struct.unpack_from(f"{self._order}I", body)
        return self._record(0, None, body[4 : 4 + length], length)

    def _packet(self, body: bytes) -> Record:
        """The obsolete Packet Block."""
        index, _, high, low, captured, length = struct.unpack_from(f"{self._order}HHIIII", body)
        if 20 + captured > len(body):
            raise IndexError
        return self._record(index, high << 32 | low, body[20 : 20 + captured], length)


def _set_resolution(interface: _Interface, value: int) -> None:
    """if_tsresol: a negative power of 10, or of 2 where the highest bit is set."""
    exponent = value & 0x7F
    if value & 0x80:
        interface.multiplier, interface.divisor = 1_000_000_000, 1 << exponent
    else:
        interface.multiplier, interface.divisor = 1_000_000_000, 10**exponent


class _Gunzip:
    """Unpacks a gzip stream (RFC 1952) as it comes; one that is cut short gives what it holds."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        self._stream = stream
        self._rest = head
        self._member = zlib.decompressobj(31)

    def read(self, size: int) -> bytes:
        """At most `size` octets; none at the end. Raises zlib.error for what is no gzip."""
        while True:
            packed = self._rest or self._stream.read(size)
            if not packed:
                return b""
            if self._member.eof:
                if not packed.startswith(_GZIP[:1]):
                    self._rest = b""  # padding behind the last member
                    continue
                self._member = zlib.decompressobj(31)
            found = self._member.decompress(packed, size)
            self._rest = self._member.unconsumed_tail or self._member.unused_data
            if found:
                return found

    def close(self) -> None:
        self._stream.close()


class _Opened:
    """A stream whose first octets were read to know what it is."""

    def __init__(self, stream: BinaryIO, head: bytes) -> None:
        self._stream, self._head = stream, head

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head or self._stream.read(size)

    def close(self) -> None:
        self._stream.close()


def open_capture(path: Path) -> RecordReader:
    """Open a capture file, or standard input for `-`; gzip is unpacked. Raises CaptureError."""
    name = "standard input" if str(path) == "-" else str(path)
    try:
        # Unbuffered: a live capture is read as it comes, not when a megabyte is full.
        stream = (
            os.fdopen(0, "rb", buffering=0, closefd=False)
            if str(path) == "-"
            else (path.open("rb", buffering=0))
        )
        head = stream.read(2)
    except FileNotFoundError:
        raise CaptureError(f"{path}: no such file", hint="check the path") from None
    except OSError as error:
        raise CaptureError(f"{name}: cannot be read: {error.strerror}") from None
    unpacked = _Gunzip(stream, head) if head == _GZIP else _Opened(stream, head)
    return RecordReader(unpacked, name)
