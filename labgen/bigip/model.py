"""The BGP configuration of a BIG-IP as frozen values, peer groups resolved."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.errors import Mark
    from labgen.secret import Secret

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# F5's defaults, seconds (bgp-verify: "hold time is 90, keepalive interval is 30 seconds")
DEFAULT_KEEPALIVE = 30
DEFAULT_HOLD = 90
DEFAULT_CONNECT_RETRY = 120  # RFC 4271 section 10
BGP_PORT = 179
# seconds between UPDATEs to a peer: 5 is what a BIG-IP prints for iBGP; 30 is RFC 4271 section 10
IBGP_ADVERTISEMENT_INTERVAL = 5
EBGP_ADVERTISEMENT_INTERVAL = 30


class Family(Enum):
    """AFI/SAFI in ZebOS's words."""

    IPV4_UNICAST = "ipv4 unicast"
    IPV6_UNICAST = "ipv6 unicast"
    IPV4_MULTICAST = "ipv4 multicast"
    IPV6_MULTICAST = "ipv6 multicast"


class Direction(Enum):
    IN = "in"
    OUT = "out"


class Action(Enum):
    PERMIT = "permit"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class MaximumPrefix:
    """`threshold` is a percentage; `restart` counts minutes."""

    maximum: int
    threshold: int = 75
    warning_only: bool = False
    restart: int | None = None


@dataclass(frozen=True, slots=True)
class NeighborFamily:
    """One address family of a neighbor. The names are those of lists and route maps."""

    family: Family
    active: bool
    next_hop_self: bool = False
    route_reflector_client: bool = False
    route_server_client: bool = False
    soft_reconfiguration_inbound: bool = False
    as_override: bool = False
    remove_private_as: bool = False
    allowas_in: int | None = None
    weight: int | None = None
    send_community: str = "both"
    default_originate: bool = False
    default_originate_route_map: str | None = None
    unsuppress_map: str | None = None
    maximum_prefix: MaximumPrefix | None = None
    prefix_lists: Mapping[Direction, str] = field(default_factory=dict)
    distribute_lists: Mapping[Direction, str] = field(default_factory=dict)
    filter_lists: Mapping[Direction, str] = field(default_factory=dict)
    route_maps: Mapping[Direction, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Neighbor:
    """One `neighbor ADDRESS`, with what its peer group gives it. Times are in seconds.

    `update_source` is an address or a VLAN's name. `ebgp_multihop` and `ttl_security` count hops.
    """

    address: Address
    remote_as: int
    mark: Mark
    peer_group: str | None = None
    description: str | None = None
    password: Secret | None = None
    keepalive: int = DEFAULT_KEEPALIVE
    hold: int = DEFAULT_HOLD
    connect_retry: int = DEFAULT_CONNECT_RETRY
    advertisement_interval: int = IBGP_ADVERTISEMENT_INTERVAL
    passive: bool = False
    shutdown: bool = False
    update_source: Address | str | None = None
    ebgp_multihop: int | None = None
    ttl_security: int | None = None
    port: int = BGP_PORT
    local_as: int | None = None
    bfd: bool = False
    graceful_restart: bool | None = None
    capability_negotiation: bool = True
    families: Mapping[Family, NeighborFamily] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """RFC 4724; seconds."""

    restart_time: int = 120
    stalepath_time: int = 360


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    family: Family
    prefix: Network
    route_map: str | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class Aggregate:
    family: Family
    prefix: Network
    summary_only: bool
    as_set: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class Redistribution:
    """`source` is kernel, connected, static or another protocol's name."""

    family: Family
    source: str
    route_map: str | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class BgpInstance:
    """`router bgp`. `router_id` is None where the BIG-IP picks its highest address."""

    asn: int
    mark: Mark
    router_id: IPv4Address | None = None
    cluster_id: IPv4Address | None = None
    keepalive: int = DEFAULT_KEEPALIVE
    hold: int = DEFAULT_HOLD
    default_ipv4_unicast: bool = True
    network_synchronization: bool = False
    local_preference: int = 100
    max_paths_ebgp: int = 1
    max_paths_ibgp: int = 1
    graceful_restart: GracefulRestart | None = None
    neighbors: tuple[Neighbor, ...] = ()
    networks: tuple[OwnNetwork, ...] = ()
    aggregates: tuple[Aggregate, ...] = ()
    redistribute: tuple[Redistribution, ...] = ()

    def neighbor(self, address: Address) -> Neighbor | None:
        return next((n for n in self.neighbors if n.address == address), None)


@dataclass(frozen=True, slots=True)
class PrefixListEntry:
    """`prefix` is None for `any`; `seq` is None where ZebOS numbers the entry itself."""

    seq: int | None
    action: Action
    prefix: Network | None
    ge: int | None
    le: int | None
    mark: Mark


@dataclass(frozen=True, slots=True)
class PrefixList:
    name: str
    version: int
    entries: tuple[PrefixListEntry, ...]


@dataclass(frozen=True, slots=True)
class RouteMapEntry:
    """`matches` and `sets` are the clauses' words after `match` and `set`."""

    seq: int
    action: Action
    matches: tuple[str, ...]
    sets: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class RouteMap:
    name: str
    entries: tuple[RouteMapEntry, ...]


@dataclass(frozen=True, slots=True)
class StaticRoute:
    """`via` is a gateway, a VLAN's name, or None for null0."""

    prefix: Network
    via: Address | str | None
    distance: int
    mark: Mark


@dataclass(frozen=True, slots=True)
class Routing:
    """What one route domain's ZebOS configuration says, as far as BGP is concerned."""

    bgp: BgpInstance | None
    prefix_lists: Mapping[str, PrefixList]
    route_maps: Mapping[str, RouteMap]
    static_routes: tuple[StaticRoute, ...]
    hostname: str | None = None
