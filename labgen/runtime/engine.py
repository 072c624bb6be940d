"""Is there a Docker engine? Where the caller allows it, root on Debian gets one.

An engine that was there before is never touched: only a dockerd that this module started, and
that still is the very process it started, is stopped by `stop_own_engine`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.errors import HostError
from labgen.runtime.bootstrap import install
from labgen.runtime.docker import client

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

START_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.1
DEFAULT_HOST = "unix:///var/run/docker.sock"
# Enough for labs (their nodes have no Docker network) where a kernel or container forbids more.
_WITHOUT_NETWORK = ("--bridge=none", "--iptables=false", "--ip6tables=false")


@dataclass(frozen=True, slots=True)
class OwnEngine:
    """Where an engine of our own stands: what it listens on, where its process is recorded."""

    host: str = DEFAULT_HOST
    run_directory: Path = Path("/run/labgen")
    options: tuple[str, ...] = ()

    @property
    def record(self) -> Path:
        return self.run_directory / "dockerd.json"

    @property
    def log(self) -> Path:
        return self.run_directory / "dockerd.log"


def engine_version(host: str | None = None) -> str:
    """The version of the engine that answers. Raises HostError, in one line, when none does."""
    api = client(timeout=10, host=host)
    try:
        return str(api.version()["Version"])
    finally:
        api.close()


def ensure_engine(
    *, start: bool, say: Callable[[str], object] = str, own: OwnEngine | None = None
) -> str:
    """Make sure an engine answers; returns its version.

    With `start`, root on Debian gets one: Debian's docker.io is installed where dockerd is
    missing, and started. Everywhere else, and for an engine that DOCKER_HOST names elsewhere,
    HostError says in one line what to do.
    """
    own = own or OwnEngine()
    try:
        return engine_version()
    except HostError as error:
        elsewhere = os.environ.get("DOCKER_HOST", own.host) != own.host
        if not start or elsewhere or "no right to use" in error.message:
            raise
    _require_root_on_debian()
    if shutil.which("dockerd") is None:
        say("installing Debian's docker.io")
        install("docker.io")
    if Path("/run/systemd/system").is_dir() and own == OwnEngine():
        say("starting the docker service")
        subprocess.run(["systemctl", "start", "docker"], check=False, capture_output=True)
        return engine_version()
    say("starting dockerd")
    try:
        return _start(own, ())
    except HostError:
        say("starting dockerd without networks of its own, which labs do not need")
        return _start(own, _WITHOUT_NETWORK)


def _require_root_on_debian() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get") is not None:
        return
    hint = "install Docker and start it: `sudo apt-get install docker.io`"
    if shutil.which("dockerd") is not None:
        hint = "start it: `sudo systemctl start docker`"
    raise HostError("no Docker engine answers", hint=hint)


def _start(own: OwnEngine, more: Sequence[str]) -> str:
    """Start dockerd in the background and wait until it answers; its log tells why it does not."""
    try:
        own.run_directory.mkdir(parents=True, exist_ok=True)
        log = own.log.open("wb")
    except OSError as error:
        raise HostError(f"{own.run_directory}: cannot be written: {error.strerror}") from error
    with log:
        process = subprocess.Popen(
            ["dockerd", f"--host={own.host}", *own.options, *more],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    for _ in range(int(START_SECONDS / POLL_SECONDS)):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(POLL_SECONDS)
            raise HostError(f"dockerd ended: {_last_line(own.log)}", hint=f"its log is {own.log}")
        with contextlib.suppress(HostError):
            version = engine_version(own.host)
            record = {"pid": process.pid, "started": _started(process.pid)}
            own.record.write_text(json.dumps(record), encoding="utf-8")
            process.returncode = 0  # it is left running on purpose; nobody waits for it
            return version
    process.terminate()
    process.wait()
    raise HostError(
        f"dockerd does not answer after {START_SECONDS:g} s", hint=f"its log is {own.log}"
    )


def _last_line(path: Path) -> str:
    lines = [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def stop_own_engine(own: OwnEngine | None = None) -> bool:
    """Stop the engine that `ensure_engine` started; False when there is none of ours.

    Its containers stop with it. Raises HostError when it does not end.
    """
    own = own or OwnEngine()
    try:
        record = json.loads(own.record.read_text(encoding="utf-8"))
        pid, started = int(record["pid"]), str(record["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    if _started(pid) != started:
        own.record.unlink()
        return False
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not _ends(handle, pid):
            raise HostError(f"dockerd (process {pid}) does not end", hint=f"its log is {own.log}")
    finally:
        os.close(handle)
    own.record.unlink()
    return True


def _ends(handle: int, pid: int) -> bool:
    """Wait for a process by its handle, which becomes readable when it ends."""
    ended = bool(select.select([handle], [], [], STOP_SECONDS)[0])
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # ours to collect when this very process started it
    return ended


def _started(pid: int) -> str:
    """When a process began, in clock ticks since boot: with the pid, its identity (proc(5))."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[19]
