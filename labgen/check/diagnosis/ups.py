"""Sessions that are up, and what each end holds of the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from labgen.bgp.conversation import Conversation, RouteEvent
from labgen.check.diagnosis.pairs import Pair, Scene
from labgen.evidence import Address, Network


@dataclass(frozen=True, slots=True)
class Up:
    """A pair whose session is up, with the conversation that counts."""

    pair: Pair
    conversation: Conversation
    tables: dict[Address, dict[Network, RouteEvent]] = field(default_factory=dict, compare=False)

    def asn(self, end: Address) -> int | None:
        message = self.conversation.open_from(end)
        return message.asn if message else None

    @property
    def internal(self) -> bool:
        one, two = (self.asn(end) for end in self.pair.ends)
        return one is not None and one == two

    def held(self, sender: Address) -> dict[Network, RouteEvent]:
        """What the sender announced and did not withdraw again."""
        if sender in self.tables:
            return self.tables[sender]
        table: dict[Network, RouteEvent] = {}
        for session in self.pair.sessions:
            if self.conversation not in session.conversations:
                continue
            for event in session.routes(sender, conversation=self.conversation):
                if event.announced:
                    table[event.prefix] = event
                else:
                    table.pop(event.prefix, None)
        self.tables[sender] = table
        return table


def has_otherwise(
    scene: Scene, ups: list[Up], receiver: Address, sender: Address, prefix: Network
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
