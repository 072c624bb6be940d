"""Routers of a spec: the BIG-IP's stand-in, from what a person would paste into imish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, ip_interface

from labgen.bigip import lockdown
from labgen.bigip.model import BgpInstance, Neighbor, Routing
from labgen.bigip.model import Family as ZebosFamily
from labgen.bigip.resolve import resolve
from labgen.bigip.rules import Severity
from labgen.bigip.translate import Translation, translate
from labgen.bigip.zebos import parse
from labgen.design.model import (
    Daemon,
    ExportPolicy,
    Interface,
    InterfaceAddress,
    Network,
    PeerConfig,
    Router,
    Speaker,
)
from labgen.design.plan import mac_of
from labgen.errors import InputError, Mark
from labgen.plan import Role
from labgen.spec.model import BigIp, RouterInterface, Spec


@dataclass(frozen=True, slots=True)
class RouterDesign:
    """A router, decided: the node, its speaker (None without BGP), and what to tell the user."""

    router: Router
    speaker: Speaker | None
    notes: tuple[str, ...]


def decide(spec: Spec, name: str, text: str, path: str) -> RouterDesign:
    """A router of the spec from its configuration's text. Raises InputErrors, by line."""
    router = spec.routers[name]
    interfaces = tuple(_interfaces(spec, name))
    if not isinstance(router, BigIp):
        raise InputError(f"{path}: a router of kind `frr` is not supported yet",
                         mark=Mark(path, 1, 1), hint="use kind `bigip`")  # fmt: skip
    config = parse(text, path)
    vlans = {i.vlan: i.name for i in interfaces if i.vlan}
    vlans |= {f"/Common/{vlan}": interface for vlan, interface in vlans.items()}
    translation = translate(config, interfaces=vlans).require()
    routing = resolve(config)
    node = Router(
        name,
        Role.BIGIP,
        interfaces,
        f"hostname {name}\n{translation.frr_conf}",
        translation,
        _lockdown(router),
        router.image,
        text,
    )
    return RouterDesign(node, _speaker(name, interfaces, routing), _notes(translation))


def _lockdown(router: BigIp) -> str:
    """The self-IPs' port lockdown, floating addresses apart, as an nftables file."""
    found = {}
    for interface in router.interfaces.values():
        for address in (interface.address, interface.address6):
            if address is not None:
                found[address] = lockdown.allow(interface.allow_service)
    return lockdown.ruleset(found)


def _interfaces(spec: Spec, name: str) -> list[Interface]:
    """TMOS interface 1.1 is eth1, as on containerlab's f5_bigip-ve node."""
    found: Mapping[str, RouterInterface] = spec.routers[name].interfaces
    result = []
    for label, interface in found.items():
        linux = f"eth{label.partition('.')[2]}" if "." in label else label
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
                interface.vlan or interface.segment,
            )
        )
    return result


def _notes(translation: Translation) -> tuple[str, ...]:
    return tuple(
        f"{row.mark}: `{row.zebos}` has no effect in the stand-in: {row.reason}"
        for row in translation.rows
        if row.severity is Severity.WARNING
    )


def _speaker(name: str, interfaces: tuple[Interface, ...], routing: Routing) -> Speaker | None:
    bgp = routing.bgp
    if bgp is None:
        return None
    addresses = tuple(a.ip for i in interfaces for a in i.addresses)
    own4 = [a for a in addresses if isinstance(a, IPv4Address)]
    peers = tuple(_peer(n, bgp) for n in bgp.neighbors if not n.shutdown)
    policy = any(r.route_map for r in bgp.redistribute) or bool(bgp.aggregates)
    return Speaker(
        node=name,
        daemon=Daemon.FRR,
        asn=bgp.asn,
        # FRR and ZebOS take the highest address where no `bgp router-id` stands
        bgp_identifier=bgp.router_id or max(own4, default=None),
        addresses=addresses,
        peers=tuple(_with_policy(p) for p in peers) if policy else peers,
        originates=_originates(bgp, interfaces),
        export=ExportPolicy(everything=True),
        cluster_id=bgp.cluster_id,
        max_paths_ebgp=bgp.max_paths_ebgp,
        max_paths_ibgp=bgp.max_paths_ibgp,
    )


def _originates(bgp: BgpInstance, interfaces: tuple[Interface, ...]) -> tuple[Network, ...]:
    found: list[Network] = [own.prefix for own in bgp.networks]
    if any(r.source == "connected" for r in bgp.redistribute):
        found += [a.network for i in interfaces for a in i.addresses]
    return tuple(dict.fromkeys(found))


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
