"""Read captures: whole, message by message, or while they grow."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.bgp.vocabulary import BGP_PORT
from labgen.capture.assembler import Assembler
from labgen.capture.files import open_capture
from labgen.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from labgen.bgp.conversation import Capture, WireMessage
    from labgen.capture.files import RecordReader

_SUFFIXES = {".pcap", ".pcapng", ".cap", ".gz"}
# How ring buffers number their files: dumpcap `x_00001_20261122093000.pcapng`, tcpdump `x.pcap3`.
_RING = re.compile(
    r"(?P<stem>.*?)[_.-]?\d{5}(?:_\d{14})?(?P<suffix>\.(?:pcapng|pcap|cap)(?:\.gz)?)$"
)


def resolve_captures(argument: str, *, directory: Path | None = None) -> list[Path]:
    """The capture files an argument names: a file, `-`, a directory, or a lab.

    A lab is looked up as `clab-<name>/captures/*.pcapng` under `directory` (the working directory
    unless given). Raises CaptureError when nothing is there.
    """
    path = Path(argument)
    if argument == "-" or (path.exists() and not path.is_dir()):
        return [path]
    if path.is_dir():
        places = [path, path / "captures"]
    else:
        places = [(directory or Path()) / f"clab-{argument}" / "captures"]
    for place in places:
        inside = (*place.glob("*"), *place.glob("*/*"))  # a lab has a directory per segment
        found = [p for p in inside if p.suffix in _SUFFIXES and p.is_file()]
        if found:
            return sorted(found)
    raise CaptureError(
        f"{argument}: neither a capture file nor a lab with captures",
        hint="name a pcap or pcapng file, or a lab that was deployed",
    )


def rings(paths: Iterable[Path]) -> list[list[Path]]:
    """Group files by the capture they belong to: the files of one ring in order, others alone."""
    return list(_by_ring(paths).values())


def _by_ring(paths: Iterable[Path]) -> dict[tuple[Path, str], list[Path]]:
    groups: dict[tuple[Path, str], list[Path]] = {}
    for path in sorted(paths):
        match = _RING.match(path.name)
        key = match["stem"] + match["suffix"] if match else path.name
        groups.setdefault((path.parent, key), []).append(path)
    return groups


def stream_messages(
    paths: Sequence[Path], assembler: Assembler, notes: list[str] | None = None
) -> Iterator[WireMessage]:
    """Every message of the files, read as one capture; `assembler` gathers the rest.

    Remarks on the files go to `notes`. Raises CaptureError.
    """
    for path in paths:
        with open_capture(path) as reader:
            yield from _available(reader, assembler)
            _check_end(reader, notes)
    yield from assembler.finish()


def _available(reader: RecordReader, assembler: Assembler) -> Iterator[WireMessage]:
    name, interfaces, add = reader.name, reader.interfaces, assembler.add
    for record in reader.records():
        found = add(record, name, interfaces[record.interface])
        if found:
            yield from found


def _check_end(reader: RecordReader, notes: list[str] | None) -> None:
    if not reader.recognised:
        size = f"{reader.leftover} octets are no header" if reader.leftover else "it is empty"
        raise CaptureError(
            f"{reader.name}: not a capture file: {size}",
            hint="expected pcap or pcapng, as tcpdump, dumpcap and Wireshark write",
        )
    if reader.leftover and notes is not None:
        # What a killed tcpdump leaves behind; all before it is sound.
        notes.append(f"{reader.name}: cut short inside frame {reader.frames + 1}")


def follow_messages(
    find: Callable[[], Sequence[Path]],
    assembler: Callable[[], Assembler],
    idle: Callable[[], bool],
) -> Iterator[WireMessage]:
    """Messages of captures that still grow.

    `find` lists the files by now (a ring gains files); each ring is a capture of its own, with an
    assembler of its own. `idle` is called whenever all was read: it waits, and returns False to
    end. Raises CaptureError.
    """
    followed: dict[tuple[Path, str], _Followed] = {}
    try:
        going = True
        while going:
            for key, paths in _by_ring(find()).items():
                if key not in followed:
                    followed[key] = _Followed(assembler())
                yield from followed[key].more(paths)
            going = idle()
        for ring in followed.values():
            yield from ring.assembler.finish()
    finally:
        for ring in followed.values():
            ring.close()


class _Followed:
    """A ring of files, read on from wherever the last look ended."""

    def __init__(self, assembler: Assembler) -> None:
        self.assembler = assembler
        self._reader: RecordReader | None = None
        self._path: Path | None = None
        self._done: set[Path] = set()

    def more(self, paths: Sequence[Path]) -> Iterator[WireMessage]:
        """What the files hold that was not read yet. A file with a later one is complete: the list
        was made before it is read."""
        for path in paths:
            if path in self._done:
                continue
            if self._path != path:
                self.close()
                self._path, self._reader = path, open_capture(path)
            assert self._reader is not None
            yield from _available(self._reader, self.assembler)
            if path != paths[-1]:
                self._done.add(path)

    def close(self) -> None:
        if self._reader is not None:
            with self._reader:
                self._reader = None


def read_capture(paths: Sequence[Path] | Path, *, ports: Iterable[int] = (BGP_PORT,)) -> Capture:
    """The whole story of one capture, in memory. Raises CaptureError for unreadable files."""
    assembler = Assembler(ports)
    notes: list[str] = []
    files = [paths] if isinstance(paths, Path) else list(paths)
    for _ in stream_messages(files, assembler, notes):
        pass
    return assembler.capture(notes)
