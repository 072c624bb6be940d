"""What confd computes for one node: typed values from which BIRD's files and a design follow.

The values are those that projectcalico/calico's confd hands to its templates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import (
        IPv4Address,
        IPv4Interface,
        IPv4Network,
        IPv6Address,
        IPv6Interface,
        IPv6Network,
    )

    from labgen.calico.specs import FilterRule
    from labgen.secret import Secret

    Address = IPv4Address | IPv6Address
    Interface = IPv4Interface | IPv6Interface
    Network = IPv4Network | IPv6Network

# Calico maps a route's priority (kernel metric, smaller is better) to LOCAL_PREF (larger is
# better) as 2^31 - 1 - priority, so that both ends of an iBGP session see the same priority.
MAX_PRIORITY = 2**31 - 1
DEFAULT_PRIORITY = 1024
DEFAULT_AS = 64512


class LogLevel(Enum):
    """How much BIRD is told to log."""

    NONE = "none"
    INFO = "info"
    DEBUG = "debug"


class PeerKind(Enum):
    """Where a session comes from; the value starts BIRD's protocol name."""

    MESH = "Mesh"
    GLOBAL = "Global"
    NODE = "Node"
    LOCAL_WORKLOAD = "Local_Workload"


class NextHop(Enum):
    """BIRD's `next hop` option; AUTO writes none."""

    AUTO = "auto"
    KEEP = "keep"
    SELF = "self"


@dataclass(frozen=True, slots=True)
class FilterCall:
    """A call of a BGPFilter's BIRD function; `same_as` says that it takes the peer's iBGP flag."""

    symbol: str
    same_as: bool


@dataclass(frozen=True, slots=True)
class FilterFunction:
    """The rules of one BGPFilter for a direction and family, in order."""

    filter_name: str
    symbol: str
    direction: str  # import or export
    same_as: bool
    rules: tuple[FilterRule, ...]


@dataclass(frozen=True, slots=True)
class BirdPeer:
    """One BGP session as this node configures it.

    `port` is 0 where none is written. `remote_as` may be 0: Calico lets a BGPPeer without
    asNumber through, and BIRD then refuses the file. `effective_local_as` is `local_as` where set,
    else the node's. `ttl_hops` 0 means TTL security off. Times are whole seconds. `resource` names
    the BGPPeer, None for the mesh.
    """

    name: str
    kind: PeerKind
    address: Address
    port: int
    remote_as: int
    effective_local_as: int
    local_as: int | None = None
    source_address: Address | None = None
    ttl_hops: int = 0
    passive: bool = False
    graceful_restart_time: int | None = None
    keepalive_time: int | None = None
    rr_client: bool = False
    cluster_id: str | None = None
    password: Secret | None = None
    next_hop: NextHop = NextHop.AUTO
    allow_local_as: int = 0
    import_filters: tuple[FilterCall, ...] = ()
    export_filters: tuple[FilterCall, ...] = ()
    resource: str | None = None

    @property
    def is_ibgp(self) -> bool:
        """The peer's AS equals ours on this session."""
        return self.remote_as == self.effective_local_as


@dataclass(frozen=True, slots=True)
class Block:
    """An IPAM block of this node; BIRD aggregates only into a confirmed one."""

    network: Network
    state: str  # "" (implicitly confirmed), confirmed, or another state

    @property
    def confirmed(self) -> bool:
        return self.state in ("", "confirmed")

    @property
    def is_single_address(self) -> bool:
        return self.network.prefixlen == self.network.max_prefixlen


@dataclass(frozen=True, slots=True)
class HostRoute:
    """A static route to a peer that is reached through `gateway` (BGPPeer.reachableBy)."""

    peer: Address
    gateway: Address


@dataclass(frozen=True, slots=True)
class CommunityRule:
    """Communities (`a:b` or `a:b:c`, sorted) that exported routes inside `cidr` get."""

    cidr: str
    communities: tuple[str, ...]


class KernelAction(Enum):
    """What BIRD does with a route of a pool towards the kernel."""

    ACCEPT = "accept"
    REJECT_VXLAN = "VXLAN routes belong to Felix"
    REJECT_FELIX = "Felix programs this pool's cluster routes"
    TUNNEL = "always through tunl0"
    TUNNEL_CROSS_SUBNET = "through tunl0 unless the next hop is in our subnet"
    NONE = "no statement"


@dataclass(frozen=True, slots=True)
class PoolRule:
    """How routes inside an IPPool are exported and programmed."""

    network: Network
    exported: bool
    kernel: KernelAction
    pool: str  # the IPPool's name


@dataclass(frozen=True, slots=True)
class Listen:
    """BIRD's `listen bgp`: absent parts are BIRD's defaults (any address, port 179)."""

    address: Address | None
    port: int | None

    def __bool__(self) -> bool:
        return self.address is not None or self.port is not None


@dataclass(frozen=True, slots=True)
class FamilyConfig:
    """The values of one address family (`version` 4 or 6).

    `address` is the node's own with its subnet, None where the node has none: then the family has
    no BGP. CIDRs of services, and of communities, are text because confd copies them verbatim.
    """

    version: int
    address: Interface | None
    listen: Listen
    normal_priority: int
    communities: tuple[CommunityRule, ...]
    filters: tuple[FilterFunction, ...]
    peers: tuple[BirdPeer, ...]
    blocks: tuple[Block, ...]
    static_routes: tuple[str, ...]
    global_host_routes: tuple[HostRoute, ...]
    node_host_routes: tuple[HostRoute, ...]
    kernel_rejects: tuple[str, ...]
    reflected_ranges: tuple[str, ...]
    wireguard_next_hops: tuple[Address, ...]
    pools: tuple[PoolRule, ...]

    @property
    def host_part(self) -> Address | None:
        return self.address.ip if self.address is not None else None


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything confd writes for one node. `notices` is what confd would log as a warning."""

    node: str
    as_number: int
    router_id: str
    log_level: LogLevel
    ignored_interfaces: tuple[str, ...]
    cluster_id: str | None
    bird_owns_ipip: bool
    v4: FamilyConfig
    v6: FamilyConfig
    notices: tuple[str, ...] = field(default=())

    @property
    def families(self) -> tuple[FamilyConfig, FamilyConfig]:
        return (self.v4, self.v6)

    @property
    def peers(self) -> Iterator[BirdPeer]:
        """Every session, IPv4 first."""
        yield from self.v4.peers
        yield from self.v6.peers
