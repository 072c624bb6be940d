"""Every kind of ZebOS statement with what it must become: shared by unit and lab tests.

`BEFORE` opens a configuration in which each statement makes sense.
"""

from __future__ import annotations

from typing import NamedTuple

ROUTER = """\
router bgp 64512
 neighbor G peer-group
 neighbor G remote-as 64512
 neighbor 10.0.0.1 remote-as 64513
 neighbor 10.0.0.2 peer-group G
 neighbor fd00::1 remote-as 64513
"""
FAMILY = ROUTER + " address-family ipv4\n"
FAMILY_V6 = ROUTER + " address-family ipv6\n"
ROUTE_MAP = "route-map R permit 10\n"
INTERFACE = "interface internal\n"


class Case(NamedTuple):
    before: str
    zebos: str
    verdict: str
    frr: tuple[str, ...] = ()


def same(before: str, *statements: str) -> list[Case]:
    return [Case(before, s, "same", (s,)) for s in statements]


def renamed(before: str, **pairs: str) -> list[Case]:
    return [Case(before, zebos, "renamed", (frr,)) for zebos, frr in pairs.items()]


def unsupported(before: str, *statements: str) -> list[Case]:
    return [Case(before, s, "unsupported") for s in statements]


def idle(before: str, *statements: str) -> list[Case]:
    """Statements of a default: accepted, and nothing for FRR to do."""
    return [Case(before, s, "same") for s in statements]


CASES: list[Case] = [
    *same(
        "",
        "router bgp 64512",
        "router bgp 4200000001",
        "no service password-encryption",
        "service password-encryption",
        "log syslog",
        "hostname bigip-1",
        "interface lo",
        "ip prefix-list P seq 5 permit 10.0.0.0/8 ge 16 le 24",
        "ip prefix-list P permit any",
        "ip prefix-list P description what it is for",
        "ip prefix-list /Common/P seq 10 deny 10.0.0.0/8",
        "ipv6 prefix-list P6 seq 5 permit fd00::/8 le 128",
        "access-list 10 permit 10.0.0.0/8",
        "access-list A deny any",
        "access-list A remark what it is for",
        "route-map R deny 10",
        "ip route 10.9.0.0/16 10.0.0.254",
        "ip route 10.9.0.0/16 10.0.0.254 200",
        "ip route 10.9.0.0 255.255.0.0 10.0.0.254",
        "ipv6 route fd00:9::/64 fd00::fe",
    ),
    *renamed(
        "",
        **{
            "ip route 10.9.0.0/16 null0": "ip route 10.9.0.0/16 Null0",
            "ip route 10.9.0.0/16 null0 201": "ip route 10.9.0.0/16 Null0 201",
            "ip route 10.9.0.0 255.255.0.0 null 9": "ip route 10.9.0.0 255.255.0.0 Null0 9",
            "ip as-path access-list own permit ^$": "bgp as-path access-list own permit ^$",
            "ip community-list standard blue permit 65000:10": (
                "bgp community-list standard blue permit 65000:10"
            ),
            "ip community-list expanded red deny 65000:.*": (
                "bgp community-list expanded red deny 65000:.*"
            ),
            "ip community-list 5 permit 65000:10": "bgp community-list 5 permit 65000:10",
            "ip extcommunity-list standard e permit rt 64512:1": (
                "bgp extcommunity-list standard e permit rt 64512:1"
            ),
        },
    ),
    *unsupported(
        "",
        "bgp extended-asn-cap",
        "bgp config-type standard",
        "bgp rfc1771-strict",
        "bgp nexthop-trigger enable",
        "bfd slow-timer 2000",
        "bfd gtsm enable",
        "bfd multihop-peer 10.0.0.9 interval 250 minrx 250 multiplier 3",
        "line con 0",
        "line vty 0 39",
        "log file /var/log/zebos",
        "banner motd keep out",
        "debug bgp events",
        "username admin password not-a-real-secret",
        "router ospf 1",
    ),
    *unsupported("line con 0\n", "login"),
    *unsupported("router ospf 1\n", "network 10.0.0.0/8 area 0", "passive-interface internal"),
    *unsupported(INTERFACE, "bfd interval 250 minrx 250 multiplier 3", "ip ospf cost 10"),
    *same(INTERFACE, "description to the cluster", "shutdown", "no shutdown"),
    *same(
        ROUTER,
        "bgp router-id 10.0.0.5",
        "bgp cluster-id 10.0.0.5",
        "bgp log-neighbor-changes",
        "bgp always-compare-med",
        "bgp deterministic-med",
        "bgp bestpath as-path ignore",
        "bgp bestpath compare-routerid",
        "bgp bestpath med missing-as-worst",
        "no bgp client-to-client reflection",
        "bgp confederation identifier 65000",
        "bgp confederation peers 65001 65002",
        "bgp default local-preference 200",
        "no bgp default ipv4-unicast",
        "no bgp fast-external-failover",
        "timers bgp 10 35",
        "distance bgp 20 200 200",
        "network 10.7.0.0/16",
        "network 10.7.0.0 mask 255.255.0.0",
        "network 10.0.0.0",
        "aggregate-address 10.100.0.0/16 summary-only",
        "aggregate-address 10.100.0.0/16 as-set",
        "aggregate-address 10.100.0.0/16",
        "redistribute kernel",
        "redistribute connected",
        "redistribute static",
        "address-family ipv4 unicast",
        "address-family ipv6 unicast",
    ),
    *renamed(
        ROUTER,
        **{
            "max-paths ebgp 8": "maximum-paths 8",
            "max-paths ibgp 4": "maximum-paths ibgp 4",
            "network synchronization": "bgp network import-check",
            "bgp bestpath compare-confed-aspath": "bgp bestpath as-path confed",
        },
    ),
    Case(ROUTER, "bgp graceful-restart", "renamed", ("bgp graceful-restart",)),
    Case(
        ROUTER,
        "bgp graceful-restart restart-time 100",
        "renamed",
        ("bgp graceful-restart", "bgp graceful-restart restart-time 100"),
    ),
    Case(
        ROUTER,
        "bgp graceful-restart stalepath-time 60",
        "renamed",
        ("bgp graceful-restart", "bgp graceful-restart stalepath-time 60"),
    ),
    Case(
        ROUTER,
        "bgp enforce-first-as",
        "renamed",
        tuple(f"neighbor {peer} enforce-first-as" for peer in ("G", "10.0.0.1", "fd00::1")),
    ),
    *unsupported(
        ROUTER,
        "bgp graceful-restart graceful-reset",
        "bgp scan-time 60",
        "bgp bestpath tie-break-on-age",
        "redistribute isis",
        "redistribute ospf",
        "synchronization",
        "auto-summary",
        "address-family ipv4 vrf red",
    ),
    *idle(
        ROUTER,
        "no synchronization",
        "no auto-summary",
        "no network synchronization",
        "neighbor G capability route-refresh",
        "no neighbor 10.0.0.1 shutdown",
    ),
    *same(
        ROUTER,
        "neighbor N peer-group",
        "neighbor 10.0.0.3 peer-group G",
        "neighbor 10.0.0.3 remote-as 4200000001",
        "neighbor 10.0.0.1 description the first one",
        "neighbor 10.0.0.1 timers 10 30",
        "neighbor 10.0.0.1 timers connect 5",
        "neighbor 10.0.0.1 advertisement-interval 1",
        "neighbor 10.0.0.1 ebgp-multihop",
        "neighbor 10.0.0.1 ebgp-multihop 2",
        "neighbor 10.0.0.1 update-source 10.0.0.5",
        "neighbor 10.0.0.1 update-source internal",
        "neighbor 10.0.0.1 ttl-security hops 1",
        "neighbor 10.0.0.1 port 1790",
        "neighbor 10.0.0.1 passive",
        "neighbor 10.0.0.1 shutdown",
        "neighbor 10.0.0.1 local-as 64999",
        "neighbor 10.0.0.1 dont-capability-negotiate",
        "neighbor 10.0.0.1 override-capability",
        "neighbor 10.0.0.1 strict-capability-match",
        "neighbor 10.0.0.1 capability dynamic",
        "no neighbor 10.0.0.1 activate",
        "neighbor 10.0.0.1 next-hop-self",
        "neighbor 10.0.0.2 route-reflector-client",
        "neighbor 10.0.0.1 route-server-client",
        "neighbor 10.0.0.1 maximum-prefix 10",
        "neighbor 10.0.0.1 maximum-prefix 10 80 warning-only",
        "neighbor 10.0.0.1 maximum-prefix 10 restart 5",
        "neighbor 10.0.0.1 soft-reconfiguration inbound",
        "neighbor 10.0.0.1 weight 100",
        "neighbor 10.0.0.1 allowas-in",
        "neighbor 10.0.0.1 allowas-in 2",
        "neighbor 10.0.0.1 as-override",
        "neighbor 10.0.0.1 remove-private-AS",
        "neighbor 10.0.0.1 default-originate",
        "neighbor 10.0.0.1 attribute-unchanged as-path next-hop med",
        "neighbor 10.0.0.1 capability orf prefix-list both",
        "neighbor 10.0.0.1 send-community",
        "neighbor 10.0.0.1 send-community both",
        "no neighbor 10.0.0.1 send-community both",
        "neighbor 10.0.0.1 prefix-list P in",
        "neighbor 10.0.0.1 distribute-list A out",
        "neighbor 10.0.0.1 filter-list own out",
    ),
    Case(
        ROUTER,
        "neighbor 10.0.0.1 password not-a-real-secret",
        "same",
        ("neighbor 10.0.0.1 password ********",),
    ),
    *renamed(
        ROUTER,
        **{
            "neighbor G connection-retry-time 10": "neighbor G timers connect 10",
            "neighbor 10.0.0.1 enforce-multihop": "neighbor 10.0.0.1 disable-connected-check",
            "neighbor G fall-over bfd": "neighbor G bfd",
            "neighbor G fall-over bfd multihop": "neighbor G bfd",
            "neighbor G capability graceful-restart": "neighbor G graceful-restart",
            "no neighbor G capability graceful-restart": "neighbor G graceful-restart-disable",
            "neighbor 10.0.0.1 transparent-as": "neighbor 10.0.0.1 attribute-unchanged as-path",
            "neighbor 10.0.0.1 transparent-nexthop": (
                "neighbor 10.0.0.1 attribute-unchanged next-hop"
            ),
        },
    ),
    *unsupported(
        ROUTER,
        "neighbor 10.0.0.1 version 4",
        "neighbor 10.0.0.1 collide-established",
        "neighbor 10.0.0.1 disallow-infinite-holdtime",
        "neighbor 10.0.0.1 as-origination-interval 15",
        "neighbor 10.0.0.1 restart-time 90",
        "no neighbor G capability route-refresh",
    ),
    *same(FAMILY, "neighbor 10.0.0.1 activate", "network 10.7.0.0/16", "redistribute kernel"),
    *same(
        FAMILY_V6,
        "neighbor fd00::1 activate",
        "neighbor fd00::1 next-hop-self",
        "neighbor fd00::1 prefix-list P6 in",
        "network fd00:7::/64",
        "aggregate-address fd00:8::/48 summary-only",
        "redistribute static",
    ),
    Case(FAMILY_V6, "max-paths ebgp 2", "renamed", ("maximum-paths 2",)),
    Case(
        FAMILY_V6,
        "no neighbor fd00::1 capability graceful-restart",
        "renamed",
        ("neighbor fd00::1 graceful-restart-disable",),
    ),
    *same(
        ROUTE_MAP,
        "match as-path own",
        "match community blue",
        "match community blue exact-match",
        "match interface internal",
        "match ip address A",
        "match ip address prefix-list P",
        "match ip next-hop prefix-list P",
        "match ipv6 address prefix-list P6",
        "match metric 50",
        "match origin igp",
        "match tag 7",
        "match local-preference 100",
        "set aggregator as 64512 10.0.0.5",
        "set as-path prepend 64512 64512",
        "set atomic-aggregate",
        "set comm-list blue delete",
        "set community 64512:1 64512:2 additive",
        "set community none",
        "set extcommunity rt 64512:1",
        "set ip next-hop 10.0.0.7",
        "set ip next-hop peer-address",
        "set local-preference 200",
        "set metric 50",
        "set metric +5",
        "set origin incomplete",
        "set originator-id 10.0.0.5",
        "set tag 7",
        "set weight 100",
        "set ipv6 next-hop local fe80::1",
        "description what it is for",
        "on-match next",
        "continue 20",
    ),
    *renamed(
        ROUTE_MAP,
        **{
            "set ip next-hop 10.0.0.7 primary": "set ip next-hop 10.0.0.7",
            "set ipv6 next-hop fd00::7": "set ipv6 next-hop global fd00::7",
        },
    ),
    *unsupported(
        ROUTE_MAP,
        "set ip next-hop 10.0.0.7 secondary",
        "match route-type external type-1",
        "set metric-type type-1",
    ),
]
