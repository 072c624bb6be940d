"""A rehearsal for people and for CI: a table per stage of what each flow lost, and the story."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labgen.check.model import Finding, Status
from labgen.rehearsal.result import Outcome, StageResult
from labgen.report.text import Style, folded, plain, table

if TYPE_CHECKING:
    from labgen.rehearsal.outages import BgpEvent, Gap, Loss
    from labgen.rehearsal.result import Rehearsal

_COLOUR = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.ERROR: "yellow",
           Outcome.NOT_RUN: "bright_black"}  # fmt: skip
_MARK = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.ERROR: "!", Outcome.NOT_RUN: "·"}
_SHOWN = 6
_LONG = 90  # of an action: a command line may be longer than anybody reads here
_NARROW = 4  # columns that fit side by side; what else is known of a gap stands below
HEADER = ("FLOW", "SENT", "LOST", "LONGEST GAP", "BEGAN", "EXPLAINED BY")


def lines(result: Rehearsal, style: Style = plain, width: int | None = None) -> list[str]:
    """The whole rehearsal; `width` is that of a terminal, on which long lines are broken."""
    found: list[str] = []
    for stage in result.stages:
        found += [*stage_lines(stage, style, width), ""]
    for note in result.notes:
        found += folded("note: ", note, width)
    if result.probe_cost:
        found += folded("", costs(result), width)
    verdict, rest = summary(result)
    return [*found, f"{style(verdict, 'green' if result.passed else 'red')}: {rest}"]


def summary(result: Rehearsal) -> tuple[str, str]:
    """The verdict, and how much of it there is."""
    done = sum(s.outcome is Outcome.PASS for s in result.stages)
    up = f", {result.deploy_seconds:.1f} s of them to deploy" if result.deployed else ""
    return (
        "PASS" if result.passed else "FAIL",
        f"{done} of {len(result.stages)} stages in {result.seconds:.1f} s{up}",
    )


def costs(result: Rehearsal) -> str:
    """What the probes took of the processor."""
    shares = ", ".join(f"{node} {share:.1%}" for node, share in result.probe_cost)
    return f"probes took of one core: {shares}"


def stage_lines(stage: StageResult, style: Style = plain, width: int | None = None) -> list[str]:
    """One stage: its outcome, what was proven, what it cost, why it is broken."""
    word = style(f"{_MARK[stage.outcome]} {stage.outcome.value}", _COLOUR[stage.outcome])
    if stage.outcome is Outcome.NOT_RUN:
        return [f"{word}  {stage.name}"]
    found = [f"{word}  {stage.name}  {stage.seconds:.1f} s"]
    for text, _ in stage.actions:
        found += folded("  did       ", text, width)
    for text in proven(stage.findings):
        found += folded("  proven    ", text, width)
    found += _flows(stage.losses, width)
    for number, text in enumerate(stage.story):
        head, *more = folded("  broken    " if number == 0 else "  also      ", text, width)
        label = head[2:8].rstrip()
        found += [f"  {style(label, 'red')}{head[2 + len(label) :]}", *more]
    return found


def _flows(losses: Sequence[Loss], width: int | None) -> list[str]:
    """The flows' table, and below the row of one with a gap when that began and why."""
    if not losses:
        return []
    rows = [row(loss) for loss in losses]
    head, *shown = table([cells[:_NARROW] for cells in rows], header=HEADER[:_NARROW])
    found = [f"  {head}"]
    for line, (*_, start, why) in zip(shown, rows, strict=True):
        found.append(f"  {line}")
        for label, text in (("began", start), ("why", why)):
            if text:
                found += folded(f"    {label:<8}", text, width)
    return found


def proven(findings: Sequence[Finding]) -> list[str]:
    """What passed, findings of one kind on one line."""
    kinds: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status is Status.PASS:
            kinds.setdefault(finding.check, []).append(finding)
    words = []
    for check, own in kinds.items():
        if len(own) > _SHOWN:
            words.append(f"{check}: {len(own)} times, such as {own[0].subject}: {own[0].observed}")
        elif check in _COUNTED:
            words.append(f"{check}: {own[0].subject}: {own[0].observed}"
                         + (f" and {len(own) - 1} more" if len(own) > 1 else ""))  # fmt: skip
        else:
            words += [f"{check}: {f.subject}: {f.observed}" for f in own]
    return words


_COUNTED = {"established", "forecast", "sessions", "rib", "fib"}


def row(loss: Loss) -> list[str]:
    """A flow's cells, in the order of `HEADER`."""
    if not loss.reachable:
        return [loss.flow, str(loss.sent), "-", "not reachable yet", "", ""]
    if loss.longest is None:
        first = "" if loss.first_answer_ns is None else ", first answers here"
        return [loss.flow, str(loss.sent), "0", f"0 ms{first}", "", ""]
    gap = loss.longest
    open_end = "" if gap.end_ns is not None else " and on"
    return [loss.flow, str(loss.sent), str(loss.lost), f"{gap.milliseconds:.0f} ms{open_end}",
            began(gap), explained(gap)]  # fmt: skip


def began(gap: Gap) -> str:
    """When a gap began, by the action before it (one that began with a probe under way counts)."""
    action = gap.action if len(gap.action) <= _LONG else f"{gap.action[: _LONG - 1]}…"
    if gap.after_ms < 0:
        return f"{-gap.after_ms:.0f} ms before {action}"
    return f"{gap.after_ms:.0f} ms after {action}"


def explained(gap: Gap) -> str:
    """The BGP events that took the route away and that brought it, when, and where they stand in
    the capture.
    """
    known = [_event(gap, event) for event in (gap.explained, gap.mended) if event is not None]
    return "; ".join(known) or "no BGP event near"


def _event(gap: Gap, event: BgpEvent) -> str:
    before = (gap.start_ns - event.time_ns) / 1e6
    when = f"{before:.0f} ms before" if before >= 0 else f"{-before:.0f} ms into it"
    return f"{event.text}, {when} ({event.where.rsplit('/', 1)[-1]})"


def junit(result: Rehearsal) -> str:
    """A `<testsuites>` document: a suite per stage, a case per finding and one for the stage."""
    root = ET.Element("testsuites")
    for stage in result.stages:
        suite = ET.SubElement(root, "testsuite", {
            "name": f"labgen rehearse {result.lab}: {stage.name}", "time": f"{stage.seconds:.3f}",
        })  # fmt: skip
        own = ET.SubElement(suite, "testcase", {"classname": result.lab, "name": stage.name,
                                                "time": f"{stage.seconds:.3f}"})  # fmt: skip
        kind = {Outcome.FAIL: "failure", Outcome.ERROR: "error", Outcome.NOT_RUN: "skipped"}
        if stage.outcome in kind:
            head = stage.story[0] if stage.story else stage.outcome.value
            body = ET.SubElement(own, kind[stage.outcome], {"message": _clean(head)})
            body.text = _clean("\n".join(stage.story))
        for finding in stage.findings:
            _case(suite, f"{result.lab}.{stage.name}", finding)
        _count(suite)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ET.Element, name: str, finding: Finding) -> None:
    case = ET.SubElement(suite, "testcase", {
        "classname": name, "name": f"{finding.check}: {finding.subject}",
    })  # fmt: skip
    kind = {Status.FAIL: "failure", Status.ERROR: "error", Status.SKIP: "skipped"}
    if finding.status in kind:
        body = ET.SubElement(case, kind[finding.status], {"message": _clean(finding.observed)})
        body.text = _clean("\n".join([f"expected: {finding.expected}",
                                      f"observed: {finding.observed}",
                                      *(f"evidence: {e}" for e in finding.evidence)]))  # fmt: skip


def _count(suite: ET.Element) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for key, kind in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(key, str(len(suite.findall(f"testcase/{kind}"))))


def _clean(text: str) -> str:
    """XML 1.0 has no control characters but tab, newline and return."""
    return "".join(c for c in text if c >= " " or c in "\t\n\r")
