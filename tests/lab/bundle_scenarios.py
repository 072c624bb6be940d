"""One scenario for each fault: what runs, what is broken, and how long it is watched.

A scenario leaves the lab in the broken state; make_bundles.py then asks the daemons and the
kernel, and stops everything. Names are the slugs of labgen's fault table, `-variant` appended.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

from bundle_configs import BIGIP, BLOCKS, MASTER, NODE1, Peer, bigip, bird
from bundle_net import Lab, Node, sh, watch

SCENARIOS: dict[str, Callable[[Lab], None]] = {}
Scenario = Callable[[Lab], None]


def scenario(name: str) -> Callable[[Scenario], Scenario]:
    def register(function: Scenario) -> Scenario:
        SCENARIOS[name] = function
        return function

    return register


def pair(lab: Lab) -> tuple[Node, Node]:
    """The BIG-IP and one Calico node on one segment, sniffed from before the first frame."""
    f5 = lab.node("bigip-1", BIGIP)
    master = lab.node("kube-master", MASTER)
    space = lab.lan("internal", ("bigip-1", f"{BIGIP}/24"), ("kube-master", f"{MASTER}/24"))
    lab.sniff(space)
    return f5, master


def trio(lab: Lab) -> tuple[Node, Node, Node]:
    f5, master, node1 = (
        lab.node("bigip-1", BIGIP),
        lab.node("kube-master", MASTER),
        lab.node("kube-node1", NODE1),
    )
    space = lab.lan("internal", *((n.name, f"{n.address}/24") for n in (f5, master, node1)))
    lab.sniff(space)
    return f5, master, node1


def routed(lab: Lab) -> tuple[Node, Node, Node]:
    """The BIG-IP in 10.1.30.0/24 behind router `gw`; sniffed on the node's side."""
    f5, master, gw = (
        lab.node("bigip-1", "10.1.30.5"),
        lab.node("kube-master", MASTER),
        lab.node("gw", "10.1.20.1"),
    )
    far = lab.lan("far", ("bigip-1", "10.1.30.5/24"), ("gw", "10.1.30.1/24"))
    near = lab.lan("near", ("kube-master", f"{MASTER}/24"), ("gw", "10.1.20.1/24"))
    f5.run("ip", "route", "add", "10.1.20.0/24", "via", "10.1.30.1")
    master.run("ip", "route", "add", "10.1.30.0/24", "via", "10.1.20.1")
    gw.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    lab.sniff(far)
    lab.sniff(near, name="near-node.pcap")
    return f5, master, gw


def plain(node: Node, *peers: Peer, **keys: object) -> None:
    options = keys.pop("options", ())
    node.bird(bird(str(node.work), node.address, *(peers or (Peer(BIGIP),)), **keys), *options)  # type: ignore[arg-type,misc]


MESH = {MASTER: Peer(NODE1, kind="Mesh"), NODE1: Peer(MASTER, kind="Mesh", lines=("passive on",))}
MESH_MASTER = Peer(NODE1, kind="Mesh", lines=("passive on",))
MESH_NODE1 = Peer(MASTER, kind="Mesh")
BOTH = ((MASTER, 64512), (NODE1, 64512))


@scenario("healthy")
def healthy(lab: Lab) -> None:
    f5, master, node1 = trio(lab)
    f5.frr(bigip(neighbors=BOTH, family=("network 10.99.99.100/32",)))
    plain(master, Peer(BIGIP), MESH_MASTER)
    plain(node1, Peer(BIGIP), MESH_NODE1)
    f5.established(MASTER)
    f5.established(NODE1)
    watch(6)


@scenario("healthy-ebgp")
def healthy_ebgp(lab: Lab) -> None:
    f5, master, node1 = trio(lab)
    neighbors = ((MASTER, 64512), (NODE1, 64512))
    f5.frr(bigip(asn=65000, neighbors=neighbors, family=("network 10.99.99.100/32",)))
    plain(master, Peer(BIGIP, 65000), MESH_MASTER)
    plain(node1, Peer(BIGIP, 65000), MESH_NODE1)
    f5.established(MASTER)
    f5.established(NODE1)
    watch(6)


@scenario("healthy-late-start")
def healthy_late(lab: Lab) -> None:
    """The node is up long before the BIG-IP: refused SYNs at first, then a session."""
    f5, master = pair(lab)
    plain(master)
    watch(5)
    f5.frr(bigip())
    f5.established(MASTER)
    watch(4)


@scenario("tcp-179-filtered")
def filtered(lab: Lab) -> None:
    f5, master = pair(lab)
    for node in (f5, master):
        node.drop("-p", "tcp", "--dport", "179")
    f5.frr(bigip())
    plain(master)
    watch(15)


@scenario("tcp-179-filtered-masked")
def filtered_masked(lab: Lab) -> None:
    """Port lockdown on the BIG-IP alone: its own dial still works."""
    f5, master = pair(lab)
    f5.drop("-p", "tcp", "--dport", "179")
    plain(master)
    watch(4)
    f5.frr(bigip())
    f5.established(MASTER)
    watch(3)


@scenario("tcp-179-refused")
def refused(lab: Lab) -> None:
    """bgpd does not run on the BIG-IP; zebra does."""
    f5, master = pair(lab)
    plain(master)
    watch(9)
    assert f5


@scenario("tcp-179-refused-rule")
def refused_rule(lab: Lab) -> None:
    f5, master = pair(lab)
    for node in (f5, master):
        node.drop("-p", "tcp", "--dport", "179", target="REJECT --reject-with tcp-reset")
    f5.frr(bigip())
    plain(master)
    watch(10)


@scenario("tcp-179-refused-stale")
def refused_stale(lab: Lab) -> None:
    """A rule on the node resets the session that the BIG-IP dialled: what was learnt is stale."""
    f5, master = pair(lab)
    f5.drop("-p", "tcp", "--dport", "179", target="REJECT --reject-with tcp-reset")
    plain(master)
    f5.frr(bigip(timers="3 9", top=("bgp graceful-restart",)))
    f5.established(MASTER)
    watch(3)
    master.drop("-p", "tcp", "--dport", "179", target="REJECT --reject-with tcp-reset")
    watch(11)


@scenario("host-unreachable")
def unreachable(lab: Lab) -> None:
    """Nobody has the peer's address: the BIG-IP was given another one."""
    f5, master = pair(lab)
    sh("ip", "-n", f5.netns, "addr", "replace", "10.1.20.6/24", "dev", "internal")
    sh("ip", "-n", f5.netns, "addr", "del", f"{BIGIP}/24", "dev", "internal")
    sh("ip", "-n", f5.netns, "addr", "replace", "10.1.20.6/24", "dev", "internal")
    f5.frr(bigip(neighbors=(("10.1.20.30", 64512),)))
    plain(master)
    watch(14)


@scenario("host-unreachable-icmp")
def prohibited(lab: Lab) -> None:
    f5, master = pair(lab)
    for node in (f5, master):
        node.drop(
            "-p", "tcp", "--dport", "179", target="REJECT --reject-with icmp-admin-prohibited"
        )
    f5.frr(bigip())
    plain(master)
    watch(12)


@scenario("wrong-remote-as")
def wrong_as_bigip(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(neighbors=((MASTER, 65000),)))
    plain(master)
    watch(14)


@scenario("wrong-remote-as-calico")
def wrong_as_calico(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip())
    plain(master, Peer(BIGIP, 65000))
    watch(14)


def md5(f5_key: str | None, node_key: str | None) -> Scenario:
    def run(lab: Lab) -> None:
        f5, master = pair(lab)
        f5.frr(bigip(*([f"neighbor {MASTER} password {f5_key}"] if f5_key else [])))
        plain(master, Peer(BIGIP, lines=[f'password "{node_key}"'] if node_key else []))
        watch(14)

    return run


scenario("md5-mismatch")(md5("lab-key-one", "lab-key-two"))
scenario("md5-mismatch-bigip-only")(md5("lab-key-one", None))
scenario("md5-mismatch-calico-only")(md5(None, "lab-key-two"))


@scenario("duplicate-router-id")
def duplicate_id(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip())
    plain(master, router_id=BIGIP)
    watch(12)


@scenario("duplicate-router-id-mesh")
def duplicate_id_mesh(lab: Lab) -> None:
    f5, master, node1 = trio(lab)
    f5.frr(bigip(neighbors=BOTH))
    plain(master, Peer(BIGIP), MESH_MASTER)
    plain(node1, Peer(BIGIP), MESH_NODE1, router_id=MASTER)
    watch(12)


@scenario("unacceptable-hold-time")
def hold_time(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip())
    # BIRD refuses `hold time 2` in its configuration; the speaker below offers it as others do.
    speak(master, hold=2)
    watch(6)


def speak(node: Node, hold: int, port: int = 179) -> None:
    """A speaker that dials the BIG-IP and offers a hold time BIRD's parser would not take."""
    script = (
        "import socket,struct,time\n"
        "end=time.time()+8\n"
        "while time.time()<end:\n"
        f" s=socket.create_connection(('{BIGIP}',{port}),5)\n"
        f" body=struct.pack('!BHH',4,64512,{hold})+socket.inet_aton('{MASTER}')\n"
        " caps=bytes.fromhex('010400010001020041040000fc00')\n"
        " body+=bytes([len(caps)+2,2,len(caps)])+caps\n"
        " s.sendall(b'\\xff'*16+struct.pack('!HB',19+len(body),1)+body)\n"
        " s.settimeout(3)\n"
        " try:\n"
        "  while s.recv(4096): pass\n"
        " except OSError: pass\n"
        " s.close(); time.sleep(1)\n"
    )
    node.spawn("speaker", "python3", "-c", script)


@scenario("hold-timer-expired")
def hold_expired(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(timers="3 9"))
    plain(master)
    f5.established(MASTER)
    watch(4)
    master.drop("-s", BIGIP)
    watch(16)


@scenario("ebgp-multihop-missing")
def multihop(lab: Lab) -> None:
    f5, master, _ = routed(lab)
    f5.frr(bigip(asn=65000, router_id="10.1.30.5"))
    plain(master, Peer("10.1.30.5", 65000))
    watch(14)


@scenario("ttl-security-one-sided")
def ttl_security(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(f"neighbor {MASTER} ttl-security hops 1", asn=65000))
    plain(master, Peer(BIGIP, 65000))
    watch(14)


@scenario("ebgp-policy-missing")
def policy(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(asn=65000, policy=True, family=("network 10.99.99.100/32",)))
    plain(master, Peer(BIGIP, 65000))
    f5.established(MASTER)
    watch(5)


@scenario("address-family-not-activated")
def not_activated(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(top=("no bgp default ipv4-unicast",)))
    plain(master)
    watch(10)


@scenario("neighbor-not-configured")
def not_configured(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(neighbors=(("10.1.20.99", 64512),)))
    plain(master)
    watch(10)


@scenario("neighbor-not-configured-debug")
def not_configured_debug(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(neighbors=(("10.1.20.99", 64512),), extra=("debug bgp neighbor-events",)))
    plain(master)
    watch(10)


@scenario("neighbor-not-configured-snat")
def source_nat(lab: Lab) -> None:
    f5, master = pair(lab)
    sh("ip", "-n", master.netns, "addr", "add", "10.1.20.77/24", "dev", "internal")
    master.run(
        "iptables",
        "-t",
        "nat",
        "-A",
        "POSTROUTING",
        "-p",
        "tcp",
        "--dport",
        "179",
        "-j",
        "SNAT",
        "--to-source",
        "10.1.20.77",
    )
    f5.frr(bigip(f"neighbor {MASTER} passive"))
    plain(master)
    watch(10)


@scenario("bgppeer-missing")
def no_bgppeer(lab: Lab) -> None:
    """The node meshes, but no BGPPeer selects it for the BIG-IP."""
    f5, master, node1 = trio(lab)
    f5.frr(bigip(neighbors=BOTH))
    plain(master, Peer(BIGIP), MESH_MASTER)
    plain(node1, MESH_NODE1)
    watch(14)


@scenario("bgppeer-missing-none")
def no_bgppeer_none(lab: Lab) -> None:
    """No peers at all: BIRD has no listener, the node answers with RST."""
    f5, master = pair(lab)
    f5.frr(bigip())
    master.bird(bird(str(master.work), MASTER))
    watch(12)


@scenario("both-passive")
def both_passive(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(f"neighbor {MASTER} passive"))
    plain(master, Peer(BIGIP, lines=("passive on",)))
    watch(12)


@scenario("listen-port-changed")
def listen_port(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.drop("-p", "tcp", "--dport", "179", target="REJECT --reject-with tcp-reset")
    f5.frr(bigip())
    plain(master, top=("listen bgp port 1790;",))
    watch(12)


@scenario("listen-port-changed-mesh")
def listen_port_mesh(lab: Lab) -> None:
    f5, master, node1 = trio(lab)
    f5.drop("-p", "tcp", "--dport", "179", target="REJECT --reject-with tcp-reset")
    f5.frr(bigip(neighbors=BOTH))
    plain(master, Peer(BIGIP), MESH_MASTER, top=("listen bgp port 1790;",))
    mesh = Peer(f"{MASTER} port 1790", kind="Mesh")
    text = bird(str(node1.work), NODE1, Peer(BIGIP), mesh, top=("listen bgp port 1790;",))
    text = text.replace(f"Mesh_{MASTER.replace('.', '_')} port 1790", "Mesh_10_1_20_20")
    node1.bird(
        text.replace(
            f"neighbor {MASTER} port 1790 as 64512", f"neighbor {MASTER} port 1790 as 64512"
        )
    )
    watch(12)


@scenario("ippool-export-filter")
def export_filter(lab: Lab) -> None:
    """Only the master peers (eBGP) with the BIG-IP; the mesh never hears of 10.210.0.0/16."""
    f5, master, node1 = trio(lab)
    f5.frr(bigip(asn=65000, neighbors=((MASTER, 64512),), family=("network 10.210.0.0/16",)))
    plain(
        master,
        Peer(BIGIP, 65000),
        Peer(NODE1, kind="Mesh", lines=("passive on", "debug { states, routes, filters }")),
    )
    plain(node1, MESH_NODE1)
    f5.established(MASTER)
    watch(6)


@scenario("mesh-off-no-reflector")
def no_mesh(lab: Lab) -> None:
    f5, master, node1 = trio(lab)
    f5.frr(bigip(neighbors=BOTH))
    plain(master)
    plain(node1)
    f5.established(MASTER)
    f5.established(NODE1)
    watch(5)


CLUSTER = "244.0.0.1"


@scenario("cluster-id-loop")
def cluster_loop(lab: Lab) -> None:
    """master is Calico's route reflector with the BIG-IP's own cluster id; node1 is its client."""
    f5, master, node1 = trio(lab)
    f5.frr(
        bigip(
            f"neighbor {MASTER} route-reflector-client",
            top=(f"bgp cluster-id {CLUSTER}",),
            family=(f"neighbor {MASTER} route-reflector-client",),
            extra=("debug bgp updates in",),
        )
    )
    reflect = f"rr client;\n  rr cluster id {CLUSTER}"
    plain(
        master,
        Peer(BIGIP, lines=(f"rr cluster id {CLUSTER}",)),
        Peer(NODE1, kind="Node", lines=(reflect,)),
    )
    plain(node1, Peer(MASTER, kind="Node", lines=("passive on",)))
    f5.established(MASTER)
    watch(7)


@scenario("as-path-loop")
def as_loop(lab: Lab) -> None:
    """Two clusters of AS 64512 behind an eBGP BIG-IP."""
    f5, master, node1 = trio(lab)
    f5.frr(bigip(asn=65000, neighbors=BOTH))
    plain(master, Peer(BIGIP, 65000))
    plain(node1, Peer(BIGIP, 65000))
    f5.established(MASTER)
    f5.established(NODE1)
    watch(5)


@scenario("next-hop-unreachable")
def next_hop(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip())
    plain(
        master,
        template=("next hop self",),
        source=MASTER,
        top=("filter wrong_hop { bgp_next_hop = 172.18.0.2; accept; }",),
    )
    text = (master.work / "bird.cfg").read_text()
    master.kill("bird", signal.SIGTERM)
    watch(0.5)
    master.bird(
        text.replace("export filter calico_export_to_bgp_peers", "export filter wrong_hop").replace(
            "  next hop self;\n", ""
        )
    )
    f5.established(MASTER)
    watch(5)


@scenario("next-hop-unreachable-masked")
def next_hop_masked(lab: Lab) -> None:
    """BIRD was told the wrong own address; the BIG-IP dials the right one."""
    f5, master = pair(lab)
    sh("ip", "-n", master.netns, "link", "add", "br-docker", "type", "bridge")
    sh("ip", "-n", master.netns, "addr", "add", "172.18.0.2/16", "dev", "br-docker")
    sh("ip", "-n", master.netns, "link", "set", "br-docker", "up")
    f5.frr(bigip())
    plain(master, router_id="172.18.0.2", source="172.18.0.2")
    f5.established(MASTER)
    watch(5)


@scenario("maximum-prefix")
def max_prefix(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(family=(f"neighbor {MASTER} maximum-prefix 5",)))
    routes = [f"192.168.{i}.0/26" for i in range(10)]
    plain(master, routes=routes)
    watch(12)


@scenario("mtu-black-hole")
def mtu(lab: Lab) -> None:
    f5, master, gw = routed(lab)
    sh("ip", "-n", gw.netns, "link", "set", "far", "mtu", "1000")
    gw.drop("-p", "icmp", "--icmp-type", "fragmentation-needed", chain="OUTPUT")
    f5.frr(bigip(router_id="10.1.30.5", timers="5 15"))
    routes = [f"10.{64 + i // 200}.{i % 200}.0/26" for i in range(950)]
    plain(master, Peer("10.1.30.5"), routes=routes, pools=("10.0.0.0/8",))
    f5.established(MASTER)
    watch(32)


@scenario("reverse-path-filter")
def rp_filter(lab: Lab) -> None:
    """The node's way back to the BIG-IP leaves another interface than its packets came in on."""
    f5 = lab.node("bigip-1", "10.1.30.5")
    master, gw = lab.node("kube-master", MASTER), lab.node("gw", "10.1.20.1")
    lab.lan("far", ("bigip-1", "10.1.30.5/24"), ("gw", "10.1.30.1/24"))
    lab.lan("eth0", ("kube-master", f"{MASTER}/24"), ("gw", "10.1.20.1/24"))
    lab.lan("eth1", ("kube-master", "10.1.21.20/24"), ("gw", "10.1.21.1/24"))
    f5.run("ip", "route", "add", "10.1.20.0/23", "via", "10.1.30.1")
    gw.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
    # The gateway reaches the node's address through eth1; the node answers through eth0.
    gw.run("ip", "route", "add", f"{MASTER}/32", "via", "10.1.21.20", "dev", "eth1")
    master.run(
        "sysctl",
        "-qw",
        "net.ipv4.conf.all.rp_filter=1",
        "net.ipv4.conf.eth1.rp_filter=1",
        "net.ipv4.conf.eth0.rp_filter=1",
    )
    master.run("ip", "route", "add", "10.1.30.0/24", "via", "10.1.20.1")
    lab.sniff(master.netns, "any", "capture.pcap")
    f5.frr(bigip(router_id="10.1.30.5"))
    plain(master, Peer("10.1.30.5"))
    watch(14)


@scenario("four-octet-as")
def four_octet(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(f"neighbor {MASTER} dont-capability-negotiate", asn=4200000001))
    plain(master, Peer(BIGIP, 4200000001))
    watch(14)


@scenario("port-179-taken")
def port_taken(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip())
    # Another BGP speaker (kube-vip, MetalLB) got the port first and answers in its own name.
    foreign = (
        "router id 10.1.20.20; log stderr all; protocol device { }\n"
        f"protocol bgp other {{ local as 65001; neighbor {BIGIP} as 64512; passive on; }}\n"
    )
    (master.work / "foreign.cfg").write_text(foreign)
    master.spawn(
        "foreign",
        "bird",
        "-f",
        "-c",
        str(master.work / "foreign.cfg"),
        "-s",
        str(master.work / "foreign.ctl"),
        "-P",
        str(master.work / "foreign.pid"),
    )
    watch(1)
    plain(master)
    watch(12)


@scenario("bfd-mismatch")
def bfd(lab: Lab) -> None:
    """BFD up on both, then its packets are dropped: BGP goes down with it, again and again."""
    f5, master = pair(lab)
    f5.frr(bigip())
    (f5.work / "bfdd.conf").write_text("")
    from bundle_net import FRR

    f5.spawn("bfdd", str(FRR / "bfdd"), "-N", f5.netns, "-f", str(f5.work / "bfdd.conf"))
    watch(1)
    f5.vtysh("configure terminal", "router bgp 64512", f"neighbor {MASTER} bfd")
    text = bird(str(master.work), MASTER, Peer(BIGIP, lines=("direct", "bfd on")), gateway="")
    text = text.replace("  multihop;\n  ;\n", "")
    text += 'protocol bfd { debug { states, events }; interface "*" { interval 300 ms; }; }\n'
    master.bird(text)
    f5.established(MASTER)
    watch(4)
    master.drop("-p", "udp", "--dport", "3784")
    watch(10)


@scenario("bfd-mismatch-hops")
def bfd_hops(lab: Lab) -> None:
    """FRR single-hop, BIRD multihop: BFD never comes up."""
    f5, master = pair(lab)
    f5.frr(bigip())
    (f5.work / "bfdd.conf").write_text("")
    from bundle_net import FRR

    f5.spawn("bfdd", str(FRR / "bfdd"), "-N", f5.netns, "-f", str(f5.work / "bfdd.conf"))
    watch(1)
    f5.vtysh("configure terminal", "router bgp 64512", f"neighbor {MASTER} bfd")
    text = bird(str(master.work), MASTER, Peer(BIGIP, lines=("bfd on",)))
    text += "protocol bfd { multihop { interval 300 ms; }; }\n"
    master.bird(text)
    f5.established(MASTER)
    watch(7)


@scenario("graceful-restart-stale")
def stale(lab: Lab) -> None:
    f5, master = pair(lab)
    f5.frr(bigip(top=("bgp graceful-restart",)))
    plain(master)
    f5.established(MASTER)
    watch(4)
    master.kill("bird", signal.SIGKILL)
    # `ip netns exec` execs, so the process killed is BIRD itself
    watch(8)


@scenario("graceful-restart-wait")
def gr_wait(lab: Lab) -> None:
    """`bird -R` with one peer that nobody answers for: 240 s without routes."""
    f5, master, node1 = trio(lab)
    f5.frr(bigip(neighbors=BOTH, family=("network 10.99.99.100/32",)))
    plain(node1, Peer(BIGIP), MESH_NODE1)
    watch(1)
    plain(master, Peer(BIGIP), MESH_MASTER, Peer("10.1.20.23", kind="Mesh"), options=("-R",))
    f5.established(MASTER)
    watch(12)


__all__ = ["BLOCKS", "SCENARIOS", "socket"]
