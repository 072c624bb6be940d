"""Calico's rules one by one, as a table: what stands, or does not stand, in which of the six files.

The rows are variants that other tests leave out, above all the IPv6 twins and the combinations of
scope (global, node, mesh) with each option. Texts are folded: comments gone, blanks single.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from calico_given import NO_MESH, THREE, config, default, node, one, peer, protocol, text

SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: s, namespace: kube-system}
stringData: {k: w}
"""
PASSWORD = "password: {secretKeyRef: {name: s, key: k}}"
RR = node("n1", "10.0.0.1/24", "fd00::1/64", "routeReflectorClusterID: 244.0.0.1")
RR2 = node("r2", "10.0.0.8/24", "fd00::8/64", "routeReflectorClusterID: 244.0.0.1", "{rr: 'true'}")
RR3 = node("r3", "10.0.0.9/24", "fd00::9/64", "routeReflectorClusterID: 244.0.0.2", "{rr: 'true'}")
PLAIN = node("n2", "10.0.0.2/24", "fd00::2/64", labels="{rr: 'false'}")
CLIENT = "rr client; rr cluster id 244.0.0.1;"
FILTERS = (
    one("BGPFilter", "a", "{importV4: [{action: Accept}], exportV6: [{action: Reject}]}")
    + "---\n"
    + one("BGPFilter", "b", "{importV4: [{action: Reject, peerType: iBGP}], importV6: []}")
)


@dataclass
class Rule:
    """In `file` (or in one protocol of it), `has` stands in this order, `lacks` nowhere."""

    given: tuple[str, ...]
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    file: str = "bird.cfg"
    at: str = "n1"
    of: str | None = None
    environment: dict[str, str] = field(default_factory=dict)


def global6(spec: str, *more: str) -> tuple[str, ...]:
    return (NO_MESH, THREE, peer("p", f"{{peerIP: 'fd09::1', {spec}}}"), *more)


RULES = {
    # --- the mesh ---
    "mesh v6: addresses are compared as text": Rule(
        (node("n1", "", "fd00::9/64"), node("n2", "", "fd00::10/64")),
        ("neighbor fd00::10 as 64512; source address fd00::9; ttl security off; multihop;",),
        ("passive on;",),
        "bird6.cfg",
        of="Mesh_fd00__10",
    ),
    "mesh v6: the greater text waits": Rule(
        (node("n1", "", "fd00::10/64"), node("n2", "", "fd00::9/64")),
        ("passive on;",),
        file="bird6.cfg",
        of="Mesh_fd00__9",
    ),
    "mesh: a node without AS has this node's, not the global one": Rule(
        (node("n1", "10.0.0.1", more="asNumber: 65001"), node("n2", "10.0.0.2")),
        ("neighbor 10.0.0.2 as 65001;", "calico_export_to_bgp_peers(true);"),
    ),
    "mesh v6: password and restart time": Rule(
        (
            THREE,
            SECRET,
            default(
                "{nodeMeshPassword: {secretKeyRef: {name: s, key: k}}, nodeMeshMaxRestartTime: 2m}"
            ),
        ),
        ('graceful restart time 120; password "w";',),
        file="bird6.cfg",
        of="Mesh_fd00__2",
    ),
    "mesh: the port is the other node's and never in the name": Rule(
        (
            THREE,
            default("{listenPort: 1790}"),
            one("BGPConfiguration", "node.n2", "{listenPort: 1791}"),
        ),
        ("Mesh_10_0_0_2 from", "port 1791", "Mesh_10_0_0_3 from", "port 1790"),
        ("_port_",),
    ),
    "mesh: filters are never called": Rule((THREE, FILTERS), (), ("'();",), of="Mesh_10_0_0_2"),
    "a node with only IPv6 has no IPv4 sessions, templates or functions": Rule(
        (node("n1", "", "fd00::1/64"), node("n2", "10.0.0.2", "fd00::2/64"), FILTERS),
        ("router id 202.87.19.112;",),
        ("template bgp", "protocol bgp", "FilterV4"),
        environment={"CALICO_ROUTER_ID": "202.87.19.112"},
    ),
    # --- explicit peers, IPv6 ---
    "global v6: TTL security": Rule(
        global6("asNumber: 65001, ttlSecurity: 255"),
        ("ttl security on; multihop 255;",),
        file="bird6.cfg",
        of="Global_fd09__1",
    ),
    "global v6: local AS, and eBGP by it": Rule(
        global6("asNumber: 64512, localASNumber: 65100"),
        ("local as 65100; neighbor fd09::1 as 64512;", "calico_export_to_bgp_peers(false);"),
        file="bird6.cfg",
        of="Global_fd09__1",
    ),
    "global v6: iBGP by the local AS": Rule(
        global6("asNumber: 65100, localASNumber: 65100"),
        ("calico_export_to_bgp_peers(true);",),
        file="bird6.cfg",
        of="Global_fd09__1",
    ),
    "global v6: source address None": Rule(
        global6("asNumber: 65001, sourceAddress: None"),
        ("neighbor fd09::1 as 65001; ttl security off;",),
        file="bird6.cfg",
        of="Global_fd09__1",
    ),
    "global v6: a port stands in the name, the neighbor and brackets": Rule(
        (NO_MESH, THREE, peer("p", "{peerIP: '[fd09:0::1]:1790', asNumber: 65001}")),
        ("neighbor fd09::1 port 1790 as 65001;",),
        file="bird6.cfg",
        of="Global_fd09__1_port_1790",
    ),
    "global v6: all the options in their order": Rule(
        global6(
            "asNumber: 64512, maxRestartTime: 1m, keepaliveTime: 20s, nextHopMode: Self,"
            f" numAllowedLocalASNumbers: 2, {PASSWORD}",
            SECRET,
        ),
        (
            "reject; }; graceful restart time 60; keepalive time 20;",
            'password "w"; next hop self; allow local as 2;',
        ),
        file="bird6.cfg",
        of="Global_fd09__1",
    ),
    "keepOriginalNextHop v6: eBGP only": Rule(
        global6("asNumber: 65001, keepOriginalNextHop: true"),
        ("next hop keep;",),
        file="bird6.cfg",
        of="Global_fd09__1",
    ),
    "keepOriginalNextHop v6: not on iBGP": Rule(
        global6("asNumber: 64512, keepOriginalNextHop: true"),
        (),
        ("next hop",),
        "bird6.cfg",
        of="Global_fd09__1",
    ),
    "keepOriginalNextHop counts with the local AS": Rule(
        global6("asNumber: 64512, localASNumber: 65100, keepOriginalNextHop: true"),
        ("next hop keep;",),
        file="bird6.cfg",
        of="Global_fd09__1",
    ),
    "nextHopMode Keep v6: on iBGP, too": Rule(
        global6("asNumber: 64512, nextHopMode: Keep"),
        ("next hop keep;",),
        file="bird6.cfg",
        of="Global_fd09__1",
    ),
    "nextHopMode Auto writes nothing": Rule(
        global6("asNumber: 65001, nextHopMode: Auto"),
        (),
        ("next hop",),
        "bird6.cfg",
        of="Global_fd09__1",
    ),
    "a global v6 peer that is a Calico node and greater: passive": Rule(
        (NO_MESH, THREE, peer("p", "{peerIP: 'fd00::3', asNumber: 64512}")),
        ("passive on;",),
        file="bird6.cfg",
        of="Global_fd00__3",
    ),
    "the same seen from it": Rule(
        (NO_MESH, THREE, peer("p", "{peerIP: 'fd00::3', asNumber: 64512}")),
        ("neighbor fd00::1 as 64512;",),
        ("passive on;", "Global_fd00__3"),
        "bird6.cfg",
        at="n3",
        of="Node_fd00__1",
    ),
    "a node's own peer that is a Calico node is never passive": Rule(
        (NO_MESH, THREE, peer("p", "{node: n1, peerIP: 'fd00::3', asNumber: 64512}")),
        (),
        ("passive on;",),
        "bird6.cfg",
        of="Node_fd00__3",
    ),
    "a selected peer is never passive, even a global one": Rule(
        (NO_MESH, THREE, peer("p", "{peerSelector: rack == 'b'}")),
        (),
        ("passive on;",),
        of="Global_10_0_0_3",
    ),
    "port 179 is the key of no port: the first name wins and keeps its form": Rule(
        (
            NO_MESH,
            THREE,
            peer("a", "{peerIP: '10.9.0.1:179', asNumber: 1}"),
            peer("b", "{peerIP: 10.9.0.1, asNumber: 2}"),
            peer("c", "{node: n1, peerIP: 10.9.0.1, asNumber: 3}"),
        ),
        ("protocol bgp Global_10_9_0_1_port_179 from", "neighbor 10.9.0.1 port 179 as 1;"),
        ("as 2;", "as 3;"),
    ),
    "another port is another peer": Rule(
        (
            NO_MESH,
            THREE,
            peer("a", "{peerIP: 10.9.0.1, asNumber: 1}"),
            peer("b", "{node: n1, peerIP: '10.9.0.1:180', asNumber: 2}"),
        ),
        ("protocol bgp Global_10_9_0_1 from", "protocol bgp Node_10_9_0_1_port_180 from"),
    ),
    "a peer at a node's address takes its port only with its AS": Rule(
        (
            THREE,
            default("{nodeToNodeMeshEnabled: false, listenPort: 1790}"),
            peer("a", "{peerIP: 10.0.0.2, asNumber: 64512}"),
            peer("b", "{peerIP: 10.0.0.3, asNumber: 65001}"),
        ),
        ("neighbor 10.0.0.2 port 1790 as 64512;", "neighbor 10.0.0.3 as 65001;"),
    ),
    # --- route reflectors ---
    "a nodeSelector that matches no node makes no session on either side": Rule(
        (RR, PLAIN, peer("p", "{nodeSelector: has(nothing), peerSelector: all()}")),
        (),
        ("protocol bgp",),
        "bird6.cfg",
    ),
    "a reflector reflects to plain nodes": Rule(
        (RR, PLAIN, peer("p", "{peerSelector: rr == 'false'}")),
        (CLIENT,),
        file="bird6.cfg",
        of="Global_fd00__2",
    ),
    "not to a reflector of its own cluster": Rule(
        (RR, RR2, peer("p", "{peerSelector: rr == 'true'}")),
        (),
        ("rr client",),
        "bird6.cfg",
        of="Global_fd00__8",
    ),
    "but to one of another cluster": Rule(
        (RR, RR3, peer("p", "{peerSelector: rr == 'true'}")), (CLIENT,), of="Global_10_0_0_9"
    ),
    "a peerIP of its own cluster is a client, because its cluster id is not known": Rule(
        (RR, RR2, peer("p", "{peerIP: 'fd00::8', asNumber: 64512}")),
        (CLIENT,),
        file="bird6.cfg",
        of="Global_fd00__8",
    ),
    "an eBGP peer is no client": Rule(
        (RR, peer("p", "{peerIP: 10.9.0.1, asNumber: 65001}")),
        (),
        ("rr client",),
        of="Global_10_9_0_1",
    ),
    "nor one that the local AS makes eBGP": Rule(
        (RR, peer("p", "{peerIP: 10.9.0.1, asNumber: 64512, localASNumber: 65001}")),
        (),
        ("rr client",),
        of="Global_10_9_0_1",
    ),
    "with the mesh on, reflectors are outside of it, and its clients peer back": Rule(
        (RR, PLAIN, node("n3", "10.0.0.3/24"), peer("p", "{peerSelector: rr == 'false'}")),
        ("Global_10_0_0_2 from",),
        ("Mesh_", "10_0_0_3"),
    ),
    # --- reachableBy ---
    "reachableBy v6: /128, global before node, by address and port": Rule(
        (
            NO_MESH,
            THREE,
            peer("z", "{peerIP: 'fd09::1', asNumber: 1, reachableBy: 'fd00:0::77'}"),
            peer("a", "{node: n1, peerIP: 'fd08::1', asNumber: 1, reachableBy: 'fd00::78'}"),
            peer("b", "{node: n1, peerIP: '[fd07::1]:5', asNumber: 1, reachableBy: 'fd00::79'}"),
        ),
        (
            "route fd09::1/128 via fd00::77; route fd07::1/128 via fd00::79; route fd08::1/128 via",
            " fd00::78; } protocol static from static_template { }",
        ),
        file="bird6_aggr.cfg",
    ),
    "reachableBy: even to this node itself": Rule(
        (NO_MESH, THREE, peer("p", "{peerIP: 10.0.0.1, asNumber: 64512, reachableBy: 10.0.0.9}")),
        ("route 10.0.0.1/32 via 10.0.0.9;",),
        file="bird_aggr.cfg",
    ),
    # --- filters ---
    "calls in the peer's order, what has no rules left out": Rule(
        (NO_MESH, THREE, FILTERS, peer("p", "{peerIP: 10.9.0.1, asNumber: 1, filters: [b, x, a]}")),
        ("import filter { 'bgp_b_importFilterV4'(false); 'bgp_a_importFilterV4'(); if (def",),
        ("exportFilter", "bgp_x"),
        of="Global_10_9_0_1",
    ),
    "calls v6": Rule(
        global6("asNumber: 64512, filters: [b, a]", FILTERS),
        ("krt_metric; } 'bgp_a_exportFilterV6'(); calico_export_to_bgp_peers(true);",),
        ("importFilter",),
        "bird6.cfg",
        of="Global_fd09__1",
    ),
    "functions of every filter, by name, used or not": Rule(
        (THREE, FILTERS),
        (
            "function 'bgp_a_importFilterV4'() { accept; }",
            "function 'bgp_b_importFilterV4'(bool is_same_as) { if (is_same_as) then { reject; } }",
        ),
        ("V6", "exportFilter"),
    ),
    "functions v6": Rule(
        (THREE, FILTERS),
        ("function 'bgp_a_exportFilterV6'() { reject; }",),
        ("V4", "importFilter"),
        "bird6.cfg",
    ),
    # --- pools, services, WireGuard: the IPv6 files ---
    "v6: tunl0 is Felix's by default": Rule(
        (THREE,),
        ('if ((ifname ~ "*.cali") || (ifname ~ "*.calico") || (ifname ~ "tunl0")) then',),
        file="bird6_ipam.cfg",
    ),
    "v6: tunl0 is BIRD's with EnabledIPIPOnly": Rule(
        (THREE, default("{programClusterRoutes: EnabledIPIPOnly}")),
        ('if ((ifname ~ "*.cali") || (ifname ~ "*.calico")) then',),
        ("tunl0",),
        "bird6_ipam.cfg",
    ),
    "v6: pools": Rule(
        (
            THREE,
            one("IPPool", "a", "{cidr: 'fd20:0::/48', disabled: true}"),
            one("IPPool", "b", "{cidr: 'fd21::/48', vxlanMode: Always, disableBGPExport: true}"),
        ),
        (
            "{ if (net ~ fd21::/48) then { reject; } if (internal_peer)",
            "calico_aggr(); if (net ~ fd20::/48) then { accept; } } filter",
            "} } if (net ~ fd21::/48) then { reject; } accept; }",
        ),
        file="bird6_ipam.cfg",
    ),
    "v6: a reflector passes on service ranges": Rule(
        (
            RR,
            default(
                "{serviceExternalIPs: [{cidr: 'fd97::/64'}, {cidr: 10.97.0.0/16}],"
                " serviceLoadBalancerIPs: [{cidr: 'fdaa::1/128'}]}"
            ),
        ),
        (
            "calico_aggr(); if ( net ~ fd97::/64 ) then { accept; } if ( net ~ fdaa::1/128 )",
            " then { accept; } if ( net ~ fd97::/64 ) then { accept; } }",
            "filter calico_kernel_programming { if ( net ~ fd97::/64 ) then { reject; } if (def",
        ),
        ("10.97",),
        "bird6_ipam.cfg",
    ),
    "v6: WireGuard next hops": Rule(
        tuple(
            one(
                "Node",
                name,
                f"{{bgp: {{ipv6Address: 'fd00::{n}/64'}},"
                f" wireguard: {{interfaceIPv6Address: 'fd99::{n}'}}}}",
            )
            for name, n in (("n1", 1), ("n2", 2))
        ),
        ("if (defined(bgp_next_hop) && bgp_next_hop = fd00::2) then { reject; } accept; }",),
        file="bird6_ipam.cfg",
    ),
    # --- one node's BGPConfiguration ---
    "a node's own configuration sets its port, level and communities only": Rule(
        (
            THREE,
            default("{logSeverityScreen: Debug, bindMode: NodeIP, listenPort: 1790}"),
            one("BGPConfiguration", "node.n1", "{listenPort: 1791, logSeverityScreen: Error}"),
        ),
        ("listen bgp address fd00::1 port 1791;", "neighbor fd00::2 port 1790 as 64512;"),
        ("debug",),
        "bird6.cfg",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    rule = RULES[name]
    found = config(*rule.given, at=rule.at, environment=rule.environment)
    whole = protocol(found, rule.of, rule.file) if rule.of else text(found, rule.file)
    rest = whole
    for wanted in rule.has:
        assert wanted in rest, f"{wanted!r} is not in {rest!r}"
        rest = rest.partition(wanted)[2]
    for unwanted in rule.lacks:
        assert unwanted not in whole
