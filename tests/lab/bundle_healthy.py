"""Networks with nothing wrong, of many shapes: a diagnosis of any of them is a false alarm."""

from __future__ import annotations

import signal

from bundle_configs import BIGIP, MASTER, NODE1, Peer, bigip, bird
from bundle_net import FRR, Lab, sh, watch
from bundle_scenarios import BOTH, MESH_MASTER, MESH_NODE1, pair, plain, routed, scenario, trio

VIP = ("network 10.99.99.100/32",)
CLUSTER = "10.1.20.5"


@scenario("healthy-collision")
def collision(lab: Lab) -> None:
    """Both dial at once: one connection ends with NOTIFICATION 6/7 (RFC 4271 section 6.8)."""
    f5, master = pair(lab)
    eager = ("connect delay time 1", "connect retry time 1", "error wait time 1,2")
    f5.frr(bigip(family=VIP))
    plain(master, Peer(BIGIP, lines=eager))
    f5.established(MASTER)
    for _ in range(4):
        f5.vtysh("clear bgp *")
        watch(1.5)
    f5.established(MASTER)
    watch(4)


@scenario("healthy-node-restarts")
def node_restarts(lab: Lab) -> None:
    """BIRD is stopped with SIGTERM and started again."""
    f5, master = pair(lab)
    f5.frr(bigip(family=VIP))
    plain(master)
    f5.established(MASTER)
    watch(2)
    master.kill("bird", signal.SIGTERM)
    watch(6)
    plain(master)
    f5.established(MASTER, 30)
    watch(4)


@scenario("healthy-node-killed")
def node_killed(lab: Lab) -> None:
    """calico-node dies and comes back with `bird -R` before its restart time is over."""
    f5, master = pair(lab)
    f5.frr(bigip(top=("bgp graceful-restart",), family=VIP))
    plain(master)
    f5.established(MASTER)
    watch(2)
    master.kill("bird", signal.SIGKILL)
    watch(4)
    plain(master, options=("-R",))
    watch(1)
    f5.established(MASTER, 30)
    watch(4)


@scenario("healthy-bigip-restarts")
def bigip_restarts(lab: Lab) -> None:
    """bgpd is stopped and started: the node's SYNs are refused for some seconds."""
    f5, master = pair(lab)
    text = bigip(family=VIP)
    f5.frr(text)
    plain(master)
    f5.established(MASTER)
    watch(2)
    f5.kill("bgpd", signal.SIGTERM)
    watch(7)
    f5.frr(text, zebra=False)
    f5.established(MASTER, 30)
    watch(4)


@scenario("healthy-clear-at-end")
def clear_at_end(lab: Lab) -> None:
    """`clear bgp` a moment before the capture ends."""
    f5, master = pair(lab)
    f5.frr(bigip(family=VIP))
    plain(master)
    f5.established(MASTER)
    watch(3)
    f5.vtysh("clear bgp *")
    watch(0.4)


@scenario("healthy-reflector")
def reflector(lab: Lab) -> None:
    """Mesh off, and the BIG-IP reflects."""
    f5, master, node1 = trio(lab)
    clients = tuple(f"neighbor {a} route-reflector-client" for a in (MASTER, NODE1))
    f5.frr(bigip(neighbors=BOTH, top=(f"bgp cluster-id {CLUSTER}",), family=(*clients, *VIP)))
    plain(master)
    plain(node1)
    f5.established(MASTER)
    f5.established(NODE1)
    watch(5)


@scenario("healthy-bfd-one-end")
def bfd_one_end(lab: Lab) -> None:
    """BFD asked for on the BIG-IP alone harms nobody."""
    f5, master = pair(lab)
    f5.frr(bigip(family=VIP))
    (f5.work / "bfdd.conf").write_text("")
    f5.spawn("bfdd", str(FRR / "bfdd"), "-N", f5.netns, "-f", str(f5.work / "bfdd.conf"))
    watch(1)
    f5.vtysh("configure terminal", "router bgp 64512", f"neighbor {MASTER} bfd")
    plain(master)
    f5.established(MASTER)
    watch(6)


@scenario("healthy-multihop")
def multihop(lab: Lab) -> None:
    """eBGP over a router, with ebgp-multihop."""
    f5, master, _ = routed(lab)
    lines = (f"neighbor {MASTER} ebgp-multihop 2",)
    f5.frr(bigip(*lines, asn=65000, router_id="10.1.30.5", family=VIP))
    plain(master, Peer("10.1.30.5", 65000))
    f5.established(MASTER)
    watch(5)


@scenario("healthy-signed")
def signed(lab: Lab) -> None:
    """One key at both ends, and TTL security at both."""
    f5, master = pair(lab)
    lines = (f"neighbor {MASTER} password lab-key-one", f"neighbor {MASTER} ttl-security hops 1")
    f5.frr(bigip(*lines, asn=65000, family=VIP))
    plain(master, Peer(BIGIP, 65000, lines=('password "lab-key-one"', "ttl security on")))
    f5.established(MASTER)
    watch(5)


@scenario("healthy-listen-port")
def other_port(lab: Lab) -> None:
    """BIRD listens on 1790, and the BIG-IP was told so."""
    f5, master = pair(lab)
    f5.frr(bigip(f"neighbor {MASTER} port 1790", family=VIP))
    plain(master, top=("listen bgp port 1790;",))
    f5.established(MASTER)
    watch(5)


@scenario("healthy-four-octet")
def four_octet(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(asn=4200000001, family=VIP))
    plain(master, Peer(BIGIP, 4200000001))
    f5.established(MASTER)
    watch(4)


@scenario("healthy-quick-timers")
def quick_timers(lab: Lab) -> None:
    """Keepalives each second; a peer on the segment that was never there is nobody's neighbour."""
    f5, master, node1 = trio(lab)
    f5.frr(bigip(neighbors=BOTH, timers="1 3", family=VIP))
    plain(master, Peer(BIGIP), MESH_MASTER)
    plain(node1, Peer(BIGIP), MESH_NODE1)
    f5.established(MASTER)
    f5.established(NODE1)
    master.run("ping", "-c", "2", "-W", "1", "10.1.20.250", check=False)
    watch(8)


@scenario("healthy-ipv6")
def ipv6(lab: Lab) -> None:
    """The same over IPv6, by bird6."""
    f5, master = pair(lab)
    for node, address in ((f5, "fd00:10:1:20::5"), (master, "fd00:10:1:20::20")):
        sh("ip", "-n", node.netns, "addr", "add", f"{address}/64", "dev", "internal", "nodad")
    f5.frr(
        "router bgp 64512\n bgp router-id 10.1.20.5\n no bgp ebgp-requires-policy\n"
        " neighbor fd00:10:1:20::20 remote-as 64512\n"
        " neighbor fd00:10:1:20::20 timers connect 5\n"
        " address-family ipv6 unicast\n  neighbor fd00:10:1:20::20 activate\n"
        " exit-address-family\nexit\n"
    )
    text = bird(str(master.work), MASTER, routes=("fd00:192:168::/122",), pools=("fd00:192::/32",))
    text += (
        "protocol bgp Global_fd00_10_1_20__5 from bgp_template {\n"
        "  neighbor fd00:10:1:20::5 as 64512;\n  source address fd00:10:1:20::20;\n}\n"
    )
    (master.work / "bird.cfg").write_text(text)
    master.spawn(
        "bird",
        "bird6",
        "-f",
        *("-c", str(master.work / "bird.cfg")),
        *("-s", str(master.work / "bird.ctl")),
        *("-P", str(master.work / "bird.pid")),
    )
    f5.established("fd00:10:1:20::20")
    watch(5)
