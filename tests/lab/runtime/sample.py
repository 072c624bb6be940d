"""A small lab made by hand: three Calico nodes, a BIG-IP stand-in, three pods, one segment.

The runtime's own tests need real sessions, but not the rooms above it: the configurations here
are the least that BIRD and FRR want.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from labgen import images
from labgen.plan import Bind, BridgePlan, Endpoint, LabPlan, LinkPlan, NodePlan, Role

if TYPE_CHECKING:
    from collections.abc import Mapping

FORWARDING = {
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.fib_multipath_hash_policy": "1",
}
HOST = {"net.ipv4.ip_forward": "0", "net.ipv6.conf.all.disable_ipv6": "0"}

BIGIP_ADDRESS = "10.1.20.5"
NODES = {
    "n1": ("10.1.20.20", "192.168.221.192/26"),
    "n2": ("10.1.20.21", "192.168.180.0/26"),
    "n3": ("10.1.20.22", "192.168.127.0/26"),
}
PODS = {
    "pod1": ("n1", "192.168.221.198"),
    "pod2": ("n2", "192.168.180.1"),
    "pod3": ("n3", "192.168.127.1"),
}


def cali(pod: str) -> str:
    return "cali" + hashlib.sha1(f"default.{pod}".encode()).hexdigest()[:11]


def mac(lab: str, node: str, interface: str) -> str:
    digest = hashlib.sha256(f"{lab}{node}{interface}".encode()).hexdigest()
    return "aa:c1:ab:" + ":".join(digest[i : i + 2] for i in (0, 2, 4))


def plan(lab: str) -> LabPlan:
    """The plan; `lab` names it."""
    directory = f"clab-{lab}"

    def config(node: str) -> Bind:
        return Bind(f"{directory}/{node}", "/etc/labgen")

    nodes = [
        NodePlan(
            "net", Role.SEGMENT, images.reference("segment"),
            binds=(Bind(f"{directory}/captures", "/captures", read_only=False),),
            env={"LABGEN_SEGMENT": "net"},
        ),
        NodePlan(
            "bigip-1", Role.BIGIP, images.reference("bigip"), binds=(config("bigip-1"),),
            labels={"labgen.alias.eth1": "1.1"}, sysctls=FORWARDING,
            cap_add=("NET_ADMIN", "NET_RAW", "SYS_ADMIN"),
        ),
    ]  # fmt: skip
    for name in NODES:
        confd = Bind(f"{directory}/{name}/confd", "/etc/calico/confd/config")
        nodes.append(
            NodePlan(
                name, Role.CALICO_NODE, images.reference("calico-node"),
                binds=(config(name), confd), sysctls=FORWARDING,
            )
        )  # fmt: skip
    nodes += [
        NodePlan(
            pod, Role.POD, images.reference("pod"), binds=(config(pod),), sysctls=HOST
        )
        for pod in PODS
    ]  # fmt: skip
    links = [
        LinkPlan(
            Endpoint(node, "eth1", mac(lab, node, "eth1")),
            Endpoint("br0|net", node, mac(lab, "net", node)),
        )
        for node in ("bigip-1", *NODES)
    ]
    links += [
        LinkPlan(
            Endpoint(pod, "eth0", mac(lab, pod, "eth0")),
            Endpoint(node, cali(pod), "ee:ee:ee:ee:ee:ee"),
            mtu=1440,
        )
        for pod, (node, _) in PODS.items()
    ]
    return LabPlan(lab, tuple(nodes), (BridgePlan("br0", "net"),), tuple(links))


def bird(node: str) -> str:
    address, block = NODES[node]
    peers = [("Global_bigip", BIGIP_ADDRESS, "")]
    for other, (peer, _) in NODES.items():
        if other != node:
            peers.append((f"Mesh_{other}", peer, "passive on;" if other > node else ""))
    sessions = "".join(
        f"""
protocol bgp {name} from bgp_template {{
  neighbor {peer} as 64512;
  {passive}
}}
"""
        for name, peer, passive in peers
    )
    return f"""
router id {address};
protocol static {{ route {block} blackhole; }}
filter calico_kernel {{ accept; }}
filter only_blocks {{ if net ~ [ 192.168.0.0/16{{16,26}} ] then accept; reject; }}
protocol kernel {{ learn; persist; scan time 2; import all; export filter calico_kernel; }}
protocol device {{ scan time 2; }}
protocol direct {{ interface -"cali*", "*"; }}
template bgp bgp_template {{
  debug {{ states }};
  description "a peer";
  local as 64512;
  multihop;
  gateway recursive;
  import all;
  export filter only_blocks;
  next hop self;
  source address {address};
  add paths on;
  graceful restart;
  connect delay time 2;
  connect retry time 5;
  error wait time 5,30;
}}
{sessions}
"""


FRR = """frr defaults traditional
hostname bigip-1
log stdout
router bgp 64512
 bgp router-id 10.1.20.5
 no bgp ebgp-requires-policy
 neighbor calico-k8s peer-group
 neighbor calico-k8s remote-as 64512
 neighbor 10.1.20.20 peer-group calico-k8s
 neighbor 10.1.20.21 peer-group calico-k8s
 neighbor 10.1.20.22 peer-group calico-k8s
!
"""
BIRD6 = "router id 10.1.20.20;\nprotocol device { scan time 2; }\n"
DAEMONS = (
    'bgpd=yes\nbfdd=yes\nzebra_options="-A 127.0.0.1 -s 90000000"\n'
    'bgpd_options="-A 127.0.0.1"\nstaticd_options="-A 127.0.0.1"\nbfdd_options="-A 127.0.0.1"\n'
)


def artefacts(lab: str) -> Mapping[str, bytes]:
    """Every file of the lab, relative to where the topology file stands."""
    directory = f"clab-{lab}"
    files = {
        f"{lab}.clab.yml": f"name: {lab}\ntopology:\n  nodes: {{}}\n",
        f"{directory}/bigip-1/interfaces": f"address add {BIGIP_ADDRESS}/24 dev eth1\n",
        f"{directory}/bigip-1/frr/frr.conf": FRR,
        f"{directory}/bigip-1/frr/daemons": DAEMONS,
        f"{directory}/bigip-1/frr/vtysh.conf": "service integrated-vtysh-config\n",
    }
    for node, (address, _) in NODES.items():
        pods = [(pod, ip) for pod, (where, ip) in PODS.items() if where == node]
        files[f"{directory}/{node}/interfaces"] = f"address add {address}/24 dev eth1\n"
        files[f"{directory}/{node}/felix"] = "underlay eth1\n" + "".join(
            f"workload {cali(pod)} {ip}/32\n" for pod, ip in pods
        )
        files[f"{directory}/{node}/confd/bird.cfg"] = bird(node)
        files[f"{directory}/{node}/confd/bird6.cfg"] = BIRD6
    for pod, (_, ip) in PODS.items():
        files[f"{directory}/{pod}/interfaces"] = (
            f"address add {ip}/32 dev eth0\n"
            "route add 169.254.1.1 dev eth0 scope link\n"
            "route add default via 169.254.1.1 dev eth0\n"
        )
    return {name: text.encode() for name, text in files.items()}
