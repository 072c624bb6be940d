"""The probe program itself, on the loopback: what it writes, and how it ends."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labgen.lab.wait import wait_until
from labgen.rehearsal.outages import Sample, parse

PROGRAM = Path(__file__).parents[3] / "labgen/images/shared/probe.py"


@pytest.fixture
def server() -> Iterator[int]:
    """An HTTP server of one line; its port."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                if connection.recv(4096):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


@pytest.fixture
def silent() -> Iterator[int]:
    """A port whose queue is full: SYNs get no answer."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def go_on(path: Path, seconds: float) -> None:
    until = path.with_name(f"{path.name}.until")
    until.touch()
    os.utime(until, times=(0, time.time() + seconds))


def start(path: Path, *flows: str, seconds: float = 20, timeout: str = "0.2") -> int:
    go_on(path, seconds)
    argv = [sys.executable, "-I", "-S", "-", str(path), timeout, *flows]
    done = subprocess.run(
        argv, input=PROGRAM.read_text(), capture_output=True, text=True, check=True, timeout=20
    )
    return int(done.stdout)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie (nobody adopted it here) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_end(pid: int) -> None:
    wait_until(lambda: alive(pid), lambda there: not there, deadline=10, what="the probe's end")


def samples(path: Path, flow: int = 0) -> list[Sample]:
    found = parse(path.read_text(), str(path)) if path.exists() else None
    return [s for s in found.samples if s.flow == flow] if found else []


def wait_for_samples(path: Path, *flows: int, count: int = 20) -> None:
    wait_until(
        lambda: min(len(samples(path, f)) for f in flows), lambda n: n >= count,
        deadline=10, what="samples",
    )  # fmt: skip


def test_it_answers_writes_and_ends_at_sigterm(tmp_path: Path, server: int) -> None:
    path = tmp_path / "journal"
    pid = start(path, f"0,tcp,127.0.0.1,{server},100", f"1,http,127.0.0.1,{server},100")
    wait_for_samples(path, 0, 1)
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)
    text = path.read_text()
    assert text.endswith("\n")
    assert text.splitlines()[-1].startswith("= ")  # flushed: the last word is what is decided
    for flow in (0, 1):
        found = samples(path, flow)
        assert all(s.rtt_us is not None for s in found)
        steps = [b.sent_ns - a.sent_ns for a, b in itertools.pairwise(found)]
        assert all(step >= 0 for step in steps)


def test_refused_and_unanswered_are_told_apart(tmp_path: Path, silent: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        closed = one.getsockname()[1]
    path = tmp_path / "journal"
    pid = start(path, f"0,tcp,127.0.0.1,{closed},100", f"1,tcp,127.0.0.1,{silent},50")
    wait_for_samples(path, 0, 1)
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)
    assert {s.why for s in samples(path, 0)} == {"r"}
    assert {s.why for s in samples(path, 1)} == {"t"}  # a SYN sent again after 1 s is too late


def test_nothing_sent_before_the_last_mark_is_missing(tmp_path: Path, silent: int) -> None:
    path = tmp_path / "journal"
    pid = start(path, f"0,tcp,127.0.0.1,{silent},50")
    wait_for_samples(path, 0)
    marks: list[int] = []
    for line in path.read_text().splitlines():
        words = line.split()
        if words[0] == "=":
            marks.append(int(words[1]))
        elif marks:
            assert int(words[1]) >= marks[-1]
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)
    assert len(marks) > 1


def test_it_ends_by_itself_when_nobody_asks_it_to_go_on(tmp_path: Path, server: int) -> None:
    path = tmp_path / "journal"
    began = time.monotonic()
    pid = start(path, f"0,tcp,127.0.0.1,{server},100", seconds=1)
    go_on(path, 2)
    wait_for_end(pid)
    assert 1.5 < time.monotonic() - began < 5


@pytest.mark.parametrize("name", ["journal", "journal.until"])
def test_it_ends_when_its_journal_is_gone(tmp_path: Path, server: int, name: str) -> None:
    path = tmp_path / "journal"
    pid = start(path, f"0,tcp,127.0.0.1,{server},100")
    wait_for_samples(path, 0, count=1)
    (tmp_path / name).unlink()
    wait_for_end(pid)


def test_it_costs_little(tmp_path: Path, server: int) -> None:
    """Well under the 5 % of a core that a rehearsal may take for each kind (bench measures it)."""
    path = tmp_path / "journal"
    pid = start(path, f"0,tcp,127.0.0.1,{server},100", f"1,http,127.0.0.1,{server},100")
    wait_for_samples(path, 0, 1, count=100)
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    os.kill(pid, signal.SIGTERM)
    wait_for_end(pid)
    assert used < 0.15  # of a second and more; with both kinds, and the start of Python
