"""A BIG-IP's interfaces as its own tmsh text tells them: self-IPs, VLANs, lockdown, routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_interface

from labgen.bigip import as3, lockdown, ltm, tmsh, tmsh_tree
from labgen.bigip.model import Routing
from labgen.design.model import Address, FloatingAddress, Interface, InterfaceAddress, KernelRoute
from labgen.design.plan import mac_of
from labgen.errors import InputError, InputErrors, Mark
from labgen.spec.model import BigIp, RouterInterface, Spec

_NOWHERE = Mark("", 1, 1)
_DOMAIN = 0  # the route domain that the stand-in's one namespace is


@dataclass(frozen=True, slots=True)
class SelfIps:
    """What stands on a BIG-IP's interfaces. `lockdown` is an nftables file.

    `without_bgp` is the place of a route domain whose protocols do not include BGP. `objects` and
    `tmm_routes` are what a real BIG-IP is told; `text` is what the stand-in's tmsh lists.
    """

    interfaces: tuple[Interface, ...]
    lockdown: str
    routes: tuple[KernelRoute, ...] = ()
    floating: tuple[FloatingAddress, ...] = ()
    notes: tuple[str, ...] = ()
    without_bgp: Mark | None = None
    objects: tuple[tmsh.SelfIp, ...] = ()
    tmm_routes: tuple[tmsh.Route, ...] = ()
    virtual_addresses: tuple[Address, ...] = ()
    local_traffic: ltm.LocalTraffic = ltm.LocalTraffic()  # noqa: RUF009 - it is frozen
    text: str = ""
    tree: tmsh_tree.Tree = field(default_factory=tmsh_tree.Tree)


def from_spec(
    interfaces: tuple[Interface, ...], allowed: dict[str, lockdown.PortLockdown]
) -> SelfIps:
    """The self-IPs of a router whose spec has them; `allowed` by TMOS interface.

    Their objects are named after their VLANs, as F5's guides name them.
    """
    objects = tuple(
        tmsh.SelfIp(
            f"{i.vlan}-self" if address.version == 4 else f"{i.vlan}-self6",
            address.ip, address.network.prefixlen, i.vlan or i.segment,
            _NOWHERE, allowed[i.label or ""],
        )
        for i in interfaces
        for address in i.addresses
    )  # fmt: skip
    return SelfIps(
        interfaces,
        lockdown.ruleset({s.address: s.port_lockdown for s in objects}),
        objects=objects,
    )


def from_tmsh(spec: Spec, name: str, text: str, path: str) -> SelfIps:
    """The self-IPs of a router of the spec, from its tmsh text.

    Raises InputErrors, by line, where the text and the spec disagree.
    """
    router = spec.routers[name]
    assert isinstance(router, BigIp)
    reading = _Reading(spec, name, router, tmsh.parse(text, path), path)
    found = reading.self_ips()
    if reading.problems:
        raise InputErrors(reading.problems)
    return found


def with_traffic(
    found: SelfIps, tmsh_text: tuple[str, str] | None, declaration: tuple[str, str] | None
) -> SelfIps:
    """With the local traffic of a tmsh text and of an AS3 declaration. Raises InputErrors."""
    tree = tmsh_tree.read(*tmsh_text) if tmsh_text else tmsh_tree.Tree()
    if not tmsh_text:
        tree.items |= {(i.component, i.name): i for i in map(tmsh.item_of, _objects(found))}
    declared = as3.read(*declaration) if declaration else as3.Declared()
    tree.items |= {(item.component, item.name): item for item in declared.items}
    traffic = ltm.made(tree)
    return replace(
        found,
        virtual_addresses=tuple(v.address for v in traffic.virtual_addresses if v.advertised),
        local_traffic=traffic,
        notes=(*found.notes, *declared.notes, *_unanswered(found, traffic)),
        text=tree.text(),
        tree=tree,
    )


def _unanswered(found: SelfIps, traffic: ltm.LocalTraffic) -> Iterator[str]:
    """Linux answers neighbor discovery for interface addresses alone (ARP it does for more)."""
    networks = [a.network for i in found.interfaces for a in i.addresses if a.version == 6]
    for virtual in traffic.virtuals:
        if any(virtual.address in network for network in networks):
            yield (
                f"{virtual.mark}: `ltm virtual {virtual.name}`: {virtual.address} lies in a "
                "self-IP's network, where the stand-in answers no neighbor discovery for it"
            )


def _objects(found: SelfIps) -> Iterator[tmsh.SelfIp | tmsh.Vlan]:
    for interface in found.interfaces:
        label = interface.label or interface.name
        yield tmsh.Vlan(interface.vlan or interface.segment, _NOWHERE, interfaces={label: False})
    yield from found.objects


def require_bgp(network: SelfIps, routing: Routing) -> None:
    """`router bgp` runs only in a route domain that has BGP. Raises InputError otherwise."""
    if routing.bgp is not None and network.without_bgp is not None:
        raise InputError(
            "route domain 0 has no BGP among its routing protocols: no `router bgp` would run",
            mark=network.without_bgp,
            hint="tmsh modify net route-domain 0 routing-protocol add { BGP }",
        )


class _Reading:
    """A tmsh text set against the spec; `problems` grow as they are found."""

    def __init__(
        self, spec: Spec, name: str, router: BigIp, config: tmsh.TmshConfig, path: str
    ) -> None:
        self._spec, self._name, self._router = spec, name, router
        self._config, self._path = config, path
        self.problems: list[InputError] = []
        self._notes: list[str] = []
        self._label_of = dict(self._vlans())
        self._taken = dict(_addresses_of_others(spec, name))

    def self_ips(self) -> SelfIps:
        placed = [(s, label) for s in self._config.self_ips if (label := self._place(s))]
        interfaces = tuple(
            self._interface(label, interface, [s for s, at in placed if at == label])
            for label, interface in self._router.interfaces.items()
        )
        floating = tuple(
            FloatingAddress(_linux(label), _with_length(s), s.traffic_group)
            for s, label in placed
            if s.floating
        )
        routes = tuple(r for r in map(self._route, self._config.routes) if r is not None)
        domain = next((d for d in self._config.route_domains if d.id == _DOMAIN), None)
        bgp = domain is None or "BGP" in domain.routing_protocols
        return SelfIps(
            interfaces,
            lockdown.ruleset(self._config.lockdowns()),
            routes,
            floating,
            (*self._notes, *self._unused()),
            None if bgp or domain is None else domain.mark,
            tuple(self_ip for self_ip, _ in placed),
            self._config.routes,
        )

    def _vlans(self) -> Iterator[tuple[str, str]]:
        """Each VLAN's name with the spec's interface that carries it."""
        for label, interface in self._router.interfaces.items():
            carried = [v for v in self._config.vlans if label in v.interfaces]
            for vlan in carried[1:]:
                self.problems.append(
                    InputError(
                        f"net vlan {vlan.name}: interface {label} carries `{carried[0].name}` too",
                        mark=vlan.mark,
                        hint="an interface of a lab is in one segment; give each VLAN its own",
                    )
                )
            yield (
                carried[0].name if carried else interface.vlan or interface.segment,
                label,
            )

    def _place(self, self_ip: tmsh.SelfIp) -> str | None:
        """The interface that a self-IP stands on, where it can stand there at all."""
        what = f"net self {self_ip.name}"
        if self_ip.route_domain != _DOMAIN:
            self._notes.append(
                f"{self_ip.mark}: {what} is left out: the stand-in has route domain 0 alone"
            )
            return None
        label = self._label_of.get(self_ip.vlan)
        if label is None:
            known = ", ".join(sorted(self._label_of))
            self._problem(
                f"{what}: VLAN `{self_ip.vlan}` is on no interface of {self._name}",
                self_ip.mark, f"there are {known}; add `net vlan {self_ip.vlan}` or an interface",
            )  # fmt: skip
            return None
        segment = self._spec.segments[self._router.interfaces[label].segment]
        subnets = [n for n in (segment.subnet, segment.subnet6) if n is not None]
        if self_ip.network not in subnets:
            self._problem(
                f"{what}: {self_ip.address}/{self_ip.prefix_length} is not of the segment "
                f"`{self._router.interfaces[label].segment}`",
                self_ip.mark, f"expected an address of {' or '.join(map(str, subnets))}",
            )  # fmt: skip
        elif (owner := self._taken.get(self_ip.address)) is not None:
            self._problem(f"{what}: {self_ip.address} belongs to `{owner}` already", self_ip.mark,
                          "give every node an address of its own")  # fmt: skip
        self._taken.setdefault(self_ip.address, what)
        return label

    def _interface(
        self, label: str, interface: RouterInterface, found: list[tmsh.SelfIp]
    ) -> Interface:
        own = tuple(_with_length(s) for s in found if not s.floating)
        vlan = next((v for v, at in self._label_of.items() if at == label), interface.segment)
        if not own and not self.problems:
            self._problem(
                f"interface {label} (VLAN `{vlan}`) has no self-IP of its own",
                Mark(self._path, 1, 1), "add `net self …`, or take the interface from the spec",
            )  # fmt: skip
        linux = _linux(label)
        mac = mac_of(self._spec.name, self._name, linux)
        return Interface(linux, interface.segment, own, mac, label, vlan)

    def _route(self, route: tmsh.Route) -> KernelRoute | None:
        what = f"net route {route.name}"
        if route.route_domain != _DOMAIN or route.pool or route.vlan:
            why = "another route domain" if route.route_domain else "it has no gateway address"
            self._notes.append(f"{route.mark}: {what} is left out: {why}")
            return None
        if route.blackhole:
            return KernelRoute(route.network)
        local = [s.network for s in self._config.self_ips]
        if route.gateway is None or not any(
            route.gateway.version == n.version and route.gateway in n for n in local
        ):
            self._problem(
                f"{what}: the gateway {route.gateway or 'is missing and'} is on no self-IP's "
                "network",
                route.mark, "a route needs a gateway that a self-IP reaches",
            )  # fmt: skip
            return None
        return KernelRoute(route.network, route.gateway)

    def _unused(self) -> Iterator[str]:
        # local traffic has notes of its own
        remarks = [r for r in self._config.remarks if "ltm" not in r.text.split()[:2]]
        found = [f"{r.text} (line {r.mark.line})" for r in remarks]
        if found:
            yield f"{self._path}: without effect in the stand-in: {', '.join(found)}"

    def _problem(self, message: str, mark: Mark, hint: str) -> None:
        self.problems.append(InputError(message, mark=mark, hint=hint))


def _linux(label: str) -> str:
    """TMOS interface 1.1 is eth1, as on containerlab's f5_bigip-ve node."""
    return f"eth{label.partition('.')[2]}"


def _with_length(self_ip: tmsh.SelfIp) -> InterfaceAddress:
    return ip_interface(f"{self_ip.address}/{self_ip.prefix_length}")


def _addresses_of_others(spec: Spec, name: str) -> Iterator[tuple[IPv4Address | IPv6Address, str]]:
    for cluster in spec.clusters.values():
        for node_name, node in cluster.nodes.items():
            yield from ((a, node_name) for a in (node.address, node.address6) if a is not None)
    for router_name, router in spec.routers.items():
        for interface in router.interfaces.values() if router_name != name else ():
            yield from (
                (a, router_name) for a in (interface.address, interface.address6) if a is not None
            )
