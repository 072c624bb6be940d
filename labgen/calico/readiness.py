#!/usr/bin/env python3
"""calico-node's health probes: `calico-node -bird-ready -felix-ready`, `health --bird-ready`.

Standard library only: a node image installs this file, beside calicoctl's node_status.py, as
`calico-node`. Algorithm and messages are those of calico's `node/pkg/health`.
"""

from __future__ import annotations

import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

try:
    from labgen.calico.calicoctl import node_status
except ModuleNotFoundError:  # in a node container both files stand in one directory
    import node_status  # type: ignore[import-not-found, no-redef]

if TYPE_CHECKING:
    from collections.abc import Callable

NODENAME_FILE = Path("/var/lib/calico/nodename")
THRESHOLD_SECONDS = 30.0
FELIX = "http://localhost:9099"
# labgen's nodes have no Felix that speaks HTTP: their entrypoint does Felix's part and then
# makes this file.
LAB_DIRECTORY = Path("/run/labgen")
LAB_READY = LAB_DIRECTORY / "ready"

_RECOVERY = "Graceful restart recovery in progress"
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


class NotHealthy(Exception):
    """Why a probe fails, in calico-node's words."""


@dataclass(frozen=True)
class Bird:
    """What the readiness of one BIRD depends on.

    `protocols` is its `show protocols`; `status` answers `show status` and is called only when
    the verdict depends on it. `age` is how long ago this node started, in seconds.
    """

    version: int
    protocols: str
    age: float
    status: Callable[[], str]
    threshold: float = THRESHOLD_SECONDS


def judge(bird: Bird) -> None:
    """Return if BIRD is ready; raise NotHealthy with the reason if not."""
    peers = node_status.peers(bird.protocols, bird.version)
    if not peers:
        return
    missing = [peer.address for peer in peers if peer.bgp_state != "Established"]
    if bird.age < bird.threshold:
        # At the start every session counts, so that a rolling update waits for BGP.
        if missing:
            raise NotHealthy(f"BGP not established with {','.join(missing)}")
        if _RECOVERY in bird.status():
            raise NotHealthy("graceful restart in progress")
    elif len(missing) == len(peers):
        # Later one session is enough, or one node's end would unready the whole mesh.
        raise NotHealthy(f"BGP not established with {','.join(missing)}")


# --- the edge ---------------------------------------------------------------------------------


def _bird_ready(version: int, threshold: float) -> None:
    try:
        started = NODENAME_FILE.stat().st_mtime
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NotHealthy(
            f"failed to stat() nodename file: stat {NODENAME_FILE}: {reason}"
        ) from None

    def ask(command: str) -> str:
        try:
            return node_status.ask(version, command, by_existence=True)
        except node_status.BirdUnreachable as error:
            raise NotHealthy(f"error querying BIRD: {error}") from None
        except node_status.BirdError as error:
            raise NotHealthy(f"error executing command: {error}") from None

    protocols = ask("show protocols")
    try:
        judge(
            Bird(version, protocols, time.time() - started, lambda: ask("show status"), threshold)
        )
    except node_status.BirdError as error:
        raise NotHealthy(f"error executing command: {error}") from None


def _bird_live(version: int) -> None:
    name = "bird" if version == 4 else "bird6"
    if not any(Path(argv[0]).name == name for argv in node_status.processes()):
        raise NotHealthy(f"{name}/confd is not live: Service {name} is not running.")
    try:
        answer = node_status.ask(version, "show status", by_existence=True)
    except node_status.BirdError as error:
        raise NotHealthy(f"{name} is not live: {error}") from None
    if " BIRD " not in answer.partition("\n")[0]:
        raise NotHealthy(f"bad response from {name}: {answer}")


def _felix(probe: str, timeout: float) -> None:
    address = f"{FELIX}/{probe}"
    try:
        # The scheme is the constant above, so no file: or custom scheme can be meant.
        with urlopen(address, timeout=timeout):  # noqa: S310
            return
    except HTTPError as error:
        code = error.code
        error.close()
        raise NotHealthy(f"{probe} probe reporting {code}") from None
    except (URLError, OSError) as error:
        if LAB_DIRECTORY.is_dir():
            if LAB_READY.exists():
                return
            raise NotHealthy(f"{probe} probe reporting 503") from None
        reason = str(getattr(error, "reason", error)).rpartition("] ")[2].lower()
        raise NotHealthy(f'Get "{address}": dial tcp 127.0.0.1:9099: connect: {reason}') from None


def _checks(threshold: float) -> dict[str, tuple[str, Callable[[], None]]]:
    """Probe -> (what its message says, the check), in the order in which they are made."""
    return {
        "felix-live": ("felix is not live: ", lambda: _felix("liveness", threshold)),
        "bird-live": ("", lambda: _bird_live(4)),
        "bird6-live": ("", lambda: _bird_live(6)),
        "felix-ready": ("felix is not ready: ", lambda: _felix("readiness", threshold)),
        "bird-ready": ("BIRD is not ready: ", lambda: _bird_ready(4, threshold)),
        "bird6-ready": ("BIRD6 is not ready: ", lambda: _bird_ready(6, threshold)),
    }


def _seconds(text: str) -> float | None:
    """A Go duration such as `30s` or `1m30s`; None for anything else."""
    if not re.fullmatch(rf"(?:{_DURATION.pattern})+", text):
        return None
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION.findall(text))


def main(argv: list[str]) -> int:
    """Run the probes that `argv` names; print the first failure and return 1, else return 0."""
    wanted: set[str] = set()
    threshold = THRESHOLD_SECONDS
    words = list(argv[1:] if argv[:1] == ["health"] else argv)
    while words:
        name, equals, value = words.pop(0).lstrip("-").partition("=")
        if name == "threshold-time":
            value = value if equals else (words.pop(0) if words else "")
            seconds = _seconds(value)
            if seconds is None:
                sys.stderr.write(f'invalid argument "{value}" for "--threshold-time": a duration\n')
                return 1
            threshold = seconds
        elif name in _checks(0):
            wanted.add(name)
        else:
            sys.stderr.write(f"unknown flag: --{name}; probes: {', '.join(_checks(0))}\n")
            return 1
    if not wanted:
        sys.stdout.write(
            "calico/node check error: must specify at least one of -bird-live, -bird6-live, "
            "-felix-live, -bird, -bird6, or -felix\n"
        )
        return 1
    for name, (prefix, check) in _checks(threshold).items():
        try:
            if name in wanted:
                check()
        except NotHealthy as problem:
            sys.stdout.write(f"calico/node is not ready: {prefix}{problem}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
