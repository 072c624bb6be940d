"""Causes with the session up: routes that are not sent, not taken, or not usable."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from labgen.check.diagnosis import loop_rules, passing_rules
from labgen.check.diagnosis.attempts import outcome
from labgen.check.diagnosis.model import Cause, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Scene, at
from labgen.check.diagnosis.standing import subject_of
from labgen.check.diagnosis.ups import Up
from labgen.evidence import Address
from labgen.facts import Daemon


def causes(scene: Scene) -> Iterator[Cause]:
    """Every cause that routes show."""
    ups = [
        Up(pair, alive)
        for pair in scene.pairs
        if pair.conversations
        and (alive := outcome(pair.conversations, pair.capture_end).alive) is not None
    ]
    yield from _next_hops(scene, ups)
    yield from loop_rules.cluster_loop(scene, ups)
    yield from loop_rules.as_loop(scene, ups)
    yield from passing_rules.export_filter(scene, ups)
    yield from passing_rules.no_mesh(scene, ups)
    yield from _shared_identifier(scene, ups)


def _next_hops(scene: Scene, ups: list[Up]) -> Iterator[Cause]:
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
    scene: Scene, up: Up, sender: Address, already: set[Address | None]
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


def _shared_identifier(scene: Scene, ups: list[Up]) -> Iterator[Cause]:
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
