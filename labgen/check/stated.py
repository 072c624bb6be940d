"""What the spec states about the wire, judged on the capture: one finding for each statement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.bgp.capabilities import CAPABILITY_NAMES, CLASSES
from labgen.bgp.conversation import WireSession
from labgen.bgp.vocabulary import IPV4_UNICAST, IPV6_UNICAST, MessageType
from labgen.check import wire, wire_routes
from labgen.check.model import Finding, Rung, Status
from labgen.check.verdict import Verdict
from labgen.check.wire_rungs import frame
from labgen.design.model import Design
from labgen.evidence import Evidence, Missing

if TYPE_CHECKING:
    from labgen.bgp.attributes import IpAddress
    from labgen.design.wire import Stated

_FAMILIES = {str(family): family for family in (IPV4_UNICAST, IPV6_UNICAST)}
_CAPABILITIES = {CAPABILITY_NAMES[kind.CODE]: kind for kind in CLASSES}
_TYPES = {kind.label.lower(): kind for kind in MessageType}
_Judged = Iterator[tuple[Rung, str, Verdict]]


def judge(design: Design, evidence: Evidence) -> Iterator[Finding]:
    """Every statement of the spec's `wire`. What the capture cannot decide is ERROR."""
    for stated in design.stated:
        subject = f"{stated.sender} in {stated.session.name}"
        capture = evidence.wire
        ends = stated.session.ends
        found = (
            None if isinstance(capture, Missing) else capture.session(*(e.address for e in ends))
        )
        if found is None:
            reason = capture.reason if isinstance(capture, Missing) else "no packet of it is there"
            yield Finding("wire", Status.ERROR, Rung.TCP, subject, "the session in the capture",
                          reason, session=stated.session.name)  # fmt: skip
            continue
        for rung, name, verdict in _verdicts(found, stated):
            yield _finding(verdict, rung, f"wire-{name}", subject, stated.session.name)


def _finding(verdict: Verdict, rung: Rung, check: str, subject: str, session: str) -> Finding:
    status = {True: Status.PASS, False: Status.FAIL, None: Status.ERROR}[verdict.ok]
    frames = tuple(frame(seen) for seen in verdict.frames[:5])
    return Finding(
        check, status, rung, subject, verdict.expected, verdict.observed, frames, session=session
    )


def _verdicts(found: WireSession, stated: Stated) -> _Judged:
    sender = stated.session.end(stated.sender).address
    yield from _opens(found, stated, sender)
    yield from _timing(found, stated, sender)
    yield from _routes(found, stated, sender)


def _opens(found: WireSession, stated: Stated, sender: IpAddress) -> _Judged:
    said = stated.statement
    for name in said.offers:
        yield Rung.OPEN, "offers", wire.open_offers(found, sender, _CAPABILITIES[name])
    for name in said.lacks:
        yield Rung.OPEN, "lacks", wire.open_lacks(found, sender, _CAPABILITIES[name])
    if said.open is not None:
        fields = said.open.model_dump(exclude_unset=True)
        yield Rung.OPEN, "open", wire.open_is(found, sender, **fields)
    if said.negotiated is not None:
        agreed = said.negotiated.model_dump(exclude_unset=True)
        if "families" in agreed:
            agreed["families"] = {_FAMILIES[name] for name in agreed["families"]}
        yield Rung.OPEN, "negotiated", wire.negotiated(found, **agreed)


def _timing(found: WireSession, stated: Stated, sender: IpAddress) -> _Judged:
    said, current = stated.statement, found.current
    for name in said.never:
        yield Rung.ESTABLISHED, "never", wire.no_message(found, _TYPES[name], sender=sender)
    if said.keepalives and current is not None:
        regular = wire.keepalives_regular(current, sender)
        yield Rung.ESTABLISHED, "keepalives", regular
    if said.established_within is not None and current is not None:
        done = current.established
        limit = said.established_within
        verdict = Verdict(False, "", f"{current.state.value} only")
        if done is not None:
            verdict = wire.elapsed(current.first, done, at_most=limit)
        verdict = replace(verdict, expected=f"Established within {limit:g} s")
        yield Rung.ESTABLISHED, "established-within", verdict


def _routes(found: WireSession, stated: Stated, sender: IpAddress) -> _Judged:
    said = stated.statement
    for prefix, wanted in said.announces.items():
        attributes = wanted.model_dump(exclude_unset=True) if wanted else {}
        yield (
            Rung.UPDATE,
            "announces",
            wire_routes.route_has(found, sender, prefix, **attributes)
            if attributes
            else wire_routes.announced(found, sender, prefix),
        )
    for prefix in said.absent:
        yield Rung.UPDATE, "absent", wire_routes.not_announced(found, sender, prefix)
    for prefix in said.withdraws:
        yield Rung.UPDATE, "withdraws", wire_routes.withdrawn(found, sender, prefix)
    if said.in_order:
        steps = [
            ("announce", step.announce) if step.announce else ("withdraw", step.withdraw)
            for step in said.in_order
        ]
        yield Rung.UPDATE, "in-order", wire_routes.in_order(found, sender, steps)  # type: ignore[arg-type]
    for name in said.end_of_rib:
        ended = wire_routes.end_of_rib(found, sender, _FAMILIES[name])
        yield Rung.UPDATE, "end-of-rib", ended
