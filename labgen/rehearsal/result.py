"""What a rehearsal comes to, for reports: frozen values, nothing that runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from labgen.check.model import Status

if TYPE_CHECKING:
    from labgen.check.model import Finding
    from labgen.rehearsal.outages import Gap, Loss


class Outcome(Enum):
    """How a stage ended. ERROR: it could not be carried out or judged."""

    PASS = "PASS"  # noqa: S105 - an outcome, not a password
    FAIL = "FAIL"
    ERROR = "ERROR"
    NOT_RUN = "NOT RUN"


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage. Times in seconds; `start_ns` and the actions' times since the epoch.

    `story` says, lowest rung first, why a stage is not PASS.
    """

    name: str
    outcome: Outcome
    start_ns: int = 0
    seconds: float = 0.0
    actions: tuple[tuple[str, int], ...] = ()
    findings: tuple[Finding, ...] = ()
    losses: tuple[Loss, ...] = ()
    story: tuple[str, ...] = ()

    @property
    def proven(self) -> tuple[str, ...]:
        """What was expected and observed, one line for each finding that passed."""
        return tuple(f"{f.subject}: {f.observed}" for f in self.findings if f.status is Status.PASS)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A whole rehearsal of a lab. `probe_cost` is each probing node's share of one core."""

    lab: str
    stages: tuple[StageResult, ...]
    seconds: float
    deployed: bool
    deploy_seconds: float = 0.0
    notes: tuple[str, ...] = ()
    probe_cost: tuple[tuple[str, float], ...] = ()

    @property
    def passed(self) -> bool:
        return all(stage.outcome is Outcome.PASS for stage in self.stages)

    def as_json(self) -> dict[str, Any]:
        """The fixed form of `rehearse --output json`."""
        return {
            "lab": self.lab,
            "passed": self.passed,
            "seconds": round(self.seconds, 3),
            "deployed": self.deployed,
            "deploy-seconds": round(self.deploy_seconds, 3),
            "stages": [_stage(stage) for stage in self.stages],
            "notes": list(self.notes),
            "probe-cost": {node: round(share, 4) for node, share in self.probe_cost},
        }


def _stage(stage: StageResult) -> dict[str, Any]:
    return {
        "name": stage.name,
        "outcome": stage.outcome.value,
        "start-ns": stage.start_ns,
        "seconds": round(stage.seconds, 3),
        "actions": [{"action": text, "at-ns": at} for text, at in stage.actions],
        "findings": [finding.as_json() for finding in stage.findings],
        "flows": [_loss(loss) for loss in stage.losses],
        "story": list(stage.story),
    }


def _loss(loss: Loss) -> dict[str, Any]:
    return {
        "flow": loss.flow,
        "reachable": loss.reachable,
        "sent": loss.sent,
        "lost": loss.lost,
        "reasons": dict(loss.reasons),
        "longest-gap": _gap(loss.longest) if loss.longest else None,
        "first-answer-ns": loss.first_answer_ns,
        "median-rtt-us": loss.median_rtt_us,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    event, mended = gap.explained, gap.mended
    return {
        "ms": round(gap.milliseconds, 1),
        "lost": gap.lost,
        "start-ns": gap.start_ns,
        "ended": gap.end_ns is not None,
        "after-action": gap.action,
        "began-ms": round(gap.after_ms, 1),
        "explained-by": None if event is None else {
            "event": event.text, "evidence": event.where,
            "before-ms": round((gap.start_ns - event.time_ns) / 1e6, 1),
        },
        "ended-by": None if mended is None else {
            "event": mended.text, "evidence": mended.where,
            "into-ms": round((mended.time_ns - gap.start_ns) / 1e6, 1),
        },
    }  # fmt: skip
