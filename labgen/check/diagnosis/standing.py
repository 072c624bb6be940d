"""Whether a session is up, and which pair a line speaks of, by whatever the bundle has."""

from __future__ import annotations

from collections.abc import Iterable

from labgen.check.diagnosis.attempts import outcome
from labgen.check.diagnosis.pairs import Pair, Scene
from labgen.evidence import Address
from labgen.facts import LogEvent, Said


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
