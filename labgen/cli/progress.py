"""A line that says what goes on: rewritten in place on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import Self

import click

from labgen.lab.progress import Event, Step

_QUIET = {Step.STARTED, Step.REMOVED}  # counted steps: only their last is worth a plain line


class ProgressLine:
    """`with ProgressLine("deploy x") as line`: pass `line.event` as a progress callback."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._terminal = sys.stderr.isatty()
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self._open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._clear()

    def event(self, event: Event) -> None:
        """A Progress callback."""
        count = f" {event.done}/{event.total}" if event.total else ""
        if self._terminal:
            self.tell(f"{event.text}{count}")
        elif event.step not in _QUIET or event.done == event.total:
            click.echo(f"{self._title}: {event.text}{count}", err=True)

    def tell(self, text: str) -> None:
        """What goes on right now; shown on a terminal only."""
        if not self._terminal:
            return
        with self._lock:
            seconds = time.monotonic() - self._start
            width = shutil.get_terminal_size().columns - 1
            line = f"{self._title}  {seconds:5.1f} s  {text}"[:width]
            click.echo(f"\r\x1b[2K{line}", nl=False, err=True)
            self._open = True

    def finish(self, text: str) -> None:
        """The last word, on standard output."""
        self._clear()
        click.echo(f"{text} ({time.monotonic() - self._start:.1f} s)")

    def _clear(self) -> None:
        with self._lock:
            if self._open:
                click.echo("\r\x1b[2K", nl=False, err=True)
                self._open = False
