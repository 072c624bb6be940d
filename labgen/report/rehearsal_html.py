"""A rehearsal as one page of HTML that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from labgen.report.rehearsal import HEADER, costs, proven, row, summary
from labgen.report.rehearsal_timeline import timeline

if TYPE_CHECKING:
    from labgen.rehearsal.result import Rehearsal, StageResult

_STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1b1f24; --quiet: #5b6570; --line: #dfe3e6;
--band: #eef1f3; --odd: #f7f8f9; --good: #18794e; --bad: #c62a2f; --warn: #ad5700;
--answer: #8fd3ae; --gap: #c62a2f }
@media (prefers-color-scheme: dark) { :root { --page: #16191d; --text: #e4e8eb; --quiet: #a3adb6;
--line: #343b42; --band: #262c32; --odd: #1e2328; --good: #5bc98f; --bad: #ff8d87; --warn: #f0b35a;
--answer: #2f7d56; --gap: #f2665f } }
@media print { :root { color-scheme: light; --page: #fff; --text: #000; --quiet: #444;
--line: #bbb; --band: #eee; --odd: #f8f8f8; --good: #0b5c38; --bad: #a11; --warn: #8a4500;
--answer: #8fd3ae; --gap: #c62a2f }
body { margin: 0 } tr, svg { break-inside: avoid } h2 { break-after: avoid }
* { print-color-adjust: exact; -webkit-print-color-adjust: exact } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem;
padding: 0 1.2rem; color: var(--text); background: var(--page) }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem }
.PASS { color: var(--good); fill: var(--good) } .FAIL { color: var(--bad); fill: var(--bad) }
.ERROR { color: var(--warn); fill: var(--warn) } .NOT { color: var(--quiet); fill: var(--quiet) }
.quiet { color: var(--quiet) } h2 .quiet { white-space: nowrap; font-weight: 400 }
.wide { overflow-x: auto }
table { border-collapse: collapse; margin: .5rem 0; font-size: .92rem }
td, th { padding: .25rem 1.2rem .25rem 0; text-align: left; vertical-align: top;
border-bottom: 1px solid var(--line); white-space: nowrap }
th { font-weight: 600; color: var(--quiet) } td.text { white-space: normal; min-width: 14rem }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
ul, ol { margin: .2rem 0; padding-left: 1.5rem } li { overflow-wrap: anywhere }
svg { display: block; min-width: 40rem; width: 100%; margin: 1rem 0 .2rem }
svg text { font-size: 12px; fill: currentColor } svg text.axis { font-size: 11px;
fill: var(--quiet) } line.axis { stroke: var(--quiet) } rect.band { fill: var(--band) }
rect.odd { fill: var(--odd) } rect.answer { fill: var(--answer) } rect.gap { fill: var(--gap) }
.key { display: inline-block; width: 1.4em; height: .7em; margin: 0 .35em 0 1em }
.key:first-child { margin-left: 0 } summary { cursor: pointer; color: var(--quiet) }
@media screen and (max-width: 45rem) { tr { display: flex; flex-wrap: wrap;
border-bottom: 1px solid var(--line) } td, th { border: 0; flex: 0 0 3.4rem; padding-right: 0 }
td:first-child, th:first-child { flex-basis: 8rem } td:nth-child(4), th:nth-child(4) {
flex: 0 0 9.5rem } th.text, td.text:empty { display: none }
td.text { flex: 0 0 100%; min-width: 0; padding-left: 1rem } table { width: 100% } }
"""
_LEGEND = (
    '<p class="quiet"><span class="key" style="background: var(--answer)"></span>answered'
    '<span class="key" style="background: var(--gap)"></span>longest time without an answer, of '
    "each stage; nothing is drawn before a flow's first answer</p>"
)
_NUMBERS = {"SENT", "LOST", "LONGEST GAP"}
_TEXTS = {"BEGAN", "EXPLAINED BY"}


def page(result: Rehearsal) -> str:
    """The page. Everything that came from a lab or a user is escaped."""
    verdict, rest = summary(result)
    title = f"Rehearsal of {escape(result.lab)}"
    picture = timeline(result)
    shown = f'<div class="wide">{picture}</div>{_LEGEND}\n' if picture else ""
    stages = "".join(_stage(n, stage) for n, stage in enumerate(result.stages, start=1))
    cost = f'<p class="quiet">{escape(costs(result))}</p>\n' if result.probe_cost else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}: {verdict}</title><style>{_STYLE}</style></head><body>\n"
        f'<h1>{title}: <span class="{verdict}">{verdict}</span></h1>\n<p>{escape(rest)}</p>\n'
        f"{''.join(f'<p>Note: {escape(note)}</p>' for note in result.notes)}"
        f"{shown}{stages}{cost}</body></html>\n"
    )


def _stage(number: int, stage: StageResult) -> str:
    kind = stage.outcome.value.split(maxsplit=1)[0]
    took = f' <span class="quiet">{stage.seconds:.1f} s</span>' if stage.start_ns else ""
    parts = [
        (
            f'<section><h2>{number} {escape(stage.name)}: <span class="{kind}">'
            f"{escape(stage.outcome.value)}</span>{took}</h2>\n"
        )
    ]
    if stage.story:
        parts.append(f'<ul class="{kind}">{_items(stage.story)}</ul>\n')
    if stage.actions:
        parts.append(f"<ol>{_items([text for text, _ in stage.actions])}</ol>\n")
    if stage.losses:
        parts.append(_table([row(loss) for loss in stage.losses]))
    if shown := proven(stage.findings):
        parts.append(f"<details><summary>proven</summary><ul>{_items(shown)}</ul></details>\n")
    return "".join((*parts, "</section>\n"))


def _table(rows: Sequence[Sequence[str]]) -> str:
    """The flows' cells; a column in which nothing stands is left out."""
    columns = [n for n in range(len(HEADER)) if any(cells[n] for cells in rows)]
    head = "".join(f"<th{_kind(n)}>{escape(HEADER[n].capitalize())}</th>" for n in columns)
    body = "".join(
        f"<tr>{''.join(f'<td{_kind(n)}>{escape(cells[n])}</td>' for n in columns)}</tr>"
        for cells in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>\n'


def _kind(column: int) -> str:
    if HEADER[column] in _NUMBERS:
        return ' class="number"'
    return ' class="text"' if HEADER[column] in _TEXTS else ""


def _items(texts: Iterable[str]) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts)
