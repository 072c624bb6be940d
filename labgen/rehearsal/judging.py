"""What must hold after a stage, as conditions that a look at the lab answers, and waiting for them.

Order matters: sessions and routes first, then traffic (a request that cannot work takes a second
to fail), and absence last, when everything that could bring the thing has been seen to be there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from labgen.check.model import Finding, Rung, Status
from labgen.errors import LabgenError, NotReady
from labgen.evidence import FibRoute, Missing
from labgen.lab.wait import wait_until
from labgen.rehearsal import traffic as requests
from labgen.rehearsal.observing import Look

if TYPE_CHECKING:
    from labgen.design.model import Design
    from labgen.evidence import Network
    from labgen.rehearsal.targets import Endpoint, Places
    from labgen.runtime.protocol import Commands
    from labgen.spec.stages import Expect, Routes, Traffic

Address = IPv4Address | IPv6Address


class Phase(IntEnum):
    """When a condition is looked at: a later phase only when the earlier ones hold."""

    STATE = 1
    TRAFFIC = 2
    ABSENCE = 3


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look came to. `ok` None: it could not be judged."""

    ok: bool | None
    observed: str


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must hold. `judge` may ask the look for whatever it needs."""

    check: str
    rung: Rung
    phase: Phase
    subject: str
    expected: str
    judge: Callable[[Look], Seen]
    evidence: tuple[str, ...] = ()
    reference: str = ""

    def finding(self, seen: Seen | None) -> Finding:
        """None: it was not looked at, because something before it does not hold."""
        status, observed = Status.SKIP, "not reached"
        if seen is not None:
            status = {True: Status.PASS, False: Status.FAIL, None: Status.ERROR}[seen.ok]
            observed = seen.observed
        return Finding(self.check, status, self.rung, self.subject, self.expected, observed,
                       self.evidence, self.reference)  # fmt: skip


def reach(
    conditions: Sequence[Condition],
    look: Callable[[], Look],
    *,
    deadline: float,
    tell: Callable[[str], object] = str,
) -> tuple[Finding, ...]:
    """Wait until all hold, `deadline` seconds at the most; a finding for each, in their order.

    Absence is looked at a second time at the end: what came late is seen.
    """
    seen: dict[Condition, Seen] = {}

    def observe() -> list[str]:
        seen.clear()
        now = look()
        for phase in Phase:
            missing = []
            for condition in (c for c in conditions if c.phase is phase):
                found = seen[condition] = _judged(condition, now)
                if found.ok is not True:
                    missing.append(f"{condition.subject}: {found.observed}")
            if missing:
                tell(f"{len(missing)} to go: {missing[0]}")
                return missing
        return []

    try:
        wait_until(observe, lambda missing: not missing, deadline=deadline, what="a stage",
                   interval=0.1, describe=lambda missing: "; ".join(missing[:3]))  # fmt: skip
    except NotReady:
        pass  # what was last seen is in `seen`, condition by condition
    else:
        again = look()
        for condition in conditions:
            if condition.phase is Phase.ABSENCE:
                seen[condition] = _judged(condition, again)
    return tuple(condition.finding(seen.get(condition)) for condition in conditions)


def _judged(condition: Condition, look: Look) -> Seen:
    try:
        return condition.judge(look)
    except LabgenError as error:
        return Seen(None, str(error))


def conditions(
    expect: Expect, places: Places, design: Design, commands: Commands
) -> tuple[Condition, ...]:
    """Everything that `expect` says, lowest rung first."""
    found = [*_sessions(expect, places)] if expect.sessions is not None else []
    found += _as_numbers(expect, places, design)
    if expect.converged:
        found += _converged(design)
    for routes in expect.routes:
        found += _routes(routes, places)
    for one in expect.traffic:
        found += _traffic(one, places, commands)
    return tuple(found)


# --- sessions ---------------------------------------------------------------------------------


def _sessions(expect: Expect, places: Places) -> Iterator[Condition]:
    name_of = {address: name for name, address in places.speakers.items()}
    for node, others in (expect.sessions or {}).items():
        wanted = {places.speakers[other] for other in others}
        yield Condition(
            "sessions", Rung.ESTABLISHED, Phase.STATE, f"sessions of {node}",
            f"exactly {_names(wanted, name_of)}, Established",
            partial(_exactly, node, frozenset(wanted), name_of),
            (f"{node}: birdc show protocols all",), "RFC 4271 §8.2.2",
        )  # fmt: skip


def _exactly(
    node: str, wanted: frozenset[Address | None], name_of: dict[Address | None, str], look: Look
) -> Seen:
    peers = look.peers(node)
    if isinstance(peers, Missing):
        return Seen(None, peers.reason)
    up = {p.address for p in peers if p.state == "Established"}
    others = [p for p in peers if p.state != "Established"]
    if up == wanted and not others:
        return Seen(True, f"{len(up)} Established: {_names(up, name_of)}")
    parts = [f"no session with {_names(wanted - up, name_of)}"] if wanted - up else []
    parts += [f"not expected: {_names(up - wanted, name_of)}"] if up - wanted else []
    parts += [
        f"{name_of.get(p.address, p.address)} is {p.state}"
        + (f" ({p.last_error})" if p.last_error else "") for p in others
    ]  # fmt: skip
    return Seen(False, "; ".join(parts))


def _names(addresses: object, name_of: dict[Address | None, str]) -> str:
    found: list[Address | None] = list(addresses)  # type: ignore[call-overload]
    return ", ".join(sorted(str(name_of.get(a, a)) for a in found)) or "none"


def _as_numbers(expect: Expect, places: Places, design: Design) -> Iterator[Condition]:
    speakers = tuple(s.node for s in design.speakers)
    for name, asn in expect.as_numbers.items():
        cluster = places.now.clusters.get(name)
        nodes = tuple(cluster.nodes) if cluster is not None else (name,)
        wanted = {places.speakers[node]: node for node in nodes}
        yield Condition(
            "as-number", Rung.OPEN, Phase.STATE, f"AS of {name}", f"AS {asn} with every peer",
            partial(_in_as, wanted, asn, speakers), ("birdc show protocols all",),
            "RFC 4271 §6.2",
        )  # fmt: skip


def _in_as(
    wanted: dict[Address | None, str], asn: int, speakers: tuple[str, ...], look: Look
) -> Seen:
    met: dict[str, set[int | None]] = {}
    for node in speakers:
        peers = look.peers(node)
        if isinstance(peers, Missing):
            return Seen(None, peers.reason)
        for peer in peers:
            if peer.address in wanted and peer.state == "Established":
                met.setdefault(wanted[peer.address], set()).add(peer.remote_as)
    wrong = [f"{n} is in AS {', '.join(map(str, sorted(met[n], key=str)))}"
             for n in met if met[n] != {asn}]  # fmt: skip
    silent = [f"{n} has no session" for n in wanted.values() if n not in met]
    problems = [*wrong, *silent]
    return Seen(not problems, "; ".join(problems) or f"AS {asn} on {len(met)} nodes")


def _converged(design: Design) -> Iterator[Condition]:
    for speaker in design.speakers:
        node = speaker.node
        wanted = frozenset(
            s.other(node).address for s in design.sessions_of(node)
            if all(end.peer is not None and end.node is not None for end in s.ends)
        )  # fmt: skip
        lonely = [s.name for s in design.sessions_of(node) if s.end(node).peer is not None
                  and s.other(node).peer is None and s.other(node).node is not None]  # fmt: skip
        name_of: dict[Address | None, str] = {
            a: s.node for s in design.speakers for a in s.addresses
        }
        if lonely:
            text = f"only one end configures {lonely[0]}"
            yield Condition("configured", Rung.OPEN, Phase.STATE, f"peers of {node}",
                            "both ends configure each session",
                            partial(_always, Seen(False, text)))  # fmt: skip
        yield Condition(
            "established", Rung.ESTABLISHED, Phase.STATE, f"all sessions of {node}",
            f"{len(wanted)} Established", partial(_established, node, wanted, name_of),
            (f"{node}: birdc show protocols all",), "RFC 4271 §8.2.2",
        )  # fmt: skip
        if node in design.forecast.unforeseen:
            continue
        prefixes = frozenset(
            r.prefix for r in design.forecast.routes.get(node, ()) if r.in_kernel
        )  # fmt: skip
        yield Condition(
            "forecast", Rung.FIB, Phase.STATE, f"routes of {node}",
            f"{len(prefixes)} routes in the kernel", partial(_installed, node, prefixes),
            (f"{node}: ip -j route",),
        )  # fmt: skip


def _always(seen: Seen, _: Look) -> Seen:
    return seen


def _established(
    node: str, wanted: frozenset[Address], name_of: dict[Address | None, str], look: Look
) -> Seen:
    peers = look.peers(node)
    if isinstance(peers, Missing):
        return Seen(None, peers.reason)
    up = {p.address for p in peers if p.state == "Established"}
    if wanted <= up:
        return Seen(True, f"{len(wanted)} Established")
    why = {p.address: p for p in peers}
    parts = []
    for address in sorted(wanted - up, key=str):
        peer = why.get(address)
        state = f"{peer.state} {peer.last_error}".strip() if peer else "not configured"
        parts.append(f"{name_of.get(address, address)}: {state}")
    return Seen(False, "; ".join(parts))


def _installed(node: str, prefixes: frozenset[Network], look: Look) -> Seen:
    there: set[Network] = set()
    for version in sorted({p.version for p in prefixes}):
        fib = look.fib(node, version)
        if isinstance(fib, Missing):
            return Seen(None, fib.reason)
        there |= {r.prefix for r in fib}
    missing = sorted(prefixes - there, key=str)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        return Seen(False, f"no route to {', '.join(map(str, missing[:3]))}{more}")
    return Seen(True, f"all {len(prefixes)} in the kernel")


# --- routes -----------------------------------------------------------------------------------


def _routes(routes: Routes, places: Places) -> Iterator[Condition]:
    nodes = [n for c in routes.clusters for n in places.now.clusters[c].nodes] + routes.nodes
    via = frozenset(places.speakers[n] for n in routes.via)
    phase = Phase.ABSENCE if routes.absent else Phase.STATE
    hops = f" via exactly {', '.join(routes.via)}" if via else ""
    amount = "no route" if routes.absent else f"at least {routes.as_many} routes"
    for node in dict.fromkeys(n for n in nodes if n not in routes.but):
        subject = f"routes of {node} to {routes.to}"
        for place, rung, command in (
            ("rib", Rung.RIB, "birdc show route all"), ("fib", Rung.FIB, "ip -j route"),
        ):  # fmt: skip
            if routes.in_ in (place, "both"):
                yield Condition(
                    f"{place}-absent" if routes.absent else place, rung, phase,
                    f"{subject} ({place.upper()})", amount + hops,
                    partial(_hops, place, node, routes, via, places.speakers),
                    (f"{node}: {command}",),
                )  # fmt: skip
        if routes.cluster_list:
            ids = ", ".join(map(str, routes.cluster_list))
            yield Condition(
                "cluster-list", Rung.UPDATE, phase, f"CLUSTER_LIST at {node} for {routes.to}",
                f"{ids} on every reflected path", partial(_reflected, node, routes),
                (f"{node}: birdc show route all",), "RFC 4456 §8",
            )  # fmt: skip


def _hops(
    place: str, node: str, routes: Routes, via: frozenset[Address | None],
    speakers: dict[str, Address | None], look: Look,
) -> Seen:  # fmt: skip
    to = routes.to
    found: dict[Network, set[Address | None]] = {}
    if place == "rib":
        table = look.rib(node, to.version)
        if isinstance(table, Missing):
            return Seen(None, table.reason)
        for path in table:
            if path.valid and path.next_hop is not None and _inside(path.prefix, to):
                found.setdefault(path.prefix, set()).add(path.next_hop)
    else:
        kernel = look.fib(node, to.version)
        if isinstance(kernel, Missing):
            return Seen(None, kernel.reason)
        for route in kernel:
            if _learnt(route) and _inside(route.prefix, to):
                found.setdefault(route.prefix, set()).update(h for h, _ in route.next_hops)
    if routes.absent:
        shown = ", ".join(map(str, sorted(found, key=str)[:3]))
        return Seen(not found, f"{len(found)} there: {shown}" if found else "none")
    name_of = {address: name for name, address in speakers.items()}
    if len(found) < routes.as_many:
        return Seen(False, f"{len(found)} routes")
    wrong = [f"{p} via {_names(hops, name_of)}" for p, hops in found.items() if via and hops != via]
    ecmp = f", each over {len(via)} next hops: {_names(via, name_of)}" if via else ""
    return Seen(not wrong, "; ".join(wrong[:3]) or f"{len(found)} routes{ecmp}")


def _learnt(route: FibRoute) -> bool:
    return route.protocol in ("bird", "bgp") and route.kind == "unicast"


def _inside(prefix: Network, network: Network) -> bool:
    return prefix.version == network.version and prefix.subnet_of(network)  # type: ignore[arg-type]


def _reflected(node: str, routes: Routes, look: Look) -> Seen:
    lists = look.cluster_lists(node, routes.to.version)
    if isinstance(lists, Missing):
        return Seen(None, lists.reason)
    wanted = tuple(routes.cluster_list)
    own = {p: paths - {()} for p, paths in lists.items() if _inside(p, routes.to)}
    met = {path for paths in own.values() for path in paths}
    if met == {wanted}:
        return Seen(True, f"{sum(bool(paths) for paths in own.values())} prefixes reflected")
    shown = "; ".join(sorted(", ".join(map(str, path)) for path in met)) or "no reflected path"
    return Seen(False, shown)


# --- traffic ----------------------------------------------------------------------------------


def _traffic(one: Traffic, places: Places, commands: Commands) -> Iterator[Condition]:
    end = places.endpoint(one.to)
    phase = Phase.ABSENCE if one.absent else Phase.TRAFFIC
    subject = f"{one.kind} from {one.from_} to {end.shown}"
    evidence = (f"{one.from_}: {' '.join(requests.argv_of(one.kind, end))}",)
    yield Condition(
        "no-traffic" if one.absent else "traffic", Rung.TRAFFIC, phase, subject,
        "no answer" if one.absent else "an answer",
        partial(_asked, one, end, commands), evidence,
    )  # fmt: skip
    if one.over:
        yield Condition(
            "legs", Rung.TRAFFIC, phase, f"paths from {one.from_} to {end.shown}",
            f"flows over each of {', '.join(one.over)}", partial(_over, one, end, commands),
            tuple(f"{leg}: nft list table inet {requests.TABLE}" for leg in one.over),
            "RFC 2992",
        )  # fmt: skip


def _asked(one: Traffic, end: Endpoint, commands: Commands, _: Look) -> Seen:
    through, said = requests.ask(commands, one.from_, one.kind, end)
    return Seen(through is not one.absent, said)


def _over(one: Traffic, end: Endpoint, commands: Commands, _: Look) -> Seen:
    done, counted = requests.shares(commands, one.from_, end, one.over)
    shown = ", ".join(f"{leg} {count}" for leg, count in counted.items())
    text = f"{done} of {requests.FLOWS} connects; SYNs over {shown}"
    return Seen(done == requests.FLOWS and all(counted.values()), text)
