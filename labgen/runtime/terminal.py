"""A process in a container on the user's own terminal, as `docker exec -it` has it."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from labgen.runtime.docker import raw_socket, translated

if TYPE_CHECKING:
    from labgen.runtime.docker import DockerRuntime


def interactive(runtime: DockerRuntime, container: str, argv: Sequence[str]) -> int:
    """Run `argv` on this terminal until it ends; its exit code. Raises LabError, HostError."""
    api = runtime.api
    columns, rows = shutil.get_terminal_size()
    with translated(f"{container}: `{argv[0]}`"):
        made = api.exec_create(container, list(argv), stdin=True, tty=True)
        keep = api.exec_start(made["Id"], socket=True, tty=True)
        api.exec_resize(made["Id"], height=rows, width=columns)
        try:
            with _raw_terminal():
                _relay(raw_socket(keep).fileno())
        finally:
            keep.close()
        return int(api.exec_inspect(made["Id"])["ExitCode"] or 0)


@contextlib.contextmanager
def _raw_terminal() -> Iterator[None]:
    """Every key goes to the process, Ctrl-C included."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _relay(remote: int) -> None:
    """Both directions until the process closes its side."""
    local = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([local, remote], [], [])
        if remote in ready:
            data = os.read(remote, 65536)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
        if local in ready:
            os.write(remote, os.read(local, 65536))
