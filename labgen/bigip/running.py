"""From statements in order to the configuration that stands after the last of them.

ZebOS applies lines one by one: a later line replaces an earlier one that sets the same thing,
and `no …` takes it back.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labgen.bigip.zebos import Statement


class Fate(Enum):
    """What became of a statement that does not stand."""

    REPLACED = "replaced"
    TAKEN_BACK = "taken back"
    TAKES_BACK = "takes back"
    AGAIN = "again"  # opens a section that is open already
    IDLE = "idle"  # a `no …` with nothing to take back: it states a default


@dataclass(frozen=True, slots=True)
class Running:
    """`standing` holds, in order. `fates` tells of all others; the second part is the statement
    that did it or that it was done to.
    """

    standing: tuple[Statement, ...]
    fates: Mapping[Statement, tuple[Fate, Statement | None]] = field(default_factory=dict)


def apply(statements: Iterable[Statement]) -> Running:
    """Apply statements one after the other, as ZebOS does."""
    standing: dict[tuple[object, ...], Statement] = {}
    fates: dict[Statement, tuple[Fate, Statement | None]] = {}
    for statement in statements:
        if statement.negated and not statement.rule.states_negation:
            ends_peer = _ends_peer(statement, standing.values())
            gone = [s for s in standing.values() if _takes_back(statement, s, ends_peer)]
            for taken in gone:
                del standing[taken.identity]
                fates[taken] = (Fate.TAKEN_BACK, statement)
            fates[statement] = (Fate.TAKES_BACK, gone[0]) if gone else (Fate.IDLE, None)
            continue
        alike = standing.get(statement.identity)
        if alike is not None and statement.rule.opens:
            fates[statement] = (Fate.AGAIN, alike)
            continue
        if alike is not None:
            del standing[alike.identity]  # the later one stands at its own place
            fates[alike] = (Fate.REPLACED, statement)
        standing[statement.identity] = statement
    return Running(tuple(standing.values()), fates)


def _takes_back(negation: Statement, other: Statement, ends_peer: bool) -> bool:
    if any(_names(negation, opener) for opener in other.scope):
        return True
    if ends_peer and other.section == negation.section:
        peer = negation.value("peer")
        return other.value("peer") == peer or other.value("group") == peer
    return _names(negation, other)


def _names(negation: Statement, other: Statement) -> bool:
    """Whether `no …` means this statement: all it says about which object is meant agrees."""
    if other.section != negation.section or other.negated:
        return False
    compared = negation.values if negation.rule.repeats else negation.rule.identifiers
    return other.command == negation.command and all(
        other.value(name) == negation.value(name) for name in compared if name in negation.values
    )


def _ends_peer(negation: Statement, standing: Iterable[Statement]) -> bool:
    """`no neighbor X`, `no neighbor X remote-as`, and `no neighbor GROUP peer-group` end all."""
    if negation.command == "neighbor":
        return True
    return negation.command in {"neighbor remote-as", "neighbor peer-group"} and any(
        s.command == negation.command
        and s.value("peer") == negation.value("peer")
        and (negation.command == "neighbor remote-as" or not s.value("group"))
        for s in standing
    )
