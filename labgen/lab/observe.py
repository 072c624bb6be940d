"""Take evidence of a running lab: ask every node in parallel, read the captures, ping the pods.

The edge between a lab and the pure checks: it asks and hands over; `observe` parses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from labgen.design.model import Daemon, Design, Speaker
from labgen.errors import LabgenError
from labgen.evidence import (
    Address,
    Evidence,
    Missing,
    NodeView,
    PeerView,
    Ping,
    RibRoute,
)
from labgen.observe import bird, frr, kernel
from labgen.runtime.protocol import Commands

_WORKERS = 8
_T = TypeVar("_T")
_TTL = re.compile(r"ttl=(\d+)")
_COUNTS = re.compile(r"(\d+) packets transmitted, (\d+) received")
PING_COUNT = 2


def take(design: Design, commands: Commands, wire: Callable[[], object]) -> Evidence:
    """All evidence at once. What cannot be had is Missing with the reason, never an exception."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        captured = pool.submit(_or_missing, wire)
        views = {
            s.node: pool.submit(node_view, s, commands, tunnels=bool(design.tunnels(s.node)))
            for s in design.speakers
        }
        pings = [pool.submit(_or_missing, lambda pair=pair: ping(commands, *pair))
                 for pair in ping_pairs(design)]  # fmt: skip
        return Evidence(
            taken=datetime.now(UTC),
            wire=captured.result(),  # type: ignore[arg-type]
            nodes={name: view.result() for name, view in views.items()},
            pings=tuple(p.result() for p in pings),
        )


def _or_missing(ask: Callable[[], _T]) -> _T | Missing:
    try:
        return ask()
    except LabgenError as error:
        return Missing(str(error))


def ping_pairs(design: Design) -> list[tuple[str, Address]]:
    """Which node pings which pod: each speaker the pods behind the nodes it has a session with."""
    pairs: dict[tuple[str, Address], None] = {}
    for session in design.sessions:
        for end, other in (session.ends, session.ends[::-1]):
            for pod in design.pods:
                if end.node is None or design.outside(end.node) is not None:
                    continue
                if pod.node == other.node and pod.name != end.node:
                    pairs[end.node, pod.addresses[0]] = None
    return list(pairs)


def ping(commands: Commands, source: str, target: Address) -> Ping:
    """Two echo requests, 0.2 s apart, each answer awaited for a second at the most."""
    argv = ("ping", "-n", "-c", str(PING_COUNT), "-i", "0.2", "-W", "1", str(target))
    done = commands.run(source, argv, timeout=10.0)
    counts, ttl = _COUNTS.search(done.stdout), _TTL.search(done.stdout)
    if counts is None:
        return Ping(source, target, PING_COUNT, 0, None, done.stderr or done.stdout)
    return Ping(source, target, int(counts[1]), int(counts[2]), int(ttl[1]) if ttl else None,
                done.stdout)  # fmt: skip


def node_view(speaker: Speaker, commands: Commands, *, tunnels: bool = False) -> NodeView | Missing:
    """Everything asked of one speaker. A node that does not run is Missing as a whole."""
    node = speaker.node
    if speaker.outside is not None:
        return Missing(speaker.outside)

    def ask(argv: Sequence[str], parse: Callable[[str], _T]) -> _T | Missing:
        return _or_missing(lambda: parse(commands.run(node, argv, timeout=10.0).check().stdout))

    counters = ask(kernel.COUNTERS, kernel.parse_counters)
    if isinstance(counters, Missing):
        return counters
    has_v6 = any(a.version == 6 for a in speaker.addresses)
    fib = ask(kernel.ROUTES, kernel.parse_routes)
    if has_v6 and not isinstance(fib, Missing):
        more = ask(kernel.ROUTES6, lambda text: kernel.parse_routes(text, version=6))
        fib = more if isinstance(more, Missing) else (*fib, *more)
    peers, rib = _bird(ask, has_v6) if speaker.daemon is Daemon.BIRD else _frr(ask, has_v6)
    kinds = ask(kernel.LINKS, kernel.parse_tunnels) if tunnels else {}
    return NodeView(node, peers, rib, fib, counters, tunnels=kinds)


_Peers = tuple[PeerView, ...] | Missing
_Rib = tuple[RibRoute, ...] | Missing
_Ask = Callable[[Sequence[str], Callable[[str], tuple[_T, ...]]], tuple[_T, ...] | Missing]


def _bird(ask: _Ask, has_v6: bool) -> tuple[_Peers, _Rib]:  # type: ignore[type-arg]
    versions = (4, 6) if has_v6 else (4,)
    peers = _joined([ask(bird.protocols(v), bird.parse_protocols) for v in versions])
    return peers, _joined([ask(bird.routes(v), bird.parse_routes) for v in versions])


def _frr(ask: _Ask, has_v6: bool) -> tuple[_Peers, _Rib]:  # type: ignore[type-arg]
    versions = (4, 6) if has_v6 else (4,)
    peers = ask(frr.NEIGHBORS, frr.parse_neighbors)
    return peers, _joined([ask(frr.table(v), frr.parse_table) for v in versions])


def _joined(parts: Sequence[tuple[_T, ...] | Missing]) -> tuple[_T, ...] | Missing:
    result: tuple[_T, ...] = ()
    for part in parts:
        if isinstance(part, Missing):
            return part
        result = (*result, *part)
    return result
