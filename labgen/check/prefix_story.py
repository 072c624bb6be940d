"""Where a prefix stops: from who has it, over every session that should carry it, into each kernel.

Pure: (Design, Evidence, prefix) to steps. The forecast says who should tell whom; the wire, both
daemons, the kernels and the pings say how far it came.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from labgen.check import state
from labgen.check.model import Rung, Status
from labgen.check.wire_rungs import session_on_wire
from labgen.design.model import Design, Session
from labgen.errors import InputError
from labgen.evidence import Evidence, Missing, Network, NodeView, Ping


@dataclass(frozen=True, slots=True)
class Step:
    """One rung on the way from `sender` to `receiver`; at the origin both are the same node."""

    sender: str
    receiver: str
    rung: Rung
    status: Status
    observed: str

    def as_json(self) -> dict[str, str]:
        return {
            "from": self.sender,
            "to": self.receiver,
            "rung": self.rung.title,
            "status": self.status.value,
            "observed": self.observed,
        }


def prefix_of(design: Design, text: str) -> Network:
    """The forecast's longest prefix that covers an address or prefix. Raises InputError."""
    known = {a.prefix for told in design.forecast.announcements.values() for a in told}
    try:
        wanted = ip_network(text, strict=False)
    except ValueError:
        raise InputError(f"{text}: no prefix and no address", hint="192.168.180.0/26") from None
    fitting = [
        net
        for net in known
        if net.version == wanted.version and wanted.subnet_of(net)  # type: ignore[arg-type]
    ]
    if not fitting:
        shown = ", ".join(sorted(map(str, known))) or "none"
        raise InputError(f"{text}: nobody should announce it", hint=f"announced: {shown}")
    return max(fitting, key=lambda net: net.prefixlen)


def follow(design: Design, evidence: Evidence, prefix: Network) -> tuple[Step, ...]:
    """Every step of the prefix, origins first; of each session up to the first broken rung."""
    told = [
        (session, end.node, other.node)
        for session in design.sessions
        for end, other in (session.ends, session.ends[::-1])
        if end.node is not None and other.node is not None
        and _announces(design, end.node, other.node, prefix)
    ]  # fmt: skip
    receivers = {receiver for _, _, receiver in told}
    origins = dict.fromkeys(sender for _, sender, _ in told if sender not in receivers)
    steps = [_origin(evidence, node, prefix) for node in origins]
    for session, sender, receiver in told:
        for step in _way(design, evidence, session, sender, receiver, prefix):
            steps.append(step)
            if step.status is Status.FAIL:
                break
    return tuple(steps)


def stops(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps where the prefix comes no further."""
    return tuple(step for step in steps if step.status is Status.FAIL)


def _announces(design: Design, sender: str, receiver: str, prefix: Network) -> bool:
    told = design.forecast.announcements.get((sender, receiver), ())
    return any(a.prefix == prefix for a in told)


def _origin(evidence: Evidence, node: str, prefix: Network) -> Step:
    view = state.view_of(evidence, node)
    table = view if isinstance(view, Missing) else view.rib
    if isinstance(table, Missing):
        return Step(node, node, Rung.RIB, Status.ERROR, table.reason)
    own = any(r.prefix == prefix for r in table)
    what = "has it itself" if own else "should have it itself, and its table does not"
    return Step(node, node, Rung.RIB, Status.PASS if own else Status.FAIL, what)


def _way(
    design: Design,
    evidence: Evidence,
    session: Session,
    sender: str,
    receiver: str,
    prefix: Network,
) -> Iterator[Step]:
    def step(rung: Rung, good: bool | None, observed: str) -> Step:
        status = Status.ERROR if good is None else Status.PASS if good else Status.FAIL
        return Step(sender, receiver, rung, status, observed)

    down = [f for f in state.established(design, evidence, session) if f.status is Status.FAIL]
    yield step(Rung.ESTABLISHED, not down, down[0].observed if down else "Established")
    yield step(Rung.UPDATE, *_on_wire(evidence, session, sender, prefix))
    view = state.view_of(evidence, receiver)
    if isinstance(view, Missing):
        yield step(Rung.RIB, None, view.reason)
        return
    yield step(Rung.RIB, *_in_table(view, session.end(sender).address, prefix))
    kernel = [r for r in design.forecast.routes.get(receiver, ()) if r.prefix == prefix]
    if any(r.in_kernel for r in kernel):
        yield step(Rung.FIB, *_in_kernel(view, prefix))
    for ping in evidence.pings:
        if isinstance(ping, Ping) and ping.source == receiver and ping.target in prefix:
            replies = f"{ping.received} of {ping.sent} replies from {ping.target}"
            yield step(Rung.TRAFFIC, ping.received == ping.sent, replies)


def _on_wire(
    evidence: Evidence, session: Session, sender: str, prefix: Network
) -> tuple[bool | None, str]:
    wire = session_on_wire(evidence, session)
    if isinstance(wire, Missing):
        return None, wire.reason
    if wire.current is None or not wire.current.messages:
        return None, "no BGP message was captured"
    held = wire.adj_rib_in(session.end(sender).address)
    for event in held.values():
        if event.prefix == prefix:
            hops = event.attributes.next_hops if event.attributes else ()
            return True, f"announced in frame {event.message.frame}, NEXT_HOP {_list(hops)}"
    if not wire.current.start_seen:
        return None, "the session was up before the capture began"
    return False, f"{sender} does not announce it"


def _in_table(view: NodeView, sender: object, prefix: Network) -> tuple[bool | None, str]:
    if isinstance(view.rib, Missing):
        return None, view.rib.reason
    paths = [r for r in view.rib if r.prefix == prefix]
    mine = [r for r in paths if r.peer == sender]
    if not mine:
        return False, "received and not in its table: refused by policy or for a loop"
    if not any(r.valid for r in mine):
        return False, f"its next hop {_list(r.next_hop for r in mine)} is unusable"
    if any(r.best for r in mine):
        return True, f"best, via {_list(r.next_hop for r in mine)}"
    if any(r.best for r in paths):
        return True, "in its table; another path is better"
    return False, "in its table, and no path of it is best"


def _in_kernel(view: NodeView, prefix: Network) -> tuple[bool | None, str]:
    if isinstance(view.fib, Missing):
        return None, view.fib.reason
    routes = [r for r in view.fib if r.prefix == prefix]
    if not routes:
        return False, "best in its table and not in its kernel"
    hops = [f"{hop or '-'} dev {dev}" for r in routes for hop, dev in r.next_hops]
    return True, f"via {_list(hops)}" if hops else routes[0].kind


def _list(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
