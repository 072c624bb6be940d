"""The commands of `router bgp` and its address families."""

from __future__ import annotations

from labgen.bigip.rules import (
    F5_ROUTE_DOMAIN,
    FRR_BGP,
    Context,
    Place,
    Rule,
    Severity,
    Verdict,
)

_ROUTER = (Context.ROUTER_BGP,)
_EITHER = (Context.ROUTER_BGP, Context.ADDRESS_FAMILY)
# ZebOS takes some process-wide BGP switches before `router bgp` as well
_PROCESS = (Context.GLOBAL, Context.ROUTER_BGP)


def _dropped(
    pattern: str,
    reason: str,
    *,
    contexts: tuple[Context, ...] = _ROUTER,
    severity: Severity = Severity.WARNING,
    reference: str = FRR_BGP,
) -> Rule:
    return Rule(
        contexts,
        pattern,
        Verdict.UNSUPPORTED,
        (),
        severity=severity,
        reason=reason,
        reference=reference,
        place=Place.NOWHERE,
    )


_INSTANCE = (
    Rule(_ROUTER, "bgp router-id {router_id:ip4}"),
    Rule(_ROUTER, "bgp cluster-id {cluster_id:ip4}"),
    Rule(_ROUTER, "bgp cluster-id {cluster_id:1-4294967295}"),
    Rule(_ROUTER, "bgp log-neighbor-changes"),
    Rule(_ROUTER, "bgp always-compare-med"),
    Rule(_ROUTER, "bgp deterministic-med", states_negation=True),
    Rule(_ROUTER, "bgp bestpath as-path ignore"),
    Rule(
        _ROUTER,
        "bgp bestpath compare-confed-aspath",
        Verdict.RENAMED,
        ("bgp bestpath as-path confed",),
        reason="FRR's name for the same rule",
        reference=FRR_BGP,
    ),
    Rule(_ROUTER, "bgp bestpath compare-routerid"),
    Rule(_ROUTER, "bgp bestpath med <med:confed|missing-as-worst>"),
    _dropped(
        "bgp bestpath med <med:remove-recv-med|remove-send-med>",
        "FRR cannot strip MED globally; use a route-map with `set metric`",
        severity=Severity.ERROR,
    ),
    _dropped("bgp bestpath tie-break-on-age", "FRR already prefers the older eBGP path"),
    _dropped("bgp bestpath dont-compare-originator-id", "FRR always compares ORIGINATOR_ID"),
    Rule(_ROUTER, "bgp client-to-client reflection", states_negation=True),
    Rule(_ROUTER, "bgp confederation identifier {asn:asn}"),
    Rule(_ROUTER, "bgp confederation peers <peers:asns>"),
    Rule(_ROUTER, "bgp dampening [{parameters:line}]"),
    Rule(_ROUTER, "bgp default ipv4-unicast", states_negation=True),
    Rule(_ROUTER, "bgp default local-preference {preference:0-4294967295}"),
    Rule(_ROUTER, "bgp fast-external-failover", states_negation=True),
    Rule(
        _ROUTER,
        "bgp graceful-restart [restart-time {restart_time:1-3600}] "
        "[stalepath-time {stalepath_time:1-3600}]",
        Verdict.RENAMED,
        (
            "bgp graceful-restart",
            "[bgp graceful-restart restart-time {restart_time}]",
            "[bgp graceful-restart stalepath-time {stalepath_time}]",
        ),
        reason="FRR sets the times apart from the switch; without the switch it only helps others",
        reference="RFC 4724; " + FRR_BGP,
    ),
    _dropped(
        "bgp graceful-restart graceful-reset",
        "FRR has no restart on configuration change; sessions reset as usual",
    ),
    _dropped(
        "bgp extended-asn-cap",
        "FRR always announces 4-octet AS numbers (capability 65, RFC 6793)",
        contexts=_PROCESS,
    ),
    _dropped(
        "bgp scan-time {seconds:0-60}",
        "FRR tracks next hops by event, not by scan",
        contexts=_PROCESS,
    ),
    _dropped(
        "bgp rfc1771-strict", "FRR follows RFC 4271 (origin of aggregates)", contexts=_PROCESS
    ),
    _dropped("bgp rfc1771-path-select", "FRR follows RFC 4271 section 9.1", contexts=_PROCESS),
    _dropped(
        "bgp config-type <type:standard|zebos>",
        "a matter of presentation on the BIG-IP only",
        contexts=_PROCESS,
    ),
    _dropped(
        "bgp nexthop-trigger enable", "FRR tracks next hops by event already", contexts=_PROCESS
    ),
    _dropped(
        "bgp nexthop-trigger delay {seconds:1-100}",
        "FRR reacts to next hops at once",
        contexts=_PROCESS,
    ),
    _dropped(
        "bgp nexthop-trigger-count {count:0-127}",
        "FRR reacts to next hops at once",
        contexts=_PROCESS,
    ),
    _dropped(
        "bgp multiple-instance [{mode:line}]",
        "one BGP instance in each stand-in, as in each route domain",
        contexts=_PROCESS,
        reference=F5_ROUTE_DOMAIN,
    ),
    _dropped(
        "bgp aggregate-nexthop-check", "FRR aggregates paths of any next hop", contexts=_PROCESS
    ),
    _dropped(
        "bgp update-delay {seconds:1-3600}",
        "FRR sends the initial routes at once",
        contexts=_PROCESS,
    ),
    Rule(
        _ROUTER,
        "bgp enforce-first-as",
        Verdict.RENAMED,
        ("neighbor {peer} enforce-first-as",),
        reason="FRR 8.4 sets it for each neighbor",
        reference="RFC 4271 section 6.3; " + FRR_BGP,
    ),
    Rule(_ROUTER, "timers bgp {keepalive:0-65535} {hold:0-65535}"),
    Rule(
        _ROUTER,
        "network synchronization",
        Verdict.RENAMED,
        ("bgp network import-check",),
        reason="FRR's name for the same check",
        reference=FRR_BGP,
    ),
    _dropped(
        "synchronization",
        "FRR never waits for an IGP before it uses iBGP routes",
        contexts=_EITHER,
        severity=Severity.ERROR,
    ),
    _dropped(
        "auto-summary",
        "FRR does not summarize to classful networks",
        contexts=_EITHER,
        severity=Severity.ERROR,
    ),
    Rule(
        _ROUTER,
        "address-family <afi:ipv4|ipv6> [<safi:unicast|multicast>]",
        opens=Context.ADDRESS_FAMILY,
    ),
    Rule(
        _ROUTER,
        "address-family <afi:ipv4|ipv6> vrf <vrf:word>",
        Verdict.UNSUPPORTED,
        (),
        severity=Severity.ERROR,
        opens=Context.ADDRESS_FAMILY,
        place=Place.NOWHERE,
        reason="a VRF is a route domain of its own: give it a stand-in of its own",
        reference=F5_ROUTE_DOMAIN,
    ),
    Rule(
        _ROUTER,
        "address-family <afi:vpnv4|vpnv6> [<safi:unicast>]",
        Verdict.UNSUPPORTED,
        (),
        severity=Severity.ERROR,
        opens=Context.ADDRESS_FAMILY,
        place=Place.NOWHERE,
        reason="the stand-in has no MPLS data plane",
        reference=FRR_BGP,
    ),
)

_ROUTES = (
    Rule(_EITHER, "distance bgp {external:distance} {internal:distance} {local:distance}"),
    Rule(_EITHER, "distance {distance:distance} <prefix:prefix> [{access_list:word}]"),
    Rule(_EITHER, "network <prefix:network4> mask <mask:mask> [route-map {route_map:word}]"),
    Rule(_EITHER, "network <prefix:network4> [route-map {route_map:word}]"),
    Rule(_EITHER, "network <prefix:prefix6> [route-map {route_map:word}]"),
    Rule(_EITHER, "network <prefix:network4> backdoor"),
    Rule(
        _EITHER,
        "aggregate-address <prefix:prefix> [{first:summary-only|as-set}] "
        "[{second:summary-only|as-set}]",
    ),
    Rule(
        _EITHER,
        "redistribute <source:kernel|connected|static> [metric {metric:0-4294967295}] "
        "[route-map {route_map:word}]",
    ),
    _dropped(
        "redistribute <source:isis|ospf|rip|ospf6|ripng> [route-map {route_map:word}]",
        "the stand-in runs BGP only, so this source never has routes",
        contexts=_EITHER,
    ),
    Rule(
        _EITHER,
        "max-paths <type:ebgp> {paths:1-64}",
        Verdict.RENAMED,
        ("maximum-paths {paths}",),
        reason="FRR's name for the same limit",
        reference=FRR_BGP,
    ),
    Rule(
        _EITHER,
        "max-paths <type:ibgp> {paths:1-64}",
        Verdict.RENAMED,
        ("maximum-paths ibgp {paths}",),
        reason="FRR's name for the same limit",
        reference=FRR_BGP,
    ),
)

BGP_RULES: tuple[Rule, ...] = (*_INSTANCE, *_ROUTES)
