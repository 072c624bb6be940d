"""Statements to the typed model: `resolve(config)`.

Raises InputErrors for what each line alone cannot show: a neighbor without AS, a peer group that
nobody defined, a second `router bgp`.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from labgen.bigip import grammar, running
from labgen.bigip.model import (
    DEFAULT_CONNECT_RETRY,
    DEFAULT_HOLD,
    DEFAULT_KEEPALIVE,
    EBGP_ADVERTISEMENT_INTERVAL,
    IBGP_ADVERTISEMENT_INTERVAL,
    Address,
    Aggregate,
    BgpInstance,
    Direction,
    Family,
    GracefulRestart,
    MaximumPrefix,
    Neighbor,
    NeighborFamily,
    OwnNetwork,
    Redistribution,
    Routing,
)
from labgen.bigip.resolve_policy import (
    STATIC_ROUTES,
    address,
    network,
    prefix_lists,
    route_maps,
    static_route,
)
from labgen.bigip.rules import Context, Verdict
from labgen.errors import InputError, InputErrors
from labgen.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labgen.bigip.zebos import Config, Statement

Settings = dict[str, "Statement"]


def resolve(config: Config) -> Routing:
    """The model of a parsed ZebOS text. Raises InputErrors for contradictions, by line."""
    standing = running.apply(config.statements).standing
    problems: list[InputError] = []
    routers = [s for s in standing if s.rule.opens is Context.ROUTER_BGP]
    problems.extend(
        InputError(
            f"a second `router bgp {again.value('asn')}` beside AS {routers[0].value('asn')}",
            mark=again.mark,
            hint="a BIG-IP has one BGP instance in each route domain",
        )
        for again in routers[1:]
    )
    bgp = _instance(routers[0], standing, problems) if routers else None
    routes = [static_route(s, problems) for s in standing if s.command in STATIC_ROUTES]
    if problems:
        raise InputErrors(problems)
    hostname = next((s.value("name") for s in standing if s.command == "hostname"), None)
    return Routing(
        bgp,
        prefix_lists(standing),
        route_maps(standing),
        tuple(route for route in routes if route),
        hostname,
    )


def family_of(statement: Statement) -> Family:
    """The address family a statement belongs to; directly under `router bgp` it is IPv4 unicast."""
    opener = statement.scope[-1]
    if opener.rule.opens is not Context.ADDRESS_FAMILY:
        return Family.IPV4_UNICAST
    return Family(f"{opener.value('afi')} {opener.value('safi')}")


def _instance(
    router: Statement, standing: Sequence[Statement], problems: list[InputError]
) -> BgpInstance:
    inside = [s for s in standing if s.scope and s.scope[0].identity == router.identity]
    inside = [s for s in inside if all(o.rule.verdict is not Verdict.UNSUPPORTED for o in s.scope)]
    by_command = {s.command: s for s in inside if not s.values.get("peer")}
    asn = grammar.asn(router.value("asn"))
    timers = by_command.get("timers bgp")
    keepalive = int(timers.value("keepalive")) if timers else DEFAULT_KEEPALIVE
    hold = int(timers.value("hold")) if timers else DEFAULT_HOLD
    default = by_command.get("bgp default ipv4-unicast")
    common = _Common(asn, keepalive, hold, default is None or not default.negated)
    preference = by_command.get("bgp default local-preference")
    return BgpInstance(
        asn,
        router.mark,
        router_id=_ip4(by_command.get("bgp router-id"), "router_id"),
        cluster_id=_ip4(by_command.get("bgp cluster-id"), "cluster_id"),
        keepalive=keepalive,
        hold=hold,
        default_ipv4_unicast=common.default_ipv4_unicast,
        network_synchronization="network synchronization" in by_command,
        local_preference=int(preference.value("preference")) if preference else 100,
        max_paths_ebgp=_max_paths(inside, "ebgp"),
        max_paths_ibgp=_max_paths(inside, "ibgp"),
        graceful_restart=_graceful_restart(by_command.get("bgp graceful-restart")),
        neighbors=_Neighbors(common, inside, problems).all(),
        networks=tuple(
            OwnNetwork(family_of(s), network(s), s.value("route_map") or None, s.mark)
            for s in inside
            if s.command in {"network", "network mask"}
        ),
        aggregates=tuple(_aggregate(s) for s in inside if s.command == "aggregate-address"),
        redistribute=tuple(
            Redistribution(family_of(s), s.value("source"), s.value("route_map") or None, s.mark)
            for s in inside
            if s.command == "redistribute"
        ),
    )


@dataclass(frozen=True, slots=True)
class _Common:
    """What `router bgp` gives every neighbor; times in seconds."""

    asn: int
    keepalive: int
    hold: int
    default_ipv4_unicast: bool


class _Neighbors:
    """Neighbors and peer groups of one instance."""

    def __init__(
        self, common: _Common, inside: Sequence[Statement], problems: list[InputError]
    ) -> None:
        self._common = common
        self._problems = problems
        self._statements = [s for s in inside if s.values.get("peer")]
        memberships = [s for s in self._statements if s.command == "neighbor peer-group"]
        self._groups = {s.value("peer") for s in memberships if not s.value("group")}
        self._group_of = {s.value("peer"): s for s in memberships if s.value("group")}

    def all(self) -> tuple[Neighbor, ...]:
        names = dict.fromkeys(s.value("peer") for s in self._statements)
        found = []
        for name in names:
            first = next(s for s in self._statements if s.value("peer") == name)
            peer = address(name)
            if peer is None:
                self._check_group(name, first)
            elif neighbor := self._neighbor(name, peer, first):
                found.append(neighbor)
        return tuple(found)

    def _check_group(self, name: str, first: Statement) -> None:
        if name not in self._groups:
            self._problems.append(
                InputError(
                    f"the peer group `{name}` is not defined",
                    mark=first.mark,
                    hint=f"write `neighbor {name} peer-group` first",
                )
            )

    def _neighbor(self, name: str, address: Address, first: Statement) -> Neighbor | None:
        membership = self._group_of.get(name)
        group = membership.value("group") if membership else None
        if membership and group not in self._groups:
            self._problems.append(
                InputError(
                    f"the peer group `{group}` is not defined",
                    mark=membership.mark,
                    hint=f"write `neighbor {group} peer-group`, or correct the name",
                )
            )
            return None
        own: Settings = {}
        for source in (group, name):
            for s in self._statements:
                if s.value("peer") == source and not _is_family(s):
                    own[s.command] = s
        remote = own.get("neighbor remote-as")
        if remote is None:
            self._problems.append(
                InputError(
                    f"the neighbor {name} has no remote-as"
                    + (f", and its peer group `{group}` has none" if group else ""),
                    mark=first.mark,
                    hint=f"write `neighbor {group or name} remote-as …`",
                )
            )
            return None
        return self._build(address, first, group, own, grammar.asn(remote.value("asn")))

    def _build(
        self,
        address: Address,
        first: Statement,
        group: str | None,
        own: Settings,
        remote_as: int,
    ) -> Neighbor:
        timers = own.get("neighbor timers")
        interval = _number(own, "neighbor advertisement-interval", "seconds")
        multihop = own.get("neighbor ebgp-multihop")
        ibgp = remote_as == self._common.asn
        password = own.get("neighbor password")
        secret = password.values.get("password") if password else None
        restart = own.get("neighbor capability graceful-restart")
        retry = _number(own, "neighbor connection-retry-time", "seconds")
        retry = retry or _number(own, "neighbor timers connect", "seconds")
        default_interval = IBGP_ADVERTISEMENT_INTERVAL if ibgp else EBGP_ADVERTISEMENT_INTERVAL
        return Neighbor(
            address,
            remote_as,
            first.mark,
            peer_group=group,
            description=own["neighbor description"].value("text")
            if "neighbor description" in own
            else None,
            password=secret if isinstance(secret, Secret) else None,
            keepalive=int(timers.value("keepalive")) if timers else self._common.keepalive,
            hold=int(timers.value("hold")) if timers else self._common.hold,
            connect_retry=retry or DEFAULT_CONNECT_RETRY,
            advertisement_interval=default_interval if interval is None else interval,
            passive="neighbor passive" in own,
            shutdown="neighbor shutdown" in own,
            update_source=_update_source(own.get("neighbor update-source")),
            ebgp_multihop=int(multihop.value("hops") or 255) if multihop else None,
            ttl_security=_number(own, "neighbor ttl-security hops", "hops"),
            port=_number(own, "neighbor port", "port") or 179,
            local_as=_number(own, "neighbor local-as", "asn"),
            bfd="neighbor fall-over bfd" in own,
            graceful_restart=None if restart is None else not restart.negated,
            capability_negotiation="neighbor dont-capability-negotiate" not in own,
            families=self._families(first.value("peer"), group),
        )

    def _families(self, name: str, group: str | None) -> Mapping[Family, NeighborFamily]:
        result = {}
        for family in Family:
            settings: Settings = {}
            routed: dict[tuple[str, Direction], str] = {}
            for source in (group, name):
                for s in self._statements:
                    if s.value("peer") != source or not _is_family(s) or family_of(s) is not family:
                        continue
                    settings[s.command] = s
                    if direction := s.value("direction"):
                        routed[(s.command, Direction(direction))] = s.value("name")
            activate = settings.get("neighbor activate")
            default = family is Family.IPV4_UNICAST and self._common.default_ipv4_unicast
            active = default if activate is None else not activate.negated
            if settings or active:
                result[family] = _family(family, active, settings, routed)
        return result


def _family(
    family: Family,
    active: bool,
    settings: Settings,
    routed: Mapping[tuple[str, Direction], str],
) -> NeighborFamily:
    communities = settings.get("neighbor send-community")
    default = settings.get("neighbor default-originate")
    maximum = settings.get("neighbor maximum-prefix")
    allowas = settings.get("neighbor allowas-in")
    unsuppress = settings.get("neighbor unsuppress-map")

    def lists(kind: str) -> Mapping[Direction, str]:
        return {way: name for (command, way), name in routed.items() if command.endswith(kind)}

    mode = "none" if communities and communities.negated else "both"
    if communities and not communities.negated:
        mode = communities.value("mode") or "standard"
    return NeighborFamily(
        family,
        active,
        next_hop_self="neighbor next-hop-self" in settings,
        route_reflector_client="neighbor route-reflector-client" in settings,
        route_server_client="neighbor route-server-client" in settings,
        soft_reconfiguration_inbound="neighbor soft-reconfiguration inbound" in settings,
        as_override="neighbor as-override" in settings,
        remove_private_as="neighbor remove-private-AS" in settings,
        allowas_in=int(allowas.value("occurrences") or 3) if allowas else None,
        weight=_number(settings, "neighbor weight", "weight"),
        send_community=mode,
        default_originate=default is not None,
        default_originate_route_map=(default.value("route_map") or None) if default else None,
        unsuppress_map=unsuppress.value("route_map") if unsuppress else None,
        maximum_prefix=_maximum_prefix(maximum) if maximum else None,
        prefix_lists=lists(" prefix-list"),
        distribute_lists=lists(" distribute-list"),
        filter_lists=lists(" filter-list"),
        route_maps=lists(" route-map"),
    )


def _maximum_prefix(statement: Statement) -> MaximumPrefix:
    minutes = statement.value("minutes")
    return MaximumPrefix(
        int(statement.value("maximum")),
        int(statement.value("threshold") or 75),
        statement.value("action") == "warning-only",
        int(minutes) if minutes else None,
    )


def _is_family(statement: Statement) -> bool:
    return statement.rule.is_family


def _number(settings: Settings, command: str, name: str) -> int | None:
    statement = settings.get(command)
    if statement is None:
        return None
    text = statement.value(name)
    return grammar.asn(text) if name == "asn" else int(text)


def _update_source(statement: Statement | None) -> Address | str | None:
    if statement is None:
        return None
    return address(statement.value("source")) or statement.value("interface")


def _max_paths(inside: Sequence[Statement], kind: str) -> int:
    for s in inside:
        if s.command == "max-paths" and s.value("type") == kind and len(s.scope) == 1:
            return int(s.value("paths"))
    return 1


def _graceful_restart(statement: Statement | None) -> GracefulRestart | None:
    if statement is None:
        return None
    return GracefulRestart(
        int(statement.value("restart_time") or 120), int(statement.value("stalepath_time") or 360)
    )


def _ip4(statement: Statement | None, name: str) -> IPv4Address | None:
    if statement is None:
        return None
    text = statement.value(name)
    return IPv4Address(int(text) if text.isdigit() else text)


def _aggregate(statement: Statement) -> Aggregate:
    options = {statement.value("first"), statement.value("second")}
    return Aggregate(
        family_of(statement),
        network(statement),
        "summary-only" in options,
        "as-set" in options,
        statement.mark,
    )
