"""The ladder as a picture: plain SVG, no script, readable without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from labgen.report.ladder import Row, Weight, finished_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labgen.bgp.conversation import WireSession

_ROW = 22
_LEFT, _RIGHT, _TEXT = 200, 460, 480
_MOST = 180  # characters: an UPDATE may carry hundreds of communities
_CHARACTER = 8  # a monospaced letter of 13 pixels is a little narrower
_COLOURS = {Weight.QUIET: "#888888", Weight.PLAIN: "#1a1a1a", Weight.BAD: "#b00020"}
_STYLE = "text{font:13px ui-monospace,monospace}.h{font-weight:bold}"


def svg(ladders: Iterable[tuple[WireSession, list[Row], int]]) -> str:
    """One document with every session's ladder, one below the other."""
    body: list[str] = []
    top = 30
    longest = 0
    for session, rows, dropped in ladders:
        body += _ladder(session, rows, dropped, top)
        top += (len(rows) + 3) * _ROW
        longest = max([longest, *(len(_cut(finished_text(row))) for row in rows)])
    width = _TEXT + 20 + max(40, longest) * _CHARACTER
    size = f'width="{width}" height="{top}" viewBox="0 0 {width} {top}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
            f"<style>{_STYLE}</style>",
            '<rect width="100%" height="100%" fill="white"/>',
            *body,
            "</svg>",
            "",
        ]
    )


def _ladder(session: WireSession, rows: list[Row], dropped: int, top: int) -> Iterator[str]:
    bottom = top + (len(rows) + 1) * _ROW
    edge = 8
    for x, name in zip((_LEFT, _RIGHT), map(str, session.addresses), strict=True):
        # Centred above its line, unless a long IPv6 address needs the room beside it.
        start = max(edge, x - len(name) * _CHARACTER // 2)
        edge = start + (len(name) + 2) * _CHARACTER
        yield f'<text class="h" x="{start}" y="{top}">{escape(name)}</text>'
        yield f'<line x1="{x}" y1="{top + 6}" x2="{x}" y2="{bottom}" stroke="#888888"/>'
    begin = rows[0].time_ns if rows else 0
    for index, row in enumerate(rows):
        yield from _rung(row, begin, top + (index + 1) * _ROW + 4)
    if dropped:
        yield f'<text x="{_TEXT}" y="{bottom}">{dropped} messages more</text>'


def _rung(row: Row, begin: int, y: int) -> Iterator[str]:
    colour = _COLOURS[row.weight]
    seconds = (row.time_ns - begin) / 1e9
    text = escape(finished_text(row))
    yield f'<g fill="{colour}" stroke="none"><title>frame {row.frame}: {text}</title>'
    yield f'<text x="8" y="{y}">{seconds:.6f}</text>'
    yield f'<text x="{_LEFT - 12}" y="{y}" text-anchor="end">#{row.frame}</text>'
    dash = ' stroke-dasharray="4 3"' if row.label in ("LOST", "ICMP") else ""
    yield (
        f'<line x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}" stroke="{colour}" '
        f'stroke-width="1.5"{dash}/>'
    )
    if row.to_right is not False:
        yield f'<path d="M{_RIGHT} {y} l-9 -4 v8 z"/>'
    if row.to_right is not True:
        yield f'<path d="M{_LEFT} {y} l9 -4 v8 z"/>'
    middle = (_LEFT + _RIGHT) // 2
    yield f'<text x="{middle}" y="{y - 4}" text-anchor="middle">{escape(row.label)}</text>'
    yield f'<text x="{_TEXT}" y="{y}">{escape(_cut(finished_text(row)))}</text></g>'


def _cut(text: str) -> str:
    """What fits beside a ladder; the whole text is the rung's title."""
    return text if len(text) <= _MOST else text[: _MOST - 1] + "…"
