"""A BGP password that cannot be printed by accident (standard library only: imish has it, too)."""

from __future__ import annotations

from dataclasses import dataclass, field

STARS = "********"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret text. `str()` and `repr()` are stars; only `reveal()` gives it (a daemon's file)."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return STARS

    def __str__(self) -> str:
        return STARS
