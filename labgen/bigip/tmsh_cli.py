"""`tmsh` in the stand-in's container: `python3 -m labgen.bigip.tmsh_cli`.

    tmsh                     an interactive shell; reads standard input, too
    tmsh COMMAND …           one command
    tmsh -c "CMD; CMD"       commands, one after the other

The configuration is what the lab was generated from, `/etc/labgen/bigip.tmsh`, until somebody
changes it; then it is in `/run/labgen`. `save sys config` writes `/config/bigip.conf`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.bigip.imish import Vtysh, _read, _write, run, vlans
from labgen.bigip.tmsh_list import MemberStatus, Status
from labgen.bigip.tmsh_shell import Network, Refused, Tmsh
from labgen.errors import HostError, LabgenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from labgen.bigip.imish import Run

GIVEN = Path("/etc/labgen/bigip.tmsh")
RUNNING = Path("/run/labgen/bigip.tmsh")
SAVED = Path("/config/bigip.conf")
STATUS = Path("/run/labgen/ltm.json")
LTM_CONFIG = Path("/run/labgen/ltm-config.json")
FAILOVER = Path("/run/labgen/failover")
LTM = "/opt/labgen/ltm"


class StandIn:
    """The container around tmsh: files, kernel, FRR. `runner` starts programs."""

    def __init__(self, runner: Run = run) -> None:
        self._run = runner

    def text(self) -> str:
        return _read(RUNNING) or _read(GIVEN)

    def save_text(self, text: str) -> None:
        _write(RUNNING, text)

    def saved_config(self) -> str:
        return _read(SAVED) or _read(GIVEN)

    def save_config(self, text: str) -> Sequence[str]:
        _write(SAVED, text)
        return (str(SAVED),)

    def status(self) -> Status:
        found = json.loads(_read(STATUS) or "{}")
        return Status(
            {
                pool: tuple(
                    MemberStatus(m["name"], m["address"], m["port"], m["state"], m["enabled"],
                                 m["counter"])
                    for m in members
                )
                for pool, members in found.get("pools", {}).items()
            },
            {n: (v["availability"], v["number"]) for n, v in found.get("virtuals", {}).items()},
            bool(found.get("active", True)),
        )  # fmt: skip

    def counters(self) -> Mapping[str, int]:
        code, out, _ = self._run(
            ("nft", "-j", "list", "counters", "table", "inet", "labgen_ltm"), ""
        )
        found = json.loads(out).get("nftables", []) if code == 0 and out.strip() else []
        counters = (entry["counter"] for entry in found if "counter" in entry)
        return {c["name"]: c["packets"] for c in counters}

    def rib(self) -> tuple[str, ...]:
        vtysh = Vtysh(self._run)
        return tuple(vtysh.ask(f"show {afi} route json") for afi in ("ip", "ipv6"))

    def serve(self, document: str) -> None:
        _write(LTM_CONFIG, document)
        code, _, _ = self._run(("pgrep", "-f", f"python3 .*{LTM}"), "")
        if code:  # a BIG-IP that had no local traffic until now
            argv = ["python3", "-I", "-S", LTM]
            log = os.open("/proc/1/fd/1", os.O_WRONLY)
            subprocess.Popen(argv, start_new_session=True, stdout=log, stderr=log)
            os.close(log)

    def network(self, before: Network, after: Network) -> None:
        """Raises HostError with what the kernel said; the first refusal ends it."""
        if before.lockdown != after.lockdown:
            self._do(("nft", "-f", "-"), after.lockdown)
        for linux, address in sorted(before.addresses - after.addresses):
            self._do(("ip", "address", "del", address, "dev", linux))
        for linux, address in sorted(after.addresses - before.addresses):
            self._do(("ip", "address", "replace", address, "dev", linux))
        for destination, gateway in sorted(before.routes - after.routes):
            self._do(("ip", "route", "del", *_route(destination, gateway)))
        for destination, gateway in sorted(after.routes - before.routes):
            self._do(("ip", "route", "replace", *_route(destination, gateway)))

    def failover(self) -> tuple[str, int]:
        if not FAILOVER.exists():
            return "active", int(float(_read(Path("/proc/uptime")).split()[0]))
        return _read(FAILOVER).strip(), int(time.time() - FAILOVER.stat().st_mtime)

    def imish(self, argv: Sequence[str]) -> str:
        _, out, err = self._run(("imish", *argv), "")
        return out + err

    def _do(self, argv: Sequence[str], text: str = "") -> None:
        code, out, err = self._run(argv, text)
        if code:
            raise HostError((err or out).strip() or f"{argv[0]} exited with {code}")


def _route(destination: str, gateway: str) -> tuple[str, ...]:
    return (destination, "via", gateway) if gateway else ("blackhole", destination)


def said(shell: Tmsh, line: str) -> tuple[str, bool]:
    """What tmsh prints for a line, and whether it took it."""
    try:
        return shell.line(line), True
    except Refused as refusal:
        return f"{refusal}\n", False
    except LabgenError as error:
        return f"{error}\n", False


def batch(shell: Tmsh, commands: Iterable[str], say: Callable[[str, bool], None]) -> bool:
    """Commands without prompts; the first that is refused ends it."""
    for command in commands:
        text, good = said(shell, command)
        say(text, good)
        if not good or shell.closed:
            return good
    return True


def interact(shell: Tmsh, ask: Callable[[str], str], say: Callable[[str, bool], None]) -> None:
    """Prompt, read, do, print. A line whose braces do not close goes on."""
    while not shell.closed:
        try:
            line = ask(shell.prompt)
            while line.count("{") > line.count("}"):
                line += f" {ask('')}"
        except EOFError:
            say("\n", True)
            return
        except KeyboardInterrupt:
            say("\n", True)
            continue
        say(*said(shell, line))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 1 for what tmsh refuses."""
    words = list(sys.argv[1:] if argv is None else argv)
    while words[:1] and words[0] in {"-q", "-a", "-m"}:
        words = words[1:]
    if words[:1] in (["-h"], ["--help"]):
        _say(f"{__doc__}\n", True)
        return 0
    try:
        named = vlans(os.environ.get("LABGEN_VLANS", ""))
        shell = Tmsh(socket.gethostname(), StandIn(), named)
        if words[:1] == ["-c"]:
            return 0 if batch(shell, " ".join(words[1:]).split(";"), _say) else 1
        if words:
            return 0 if batch(shell, [" ".join(map(_quoted, words))], _say) else 1
        if sys.stdin.isatty():
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401, PLC0415 - line editing, where Python has it
            interact(shell, input, _say)
        else:
            interact(
                shell, lambda _: input(), lambda text, good: _say(text.strip("\n") and text, good)
            )
    except LabgenError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _quoted(word: str) -> str:
    """The shell took the quotes off; a block's braces were words of their own or in one."""
    return shlex.quote(word).replace("'", '"') if " " in word and "{" not in word else word


def _say(text: str, good: bool) -> None:
    stream = sys.stdout if good else sys.stderr
    stream.write(text)
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
