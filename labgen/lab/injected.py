"""Faults that are in a running lab: recorded in its directory, so that any later process heals.

A fault's record is written before the fault is injected, and removed after it is healed: whatever
is killed in between, `labgen fault heal` finds what to undo. A record may hold a BGP password (the
stanza as it was), so it is readable by its owner only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labgen.errors import InputError, LabError
from labgen.lab import fault_steps, faults, files
from labgen.lab.fault_blocks import Target
from labgen.lab.fault_steps import Injection, Run
from labgen.lab.lock import locked
from labgen.lab.wait import wait_until

DIRECTORY = "faults"
WAIT_SECONDS = 45.0


def injected(lab_directory: Path) -> tuple[Injection, ...]:
    """What is in the lab now, oldest first. Raises InputError for a damaged record."""
    records = sorted((lab_directory / DIRECTORY).glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
    return tuple(Injection.from_json(path.read_text(encoding="utf-8")) for path in records)


def inject(name: str, target: Target, lab_directory: Path, run: Run) -> fault_steps.FaultPlan:
    """Put a fault in. Raises InputError for an unknown name, LabError when it is in already or
    cannot be injected (then nothing of it is left).
    """
    plan = faults.plan_of(name, target)
    record = _record(lab_directory, plan.name)
    with locked(lab_directory, f"fault inject {plan.name}"):
        if record.exists():
            raise LabError(
                f"the fault {plan.name} is in the lab already", hint="labgen fault heal LAB"
            )
        injection = fault_steps.prepare(plan, run)
        files.write_atomically(record, injection.to_json().encode())
        try:
            fault_steps.inject(plan, injection, run, _wait)
        except Exception:
            record.unlink(missing_ok=True)
            raise
    return plan


def heal(name: str | None, target: Target, lab_directory: Path, run: Run) -> tuple[str, ...]:
    """Take out one fault, or all, the youngest first; returns their names. Raises LabError."""
    with locked(lab_directory, f"fault heal {name or 'all'}"):
        there = {injection.name: injection for injection in injected(lab_directory)}
        wanted = list(reversed(there)) if name is None else [faults.plan_of(name, target).name]
        for one in wanted:
            if one not in there:
                known = ", ".join(there) or "none"
                raise InputError(f"the fault {one} is not in the lab", hint=f"injected: {known}")
            fault_steps.heal(faults.plan_of(one, target), there[one], run, _wait)
            _record(lab_directory, one).unlink(missing_ok=True)
    return tuple(wanted)


def forget(lab_directory: Path) -> None:
    """The lab is gone, and its faults with it."""
    for record in (lab_directory / DIRECTORY).glob("*.json"):
        record.unlink(missing_ok=True)


def _record(lab_directory: Path, name: str) -> Path:
    return lab_directory / DIRECTORY / f"{name}.json"


def _wait(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, bool, deadline=WAIT_SECONDS, what=what, interval=0.2)
