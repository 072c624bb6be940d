"""Run the stages of a rehearsal on a running lab: act, wait for what must hold, count what it cost.

Stops at the first stage that is not as expected. Everything that runs (the lab, the probes, the
captures, the clock) is given, so the order of things can be tested without a lab.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labgen.check.model import Finding, Rung, Status
from labgen.errors import LabgenError
from labgen.rehearsal.actions import Actor, Faults, Lab
from labgen.rehearsal.calls import Texts, words
from labgen.rehearsal.judging import conditions, reach
from labgen.rehearsal.observing import Look
from labgen.rehearsal.outages import BgpEvent, Gap, Loss, Path, Window, events_of, losses
from labgen.rehearsal.probing import DECIDED_SECONDS
from labgen.rehearsal.result import Outcome, StageResult
from labgen.rehearsal.targets import Places

if TYPE_CHECKING:
    from labgen.bgp.conversation import Capture
    from labgen.rehearsal.probing import Flow, Probing
    from labgen.runtime.protocol import Commands
    from labgen.spec.model import Spec
    from labgen.spec.stages import Stage, Thresholds

ACTING_SECONDS = 60.0  # the longest that an action may take before the probes think nobody reads
NEAR_NS = 10_000_000_000  # what came longer before the first stage explains nothing in it


@dataclass(frozen=True, slots=True)
class Stageplay:
    """What the stages are played on. `wire` reads the captures, `now` is the time in ns."""

    lab: Lab
    spec: Spec
    texts: Texts
    commands: Commands
    faults: Faults
    probes: Probing
    wire: Callable[[], Capture]
    tell: Callable[[str], object] = str
    now: Callable[[], int] = time.time_ns
    windows: list[Window] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def play(on: Stageplay, stages: Sequence[Stage]) -> tuple[StageResult, ...]:
    """Every stage up to the first broken one; those after it are NOT_RUN."""
    actor = Actor(on.lab, on.texts, on.faults)
    results: list[StageResult] = []
    try:
        for stage in stages:
            if results and results[-1].outcome is not Outcome.PASS:
                results.append(StageResult(stage.name, Outcome.NOT_RUN))
            else:
                results.append(_stage(on, actor, stage))
    finally:
        on.notes.extend(actor.heal_all())
    return tuple(results)


def _stage(on: Stageplay, actor: Actor, stage: Stage) -> StageResult:
    start = on.now()
    actions: list[tuple[str, int]] = []
    try:
        for action in stage.actions:
            on.probes.go_on(ACTING_SECONDS)
            on.tell(f"{stage.name}: {words(action)}")
            actions.append((words(action), on.now()))
            actor.do(action)
        on.probes.go_on(stage.expect.deadline + DECIDED_SECONDS)
        findings = _reached(on, stage)
    except LabgenError as error:
        failed = f"`{actions[-1][0]}`: " if actions else ""
        told = (f"{failed}{error}",)
        end = on.now()
        return StageResult(stage.name, Outcome.ERROR, start, (end - start) / 1e9, tuple(actions),
                           story=told)  # fmt: skip
    end = on.now()
    # What happened since the last stage was judged belongs to this one's time, so nothing is lost.
    since = on.windows[-1].end_ns if on.windows else start
    on.windows.append(Window(stage.name, since, end, tuple(actions)))
    on.tell(f"{stage.name}: answers to the last probes")
    costs, unknown, notes = _losses(on, end)
    findings = (*findings, *unknown, *_thresholds(on.spec, stage, costs))
    return StageResult(
        stage.name, _outcome(findings), start, (end - start) / 1e9, tuple(actions), findings,
        costs, (*story(findings), *notes),
    )  # fmt: skip


def _reached(on: Stageplay, stage: Stage) -> tuple[Finding, ...]:
    design = on.lab.design()
    places = Places(design, on.lab.state)
    wanted = conditions(stage.expect, places, design, on.commands)
    return reach(
        wanted, lambda: Look(design, on.commands.run), deadline=stage.expect.deadline,
        tell=lambda text: on.tell(f"{stage.name}: {text}"),
    )  # fmt: skip


def _outcome(findings: Sequence[Finding]) -> Outcome:
    statuses = {finding.status for finding in findings}
    if Status.FAIL in statuses:
        return Outcome.FAIL
    return Outcome.ERROR if Status.ERROR in statuses else Outcome.PASS


def story(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Why a stage is not as expected: what is broken, lowest rung first."""
    broken = [f for f in findings if f.status in (Status.FAIL, Status.ERROR)]
    return tuple(
        f"{f.rung.title}: {f.subject}: expected {f.expected}; last seen: {f.observed}"
        for f in sorted(broken, key=lambda f: f.rung)
    )


def _losses(
    on: Stageplay, end: int
) -> tuple[tuple[Loss, ...], tuple[Finding, ...], tuple[str, ...]]:
    """The last window's losses per flow; that they are not known; why events of them are not."""
    if not on.probes.flows:
        return (), (), ()
    try:
        on.probes.read_until(end)
    except LabgenError as error:
        unknown = Finding("probes", Status.ERROR, Rung.TRAFFIC, "the probes",
                          "every probe's answer, or its loss", str(error))  # fmt: skip
        return (), (unknown,), ()
    window = on.windows[-1]
    hurt = any(
        sample.rtt_us is None and sample.sent_ns >= window.start_ns
        for flow in on.probes.flows for sample in on.probes.of(flow)
    )  # fmt: skip
    places = Places(on.lab.design(), on.lab.state)
    events: tuple[BgpEvent, ...] = ()
    notes: tuple[str, ...] = ()
    if hurt:
        try:
            name_of = {a: n for n, a in places.speakers.items() if a is not None}
            events = events_of(on.wire(), name_of, since_ns=on.windows[0].start_ns - NEAR_NS)
        except LabgenError as error:
            notes = (f"no BGP event can be named: {error}",)
    found = []
    for flow in on.probes.flows:
        path = path_of(flow, places)
        found.append(losses(flow.name, on.probes.of(flow), on.windows, path, events)[-1])
    return tuple(found), (), notes


def path_of(flow: Flow, places: Places) -> Path:
    """What a flow depends on. A Service's flows end at its pods, wherever they are."""
    pod = places.pods.get(flow.node)
    source = pod.addresses[0] if pod is not None else places.speakers.get(flow.node)
    near = pod.spec.node_name if pod is not None else flow.node
    nodes = (near, places.node_of_address(flow.address))
    addresses = [places.speakers.get(n) for n in nodes if n is not None]
    return Path(tuple(a for a in (flow.address, source) if a is not None),
                frozenset(a for a in addresses if a is not None))  # fmt: skip


def _thresholds(spec: Spec, stage: Stage, costs: Sequence[Loss]) -> list[Finding]:
    """What a stage may cost: its own limits, else the flow's."""
    found = []
    for loss in costs:
        if not loss.reachable:
            continue
        probe = spec.probes[loss.flow]
        gap = _limit("max_gap", stage, probe)
        if gap is not None:
            longest = loss.longest.milliseconds if loss.longest else 0.0
            found.append(_limited("max-gap", loss, longest <= gap * 1000,
                                  f"no gap longer than {gap * 1000:g} ms",
                                  _told(loss.longest)))  # fmt: skip
        most = _limit("max_lost", stage, probe)
        if most is not None:
            found.append(_limited("max-lost", loss, loss.lost <= most,
                                  f"at most {most:g} of {loss.sent} lost",
                                  f"{loss.lost} lost"))  # fmt: skip
    return found


def _limit(name: str, stage: Thresholds, probe: Thresholds) -> float | None:
    own: float | None = getattr(stage, name)
    other: float | None = getattr(probe, name)
    return other if own is None else own


def _told(gap: Gap | None) -> str:
    """A gap, after which action it began, what explains it and what ended it."""
    if gap is None:
        return "no gap"
    events = [f"; {gap.explained.text}"] if gap.explained else []
    if gap.mended:
        into = (gap.mended.time_ns - gap.start_ns) / 1e6
        events.append(f"; {gap.mended.text}, {into:.0f} ms into it")
    why = "".join(events) or "; no BGP event near"
    return f"{gap.milliseconds:.0f} ms, began {gap.after_ms:.0f} ms after {gap.action}{why}"


def _limited(check: str, loss: Loss, ok: bool, expected: str, observed: str) -> Finding:
    gap = loss.longest
    events = () if gap is None else (gap.explained, gap.mended)
    evidence = tuple(f"{event.where}: {event.text}" for event in events if event)
    return Finding(check, Status.PASS if ok else Status.FAIL, Rung.TRAFFIC,
                   f"loss of {loss.flow}", expected, observed, evidence)  # fmt: skip
