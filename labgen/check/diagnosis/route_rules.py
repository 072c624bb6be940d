"""Causes with the session up: routes that are not sent, not taken, or not usable."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from labgen.bgp.attributes import ClusterList, PathAttributes
from labgen.bgp.conversation import Conversation, RouteEvent
from labgen.check.diagnosis.attempts import outcome
from labgen.check.diagnosis.daemon_rules import is_up, subject_of
from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Role, Scene, at
from labgen.evidence import Address, Network
from labgen.facts import Daemon, Said

# BIRD ends a BGP route's line with its last AS and origin: `(100/0) [AS65000i]`.
_LEARNT = re.compile(r"\[(?:AS\d+)?[ie?]\]\s*$")


@dataclass(frozen=True, slots=True)
class _Up:
    """A pair whose session is up, with the conversation that counts."""

    pair: Pair
    conversation: Conversation

    def asn(self, end: Address) -> int | None:
        message = self.conversation.open_from(end)
        return message.asn if message else None

    @property
    def internal(self) -> bool:
        one, two = (self.asn(end) for end in self.pair.ends)
        return one is not None and one == two

    def held(self, sender: Address) -> dict[Network, RouteEvent]:
        """What the sender announced and did not withdraw again."""
        table: dict[Network, RouteEvent] = {}
        for session in self.pair.sessions:
            if self.conversation not in session.conversations:
                continue
            for event in session.routes(sender, conversation=self.conversation):
                if event.announced:
                    table[event.prefix] = event
                else:
                    table.pop(event.prefix, None)
        return table


def causes(scene: Scene) -> Iterator[Cause]:
    """Every cause that routes show."""
    ups = [
        _Up(pair, alive)
        for pair in scene.pairs
        if pair.conversations
        and (alive := outcome(pair.conversations, pair.capture_end).alive) is not None
    ]
    yield from _next_hops(scene, ups)
    yield from _cluster_loop(scene, ups)
    yield from _as_loop(scene, ups)
    yield from _export_filter(scene, ups)
    yield from _no_mesh(scene, ups)
    yield from _shared_identifier(scene, ups)


# NEXT_HOP.


def _next_hops(scene: Scene, ups: list[_Up]) -> Iterator[Cause]:
    shown = [
        r
        for r in scene.facts.routes
        if r.usable is False
        and not r.stale
        and _foreign(r.next_hop)
        and (
            r.daemon is not Daemon.BIRD
            or ("unreachable [" in " ".join(r.quote.text.split()) and _from_bgp(r.protocol))
        )
    ]
    for hop in sorted({r.next_hop for r in shown if r.next_hop}, key=str):
        mine = [r for r in shown if r.next_hop == hop]
        yield decided(
            "next-hop-unreachable",
            subject_of(scene, mine[0].peer or hop, mine[0].quote.node),
            Rank.ROUTES,
            f"{mine[0].prefix} is not usable: its next hop {hop} cannot be reached.",
            tuple(str(r.quote) for r in mine[:4]),
        )
    for up in ups:
        for sender in up.pair.ends:
            yield from _odd_hop(scene, up, sender, {r.next_hop for r in shown})


def _from_bgp(protocol: str) -> bool:
    return not protocol.startswith(("static", "kernel", "direct", "device"))


def _foreign(hop: Address | None) -> bool:
    return hop is not None and not hop.is_unspecified


def _odd_hop(
    scene: Scene, up: _Up, sender: Address, already: set[Address | None]
) -> Iterator[Cause]:
    receiver = up.pair.other(sender)
    opened = up.conversation.open_from(sender)
    for prefix, event in up.held(sender).items():
        for hop in event.attributes.next_hops if event.attributes else ():
            if hop in already or _reachable(scene, hop, up.pair):
                continue
            line = at(event.message.seen, f"UPDATE {sender} > {receiver}: {prefix} NEXT_HOP {hop}")
            identity = opened is not None and opened.bgp_identifier == hop
            text = (
                f"{scene.name(sender)} announces {prefix} with NEXT_HOP {hop}, which is neither "
                "its address here"
            )
            if identity:
                yield decided(
                    "next-hop-unreachable",
                    up.pair.subject,
                    Rank.ROUTES,
                    f"{text} nor on the peering network: it takes {hop} for its own address.",
                    (line,),
                )
            else:
                yield possible(
                    "next-hop-unreachable",
                    up.pair.subject,
                    Rank.ROUTES,
                    f"{text} nor on the peering network.",
                    (line,),
                    f"show ip bgp {prefix} on {receiver} (inaccessible), and its route to {hop}",
                )
            return


def _reachable(scene: Scene, hop: Address, pair: Pair) -> bool:
    """The next hop is a speaker's address, answers ARP, or lies on a network the ends are on."""
    talking = (p.ends for p in scene.pairs if p.conversations)
    if hop in pair.ends or any(hop in ends for ends in talking) or hop.is_link_local:
        return True
    if any(q.target == hop and q.replies for c in scene.facts.captures for q in c.arp):
        return True
    connected = {
        r.prefix
        for r in scene.facts.routes
        if r.protocol == "kernel"
        and r.next_hop is None
        and any(end in r.prefix for end in pair.ends)
    }
    connected |= {
        ip_network(f"{end}/{24 if end.version == 4 else 64}", strict=False) for end in pair.ends
    }
    return any(hop in net for net in connected)


# loops.


def _cluster_loop(scene: Scene, ups: list[_Up]) -> Iterator[Cause]:
    told = [e for e in scene.facts.events if e.said is Said.SAME_CLUSTER]
    if told:
        yield decided(
            "cluster-id-loop",
            subject_of(scene, told[0].peer, told[0].quote.node),
            Rank.ROUTES,
            "The router drops routes that carry its own cluster id.",
            tuple(str(e.quote) for e in told[:3]),
        )
    clusters = {
        c.cluster_id: c for c in scene.facts.configs if c.daemon is Daemon.FRR and c.cluster_id
    }
    for up in ups:
        for receiver in up.pair.ends:
            own = _own_clusters(scene, ups, receiver) | (
                {c for c in clusters if scene.role(receiver) is Role.ROUTER and c}
            )
            for prefix, event in up.held(up.pair.other(receiver)).items():
                carried = _clusters(event.attributes)
                looped = [c for c in carried if c in own]
                if not looped:
                    continue
                config = clusters.get(looped[0])
                yield decided(
                    "cluster-id-loop",
                    up.pair.subject,
                    Rank.ROUTES,
                    f"{prefix} arrives at {scene.name(receiver)} with CLUSTER_LIST "
                    f"{', '.join(map(str, carried))}, which holds its own cluster id {looped[0]}.",
                    (
                        at(event.message.seen, f"UPDATE with CLUSTER_LIST {looped[0]}"),
                        *((str(config.quote),) if config else ()),
                    ),
                )
                break


def _clusters(attributes: PathAttributes | None) -> tuple[Address, ...]:
    found = attributes.get(ClusterList) if attributes else None
    return tuple(found.cluster_ids) if found else ()


def _own_clusters(scene: Scene, ups: list[_Up], speaker: Address) -> set[Address]:
    """The cluster ids that a speaker puts on what it reflects: always the first in the list."""
    del scene
    result: set[Address] = set()
    for up in ups:
        if speaker in up.pair.ends:
            for event in up.held(speaker).values():
                result.update(_clusters(event.attributes)[:1])
    return result


def _as_loop(scene: Scene, ups: list[_Up]) -> Iterator[Cause]:
    told = [e for e in scene.facts.events if e.said is Said.OWN_AS]
    if told:
        yield decided(
            "as-path-loop",
            subject_of(scene, told[0].peer, told[0].quote.node),
            Rank.ROUTES,
            "Routes are dropped for the receiver's own AS in AS_PATH.",
            tuple(str(e.quote) for e in told[:3]),
        )
    for up in ups:
        for receiver in up.pair.ends:
            yield from _as_loop_at(scene, ups, up, receiver)


def _as_loop_at(scene: Scene, ups: list[_Up], up: _Up, receiver: Address) -> Iterator[Cause]:
    own, sender = up.asn(receiver), up.pair.other(receiver)
    if own is None or up.internal or _allows_own_as(scene):
        return
    sent = set(up.held(receiver))
    for prefix, event in up.held(sender).items():
        path = event.attributes.as_path if event.attributes else None
        if (
            path is None
            or own not in path.asns
            or prefix in sent
            or _has_otherwise(scene, ups, receiver, sender, prefix)
        ):
            continue
        line = at(
            event.message.seen,
            f"UPDATE {sender} > {receiver}: {prefix} AS_PATH {path}, receiver is AS {own}",
        )
        if _meshed(scene, receiver):
            continue
        yield decided(
            "as-path-loop",
            up.pair.subject,
            Rank.ROUTES,
            f"{scene.name(receiver)} is AS {own} and drops {prefix}, whose AS_PATH is {path}.",
            (line,),
        )
        return


def _allows_own_as(scene: Scene) -> bool:
    return any(s.key == "numAllowedLocalASNumbers" and s.value != "0" for s in scene.facts.settings)


def _has_otherwise(
    scene: Scene, ups: list[_Up], receiver: Address, sender: Address, prefix: Network
) -> bool:
    """Some other peer gives the receiver the prefix, or its own output lists it."""
    for up in ups:
        if (
            receiver in up.pair.ends
            and sender not in up.pair.ends
            and prefix in up.held(up.pair.other(receiver))
        ):
            return True
    nodes = scene.facts.nodes_of(receiver)
    return any(
        r.prefix == prefix and r.quote.node in nodes and r.usable is not False
        for r in scene.facts.routes
    )


def _meshed(scene: Scene, node: Address) -> bool:
    """The node has mesh sessions that the capture does not show (taken at the router)."""
    for pair in scene.pairs:
        mesh = node in pair.ends and scene.role(pair.other(node)) is Role.CALICO
        if mesh and not pair.conversations and is_up(pair):
            return True
    listed = [p for p in scene.facts.peers if p.daemon.is_calico]
    if listed:
        return any("esh" in p.name for p in listed)
    return any(e.protocol.startswith("Mesh_") for e in scene.facts.events)


# routes that are not passed on.


def _export_filter(scene: Scene, ups: list[_Up]) -> Iterator[Cause]:
    yield from _held_back_in_text(scene, ups)
    by_pair = {frozenset(up.pair.ends): up for up in ups}
    for up in ups:
        for node in up.pair.ends:
            router = up.pair.other(node)
            if up.internal or scene.role(node) is not Role.CALICO:
                continue
            for other in by_pair.values():
                if node in other.pair.ends and router not in other.pair.ends and other.internal:
                    yield from _not_passed_on(scene, ups, up, other, node)


def _not_passed_on(
    scene: Scene, ups: list[_Up], learnt: _Up, mesh: _Up, node: Address
) -> Iterator[Cause]:
    router, neighbor = learnt.pair.other(node), mesh.pair.other(node)
    own = set(mesh.held(node)) | set(learnt.held(node)) | set(mesh.held(neighbor))
    for prefix, event in learnt.held(router).items():
        if (
            prefix in own
            or _has_otherwise(scene, ups, neighbor, node, prefix)
            or _covered(scene, prefix)
        ):
            continue
        yield possible(
            "ippool-export-filter",
            mesh.pair.subject,
            Rank.ROUTES,
            f"{scene.name(node)} learns {prefix} from {router} and does not pass it to {neighbor}, "
            "which hears of it from nobody.",
            (at(event.message.seen, f"UPDATE {router} > {node}: {prefix}"),),
            f"birdc 'show route noexport <protocol of {neighbor}>' on {node}; calicoctl get ippool",
        )
        return


def _held_back_in_text(scene: Scene, ups: list[_Up]) -> Iterator[Cause]:
    facts = scene.facts
    found = [
        (n.prefix, n.peer, n.protocol, n.quote)
        for n in facts.not_exported
        if _LEARNT.search(n.quote.text)
    ]
    found += [
        (e.prefix, e.peer, e.protocol, e.quote)
        for e in facts.events
        if e.said is Said.FILTERED and e.prefix is not None and " via " in e.quote.text
    ]
    for prefix, peer, protocol, quote in found:
        if _covered(scene, prefix) or peer is None or prefix.prefixlen == 0:
            continue
        if scene.role(peer) is not Role.CALICO or _has_otherwise(scene, ups, peer, peer, prefix):
            continue
        yield decided(
            "ippool-export-filter",
            subject_of(scene, peer, quote.node),
            Rank.ROUTES,
            f"{protocol} does not pass {prefix} on: the export filter lets through only what an "
            "IPPool, a block or a service range covers.",
            (str(quote),),
        )


def _covered(scene: Scene, prefix: Network) -> bool:
    return any(
        p.export and p.cidr.version == prefix.version and prefix.subnet_of(p.cidr)  # type: ignore[arg-type]
        for p in scene.facts.pools
    )


def _no_mesh(scene: Scene, ups: list[_Up]) -> Iterator[Cause]:
    """iBGP to the router only: each node announces its blocks, and hears of no other node's."""
    for router in sorted({end for up in ups for end in up.pair.ends}, key=str):
        mine = {
            up.pair.other(router): up
            for up in ups
            if router in up.pair.ends and up.internal and scene.role(router) is Role.ROUTER
        }
        if len(mine) < 2:
            continue
        blind = [n for n in mine if not _hears(scene, ups, mine, n)]
        if len(blind) < 2 or _mesh_in_texts(scene, blind):
            continue
        proof = _no_peers_in_texts(scene)
        if not proof:
            continue
        lines = tuple(
            at(
                event.message.seen,
                f"{node} announces {prefix} to {router}, which tells no other node",
            )
            for node in blind
            for prefix, event in list(mine[node].held(node).items())[:1]
        )
        names = ", ".join(map(str, sorted(blind, key=str)))
        yield decided(
            "mesh-off-no-reflector",
            f"{names} ↔ {router}",
            Rank.ROUTES,
            f"{names} peer with {router} only, over iBGP, and it reflects nothing: they do not "
            "hear "
            "of each other's blocks.",
            (*lines, *proof),
        )


def _hears(scene: Scene, ups: list[_Up], mine: dict[Address, _Up], node: Address) -> bool:
    """Somebody tells the node of another node's block."""
    foreign = {p for other, up in mine.items() if other != node for p in up.held(other)}
    foreign -= set(mine[node].held(node))
    return not foreign or any(_has_otherwise(scene, ups, node, node, p) for p in foreign)


def _mesh_in_texts(scene: Scene, nodes: list[Address]) -> bool:
    """The nodes peer with each other now. A log tells of the past: it counts where nothing else."""
    named = {p.address for p in scene.facts.peers if p.daemon.is_calico}
    if not named:
        named = {e.peer for e in scene.facts.events if e.daemon is Daemon.BIRD}
        birds = [c for c in scene.facts.configs if c.daemon is Daemon.BIRD]
        named |= {n.address for c in birds for n in c.neighbors}
    return bool(named & set(nodes))


def _no_peers_in_texts(scene: Scene) -> tuple[str, ...]:
    """Lines of the Calico side that list the peers: without any, a mesh may run unseen."""
    lines = [str(p.quote) for p in scene.facts.peers if p.daemon.is_calico]
    lines += [str(c.quote) for c in scene.facts.configs if c.daemon is Daemon.BIRD and c.neighbors]
    lines += [
        str(e.quote) for e in scene.facts.events if e.daemon is Daemon.BIRD and e.said is Said.UP
    ]
    lines += [
        str(e.quote)
        for e in scene.facts.events
        if e.daemon is Daemon.BIRD and e.said is Said.STARTED
    ]
    return tuple(lines[:4])


# identifiers.


def _shared_identifier(scene: Scene, ups: list[_Up]) -> Iterator[Cause]:
    """Two addresses, one identifier, one AS: their own session will fail (RFC 6286 section 2.1)."""
    seen: dict[tuple[object, int], tuple[Address, str]] = {}
    for up in ups:
        for end in up.pair.ends:
            opened = up.conversation.open_from(end)
            if opened is None:
                continue
            key = (opened.bgp_identifier, opened.asn)
            line = at(
                up.conversation.first,
                f"{end} opens with identifier {opened.bgp_identifier}, AS {opened.asn}",
            )
            first = seen.setdefault(key, (end, line))
            if first[0] != end and not _same_host(scene, first[0], end):
                yield possible(
                    "duplicate-router-id",
                    f"{first[0]} ↔ {end}",
                    Rank.ROUTES,
                    f"{first[0]} and {end} both use identifier {opened.bgp_identifier}.",
                    (first[1], line),
                    "whether the two addresses are one host",
                )


def _same_host(scene: Scene, one: Address, two: Address) -> bool:
    names = scene.facts.nodes_of(one) & scene.facts.nodes_of(two)
    return bool(names) or one.version != two.version
