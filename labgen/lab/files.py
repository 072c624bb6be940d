"""Atomic writes: a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from labgen.errors import HostError

TEMPORARY_PREFIX = ".labgen-"


def write(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write one file atomically. Raises HostError naming the path and the reason."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY_PREFIX)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise HostError(f"{path}: cannot be written: {reason}", hint="check rights and space") from None


def write_all(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write every file below `directory`, leaving alone those that already hold their content."""
    for name, content in files.items():
        path = directory / name
        if not _holds(path, content):
            write(path, content)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False
