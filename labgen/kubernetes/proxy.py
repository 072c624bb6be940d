"""What kube-proxy and Felix put into a node's kernel for Services and outgoing NAT, as nftables.

`ruleset` gives a text for `nft -f -`. It replaces labgen's two tables of each family in one
transaction, so no packet ever meets half of it; connections that are tracked already keep their
translation.

- Table `kube-proxy` has the semantics of kube-proxy's nftables mode (KEP-3866): a map from
  address, protocol and port to a chain; equal shares over ready endpoints; bit 0x4000 of the mark
  for what must leave masqueraded.
- Table `calico` is Felix's natOutgoing: packets from a pool with natOutgoing to anything outside
  all pools leave with the node's address. A disabled pool counts among "all pools", which is why a
  disabled IPPool for another cluster's network keeps the addresses of pods visible there
  (docs.tigera.io, "IP pool", natOutgoing).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from labgen.kubernetes import naming
from labgen.kubernetes.objects import (
    Address,
    EndpointSlice,
    Protocol,
    Service,
    ServicePort,
    ServiceType,
    TrafficPolicy,
)

if TYPE_CHECKING:
    from labgen.kubernetes.state import ClusterState

Network = IPv4Network | IPv6Network
MASQUERADE_MARK = 0x4000  # kube-proxy --iptables-masquerade-bit 14
_MAX_NAME = 100  # the kernel takes 255 octets for a chain's name, older ones 127 (nf_tables.h)
_FAMILY = {4: "ip", 6: "ip6"}
_TYPE = {4: "ipv4_addr", 6: "ipv6_addr"}


@dataclass(frozen=True, slots=True)
class Pool:
    """An IPPool, as far as NAT goes: its network and `natOutgoing`."""

    network: Network
    nat_outgoing: bool


@dataclass(frozen=True, slots=True)
class Target:
    """Where one flow may go."""

    address: Address
    port: int

    def __str__(self) -> str:
        host = str(self.address) if self.address.version == 4 else f"[{self.address}]"
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Frontend:
    """One port of a Service in one family, as a node sees it.

    `everywhere` are the ready endpoints, `here` those on this node. `internal` holds the ClusterIP,
    `external` the externalIPs and load balancer addresses; `node_port` is 0 where there is none.
    """

    name: str
    protocol: Protocol
    port: int
    node_port: int
    internal: tuple[Address, ...]
    external: tuple[Address, ...]
    everywhere: tuple[Target, ...]
    here: tuple[Target, ...]
    internal_local: bool
    external_local: bool

    @property
    def id(self) -> str:
        """The end of a chain name: a hash, then as much of the port's name as fits."""
        return f"{naming.suffix(self.name, length=8).upper()}-{self.name[:_MAX_NAME]}"


@dataclass(slots=True)
class _Table:
    """The chains of one family, collected."""

    version: int
    chains: dict[str, list[str]] = field(default_factory=dict)
    services: dict[str, str] = field(default_factory=dict)
    node_ports: dict[str, str] = field(default_factory=dict)
    unserved: dict[str, str] = field(default_factory=dict)
    unserved_ports: dict[str, str] = field(default_factory=dict)


def ruleset(state: ClusterState, node: str, pools: Iterable[Pool] = ()) -> str:
    """Everything that this node translates, for `nft -f -`. `pools` are all IPPools, sorted or not.

    Deterministic; the same for the same state. Depends on no node name but for endpoints that are
    local to it.
    """
    pools = tuple(pools)
    parts = []
    for version in (4, 6):
        parts.append(_proxy_table(state, node, version))
        parts.append(_outgoing_table(version, pools))
    return "\n".join(parts)


def frontends(state: ClusterState, node: str, version: int) -> tuple[Frontend, ...]:
    """Every Service port of a family, in order of namespace, Service and port."""
    slices: dict[tuple[str, str], list[EndpointSlice]] = defaultdict(list)
    for item in state.endpoint_slices:
        slices[item.meta.namespace, item.service].append(item)
    found = []
    for service in state.services:
        internal = tuple(a for a in service.cluster_ips if a.version == version)
        if not internal:
            continue
        own = slices[service.meta.namespace, service.meta.name]
        found += [_frontend(service, port, internal, own, node) for port in service.ports]
    return tuple(found)


def _frontend(
    service: Service,
    port: ServicePort,
    internal: tuple[Address, ...],
    slices: Sequence[EndpointSlice],
    node: str,
) -> Frontend:
    version = internal[0].version
    everywhere: set[Target] = set()
    here: set[Target] = set()
    for item in slices:
        numbers = [p.port for p in item.ports if (p.name, p.protocol) == (port.name, port.protocol)]
        for endpoint in item.endpoints if item.version == version and numbers else ():
            if endpoint.ready:
                target = Target(endpoint.address, numbers[0])
                everywhere.add(target)
                if endpoint.node_name == node:
                    here.add(target)
    external = (*service.external_ips, *service.ingress)
    shown = port.name or str(port.port)
    return Frontend(
        name=f"{service.meta.namespace}/{service.meta.name}/{port.protocol.value.lower()}/{shown}",
        protocol=port.protocol,
        port=port.port,
        node_port=port.node_port if service.type is not ServiceType.CLUSTER_IP else 0,
        internal=internal,
        external=tuple(sorted({a for a in external if a.version == version}, key=int)),
        everywhere=_ordered(everywhere),
        here=_ordered(here),
        internal_local=service.internal_traffic_policy is TrafficPolicy.LOCAL,
        external_local=service.external_traffic_policy is TrafficPolicy.LOCAL,
    )


def _ordered(targets: Iterable[Target]) -> tuple[Target, ...]:
    return tuple(sorted(targets, key=lambda target: (int(target.address), target.port)))


# --- kube-proxy ------------------------------------------------------------------------------


def _proxy_table(state: ClusterState, node: str, version: int) -> str:
    table = _Table(version)
    pods = next((n for n in state.pod_networks if n.version == version), None)
    for frontend in frontends(state, node, version):
        _internal(table, frontend, pods)
        if frontend.external or frontend.node_port:
            _external(table, frontend, pods)
    services = next((n for n in state.service_networks if n.version == version), None)
    return _printed(table, services)


def _internal(table: _Table, frontend: Frontend, pods: Network | None) -> None:
    """The ClusterIP, and the chain that spreads flows over the cluster's endpoints."""
    targets = frontend.here if frontend.internal_local else frontend.everywhere
    name = f"service-{frontend.id}"
    if targets:
        rules = []
        if pods is not None:
            # from outside the pods' network: the reply must come back through this node, because
            # nobody else knows the translation (kube-proxy's KUBE-MARK-MASQ)
            source = f"{_FAMILY[table.version]} saddr != {pods}"
            rules = [
                f"{_match(table, frontend, address)} {source} jump mark-for-masquerade"
                for address in frontend.internal
            ]
        table.chains[name] = [*rules, _spread(table, frontend, targets)]
    for address in frontend.internal:
        key = _key(address, frontend)
        if targets:
            table.services[key] = f"goto {name}"
        else:
            # with endpoints elsewhere only, internalTrafficPolicy Local drops (service docs)
            table.unserved[key] = "drop" if frontend.everywhere else "goto reject-chain"


def _external(table: _Table, frontend: Frontend, pods: Network | None) -> None:
    """externalIPs, load balancer addresses and node ports.

    externalTrafficPolicy Cluster masquerades all, since the endpoint may be on another node. Local
    keeps the client's address and uses this node's endpoints alone; pods and the node itself reach
    all endpoints (Kubernetes docs, "Source IP").
    """
    if not frontend.everywhere:
        verdict = "goto reject-chain"
    elif frontend.external_local and not frontend.here:
        verdict = "drop"
    else:
        verdict = ""
    name = f"external-{frontend.id}"
    if frontend.everywhere:
        table.chains[name] = _external_rules(table, frontend, pods)
    for address in frontend.external:
        key = _key(address, frontend)
        if frontend.everywhere:
            table.services[key] = f"goto {name}"
        if verdict:
            table.unserved[key] = verdict
    if frontend.node_port:
        key = f"{frontend.protocol.value.lower()} . {frontend.node_port}"
        if frontend.everywhere:
            table.node_ports[key] = f"goto {name}"
        if verdict:
            table.unserved_ports[key] = verdict


def _external_rules(table: _Table, frontend: Frontend, pods: Network | None) -> list[str]:
    everywhere = f"cluster-{frontend.id}"
    table.chains[everywhere] = [_spread(table, frontend, frontend.everywhere)]
    if not frontend.external_local:
        return ["jump mark-for-masquerade", f"goto {everywhere}"]
    rules = []
    if pods is not None:
        rules.append(f"{_FAMILY[table.version]} saddr {pods} goto {everywhere}")
    rules.append("fib saddr type local jump mark-for-masquerade")
    rules.append(f"fib saddr type local goto {everywhere}")
    if frontend.here:
        rules.append(_spread(table, frontend, frontend.here))
    return rules


def _spread(table: _Table, frontend: Frontend, targets: Sequence[Target]) -> str:
    """Equal shares by chance for each new flow, as kube-proxy spreads."""
    names = [_endpoint(table, frontend, target) for target in targets]
    shares = ", ".join(f"{index} : goto {name}" for index, name in enumerate(names))
    return f"numgen random mod {len(names)} vmap {{ {shares} }}"


def _endpoint(table: _Table, frontend: Frontend, target: Target) -> str:
    digest = naming.suffix(frontend.name, str(target), length=8).upper()
    name = f"endpoint-{digest}-{frontend.name[:_MAX_NAME]}"
    family = _FAMILY[table.version]
    # hairpin: a pod that reaches itself through the Service must see another sender than itself
    table.chains[name] = [
        f"{family} saddr {target.address} jump mark-for-masquerade",
        f"meta l4proto {frontend.protocol.value.lower()} dnat to {target}",
    ]
    return name


def _match(table: _Table, frontend: Frontend, address: Address) -> str:
    protocol = frontend.protocol.value.lower()
    return f"{_FAMILY[table.version]} daddr {address} {protocol} dport {frontend.port}"


def _key(address: Address, frontend: Frontend) -> str:
    return f"{address} . {frontend.protocol.value.lower()} . {frontend.port}"


def _printed(table: _Table, services: Network | None) -> str:
    address = _TYPE[table.version]
    family = _FAMILY[table.version]
    body = [
        *_map("service-ips", f"{address} . inet_proto . inet_service", table.services),
        *_map("service-nodeports", "inet_proto . inet_service", table.node_ports),
        *_map("no-endpoint-services", f"{address} . inet_proto . inet_service", table.unserved),
        *_map("no-endpoint-nodeports", "inet_proto . inet_service", table.unserved_ports),
        *_chain("mark-for-masquerade", [f"meta mark set meta mark or {MASQUERADE_MARK:#x}"]),
        *_chain("reject-chain", ["reject"]),
    ]
    for name, rules in table.chains.items():
        body += _chain(name, rules)
    at, ports = f"{family} daddr . meta l4proto . th dport", "meta l4proto . th dport"
    body += _chain(
        "services",
        [f"{at} vmap @service-ips", f"fib daddr type local {ports} vmap @service-nodeports"],
    )
    unserved = [
        f"ct state new {at} vmap @no-endpoint-services",
        f"ct state new fib daddr type local {ports} vmap @no-endpoint-nodeports",
    ]
    if services is not None:
        # an address of the service range that no rule took is nobody's: kube-proxy refuses it too
        unserved.append(f"ct state new {family} daddr {services} reject")
    body += _chain("unserved", unserved)
    hooks = (
        ("nat-prerouting", "nat", "prerouting", "dstnat", ["jump services"]),
        ("nat-output", "nat", "output", "-100", ["jump services"]),
        ("nat-postrouting", "nat", "postrouting", "srcnat", _MASQUERADING),
        ("filter-input", "filter", "input", "-110", ["jump unserved"]),
        ("filter-forward", "filter", "forward", "-110", ["jump unserved"]),
        ("filter-output", "filter", "output", "-90", ["jump unserved"]),
    )
    for name, kind, hook, priority, rules in hooks:
        body += _chain(name, [f"type {kind} hook {hook} priority {priority};", *rules])
    return _table(family, "kube-proxy", body)


_MASQUERADING = [
    f"meta mark and {MASQUERADE_MARK:#x} == 0 return",
    # the bit goes, or the packet would be translated again where it passes once more
    f"meta mark set meta mark and {0xFFFF_FFFF ^ MASQUERADE_MARK:#x}",
    "masquerade fully-random",
]


# --- natOutgoing ---------------------------------------------------------------------------


def _outgoing_table(version: int, pools: Sequence[Pool]) -> str:
    """Felix's `cali-nat-outgoing`, with the names of its IP sets."""
    prefix = f"cali{version}0"
    own = [pool for pool in pools if pool.network.version == version]
    every = [pool.network for pool in own]
    masqueraded = [pool.network for pool in own if pool.nat_outgoing]
    family = _FAMILY[version]
    body = [
        *_set(f"{prefix}all-ipam-pools", version, every),
        *_set(f"{prefix}masq-ipam-pools", version, masqueraded),
    ]
    rules = ["type nat hook postrouting priority srcnat + 1;"]
    if masqueraded:
        rules.append(
            f"{family} saddr @{prefix}masq-ipam-pools "
            f"{family} daddr != @{prefix}all-ipam-pools masquerade fully-random"
        )
    return _table(family, "calico", [*body, *_chain("cali-nat-outgoing", rules)])


def _set(name: str, version: int, networks: Iterable[Network]) -> Iterator[str]:
    ordered = sorted(set(networks), key=lambda network: (int(network[0]), network.prefixlen))
    members = ", ".join(str(network) for network in ordered)
    yield f"set {name} {{"
    yield f"    type {_TYPE[version]}; flags interval; auto-merge;"
    if members:
        yield f"    elements = {{ {members} }}"
    yield "}"


def _map(name: str, key: str, entries: dict[str, str]) -> Iterator[str]:
    yield f"map {name} {{"
    yield f"    type {key} : verdict;"
    if entries:
        yield "    elements = {"
        yield from (f"        {entry} : {verdict}," for entry, verdict in entries.items())
        yield "    }"
    yield "}"


def _chain(name: str, rules: Iterable[str]) -> Iterator[str]:
    yield f"chain {name} {{"
    yield from (f"    {rule}" for rule in rules)
    yield "}"


def _table(family: str, name: str, body: Iterable[str]) -> str:
    """`add` and `delete` first: the old table goes, if there is one, in the same transaction."""
    lines = "".join(f"    {line}\n" for line in body)
    return (
        f"add table {family} {name}\ndelete table {family} {name}\n"
        f"table {family} {name} {{\n{lines}}}\n"
    )
