"""Causes that a daemon states itself: in its log, its peer table, or its configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from labgen.check.diagnosis.attempts import errors, on_purpose, outcome
from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Role, Scene, at
from labgen.evidence import Address
from labgen.facts import BfdReport, Daemon, LogEvent, NeighborConfig, PeerReport, Said


def subject_of(scene: Scene, peer: Address | None, node: str) -> str:
    """The pair a line speaks of, by whose file it stands in."""
    mine = [p for p in scene.pairs if peer in p.ends]
    for pair in mine:
        if peer is not None and str(pair.other(peer)) in (
            node,
            *map(str, scene.facts.addresses_of(node)),
        ):
            return pair.subject
    if len(mine) == 1:
        return mine[0].subject
    return f"{node or 'daemon'} ↔ {peer}" if peer else node or "daemon"


def causes(scene: Scene) -> Iterator[Cause]:
    """Every cause that a daemon names outright."""
    yield from _port_taken(scene)
    yield from _unexpected(scene)
    yield from _not_configured(scene)
    yield from _not_activated(scene)
    yield from _wrong_source(scene)
    yield from _waiting(scene)
    yield from _next_hop_tracking(scene)
    yield from _policy(scene)
    yield from _bfd(scene)


def alive(scene: Scene, peer: Address | None, quote_node: str = "") -> bool:
    """The session with this peer is up, as far as anything in the bundle tells."""
    if peer is None:
        return False
    pairs = [p for p in scene.pairs if peer in p.ends]
    known = scene.facts.addresses_of(quote_node)
    pairs = [p for p in pairs if not known or p.other(peer) in known] or pairs
    if not pairs:
        return log_up(e for e in scene.facts.events if e.peer == peer)
    return all(is_up(p) for p in pairs)


def lives(scene: Scene, event: LogEvent) -> bool:
    """The session that a log line speaks of came up after it, or is up."""
    pair = scene.pair_of(event)
    if pair is not None and (pair.conversations or pair.reports):
        return is_up(pair)
    same = [e for e in scene.facts.events if e.quote.file == event.quote.file]
    return log_up(e for e in same if e.peer == event.peer and e.quote.node == event.quote.node)


def is_up(pair: Pair) -> bool:
    """The session is up, by the wire if it was seen there, else by its daemons."""
    if pair.conversations:
        return outcome(pair.conversations, pair.capture_end).alive is not None
    if pair.reports:
        return all(r.established for r in pair.reports)
    return log_up(pair.events)


def log_up(events: Iterable[LogEvent]) -> bool:
    """The last that each log says of a session is that it came up."""
    last = {
        e.quote.file: e.said for e in events if e.said in (Said.UP, Said.DOWN, Said.SESSION_STARTED)
    }
    return bool(last) and all(said is Said.UP for said in last.values())


def _events(scene: Scene, said: Said) -> list[LogEvent]:
    return [e for e in scene.facts.events if e.said is said]


def _quotes(events: Sequence[LogEvent | PeerReport]) -> tuple[str, ...]:
    return tuple(str(e.quote) for e in events[-3:])


def _port_taken(scene: Scene) -> Iterator[Cause]:
    lines = list(_quotes(_events(scene, Said.PORT_TAKEN)))
    lines += [str(p.quote) for p in scene.facts.peers if "No listening socket" in p.info]
    birds = {s.quote.node for s in scene.facts.sockets if s.process in ("bird", "bird6")}
    holders = [
        s
        for s in scene.facts.sockets
        if s.state == "LISTEN"
        and s.local_port == 179
        and s.process
        and s.process not in ("bird", "bird6", "bgpd", "tmrouted")
        and s.quote.node not in birds
    ]
    if not lines:
        return
    nodes = {e.quote.node for e in _events(scene, Said.PORT_TAKEN)} | {
        p.quote.node for p in scene.facts.peers if "No listening socket" in p.info
    }
    for node in sorted(nodes):
        yield decided(
            "port-179-taken",
            _own_subject(scene, node),
            Rank.DAEMON_SAYS,
            f"BIRD on {node or 'the node'} could not open its listening socket: another process "
            "holds the port, and its whole BGP is down.",
            (*(x for x in lines), *(str(s.quote) for s in holders)),
        )


def _own_subject(scene: Scene, node: str) -> str:
    known = scene.facts.addresses_of(node)
    for pair in scene.pairs:
        if set(pair.ends) & known:
            return pair.subject
    return scene.pairs[0].subject if len(scene.pairs) == 1 else node or "node"


def _unexpected(scene: Scene) -> Iterator[Cause]:
    peers = {(e.peer, e.quote.node) for e in _events(scene, Said.UNEXPECTED_CONNECT)}
    for peer, node in sorted(peers, key=str):
        lines = [
            e
            for e in _events(scene, Said.UNEXPECTED_CONNECT)
            if (e.peer, e.quote.node) == (peer, node)
        ]
        if peer is None or lives(scene, lines[-1]):
            continue
        where = _subject_by_reset(scene, peer, node)
        yield decided(
            "bgppeer-missing",
            where,
            Rank.QUIET if _seeks_another(scene, node) else Rank.DAEMON_SAYS,
            f"BIRD on {node or 'the node'} refuses {peer}: none of its peers has that address.",
            _quotes(lines),
        )


def _seeks_another(scene: Scene, node: str) -> bool:
    """The node's own router peer is an address that nobody has: its BGPPeer names a wrong one."""
    told = [e for e in scene.facts.events if e.said is Said.UNREACHABLE and e.quote.node == node]
    shown = [
        p
        for p in scene.facts.peers
        if p.quote.node == node and p.daemon.is_calico and "No route to host" in p.info
    ]
    named = {e.peer for e in told if not e.protocol.startswith("Mesh_")}
    named |= {p.address for p in shown if "esh" not in p.name}
    asked = {q.target for c in scene.facts.captures for q in c.arp if not q.replies}
    return bool(named) or bool(asked & _routers_named(scene, node))


def _routers_named(scene: Scene, node: str) -> set[Address | None]:
    """The peers of a node that are no nodes, by its log's protocol names."""
    return {
        e.peer
        for e in scene.facts.events
        if e.quote.node == node
        and e.daemon is Daemon.BIRD
        and e.protocol
        and not e.protocol.startswith("Mesh_")
    }


def _subject_by_reset(scene: Scene, peer: Address, node: str) -> str:
    """Among the pairs of this peer, the one whose other end resets it."""
    for pair in scene.pairs:
        if peer in pair.ends and outcome(pair.conversations, pair.capture_end).reset_by(
            pair.other(peer)
        ):
            return pair.subject
    return subject_of(scene, peer, node)


def _not_configured(scene: Scene) -> Iterator[Cause]:
    for event in {e.peer: e for e in _events(scene, Said.NOT_CONFIGURED)}.values():
        if lives(scene, event):
            continue
        yield decided(
            "neighbor-not-configured",
            subject_of(scene, event.peer, event.quote.node),
            Rank.DAEMON_SAYS,
            f"The router rejects {event.peer}: it is no configured neighbor.",
            (str(event.quote),),
        )
    yield from _missing_neighbor(scene)


def _missing_neighbor(scene: Scene) -> Iterator[Cause]:
    """A router resets a connection from an address that its configuration does not name."""
    routers = [c for c in scene.facts.configs if c.daemon is Daemon.FRR and c.neighbors]
    for pair in scene.pairs:
        for server in pair.ends:
            found = outcome(pair.conversations, pair.capture_end).reset_by(server)
            fault = [n for c in pair.conversations for n in errors(c) if not on_purpose(n)]
            client = pair.other(server)
            mine = [c for c in routers if scene.role(server) is not Role.CALICO]
            if not found or not mine or fault:
                continue
            if all(n.address != client for c in mine for n in c.neighbors):
                known = ", ".join(str(n.address) for n in mine[0].neighbors)
                yield decided(
                    "neighbor-not-configured",
                    pair.subject,
                    Rank.DAEMON_SAYS,
                    f"{client} dials {scene.name(server)}, whose neighbors are {known}.",
                    (str(mine[0].quote),),
                )


def _not_activated(scene: Scene) -> Iterator[Cause]:
    for event in {
        e.peer: e for e in _events(scene, Said.NO_FAMILY) if e.daemon is not Daemon.BIRD
    }.values():
        if not lives(scene, event) and "lastReset" not in event.quote.text:
            yield decided(
                "address-family-not-activated",
                subject_of(scene, event.peer, event.quote.node),
                Rank.DAEMON_SAYS,
                "The router has no address family activated for this peer.",
                (str(event.quote),),
            )
    for config in scene.facts.configs:
        for neighbor in config.neighbors:
            default = neighbor.activated is None and config.default_ipv4_unicast
            if default or neighbor.activated or config.daemon is Daemon.BIRD:
                continue
            if alive(scene, neighbor.address, config.quote.node):
                continue
            yield decided(
                "address-family-not-activated",
                subject_of(scene, neighbor.address, config.quote.node),
                Rank.DAEMON_SAYS,
                f"{neighbor.name} is not activated for any address family.",
                (str(neighbor.quote),),
            )


def _wrong_source(scene: Scene) -> Iterator[Cause]:
    for event in {e.quote.node: e for e in _events(scene, Said.SOURCE_ADDRESS)}.values():
        if event.peer is not None and alive(scene, event.peer, event.quote.node):
            continue
        yield decided(
            "next-hop-unreachable",
            subject_of(scene, event.peer, event.quote.node),
            Rank.DAEMON_SAYS,
            "BIRD is told a source address that is not on this host: the node's "
            "own address was detected wrongly.",
            (str(event.quote),),
        )


def _waiting(scene: Scene) -> Iterator[Cause]:
    """BIRD's graceful-restart recovery: sessions up, routes withheld."""
    facts = scene.facts
    shown = _events(scene, Said.RESTART_WAITING)
    waits = [p for p in facts.peers if p.daemon.is_calico and p.peer_state == "wait"]
    unfinished = [e for e in _events(scene, Said.RESTART_STARTED) if not _finished(scene, e)]
    held = [e for e in _events(scene, Said.SESSION_WAITS) if not _finished(scene, e)]
    if shown or waits:
        node = (shown or waits)[0].quote.node
        if not waits and not _someone_up(scene, node):
            return  # no session at all: that is what has to be explained
        yield decided(
            "graceful-restart-wait",
            _own_node(node),
            Rank.DAEMON_SAYS,
            f"BIRD on {node or 'the node'} is in graceful-restart recovery: it withholds routes "
            "until "
            "every configured peer has answered, 240 s at the most.",
            (*_quotes(shown), *_quotes(waits), *_quotes(unfinished)),
        )
    elif unfinished and held:
        yield decided(
            "graceful-restart-wait",
            _own_node(held[0].quote.node),
            Rank.DAEMON_SAYS,
            "BIRD was started with -R, a session is up and waits, and recovery has not ended.",
            (*_quotes(unfinished), *_quotes(held)),
        )
    elif unfinished and _someone_up(scene, unfinished[0].quote.node) and _someone_down(scene):
        yield possible(
            "graceful-restart-wait",
            _own_node(unfinished[0].quote.node),
            Rank.DAEMON_SAYS,
            "BIRD was started with -R, and its log does not say that recovery ended.",
            _quotes(unfinished),
            "birdc show status on that node (Wait timer)",
        )


def _own_node(node: str) -> str:
    return node or "node"


def _finished(scene: Scene, event: LogEvent) -> bool:
    return any(
        e.said is Said.RESTART_DONE
        and e.quote.file == event.quote.file
        and e.quote.line > event.quote.line
        for e in scene.facts.events
    )


def _someone_up(scene: Scene, node: str) -> bool:
    known = scene.facts.addresses_of(node)
    pairs = [p for p in scene.pairs if not known or set(p.ends) & known]
    return any(is_up(p) for p in pairs)


def _someone_down(scene: Scene) -> bool:
    arp = any(not q.replies for c in scene.facts.captures for q in c.arp)
    return arp or any(not is_up(p) for p in scene.pairs)


def _next_hop_tracking(scene: Scene) -> Iterator[Cause]:
    """FRR dials no eBGP peer whose address it has no connected route to."""
    for hop in scene.facts.next_hops:
        if not hop.valid and not alive(scene, hop.address, hop.quote.node) and "peer" in hop.reason:
            connected = "Must be Connected" in hop.reason
            yield decided(
                "ebgp-multihop-missing" if connected else "host-unreachable",
                subject_of(scene, hop.address, hop.quote.node),
                Rank.DAEMON_SAYS if connected else Rank.UNANSWERED,
                f"The router does not dial {hop.address}: its next-hop tracking says invalid"
                + (", must be connected." if connected else "."),
                (str(hop.quote),),
            )
    for report in scene.facts.peers:
        if report.last_reset == "Waiting for NHT" and not report.established:
            if any(h.address == report.address for h in scene.facts.next_hops):
                continue
            yield possible(
                "ebgp-multihop-missing",
                subject_of(scene, report.address, report.quote.node),
                Rank.QUIET,
                f"The router waits for a route to {report.address} before it dials.",
                (str(report.quote),),
                "show ip bgp nexthop on the router (Must be Connected)",
            )


def _policy(scene: Scene) -> Iterator[Cause]:
    reports = [p for p in scene.facts.peers if p.peer_state == "Policy" and p.established]
    for peer in sorted({p.address for p in reports if p.address}, key=str):
        mine = [p for p in reports if p.address == peer]
        yield decided(
            "ebgp-policy-missing",
            subject_of(scene, peer, mine[0].quote.node),
            Rank.ROUTES,
            f"{peer} is Established, and the router discards its routes for want of a policy.",
            _quotes(mine),
        )
    told = _events(scene, Said.POLICY_MISSING)
    asked = any(p.daemon is Daemon.FRR for p in scene.facts.peers)
    if told and not reports and not asked:
        yield decided(
            "ebgp-policy-missing",
            subject_of(scene, told[0].peer, told[0].quote.node),
            Rank.ROUTES,
            "The router says that an eBGP session has no policy: it exchanges no routes.",
            _quotes(told),
        )


def _bfd(scene: Scene) -> Iterator[Cause]:
    """BFD of two kinds: one end sends to 3784, the other to 4784 (RFC 5881, RFC 5883)."""
    # Of now speak the daemons; a capture also holds what was healed since.
    flows = [f for c in scene.facts.captures for f in c.bfd if scene.history]
    for flow in flows:
        back = next((f for f in flows if (f.src, f.dst) == (flow.dst, flow.src)), None)
        if back is not None and flow.port < back.port:
            yield decided(
                "bfd-mismatch",
                subject_of(scene, flow.src, str(flow.dst)),
                Rank.ROUTES,
                f"{flow.src} speaks single-hop BFD (udp/{flow.port}), {back.src} multihop "
                f"(udp/{back.port}): BFD never comes up, BGP does without it.",
                (
                    at(flow.first, f"BFD {flow.src} > {flow.dst} udp/{flow.port}"),
                    at(back.first, f"BFD {back.src} > {back.dst} udp/{back.port}"),
                ),
            )
    yield from _bfd_reports(scene)
    downs = _events(scene, Said.BFD_DOWN)
    if not downs:
        return
    for peer in sorted({e.peer for e in downs if e.peer}, key=str):
        story = [
            e
            for e in scene.facts.events
            if e.peer == peer and e.said in (Said.BFD_DOWN, Said.BFD_UP)
        ]
        if story[-1].said is Said.BFD_DOWN:
            yield decided(
                "bfd-mismatch",
                subject_of(scene, peer, story[-1].quote.node),
                Rank.DAEMON_SAYS,
                f"BFD with {peer} went down and took the BGP session with it.",
                _quotes(downs),
            )


def _bfd_reports(scene: Scene) -> Iterator[Cause]:
    """Both ends run BFD for each other, and it is not up. At one end only it harms nobody."""
    bird = [b for b in scene.facts.bfd if b.daemon is Daemon.BIRD]
    router = [b for b in scene.facts.bfd if b.daemon is not Daemon.BIRD]
    for pair in scene.pairs:
        ours = [b for b in bird if b.peer in pair.ends and _of_pair(scene, b, pair)]
        theirs = [b for b in router if b.peer in pair.ends and _of_pair(scene, b, pair)]
        wanted = _configured(scene, pair)
        if not (ours or wanted) or not theirs or all(b.up for b in (*ours, *theirs)):
            continue
        kinds = {b.multihop for b in ours if b.multihop is not None}
        kinds |= {b.multihop for b in theirs if b.multihop is not None}
        why = ": one end is single-hop (udp/3784), the other multihop (udp/4784)"
        yield decided(
            "bfd-mismatch",
            pair.subject,
            Rank.ROUTES,
            f"Both ends run BFD for each other, and it is not up{why if len(kinds) > 1 else ''}.",
            (
                *(str(b.quote) for b in (*ours[:2], *theirs[:2])),
                *(str(n.quote) for n in wanted[:1]),
            ),
        )


def _configured(scene: Scene, pair: Pair) -> list[NeighborConfig]:
    """The node's own configuration asks for BFD with the other end."""
    return [
        n
        for c in scene.facts.configs
        for n in c.neighbors
        if c.daemon is Daemon.BIRD
        and n.bfd
        and n.address in pair.ends
        and (pair.other(n.address) in scene.facts.addresses_of(c.quote.node))
    ]


def _of_pair(scene: Scene, report: BfdReport, pair: Pair) -> bool:
    known = scene.facts.addresses_of(report.quote.node)
    return not known or pair.other(report.peer) in known
