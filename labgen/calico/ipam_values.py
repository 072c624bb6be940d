"""The values of IPAM: requests, allocations, blocks, counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from labgen.errors import InputError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class NoAddress(InputError):
    """IPAM has no address for a request: the pools, selectors or limits do not allow one."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who holds an address. `attributes` are Calico's: namespace, node, pod, or type."""

    address: Address
    node: str
    handle: str
    attributes: Mapping[str, str]


@dataclass(slots=True)
class BlockRecord:
    """A block: its owner (None: without affinity), what is allocated, and the free list.

    `free` is first in, first out; it begins with every ordinal in order, and a released one goes
    to its end.
    """

    network: Network
    pool: str
    owner: str | None
    allocations: dict[int, Allocation] = field(default_factory=dict)
    free: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        if not self.free:
            self.free.extend(range(self.network.num_addresses))

    @property
    def key(self) -> str:
        """The datastore's key, `address-length`; it orders a node's blocks."""
        return str(self.network).replace("/", "-")


@dataclass(frozen=True, slots=True)
class Request:
    """One address wanted on a node.

    `pools` names pools as the annotation `cni.projectcalico.org/ipv4pools` does: they are taken
    whatever their selectors say. `use` is Workload or Tunnel.
    """

    node: str
    handle: str
    version: int = 4
    attributes: Mapping[str, str] = field(default_factory=dict)
    namespace: str = "default"
    pools: tuple[str, ...] = ()
    use: str = "Workload"
