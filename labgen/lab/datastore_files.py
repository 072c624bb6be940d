"""A cluster's datastore in a file: one writer at a time, and no half-written state.

A writer holds a lock (flock on a file beside the store) from reading to writing; it writes a new
file and renames it over the old one. Whoever is killed in between leaves the old store, and the
kernel gives its lock back. Readers take no lock.
"""

from __future__ import annotations

import fcntl
import os
import sys
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.calico import datastore
from labgen.calico.calicoctl.manifests import Given, Manifest, Unreadable
from labgen.calico.datastore import Datastore, Stamps
from labgen.errors import HostError, InputError, LabError
from labgen.lab import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

_MODE = 0o600  # it holds Secrets
_MANIFESTS = (".yaml", ".yml", ".json")


def real_stamps() -> Stamps:
    """This machine's clock and random ids."""
    return Stamps(now=lambda: datetime.now(UTC), uid=lambda: str(uuid.uuid4()))


@dataclass(slots=True)
class Transaction:
    """The store under its lock. Nothing is written unless `commit` is called."""

    before: Datastore
    _write: Callable[[Datastore], None]

    def commit(self, after: Datastore) -> None:
        """Make `after` the store. The same revision as before is no change: nothing is written."""
        if after.revision == self.before.revision:
            return
        if after.revision < self.before.revision:
            raise LabError(
                f"the datastore's revision would go back from {self.before.revision} to "
                f"{after.revision}",
                hint="commit what was made out of this transaction's `before`",
            )
        self._write(after)
        self.before = after


@dataclass(frozen=True, slots=True)
class DatastoreFile:
    """The datastore kept at `path`; its lock is `<path>.lock`."""

    path: Path

    def read(self) -> Datastore:
        """The store as it was last committed. Raises InputError, HostError."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InputError(
                f"{self.path}: there is no datastore here", hint="deploy the lab first"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise HostError(f"{self.path}: cannot be read: {error}") from None
        return datastore.from_text(text, str(self.path))

    def create(self, store: Datastore) -> None:
        """Begin with `store`, in place of what may be there (a new deployment)."""
        with self._locked():
            self._write(store)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Read, change and commit while nobody else writes.

        Waits for another writer to end. An exception leaves the store as it was.
        """
        with self._locked():
            yield Transaction(self.read(), self._write)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.path.with_name(self.path.name + ".lock")
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise HostError(f"{lock}: cannot be opened: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._remove_remains()
            yield
        finally:
            os.close(descriptor)  # gives the lock back

    def _write(self, store: Datastore) -> None:
        files.write_atomically(self.path, datastore.to_text(store).encode(), mode=_MODE)

    def _remove_remains(self) -> None:
        """A writer that was killed leaves its new file; under the lock nobody else writes one.

        Other files of a lab's directory are written by other commands: only those that begin as
        a datastore does are taken away.
        """
        for remains in self.path.parent.glob(f"{files.TEMPORARY}*"):
            try:
                with remains.open("rb") as stream:
                    ours = stream.read(len(datastore.MARK)) == datastore.MARK.encode()
                if ours:
                    remains.unlink()
            except OSError:
                continue  # another command's, and gone already


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
