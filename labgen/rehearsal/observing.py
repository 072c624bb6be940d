"""One look at a running lab: what is asked of a node is asked once, and only if somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from labgen.design.model import Daemon, Design
from labgen.errors import LabgenError
from labgen.evidence import FibRoute, Missing, PeerView, RibRoute
from labgen.observe import bird, frr, kernel

if TYPE_CHECKING:
    from ipaddress import IPv4Address

    from labgen.evidence import Network
    from labgen.runtime.protocol import Completed

T = TypeVar("T")


class Run(Protocol):
    """Runs a command in a node, whatever it exits with."""

    def __call__(self, node: str, argv: Sequence[str]) -> Completed: ...


class Look:
    """The lab as it is now. Answers are kept, so all that is judged by one look agrees."""

    def __init__(self, design: Design, run: Run) -> None:
        self.design, self.run = design, run
        self._kept: dict[tuple[str, str], Any] = {}  # the key says what was parsed

    def _ask(
        self, node: str, argv: Sequence[str], parse: Callable[[str], T], what: str = ""
    ) -> T | Missing:
        key = (node, what + " ".join(argv))
        if key not in self._kept:
            try:
                self._kept[key] = parse(self.run(node, argv).check().stdout)
            except LabgenError as error:
                self._kept[key] = Missing(str(error))
        found: T | Missing = self._kept[key]
        return found

    def _speaks(self, node: str) -> tuple[Daemon, bool]:
        speaker = self.design.speaker(node)
        return speaker.daemon, any(a.version == 6 for a in speaker.addresses)

    def peers(self, node: str) -> tuple[PeerView, ...] | Missing:
        daemon, six = self._speaks(node)
        if daemon is Daemon.FRR:
            return self._ask(node, frr.NEIGHBORS, frr.parse_neighbors)
        found = self._ask(node, bird.protocols(4), bird.parse_protocols)
        if six and not isinstance(found, Missing):
            more = self._ask(node, bird.protocols(6), bird.parse_protocols)
            return more if isinstance(more, Missing) else (*found, *more)
        return found

    def rib(self, node: str, version: int) -> tuple[RibRoute, ...] | Missing:
        if self._speaks(node)[0] is Daemon.FRR:
            return self._ask(node, frr.table(version), frr.parse_table)
        return self._ask(node, bird.routes(version), bird.parse_routes)

    def cluster_lists(
        self, node: str, version: int
    ) -> dict[Network, frozenset[tuple[IPv4Address, ...]]] | Missing:
        """The CLUSTER_LISTs of each prefix's paths; BIRD's nodes only."""
        if self._speaks(node)[0] is Daemon.FRR:
            return Missing(f"{node}: CLUSTER_LIST is read from BIRD only")
        return self._ask(node, bird.routes(version), bird.parse_cluster_lists, "clusters ")

    def fib(self, node: str, version: int) -> tuple[FibRoute, ...] | Missing:
        if version == 4:
            return self._ask(node, kernel.ROUTES, kernel.parse_routes)
        return self._ask(node, kernel.ROUTES6, lambda t: kernel.parse_routes(t, version=6))
