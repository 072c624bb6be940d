"""What capture and observation bring back, and checks read. Values only; no judgement.

Anything that could not be had is a `Missing` with the reason in one line: a check that needs it
is ERROR (it could not run), never FAIL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labgen.bgp.conversation import Capture

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Missing:
    """Evidence that could not be had, and why (one line)."""

    reason: str


@dataclass(frozen=True, slots=True)
class PeerView:
    """One BGP peer as its own daemon reports it.

    `state` is an RFC 4271 §8.2.2 state name; `shown` is what the daemon itself prints, for
    evidence. Times are seconds. `name` is BIRD's protocol name or FRR's peer address.
    """

    name: str
    address: Address
    remote_as: int | None
    state: str
    shown: str
    hold_time: int | None = None
    keepalive: int | None = None
    uptime: float | None = None
    received: int | None = None
    sent: int | None = None
    last_error: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RibRoute:
    """One path of a BGP table. `next_hop` is None for a route of the daemon's own."""

    prefix: Network
    next_hop: Address | None
    best: bool
    valid: bool
    origin: str
    as_path: tuple[int, ...]
    local_pref: int | None
    peer: Address | None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class FibRoute:
    """One route of a kernel's main table, as `ip -j route` prints it."""

    prefix: Network
    kind: str
    protocol: str
    metric: int
    next_hops: tuple[tuple[Address | None, str], ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """ICMP echo from a node to an address. `ttl` is the TTL of the replies."""

    source: str
    target: Address
    sent: int
    received: int
    ttl: int | None
    output: str


@dataclass(frozen=True, slots=True)
class NodeView:
    """Everything asked of one node. `tunnels` are its tunnel devices with the kernel's kind."""

    name: str
    peers: tuple[PeerView, ...] | Missing
    rib: tuple[RibRoute, ...] | Missing
    fib: tuple[FibRoute, ...] | Missing
    counters: Mapping[str, int] | Missing
    listening: tuple[int, ...] | Missing = ()
    extra: Mapping[str, str] = field(default_factory=dict)
    tunnels: Mapping[str, str] | Missing = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All evidence about a lab at one time."""

    taken: datetime
    wire: Capture | Missing
    nodes: Mapping[str, NodeView | Missing]
    pings: tuple[Ping | Missing, ...] = ()
