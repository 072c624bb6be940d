"""The answer of a wire assertion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labgen.bgp.conversation import Seen


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was expected, what the capture shows, and where. `ok` None: it cannot be decided."""

    ok: bool | None
    expected: str
    observed: str
    frames: tuple[Seen, ...] = ()

    def __bool__(self) -> bool:
        return self.ok is True


def pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in values.items())


def shown(value: object) -> str:
    if isinstance(value, (set, frozenset, tuple, list)):
        return "{" + ", ".join(sorted(map(str, value))) + "}"
    return str(value)
