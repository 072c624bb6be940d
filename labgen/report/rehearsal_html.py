"""A rehearsal as one page of HTML that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from labgen.report.rehearsal import HEADER, proven, row

if TYPE_CHECKING:
    from labgen.rehearsal.result import Rehearsal, StageResult

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; color: #1b1f24 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin: 1.6rem 0 .3rem }
.PASS { color: #18794e } .FAIL { color: #c62a2f } .ERROR { color: #ad5700 } .NOT { color: #687076 }
table { border-collapse: collapse; margin: .5rem 0 } td, th { padding: .2rem .8rem .2rem 0;
text-align: left; vertical-align: top; border-bottom: 1px solid #e6e8eb; font-size: .92rem }
ul { margin: .2rem 0; padding-left: 1.2rem } code { font-size: .9em }
svg { display: block; margin: 1rem 0 } summary { cursor: pointer; color: #687076 }
"""
_WIDTH, _ROW, _LEFT = 900, 22, 190


def page(result: Rehearsal) -> str:
    """The page. Everything that came from a lab or a user is escaped."""
    verdict = "PASS" if result.passed else "FAIL"
    title = f"Rehearsal of {escape(result.lab)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{title}: "
        f'<span class="{verdict}">{verdict}</span>, {result.seconds:.1f} s</h1>\n'
        f"{_timeline(result)}\n{''.join(map(_stage, result.stages))}"
        f"{''.join(f'<p>{escape(note)}</p>' for note in result.notes)}</body></html>\n"
    )


def _timeline(result: Rehearsal) -> str:
    """Stages along the time, and under them every flow with its longest gap of each stage."""
    played = [s for s in result.stages if s.start_ns]
    if not played:
        return ""
    start = played[0].start_ns
    end = max(s.start_ns + int(s.seconds * 1e9) for s in played)
    flows = list(dict.fromkeys(loss.flow for s in played for loss in s.losses))

    def x(time_ns: int) -> float:
        return _LEFT + (_WIDTH - _LEFT) * (time_ns - start) / max(1, end - start)

    parts = []
    for number, stage in enumerate(played):
        left, right = x(stage.start_ns), x(stage.start_ns + int(stage.seconds * 1e9))
        shade = "#eef1f3" if number % 2 else "#f8f9fa"
        parts.append(
            f'<rect x="{left:.1f}" y="0" width="{max(1.0, right - left):.1f}" '
            f'height="{_ROW * (len(flows) + 1)}" fill="{shade}"><title>{escape(stage.name)}, '
            f'{stage.seconds:.1f} s</title></rect><text x="{left + 2:.1f}" y="15" font-size="11">'
            f"{number + 1}</text>"
        )
    for line, flow in enumerate(flows, start=1):
        y = line * _ROW
        parts.append(f'<text x="0" y="{y + 15}" font-size="12">{escape(flow)}</text>')
        for stage in played:
            for loss in (one for one in stage.losses if one.flow == flow):
                right = x(stage.start_ns + int(stage.seconds * 1e9))
                from_ns = loss.first_answer_ns or stage.start_ns
                if loss.reachable:
                    parts.append(_bar(x(from_ns), right, y, "#8fd3ae", f"{flow}: answers"))
                if loss.longest is not None:
                    gap = loss.longest
                    text = f"{flow}: {loss.lost} lost, {gap.milliseconds:.0f} ms"
                    stop = x(gap.end_ns or gap.until_ns)
                    parts.append(_bar(x(gap.start_ns), stop, y, "#c62a2f", text))
    height = _ROW * (len(flows) + 1)
    return f'<svg width="{_WIDTH}" height="{height}" role="img">{"".join(parts)}</svg>'


def _bar(left: float, right: float, y: int, colour: str, text: str) -> str:
    return (
        f'<rect x="{left:.1f}" y="{y + 5}" width="{max(1.5, right - left):.1f}" '
        f'height="{_ROW - 10}" fill="{colour}"><title>{escape(text)}</title></rect>'
    )


def _stage(stage: StageResult) -> str:
    kind = stage.outcome.value.split(maxsplit=1)[0]
    parts = []
    parts.append(
        f'<h2><span class="{kind}">{escape(stage.outcome.value)}</span> {escape(stage.name)}'
        f", {stage.seconds:.1f} s</h2>\n"
    )
    if stage.story:
        parts.append(f'<ul class="{kind}">{_items(stage.story)}</ul>\n')
    if stage.actions:
        parts.append(f"<ul>{_items([text for text, _ in stage.actions])}</ul>\n")
    if stage.losses:
        head = "".join(f"<th>{escape(name.capitalize())}</th>" for name in HEADER)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row(loss))}</tr>"
            for loss in stage.losses
        )
        parts.append(f"<table><tr>{head}</tr>{rows}</table>\n")
    if shown := proven(stage.findings):
        parts.append(f"<details><summary>proven</summary><ul>{_items(shown)}</ul></details>\n")
    return "".join(parts)


def _items(texts: Iterable[str]) -> str:

    return "".join(f"<li>{escape(text)}</li>" for text in texts)
