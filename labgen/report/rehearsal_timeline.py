"""A rehearsal along the time, as SVG: its stages, and when each flow was answered and when not.

Colours are classes (`answer`, `gap`, `band`, …) of the page that it stands in, so that it follows a
dark screen and paper.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labgen.rehearsal.outages import Loss
    from labgen.rehearsal.result import Rehearsal, StageResult

_WIDTH, _RIGHT, _ROW, _TOP, _BAR = 960, 12, 22, 24, 12
_LETTER = 6.6  # the width of a letter of 12 pixels, amply
_TICKS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)  # seconds between two marks of the axis
_MARKS = 12  # as many of them at the most
_SECOND = 1_000_000_000


def timeline(result: Rehearsal) -> str:
    """The picture; empty where nothing was played."""
    played = [stage for stage in result.stages if stage.start_ns]
    if not played:
        return ""
    flows = list(dict.fromkeys(loss.flow for stage in played for loss in stage.losses))
    start, end = played[0].start_ns, _end(played[-1])
    left = 10 + _LETTER * max(map(len, flows), default=0)

    def x(time_ns: int) -> float:
        return left + (_WIDTH - _RIGHT - left) * (time_ns - start) / max(1, end - start)

    bottom = _TOP + _ROW * len(flows)
    parts = [*_bands(played, x, bottom), *_axis(end - start, start, x, bottom)]
    for line, flow in enumerate(flows):
        y = _TOP + line * _ROW
        parts.append(f'<text x="0" y="{y + 15}">{escape(flow)}</text>')
        parts += _flow(flow, played, x, y)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {bottom + 20}" role="img" '
        f'aria-label="stages and losses along the time">{"".join(parts)}</svg>'
    )


def _end(stage: StageResult) -> int:
    return stage.start_ns + int(stage.seconds * _SECOND)


def _windows(played: Sequence[StageResult]) -> Iterator[tuple[StageResult, int, int]]:
    """Each stage with the time that is judged with it: since the one before it ended."""
    since = played[0].start_ns
    for stage in played:
        yield stage, since, _end(stage)
        since = _end(stage)


def _bands(
    played: Sequence[StageResult], x: Callable[[int], float], bottom: float
) -> Iterator[str]:
    for number, (stage, start, end) in enumerate(_windows(played), start=1):
        kind = "band odd" if number % 2 else "band"
        text = f"{number} {stage.name}, {stage.seconds:.1f} s: {stage.outcome.value}"
        yield (
            f"<g><title>{escape(text)}</title>"
            f'<rect class="{kind}" x="{x(start):.1f}" y="0" width="{x(end) - x(start):.1f}" '
            f'height="{bottom}"/><text class="{stage.outcome.value.split()[0]}" '
            f'x="{x(start) + 4:.1f}" y="15">{number}</text></g>'
        )


def _axis(length_ns: int, start: int, x: Callable[[int], float], bottom: float) -> Iterator[str]:
    seconds = length_ns / _SECOND
    step = next((tick for tick in _TICKS if seconds / tick <= _MARKS), _TICKS[-1])
    for second in range(0, int(seconds) + 1, step):
        at = x(start + second * _SECOND)
        yield (
            f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{bottom}" y2="{bottom + 4}"/>'
            f'<text class="axis" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{second} s'
            "</text>"
        )


def _flow(
    flow: str, played: Sequence[StageResult], x: Callable[[int], float], y: float
) -> Iterator[str]:
    """Where a flow was answered, and above that its longest gap of each stage."""
    own = [
        (loss, start, end) for stage, start, end in _windows(played)
        for loss in stage.losses if loss.flow == flow
    ]  # fmt: skip
    for loss, start, end in own:
        if loss.reachable:
            since = loss.first_answer_ns or start
            yield _bar("answer", x(max(since, start)), x(end), y, f"{flow}: answers")
    for loss, _, _ in own:
        if loss.longest is not None:
            yield _gap(loss, x, y)


def _gap(loss: Loss, x: Callable[[int], float], y: float) -> str:
    gap = loss.longest
    assert gap is not None  # the caller has looked
    text = f"{loss.flow}: no answer for {gap.milliseconds:.0f} ms; {loss.lost} lost in the stage"
    return _bar("gap", x(gap.start_ns), x(gap.end_ns or gap.until_ns), y, text)


def _bar(kind: str, left: float, right: float, y: float, text: str) -> str:
    return (
        f'<rect class="{kind}" x="{left:.1f}" y="{y + (_ROW - _BAR) / 2:.0f}" '
        f'width="{max(1.5, right - left):.1f}" height="{_BAR}"><title>{escape(text)}</title></rect>'
    )
