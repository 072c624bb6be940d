"""Read captures: whole, message by message, or while they grow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from labgen.bgp.vocabulary import BGP_PORT
from labgen.capture.assembler import Assembler
from labgen.capture.files import open_capture
from labgen.errors import CaptureError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labgen.bgp.conversation import Capture, WireMessage


def resolve_captures(argument: str, *, directory: Path | None = None) -> list[Path]:
    """The capture files an argument names: a file, `-`, a directory, or a lab.

    A lab is looked up as `clab-<name>/captures/*.pcapng` under `directory` (the working directory
    unless given). Raises CaptureError when nothing is there.
    """
    path = Path(argument)
    if argument == "-" or path.is_file():
        return [path]
    if path.is_dir():
        places = [path, path / "captures"]
    else:
        base = directory or Path()
        places = [base / f"clab-{argument}" / "captures"]
    for place in places:
        found = [p for p in place.glob("*") if p.suffix in (".pcap", ".pcapng", ".cap", ".gz")]
        if found:
            return sorted(found)
    if path.exists() and not path.is_dir():
        return [path]  # a pipe or a device
    raise CaptureError(
        f"{argument}: neither a capture file nor a lab with captures",
        hint="name a pcap or pcapng file, or a lab that was deployed",
    )


def stream_messages(
    paths: Sequence[Path], assembler: Assembler, notes: list[str] | None = None
) -> Iterator[WireMessage]:
    """Every message of the files, read as one capture; `assembler` gathers the rest.

    Remarks on the files go to `notes`. Raises CaptureError.
    """
    for path in paths:
        name = str(path)
        with open_capture(path) as reader:
            for record in reader.records():
                yield from assembler.add(record, name, reader.interfaces[record.interface])
        if reader.frames == 0 and reader.leftover:
            raise CaptureError(f"{name}: not a capture file: it ends inside its first header")
        if reader.leftover and notes is not None:
            notes.append(f"{name}: cut short inside frame {reader.frames + 1}")
    yield from assembler.finish()


def read_capture(paths: Sequence[Path] | Path, *, ports: Iterable[int] = (BGP_PORT,)) -> Capture:
    """The whole story of one capture, in memory. Raises CaptureError for unreadable files."""
    assembler = Assembler(ports)
    notes: list[str] = []
    files = [paths] if isinstance(paths, Path) else list(paths)
    for _ in stream_messages(files, assembler, notes):
        pass
    return assembler.capture(notes)
