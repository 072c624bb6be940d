"""BFD that takes a session down, or never comes up: RFC 5881, RFC 5883."""

from __future__ import annotations

from collections.abc import Iterator

from labgen.check.diagnosis.model import Cause, Rank, decided
from labgen.check.diagnosis.pairs import Pair, Scene, at
from labgen.check.diagnosis.standing import subject_of
from labgen.facts import BfdReport, Daemon, NeighborConfig, Said


def causes(scene: Scene) -> Iterator[Cause]:
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
    downs = [e for e in scene.facts.events if e.said is Said.BFD_DOWN]
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
                tuple(str(e.quote) for e in downs[-3:]),
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
