"""Faults that begin under a running network: three speakers, all well, then one session breaks."""

from __future__ import annotations

import signal
from collections.abc import Sequence

from bundle_configs import BIGIP, MASTER, NODE1, Peer, bigip, bird
from bundle_net import Lab, Node, sh, watch
from bundle_scenarios import BOTH, MESH_MASTER, MESH_NODE1, pair, plain, scenario, trio

RESET = "REJECT --reject-with tcp-reset"
PROHIBITED = "REJECT --reject-with icmp-admin-prohibited"


def running(
    lab: Lab, asn: int = 64512, timers: str = "30 90", top: Sequence[str] = ()
) -> tuple[Node, Node]:
    """The BIG-IP and the node that will suffer; a second node stays well."""
    f5, master, node = trio(lab)
    vip = ("network 10.99.99.100/32",)
    f5.frr(bigip(asn=asn, neighbors=BOTH, family=vip, timers=timers, top=top))
    plain(master, Peer(BIGIP, asn), MESH_MASTER)
    plain(node, Peer(BIGIP, asn), MESH_NODE1)
    f5.established(MASTER)
    f5.established(NODE1)
    watch(4)
    return f5, node


def configure(f5: Node, *lines: str, asn: int = 64512) -> None:
    f5.vtysh("configure terminal", f"router bgp {asn}", *lines)


def clear(f5: Node) -> None:
    f5.vtysh(f"clear bgp {NODE1}")


def reread(node: Node, text: str) -> None:
    (node.work / "bird.cfg").write_text(text)
    node.birdc("configure")


def block(f5: Node, node: Node, target: str) -> None:
    """Rules at both ends, and the session ended so that they show."""
    for here, there in ((f5, node), (node, f5)):
        here.drop("-p", "tcp", "--dport", "179", "-s", there.address, target=target)
    clear(f5)


@scenario("tcp-179-filtered-mid")
def filtered(lab: Lab) -> None:
    block(*running(lab), "DROP")
    watch(20)


@scenario("tcp-179-refused-mid")
def refused(lab: Lab) -> None:
    block(*running(lab), RESET)
    watch(14)


@scenario("host-unreachable-mid")
def prohibited(lab: Lab) -> None:
    block(*running(lab), PROHIBITED)
    watch(14)


@scenario("wrong-remote-as-mid")
def wrong_as(lab: Lab) -> None:
    f5, _ = running(lab)
    configure(f5, f"neighbor {NODE1} remote-as 65000")
    watch(16)


@scenario("md5-mismatch-mid")
def md5(lab: Lab) -> None:
    f5, _ = running(lab)
    configure(f5, f"neighbor {NODE1} password lab-key-two")
    clear(f5)
    watch(20)


@scenario("duplicate-router-id-mid")
def identifier(lab: Lab) -> None:
    _, node = running(lab)
    node.kill("bird", signal.SIGTERM)
    watch(1)
    plain(node, Peer(BIGIP), MESH_NODE1, router_id=BIGIP)
    watch(14)


@scenario("ttl-security-one-sided-mid")
def gtsm(lab: Lab) -> None:
    f5, _ = running(lab, asn=65000)
    configure(f5, f"neighbor {NODE1} ttl-security hops 1", asn=65000)
    clear(f5)
    watch(20)


@scenario("ttl-security-one-sided-bird")
def gtsm_at_bird(lab: Lab) -> None:
    """The BIG-IP believes the session up; BIRD takes nothing after its OPEN."""
    f5, master = pair(lab)
    f5.frr(bigip(asn=65000))
    plain(master, Peer(BIGIP, 65000, lines=("ttl security on",)))
    watch(16)


@scenario("ebgp-policy-missing-mid")
def policy(lab: Lab) -> None:
    f5, _ = running(lab, asn=65000)
    configure(f5, "bgp ebgp-requires-policy", asn=65000)
    f5.vtysh("clear bgp *")
    watch(12)


@scenario("address-family-not-activated-mid")
def family(lab: Lab) -> None:
    f5, _ = running(lab)
    configure(f5, "address-family ipv4 unicast", f"no neighbor {NODE1} activate")
    clear(f5)
    watch(14)


@scenario("neighbor-not-configured-mid")
def removed(lab: Lab) -> None:
    f5, _ = running(lab)
    configure(f5, f"no neighbor {NODE1}")
    watch(16)


@scenario("bgppeer-missing-mid")
def deselected(lab: Lab) -> None:
    _, node = running(lab)
    reread(node, bird(str(node.work), NODE1, MESH_NODE1))
    watch(16)


@scenario("both-passive-mid")
def passive(lab: Lab) -> None:
    f5, node = running(lab)
    configure(f5, f"neighbor {NODE1} passive")
    waiting = Peer(BIGIP, lines=("passive on",))
    reread(node, bird(str(node.work), NODE1, waiting, MESH_NODE1))
    clear(f5)
    watch(14)


@scenario("listen-port-changed-mid")
def moved(lab: Lab) -> None:
    f5, node = running(lab)
    f5.drop("-p", "tcp", "--dport", "179", "-s", NODE1, target=RESET)
    node.kill("bird", signal.SIGTERM)
    watch(1)
    plain(node, Peer(BIGIP), MESH_NODE1, top=("listen bgp port 1790;",))
    watch(16)


@scenario("listen-port-changed-drop")
def moved_and_dropped(lab: Lab) -> None:
    """The BIG-IP's port lockdown drops, the node's own kernel refuses."""
    f5, master = pair(lab)
    f5.drop("-p", "tcp", "--dport", "179")
    f5.frr(bigip())
    plain(master, top=("listen bgp port 1790;",))
    watch(16)


@scenario("next-hop-unreachable-mid")
def next_hop(lab: Lab) -> None:
    _, node = running(lab)
    text = (node.work / "bird.cfg").read_text()
    text = text.replace("export filter calico_export_to_bgp_peers", "export filter wrong_hop")
    wrong = "filter wrong_hop { bgp_next_hop = 172.18.0.2; accept; }\n"
    reread(node, text.replace("filter calico_export", wrong + "filter calico_export", 1))
    node.birdc("reload out all")
    watch(10)


@scenario("maximum-prefix-mid")
def limit(lab: Lab) -> None:
    f5, node = running(lab)
    configure(f5, "address-family ipv4 unicast", f"neighbor {NODE1} maximum-prefix 5")
    routes = [f"192.168.{i}.0/26" for i in range(10)]
    reread(node, bird(str(node.work), NODE1, Peer(BIGIP), MESH_NODE1, routes=routes))
    watch(14)


@scenario("four-octet-as-mid")
def four_octet(lab: Lab) -> None:
    f5, _ = running(lab, asn=4200000001)
    configure(f5, f"neighbor {NODE1} dont-capability-negotiate", asn=4200000001)
    clear(f5)
    watch(16)


@scenario("port-179-taken-mid")
def taken(lab: Lab) -> None:
    """BIRD dies, another daemon gets its port first and closes whatever it accepts."""
    _, node = running(lab)
    node.kill("bird", signal.SIGKILL)
    watch(0.5)
    code = (
        "import socket\ns=socket.socket()\n"
        "s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n"
        "s.bind(('0.0.0.0',179)); s.listen()\nwhile 1: s.accept()[0].close()\n"
    )
    node.spawn("foreign", "python3", "-c", code)
    watch(1)
    plain(node, Peer(BIGIP), MESH_NODE1)
    watch(14)


@scenario("graceful-restart-stale-mid")
def stale(lab: Lab) -> None:
    _, node = running(lab, top=("bgp graceful-restart",))
    node.kill("bird", signal.SIGKILL)
    watch(10)


@scenario("hold-timer-expired-mid")
def deaf_node(lab: Lab) -> None:
    _, node = running(lab, timers="3 9")
    node.drop("-s", BIGIP)
    watch(20)


@scenario("hold-timer-expired-deaf-bigip")
def deaf_bigip(lab: Lab) -> None:
    f5, _ = running(lab, timers="3 9")
    f5.drop("-s", NODE1)
    watch(20)


@scenario("hold-timer-expired-link")
def link_down(lab: Lab) -> None:
    """The node's link goes down under the session."""
    _, node = running(lab, timers="3 9")
    sh("ip", "-n", node.netns, "link", "set", "internal", "down")
    watch(25)
