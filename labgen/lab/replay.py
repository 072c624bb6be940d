"""Follow a guide in a lab's shell, and say of each command how the lab answered it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labgen.lab.guide import Step
    from labgen.lab.shell import Shell

SECONDS = 120.0


class Verdict(Enum):
    """How a command was answered."""

    ANSWERED = "answered"
    DIFFERENTLY = "answered differently"
    UNSUPPORTED = "not supported"


@dataclass(frozen=True, slots=True)
class Replayed:
    """One command, its verdict and the reason, and what it printed."""

    step: Step
    verdict: Verdict
    reason: str
    code: int
    output: str

    def as_json(self) -> dict[str, object]:
        return {
            "line": self.step.line,
            "command": self.step.command,
            "stdin": self.step.stdin,
            "verdict": self.verdict.value,
            "reason": self.reason,
            "code": self.code,
            "output": self.output,
        }


# What differs from run to run, and from machine to machine.
_VOLATILE = (
    (
        re.compile(r"\A[\w.-]+\[\d+\](\(config[^)]*\))?[#>]"),
        "",
    ),  # imish's prompt, as input is piped
    (re.compile(r"\b(\d+d)?(\d+h)?(\d+m)?\d+(\.\d+)?(s|h|m|d)\b"), "AGE"),
    (re.compile(r"\b\d{1,2}:\d{2}:\d{2}\b"), "TIME"),
    (re.compile(r"time=[\d.]+ ms"), "time=MS"),
    (re.compile(r"\b[0-9a-f]{8,10}-[a-z0-9]{5}\b"), "POD"),
    (re.compile(r"((RX|TX) (packets|bytes|errors)) .*"), r"\1 N"),
)
_REFUSED = ("not covered", "not supported")


def replay(
    steps: Iterable[Step], shell: Shell, nodes: frozenset[str],
    tell: Callable[[Replayed], object] = lambda _: None,
) -> Iterator[Replayed]:  # fmt: skip
    """Each step, one after the other. `nodes` are the lab's: a prompt's host is one of them."""
    for step in steps:
        node = step.host if step.host in nodes else None
        try:
            done = shell.run(step.command, stdin=step.stdin, node=node, timeout=SECONDS)
            result = judged(step, done.stdout, done.stderr, done.returncode)
        except subprocess.TimeoutExpired:
            reason = f"no end within {SECONDS:g} s"
            result = Replayed(step, Verdict.DIFFERENTLY, reason, 124, "")
        tell(result)
        yield result


def judged(step: Step, out: str, err: str, code: int) -> Replayed:
    """The verdict on what a command printed."""
    text = out + err
    if code == 127 or any(word in err for word in _REFUSED):
        return Replayed(step, Verdict.UNSUPPORTED, _last(err), code, text)
    if code:
        reason = _last(err) or f"it exited with {code}, and printed nothing"
        return Replayed(step, Verdict.DIFFERENTLY, reason, code, text)
    missing = [line for line in normal(step.shown) if line not in normal(text)]
    if missing:
        reason = f"the guide also shows: {missing[0]}"
        if len(missing) > 1:
            reason += f" (and {len(missing) - 1} more lines)"
        return Replayed(step, Verdict.DIFFERENTLY, reason, code, text)
    return Replayed(step, Verdict.ANSWERED, "", code, text)


def normal(text: str) -> list[str]:
    """Lines without what differs each time, blanks folded, empty ones and `^C` left out."""
    found = []
    for line in text.splitlines():
        for pattern, word in _VOLATILE:
            line = pattern.sub(word, line)  # noqa: PLW2901 - the line, step by step
        line = " ".join(line.split())  # noqa: PLW2901
        if line and line != "^C":
            found.append(line)
    return found


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
