"""The faults that labgen names: one table with what each is and what to do on either side.

Numbers, names and remedies follow the fault gallery measured on FRR 8.4.4 and BIRD 1.6.8; the
references are public threads of people who had the fault.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` is the gallery's number (`G4`), empty for what is no fault of the gallery."""

    name: str
    code: str
    title: str
    summary: str
    remedy_calico: str
    remedy_bigip: str
    references: tuple[str, ...] = ()


def _calico(*numbers: int) -> tuple[str, ...]:
    return tuple(f"https://github.com/projectcalico/calico/issues/{n}" for n in numbers)


def _frr(*numbers: int) -> tuple[str, ...]:
    return tuple(f"https://github.com/FRRouting/frr/issues/{n}" for n in numbers)


_LOCKDOWN = (
    "tmsh modify net self <self-ip> allow-service add { tcp:179 } on the self-IP of the peering "
    "VLAN: "
    "neither `none` nor `default` lets BGP in (K17333)"
)
_CIS = "https://github.com/F5Networks/k8s-bigip-ctlr/issues/3331"

_TABLE = (
    Fault(
        "tcp-179-filtered",
        "G1",
        "TCP port 179 is filtered",
        "SYNs to port 179 are dropped on the way or by the receiver: no SYN-ACK, no RST, no ICMP.",
        "Let tcp/179 in from the BIG-IP: security group, host firewall, and a HostEndpoint's "
        "policy "
        "or FelixConfiguration failsafeInboundHostPorts.",
        _LOCKDOWN,
        (*_calico(3309, 4479, 4503), _CIS),
    ),
    Fault(
        "tcp-179-refused",
        "G2",
        "Connection to port 179 is refused",
        "The host answers SYNs to port 179 with RST: nothing listens there, or a rule rejects.",
        "See that calico-node runs with CALICO_NETWORKING_BACKEND=bird and that BIRD listens: "
        "ss -ltnp 'sport = :179'.",
        "Enable BGP on the route domain (tmsh modify net route-domain 0 routing-protocol add "
        "{ BGP }) "
        "and see that bgpd and tmrouted run (tmsh show sys service tmrouted).",
        (
            "https://github.com/projectcalico/calicoctl/issues/1883",
            "https://github.com/projectcalico/calicoctl/issues/819",
        ),
    ),
    Fault(
        "host-unreachable",
        "G3",
        "The peer's address cannot be reached",
        "ARP for the peer (or for the gateway to it) stays unanswered, or ICMP says unreachable.",
        "Correct the BGPPeer's peerIP, the node's route to it or the VLAN; a firewall that "
        "answers with "
        "ICMP administratively prohibited must permit tcp/179.",
        "Correct the neighbor's address, the self-IP's VLAN and tag, or the route to the node.",
        _calico(2255),
    ),
    Fault(
        "wrong-remote-as",
        "G4",
        "The peer's AS number is not the one configured",
        "One end's OPEN carries another AS than the other end is configured to expect: "
        "NOTIFICATION 2/2.",
        "Set the BGPPeer's spec.asNumber to the BIG-IP's AS; the node's own AS is "
        "BGPConfiguration spec.asNumber, or the Node's spec.bgp.asNumber where it is set.",
        "neighbor <node> remote-as <the node's AS>; the BIG-IP's own AS is that of `router bgp`.",
        _calico(2961, 2021, 2373),
    ),
    Fault(
        "md5-mismatch",
        "G5",
        "TCP MD5 passwords do not match",
        "One end signs its segments (RFC 2385) with a key the other has not, or has different: the "
        "kernel drops them silently.",
        "Set the BGPPeer's spec.password to a Secret that holds the BIG-IP's key, or remove it "
        "where the "
        "BIG-IP has none; calico-node must be allowed to read the Secret.",
        "neighbor <node> password <the same key>, or no neighbor <node> password.",
        (*_frr(6921, 13037), "https://github.com/metallb/metallb/issues/1125"),
    ),
    Fault(
        "duplicate-router-id",
        "G6",
        "Two speakers use one BGP identifier",
        "The OPEN carries the receiver's own BGP identifier, or two nodes carry the same: "
        "NOTIFICATION 2/3 (RFC 4271 section 6.2, RFC 6286).",
        "Give each node its own: remove a fixed CALICO_ROUTER_ID or IP, check the autodetected "
        "spec.bgp.ipv4Address, and that no node peers with its own address.",
        "bgp router-id <own address>; each route domain and unit needs its own.",
        (*_calico(689, 5146, 2229), "https://github.com/projectcalico/node/issues/144"),
    ),
    Fault(
        "unacceptable-hold-time",
        "G7",
        "The offered hold time is not acceptable",
        "A hold time of 1 or 2 seconds must be refused with NOTIFICATION 2/6 (RFC 4271 section "
        "4.2).",
        "Remove the too short keepAliveTime or holdtime setting: Calico's default hold time of "
        "240 s "
        "negotiates down to the BIG-IP's.",
        "timers bgp 30 90, or neighbor <node> timers 30 90.",
        (*_calico(7086), *_frr(1747)),
    ),
    Fault(
        "hold-timer-expired",
        "G8",
        "The path died after the session was up",
        "One end stopped hearing the other, and its hold timer expired (RFC 4271 section 6.5).",
        "Look for what drops the BIG-IP's packets to the node since then: policy, conntrack, a "
        "failed link.",
        "Look for what drops the node's packets since then: VLAN, failover, packet filter.",
        _calico(7086),
    ),
    Fault(
        "ebgp-multihop-missing",
        "G9",
        "eBGP peer is more than one hop away, without ebgp-multihop",
        "The router sends its eBGP packets with TTL 1 and will not dial a peer that is not "
        "connected; "
        "they die at the first hop.",
        "Calico's BIRD sends multihop always; peer with an address on the node's own subnet, or "
        "set "
        "the BGPPeer's spec.ttlSecurity only where the hops are known.",
        "neighbor <node> ebgp-multihop 2 (and a route to the node other than the default route).",
        (
            "https://github.com/projectcalico/calico/pull/6862",
            *_frr(13215),
            "https://github.com/metallb/metallb/issues/3038",
        ),
    ),
    Fault(
        "ttl-security-one-sided",
        "G10",
        "TTL security (GTSM) is on at one end only",
        "One end drops segments whose TTL is below 254 (RFC 5082), and the other sends an "
        "ordinary TTL.",
        "Set the BGPPeer's spec.ttlSecurity to the number of hops, so that BIRD sends TTL 255.",
        "no neighbor <node> ttl-security hops <n>, unless Calico's BGPPeer has ttlSecurity too.",
        ("https://github.com/projectcalico/calico/pull/6862",),
    ),
    Fault(
        "ebgp-policy-missing",
        "G11",
        "FRR exchanges nothing over eBGP without a policy",
        "FRR's `bgp ebgp-requires-policy` (RFC 8212) discards all routes of an eBGP peer without "
        "route maps or prefix lists.",
        "Nothing to change on Calico's side.",
        "A BIG-IP has no such rule; on FRR: no bgp ebgp-requires-policy, then clear bgp * soft, "
        "or an "
        "in and an out route-map.",
        _frr(6843, 5565, 9875, 16304),
    ),
    Fault(
        "address-family-not-activated",
        "G12",
        "The address family is not activated for the neighbor",
        "With `no bgp default ipv4-unicast` a neighbor needs `activate`; without, the peer is "
        "refused "
        "(RST after the OPEN, or NOTIFICATION 2/7).",
        "Peer over an address of the family whose routes are wanted.",
        "address-family ipv4 unicast / neighbor <node> activate, or bgp default ipv4-unicast.",
        _calico(6047),
    ),
    Fault(
        "neighbor-not-configured",
        "G13",
        "The BIG-IP does not know this neighbor",
        "The connection comes from an address that is no configured neighbor: a new node, or "
        "source NAT "
        "on the way.",
        "See from which address the node dials (its spec.bgp.ipv4Address, egress NAT, "
        "natOutgoing) and "
        "set the BGPPeer's sourceAddress or remove the NAT.",
        "neighbor <that address> remote-as <AS>, or add it to the peer-group; ZebOS has no "
        "listen range.",
        ("https://github.com/projectcalico/calicoctl/issues/1071", *_calico(6047)),
    ),
    Fault(
        "bgppeer-missing",
        "G14",
        "The node has no BGPPeer for the BIG-IP",
        "The BIG-IP dials, and the node's BIRD knows no such peer (or, without any peer, does "
        "not even "
        "listen).",
        "Create the BGPPeer, or correct its nodeSelector or node so that it selects this node; see "
        "calicoctl get bgppeer -o yaml and the node's labels.",
        "Nothing to change; remove the neighbor if the node is not to peer.",
        _calico(1603, 6047, 12938),
    ),
    Fault(
        "both-passive",
        "G15",
        "Both ends are passive: nobody dials",
        "Neither end sends a SYN, each waits for the other.",
        "BGPPeers are not passive by themselves; see whether bird.cfg has `passive on` for this "
        "peer.",
        "no neighbor <node> passive.",
        _calico(1603),
    ),
    Fault(
        "listen-port-changed",
        "G16",
        "BIRD listens on another port than 179",
        "BGPConfiguration listenPort moved BIRD's listener; who dials 179 is refused.",
        "Set BGPConfiguration spec.listenPort back to 179, or tell every peer the port.",
        "neighbor <node> port <listenPort> for each node (on a peer-group it has no effect), or "
        "let "
        "tcp/179 in so that the node can dial.",
        _calico(4974, 4830, 7551),
    ),
    Fault(
        "ippool-export-filter",
        "G17",
        "Calico's export filter holds the prefix back",
        "BIRD passes to its peers only what an IPPool, a block or a service range covers.",
        "Create an IPPool for the prefix with disabled: true (routes pass, no pod gets an "
        "address), and "
        "see that disableBGPExport is not set.",
        "Peer with every node, so that none needs the prefix from another.",
        (*_calico(4539, 1604, 6704), "https://github.com/projectcalico/calicoctl/issues/1138"),
    ),
    Fault(
        "mesh-off-no-reflector",
        "G18",
        "Mesh is off and nobody reflects routes",
        "iBGP routes are not passed on to iBGP peers (RFC 4271 section 9.2.1.1): without a full "
        "mesh or "
        "a route reflector the nodes do not hear of each other.",
        "BGPConfiguration nodeToNodeMeshEnabled: true, or make nodes route reflectors "
        "(routeReflectorClusterID and a BGPPeer with peerSelector).",
        "neighbor <node> route-reflector-client for every node.",
        _calico(6909, 4992, 3785, 1939),
    ),
    Fault(
        "cluster-id-loop",
        "G19",
        "Two route reflectors share a cluster id",
        "A reflector drops what carries its own cluster id in CLUSTER_LIST (RFC 4456 section 8).",
        "Give Calico's reflectors another routeReflectorClusterID than the BIG-IP's.",
        "bgp cluster-id <own address>, different from Calico's routeReflectorClusterID.",
        ("https://github.com/osrg/gobgp/pull/3605",),
    ),
    Fault(
        "as-path-loop",
        "G20",
        "Routes are dropped for the receiver's own AS in AS_PATH",
        "Two clusters with one AS behind an eBGP router: each drops the other's routes (RFC 4271 "
        "section 9.1.2), silently in BIRD.",
        "BGPPeer spec.numAllowedLocalASNumbers: 1, or give each cluster its own AS.",
        "neighbor <node> as-override.",
        (
            "https://github.com/projectcalico/calico/pull/5736",
            "https://github.com/projectcalico/calico/pull/8565",
            *_frr(1548),
        ),
    ),
    Fault(
        "next-hop-unreachable",
        "G21",
        "The NEXT_HOP cannot be reached",
        "Routes arrive with a NEXT_HOP that the receiver has no route to: they stay out of its "
        "RIB.",
        "Correct the node's own address (IP, IP_AUTODETECTION_METHOD, spec.bgp.ipv4Address), or "
        "drop "
        "keepOriginalNextHop.",
        "Add a route to the next hop, or neighbor <node> route-map in that sets it.",
        _calico(2178, 11607, 3194, 3666, 9549),
    ),
    Fault(
        "maximum-prefix",
        "G22",
        "The neighbor's prefix limit was exceeded",
        "The receiver ended the session with NOTIFICATION 6/1 and stays down.",
        "Announce less: larger blockSize, fewer exported pools, aggregate.",
        "Raise neighbor <node> maximum-prefix <n> (or warning-only), then clear ip bgp <node>.",
        _frr(5065, 6790),
    ),
    Fault(
        "mtu-black-hole",
        "G23",
        "Large segments vanish on the way",
        "OPEN and KEEPALIVE pass, full-sized UPDATE segments do not, and no ICMP says why: the "
        "path MTU "
        "is smaller than the ends believe.",
        "Set the MTU of the node's interface to the path's, or let ICMP fragmentation-needed "
        "through.",
        "Set the VLAN's and self-IP path's MTU alike, let ICMP type 3 code 4 in; an MSS clamp "
        "(tcp-mss on the path) also cures it.",
        _frr(8600, 19484),
    ),
    Fault(
        "reverse-path-filter",
        "G24",
        "Strict reverse-path filtering drops the peer's packets",
        "Packets come in on another interface than the way back leaves by, and rp_filter=1 drops "
        "them "
        "(RFC 3704).",
        "sysctl net.ipv4.conf.all.rp_filter=2 and the interface's, or make the routes symmetric.",
        "Send to the node by the VLAN that its replies come from.",
        (*_calico(6053, 10511), "https://github.com/projectcalico/felix/issues/790"),
    ),
    Fault(
        "four-octet-as",
        "G25",
        "One end does not speak four-octet AS numbers",
        "The OPEN says AS_TRANS 23456 without capability 65 (RFC 6793), and the peer expects the "
        "real "
        "four-octet AS.",
        "Peer with a two-octet AS number: asNumber 64512 to 65534.",
        "bgp extended-asn-cap (and no neighbor <node> dont-capability-negotiate).",
        (_CIS,),
    ),
    Fault(
        "port-179-taken",
        "G26",
        "Another process holds port 179 on the node",
        "BIRD cannot open its listening socket, and who dials the node talks to somebody else.",
        "Find it with ss -ltnp 'sport = :179' (MetalLB, kube-vip, a host's bird or frr), move or "
        "stop it, "
        "or set BGPConfiguration listenPort.",
        "Nothing to change.",
        (*_calico(7893, 3086), "https://github.com/metallb/metallb/issues/114"),
    ),
    Fault(
        "bfd-mismatch",
        "G27",
        "BFD takes the session down, or never comes up",
        "BFD is single-hop (udp/3784) at one end and multihop (udp/4784) at the other, or its "
        "packets "
        "are lost while BGP's pass.",
        "Open-source Calico renders no BFD: remove hand-made BFD, or let udp/3784 and 4784 in.",
        "no neighbor <node> fall-over bfd, or the same kind at both ends and allow-service "
        "{ udp:3784 udp:4784 } on the self-IP.",
        (*_calico(4607, 7728), "https://cdn.f5.com/product/bugtracker/ID701289.html"),
    ),
    Fault(
        "graceful-restart-stale",
        "G28",
        "Routes of a dead peer are kept by graceful restart",
        "The peer vanished without a NOTIFICATION, and its routes are kept as stale for the "
        "restart "
        "time (RFC 4724), though nobody forwards.",
        "Bring calico-node back before the restart time ends; stop it with SIGTERM, so that it "
        "withdraws.",
        "clear ip bgp <node> removes the stale routes; bgp graceful-restart stalepath-time <s> "
        "bounds them.",
        (*_calico(7144, 6625, 9575), "https://github.com/projectcalico/felix/issues/1592"),
    ),
    Fault(
        "graceful-restart-wait",
        "G29",
        "BIRD waits for a dead peer before it installs routes",
        "BIRD started with -R withholds all routes until every configured peer has sent its "
        "End-of-RIB, "
        "240 s at the most.",
        "Remove the peers that do not exist any more (old nodes, BGPPeers), or wait for 240 s.",
        "Bring the peer back, so that it sends its End-of-RIB.",
        (*_calico(7144), "https://github.com/projectcalico/bird/issues/115"),
    ),
    Fault(
        "administrative-shutdown",
        "",
        "The session was shut down on purpose",
        "One end sent Cease with Administrative Shutdown, Peer De-configured or Administrative "
        "Reset, and "
        "the session stays down.",
        "See whether calico-node was stopped or the BGPPeer removed.",
        "no neighbor <node> shutdown.",
        ("RFC 4486", "RFC 9003"),
    ),
    Fault(
        "malformed-message",
        "",
        "A BGP message was malformed",
        "One end refused the other's message (RFC 4271 section 6).",
        "Report it with the capture.",
        "Report it with the capture.",
        ("RFC 4271 section 6", "RFC 7606"),
    ),
)

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _TABLE}
GALLERY: dict[str, Fault] = {fault.code: fault for fault in _TABLE if fault.code}
