"""One command at a time on one lab: a lock file in the lab's directory.

A rehearsal is many commands on one lab, with its measurements in between: it holds a second lock
for as long as it lasts, and everybody else's commands are refused at once. That lock's file stands
beside the lab's directory, which a rehearsal may remove and make anew.
"""

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
    naming the holder; whoever waited on a removed file starts anew. A rehearsal by another process
    is not waited for. Raises HostError when the directory cannot be written.
    """
    refuse_rehearsed(directory)
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
        raise _busy(directory, path)
    try:
        refuse_rehearsed(directory)  # one that began meanwhile has seen this lock, or is seen here
        killed = os.fstat(descriptor).st_size > 0
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{what}, process {os.getpid()}".encode())
        yield killed
    finally:
        path.unlink(missing_ok=True)  # while it is held: a waiter sees a file that is no longer it
        os.close(descriptor)


@contextlib.contextmanager
def rehearsing(directory: Path) -> Iterator[None]:
    """Hold the lab whose directory this is (it need not exist yet) for a whole rehearsal.

    Commands of this process go on as ever, those of others raise LabError naming this one. Raises
    LabError at once where a command or another rehearsal holds the lab, HostError where the
    directory's parent cannot be written.
    """
    path = _rehearsal(directory)
    try:
        descriptor = _take(path)
    except OSError as error:
        raise HostError(f"{path.parent}: cannot be written: {error.strerror}") from error
    if descriptor is None:
        raise _busy(directory, path)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"rehearsal of {_lab(directory)}, process {os.getpid()}".encode())
        if _is_held(directory / LOCK):
            raise _busy(directory, directory / LOCK)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def refuse_rehearsed(directory: Path) -> None:
    """Raises LabError while another process rehearses the lab; forgets one that was killed."""
    path = _rehearsal(directory)
    if not path.exists() or _holder(path).endswith(f", process {os.getpid()}"):
        return
    descriptor = _take(path)
    if descriptor is None:
        raise _busy(directory, path)
    path.unlink(missing_ok=True)
    os.close(descriptor)


def _rehearsal(directory: Path) -> Path:
    return directory.with_name(f".{directory.name}.rehearsal")


def _lab(directory: Path) -> str:
    return directory.name.removeprefix("clab-")


def _busy(directory: Path, path: Path) -> LabError:
    return LabError(
        f"lab {_lab(directory)} is busy: {_holder(path)}", hint="try again when it ends"
    )


def _is_held(path: Path) -> bool:
    """Whether a process holds the lock of this file, which may not be there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
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
