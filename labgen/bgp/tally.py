"""Counts per session and direction, gathered while a capture streams by.

Memory follows the routes that are held, not the length of the capture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labgen.bgp.messages import Update
from labgen.bgp.vocabulary import IPV4_UNICAST, MessageType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labgen.bgp.attributes import IpAddress
    from labgen.bgp.conversation import Flow, WireMessage
    from labgen.bgp.nlri import NlriBlock
    from labgen.bgp.vocabulary import Family


@dataclass(slots=True)
class Direction:
    """What one address told another.

    `held` are the prefixes (with path identifiers where negotiated) that stand after the last
    message, per family.
    """

    src: IpAddress
    dst: IpAddress
    counts: dict[MessageType, int] = field(default_factory=dict)
    announced: int = 0
    withdrawn: int = 0
    errors: int = 0
    held: dict[Family, set[str | tuple[str, int]]] = field(default_factory=dict)
    end_of_rib: set[Family] = field(default_factory=set)

    def count(self, kind: MessageType) -> int:
        return self.counts.get(kind, 0)

    def held_in(self, family: Family) -> set[str | tuple[str, int]]:
        routes = self.held.get(family)
        if routes is None:
            routes = self.held[family] = set()
        return routes


class Tally:
    """Takes messages; `directions` has the counts for each (sender, receiver)."""

    def __init__(self) -> None:
        self.directions: dict[tuple[IpAddress, IpAddress], Direction] = {}
        self._flows: dict[Flow, Direction] = {}

    def add(self, wire: WireMessage) -> tuple[int, int]:
        """Count a message; returns how many prefixes it announces and withdraws."""
        direction = self._flows.get(wire.flow)
        if direction is None:
            direction = self._new_flow(wire.flow)
        counts = direction.counts
        prefixes = wire.everyday_prefixes()
        if prefixes is not None:
            counts[MessageType.UPDATE] = counts.get(MessageType.UPDATE, 0) + 1
            direction.announced += len(prefixes)
            direction.held_in(IPV4_UNICAST).update(prefixes)
            return len(prefixes), 0
        kind = wire.type
        message = wire.message
        if kind is None or message is None:
            direction.errors += 1
            return 0, 0
        counts[kind] = counts.get(kind, 0) + 1
        return _update(direction, message) if isinstance(message, Update) else (0, 0)

    def _new_flow(self, flow: Flow) -> Direction:
        key = flow.src.address, flow.dst.address
        direction = self.directions.get(key)
        if direction is None:
            direction = self.directions[key] = Direction(*key)
        # A new connection starts with an empty Adj-RIB-In (RFC 4271 section 3.2).
        direction.held.clear()
        direction.end_of_rib.clear()
        self._flows[flow] = direction
        return direction


def _update(direction: Direction, message: Update) -> tuple[int, int]:
    if message.errors:
        direction.errors += 1
    announced = withdrawn = 0
    for family, block in message.withdrawn:
        withdrawn += len(block.texts)
        direction.held_in(family).difference_update(_routes(block))
    for family, block in message.announced:
        announced += len(block.texts)
        direction.held_in(family).update(_routes(block))
    direction.announced += announced
    direction.withdrawn += withdrawn
    ended = message.end_of_rib
    if ended is not None:
        direction.end_of_rib.add(ended)
    return announced, withdrawn


def _routes(block: NlriBlock) -> Iterable[str | tuple[str, int]]:
    if block.path_ids is None:
        return block.texts
    return zip(block.texts, block.path_ids, strict=True)
