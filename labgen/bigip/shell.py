"""The imish of the stand-in: modes, prompts, and what a line does. Talks to FRR through a seam.

A configuration line goes through the same translation as a file does, and FRR is told the
difference; `show` commands ask FRR for JSON and print ZebOS's form.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from labgen.bigip import exec_commands, imish_help, running, running_config, zebos
from labgen.bigip.delta import delta
from labgen.bigip.exec_commands import NotUnderstood, Views
from labgen.bigip.rules import Context, Severity, Verdict
from labgen.bigip.translate import translate
from labgen.bigip.zebos import AmbiguousCommand, Config, UnknownCommand
from labgen.errors import InputErrors, LabgenError, Mark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.bigip.frr_lines import FrrLine
    from labgen.bigip.grammar import Word
    from labgen.bigip.zebos import Statement


class Daemon(Protocol):
    """FRR, as far as imish needs it."""

    def ask(self, command: str) -> str:
        """What vtysh prints for one command."""

    def configure(self, lines: str) -> str:
        """Apply configuration lines (they may hold passwords); what FRR complains about, if so."""


class Store(Protocol):
    """Where the route domain's two configurations are kept, as ZebOS text."""

    def running(self) -> str: ...

    def startup(self) -> str: ...

    def save_running(self, text: str) -> None: ...

    def save_startup(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Host:
    """Whose shell it is. `vlans` maps a VLAN's name to its Linux interface."""

    name: str
    route_domain: int = 0
    vlans: Mapping[str, str] = field(default_factory=dict)


class Shell:
    """One imish session. `line()` does what one line says and returns what imish prints."""

    def __init__(self, host: Host, daemon: Daemon, store: Store) -> None:
        self._host, self._daemon, self._store = host, daemon, store
        self._enabled = False
        self._configuring = False
        self._scope: tuple[Statement, ...] = ()
        self.closed = False
        self._standing = zebos.parse(store.running(), "running-config").statements
        self._lines = self._translated(self._standing)

    @property
    def prompt(self) -> str:
        mode = ""
        if self._configuring:
            context = (self._scope[-1].rule.opens if self._scope else None) or Context.GLOBAL
            mode = f"({context.value})"
        end = "#" if self._enabled else ">"
        return f"{self._host.name}[{self._host.route_domain}]{mode}{end}"

    def line(self, text: str, *, indent: int = 0) -> str:
        """`indent` is how many columns stand before the line on the screen, for the `^`."""
        # in a statement a `|` belongs to a regular expression or a description
        piped = not self._configuring or text.split()[:1] == ["do"]
        command, pipe, rest = text.partition("|") if piped else (text, "", "")
        words = zebos.split(command)
        if not words or words[0].text.startswith("!"):
            return ""
        if words[-1].text.endswith("?") and " description " not in text:
            return self._help(text, words, indent)
        try:
            printed = self._session(words) if not self._configuring else self._configure(words)
        except NotUnderstood as miss:
            return _refusal(text, miss, indent)
        except InputErrors as errors:
            return "".join(_complaint(problem) for problem in errors.problems)
        except UnknownCommand as error:
            return _unknown(text, error, indent)
        except LabgenError as error:
            return _complaint(error)
        return _filtered(printed, rest.split()) if pipe else printed

    def _help(self, text: str, words: tuple[Word, ...], indent: int) -> str:
        scope = self._scope if self._configuring else None
        found = imish_help.shown(words, scope, _SESSION_WORDS)
        return found or _refusal(text, NotUnderstood(words[-1].column), indent)

    def _session(self, words: tuple[Word, ...]) -> str:
        """EXEC: the words of a session first, then what asks FRR."""
        name = _session_word(words, configuring=False)
        if name in {"exit", "quit", "logout"}:
            self.closed = True
        elif name in {"enable", "disable"}:
            self._enabled = name == "enable"
        elif name == "configure terminal":
            if not self._enabled:
                raise NotUnderstood(words[0].column)
            self._configuring = True
        elif name.startswith(("write", "copy running-config")):
            return self._write(name)
        elif name in {"show running-config", "show startup-config"}:
            running_ = name == "show running-config"
            return self._shown() if running_ else self._store.startup()
        elif name.startswith("terminal") or name in {"end", "exit-address-family"}:
            return ""
        else:
            views = Views({linux: vlan for vlan, linux in self._host.vlans.items()})
            return exec_commands.run(words, self._daemon.ask, views)
        return ""

    def _write(self, name: str) -> str:
        if name == "write terminal":
            return self._shown()
        text = self._shown()
        self._store.save_startup(text)
        self._store.save_running(text)
        return "Building configuration...\n[OK]\n"

    def _shown(self) -> str:
        return running_config.show(self._standing, interfaces=self._host.vlans)

    def _configure(self, words: tuple[Word, ...]) -> str:
        """Configuration mode: `end`, `exit`, `do …`, or a statement."""
        name = _session_word(words, configuring=True)
        if name == "end":
            self._configuring, self._scope = False, ()
            return ""
        if name in {"exit", "quit", "exit-address-family"}:
            if self._scope:
                self._scope = self._scope[:-1]
            else:
                self._configuring = name == "exit-address-family"
            return ""
        if name.startswith(("write", "copy running-config", "show ")):
            return self._session(words)
        if words[0].text == "do" and len(words) > 1:
            return self._session(words[1:])
        statement = zebos.understand(words, self._scope, Mark("imish", 1, 1))
        if statement.rule.contexts == (Context.SESSION,):
            return ""
        return self._apply(statement)

    def _apply(self, statement: Statement) -> str:
        standing = running.apply((*self._standing, statement)).standing
        lines = self._translated(standing)
        complaint = self._daemon.configure(delta(self._lines, lines))
        if complaint:
            # FRR may have taken some of several lines: bring it back to where it was
            self._daemon.configure(delta(lines, self._lines))
            return "".join(f"% {line}\n" for line in complaint.splitlines() if line.strip())
        self._standing, self._lines = standing, lines
        self._scope = statement.scope
        if statement.rule.opens and not statement.negated:
            self._scope = (*statement.scope, statement)
        self._store.save_running(self._shown())
        return _note(statement)

    def _translated(self, standing: tuple[Statement, ...]) -> tuple[FrrLine, ...]:
        """Raises InputErrors for what contradicts itself or changes routes and cannot be had."""
        interfaces = self._host.vlans or None
        return translate(Config(standing), interfaces=interfaces).require().lines


def _note(statement: Statement) -> str:
    """Nothing is dropped in silence: say it where FRR has no equal."""
    rule = statement.rule
    verdict = (rule.negated_verdict or rule.verdict) if statement.negated else rule.verdict
    if verdict is not Verdict.UNSUPPORTED or rule.severity is Severity.NONE:
        return ""
    if rule.contexts == (Context.LINE,) or rule.opens is Context.LINE:
        return ""
    reason = rule.negated_reason if statement.negated and rule.negated_reason else rule.reason
    return f"% Stored, without effect in the stand-in: {reason}\n"


_SESSION_WORDS = (
    "enable", "disable", "configure terminal", "exit", "quit", "logout", "end",
    "exit-address-family", "write", "write memory", "write file", "write terminal",
    "copy running-config startup-config", "show running-config", "show startup-config",
)  # fmt: skip


_CONFIGURING = {"end", "exit-address-family"}  # no words of EXEC mode: `en` is `enable` there


def _session_word(words: tuple[Word, ...], *, configuring: bool) -> str:
    """The session command that the words abbreviate, or the empty text.

    Raises NotUnderstood for one that is not complete.
    """
    typed = [word.text.lower() for word in words]
    if typed[0] == "terminal"[: len(typed[0])] and len(typed[0]) > 2:
        return "terminal"
    begun = [
        name
        for name in _SESSION_WORDS
        if len(name.split()) >= len(typed)
        and all(full.startswith(short) for full, short in zip(name.split(), typed, strict=False))
    ]
    fits = [name for name in begun if len(name.split()) == len(typed)]
    exact = [name for name in fits if name.split() == typed]
    if not configuring and len(fits) > 1:
        fits = [name for name in fits if name not in _CONFIGURING]
    if exact or len(fits) == 1:
        return (exact or fits)[0]
    if fits == ["exit", "exit-address-family"]:
        return "exit"
    if not configuring and not fits and begun and all(n.startswith("configure") for n in begun):
        raise NotUnderstood(None)
    return ""


def _unknown(text: str, error: UnknownCommand, indent: int) -> str:
    if isinstance(error, AmbiguousCommand):
        return _refusal(text, NotUnderstood(1, ambiguous=True), indent)
    column = None if error.incomplete or error.mark is None else error.mark.column
    return _refusal(text, NotUnderstood(column), indent)


def _refusal(text: str, miss: NotUnderstood, indent: int) -> str:
    if miss.ambiguous:
        return f'% Ambiguous command:  "{text.strip()}"\n'
    if miss.column is None:
        return "% Incomplete command.\n\n"
    return f"{' ' * (indent + miss.column - 1)}^\n% Invalid input detected at '^' marker.\n\n"


def _complaint(error: LabgenError) -> str:
    words = error.message if not error.hint else f"{error.message} ({error.hint})"
    return f"% {words[:1].upper()}{words[1:]}\n"


def _filtered(text: str, words: list[str]) -> str:
    """`| include TEXT`, `| exclude TEXT`, `| begin TEXT`, `| grep TEXT`."""
    kinds = ("include", "exclude", "begin", "grep")
    kind = next((k for k in kinds if words and k.startswith(words[0].lower())), None)
    if kind is None or len(words) < 2:
        return "% Incomplete command.\n\n"
    sought = " ".join(words[1:])
    lines = text.splitlines(keepends=True)
    if kind == "begin":
        first = next((i for i, line in enumerate(lines) if sought in line), len(lines))
        return "".join(lines[first:])
    return "".join(line for line in lines if (sought in line) is (kind != "exclude"))
