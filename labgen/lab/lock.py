"""One command at a time on one lab: a lock file in the lab's directory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from labgen.errors import HostError, LabError, NotReady
from labgen.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK = ".labgen.lock"
WAIT_SECONDS = 30.0


@contextlib.contextmanager
def locked(
    directory: Path,
    what: str,
    *,
    seconds: float = WAIT_SECONDS,
    say: Callable[[str], object] = str,
) -> Iterator[bool]:
    """Hold the lab directory's lock. `what` says to others what holds it ("deploy of demo").

    Yields whether an earlier holder was killed: one that ends removes its file. The kernel lets go
    of the lock when a process ends, in whatever way. Waits up to `seconds`, then raises LabError
    naming the holder; whoever waited on a removed file starts anew. Raises HostError when the
    directory cannot be written.
    """
    path = directory / LOCK
    try:
        descriptor = _take(path)
        if descriptor is None:
            say(f"waiting for {_holder(path)}")
            with contextlib.suppress(NotReady):
                descriptor = wait_until(
                    lambda: _take(path), lambda d: d is not None,
                    deadline=seconds, what="the lab's lock", clock=time.monotonic,
                )  # fmt: skip
    except OSError as error:
        raise HostError(f"{directory}: cannot be written: {error.strerror}") from error
    if descriptor is None:
        raise LabError(f"{directory.name} is busy: {_holder(path)}", hint="try again when it ends")
    try:
        killed = os.fstat(descriptor).st_size > 0
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{what}, process {os.getpid()}".encode())
        yield killed
    finally:
        path.unlink(missing_ok=True)  # while it is held: a waiter sees a file that is no longer it
        os.close(descriptor)


def _take(path: Path) -> int | None:
    """The lock's descriptor; None while another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "another command"
    except OSError:
        return "another command"
