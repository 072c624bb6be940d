"""The shell in which a lab answers a guide's commands: a directory of programs before all others.

Nothing of the user's own is changed: the programs and the rc file stand in a temporary directory,
which goes when the shell ends.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labgen.errors import HostError
from labgen.lab.files import write_atomically
from labgen.lab.tools import COVERED, ON_NODES

_FRONTS = ("calicoctl", "kubectl", "minikube")
# Programs that would act on the real machine or the real network instead of the lab.
_OUTSIDE = ("containerlab", "curl", "dig", "helm", "kind", "nc", "ssh", "sudo", "tcpdump", "telnet",
            "traceroute", "wget")  # fmt: skip
_EXECUTABLE = 0o700


@dataclass(frozen=True, slots=True)
class Shell:
    """Where the programs stand, and what their environment is."""

    directory: Path
    environment: dict[str, str]
    working_directory: Path

    def run(self, command: str, *, stdin: str = "", node: str | None = None, timeout: float = 120.0
            ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """A command line, as if it were typed; `node` is the machine that the reader stands on.

        Raises subprocess.TimeoutExpired.
        """
        environment = dict(self.environment)
        if node is not None:
            environment["LABGEN_NODE"] = node
        return subprocess.run(
            [_bash(), "--noprofile", "--norc", "-c", command],
            input=stdin, env=environment, cwd=self.working_directory, capture_output=True,
            text=True, errors="replace", timeout=timeout, check=False,
        )  # fmt: skip

    def interact(self) -> int:
        """The shell on this terminal; its exit code."""
        rc = str(self.directory / "rc")
        return subprocess.run(
            [_bash(), "--noprofile", "--rcfile", rc, "-i"], env=self.environment,
            cwd=self.working_directory, check=False,
        ).returncode  # fmt: skip


@contextmanager
def made(lab: str, spec: Path) -> Iterator[Shell]:
    """Programs and rc file for a running lab, for as long as they are used. Raises HostError."""
    directory = Path(tempfile.mkdtemp(prefix="labgen-shell-"))
    try:
        programs = directory / "bin"
        for name in _FRONTS:
            _program(programs / name, ["labgen", name])
        for name in sorted({"docker", "imish", *ON_NODES} - set(_OUTSIDE)):
            _program(programs / name, ["labgen", "shell-tool", name])
        for name in _OUTSIDE:
            _program(programs / name, ["labgen", "shell-tool", "refused", name])
        write_atomically(directory / "rc", _rc(lab).encode())
        environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "LABGEN_LAB": str(spec),
        }
        environment.pop("LABGEN_NODE", None)
        yield Shell(directory, environment, spec.parent)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def announcement(lab: str) -> str:
    """What the shell says on entry."""
    return (
        f"This shell is of lab {lab}. These commands are labgen's own and act on the lab only:\n"
        f"  {', '.join(COVERED)}\n"
        "netstat, route, ifconfig, ip, arp and ping run on a node of the lab: `login NODE` says\n"
        "on which. kubectl, calicoctl and minikube know what BGP sees of a cluster and refuse the\n"
        f"rest. Refused as well, since they would leave the lab: {', '.join(_OUTSIDE)}.\n"
        "Other programs (cat, grep, less, …) are this machine's. `exit` leaves.\n"
    )


def refusal(name: str) -> str:
    """Why a program of the real machine is not run here."""
    return (
        f"labgen: {name} is not covered in this shell, it would leave the lab; `kubectl exec` or "
        "`labgen exec` run it in a pod or a node"
    )


def _program(path: Path, words: Sequence[str]) -> None:
    command = shlex.join([sys.executable, "-m", *words])
    write_atomically(path, f'#!/bin/sh\nexec {command} "$@"\n'.encode(), mode=_EXECUTABLE)


def _rc(lab: str) -> str:
    return f"""\
PS1='({lab}${{LABGEN_NODE:+ on $LABGEN_NODE}}) \\w\\$ '
login() {{ # on which node the machine's own programs run; without a name: the lab chooses
  if (( $# == 0 )); then unset LABGEN_NODE; return; fi
  labgen_checked=$({shlex.quote(sys.executable)} -m labgen shell-tool node "$1") || return
  export LABGEN_NODE=$labgen_checked
}}
command_not_found_handle() {{
  echo "labgen: $1 is neither a command of this lab nor of this machine" >&2
  return 127
}}
"""


def _bash() -> str:
    found = shutil.which("bash")
    if found is None:
        raise HostError("there is no bash on this machine", hint="install it; the shell is bash")
    return found
