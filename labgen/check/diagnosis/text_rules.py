"""Causes that outputs and configurations show together, for pairs that no capture shows."""

from __future__ import annotations

from collections.abc import Iterator

from labgen.check.diagnosis.model import Cause, Rank, decided
from labgen.check.diagnosis.pairs import Pair, Role, Scene
from labgen.check.diagnosis.refusal_rules import port_evidence
from labgen.check.diagnosis.standing import is_up, subject_of
from labgen.evidence import Address
from labgen.facts import Daemon, NeighborConfig, PeerReport, SpeakerConfig

_LARGE = 576  # octets: above what OPEN and KEEPALIVE need
_BACKOFFS = 2
_TWO_OCTETS = 65535
_CLOSED = ("Socket: Connection reset by peer", "Socket: Connection closed")


def causes(scene: Scene, found: list[Cause]) -> Iterator[Cause]:
    """Every cause that the texts show for pairs whose wire was not seen, or told nothing."""
    named = {c.subject for c in found}
    for pair in scene.pairs:
        if pair.conversations and (is_up(pair) or pair.subject in named):
            continue
        if not is_up(pair):
            yield from _listens_elsewhere(scene, pair)
            yield from _no_bgppeer(scene, pair)
            yield from _unknown_neighbor(scene, pair)
            yield from _two_octets(scene, pair)
            yield from _over_limit(scene, pair)
            yield from _gtsm(scene, pair)
        yield from _black_hole(scene, pair)
    yield from _same_cluster(scene)
    yield from _own_as(scene)
    yield from _no_mesh(scene)


def _sides(scene: Scene, pair: Pair) -> tuple[Address, Address] | None:
    """The node and the router of a pair, where the texts tell them apart."""
    for node in pair.ends:
        router = pair.other(node)
        if scene.role(node) is Role.CALICO and scene.role(router) is Role.ROUTER:
            return node, router
    return None


def _of(scene: Scene, end: Address, daemon: Daemon) -> Iterator[SpeakerConfig]:
    """The configurations of the host that has this address."""
    nodes = scene.facts.nodes_of(end)
    configs = [c for c in scene.facts.configs if c.daemon is daemon]
    for config in configs:
        mine = config.quote.node in nodes or config.router_id == end
        free = not nodes and not scene.facts.addresses_of(config.quote.node)
        if mine or (len(configs) == 1 and free):
            yield config


def _neighbor(
    scene: Scene, end: Address, peer: Address, daemon: Daemon
) -> tuple[SpeakerConfig, NeighborConfig] | None:
    for config in _of(scene, end, daemon):
        for neighbor in config.neighbors:
            if neighbor.address == peer:
                return config, neighbor
    return None


def _listens_elsewhere(scene: Scene, pair: Pair) -> Iterator[Cause]:
    sides = _sides(scene, pair)
    lines = tuple(port_evidence(scene, sides[0])) if sides else ()
    if sides is None or not lines:
        return
    node, router = sides
    told = _neighbor(scene, router, node, Daemon.FRR)
    if told is not None and told[1].port != 179:
        return
    yield decided(
        "listen-port-changed",
        pair.subject,
        Rank.LISTENER,
        f"BIRD on {node} does not listen on 179, where {router} dials.",
        lines,
    )


def _no_bgppeer(scene: Scene, pair: Pair) -> Iterator[Cause]:
    """The router waits for a node whose own peers are other ones."""
    sides = _sides(scene, pair)
    if sides is None:
        return
    node, router = sides
    names = scene.facts.nodes_of(node)
    mine = [r for r in scene.facts.peers if r.daemon is Daemon.BIRD and r.quote.node in names]
    lines = [str(r.quote) for r in mine]
    peers = {r.address for r in mine}
    for config in _of(scene, node, Daemon.BIRD):
        lines.append(f"{config.quote} ({len(config.neighbors)} peers)")
        peers |= {n.address for n in config.neighbors}
    routers = {router} | {
        a for n in scene.facts.nodes_of(router) for a in scene.facts.addresses_of(n)
    }
    seeks = [r for r in mine if not r.established and _role(scene, r.address) is not Role.CALICO]
    if not lines or peers & routers or seeks or None in peers:
        return
    waiting = [str(r.quote) for r in pair.reports if r.address == node]
    if waiting:
        yield decided(
            "bgppeer-missing",
            pair.subject,
            Rank.LISTENER,
            f"{router} has the neighbor {node}, and no peer of that node's BIRD is {router}.",
            (*waiting[:2], *lines[:3]),
        )


def _role(scene: Scene, address: Address | None) -> Role:
    return scene.role(address) if address is not None else Role.UNKNOWN


def _unknown_neighbor(scene: Scene, pair: Pair) -> Iterator[Cause]:
    """The node's connection is reset, and the router's configuration does not name the node."""
    sides = _sides(scene, pair)
    if sides is None:
        return
    node, router = sides
    reset = [r for r in pair.reports if r.daemon.is_calico and r.info in _CLOSED]
    configs = [c for c in _of(scene, router, Daemon.FRR) if c.neighbors]
    if reset and configs and all(n.address != node for c in configs for n in c.neighbors):
        known = ", ".join(str(n.address) for n in configs[0].neighbors)
        yield decided(
            "neighbor-not-configured",
            pair.subject,
            Rank.DAEMON_SAYS,
            f"{router} resets the connections of {node}; its neighbors are {known}.",
            (str(reset[0].quote), str(configs[0].quote)),
        )


def _two_octets(scene: Scene, pair: Pair) -> Iterator[Cause]:
    """A four-octet AS at a router that does not offer capability 65 (RFC 6793 section 4.2.2)."""
    sides = _sides(scene, pair)
    told = _neighbor(scene, sides[1], sides[0], Daemon.FRR) if sides else None
    if told is None or not _as_refused(pair):
        return
    config, neighbor = told
    silent = neighbor.no_capabilities or not config.extended_asn
    if silent and config.asn is not None and config.asn > _TWO_OCTETS:
        yield decided(
            "four-octet-as",
            pair.subject,
            Rank.DAEMON_SAYS,
            f"{pair.other(sides[0]) if sides else ''} is AS {config.asn} and does not offer "
            "capability 65: its OPEN says AS_TRANS 23456.",
            (str(config.quote), str(neighbor.quote)),
        )


def _over_limit(scene: Scene, pair: Pair) -> Iterator[Cause]:
    """The router drops a node whose own table has more prefixes than the neighbor may send."""
    sides = _sides(scene, pair)
    told = _neighbor(scene, sides[1], sides[0], Daemon.FRR) if sides else None
    limit = told[1].maximum_prefix if told else None
    if sides is None or told is None or limit is None:
        return
    names = scene.facts.nodes_of(sides[0])
    mine = {
        r.prefix for r in scene.facts.routes if r.daemon is Daemon.BIRD and r.quote.node in names
    }
    dropped = [r for r in pair.reports if r.daemon.is_calico and "Connection" in r.info]
    if len(mine) > limit and dropped:
        yield decided(
            "maximum-prefix",
            pair.subject,
            Rank.NOTIFICATION,
            f"{sides[1]} takes {limit} prefixes of {sides[0]}, whose BIRD has {len(mine)}, and "
            "closes its connections.",
            (str(told[1].quote), str(dropped[0].quote)),
        )


def _as_refused(pair: Pair) -> bool:
    reports = any(r.error == (2, 2) or "Bad peer AS" in r.info for r in pair.reports)
    return reports or any(e.error == (2, 2) for e in pair.events)


def _gtsm(scene: Scene, pair: Pair) -> Iterator[Cause]:
    sides = _sides(scene, pair)
    if sides is None:
        return
    node, router = sides
    ours = _neighbor(scene, node, router, Daemon.BIRD)
    theirs = _neighbor(scene, router, node, Daemon.FRR)
    if ours is not None and theirs is not None and ours[1].ttl_security != theirs[1].ttl_security:
        strict = router if theirs[1].ttl_security else node
        yield decided(
            "ttl-security-one-sided",
            pair.subject,
            Rank.SILENT,
            f"TTL security is on at {strict} only, and drops what {pair.other(strict)} sends.",
            (str(ours[1].quote), str(theirs[1].quote)),
        )


def _black_hole(scene: Scene, pair: Pair) -> Iterator[Cause]:
    """Full-sized segments wait in Send-Q and their timer backs off, though the peer is heard."""
    for end in pair.ends:
        nodes = scene.facts.nodes_of(end)
        stuck = [
            s
            for s in scene.facts.sockets
            if s.peer == pair.other(end)
            and 179 in (s.local_port, s.peer_port)
            and (s.quote.node in nodes or not nodes)
            and s.queued >= _LARGE
            and s.backoff >= _BACKOFFS
        ]
        if stuck:
            yield decided(
                "mtu-black-hole",
                pair.subject,
                Rank.SILENT,
                f"{stuck[0].queued} octets of {end} wait for {pair.other(end)} and are repeated in "
                "vain, though OPEN and KEEPALIVEs passed.",
                tuple(str(s.quote) for s in stuck[:2]),
            )
            return


def _same_cluster(scene: Scene) -> Iterator[Cause]:
    """A router and a node's BIRD reflect with one cluster id (RFC 4456 section 8)."""
    facts = scene.facts
    for router in facts.configs:
        if router.daemon is not Daemon.FRR or router.cluster_id is None:
            continue
        addresses = {router.router_id, *facts.addresses_of(router.quote.node)}
        for node in facts.configs:
            same = [n for n in node.neighbors if n.cluster_id == router.cluster_id]
            toward = [n for n in node.neighbors if n.address in addresses]
            if node.daemon is Daemon.BIRD and same and toward:
                yield decided(
                    "cluster-id-loop",
                    subject_of(scene, toward[0].address, node.quote.node),
                    Rank.ROUTES,
                    f"The router and the node both reflect with cluster id {router.cluster_id}: "
                    "each drops what the other reflected.",
                    (str(router.quote), str(same[0].quote)),
                )
                break


def _own_as(scene: Scene) -> Iterator[Cause]:
    """BIRD counts what it drops for its own AS among the withdrawals that it ignores."""
    if any(s.key == "numAllowedLocalASNumbers" and s.value != "0" for s in scene.facts.settings):
        return
    for pair in scene.pairs:
        if pair.conversations:
            continue
        dropped = [
            r for r in pair.reports if r.daemon is Daemon.BIRD and r.ignored and not r.received
        ]
        asked = [r for r in pair.reports if not r.daemon.is_calico and r.remote_as and r.local_as]
        external = any(r.remote_as != r.local_as for r in asked)
        if not dropped or not external:
            continue
        own = asked[0].remote_as
        others = [
            r
            for r in scene.facts.peers
            if r.remote_as == own and r.established and r.address not in pair.ends and r.received
        ]
        if others:
            yield decided(
                "as-path-loop",
                pair.subject,
                Rank.ROUTES,
                f"{dropped[0].quote.node or 'The node'} is AS {own}, as is {others[0].address} "
                "behind the same router, and ignores what the router sends.",
                (str(dropped[0].quote), str(others[0].quote)),
            )


def _no_mesh(scene: Scene) -> Iterator[Cause]:
    """iBGP to the router only: it passes nothing on, and no node lists another node."""
    up = [p for p in scene.pairs if _sides(scene, p) and not p.conversations and is_up(p)]
    for router in sorted({s[1] for p in up if (s := _sides(scene, p))}, key=str):
        mine = [p for p in up if router in p.ends]
        nodes = {p.other(router) for p in mine}
        alone = [p for p in mine if _alone(scene, p.other(router), nodes)]
        told = [_told(p, router) for p in alone]
        blind = [r for r in told if r is not None and r.received and not r.sent]
        listed = [r for p in alone for r in _listed(scene, p.other(router))]
        nodes = {p.other(router) for p in alone}
        if len(blind) < 2:
            continue
        yield decided(
            "mesh-off-no-reflector",
            f"{', '.join(sorted(map(str, nodes)))} ↔ {router}",
            Rank.ROUTES,
            f"The nodes peer with {router} only, over iBGP, and it passes nothing on.",
            tuple(str(r.quote) for r in (*blind[:2], *listed[:2])),
        )


def _alone(scene: Scene, node: Address, nodes: set[Address]) -> bool:
    """The node's own list of peers names no other node."""
    listed = _listed(scene, node)
    return bool(listed) and not any(r.address in nodes for r in listed)


def _told(pair: Pair, router: Address) -> PeerReport | None:
    """The router's own row for an iBGP peer, with its counts of prefixes."""
    for report in pair.reports:
        internal = report.local_as is not None and report.local_as == report.remote_as
        if report.address != router and internal and report.sent is not None:
            return report
    return None


def _listed(scene: Scene, node: Address) -> list[PeerReport]:
    names = scene.facts.nodes_of(node)
    return [r for r in scene.facts.peers if r.daemon.is_calico and r.quote.node in names]
