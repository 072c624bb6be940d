"""Text copied off a terminal, as the terminal showed it: no escapes, no erased pager prompts."""

from __future__ import annotations

import re

# ECMA-48: control sequences, operating system commands, character sets
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[=>])"
)
_PAGER = re.compile(r"\s*(?:--More--|---\(less(?: \d+%)?\)---|\(END\))[ \t]*")


def shown(line: str) -> str:
    """One line as it stood on the screen. What is no escape (a NUL, a bell) stays, to be told."""
    text = _erased(_ESCAPE.sub("", line))
    pager = _PAGER.match(text)
    return text[pager.end() :] if pager is not None else text


def _erased(text: str) -> str:
    """Backspaces carried out: a pager writes over its own prompt that way."""
    if "\b" not in text:
        return text
    cells: list[str] = []
    at = 0
    for character in text:
        if character == "\b":
            at = max(0, at - 1)
            continue
        cells[at : at + 1] = [character]
        at += 1
    return "".join(cells)
