"""The one exception tree, and the exit codes it maps to.

    LabgenError
    ├── InputError        what a user wrote is wrong                     exit 2
    │   └── InputErrors   several of them, reported together             exit 2
    ├── HostError         no Docker engine, no image, no rights          exit 3
    ├── LabError          the lab itself is in trouble                   exit 3
    │   ├── CommandFailed a command in a node returned non-zero          exit 3
    │   └── NotReady      a state was not reached before its deadline    exit 3
    └── EvidenceError     a check's evidence cannot be had               exit 3
        ├── CaptureError  a capture file cannot be read or written       exit 3
        ├── DecodeError   bytes on the wire that the RFC does not allow  exit 3
        └── ParseError    a daemon's output has an unknown form          exit 3

Every message is one line: what, where, and what to do next. Foreign exceptions are translated
where they appear; the command line prints the message without a traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitCode(IntEnum):
    """What every labgen command exits with (the only place these numbers are written)."""

    OK = 0
    CHECK_FAILED = 1
    BAD_INPUT = 2
    TROUBLE = 3
    CHECK_ERROR = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file. `line` and `column` count from 1."""

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class LabgenError(Exception):
    """Base of everything labgen raises on purpose."""

    exit_code = ExitCode.TROUBLE

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = self.message if self.hint is None else f"{self.message} ({self.hint})"
        return " ".join(text.split())


class InputError(LabgenError):
    """Something the user wrote is wrong: `mark` says where, when the place is known."""

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, message: str, *, mark: Mark | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.mark = mark

    def __str__(self) -> str:
        text = super().__str__()
        return text if self.mark is None else f"{self.mark}: {text}"


class InputErrors(InputError):
    """Several input errors found in one pass; `str()` is one line for each."""

    def __init__(self, problems: Sequence[InputError]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class HostError(LabgenError):
    """The machine lacks something: an engine, an image, a right."""


class LabError(LabgenError):
    """A running lab is not what it should be."""


class CommandFailed(LabError):
    """A command in a node returned non-zero.

    `argv` has no secrets in it: callers pass secrets on standard input or in files.
    """

    def __init__(self, node: str, argv: Sequence[str], code: int, output: str) -> None:
        last = output.strip().splitlines()[-1] if output.strip() else "no output"
        super().__init__(f"{node}: `{' '.join(argv)}` exited with {code}: {last}")
        self.node, self.argv, self.code, self.output = node, tuple(argv), code, output


class NotReady(LabError):
    """A state was not reached in time; `last` is the last thing seen."""

    def __init__(self, what: str, *, waited: float, last: str, hint: str | None = None) -> None:
        super().__init__(f"{what}: not reached in {waited:.1f} s; last seen: {last}", hint=hint)
        self.what, self.waited, self.last = what, waited, last


class EvidenceError(LabgenError):
    """Evidence that a check needs cannot be had: the check is ERROR, never FAIL."""


class CaptureError(EvidenceError):
    """A capture file cannot be read or written."""


class DecodeError(EvidenceError):
    """Bytes that the RFC does not allow.

    `offset` counts octets from the start of the BGP message; `frame` is the capture's frame
    number (from 1) where the message ends, when known; `reference` names the RFC section.
    """

    def __init__(
        self, message: str, *, offset: int, reference: str, frame: int | None = None
    ) -> None:
        where = f"frame {frame}, " if frame is not None else ""
        super().__init__(f"{where}offset {offset}: {message} [{reference}]")
        self.reason, self.offset, self.reference, self.frame = message, offset, reference, frame


class ParseError(EvidenceError):
    """A daemon's output has a form that labgen does not know."""

    def __init__(self, source: str, excerpt: str, *, expected: str) -> None:
        super().__init__(f"{source}: expected {expected}, found {excerpt[:80]!r}")
