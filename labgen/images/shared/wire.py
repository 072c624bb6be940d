"""Runs inside the wiring container: makes links between network namespaces, on request.

Requests and replies are JSON, one object per line, on standard input and output; each request has
an `id`, its reply carries the same one. The container shares the host's process and network
namespaces, so a node is named by the process id of its PID 1.

    {"id": 1, "op": "wire", "before": [[PID, [LINE, …]], …], "veths": [LINE, …],
     "after": [[PID, [LINE, …]], …]}          -> {"id": 1}
    {"id": 2, "op": "ready", "pids": [PID, …], "timeout": 30.0}
                                              -> {"id": 2, "waiting": [], "gone": []}
    {"id": 3, "op": "run", "pid": PID, "argv": […], "stdin": "", "timeout": 5.0}
                                              -> {"id": 3, "code": 0, "stdout": "", "stderr": ""}

Lines are `ip -batch` lines: first those of `before` (bridges), then the veths, from the host's
namespace straight into their own, then those of `after`. `ready` waits for nodes' ready files
(the sniffer of a segment must listen before a link is made) and tells which nodes ended. Standard
input at its end (labgen gone, in whatever way) ends this process, and with it the container.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

READY = "run/labgen/ready"
POLL_SECONDS = 0.01
_pause = threading.Event().wait
_output = threading.Lock()


class Refused(Exception):
    """A request that could not be carried out; its text is one line."""


def is_ready(pid: int) -> bool:
    return Path(f"/proc/{pid}/root/{READY}").exists()


def is_alive(pid: int) -> bool:
    """A process that ended but was not collected yet has no root any more."""
    return os.path.lexists(f"/proc/{pid}/root") and Path(f"/proc/{pid}/ns/net").exists()


def wait_ready(pids: list[int], timeout: float) -> tuple[list[int], list[int]]:
    """Wait for ready files. Returns (still waiting, gone); returns early when one is gone."""
    waiting = list(pids)
    for _ in range(max(1, int(timeout / POLL_SECONDS))):
        waiting = [pid for pid in waiting if not is_ready(pid)]
        gone = [pid for pid in waiting if not is_alive(pid)]
        if not waiting or gone:
            return waiting, gone
        _pause(POLL_SECONDS)
    return waiting, []


def batch(lines: list[str], pid: int | None = None) -> None:
    """One `ip -batch` run, in the namespace of `pid` or in the host's."""
    if not lines:
        return
    enter = [] if pid is None else ["nsenter", f"--net=/proc/{pid}/ns/net"]
    done = subprocess.run(
        [*enter, "ip", "-batch", "-"],
        input="\n".join(lines) + "\n", capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Refused(" ".join(done.stderr.split()) or f"ip ended with {done.returncode}")


def wire(request: dict) -> dict:
    """Bridges and everything per namespace that needs no link; the veths; then their settings."""
    for pid, lines in request["before"]:
        batch(lines, pid)
    batch(request["veths"])
    for pid, lines in request["after"]:
        batch(lines, pid)
    return {}


def ready(request: dict) -> dict:
    waiting, gone = wait_ready(request["pids"], request["timeout"])
    return {"waiting": waiting, "gone": gone}


def run(request: dict) -> dict:
    """A command inside a node's namespaces, thirty times cheaper than an exec by the engine."""
    argv = ["nsenter", f"--target={request['pid']}", "--mount", "--net", "--uts", "--ipc", "--",
            *request["argv"]]  # fmt: skip
    try:
        done = subprocess.run(
            argv, input=request.get("stdin", ""), capture_output=True, text=True,
            errors="replace", timeout=request["timeout"], check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Refused(f"no answer within {request['timeout']} s") from None
    return {"code": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


OPERATIONS = {"wire": wire, "ready": ready, "run": run}


def serve(request: dict) -> None:
    """Carry out one request and print its reply."""
    try:
        reply = OPERATIONS[request["op"]](request)
    except Refused as refusal:
        reply = {"error": str(refusal)}
    except Exception as error:  # noqa: BLE001 -- whatever it is, the other side must hear of it
        reply = {"error": f"{type(error).__name__}: {error}"}
    with _output:
        sys.stdout.write(json.dumps({"id": request.get("id"), **reply}) + "\n")
        sys.stdout.flush()


def main(lifetime: float) -> None:
    """Serve until standard input ends, at most `lifetime` seconds."""
    watchdog = threading.Timer(lifetime, os._exit, (0,))
    watchdog.daemon = True
    watchdog.start()
    sys.stdout.write('{"id": 0}\n')
    sys.stdout.flush()
    for line in sys.stdin:
        threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main(float(sys.argv[1]))
