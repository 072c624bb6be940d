"""Causes that a daemon states itself: in its log, its peer table, or its configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from labgen.check.diagnosis import bfd_rules
from labgen.check.diagnosis.attempts import errors, on_purpose, outcome
from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Role, Scene
from labgen.check.diagnosis.standing import alive, is_up, lives, subject_of
from labgen.evidence import Address
from labgen.facts import Daemon, LogEvent, PeerReport, Said


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
    yield from bfd_rules.causes(scene)


def _events(scene: Scene, said: Said) -> list[LogEvent]:
    return [e for e in scene.facts.events if e.said is said]


def _quotes(events: Sequence[LogEvent | PeerReport]) -> tuple[str, ...]:
    return tuple(str(e.quote) for e in events[-3:])


def _held(scene: Scene) -> list[LogEvent]:
    """Lines of a port that is taken; a session that came up after them says it is free again."""
    ups = [e.quote for e in scene.facts.events if e.said is Said.UP and e.daemon is Daemon.BIRD]
    return [
        e
        for e in _events(scene, Said.PORT_TAKEN)
        if not any(up.file == e.quote.file and up.line > e.quote.line for up in ups)
    ]


def _port_taken(scene: Scene) -> Iterator[Cause]:
    lines = list(_quotes(_held(scene)))
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
    nodes = {e.quote.node for e in _held(scene)} | {
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
