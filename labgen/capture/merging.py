"""Several pcapng files as one: by time, with every interface under one number.

A segment's capture is a row of files (`<name>.<n>.pcapng`), each of which stands alone; a lab's
capture is one row per segment. All stamps are CLOCK_REALTIME of one kernel, so ordering by stamp
is ordering by time. Files may still be growing: a block that is not whole yet is left for later.

Only the shapes that labgen's sniffer writes are read: little endian, Ethernet, nanoseconds.
Format: draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import heapq
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgen.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

SECTION_HEADER, INTERFACE, PACKET, STATISTICS = 0x0A0D0D0A, 1, 6, 5
_HEAD = struct.Struct("<II")
_LARGEST_BLOCK = 1 << 24


@dataclass(frozen=True, slots=True)
class Record:
    """A packet or a statistics block. `stamp` is in nanoseconds since 1970.

    `interface` is the whole description block, `body` the record's block body after its
    interface number.
    """

    stamp: int
    kind: int
    interface: bytes
    body: bytes


class Row:
    """The files of one capture on one segment, read on from wherever the last look ended."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        self._number = 0
        self._offset = 0
        self._interfaces: list[bytes] = []

    def files(self) -> list[tuple[int, Path]]:
        """Number and path of each file, oldest first."""
        return numbered(self._directory, self._name)

    def records(self) -> Iterator[Record]:
        """What has been added since the last call. Raises CaptureError for a broken file."""
        for number, path in self.files():
            if number < self._number:
                continue
            if number > self._number:
                self._number, self._offset, self._interfaces = number, 0, []
            try:
                with path.open("rb") as file:
                    yield from self._read(file, path)
            except FileNotFoundError:
                continue  # rotated away between listing and opening
            except OSError as error:
                raise CaptureError(f"{path}: cannot be read: {error.strerror}") from error

    def _read(self, file: BinaryIO, path: Path) -> Iterator[Record]:
        file.seek(self._offset)
        while (block := _next_block(file, path)) is not None:
            kind, body = block
            self._offset = file.tell()
            if kind == INTERFACE:
                self._interfaces.append(body)
            elif kind in (PACKET, STATISTICS):
                index, high, low = struct.unpack_from("<III", body)
                if index >= len(self._interfaces):
                    raise CaptureError(f"{path}: a record names interface {index}, unknown so far")
                yield Record(high << 32 | low, kind, self._interfaces[index], body[4:])


def _next_block(file: BinaryIO, path: Path) -> tuple[int, bytes] | None:
    """One whole block; None at the end, or where a block is still being written."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    kind, length = _HEAD.unpack(head)
    if length < 12 or length % 4 or length > _LARGEST_BLOCK:
        raise CaptureError(f"{path}: not a capture of labgen's: a block of {length} octets")
    rest = file.read(length - _HEAD.size)
    return (kind, rest[:-4]) if len(rest) == length - _HEAD.size else None


def numbered(directory: Path, name: str) -> list[tuple[int, Path]]:
    """The files of a capture with their numbers, oldest first."""
    found = []
    for path in directory.glob(f"{name}.*.pcapng"):
        number = path.name.removeprefix(f"{name}.").removesuffix(".pcapng")
        if number.isdigit():
            found.append((int(number), path))
    return sorted(found)


def block(kind: int, body: bytes) -> bytes:
    """A pcapng block around a body (padded to four octets)."""
    body += b"\0" * (-len(body) % 4)
    length = len(body) + 12
    return _HEAD.pack(kind, length) + body + struct.pack("<I", length)


class Writer:
    """One section; interfaces are described when their first record comes."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._interfaces: dict[bytes, int] = {}
        out.write(block(SECTION_HEADER, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))

    def write(self, record: Record) -> None:
        index = self._interfaces.get(record.interface)
        if index is None:
            index = self._interfaces[record.interface] = len(self._interfaces)
            self._out.write(block(INTERFACE, record.interface))
        self._out.write(block(record.kind, struct.pack("<I", index) + record.body))


def merge(rows: Iterable[Row], out: BinaryIO) -> int:
    """Write everything that the rows hold, by time. Returns the number of packets."""
    writer = Writer(out)
    packets = 0
    for record in _by_time(rows):
        writer.write(record)
        packets += record.kind == PACKET
    return packets


def follow(rows: Iterable[Row], out: BinaryIO, more: Callable[[], bool]) -> None:
    """Write what the rows hold and then what they get, until `more()` says no or nobody reads.

    `more` is called between two looks and does the waiting. Within one look, records are in the
    order of time.
    """
    rows = tuple(rows)
    try:
        writer = Writer(out)
        out.flush()
        while True:
            for record in _by_time(rows):
                if record.kind == PACKET:
                    writer.write(record)
            out.flush()
            if not more():
                return
    except BrokenPipeError:
        return  # the reader has seen enough


def _by_time(rows: Iterable[Row]) -> Iterator[Record]:
    return heapq.merge(*(row.records() for row in rows), key=lambda record: record.stamp)
