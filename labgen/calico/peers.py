"""BGPPeer resources as remote ends: the three passes of confd, and who wins.

A remote end belongs to all nodes (scope *global*) or to one node. Per scope, the first writer of an
address and port wins, and a global end hides a node's own end with the same address and port.
Calico visits BGPPeers in random order within a pass; labgen visits them by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labgen.calico.gotypes import whole_seconds
from labgen.calico.node_config import FilterCall, NextHop, PeerKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timedelta

    from labgen.calico.cluster import Cluster, ClusterNode
    from labgen.calico.node_config import Address
    from labgen.calico.resources import BGPPeer
    from labgen.secret import Secret

    Key = tuple[Address, int]

BGP_PORT = 179


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """One of Felix's endpoint-status files: a local workload, and the BGPPeer that selects it.

    `ipv4_nets` and `ipv6_nets` are CIDRs as Felix writes them; the first of each counts.
    """

    interface_name: str
    mac: str
    ipv4_nets: tuple[str, ...]
    ipv6_nets: tuple[str, ...]
    bgp_peer_name: str


@dataclass(frozen=True, slots=True)
class Options:
    """What every remote end of one BGPPeer shares. Times are whole seconds."""

    resource: str
    password: Secret | None = None
    use_node_ip: bool = False
    restart_time: int | None = None
    keepalive_time: int | None = None
    ttl_hops: int = 0
    filters: tuple[str, ...] = ()
    reachable_by: Address | None = None
    next_hop: NextHop = NextHop.AUTO
    keep_original_next_hop: bool = False


@dataclass(frozen=True, slots=True)
class RemoteEnd:
    """One remote end. `port` 0 means none given; `known_cluster_id` is "" for peerIP peers."""

    kind: PeerKind
    address: Address
    port: int
    as_number: int
    options: Options
    local_as: int | None = None
    allow_local_as: int = 0
    known_cluster_id: str = ""
    is_calico_node: bool = False

    @property
    def key(self) -> Key:
        """What makes two ends the same: BGP's own port is the same as none."""
        return (self.address, 0 if self.port == BGP_PORT else self.port)

    @property
    def key_text(self) -> str:
        """The datastore's spelling of the key, by which confd sorts."""
        address, port = self.key
        return f"{address}-{port}" if port else str(address)


def split_peer_ip(text: str) -> tuple[Address, int]:
    """Address and port (0: none) of `IP`, `IPv4:port` or `[IPv6]:port`. Raises ValueError."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError(f"'{text}' is no [IPv6]:port")
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    address = ip_address(host)
    if text.startswith("[") and address.version == 4:
        raise ValueError(f"'{text}': brackets are for IPv6")
    if host == text:
        return address, 0
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port) <= 65535:
        raise ValueError(f"'{text}': a port is 1-65535")
    return address, int(port)


class PeerExpansion:
    """Expands the BGPPeers of a cluster, for all nodes once and for each node."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._peers = cluster.resources.bgp_peers
        self._options = {peer.name: self._options_of(peer) for peer in self._peers}
        self._targets: dict[tuple[str, PeerKind], tuple[RemoteEnd, ...]] = {}
        self._calls: dict[tuple[tuple[str, ...], str, int], tuple[FilterCall, ...]] = {}
        # All that is wrong with a BGPPeer is noted now, so that every node's notices are the same.
        for peer in self._peers:
            scoped = self._local_nodes(peer) if peer.spec.node or peer.spec.node_selector else None
            tuple(self._ends(peer, PeerKind.GLOBAL if scoped is None else PeerKind.NODE, ()))

    # --- the passes ---------------------------------------------------------------------------

    def global_ends(self, workloads: Sequence[EndpointStatus]) -> dict[Key, RemoteEnd]:
        """Pass 1: peers with neither node nor nodeSelector."""
        found: dict[Key, RemoteEnd] = {}
        for peer in self._peers:
            if not peer.spec.node_selector and not peer.spec.node:
                for end in self._ends(peer, PeerKind.GLOBAL, workloads):
                    found.setdefault(end.key, end)
        return found

    def node_ends(
        self,
        node: ClusterNode,
        global_ends: dict[Key, RemoteEnd],
        workloads: Sequence[EndpointStatus],
    ) -> dict[Key, RemoteEnd]:
        """Passes 2 and 3: peers that name or select this node, then the reverse of others'."""
        found: dict[Key, RemoteEnd] = {}
        for peer in self._peers:
            if (peer.spec.node_selector or peer.spec.node) and node in self._local_nodes(peer):
                self._add(found, global_ends, self._ends(peer, PeerKind.NODE, workloads))
        for peer in self._peers:
            self._add(found, global_ends, self._reverse(peer, node))
        return found

    @staticmethod
    def _add(
        found: dict[Key, RemoteEnd], hidden: dict[Key, RemoteEnd], ends: Iterator[RemoteEnd]
    ) -> None:
        for end in ends:
            if end.key not in hidden:
                found.setdefault(end.key, end)

    def _local_nodes(self, peer: BGPPeer) -> tuple[ClusterNode, ...]:
        """The nodes that a peer applies to."""
        spec = peer.spec
        if spec.node_selector:
            return self._cluster.selected(spec.node_selector, f"{peer.id} nodeSelector")
        if spec.node:
            named = self._cluster.nodes.get(spec.node)
            return (named,) if named else ()
        return tuple(self._cluster.nodes.values())

    # --- remote ends --------------------------------------------------------------------------

    def _ends(
        self, peer: BGPPeer, kind: PeerKind, workloads: Sequence[EndpointStatus]
    ) -> Iterator[RemoteEnd]:
        if peer.spec.local_workload_selector:
            yield from self._workloads(peer, workloads)
            return
        if (peer.name, kind) not in self._targets:
            ends = self._selected(peer, kind) if peer.spec.peer_selector else self._ip(peer, kind)
            self._targets[peer.name, kind] = tuple(ends)
        yield from self._targets[peer.name, kind]

    def _workloads(self, peer: BGPPeer, workloads: Sequence[EndpointStatus]) -> Iterator[RemoteEnd]:
        for workload in workloads:
            if workload.bgp_peer_name != peer.name:
                continue
            for nets in (workload.ipv4_nets, workload.ipv6_nets):
                if nets:
                    yield RemoteEnd(
                        kind=PeerKind.LOCAL_WORKLOAD,
                        address=ip_address(nets[0].partition("/")[0]),
                        port=0,
                        as_number=peer.spec.as_number or 0,
                        local_as=peer.spec.local_as_number or None,
                        options=Options(peer.name, filters=peer.spec.filters),
                    )

    def _selected(self, peer: BGPPeer, kind: PeerKind) -> Iterator[RemoteEnd]:
        chosen = self._cluster.selected(peer.spec.peer_selector or "", f"{peer.id} peerSelector")
        for remote in chosen:
            yield from self._to_node(peer, remote, kind, (4, 6))

    def _to_node(
        self, peer: BGPPeer, remote: ClusterNode, kind: PeerKind, versions: tuple[int, ...]
    ) -> Iterator[RemoteEnd]:
        """An end for each family in which the remote node has an address."""
        for version in versions:
            address = remote.address(version)
            if address is not None and self._reachable(peer, address):
                yield RemoteEnd(
                    kind=kind,
                    address=address,
                    port=remote.port,
                    as_number=self._cluster.effective_as(remote),
                    options=self._options[peer.name],
                    known_cluster_id=remote.cluster_id or "",
                )

    def _ip(self, peer: BGPPeer, kind: PeerKind) -> Iterator[RemoteEnd]:
        spec = peer.spec
        try:
            address, port = split_peer_ip(spec.peer_ip or "")
        except ValueError:
            self._cluster.notice(f"{peer.id}: peerIP '{spec.peer_ip or ''}' names no peer; ignored")
            return
        if not self._reachable(peer, address):
            return
        if port == 0:
            same = self._nodes_with(address, spec.as_number or 0)
            port = same[0].port if same else 0
        yield RemoteEnd(
            kind=kind,
            address=address,
            port=port,
            as_number=spec.as_number or 0,
            options=self._options[peer.name],
            local_as=spec.local_as_number or None,
            allow_local_as=max(spec.num_allowed_local_as_numbers or 0, 0),
            is_calico_node=address in self._cluster.by_address,
        )

    def _nodes_with(self, address: Address, as_number: int) -> tuple[ClusterNode, ...]:
        """Nodes with this address and AS; 0 stands for the global AS."""
        wanted = as_number or self._cluster.as_number
        return tuple(
            node
            for node in self._cluster.by_address.get(address, ())
            if self._cluster.effective_as(node) == wanted
        )

    # --- reverse peerings ---------------------------------------------------------------------

    def _reverse(self, peer: BGPPeer, node: ClusterNode) -> Iterator[RemoteEnd]:
        """Pass 3: `node` is a remote end of this peer, so it must know the peer's local nodes."""
        spec = peer.spec
        if spec.reverse_peering == "Manual" or spec.local_workload_selector:
            return
        if spec.peer_selector:
            chosen = self._cluster.selected(spec.peer_selector, f"{peer.id} peerSelector")
            versions: tuple[int, ...] = (4, 6) if node in chosen else ()
        else:
            versions = self._reverse_family(peer, node)
        if versions:
            for remote in self._local_nodes(peer):
                yield from self._to_node(peer, remote, PeerKind.NODE, versions)

    def _reverse_family(self, peer: BGPPeer, node: ClusterNode) -> tuple[int, ...]:
        try:
            address, port = split_peer_ip(peer.spec.peer_ip or "")
        except ValueError:
            return ()
        if node not in self._nodes_with(address, peer.spec.as_number or 0):
            return ()
        if port and node.own_listen_port not in (None, port):
            return ()
        # Calico's quirk: a different global listenPort excludes even a node with the right own one.
        if port and self._cluster.global_port not in (None, port):
            return ()
        return (address.version,)

    # --- options ------------------------------------------------------------------------------

    def _options_of(self, peer: BGPPeer) -> Options:
        spec = peer.spec
        mode = spec.next_hop_mode
        gateway = None
        if spec.reachable_by:
            try:
                gateway = ip_address(spec.reachable_by)
            except ValueError:
                gateway = None
        return Options(
            resource=peer.name,
            password=self._cluster.password(spec.password),
            use_node_ip=spec.source_address in (None, "", "UseNodeIP"),
            restart_time=_seconds(spec.max_restart_time),
            keepalive_time=_seconds(spec.keepalive_time),
            ttl_hops=spec.ttl_security or 0,
            filters=spec.filters,
            reachable_by=gateway,
            next_hop={"Keep": NextHop.KEEP, "Self": NextHop.SELF}.get(mode or "", NextHop.AUTO),
            keep_original_next_hop=bool(spec.keep_original_next_hop) and not mode,
        )

    def _reachable(self, peer: BGPPeer, address: Address) -> bool:
        """False, with a notice, where reachableBy is no address of the peer's family."""
        if not peer.spec.reachable_by:
            return True
        gateway = self._options[peer.name].reachable_by
        if gateway is not None and gateway.version == address.version:
            return True
        self._cluster.notice(
            f"{peer.id}: reachableBy '{peer.spec.reachable_by}' is not IPv{address.version}, "
            f"so peer {address} is ignored"
        )
        return False

    def filter_calls(
        self, names: tuple[str, ...], direction: str, version: int
    ) -> tuple[FilterCall, ...]:
        """Calls for the BGPFilters that exist and have rules of the direction and family."""
        key = (names, direction, version)
        if key not in self._calls:
            functions = {
                function.filter_name: function
                for function in self._cluster.filter_functions[version]
                if function.direction == direction
            }
            self._calls[key] = tuple(
                FilterCall(functions[name].symbol, functions[name].same_as)
                for name in names
                if name in functions
            )
        return self._calls[key]


def _seconds(value: timedelta | None) -> int | None:
    return None if value is None else whole_seconds(value)
