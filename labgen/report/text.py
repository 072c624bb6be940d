"""Findings for people: one row per session, one column per rung, and why something is red."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence

from labgen.check.model import Finding, Rung, Status

Style = Callable[[str, str], str]
"""`style(text, colour)`: colours only on a terminal; the caller decides."""

_MARK = {Status.PASS: "✓", Status.FAIL: "✗", Status.SKIP: "·", Status.ERROR: "!"}
_COLOUR = {Status.PASS: "green", Status.FAIL: "red", Status.SKIP: "bright_black",
           Status.ERROR: "yellow"}  # fmt: skip
_WORST = (Status.FAIL, Status.ERROR, Status.PASS, Status.SKIP)


def plain(text: str, _colour: str) -> str:
    """A Style for files and pipes."""
    return text


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str], gap: int = 3) -> list[str]:
    """Left-aligned columns, no trailing blanks."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append((" " * gap).join(cells).rstrip())
    return lines


def folded(label: str, text: str, width: int | None) -> list[str]:
    """Text behind a label; what does not fit into a terminal goes on below. None: one line."""
    if width is None:
        return [f"{label}{text}"]
    lines = textwrap.wrap(text, max(20, width - 1), initial_indent=label,
                          subsequent_indent=" " * len(label), break_on_hyphens=False)  # fmt: skip
    return lines or [label.rstrip()]


def worst(findings: Iterable[Finding]) -> Status:
    """FAIL over ERROR over PASS over SKIP: a rung passed if something did and nothing broke."""
    seen = {finding.status for finding in findings}
    return next((status for status in _WORST if status in seen), Status.SKIP)


def ladder(findings: Sequence[Finding], style: Style = plain) -> list[str]:
    """The table of sessions and rungs."""
    names = list(dict.fromkeys(f.session for f in findings if f.session))
    if not names:
        return ["no sessions"]
    width = max(len("SESSION"), *(len(name) for name in names))
    titles = [rung.title for rung in Rung]
    lines = ["SESSION".ljust(width) + "   " + "   ".join(titles)]
    for name in names:
        cells = []
        for rung, title in zip(Rung, titles, strict=True):
            own = [f for f in findings if f.session == name and f.rung is rung]
            status = worst(own)
            mark = _MARK[status] if own else " "
            cells.append(style(mark, _COLOUR[status]) + " " * (len(title) - 1))
        lines.append((name.ljust(width) + "   " + "   ".join(cells)).rstrip())
    return lines


def story(findings: Sequence[Finding], session: str) -> list[str]:
    """What was observed on each rung of one session, lowest first."""
    own = sorted((f for f in findings if f.session == session), key=lambda f: f.rung)
    width = max((len(f.rung.title) for f in own), default=0)
    lines = [session]
    for finding in own:
        mark = _MARK[finding.status]
        lines.append(f"  {mark} {finding.rung.title.ljust(width)}  {finding.observed}")
    return lines


def details(findings: Sequence[Finding], style: Style = plain) -> list[str]:
    """Expected, observed, evidence and reference of everything that is red or could not run."""
    lines: list[str] = []
    for finding in findings:
        if finding.status not in (Status.FAIL, Status.ERROR):
            continue
        word = style(finding.status.value, _COLOUR[finding.status])
        lines.append(f"{word} {finding.rung.title}: {finding.subject} [{finding.check}]")
        lines.append(f"  expected  {finding.expected}")
        lines.append(f"  observed  {finding.observed}")
        lines += [f"  evidence  {item}" for item in finding.evidence]
        if finding.reference:
            lines.append(f"  see       {finding.reference}")
    return lines


def limits(findings: Sequence[Finding], style: Style = plain) -> list[str]:
    """A line for each thing that this machine could not do as it should be, and where."""
    where: dict[str, list[str]] = {}
    for finding in findings:
        if finding.status is Status.SKIP and not finding.session:
            where.setdefault(finding.observed, []).append(finding.subject)
    word = style("SKIP", _COLOUR[Status.SKIP])
    return [f"{word} {', '.join(subjects)}: {why}" for why, subjects in where.items()]


def summary(findings: Sequence[Finding], style: Style = plain) -> str:
    """One line: how many of each status."""
    counts = {status: sum(f.status is status for f in findings) for status in Status}
    parts = [
        style(f"{count} {status.value}", _COLOUR[status])
        for status, count in counts.items()
        if count
    ]
    return f"{len(findings)} checks: {', '.join(parts) or 'none'}"
