"""How a fault is put into a running lab and taken out again: steps as data, and their runner.

Nothing is stopped and no bound file is written: BIRD reads an edited copy of its configuration
and later its own again, FRR's `router bgp` is replaced and put back as it was, packet filters
live in a table of their own. So after `heal` no state of a fault is left.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from labgen.errors import InputError, LabError

BIRD_CONFIG = "/etc/calico/confd/config/bird.cfg"
BIRD_CONFIG_DIRECTORY = "/etc/calico/confd/config"
BIRD_SOCKET = "/var/run/calico/bird.ctl"
SCRATCH_BIRD = "/run/labgen/fault-bird.cfg"
SCRATCH_BGP = "/run/labgen/fault-bgp.conf"
SCRATCH_PID = "/run/labgen/fault.pid"
TABLE = "labgen_fault"


class Completed(Protocol):
    """What running a command gives: its exit code and outputs."""

    @property
    def code(self) -> int: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...


class Run(Protocol):
    """Runs `argv` in a node with text on its standard input."""

    def __call__(self, node: str, argv: Sequence[str], stdin: str | None) -> Completed: ...


# Calls its first argument until that is true; raises NotReady, naming `what`, where it never is.
Wait = Callable[[Callable[[], bool], str], None]


@dataclass(frozen=True, slots=True)
class Command:
    """One command. A fault that must undo it says how in `undo`; `tolerant`: failure is fine."""

    node: str
    argv: tuple[str, ...]
    stdin: str | None = None
    tolerant: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """A regular expression and its replacement (`re.MULTILINE | re.DOTALL`); it must match."""

    pattern: str
    by: str


@dataclass(frozen=True, slots=True)
class EditBird:
    """Let BIRD read its own configuration with edits. `append` comes last."""

    node: str
    edits: tuple[Edit, ...] = ()
    append: str = ""


@dataclass(frozen=True, slots=True)
class EditBgp:
    """Replace FRR's `router bgp` by an edited copy of itself. `append` stands before its `exit`."""

    node: str
    edits: tuple[Edit, ...] = ()
    append: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until a command's output matches."""

    node: str
    argv: tuple[str, ...]
    pattern: str
    what: str


_INCLUDE = re.compile(r'^include "(?!/)', flags=re.MULTILINE)

# Every `protocol bgp` removed; its closing brace stands at the start of a line, as confd writes it.
NO_PEERS = Edit(r"^protocol bgp \S+ from bgp_template \{.*?^\}\n", "")

Step = Command | EditBird | EditBgp | Await


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A fault on one lab: what injects it, and the commands (in order) that undo its commands.

    `name` is the diagnosis's name of the fault, `observe` what must be seen of it. With `restarts`
    BIRD's BGP must start anew to be rid of it: its listener and its router id outlive a reload.
    """

    name: str
    code: str
    observe: str
    inject: tuple[Step, ...]
    undo: tuple[Command, ...] = ()
    restarts: bool = False


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault that is in a lab: what `heal` needs. `bgp` keeps each router's stanza as it was."""

    name: str
    bgp: Mapping[str, str] = field(default_factory=dict)
    bird: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps({"name": self.name, "bgp": dict(self.bgp), "bird": list(self.bird)})

    @classmethod
    def from_json(cls, text: str) -> Injection:
        """Raises InputError for anything else."""
        try:
            data = json.loads(text)
            return cls(str(data["name"]), dict(data["bgp"]), tuple(data["bird"]))
        except (ValueError, KeyError, TypeError):
            raise InputError(
                "the record of the injected fault is damaged", hint="destroy and deploy the lab"
            ) from None


def listener_gone(node: str) -> Await:
    """BIRD closes its listening socket some moments after its last BGP protocol is gone."""
    argv = ("ss", "-Hltnp")
    return Await(node, argv, r'(?s)\A(?!.*"bird")', "BIRD's listening socket closed")


def prepare(plan: FaultPlan, run: Run) -> Injection:
    """What has to be kept before anything is changed. Save it, then `inject`."""
    routers = dict.fromkeys(s.node for s in plan.inject if isinstance(s, EditBgp))
    birds = dict.fromkeys(s.node for s in plan.inject if isinstance(s, EditBird))
    return Injection(plan.name, {node: _stanza(node, run) for node in routers}, tuple(birds))


def inject(plan: FaultPlan, injection: Injection, run: Run, wait: Wait) -> None:
    """Put the fault in. When a step fails, what was done is undone, and the error goes on."""
    try:
        for step in plan.inject:
            _apply(step, injection, run, wait)
    except Exception:
        heal(plan, injection, run, wait)
        raise


def heal(plan: FaultPlan, injection: Injection, run: Run, wait: Wait) -> None:
    """Take the fault out; does no harm where it is out already.

    Raises LabError when a node is not as it was before.
    """
    for command in plan.undo:
        run(command.node, command.argv, command.stdin)
    for node in injection.bird:
        if plan.restarts:
            _apply(EditBird(node, (NO_PEERS,)), injection, run, wait)
            _apply(listener_gone(node), injection, run, wait)
        _configure(node, BIRD_CONFIG, run)
        run(node, ("rm", "-f", SCRATCH_BIRD), None)
    for node, stanza in injection.bgp.items():
        if _stanza(node, run) != stanza:
            _load(node, stanza, run)
        if _stanza(node, run) != stanza:
            raise LabError(
                f"{node}: `router bgp` is not what it was before {plan.name}",
                hint="labgen destroy and deploy the lab",
            )


def _apply(step: Step, injection: Injection, run: Run, wait: Wait) -> None:
    if isinstance(step, Command):
        done = run(step.node, step.argv, step.stdin)
        if done.code and not step.tolerant:
            raise LabError(f"{step.node}: `{' '.join(step.argv)}` failed: {_said(done)}")
    elif isinstance(step, EditBird):
        text = _must(step.node, ("cat", BIRD_CONFIG), run)
        # The copy stands elsewhere: what it includes still stands beside the original.
        text = _INCLUDE.sub(f'include "{BIRD_CONFIG_DIRECTORY}/', text)
        _write(step.node, SCRATCH_BIRD, edited(step.node, text, step.edits) + step.append, run)
        _configure(step.node, SCRATCH_BIRD, run)
    elif isinstance(step, EditBgp):
        text = edited(step.node, injection.bgp[step.node], step.edits)
        _load(step.node, _with(text, step.append), run)
    else:
        wait(
            lambda: re.search(step.pattern, run(step.node, step.argv, None).stdout) is not None,
            f"{step.node}: {step.what}",
        )


def edited(node: str, text: str, edits: Sequence[Edit]) -> str:
    """The text with every edit made. Raises LabError where one finds nothing to edit."""
    for edit in edits:
        text, count = re.subn(edit.pattern, edit.by, text, flags=re.MULTILINE | re.DOTALL)
        if not count:
            raise LabError(
                f"{node}: its configuration has nothing like {edit.pattern!r}",
                hint="this fault does not fit this lab",
            )
    return text


def _with(stanza: str, lines: Sequence[str]) -> str:
    """Lines added at the end of `router bgp`; those of an address family in its own block."""
    if not lines:
        return stanza
    body = re.sub(r"^exit\s*\Z", "", stanza.rstrip("\n"), flags=re.MULTILINE).rstrip("\n")
    return "\n".join((body, *lines, "exit")) + "\n"


def _stanza(node: str, run: Run) -> str:
    """FRR's `router bgp …` as it runs, without comment lines."""
    text = _must(node, ("vtysh", "-c", "show running-config"), run)
    match = re.search(r"^router bgp \d+.*?^exit$", text, flags=re.MULTILINE | re.DOTALL)
    if match is None:
        return ""
    return "\n".join(ln for ln in match[0].splitlines() if ln.strip() != "!") + "\n"


def _load(node: str, stanza: str, run: Run) -> None:
    running = re.match(r"router bgp (\d+)", _stanza(node, run))
    if running is not None:
        _must(node, ("vtysh", "-c", "configure terminal", "-c", f"no router bgp {running[1]}"), run)
    if stanza:
        _write(node, SCRATCH_BGP, stanza, run)
        done = run(node, ("vtysh", "-f", SCRATCH_BGP), None)
        run(node, ("rm", "-f", SCRATCH_BGP), None)
        if done.code:
            raise LabError(f"{node}: FRR refused its configuration: {_said(done)}")


def _configure(node: str, path: str, run: Run) -> None:
    said = _must(node, ("birdc", "-s", BIRD_SOCKET, "configure", f'"{path}"'), run)
    if "Reconfigur" not in said:
        raise LabError(f"{node}: BIRD did not take {path}: {said.strip().splitlines()[-1]}")


def _write(node: str, path: str, text: str, run: Run) -> None:
    done = run(node, ("tee", path), text)
    if done.code:
        raise LabError(f"{node}: cannot write {path}: {_said(done)}")


def _must(node: str, argv: tuple[str, ...], run: Run) -> str:
    done = run(node, argv, None)
    if done.code:
        raise LabError(f"{node}: `{' '.join(argv)}` failed: {_said(done)}")
    return done.stdout


def _said(done: Completed) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.code}"
