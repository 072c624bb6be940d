"""Captures of a running lab: start, stop, list, read as one.

Each segment has its own sniffer (labgen/images/segment/sniffer.py) that writes to
`<lab directory>/captures/<segment>/<name>.<n>.pcapng`; the capture named `default` runs from
before the first link. A sniffer is told to start or stop by a command in the segment's container;
everything else is read from the files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.capture import merging
from labgen.errors import CaptureError, InputError, LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from labgen.runtime.protocol import Commands

DEFAULT = "default"
DIRECTORY = "captures"
SNIFFER = ("python3", "-I", "-S", "/opt/labgen/sniffer.py")
FILES, FILE_OCTETS = 8, 16 << 20
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,39}\Z")


@dataclass(frozen=True, slots=True)
class Capture:
    """One capture on one segment. `octets` counts all its files; `files` is oldest first."""

    name: str
    segment: str
    running: bool
    files: tuple[Path, ...]
    octets: int


@dataclass(frozen=True, slots=True)
class Limits:
    """At most `files` files of about `octets` octets each; the oldest gives way."""

    files: int = FILES
    octets: int = FILE_OCTETS

    def __post_init__(self) -> None:
        if self.files < 1 or self.octets < 4096:
            raise InputError("a capture needs at least 1 file of 4096 octets")


def start(
    commands: Commands,
    segments: Iterable[str],
    name: str,
    *,
    capture_filter: str | None = None,
    limits: Limits | None = None,
) -> None:
    """Start a capture on segments (names of their container nodes); it listens on return.

    `capture_filter` is a pcap filter; None is BGP, BFD, ARP and ICMP, the empty string is
    everything. Where one segment refuses, none keeps the capture. Raises InputError for a name or
    filter that does not do, LabError when the capture runs already or a segment does not run.
    """
    _check_name(name)
    limits = limits or Limits()
    options = ["--background", f"--files={limits.files}", f"--size={limits.octets}"]
    if capture_filter is not None:
        options.append(f"--filter={capture_filter}")
    started: list[str] = []
    for segment in segments:
        done = commands.run(segment, _sniffer(name, *options))
        if done.code:
            for other in started:
                commands.run(other, _sniffer(name, "--stop"))
            raise _refusal(segment, done.stderr)
        started.append(segment)


def stop(commands: Commands, segments: Iterable[str], name: str) -> None:
    """Stop a capture; its files are complete on return. Raises LabError where it does not run."""
    _check_name(name)
    refused = []
    for segment in segments:
        done = commands.run(segment, _sniffer(name, "--stop"))
        if done.code:
            refused.append(_refusal(segment, done.stderr))
    if refused:
        raise refused[0]


def _sniffer(name: str, *options: str) -> Sequence[str]:
    return (*SNIFFER, f"--name={name}", *options)


def _refusal(segment: str, said: str) -> LabError | InputError:
    """The sniffer's own words, last line, under the name of the segment."""
    words = said.strip().splitlines()[-1:] or ["the sniffer did not start"]
    text = words[0].removeprefix("sniffer: ")
    if text.startswith("the filter"):
        return InputError(text, hint="the syntax is that of pcap-filter(7)")
    return LabError(f"segment {segment}: {text}")


def _check_name(name: str) -> None:
    if not _NAME.match(name):
        raise InputError(
            f"a capture cannot be named {name!r}",
            hint="letters, digits, `-` and `_`, at most 40 of them",
        )


def captures(lab_directory: Path) -> tuple[Capture, ...]:
    """Every capture in a lab's directory, of a lab that runs or one that is gone."""
    found = []
    root = lab_directory / DIRECTORY
    for segment in sorted(path for path in root.glob("*") if path.is_dir()):
        names = {path.name.rsplit(".", 2)[0] for path in segment.glob("*.*.pcapng")}
        for name in sorted(names):
            files = tuple(path for _, path in merging.numbered(segment, name))
            octets = sum(_size(path) for path in files)
            found.append(Capture(name, segment.name, _runs(segment, name), files, octets))
    return tuple(found)


def forget(lab_directory: Path, name: str = DEFAULT) -> None:
    """Remove a stopped capture's files: the capture `default` tells of one deployment only."""
    for capture in captures(lab_directory):
        if capture.name == name and not capture.running:
            for path in capture.files:
                path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # rotated away meanwhile
        return 0


def _runs(segment: Path, name: str) -> bool:
    """A running sniffer holds its lock file; one that was killed does not any more."""
    try:
        with (segment / f".{name}.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def rows(
    lab_directory: Path, name: str = DEFAULT, *, segments: Iterable[str] | None = None
) -> tuple[merging.Row, ...]:
    """A capture's files, a row for each segment (or each of `segments`).

    Raises CaptureError when there is no such capture, with the names there are.
    """
    wanted = None if segments is None else set(segments)
    there = captures(lab_directory)
    chosen = [c for c in there if c.name == name and (wanted is None or c.segment in wanted)]
    if not chosen:
        names = ", ".join(sorted({f"{c.name} on {c.segment}" for c in there})) or "none"
        raise CaptureError(f"no capture {name} in {lab_directory}", hint=f"there is: {names}")
    return tuple(merging.Row(c.files[0].parent, name) for c in chosen)


def save(
    lab_directory: Path,
    target: Path,
    name: str = DEFAULT,
    *,
    segments: Iterable[str] | None = None,
) -> int:
    """Write a capture so far as one pcapng, ordered by time. Returns the number of packets.

    The file appears whole or not at all. Raises CaptureError.
    """
    chosen = rows(lab_directory, name, segments=segments)
    try:
        descriptor, part = tempfile.mkstemp(prefix=".labgen-", dir=target.parent)
    except OSError as error:
        raise CaptureError(f"{target}: cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as out:
            count = merging.merge(chosen, out)
        Path(part).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(part).unlink()
        raise
    return count


def stream(
    lab_directory: Path,
    out: BinaryIO,
    more: Callable[[], bool],
    name: str = DEFAULT,
    *,
    segments: Iterable[str] | None = None,
) -> None:
    """Write a capture from its beginning and go on as it grows, as `wireshark -k -i -` wants it.

    Ends when `more()`, called between two looks to wait a little, returns False, or when the
    reader of `out` is gone. Raises CaptureError when there is no such capture.
    """
    merging.follow(rows(lab_directory, name, segments=segments), out, more)
