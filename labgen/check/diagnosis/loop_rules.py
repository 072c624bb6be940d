"""Routes that the receiver must drop: its own cluster id, or its own AS, is in them already."""

from __future__ import annotations

from collections.abc import Iterator

from labgen.bgp.attributes import ClusterList, PathAttributes
from labgen.check.diagnosis.model import Cause, Rank, decided
from labgen.check.diagnosis.pairs import Role, Scene, at
from labgen.check.diagnosis.standing import is_up, subject_of
from labgen.check.diagnosis.ups import Up, has_otherwise
from labgen.evidence import Address
from labgen.facts import Daemon, Said


def cluster_loop(scene: Scene, ups: list[Up]) -> Iterator[Cause]:
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


def _own_clusters(scene: Scene, ups: list[Up], speaker: Address) -> set[Address]:
    """The cluster ids that a speaker puts on what it reflects: always the first in the list."""
    del scene
    result: set[Address] = set()
    for up in ups:
        if speaker in up.pair.ends:
            for event in up.held(speaker).values():
                result.update(_clusters(event.attributes)[:1])
    return result


def as_loop(scene: Scene, ups: list[Up]) -> Iterator[Cause]:
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


def _as_loop_at(scene: Scene, ups: list[Up], up: Up, receiver: Address) -> Iterator[Cause]:
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
            or has_otherwise(scene, ups, receiver, sender, prefix)
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


def _meshed(scene: Scene, node: Address) -> bool:
    """The node has mesh sessions that the capture does not show (taken at the router)."""
    for pair in scene.pairs:
        mesh = node in pair.ends and scene.role(pair.other(node)) is Role.CALICO
        if mesh and not pair.conversations and is_up(pair):
            return True
    names = scene.facts.nodes_of(node)
    listed = [p for p in scene.facts.peers if p.daemon.is_calico]
    mine = [p for p in listed if p.quote.node in names]
    if listed:
        return any("esh" in p.name for p in mine or listed)
    spoken: dict[tuple[str, str], bool] = {}
    for event in scene.facts.events:
        if event.daemon is Daemon.BIRD and event.protocol:
            key = (event.quote.file, event.quote.node)
            mesh = event.protocol.startswith("Mesh_")
            spoken[key] = spoken.get(key, False) or mesh
    known = [mesh for (_, of), mesh in spoken.items() if of in names]
    return any(known) if known else bool(spoken) and all(spoken.values())
