"""The ladder: for every session, rung by rung, lowest first. Pure.

The first broken rung of a session is its headline; what stands above it is SKIP, "not reached".
A rung that could not run (ERROR) does not hide the ones above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps

from labgen.check import state, stated, wire_rungs
from labgen.check.encapsulation import encapsulation
from labgen.check.model import Finding, Rung, Status
from labgen.design.model import Design, Session
from labgen.design.workloads import WORKLOAD
from labgen.evidence import Evidence

_Check = Callable[[Design, Evidence, Session], Iterator[Finding]]
_Directed = Callable[[Design, Evidence, Session, str], Iterator[Finding]]


def _both(check: _Directed) -> _Check:
    """A check of one direction, run for both ends that are nodes of the lab."""

    @wraps(check)
    def run(design: Design, evidence: Evidence, session: Session) -> Iterator[Finding]:
        for end in session.ends:
            if end.node is not None:
                yield from check(design, evidence, session, end.node)

    return run


LADDER: tuple[tuple[Rung, _Check], ...] = (
    (Rung.TCP, wire_rungs.tcp),
    (Rung.OPEN, wire_rungs.opens),
    (Rung.ESTABLISHED, state.established),
    (Rung.UPDATE, _both(wire_rungs.updates)),
    (Rung.RIB, _both(state.rib)),
    (Rung.FIB, _both(state.fib)),
    (Rung.TRAFFIC, state.traffic),
)


def about(check: _Check) -> str:
    """What a check says must hold: the first line of its docstring."""
    return (check.__doc__ or "").partition("\n")[0]


_ON_THE_WIRE = {Rung.TCP, Rung.OPEN, Rung.UPDATE}
_NOT_HEARD = "a pod's session with its node runs over its cali interface; captures are of segments"


def verify(design: Design, evidence: Evidence) -> tuple[Finding, ...]:
    """Every check of every session that the inputs imply, of the tunnels that carry its traffic,
    and what the spec states of the wire.
    """
    climbed = (f for session in design.sessions for f in _climb(design, evidence, session))
    return (*climbed, *encapsulation(design, evidence), *stated.judge(design, evidence))


def _climb(design: Design, evidence: Evidence, session: Session) -> Iterator[Finding]:
    outside = next((end for end in session.ends if end.node is None), None)
    if outside is not None:
        reason = f"no node of this lab has the address {outside.address}"
        yield Finding("session", Status.SKIP, Rung.TCP, session.name, "a peer in the lab", reason,
                      session=session.name)  # fmt: skip
        return
    broken: Rung | None = None
    for rung, check in LADDER:
        if broken is not None:
            reason = f"not reached: {broken.title} is broken"
            yield Finding(rung.title.lower(), Status.SKIP, rung, session.name,
                          "judged when reached", reason, session=session.name)  # fmt: skip
            continue
        if session.kind == WORKLOAD and rung in _ON_THE_WIRE:
            yield Finding(rung.title.lower(), Status.SKIP, rung, session.name, "seen on the wire",
                          _NOT_HEARD, session=session.name)  # fmt: skip
            continue
        for finding in check(design, evidence, session):
            if finding.status is Status.FAIL:
                broken = rung
            yield finding
