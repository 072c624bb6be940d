"""Findings: what a check expected, what it observed, and the evidence for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum

from labgen.errors import ExitCode


class Status(Enum):
    """PASS and FAIL judge the network; SKIP did not apply; ERROR means the check could not run."""

    PASS = "PASS"  # noqa: S105 - a status, not a password
    FAIL = "FAIL"
    SKIP = "SKIP"
    ERROR = "ERROR"


class Rung(IntEnum):
    """The ladder, lowest first: the first broken rung of a session is its headline."""

    TCP = 1
    OPEN = 2
    ESTABLISHED = 3
    UPDATE = 4
    RIB = 5
    FIB = 6
    TRAFFIC = 7

    @property
    def title(self) -> str:
        return "Established" if self is Rung.ESTABLISHED else self.name


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement. `evidence` names files with frames, or nodes with commands."""

    check: str
    status: Status
    rung: Rung
    subject: str
    expected: str
    observed: str
    evidence: tuple[str, ...] = ()
    reference: str = ""
    session: str = ""

    def as_json(self) -> dict[str, object]:
        """The fixed form of `verify --output json`."""
        return {
            "check": self.check,
            "status": self.status.value,
            "rung": self.rung.title,
            "subject": self.subject,
            "expected": self.expected,
            "observed": self.observed,
            "evidence": list(self.evidence),
            "reference": self.reference,
        }


def exit_code(findings: Iterable[Finding]) -> ExitCode:
    """1 where some check failed, else 4 where one could not run, else 0."""
    statuses = {finding.status for finding in findings}
    if Status.FAIL in statuses:
        return ExitCode.CHECK_FAILED
    return ExitCode.CHECK_ERROR if Status.ERROR in statuses else ExitCode.OK
