"""What diagnosis says: causes, most certain and most basic first, and what it could not look at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from labgen.check.diagnosis.faults import FAULTS, Fault


class Confidence(Enum):
    """DECIDED: the evidence admits no other fault. POSSIBLE: it does, and `decides` says more."""

    DECIDED = "decided"
    POSSIBLE = "possible"


class Rank(IntEnum):
    """The order of causes: what explains the rest stands first (reference: decision order)."""

    DAEMON_SAYS = 1  # a log line that names the cause outright
    NOTIFICATION = 2
    SILENT = 3  # established, then silence; or a handshake that leads nowhere
    RESET = 4
    LISTENER = 5
    REFUSED = 6
    UNANSWERED = 7
    QUIET = 8
    ROUTES = 9  # the session is up, and routes or traffic are wrong
    PAST = 10  # ended a session before the one that is up now
    MASKED = 11  # a fault that does no harm at the moment
    CONSEQUENCE = 12  # what another cause brings about


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause. `evidence` lines are `file frame N: …` or `file:line …`."""

    fault: Fault
    subject: str
    rank: Rank
    confidence: Confidence
    explanation: str
    evidence: tuple[str, ...]
    decides: str = ""

    def as_json(self) -> dict[str, object]:
        """The fixed form of `diagnose --json`."""
        fault = self.fault
        return {
            "fault": fault.code or fault.name,
            "name": fault.name,
            "title": fault.title,
            "subject": self.subject,
            "confidence": self.confidence.value,
            "explanation": self.explanation,
            "evidence": list(self.evidence),
            "remedy": {"calico": fault.remedy_calico, "bigip": fault.remedy_bigip},
            "decides": self.decides,
            "reference": list(fault.references),
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """A check that had no evidence to look at."""

    check: str
    missing: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Causes in order (none: nothing is wrong that the evidence shows), and what was skipped."""

    causes: tuple[Cause, ...]
    skipped: tuple[Skipped, ...]


def decided(
    name: str, subject: str, rank: Rank, explanation: str, evidence: tuple[str, ...]
) -> Cause:
    return Cause(FAULTS[name], subject, rank, Confidence.DECIDED, explanation, evidence)


def possible(
    name: str, subject: str, rank: Rank, explanation: str, evidence: tuple[str, ...], decides: str
) -> Cause:
    return Cause(FAULTS[name], subject, rank, Confidence.POSSIBLE, explanation, evidence, decides)


def in_order(causes: list[Cause]) -> tuple[Cause, ...]:
    """By rank, decided before possible; one cause for each fault and subject, evidence joined.

    Where a cause is decided, what else is possible for the same subject is not worth a line.
    """
    merged: dict[tuple[str, str], Cause] = {}
    for cause in sorted(causes, key=_key):
        key = (cause.fault.name, cause.subject)
        first = merged.get(key)
        if first is None:
            merged[key] = cause
        else:
            merged[key] = replace(
                first, evidence=tuple(dict.fromkeys((*first.evidence, *cause.evidence)))[:12]
            )
    merged = {key: _placed(cause, merged) for key, cause in merged.items()}
    settled = {
        c.subject
        for c in merged.values()
        if c.confidence is Confidence.DECIDED and c.rank < Rank.PAST
    }
    return tuple(
        sorted(
            (
                c
                for c in merged.values()
                if c.confidence is Confidence.DECIDED or c.subject not in settled
            ),
            key=_key,
        )
    )


# That a session ended for silence is what these brought about.
_SILENCES = {"host-unreachable", "tcp-179-refused", "ttl-security-one-sided", "md5-mismatch"}


def _placed(cause: Cause, causes: dict[tuple[str, str], Cause]) -> Cause:
    """An expired hold timer is a consequence, where it is known what keeps the ends apart now."""
    apart = any(
        c.subject == cause.subject
        and c.fault.name in _SILENCES
        and c.confidence is Confidence.DECIDED
        and c.rank < Rank.MASKED
        for c in causes.values()
    )
    if cause.fault.name == "hold-timer-expired" and apart:
        return replace(cause, rank=Rank.CONSEQUENCE)
    return cause


def _key(cause: Cause) -> tuple[int, bool, int]:
    """What does harm now, what did, what may; and no possible cause before a decided one."""
    when = (cause.rank >= Rank.PAST) + (cause.rank >= Rank.MASKED)
    return (when, cause.confidence is Confidence.POSSIBLE, cause.rank)
