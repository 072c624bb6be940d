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
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

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
    groups: dict[tuple[Path, str], list[Path]] = {}
    for path in sorted(paths):
        match = _RING.match(path.name)
        key = match["stem"] + match["suffix"] if match else path.name
        groups.setdefault((path.parent, key), []).append(path)
    return list(groups.values())


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
    find: Callable[[], Sequence[Path]], assembler: Assembler, idle: Callable[[], bool]
) -> Iterator[WireMessage]:
    """Messages of a capture that still grows.

    `find` lists the files by now (a ring gains files); `idle` is called whenever all was read: it
    waits, and returns False to end. Raises CaptureError.
    """
    done: set[Path] = set()
    while True:
        waiting = [path for path in find() if path not in done]
        if not waiting:
            if not idle():
                break
            continue
        path = waiting[0]
        with open_capture(path) as reader:
            going = yield from _follow_file(reader, path, find, assembler, idle)
        done.add(path)
        if not going:
            break
    yield from assembler.finish()


def _follow_file(
    reader: RecordReader,
    path: Path,
    find: Callable[[], Sequence[Path]],
    assembler: Assembler,
    idle: Callable[[], bool],
) -> Generator[WireMessage, None, bool]:
    """Read one file until the ring has gone on to the next one; False when `idle` ends it."""
    while True:
        # Whether a later file exists is asked first: what precedes it was then written already.
        later = find()[-1:] != [path]
        yield from _available(reader, assembler)
        if later:
            return True
        if not idle():
            return False


def read_capture(paths: Sequence[Path] | Path, *, ports: Iterable[int] = (BGP_PORT,)) -> Capture:
    """The whole story of one capture, in memory. Raises CaptureError for unreadable files."""
    assembler = Assembler(ports)
    notes: list[str] = []
    files = [paths] if isinstance(paths, Path) else list(paths)
    for _ in stream_messages(files, assembler, notes):
        pass
    return assembler.capture(notes)
