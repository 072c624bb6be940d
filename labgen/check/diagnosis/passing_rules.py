"""Routes that nobody passes on: Calico's export filter, or iBGP without mesh and reflector."""

from __future__ import annotations

import re
from collections.abc import Iterator

from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Role, Scene, at
from labgen.check.diagnosis.standing import subject_of
from labgen.check.diagnosis.ups import Up, has_otherwise
from labgen.evidence import Address, Network
from labgen.facts import Daemon, Said

# BIRD ends a BGP route's line with its last AS and origin: `(100/0) [AS65000i]`.
_LEARNT = re.compile(r"\[(?:AS\d+)?[ie?]\]\s*$")


def export_filter(scene: Scene, ups: list[Up]) -> Iterator[Cause]:
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
    scene: Scene, ups: list[Up], learnt: Up, mesh: Up, node: Address
) -> Iterator[Cause]:
    router, neighbor = learnt.pair.other(node), mesh.pair.other(node)
    own = set(mesh.held(node)) | set(learnt.held(node)) | set(mesh.held(neighbor))
    for prefix, event in learnt.held(router).items():
        if (
            prefix in own
            or has_otherwise(scene, ups, neighbor, node, prefix)
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


def _held_back_in_text(scene: Scene, ups: list[Up]) -> Iterator[Cause]:
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
        if scene.role(peer) is not Role.CALICO or _has(scene, ups, peer, prefix):
            continue
        yield decided(
            "ippool-export-filter",
            subject_of(scene, peer, quote.node),
            Rank.ROUTES,
            f"{protocol} does not pass {prefix} on: the export filter lets through only what an "
            "IPPool, a block or a service range covers.",
            (str(quote),),
        )


def _has(scene: Scene, ups: list[Up], node: Address, prefix: Network) -> bool:
    """Any of its peers tells the node of the prefix, or its own output lists it."""
    told = any(node in u.pair.ends and prefix in u.held(u.pair.other(node)) for u in ups)
    return told or has_otherwise(scene, ups, node, node, prefix)


def _covered(scene: Scene, prefix: Network) -> bool:
    return any(
        p.export and p.cidr.version == prefix.version and prefix.subnet_of(p.cidr)  # type: ignore[arg-type]
        for p in scene.facts.pools
    )


def no_mesh(scene: Scene, ups: list[Up]) -> Iterator[Cause]:
    """iBGP to the router only: each node announces its blocks, and hears of no other node's."""
    for router in sorted({end for up in ups for end in up.pair.ends}, key=str):
        mine = {
            up.pair.other(router): up
            for up in ups
            if router in up.pair.ends and up.internal and scene.role(router) is Role.ROUTER
        }
        if len(mine) < 2:
            continue
        meshed = _mesh_in_texts(scene)
        blind = [n for n in mine if n not in meshed and not _hears(scene, ups, mine, n)]
        if len(blind) < 2:
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


def _hears(scene: Scene, ups: list[Up], mine: dict[Address, Up], node: Address) -> bool:
    """Somebody tells the node of another node's block."""
    foreign = {p for other, up in mine.items() if other != node for p in up.held(other)}
    foreign -= set(mine[node].held(node))
    return not foreign or any(_has(scene, ups, node, p) for p in foreign)


def _mesh_in_texts(scene: Scene) -> set[Address | None]:
    """Whom the nodes peer with now. A log tells of the past: it counts where nothing else does."""
    named = {p.address for p in scene.facts.peers if p.daemon.is_calico}
    if not named:
        named = {e.peer for e in scene.facts.events if e.daemon is Daemon.BIRD}
        birds = [c for c in scene.facts.configs if c.daemon is Daemon.BIRD]
        named |= {n.address for c in birds for n in c.neighbors}
    return {address for address in named if address is None or scene.role(address) is Role.CALICO}


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
