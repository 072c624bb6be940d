"""What a bundle of evidence says, as values: each fact keeps the line it stands on.

Readers of evidence (`observe`, `capture`) fill these; diagnosis reads them. A bundle from
production and a running lab give the same facts, so one diagnosis serves both.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING

from labgen.evidence import Address, Network

if TYPE_CHECKING:
    from labgen.bgp.conversation import Capture


@dataclass(frozen=True, slots=True)
class Quote:
    """One line of a file, as evidence. `node` is whose line it is, as far as it is known."""

    file: str
    line: int
    text: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.text.strip()[:200]}"


class Daemon(Enum):
    """Whose words a line is. ZEBOS is a real BIG-IP's own output."""

    BIRD = "BIRD"
    FRR = "FRR"
    ZEBOS = "ZebOS"
    CALICOCTL = "calicoctl"

    @property
    def is_calico(self) -> bool:
        return self in (Daemon.BIRD, Daemon.CALICOCTL)


class Said(Enum):
    """What a daemon's log line states; only lines that decide something are kept."""

    STARTED = "started"
    SESSION_STARTED = "session started"
    SESSION_WAITS = "session waits for graceful restart"
    UP = "session up"
    DOWN = "session down"
    NOTIFICATION_SENT = "NOTIFICATION sent"
    NOTIFICATION_RECEIVED = "NOTIFICATION received"
    CONNECT_REFUSED = "connection refused"
    UNREACHABLE = "no route to host"
    RESET = "connection reset by peer"
    NOT_CONFIGURED = "neighbor not configured"
    UNEXPECTED_CONNECT = "connection from an address without a protocol"
    NO_FAMILY = "no address family activated"
    POLICY_MISSING = "eBGP policy missing"
    SAME_CLUSTER = "reflected from the same cluster"
    OWN_AS = "own AS in AS_PATH"
    MAXIMUM_PREFIX = "maximum-prefix"
    HOLD_EXPIRED = "hold timer expired"
    BAD_AS = "bad peer AS"
    BAD_IDENTIFIER = "bad BGP identifier"
    BAD_HOLD_TIME = "unacceptable hold time"
    PORT_TAKEN = "port already in use"
    SOURCE_ADDRESS = "own address is not on this host"
    BFD_DOWN = "BFD session down"
    BFD_UP = "BFD session up"
    NEXT_HOP = "next hop not usable"
    RESTART_WAITING = "graceful restart recovery in progress"
    RESTART_STARTED = "graceful restart started"
    RESTART_DONE = "graceful restart done"
    FILTERED = "route filtered on export"
    WAITING_FOR_NEXT_HOP = "waiting for next-hop tracking"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A log line that decides something. `error` is a NOTIFICATION's (code, subcode)."""

    said: Said
    daemon: Daemon
    quote: Quote
    peer: Address | None = None
    protocol: str = ""
    error: tuple[int, int] | None = None
    prefix: Network | None = None


@dataclass(frozen=True, slots=True)
class PeerReport:
    """A peer as its daemon reports it. `state` is RFC 4271's name; `info` what follows it.

    `local` is the daemon's own address on this session. `received` and `sent` count prefixes.
    `error` is the last NOTIFICATION's (code, subcode), `reset_ago` the seconds since the last
    reset. `ignored` counts withdrawals that BIRD ignored: what it drops for a loop in AS_PATH is
    among them.
    """

    daemon: Daemon
    name: str
    quote: Quote
    address: Address | None
    state: str
    info: str = ""
    local: Address | None = None
    peer_state: str = ""
    last_reset: str = ""
    received: int | None = None
    sent: int | None = None
    remote_as: int | None = None
    local_as: int | None = None
    error: tuple[int, int] | None = None
    ignored: int = 0
    reset_ago: float | None = None

    @property
    def established(self) -> bool:
        return self.state == "Established"


@dataclass(frozen=True, slots=True)
class RouteFact:
    """A route of a BGP table or a kernel. `usable` None: the output does not say."""

    daemon: Daemon | None
    quote: Quote
    prefix: Network
    next_hop: Address | None = None
    usable: bool | None = None
    stale: bool = False
    protocol: str = ""
    peer: Address | None = None


@dataclass(frozen=True, slots=True)
class NotExported:
    """BIRD's `show route noexport PROTOCOL`: a route that this protocol does not announce."""

    protocol: str
    prefix: Network
    quote: Quote
    peer: Address | None = None


@dataclass(frozen=True, slots=True)
class NextHopFact:
    """FRR's `show ip bgp nexthop`: whether the next hop (or peer address) can be used."""

    address: Address
    valid: bool
    reason: str
    quote: Quote


@dataclass(frozen=True, slots=True)
class BfdReport:
    """A BFD session as one end sees it. `multihop` None: the output does not say."""

    daemon: Daemon
    peer: Address
    up: bool
    multihop: bool | None
    quote: Quote


@dataclass(frozen=True, slots=True)
class Counter:
    """A kernel counter under nstat's name."""

    name: str
    value: int
    quote: Quote


@dataclass(frozen=True, slots=True)
class Socket:
    """A TCP socket as `ss` or `netstat` prints it. `queued` is Send-Q in octets; `backoff` how
    often the retransmission timer of `ss -ti` was doubled.
    """

    state: str
    local_port: int
    quote: Quote
    peer: Address | None = None
    queued: int = 0
    process: str = ""
    backoff: int = 0
    peer_port: int = 0


@dataclass(frozen=True, slots=True)
class NeighborConfig:
    """One configured peer. Times in seconds; `activated` None: by the daemon's default."""

    address: Address | None
    quote: Quote
    name: str = ""
    remote_as: int | None = None
    local_address: Address | None = None
    passive: bool = False
    has_password: bool = False
    bfd: bool = False
    bfd_multihop: bool | None = None
    ttl_security: bool = False
    multihop: bool = False
    port: int = 179
    activated: bool | None = None
    reflector_client: bool = False
    cluster_id: Address | None = None
    maximum_prefix: int | None = None
    no_capabilities: bool = False


@dataclass(frozen=True, slots=True)
class SpeakerConfig:
    """A BGP speaker's configuration, as far as diagnosis needs it.

    `extended_asn`: it offers capability 65; a BIG-IP does so with `bgp extended-asn-cap` only.
    """

    daemon: Daemon
    quote: Quote
    asn: int | None = None
    router_id: Address | None = None
    cluster_id: Address | None = None
    listen_port: int | None = None
    default_ipv4_unicast: bool = True
    extended_asn: bool = True
    neighbors: tuple[NeighborConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """A Calico IPPool."""

    cidr: Network
    export: bool
    quote: Quote


@dataclass(frozen=True, slots=True)
class CalicoSetting:
    """A field of a Calico resource that diagnosis reads, such as `listenPort`."""

    kind: str
    resource: str
    key: str
    value: str
    quote: Quote


@dataclass(frozen=True, slots=True)
class SelfIp:
    """A BIG-IP self-IP and its port lockdown (`allow-service`), services as printed."""

    name: str
    address: Address | None
    services: frozenset[str]
    quote: Quote

    @property
    def allows_bgp(self) -> bool:
        """F5 K17333: neither `none` nor `default` lets tcp/179 in."""
        return bool(self.services & {"all", "tcp:179", "tcp:bgp", "tcp:0", "tcp:any"})


@dataclass(frozen=True, slots=True)
class Unresolved:
    """An address whose link-layer address the kernel could not find out (`ip neigh`: FAILED)."""

    address: Address
    quote: Quote


@dataclass(frozen=True, slots=True)
class BlockingRule:
    """A packet-filter rule that drops or refuses BGP or BFD. `protocol` is tcp or udp."""

    quote: Quote
    protocol: str
    refuses: bool


@dataclass(frozen=True, slots=True)
class Identity:
    """An address that a node's own output says is its own. `daemon` is the one that said so."""

    node: str
    address: Address
    daemon: Daemon | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts of one bundle."""

    captures: tuple[Capture, ...] = ()
    events: tuple[LogEvent, ...] = ()
    peers: tuple[PeerReport, ...] = ()
    routes: tuple[RouteFact, ...] = ()
    not_exported: tuple[NotExported, ...] = ()
    next_hops: tuple[NextHopFact, ...] = ()
    bfd: tuple[BfdReport, ...] = ()
    counters: tuple[Counter, ...] = ()
    sockets: tuple[Socket, ...] = ()
    configs: tuple[SpeakerConfig, ...] = ()
    pools: tuple[Pool, ...] = ()
    settings: tuple[CalicoSetting, ...] = ()
    self_ips: tuple[SelfIp, ...] = ()
    rules: tuple[BlockingRule, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    identities: tuple[Identity, ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    unread: tuple[tuple[str, str], ...] = ()

    def __add__(self, other: Facts) -> Facts:
        return Facts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Facts)))

    def addresses_of(self, node: str) -> frozenset[Address]:
        return frozenset(i.address for i in self.identities if i.node == node)

    def nodes_of(self, address: Address) -> frozenset[str]:
        return frozenset(i.node for i in self.identities if i.address == address)
