"""The commands of routing policy: lists, route maps, static routes."""

from __future__ import annotations

from labgen.bigip.rules import (
    FRR_BGP,
    FRR_ROUTE_MAP,
    FRR_STATIC,
    Context,
    Place,
    Rule,
    Severity,
    Verdict,
)

_GLOBAL = (Context.GLOBAL,)
_ROUTE_MAP = (Context.ROUTE_MAP,)


def _list(pattern: str) -> Rule:
    return Rule(_GLOBAL, pattern, repeats=True)


def _renamed_list(pattern: str, frr: str) -> Rule:
    return Rule(
        _GLOBAL,
        pattern,
        Verdict.RENAMED,
        (frr,),
        repeats=True,
        reason="FRR files BGP's own lists under `bgp`",
        reference=FRR_BGP,
    )


_LISTS = (
    *(
        rule
        for ip, prefix in (("ip", "prefix4"), ("ipv6", "prefix6"))
        for rule in (
            _list(
                f"{ip} prefix-list <name:word> [seq <seq:1-4294967295>] {{action:permit|deny}} "
                f"{{prefix:{prefix}}} [ge {{ge:0-128}}] [le {{le:0-128}}]"
            ),
            _list(
                f"{ip} prefix-list <name:word> [seq <seq:1-4294967295>] {{action:permit|deny}} "
                "{any:any}"
            ),
            Rule(_GLOBAL, f"{ip} prefix-list <name:word> description {{text:line}}"),
            Rule(
                _GLOBAL,
                f"{ip} prefix-list sequence-number",
                states_negation=True,
                frr=(),
                frr_negated=(),
                place=Place.NOWHERE,
                reason="presentation only: FRR always shows sequence numbers",
            ),
        )
    ),
    _list("access-list <name:word> {action:permit|deny} {any:any}"),
    _list("access-list <name:word> {action:permit|deny} {prefix:prefix4} [{exact:exact-match}]"),
    _list("access-list <name:word> {action:permit|deny} host {host:ip4}"),
    _list("access-list <name:word> {action:permit|deny} {host:ip4} [{wildcard:mask}]"),
    _list("access-list <name:word> {action:permit|deny} ip {match:line}"),
    Rule(_GLOBAL, "access-list <name:word> remark {text:line}"),
    _list("ipv6 access-list <name:word> {action:permit|deny} {any:any}"),
    _list(
        "ipv6 access-list <name:word> {action:permit|deny} {prefix:prefix6} [{exact:exact-match}]"
    ),
    _renamed_list(
        "ip as-path access-list <name:word> {action:permit|deny} {expression:line}",
        "bgp as-path access-list {name} {action} {expression}",
    ),
    _renamed_list(
        "ip community-list [<kind:standard|expanded>] <name:word> {action:permit|deny} "
        "{communities:line}",
        "bgp community-list [{kind}] {name} {action} {communities}",
    ),
    _renamed_list(
        "ip extcommunity-list [<kind:standard|expanded>] <name:word> {action:permit|deny} "
        "{communities:line}",
        "bgp extcommunity-list [{kind}] {name} {action} {communities}",
    ),
)

_MATCHES = (
    "as-path {name:word}",
    "community {name:word} [{exact:exact-match}]",
    "extcommunity {name:word}",
    "interface {interface:interface}",
    "ip address {name:word}",
    "ip address prefix-list {name:word}",
    "ip next-hop {name:word}",
    "ip next-hop prefix-list {name:word}",
    "ip route-source {name:word}",
    "ipv6 address {name:word}",
    "ipv6 address prefix-list {name:word}",
    "ipv6 next-hop {address:ip6}",
    "metric {metric:0-4294967295}",
    "origin {origin:igp|egp|incomplete}",
    "local-preference {preference:0-4294967295}",
    "tag {tag:1-4294967295}",
)
_SETS = (
    "aggregator as {asn:asn} {address:ip4}",
    "as-path prepend {asns:asns}",
    "atomic-aggregate",
    "comm-list {name:word} delete",
    "community {communities:communities}",
    "extcommunity rt {targets:line}",
    "extcommunity soo {origin:line}",
    "ip next-hop {address:ip4}",
    "ip next-hop {peer:peer-address}",
    "local-preference {preference:0-4294967295}",
    "metric {metric:metric-change}",
    "metric {metric:0-4294967295}",
    "origin {origin:igp|egp|incomplete}",
    "originator-id {address:ip4}",
    "tag {tag:1-4294967295}",
    "weight {weight:0-4294967295}",
)


def _unsupported(pattern: str, reason: str) -> Rule:
    return Rule(
        _ROUTE_MAP,
        pattern,
        Verdict.UNSUPPORTED,
        (),
        severity=Severity.ERROR,
        reason=reason,
        reference=FRR_ROUTE_MAP,
        place=Place.NOWHERE,
    )


_ROUTE_MAPS = (
    Rule(
        _GLOBAL,
        "route-map <name:word> <action:permit|deny> <seq:1-65535>",
        opens=Context.ROUTE_MAP,
    ),
    Rule(_GLOBAL, "route-map <name:word>", only_negated=True),
    *(Rule(_ROUTE_MAP, f"match {rest}") for rest in _MATCHES),
    *(Rule(_ROUTE_MAP, f"set {rest}") for rest in _SETS),
    Rule(_ROUTE_MAP, "description {text:line}"),
    Rule(_ROUTE_MAP, "continue [{seq:1-65535}]"),
    Rule(_ROUTE_MAP, "call {name:word}"),
    Rule(_ROUTE_MAP, "on-match next"),
    Rule(_ROUTE_MAP, "on-match goto {seq:1-65535}"),
    Rule(
        _ROUTE_MAP,
        "set ip next-hop {address:ip4} {rank:primary}",
        Verdict.RENAMED,
        ("set ip next-hop {address}",),
        reason="FRR has one next hop, which is the primary",
        reference=FRR_ROUTE_MAP,
    ),
    Rule(
        _ROUTE_MAP,
        "set ipv6 next-hop {address:ip6}",
        Verdict.RENAMED,
        ("set ipv6 next-hop global {address}",),
        reason="FRR tells global from link-local next hops",
        reference="RFC 2545 section 3; " + FRR_ROUTE_MAP,
    ),
    Rule(_ROUTE_MAP, "set ipv6 next-hop local {address:ip6}"),
    _unsupported(
        "set ip next-hop {address:ip4} {rank:secondary}", "FRR has one next hop in a route map"
    ),
    _unsupported("match route-type {type:line}", "a matter of OSPF, which the stand-in lacks"),
    _unsupported("set metric-type {type:word}", "a matter of OSPF, which the stand-in lacks"),
    _unsupported("set level {level:word}", "a matter of IS-IS, which the stand-in lacks"),
    _unsupported("set dampening {parameters:line}", "FRR dampens for the instance, not per route"),
    _unsupported("set vpnv4 next-hop {address:ip4}", "the stand-in has no MPLS data plane"),
)


def _static(pattern: str, frr: str | None = None) -> Rule:
    if frr is None:
        return Rule(_GLOBAL, pattern)
    return Rule(
        _GLOBAL,
        pattern,
        Verdict.RENAMED,
        (frr,),
        reason="FRR's name for the discard route",
        reference=FRR_STATIC,
    )


_STATIC_ROUTES = (
    *(
        rule
        for destination, again in (
            ("ip route <prefix:prefix4>", "ip route {prefix}"),
            ("ip route <prefix:ip4> <mask:mask>", "ip route {prefix} {mask}"),
            ("ipv6 route <prefix:prefix6>", "ipv6 route {prefix}"),
        )
        for rule in (
            _static(
                f"{destination} <gateway:ip{'6' if 'v6' in again else '4'}> [{{distance:distance}}]"
            ),
            _static(
                f"{destination} <sink:null0|null> [{{distance:distance}}]",
                f"{again} Null0 [{{distance}}]",
            ),
            _static(f"{destination} <interface:interface> [{{distance:distance}}]"),
        )
    ),
)

POLICY_RULES: tuple[Rule, ...] = (*_LISTS, *_ROUTE_MAPS, *_STATIC_ROUTES)
