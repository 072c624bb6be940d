"""`imish` in the stand-in's container: `python3 -m labgen.bigip.imish`.

    imish                    an interactive shell
    imish -e CMD [-e CMD …]  run commands, one after the other
    imish -f FILE            run a file's commands
    imish -r RD              the route domain (the stand-in has one)

`LABGEN_VLANS` (`internal=eth1,external=eth2`) names the VLANs of the Linux interfaces and
`LABGEN_ROUTE_DOMAIN` the route domain. The startup configuration is where a BIG-IP has it,
`/config/zebos/rd<N>/ZebOS.conf`, and before the first `write` what the lab was generated from,
`/etc/labgen/ZebOS.conf`; the running one is in `/run/labgen`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.bigip.shell import Host, Shell
from labgen.errors import HostError, InputError, LabgenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    # runs argv with a text on standard input: (exit code, standard output, standard error)
    Run = Callable[[Sequence[str], str], tuple[int, str, str]]

CONFIG = Path("/config/zebos")
STATE = Path("/run/labgen/zebos")
GIVEN = Path("/etc/labgen/ZebOS.conf")
_TIMEOUT = 30.0
# FRR's advice after a change that takes effect at the next session; a BIG-IP gives none
_ADVICE = ("Graceful restart configuration changed",)


def run(argv: Sequence[str], text: str) -> tuple[int, str, str]:
    """The one place where imish starts a program. Raises HostError."""
    try:
        done = subprocess.run(
            list(argv), input=text, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except FileNotFoundError:
        raise HostError(f"{argv[0]} is not installed here", hint="is this the stand-in?") from None
    except subprocess.TimeoutExpired:
        raise HostError(f"{argv[0]} did not answer in {_TIMEOUT:.0f} s") from None
    return done.returncode, done.stdout, done.stderr


class Vtysh:
    """FRR through vtysh. Configuration goes over standard input: it may hold passwords."""

    def __init__(self, runner: Run = run) -> None:
        self._run = runner

    def ask(self, command: str) -> str:
        code, out, err = self._run(("vtysh", "-c", command), "")
        if code and "failed to connect" in err:
            raise HostError("FRR does not run", hint="is the stand-in's bgpd up?")
        return out

    def configure(self, lines: str) -> str:
        if not lines:
            return ""
        code, out, err = self._run(("vtysh", "-f", "/dev/stdin"), lines)
        said = [s for s in (out + err).splitlines() if s.strip() and not s.startswith(_ADVICE)]
        if code and not said:
            return f"FRR refused the line (vtysh: {code})"
        return "\n".join(said)


class Files:
    """The two configurations of a route domain, in files that only root reads."""

    def __init__(
        self, route_domain: int, config: Path = CONFIG, state: Path = STATE, given: Path = GIVEN
    ) -> None:
        self._given = given
        self._startup = config / f"rd{route_domain}" / "ZebOS.conf"
        self._running = state / f"rd{route_domain}.conf"

    def running(self) -> str:
        return _read(self._running) or self.startup()

    def startup(self) -> str:
        return _read(self._startup) or _read(self._given)

    def save_running(self, text: str) -> None:
        _write(self._running, text)

    def save_startup(self, text: str) -> None:
        _write(self._startup, text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None


def _write(path: Path, text: str) -> None:
    """Atomic: a reader sees the old text or the new one. Mode 0600 from the start."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError as error:
        raise HostError(f"{path}: cannot be written: {error.strerror}") from None


def vlans(text: str) -> Mapping[str, str]:
    """`internal=eth1,external=eth2` as VLAN -> Linux interface. Raises InputError."""
    pairs = {}
    for part in filter(None, text.split(",")):
        vlan, equals, linux = part.partition("=")
        if not (vlan and equals and linux):
            raise InputError(f"LABGEN_VLANS: `{part}` is not VLAN=INTERFACE")
        pairs[vlan] = linux
    return pairs


def batch(shell: Shell, commands: Iterable[str], say: Callable[[str], None]) -> None:
    """Commands without prompts. Like imish's `-e`, they start in privileged EXEC mode."""
    shell.line("enable")
    for command in commands:
        say(shell.line(command))
        if shell.closed:
            return


def interact(shell: Shell, ask: Callable[[str], str], say: Callable[[str], None]) -> None:
    """Prompt, read, do, print, until `exit` or the end of input."""
    while not shell.closed:
        prompt = shell.prompt
        try:
            line = ask(prompt)
        except EOFError:
            say("\n")
            return
        except KeyboardInterrupt:
            say("\n")
            continue
        say(shell.line(line, indent=len(prompt)))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = _options(argv)
    try:
        domain, own = options.route_domain, int(os.environ.get("LABGEN_ROUTE_DOMAIN", "0"))
        if domain not in {None, own}:
            hint = f"this stand-in is route domain {own}; each has a stand-in of its own"
            raise InputError(f"the route domain {domain} does not exist here", hint=hint)
        name, domain = socket.gethostname(), own
        host = Host(name, domain, vlans(os.environ.get("LABGEN_VLANS", "")))
        shell = Shell(host, Vtysh(), Files(domain))
        if options.commands or options.file:
            lines = _read_commands(options.file) if options.file else []
            batch(shell, [*lines, *options.commands], _say)
        else:
            with contextlib.suppress(ImportError):
                import readline  # noqa: F401, PLC0415 - line editing, where Python has it
            interact(shell, input, _say)
    except LabgenError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    except BrokenPipeError:
        # the reader (`| head`) has gone; there is nobody left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="imish", description="The BIG-IP stand-in's imish.")
    parser.add_argument("-e", dest="commands", action="append", default=[], metavar="CMD")
    parser.add_argument("-f", dest="file", type=Path, metavar="FILE")
    parser.add_argument("-r", dest="route_domain", type=int, metavar="RD")
    return parser.parse_args(argv)


def _read_commands(path: Path) -> list[str]:
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    return _read(path).splitlines()


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
