"""What the spec states about the wire, for sessions that exist."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from labgen.design.model import Session
from labgen.errors import InputError
from labgen.spec.model import Spec
from labgen.spec.wire import WireStatement


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement on what the node `sender` says in a session."""

    session: Session
    sender: str
    statement: WireStatement


def stated(spec: Spec, sessions: Sequence[Session]) -> Iterator[Stated | InputError]:
    """Each statement with its session, or what is wrong with it."""
    for number, statement in enumerate(spec.wire):
        ends = {statement.from_, statement.to}
        session = next((s for s in sessions if {s.a.node, s.b.node} == ends), None)
        if session is None:
            known = ", ".join(s.name for s in sessions) or "none"
            yield InputError(
                f"wire[{number}]: no session between `{statement.from_}` and `{statement.to}`",
                hint=f"the inputs imply: {known}",
            )
        else:
            yield Stated(session, statement.from_, statement)
