"""The rungs that daemons, kernels and pings decide: Established, RIB, FIB, traffic. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labgen.calico.felix import FELIX_PROTOCOL, FelixRoute
from labgen.check.model import Finding, Rung, Status
from labgen.design.model import Daemon, Design, ExpectedRoute, Session, SessionEnd
from labgen.evidence import Address, Evidence, FibRoute, Missing, NodeView, PeerView, Ping, RibRoute

RFC_STATES = "RFC 4271 §8.2.2"
COMMANDS = {
    Daemon.FRR: ("vtysh -c 'show bgp neighbors json'", "vtysh -c 'show bgp ipv4 unicast json'"),
    Daemon.BIRD: ("birdc show protocols all", "birdc show route all"),
}


def view_of(evidence: Evidence, node: str | None) -> NodeView | Missing:
    """What was observed of a node."""
    if node is None:
        return Missing("no node of the lab has this address")
    return evidence.nodes.get(node, Missing(f"{node} was not observed"))


def established(design: Design, evidence: Evidence, session: Session) -> Iterator[Finding]:
    """Both daemons call the session Established."""
    for end, other in (session.ends, session.ends[::-1]):
        if end.node is None:
            continue
        subject = f"{end.node} to {other.node or other.address}"
        if (why := design.outside(end.node)) is not None:
            yield _finding("established", Status.SKIP, Rung.ESTABLISHED, session, subject,
                           "Established", why)  # fmt: skip
            continue
        peer = peer_view(view_of(evidence, end.node), other)
        command = COMMANDS[design.speaker(end.node).daemon][0]
        seen = (f"{end.node}: {command}",)
        if isinstance(peer, Missing):
            status = Status.FAIL if end.peer is None else Status.ERROR
            yield _finding("established", status, Rung.ESTABLISHED, session, subject,
                           "Established", peer.reason, seen, RFC_STATES)  # fmt: skip
            continue
        good = peer.state == "Established"
        error = f", {peer.last_error}" if peer.last_error and not good else ""
        timers = f", hold {peer.hold_time} s, keepalive {peer.keepalive} s" if good else ""
        yield _finding(
            "established", Status.PASS if good else Status.FAIL, Rung.ESTABLISHED, session,
            subject, "Established", f"{peer.state}{timers}{error}", seen, RFC_STATES,
        )  # fmt: skip


def peer_view(view: NodeView | Missing, other: SessionEnd) -> PeerView | Missing:
    """How a node's daemon sees the other end."""
    if isinstance(view, Missing):
        return view
    if isinstance(view.peers, Missing):
        return view.peers
    found = next((p for p in view.peers if p.address == other.address), None)
    return found or Missing(f"no peer {other.address} is configured")


def rib(design: Design, evidence: Evidence, session: Session, receiver: str) -> Iterator[Finding]:
    """Every announced prefix is the receiver's best path by the forecast's next hop; no other."""
    sender = session.other(receiver)
    subject = f"{receiver} from {sender.node}"
    command = COMMANDS[design.speaker(receiver).daemon][1]
    seen = (f"{receiver}: {command}",)
    view = view_of(evidence, receiver)
    table = view if isinstance(view, Missing) else view.rib
    wanted = _announced(design, session, receiver)
    expected = _list(f"{r.prefix} via {_hops(r)}" for r in wanted) or "no prefix"
    if (why := design.outside(receiver)) is not None:
        yield _finding("rib", Status.SKIP, Rung.RIB, session, subject, expected, why)
        return
    if isinstance(table, Missing):
        yield _finding("rib", Status.ERROR, Rung.RIB, session, subject, expected,
                       table.reason, seen, "RFC 4271 §3.2")  # fmt: skip
        return
    problems = [p for route in wanted for p in _rib_problems(route, table)]
    own = [r for r in table if r.peer == sender.address]
    known = {a.prefix for a in design.forecast.announcements.get((sender.node or "", receiver), ())}
    problems += [f"{r.prefix} is not expected" for r in own if r.prefix not in known]
    observed = _list(problems) or _list(_shown(r) for r in own if r.best) or "no prefix"
    status = Status.FAIL if problems else Status.PASS
    yield _finding("rib", status, Rung.RIB, session, subject, expected, observed, seen,
                   "RFC 4271 §3.2")  # fmt: skip


def _announced(design: Design, session: Session, receiver: str) -> list[ExpectedRoute]:
    """The receiver's expected routes among what this session's other end announces to it."""
    sender = session.other(receiver).node or ""
    known = {a.prefix for a in design.forecast.announcements.get((sender, receiver), ())}
    return [r for r in design.forecast.routes.get(receiver, ()) if r.prefix in known]


def _rib_problems(route: ExpectedRoute, table: tuple[RibRoute, ...]) -> Iterator[str]:
    paths = [r for r in table if r.prefix == route.prefix]
    best = [r for r in paths if r.best]
    if not paths:
        yield f"{route.prefix} is missing"
    elif not any(r.valid for r in paths):
        yield f"{route.prefix} is there, but its next hop {_list(paths_hops(paths))} is unusable"
    elif not best:
        yield f"{route.prefix} has no best path"
    elif not any(r.next_hop in route.next_hops for r in best):
        yield f"{route.prefix} goes via {_list(paths_hops(best))}, not {_hops(route)}"


def paths_hops(paths: list[RibRoute]) -> list[str]:
    return [str(path.next_hop or "here") for path in paths]


def _hops(route: ExpectedRoute) -> str:
    return _list(map(str, route.next_hops))


def _shown(route: RibRoute) -> str:
    return f"{route.prefix} via {route.next_hop or 'here'}"


def fib(design: Design, evidence: Evidence, session: Session, receiver: str) -> Iterator[Finding]:
    """What the RIB chose is in the kernel, with the same next hops."""
    subject = f"{receiver} from {session.other(receiver).node}"
    seen = (f"{receiver}: ip -j route",)
    view = view_of(evidence, receiver)
    table = view if isinstance(view, Missing) else view.fib
    wanted = _announced(design, session, receiver)
    felix = {r.network: r for r in design.felix_routes(receiver)}
    expected = _list(_wanted_in_kernel(r, felix.get(r.prefix)) for r in wanted) or "no route"
    if (why := design.outside(receiver)) is not None:
        yield _finding("fib", Status.SKIP, Rung.FIB, session, subject, expected, why)
        return
    if isinstance(table, Missing):
        yield _finding("fib", Status.ERROR, Rung.FIB, session, subject, expected, table.reason,
                       seen)  # fmt: skip
        return
    problems = [p for r in wanted for p in _fib_problems(r, felix.get(r.prefix), table)]
    shown = [_kernel(f) for r in wanted for f in table if f.prefix == r.prefix]
    yield _finding("fib", Status.FAIL if problems else Status.PASS, Rung.FIB, session, subject,
                   expected, _list(problems) or _list(shown) or "no route", seen)  # fmt: skip


def _wanted_in_kernel(route: ExpectedRoute, felix: FelixRoute | None) -> str:
    if route.in_kernel:
        return f"{route.prefix} via {_hops(route)}"
    if felix is None or felix.is_blackhole:
        return f"{route.prefix} not in the kernel"
    device = f" dev {felix.device}" if felix.device else ""
    return f"{route.prefix} via {felix.gateway}{device} by Felix"


def _felix_problems(felix: FelixRoute, table: tuple[FibRoute, ...]) -> Iterator[str]:
    """Felix's own route is the one that packets take."""
    found = [f for f in table if f.prefix == felix.network]
    if not any(f.protocol == FELIX_PROTOCOL for f in found):
        yield f"Felix's {felix.network} is missing"
        return
    best = min(found, key=lambda f: f.metric)
    ways = {(hop, dev) for hop, dev in best.next_hops if felix.device in (None, dev)}
    if best.protocol != FELIX_PROTOCOL:
        yield f"{felix.network} is overridden: {_kernel(best)}"
    elif felix.gateway not in {hop for hop, _ in ways}:
        device = f" dev {felix.device}" if felix.device else ""
        yield f"{_kernel(best)}, not via {felix.gateway}{device}"


def _fib_problems(
    route: ExpectedRoute, felix: FelixRoute | None, table: tuple[FibRoute, ...]
) -> Iterator[str]:
    found = [f for f in table if f.prefix == route.prefix and f.protocol in ("bgp", "bird")]
    if not route.in_kernel:
        if felix is not None and not felix.is_blackhole:
            yield from _felix_problems(felix, table)
        if found:
            yield f"{route.prefix} is in the kernel"
        return
    if not found:
        yield f"{route.prefix} is missing"
        return
    rival = min((f for f in table if f.prefix == route.prefix), key=lambda f: f.metric)
    if rival not in found:
        yield f"{route.prefix} is overridden: {_kernel(rival)}"
        return
    hops = {hop for f in found for hop, _ in f.next_hops if hop is not None}
    if hops != {way for hop in route.next_hops for way in _ways(hop, table)}:
        yield f"{route.prefix} goes via {_list(sorted(map(str, hops)))}, not {_hops(route)}"


def _ways(hop: Address, table: tuple[FibRoute, ...]) -> set[Address]:
    """Where packets to a NEXT_HOP go: itself on a link, else by way of a gateway (RFC 4271
    §5.1.3, the recursive lookup).
    """
    holding = [f for f in table if hop.version == f.prefix.version and hop in f.prefix]
    longest = max(holding, key=lambda f: f.prefix.prefixlen, default=None)
    if longest is None or longest.protocol == "kernel":  # on a link
        return {hop}
    return {gateway for gateway, _ in longest.next_hops if gateway} or {hop}


def _kernel(route: FibRoute) -> str:
    hops = " and ".join(f"{hop} dev {dev}" for hop, dev in route.next_hops)
    return f"{route.prefix} via {hops} proto {route.protocol}"


def traffic(design: Design, evidence: Evidence, session: Session) -> Iterator[Finding]:
    """Each end reaches the pods behind the other: replies with TTL 63, one router on the way."""
    pods = {pod.name: pod for pod in design.pods}
    for end, other in (session.ends, session.ends[::-1]):
        behind = [p for p in pods.values() if p.node == other.node and p.name != end.node]
        for pod in behind if end.node else ():
            subject = f"{end.node} to pod {pod.name}"
            expected = f"replies from {pod.addresses[0]} with TTL 63"
            if (why := design.outside(end.node)) is not None:
                yield _finding("ping", Status.SKIP, Rung.TRAFFIC, session, subject, expected, why)
                continue
            ping = _ping(evidence, end.node or "", str(pod.addresses[0]))
            if isinstance(ping, Missing):
                yield _finding("ping", Status.ERROR, Rung.TRAFFIC, session, subject, expected,
                               ping.reason)  # fmt: skip
                continue
            good = ping.received == ping.sent and ping.ttl == 63
            ttl = f", TTL {ping.ttl}" if ping.ttl is not None else ""
            observed = f"{ping.received} of {ping.sent} replies from {ping.target}{ttl}"
            seen = (f"{end.node}: ping {ping.target}",)
            yield _finding("ping", Status.PASS if good else Status.FAIL, Rung.TRAFFIC, session,
                           subject, expected, observed, seen)  # fmt: skip


def _ping(evidence: Evidence, source: str, target: str) -> Ping | Missing:
    for ping in evidence.pings:
        if isinstance(ping, Ping) and ping.source == source and str(ping.target) == target:
            return ping
    lost = next((p for p in evidence.pings if isinstance(p, Missing)), None)
    return lost or Missing("no ping was sent")


def _list(items: Iterable[str]) -> str:
    return ", ".join(items)


def _finding(  # noqa: PLR0913, PLR0917 - one word shorter than Finding, in its order
    check: str, status: Status, rung: Rung, session: Session, subject: str, expected: str,
    observed: str, seen: tuple[str, ...] = (), reference: str = "",
) -> Finding:  # fmt: skip
    return Finding(check, status, rung, subject, expected, observed, seen, reference, session.name)
