"""The commands `neighbor …`: sessions, and the address families in them."""

from __future__ import annotations

from labgen.bigip.rules import (
    FRR_BFD,
    FRR_BGP,
    Context,
    Place,
    Rule,
    Severity,
    Verdict,
)

_EITHER = (Context.ROUTER_BGP, Context.ADDRESS_FAMILY)


def _dropped(pattern: str, reason: str, *, severity: Severity = Severity.WARNING) -> Rule:
    return Rule(
        _EITHER,
        pattern,
        Verdict.UNSUPPORTED,
        (),
        severity=severity,
        reason=reason,
        reference=FRR_BGP,
        place=Place.NOWHERE,
    )


_SESSIONS = tuple(
    Rule(_EITHER, f"neighbor <peer:peer> {rest}", place=Place.ROUTER)
    for rest in (
        "remote-as {asn:asn}",
        "peer-group [{group:group}]",
        "description {text:line}",
        "password {password:secret}",
        "timers {keepalive:0-65535} {hold:0-65535}",
        "timers connect {seconds:1-65535}",
        "advertisement-interval {seconds:0-600}",
        "ebgp-multihop [{hops:1-255}]",
        "update-source {source:ip}",
        "update-source {interface:interface}",
        "ttl-security hops {hops:1-254}",
        "port {port:1-65535}",
        "passive",
        "shutdown",
        "local-as {asn:asn}",
        "dont-capability-negotiate",
        "override-capability",
        "strict-capability-match",
        "capability dynamic",
    )
)

_SESSIONS_RENAMED = (
    Rule(_EITHER, "neighbor <peer:peer>", only_negated=True, place=Place.ROUTER),
    Rule(
        _EITHER,
        "neighbor <peer:peer> connection-retry-time {seconds:1-65535}",
        Verdict.RENAMED,
        ("neighbor {peer} timers connect {seconds}",),
        place=Place.ROUTER,
        reason="FRR's name for the ConnectRetryTimer",
        reference="RFC 4271 section 8.1.3; " + FRR_BGP,
    ),
    Rule(
        _EITHER,
        "neighbor <peer:peer> enforce-multihop",
        Verdict.RENAMED,
        ("neighbor {peer} disable-connected-check",),
        place=Place.ROUTER,
        reason="FRR's name for the same switch",
        reference=FRR_BGP,
    ),
    Rule(
        _EITHER,
        "neighbor <peer:peer> fall-over bfd [{multihop:multihop}]",
        Verdict.RENAMED,
        ("neighbor {peer} bfd",),
        place=Place.ROUTER,
        reason="FRR chooses single-hop or multihop BFD from the session itself",
        reference="RFC 5881, RFC 5883; " + FRR_BFD,
    ),
    Rule(
        _EITHER,
        "neighbor <peer:peer> capability graceful-restart",
        Verdict.RENAMED,
        ("neighbor {peer} graceful-restart",),
        ("neighbor {peer} graceful-restart-disable",),
        states_negation=True,
        place=Place.ROUTER,
        reason="FRR sets graceful restart for the session, not for an address family",
        reference="RFC 4724; " + FRR_BGP,
    ),
    Rule(
        _EITHER,
        "neighbor <peer:peer> capability route-refresh",
        Verdict.SAME,
        (),
        (),
        states_negation=True,
        negated_verdict=Verdict.UNSUPPORTED,
        negated_reason="FRR always announces route refresh",
        severity=Severity.WARNING,
        place=Place.NOWHERE,
        reason="on by default in FRR as well",
        reference="RFC 2918; " + FRR_BGP,
    ),
    Rule(
        _EITHER,
        "neighbor <peer:peer> transparent-as",
        Verdict.RENAMED,
        ("neighbor {peer} attribute-unchanged as-path",),
        reason="FRR's name for not prepending the own AS",
        reference=FRR_BGP,
    ),
    Rule(
        _EITHER,
        "neighbor <peer:peer> transparent-nexthop",
        Verdict.RENAMED,
        ("neighbor {peer} attribute-unchanged next-hop",),
        reason="FRR's name for leaving NEXT_HOP alone",
        reference=FRR_BGP,
    ),
    _dropped(
        "neighbor <peer:peer> password {encoding:1|7} {encrypted:secret}",
        "the password is encrypted by this BIG-IP's key: write it in clear",
        severity=Severity.ERROR,
    ),
    _dropped("neighbor <peer:peer> version {version:4}", "FRR speaks version 4 only"),
    _dropped(
        "neighbor <peer:peer> collide-established",
        "FRR resolves collisions as RFC 4271 section 6.8 says",
    ),
    _dropped(
        "neighbor <peer:peer> disallow-infinite-holdtime",
        "FRR accepts a hold time of 0 (RFC 4271 section 4.2)",
    ),
    _dropped(
        "neighbor <peer:peer> as-origination-interval {seconds:1-600}",
        "FRR paces own routes by the advertisement interval alone",
    ),
    _dropped(
        "neighbor <peer:peer> restart-time {seconds:1-3600}",
        "FRR has one restart time for the instance",
    ),
    _dropped(
        "neighbor <peer:peer> interface {interface:interface}",
        "FRR finds the interface of a link-local peer by itself",
    ),
)

_FAMILY = (
    *(
        Rule(_EITHER, f"neighbor <peer:peer> {rest}")
        for rest in (
            "next-hop-self",
            "route-reflector-client",
            "route-server-client",
            (
                "maximum-prefix {maximum:1-4294967295} [{threshold:1-100}] "
                "[{action:warning-only}] [restart {minutes:1-65535}]"
            ),
            "soft-reconfiguration inbound",
            "weight {weight:0-65535}",
            "allowas-in [{occurrences:1-10}]",
            "as-override",
            "remove-private-AS",
            "default-originate [route-map {route_map:word}]",
            "unsuppress-map {route_map:word}",
            "attribute-unchanged [{attributes:line}]",
            "capability orf prefix-list {mode:both|send|receive}",
            "prefix-list {name:word} <direction:in|out>",
            "distribute-list {name:word} <direction:in|out>",
            "filter-list {name:word} <direction:in|out>",
            "route-map {name:word} <direction:in|out>",
        )
    ),
    Rule(_EITHER, "neighbor <peer:peer> activate", states_negation=True),
    Rule(
        _EITHER,
        "neighbor <peer:peer> send-community [{mode:both|standard|extended}]",
        states_negation=True,
    ),
)

NEIGHBOR_RULES: tuple[Rule, ...] = (*_SESSIONS, *_SESSIONS_RENAMED, *_FAMILY)
