"""In which order BIRDs are told of peerings that both of their ends dial.

BIRD 1.6 counts `connect delay time` in whole seconds of CLOCK_MONOTONIC, a clock that all nodes of
a lab share, and a SYN that arrives wakes a BIRD whose own delay has passed in the same second: it
dials back at once. One end may then be Established on the connection that the other end gives up
(RFC 4271 §6.8): both are closed, and the same happens again 2 s later. Machines have clocks of
their own, and a network between them. So the second end of such a peering is told when
the first one has counted a second of its delay: it is then the only one that dials.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence

from labgen.design.model import Daemon, Design, Session
from labgen.errors import LabgenError, NotReady
from labgen.evidence import Address
from labgen.lab.wait import wait_until
from labgen.observe import bird
from labgen.runtime.protocol import Commands

# A delay counts down once a second; nothing depends on the wait, so its end is no error.
COUNTED_SECONDS = 1.5


def groups(design: Design, nodes: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The nodes to be told at once, and those to be told after them; none of the two is empty.

    Two groups, not more: with Calico's delay of 2 s the first dials before a third could be told.
    Who has fewest such peerings comes first: clients before their route reflectors.
    """
    told = list(nodes)
    peers = {n: {other for other, _ in _mutual(design, n)} & set(told) for n in told}
    first: set[str] = set()
    for node in sorted(told, key=lambda n: len(peers[n])):
        if not peers[node] & first:
            first.add(node)
    split = (tuple(n for n in told if n in first), tuple(n for n in told if n not in first))
    return tuple(group for group in split if group)


def wait_counted(design: Design, nodes: Sequence[str], commands: Commands) -> None:
    """Until no BIRD is in the first second of its delay before it dials one of `nodes`.

    Returns after COUNTED_SECONDS as well, and does not mind a BIRD that does not answer.
    """
    mutual = [(n, other, s) for n in nodes for other, s in _mutual(design, n) if other not in nodes]
    asked = sorted({(other, s.end(other).address.version) for _, other, s in mutual})
    ours = {s.end(node).address for node, _, s in mutual}

    def fresh() -> bool:
        return any(ours & _undialled(other, version, commands) for other, version in asked)

    with contextlib.suppress(NotReady):
        wait_until(
            fresh, lambda found: not found, deadline=COUNTED_SECONDS,
            what="the first second of a connect delay",
        )  # fmt: skip


def _mutual(design: Design, node: str) -> list[tuple[str, Session]]:
    """The BIRDs that a node dials and that dial it, with the session of each."""
    birds = {s.node for s in design.speakers if s.daemon is Daemon.BIRD and s.outside is None}
    return [
        (other, session)
        for session in design.sessions_of(node)
        if node in birds and (other := session.other(node).node) in birds and other is not None
        if all(end.peer is not None and not end.peer.passive for end in session.ends)
    ]


def _undialled(node: str, version: int, commands: Commands) -> set[Address]:
    """Whom a node is to dial after its whole delay: not one second of it has passed."""
    try:
        text = commands.run(node, bird.protocols(version)).check().stdout
        return {peer for peer, (left, whole) in bird.parse_delays(text).items() if left >= whole}
    except LabgenError:
        return set()
