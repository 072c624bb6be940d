"""What a calicoctl command is given from outside: this machine's clock, and what `-f` names."""

from __future__ import annotations

import sys
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.calico.calicoctl.manifests import Given, Manifest, Unreadable
from labgen.calico.datastore import Stamps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

_MANIFESTS = (".yaml", ".yml", ".json")


def real_stamps() -> Stamps:
    """This machine's clock and random ids."""
    return Stamps(now=lambda: datetime.now(UTC), uid=lambda: str(uuid.uuid4()))


def manifests(stdin: TextIO | None = None) -> Callable[[str, bool], Given]:
    """How calicoctl's `-f` reads: a file, `-` (standard input), or a directory's manifests.

    Raises Unreadable with Go's text.
    """

    def read(path: str, recursive: bool) -> Given:
        if path == "-":
            return Given((Manifest("-", (stdin or sys.stdin).read()),))
        place = Path(path)
        if not place.is_dir():
            return Given((_manifest(place),))
        return Given(tuple(map(_manifest, _walk(place, recursive=recursive))), directory=True)

    return read


def _walk(directory: Path, *, recursive: bool) -> Iterator[Path]:
    """Manifests in the order of Go's filepath.Walk: by name, directories in their place."""
    try:
        entries = sorted(directory.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise Unreadable(f"open {directory}: {_go(error)}") from None
    for entry in entries:
        if entry.is_dir():
            if recursive:
                yield from _walk(entry, recursive=True)
        elif entry.suffix.lower() in _MANIFESTS:
            yield entry


def _manifest(path: Path) -> Manifest:
    try:
        return Manifest(str(path), path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Unreadable(f"open {path}: {_go(error)}") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path}: yaml: invalid UTF-8") from None


def _go(error: OSError) -> str:
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]
