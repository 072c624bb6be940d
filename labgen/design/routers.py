"""Routers of a spec: the BIG-IP's stand-in, from what a person pastes into imish, and plain FRR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_interface, ip_network

from labgen.bigip import frr_conf, lockdown, ve
from labgen.bigip.model import (
    BgpInstance,
    Direction,
    Neighbor,
    Redistribution,
    Routing,
    StaticRoute,
)
from labgen.bigip.model import Family as ZebosFamily
from labgen.bigip.resolve import resolve
from labgen.bigip.rules import Severity
from labgen.bigip.translate import Translation, translate
from labgen.bigip.zebos import parse
from labgen.design import self_ips
from labgen.design.model import (
    Daemon,
    ExportPolicy,
    Interface,
    InterfaceAddress,
    KernelRoute,
    Network,
    PeerConfig,
    Router,
    Speaker,
)
from labgen.design.plan import VE_KIND, VE_STARTUP, mac_of
from labgen.design.self_ips import SelfIps
from labgen.plan import Role
from labgen.spec.model import BigIp, Frr, FrrInterface, RouterInterface, Spec

VE_IMAGE = "vrnetlab/f5_bigip-ve:latest"  # vrnetlab's own name for its build
_OUTSIDE = "a BIG-IP VE is not asked: labgen asks BIRD, FRR and their kernels"


@dataclass(frozen=True, slots=True)
class RouterDesign:
    """A router, decided: the node, its speaker (None without BGP), and what to tell the user."""

    router: Router
    speaker: Speaker | None
    notes: tuple[str, ...]


def decide(
    spec: Spec, name: str, text: str, path: str, *,
    tmsh: tuple[str, str] | None = None, as3: tuple[str, str] | None = None,
) -> RouterDesign:  # fmt: skip
    """A router of the spec from its configuration's text; `tmsh`, `as3`: more texts and files.

    Raises InputErrors, by line.
    """
    router = spec.routers[name]
    if isinstance(router, BigIp):
        network = self_ips.from_tmsh(spec, name, *tmsh) if tmsh else _from_spec(spec, name, router)
        network = self_ips.with_traffic(network, tmsh, as3)
        decide_it = _bigip if router.kind == "bigip" else _virtual_edition
        return decide_it(spec, name, text, path, network)
    return _frr(spec, name, router, text, path)


def _from_spec(spec: Spec, name: str, router: BigIp) -> SelfIps:
    allowed = {k: lockdown.allow(i.allow_service) for k, i in router.interfaces.items()}
    return self_ips.from_spec(tuple(_interfaces(spec, name)), allowed)


def _bigip(spec: Spec, name: str, text: str, path: str, network: SelfIps) -> RouterDesign:
    router = spec.routers[name]
    active = isinstance(router, BigIp) and router.failover_state == "active"
    interfaces = network.interfaces
    config = parse(text, path)
    vlans = {i.vlan: i.name for i in interfaces if i.vlan}
    vlans |= {f"/Common/{vlan}": interface for vlan, interface in vlans.items()}
    translation = translate(config, interfaces=vlans).require()
    node = Router(
        name,
        Role.BIGIP,
        interfaces,
        f"hostname {name}\n{translation.frr_conf}",
        translation,
        network.lockdown,
        router.image,
        text,
        kernel_routes=network.routes,
        floating=network.floating,
        virtual_addresses=network.virtual_addresses,
        active=active,
        local_traffic=network.local_traffic,
        tmsh=network.text,
    )
    routing = resolve(config)
    self_ips.require_bgp(network, routing)
    speaker = _speaker(name, interfaces, routing, _kernel(network, active=active))
    notes = [*_notes(translation), *network.notes, *network.local_traffic.notes]
    if router.image is not None:
        notes.append(
            f"{name}: {router.image} has no port lockdown, imish, TMM routes or failover: those "
            "are of labgen's own image"
        )
    highest = _highest_floating(network, routing)
    if speaker is not None and highest is not None:
        notes.append(
            f"{path}: no `bgp router-id`: {name}'s BGP identifier is its highest address, so the "
            f"floating {highest} makes every failover reset its sessions (RFC 4271 §4.2)"
        )
        if active:
            speaker = replace(speaker, bgp_identifier=highest)
    return RouterDesign(node, speaker, tuple(notes))


def _kernel(network: SelfIps, *, active: bool) -> list[KernelRoute]:
    """TMM's routes, and those of the virtual addresses that this unit announces."""
    injected = [
        KernelRoute(ip_network(v.address))
        for v in network.local_traffic.virtual_addresses
        if v.advertised and (active or v.traffic_group is None)
    ]
    return [*network.routes, *injected]


def _highest_floating(network: SelfIps, routing: Routing) -> IPv4Address | None:
    """The floating address that would be the BGP identifier, where none is configured."""
    own = [a.ip for i in network.interfaces for a in i.addresses if a.version == 4]
    floating = [f.address.ip for f in network.floating if isinstance(f.address.ip, IPv4Address)]
    highest = max(floating, default=None)
    stated = routing.bgp is not None and routing.bgp.router_id is not None
    return None if stated or highest is None or any(highest < ip for ip in own) else highest


def _virtual_edition(spec: Spec, name: str, text: str, path: str, network: SelfIps) -> RouterDesign:
    """The real thing: no FRR, so nothing is translated; ZebOS itself is the judge of its lines."""
    config = parse(text, path)
    routing = resolve(config)
    self_ips.require_bgp(network, routing)
    vlans = {
        i.vlan or i.segment: (i.label or i.name, spec.segments[i.segment].mtu)
        for i in network.interfaces
    }
    told = ve.startup(vlans, network.objects, network.tmm_routes, config, network.tree)
    router = spec.routers[name]
    image = router.image or VE_IMAGE
    active = isinstance(router, BigIp) and router.failover_state == "active"
    node = Router(
        name, Role.BIGIP, network.interfaces, "", None, None, image, text,
        floating=network.floating, startup=told,
    )  # fmt: skip
    speaker = _speaker(name, network.interfaces, routing, _kernel(network, active=active))
    if speaker is not None:
        # without the line a BIG-IP offers no capability 65; releases differ, so nothing is claimed
        four = any(s.command == "bgp extended-asn-cap" for s in config.statements) or None
        speaker = replace(speaker, outside=_OUTSIDE, four_octet_as=four)
    note = (
        f"{name}: containerlab's {VE_KIND} applies no startup-config: when it has booted, "
        f"`ssh root@clab-{spec.name}-{name} bash -s < clab-{spec.name}/{name}/{VE_STARTUP}`"
    )
    return RouterDesign(node, speaker, (*network.notes, *ve.left_out(network.tree), note))


def _frr(spec: Spec, name: str, router: Frr, text: str, path: str) -> RouterDesign:
    """frr.conf as it is; FRR itself is the judge of its lines."""
    interfaces = tuple(_interfaces(spec, name))
    conf = frr_conf.read(text, path)
    node = Router(
        name, Role.ROUTER, interfaces, text, None, None, router.image, daemons=conf.daemons
    )
    speaker = _speaker(name, interfaces, conf.routing)
    if speaker is not None:
        speaker = replace(
            speaker, add_path_receive=conf.add_path_receive, multipath_relax=conf.multipath_relax
        )
    return RouterDesign(node, speaker, (*conf.notes, *_without_policy(conf)))


def _without_policy(conf: frr_conf.FrrConf) -> tuple[str, ...]:
    """eBGP neighbors with which FRR exchanges nothing until it is told what."""
    bgp = conf.routing.bgp
    if bgp is None or not conf.requires_policy:
        return ()
    return tuple(
        f"{n.mark}: neighbor {n.address} has no route policy: FRR exchanges no route with it "
        "(RFC 8212; `no bgp ebgp-requires-policy` turns that off)"
        for n in bgp.neighbors
        if n.remote_as != bgp.asn and not all(map(_filtered(n).__contains__, Direction))
    )


def _filtered(neighbor: Neighbor) -> set[Direction]:
    """The directions in which a neighbor has a policy, in any family."""
    return {
        direction
        for settings in neighbor.families.values()
        for lists in (settings.route_maps, settings.prefix_lists, settings.filter_lists,
                      settings.distribute_lists)
        for direction in lists
    }  # fmt: skip


def _interfaces(spec: Spec, name: str) -> list[Interface]:
    """TMOS interface 1.1 is eth1, as on containerlab's f5_bigip-ve node."""
    found: Mapping[str, FrrInterface | RouterInterface] = spec.routers[name].interfaces
    result = []
    for label, interface in found.items():
        linux = f"eth{label.partition('.')[2]}" if "." in label else label
        vlan = interface.vlan if isinstance(interface, RouterInterface) else None
        segment = spec.segments[interface.segment]
        addresses: list[InterfaceAddress] = [
            ip_interface(f"{interface.address}/{segment.subnet.prefixlen}")
        ]
        if interface.address6 is not None and segment.subnet6 is not None:
            addresses.append(ip_interface(f"{interface.address6}/{segment.subnet6.prefixlen}"))
        result.append(
            Interface(
                linux,
                interface.segment,
                tuple(addresses),
                mac_of(spec.name, name, linux),
                label if "." in label else None,
                (vlan or interface.segment) if "." in label else None,
            )
        )
    return result


def _notes(translation: Translation) -> tuple[str, ...]:
    return tuple(
        f"{row.mark}: `{row.zebos}` has no effect in the stand-in: {row.reason}"
        for row in translation.rows
        if row.severity is Severity.WARNING
    )


def _speaker(
    name: str, interfaces: tuple[Interface, ...], routing: Routing,
    kernel: Sequence[KernelRoute] = (),
) -> Speaker | None:  # fmt: skip
    bgp = routing.bgp
    if bgp is None:
        return None
    addresses = tuple(a.ip for i in interfaces for a in i.addresses)
    own4 = [a for a in addresses if isinstance(a, IPv4Address)]
    peers = tuple(_peer(n, bgp) for n in bgp.neighbors if not n.shutdown)
    policy = bool(bgp.aggregates) or any(_unforeseen(r, routing, kernel) for r in bgp.redistribute)
    return Speaker(
        node=name,
        daemon=Daemon.FRR,
        asn=bgp.asn,
        # FRR and ZebOS take the highest address where no `bgp router-id` stands
        bgp_identifier=bgp.router_id or max(own4, default=None),
        addresses=addresses,
        peers=tuple(_with_policy(p) for p in peers) if policy else peers,
        originates=tuple(dict.fromkeys(own.prefix for own in bgp.networks)),
        redistributes=_redistributes(bgp, interfaces, routing.static_routes, kernel),
        export=ExportPolicy(everything=True),
        cluster_id=bgp.cluster_id,
        max_paths_ebgp=bgp.max_paths_ebgp,
        max_paths_ibgp=bgp.max_paths_ibgp,
        lans=tuple(a.network for i in interfaces for a in i.addresses),
    )


def _redistributes(
    bgp: BgpInstance, interfaces: tuple[Interface, ...], statics: Sequence[StaticRoute],
    kernel: Sequence[KernelRoute],
) -> tuple[Network, ...]:  # fmt: skip
    sources = {r.source for r in bgp.redistribute}
    found: list[Network] = []
    if "connected" in sources:
        found += [a.network for i in interfaces for a in i.addresses]
    if "static" in sources:
        found += [route.prefix for route in statics]
    if "kernel" in sources:
        found += [route.prefix for route in kernel]
    return tuple(dict.fromkeys(found))


def _unforeseen(
    redistribution: Redistribution, routing: Routing, kernel: Sequence[KernelRoute]
) -> bool:
    """Whether its outcome takes more than the configuration to tell: a gateway's next hop."""
    gateways = {
        "static": any(route.via is not None for route in routing.static_routes),
        "kernel": any(route.via is not None for route in kernel),
    }
    return redistribution.route_map is not None or gateways.get(redistribution.source, False)


def _with_policy(peer: PeerConfig) -> PeerConfig:
    return replace(peer, policy=True)


def _peer(neighbor: Neighbor, bgp: BgpInstance) -> PeerConfig:
    family = ZebosFamily.IPV4_UNICAST if neighbor.address.version == 4 else ZebosFamily.IPV6_UNICAST
    settings = neighbor.families.get(family)
    source = neighbor.update_source
    policy = settings is not None and bool(
        settings.prefix_lists or settings.distribute_lists or settings.filter_lists
        or settings.route_maps or settings.default_originate or settings.unsuppress_map
    )  # fmt: skip
    return PeerConfig(
        name=str(neighbor.address),
        kind="neighbor",
        address=neighbor.address,
        port=neighbor.port,
        local_address=source if source is not None and not isinstance(source, str) else None,
        local_as=neighbor.local_as or bgp.asn,
        remote_as=neighbor.remote_as,
        passive=neighbor.passive,
        hold_time=neighbor.hold,
        password=neighbor.password.reveal() if neighbor.password is not None else None,
        rr_client=settings is not None and settings.route_reflector_client,
        next_hop_self=settings is not None and settings.next_hop_self,
        allow_local_as=(settings.allowas_in or 0) if settings is not None else 0,
        policy=policy,
    )
