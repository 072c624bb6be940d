"""The design of a lab: every node, link, address, session and expected route. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TYPE_CHECKING

from labgen.plan import Role

if TYPE_CHECKING:
    from labgen.bigip.ltm import LocalTraffic
    from labgen.bigip.translate import Translation
    from labgen.calico.felix import FelixRoute, Tunnel
    from labgen.calico.node_config import NodeConfig
    from labgen.calico.peers import EndpointStatus
    from labgen.design.content import Content
    from labgen.design.wire import Stated

Address = IPv4Address | IPv6Address
InterfaceAddress = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network


class Daemon(Enum):
    """Which implementation speaks BGP on a node."""

    BIRD = "BIRD"
    FRR = "FRR"


@dataclass(frozen=True, slots=True)
class Segment:
    """A LAN. `node` is the container whose namespace holds the bridge `bridge`."""

    name: str
    node: str
    bridge: str
    subnets: tuple[Network, ...]
    mtu: int


@dataclass(frozen=True, slots=True)
class Interface:
    """A node's end of a link to a segment. `label` is the TMOS name (`1.1`), if it has one."""

    name: str
    segment: str
    addresses: tuple[InterfaceAddress, ...]
    mac: str
    label: str | None = None
    vlan: str | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod: one container behind `interface` (`cali…`) of its node.

    `name` is the lab's, `in_cluster` Kubernetes'. `status`: what Felix writes of one that a BGPPeer
    selects; its node waits at `peerings`. Without `announces` it has no BGP; `speaker` may lack.
    """

    name: str
    namespace: str
    cluster: str
    node: str
    addresses: tuple[Address, ...]
    interface: str
    mtu: int
    in_cluster: str = ""
    announces: tuple[Network, ...] | None = None
    status: EndpointStatus | None = None
    peerings: tuple[Address, ...] = ()
    speaker: PodSpeaker | None = None


@dataclass(frozen=True, slots=True)
class PodSpeaker:
    """A pod's own BGP speaker: its AS number, and its node's towards it."""

    asn: int
    node_as: int


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """One configured BGP peer, as one speaker's configuration has it. Times in seconds."""

    name: str
    kind: str
    address: Address
    port: int
    local_address: Address | None
    local_as: int
    remote_as: int | None
    passive: bool = False
    hold_time: int = 240
    password: str | None = field(default=None, repr=False)
    rr_client: bool = False
    next_hop_self: bool = False
    next_hop_keep: bool = False
    allow_local_as: int = 0
    policy: bool = False


@dataclass(frozen=True, slots=True)
class ExportPolicy:
    """Which routes a speaker passes on: Calico's export function as data.

    A speaker with `everything` (FRR without policy) passes all. Otherwise, first hit wins: inside
    `never` no, equal to a block yes, inside a block no, inside `services` or `pools` yes, else no
    (calico-bgp: export decision table).
    """

    everything: bool = False
    never: tuple[Network, ...] = ()
    blocks: tuple[Network, ...] = ()
    services: tuple[Network, ...] = ()
    pools: tuple[Network, ...] = ()
    kernel_never: tuple[Network, ...] = ()

    def passes(self, prefix: Network) -> bool:
        if self.everything:
            return True
        if any(_inside(prefix, n) for n in self.never):
            return False
        if prefix in self.blocks:
            return True
        if any(_inside(prefix, n) for n in self.blocks):
            return False
        return any(_inside(prefix, n) for n in (*self.services, *self.pools))

    def installs(self, prefix: Network) -> bool:
        return not any(_inside(prefix, n) for n in self.kernel_never)


def _inside(prefix: Network, network: Network) -> bool:
    return prefix.version == network.version and prefix.subnet_of(network)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Alien:
    """A route that another program put into a speaker's kernel and that its daemon learns.

    BIRD takes Felix's cluster routes so (`learn`), with their metric of 0. `gateway` None is a
    blackhole; `tunnelled` routes are not told to iBGP peers (calico-bgp: tunnel-route reject).
    """

    prefix: Network
    gateway: Address | None
    tunnelled: bool


@dataclass(frozen=True, slots=True)
class Speaker:
    """A BGP speaker: a Calico node or a router.

    `add_path_receive`: it offers to take several paths for a prefix (RFC 7911), as Calico's BIRDs
    and a plain FRR do and a BIG-IP does not; Calico's BIRD then sends all it has. `lans` are the
    networks on which it leaves a third party's NEXT_HOP alone over eBGP (RFC 4271 §5.1.3):
    empty for Calico, whose peers are multihop. `multipath_relax`: eBGP paths of equal length
    through different neighbouring ASes share the load. `redistributes` are announced with ORIGIN
    INCOMPLETE (RFC 4271 §5.1.1), `originates` with IGP. `outside` says why labgen cannot ask this
    speaker itself: what it is seen to do on the wire and by its peers is judged all the same.
    `four_octet_as` is None where its configuration does not tell what its OPEN will offer.
    `aliens` are kernel routes of others that it announces as well.
    """

    node: str
    daemon: Daemon
    asn: int
    bgp_identifier: IPv4Address | None
    addresses: tuple[Address, ...]
    peers: tuple[PeerConfig, ...]
    originates: tuple[Network, ...]
    export: ExportPolicy
    listen_port: int = 179
    cluster_id: IPv4Address | None = None
    max_paths_ebgp: int = 1
    max_paths_ibgp: int = 1
    redistributes: tuple[Network, ...] = ()
    add_path_receive: bool = False
    lans: tuple[Network, ...] = ()
    multipath_relax: bool = False
    outside: str | None = None
    four_octet_as: bool | None = True
    aliens: tuple[Alien, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """One end of a session. `peer` is this end's configuration of the other; None: it has none.

    `node` is None where no node of the lab has the address.
    """

    node: str | None
    address: Address
    peer: PeerConfig | None


@dataclass(frozen=True, slots=True)
class Session:
    """A BGP session that at least one end's configuration implies."""

    a: SessionEnd
    b: SessionEnd
    kind: str

    @property
    def name(self) -> str:
        return f"{self.a.node or self.a.address} ↔ {self.b.node or self.b.address}"

    @property
    def conflict(self) -> str | None:
        """Why this session cannot come up as it is configured; None when nothing speaks against."""
        if self.a.peer is None or self.b.peer is None:
            lacking, other = (self.a, self.b) if self.a.peer is None else (self.b, self.a)
            return f"{lacking.node or lacking.address} has no peer {other.address}"
        for end, other in ((self.a, self.b), (self.b, self.a)):
            assert end.peer is not None
            assert other.peer is not None
            if end.peer.remote_as != other.peer.local_as:
                return (f"{end.node} expects AS {end.peer.remote_as} of {other.node}, which is AS "
                        f"{other.peer.local_as}")  # fmt: skip
            if end.peer.password is not None and other.peer.password is None:
                return f"only {end.node} has a password"
        if self.a.peer.password != self.b.peer.password:
            return "the two passwords differ"
        return None

    @property
    def ends(self) -> tuple[SessionEnd, SessionEnd]:
        return (self.a, self.b)

    @property
    def is_ibgp(self) -> bool:
        peer = self.a.peer or self.b.peer
        return peer is not None and peer.local_as == peer.remote_as

    def end(self, node: str) -> SessionEnd:
        return self.a if self.a.node == node else self.b

    def other(self, node: str) -> SessionEnd:
        return self.b if self.a.node == node else self.a


@dataclass(frozen=True, slots=True)
class Announcement:
    """A prefix that one end of a session is expected to announce, with its path attributes.

    `local_pref` is None on eBGP, where it must not be sent (RFC 4271 §5.1.5).
    """

    prefix: Network
    origin: str
    as_path: tuple[int, ...]
    next_hop: Address
    local_pref: int | None


@dataclass(frozen=True, slots=True)
class ExpectedRoute:
    """A prefix that a speaker's RIB and kernel are expected to hold, with its next hops."""

    prefix: Network
    next_hops: tuple[Address, ...]
    in_kernel: bool


@dataclass(frozen=True, slots=True)
class Forecast:
    """What BGP converges to: announcements by (sender, receiver) node, and routes by node.

    `unforeseen` names speakers whose policies labgen does not predict, with the reason: checks
    on what they announce are SKIP.
    """

    announcements: dict[tuple[str, str], tuple[Announcement, ...]]
    routes: dict[str, tuple[ExpectedRoute, ...]]
    unforeseen: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CalicoNode:
    """A Calico node and the configuration that confd would give it.

    `nat` is kube-proxy's and Felix's, for `nft -f`; `routes`, `tunnels` Felix's; `mtu` its LAN's.
    """

    name: str
    cluster: str
    interfaces: tuple[Interface, ...]
    config: NodeConfig
    pods: tuple[Pod, ...]
    role: Role = Role.CALICO_NODE
    nat: str = ""
    routes: tuple[FelixRoute, ...] = ()
    tunnels: tuple[Tunnel, ...] = ()
    mtu: int = 1500


@dataclass(frozen=True, slots=True)
class KernelRoute:
    """A route that stands in a router's kernel from the start; no `via` is a blackhole.

    A BIG-IP's TMM routes are kernel routes to its ZebOS, and to FRR here.
    """

    prefix: Network
    via: Address | None = None


@dataclass(frozen=True, slots=True)
class FloatingAddress:
    """A self-IP that belongs to whichever unit is active (TMOS: `floating enabled`)."""

    interface: str
    address: InterfaceAddress
    traffic_group: str


@dataclass(frozen=True, slots=True)
class Router:
    """A router. A BIG-IP has a `translation`; plain FRR has its `frr_conf` as written.

    `daemons` are the FRR daemons it needs besides those that always run. `startup` is what a real
    BIG-IP VE is told; such a router has no other files of labgen's. `virtual_addresses` are those
    that route health injection announces; they and `floating` belong to the `active` unit.
    """

    name: str
    role: Role
    interfaces: tuple[Interface, ...]
    frr_conf: str
    translation: Translation | None
    lockdown: str | None
    image: str | None = None
    zebos: str = ""
    daemons: tuple[str, ...] = ()
    kernel_routes: tuple[KernelRoute, ...] = ()
    floating: tuple[FloatingAddress, ...] = ()
    startup: str | None = field(default=None, repr=False)
    virtual_addresses: tuple[Address, ...] = ()
    active: bool = True
    local_traffic: LocalTraffic | None = None
    tmsh: str = ""

    @property
    def fails_over(self) -> bool:
        """Whether anything of it belongs to the active unit of a pair."""
        served = self.local_traffic is not None and bool(self.local_traffic.virtuals)
        return bool(self.floating or self.virtual_addresses or served)


@dataclass(frozen=True)
class Design:
    """A whole lab, decided. `contents` is what each cluster's API servers hold, `stated` what the
    spec says that the wire must show.

    `known_forecast` replaces the computed one (tests, stages).
    """

    name: str
    segments: tuple[Segment, ...]
    calico_nodes: tuple[CalicoNode, ...]
    routers: tuple[Router, ...]
    pods: tuple[Pod, ...]
    speakers: tuple[Speaker, ...]
    sessions: tuple[Session, ...]
    contents: tuple[Content, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = "lab.yaml"
    stated: tuple[Stated, ...] = ()
    known_forecast: Forecast | None = None

    @cached_property
    def forecast(self) -> Forecast:
        """What BGP converges to; computed when first asked for, since generating needs none."""
        from labgen.design.forecast import forecast  # noqa: PLC0415 - it needs these values

        return self.known_forecast or forecast(self.speakers, self.sessions)

    def speaker(self, node: str) -> Speaker:
        return next(s for s in self.speakers if s.node == node)

    def outside(self, node: str | None) -> str | None:
        """Why a node cannot be asked; None for every node that can."""
        return next((s.outside for s in self.speakers if s.node == node), None)

    def felix_routes(self, node: str) -> tuple[FelixRoute, ...]:
        """What Felix programs on a node; nothing on a router."""
        return next((n.routes for n in self.calico_nodes if n.name == node), ())

    def tunnels(self, node: str) -> tuple[Tunnel, ...]:
        """A node's tunnel devices; a router has none."""
        return next((n.tunnels for n in self.calico_nodes if n.name == node), ())

    def sessions_of(self, node: str) -> tuple[Session, ...]:
        return tuple(s for s in self.sessions if node in (s.a.node, s.b.node))
