"""Felix's part of a node: pods behind their cali interfaces, tunnels, cluster routes.

Run it again with another file and it takes away what that one has no more. Lines (`#` comments):

    underlay eth1
    workload cali0123456789a 192.168.221.198/32
    peering cali0123456789a 169.254.0.179/32
    tunnel vxlan.calico 10.1.20.20 192.168.221.192 66:01:02:03:04:05 1450 vxlan 4096 4789
    tunnel tunl0 10.1.20.20 192.168.221.192 66:01:02:03:04:05 1480 ipip
    end vxlan.calico 10.1.20.21 192.168.180.0 66:0a:0b:0c:0d:0e
    route 192.168.180.0/26 192.168.180.0 vxlan.calico
    route 192.168.180.0/26 10.1.20.21 -
    blackhole 192.168.221.192/26

(tunnel: device, own address, address inside, MAC, MTU; end: device, other node, its address inside,
its MAC.) For each workload, as Felix programs it (github.com/projectcalico/calico,
felix/routetable and felix/dataplane/linux/endpoint_mgr.go): a route to the pod by its interface
with metric 1024 and protocol boot (BIRD's filters tell pod routes from others by that metric),
proxy ARP without delay (the pod's gateway is 169.254.1.1, which nobody has), forwarding; where a
BGPPeer selects it, the node's peering address on its interface. A tunnel (vxlan_mgr, ipip_mgr)
knows its other ends by permanent neighbours and FDB entries, and learns nothing. Cluster routes
have protocol 80.

A kernel without IPIP gets a VXLAN device with the name tunl0: routes, filters and the way of a
packet are the same, the octets between the nodes are not.

/proc/sys is read-only in an unprivileged container, so per-interface settings go by netlink
(RTM_SETLINK with IFLA_AF_SPEC/AF_INET/IFLA_INET_CONF), which needs only NET_ADMIN.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
from pathlib import Path

GATEWAY = "169.254.1.1"
POD_METRIC = "1024"  # FelixConfiguration ipv4NormalRoutePriority
WARN_AFTER_SECONDS = 10.0
CLUSTER_PROTOCOL = "80"  # FelixConfiguration deviceRouteProtocol of cluster routes
TUNNEL_DEVICES = {"tunl0", "vxlan.calico", "vxlan-v6.calico"}
SUBSTITUTE = ("vxlan", "4097", "4789")  # for IPIP; its own VNI, so that no frame strays
SUBSTITUTE_COST = 30  # octets that VXLAN takes from the MTU beyond what IPIP takes

RTM_SETLINK, RTMGRP_LINK = 19, 1
NLM_F_REQUEST, NLM_F_ACK, NLMSG_ERROR = 1, 4, 2
IFLA_AF_SPEC, IFLA_INET_CONF = 26, 1
NLA_F_NESTED = 0x8000
# linux/ip.h: IPV4_DEVCONF_*
FORWARDING, PROXY_ARP, ROUTE_LOCALNET = 1, 3, 26


def attribute(kind: int, payload: bytes) -> bytes:
    """One netlink attribute, padded to four octets."""
    return struct.pack("=HH", 4 + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def set_ipv4(index: int, values: dict[int, int]) -> None:
    """Set net.ipv4.conf.<interface> values by netlink. Raises OSError as the kernel says."""
    conf = b"".join(attribute(kind, struct.pack("=I", value)) for kind, value in values.items())
    inet = attribute(NLA_F_NESTED | IFLA_INET_CONF, conf)
    spec = attribute(NLA_F_NESTED | socket.AF_INET, inet)
    body = struct.pack("=BxHiII", 0, 0, index, 0, 0) + attribute(NLA_F_NESTED | IFLA_AF_SPEC, spec)
    flags = NLM_F_REQUEST | NLM_F_ACK
    header = struct.pack("=IHHII", 16 + len(body), RTM_SETLINK, flags, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.send(header + body)
        reply = link.recv(4096)
    kind, code = struct.unpack_from("=H", reply, 4)[0], struct.unpack_from("=i", reply, 16)[0]
    if kind == NLMSG_ERROR and code:
        raise OSError(-code, "RTM_SETLINK")


def run(*argv: str) -> str:
    """A command's output; a refusal ends the node with its words."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"felix: {' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


def ip(*argv: str) -> None:
    """Run `ip`."""
    run("ip", *argv)


def is_up(interface: str) -> bool:
    """Both ends of the veth are up."""
    try:
        return Path(f"/sys/class/net/{interface}/operstate").read_text().strip() == "up"
    except OSError:
        return False


def wait_for(interface: str, events: socket.socket) -> None:
    """Block until the interface is up, woken by the kernel's link messages."""
    while not is_up(interface):
        if not select.select([events], [], [], WARN_AFTER_SECONDS)[0]:
            print(f"felix: still waiting for {interface}", file=sys.stderr, flush=True)
            continue
        events.recv(65536)


# Plain classes: dataclasses would take as long to import as all of this takes to run.
class Tunnel:
    """A tunnel device; `kind` is ("ipip",) or ("vxlan", VNI, port). `ends`: node, address, MAC."""

    def __init__(self, local: str, address: str, mac: str, mtu: int, kind: tuple[str, ...]) -> None:
        self.local, self.address, self.mac, self.mtu, self.kind = local, address, mac, mtu, kind
        self.ends: list[tuple[str, str, str]] = []


class Wanted:
    """What the file says. Routes are what follows `ip route replace`."""

    def __init__(self) -> None:
        self.underlay: str | None = None
        self.workloads: list[tuple[str, str]] = []
        self.peerings: list[tuple[str, str]] = []
        self.tunnels: dict[str, Tunnel] = {}
        self.routes: dict[str, list[str]] = {}


def parse(text: str) -> Wanted:
    """The file's lines. A line that is not understood ends the program with its number."""
    wanted = Wanted()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words and not (take_pod(words, wanted) or take_route(words, wanted)):
            sys.exit(f"felix: line {number} is not understood: {line}")
    return wanted


def take_pod(words: list[str], wanted: Wanted) -> bool:
    """A line about the node's own interfaces; False for any other."""
    match words:
        case ["underlay", name]:
            wanted.underlay = name
        case ["workload", name, prefix]:
            wanted.workloads.append((name, prefix))
        case ["peering", name, prefix]:
            wanted.peerings.append((name, prefix))
        case _:
            return False
    return True


def take_route(words: list[str], wanted: Wanted) -> bool:
    """A line about the way to other nodes; False for any other."""
    match words:
        case ["tunnel", name, local, address, mac, mtu, *kind] if kind:
            wanted.tunnels[name] = Tunnel(local, address, mac, int(mtu), tuple(kind))
        case ["end", name, node, address, mac] if name in wanted.tunnels:
            wanted.tunnels[name].ends.append((node, address, mac))
        case ["route", network, gateway, "-"]:
            wanted.routes[network] = ["via", gateway]
        case ["route", network, gateway, device]:
            wanted.routes[network] = ["via", gateway, "dev", device, "onlink"]
        case ["blackhole", network]:
            wanted.routes[network] = []
        case _:
            return False
    return True


# --- workloads ------------------------------------------------------------------------------------


def program(interface: str, prefix: str) -> None:
    """One workload's route and interface settings."""
    values = {FORWARDING: 1, PROXY_ARP: 1, ROUTE_LOCALNET: 1}
    set_ipv4(socket.if_nametoindex(interface), values)
    version, cache = ("-6", "ndisc_cache") if ":" in prefix else ("-4", "arp_cache")
    ip("ntable", "change", "name", cache, "dev", interface, "proxy_delay", "0")
    ip(
        version, "route", "replace", prefix, "dev", interface,
        "scope", "link", "metric", POD_METRIC, "proto", "boot",
    )  # fmt: skip


def peer(wanted: list[tuple[str, str]]) -> None:
    """The addresses at which nodes wait for their local BGP peers: these, and no others."""
    there = {
        (link["ifname"], f"{a['local']}/{a['prefixlen']}")
        for link in asked("address", "show")
        for a in link.get("addr_info", ())
        if link.get("ifname", "").startswith("cali") and a["scope"] != "link"
    }
    for interface, prefix in there - set(wanted):
        ip("address", "delete", prefix, "dev", interface)
    for interface, prefix in wanted:
        if (interface, prefix) not in there:
            ip("address", "add", prefix, "dev", interface, *nodad(prefix))


def nodad(address: str) -> list[str]:
    """Duplicate address detection would hold an IPv6 address back for a second."""
    return ["nodad"] if ":" in address else []


# --- tunnels --------------------------------------------------------------------------------------


def asked(*argv: str) -> list[dict]:
    """`ip -j …`: its rows; none where it refuses (no such device)."""
    done = subprocess.run(["ip", "-j", *argv], capture_output=True, text=True, check=False)
    return [row for row in json.loads(done.stdout or "[]") if row] if not done.returncode else []


def device(name: str) -> dict:
    """A device as `ip -d link` has it, {} where there is none."""
    return next(iter(asked("-d", "link", "show", "dev", name)), {})


def has_ipip() -> bool:
    """tunl0 is there as IPIP's own, or can be made. The kernel makes it when the module comes."""
    if device("tunl0").get("linkinfo", {}).get("info_kind") == "ipip":
        return True
    argv = ["ip", "link", "add", "tunl0", "type", "ipip"]
    made = subprocess.run(argv, capture_output=True, text=True, check=False)
    return not made.returncode or "File exists" in made.stderr


def in_its_place(tunnel: Tunnel) -> Tunnel:
    """VXLAN where the kernel has no IPIP."""
    print("felix: this kernel has no IPIP: tunl0 is a VXLAN device", file=sys.stderr, flush=True)
    mtu = tunnel.mtu - SUBSTITUTE_COST
    made = Tunnel(tunnel.local, tunnel.address, tunnel.mac, mtu, SUBSTITUTE)
    made.ends = tunnel.ends
    return made


def raise_tunnel(name: str, tunnel: Tunnel, underlay: str) -> None:
    """The device with its address and the other ends, as wanted."""
    substituted = device(name).get("linkinfo", {}).get("info_kind") == "vxlan"
    if tunnel.kind[0] == "ipip" and (substituted or not has_ipip()):
        tunnel = in_its_place(tunnel)
    if tunnel.kind[0] == "vxlan":
        make_vxlan(name, tunnel, underlay)
    ip("link", "set", "dev", name, "mtu", str(tunnel.mtu), "up")
    length = "128" if ":" in tunnel.address else "32"
    for row in asked("address", "show", "dev", name):
        for a in row.get("addr_info", ()):
            if a["scope"] != "link" and a["local"] != tunnel.address:
                ip("address", "delete", f"{a['local']}/{a['prefixlen']}", "dev", name)
    ip("address", "replace", f"{tunnel.address}/{length}", "dev", name, *nodad(tunnel.address))
    if tunnel.kind[0] == "vxlan":
        know_ends(name, tunnel)


def make_vxlan(name: str, tunnel: Tunnel, underlay: str) -> None:
    """The VXLAN device; one that differs in what cannot be changed is made anew."""
    _, vni, port = tunnel.kind
    there = device(name)
    data = there.get("linkinfo", {}).get("info_data", {})
    local = data.get("local", data.get("local6"))
    if there and (there.get("address"), local) != (tunnel.mac, tunnel.local):
        ip("link", "delete", name)
        there = {}
    if not there:
        six = ["udp6zerocsumrx"] if ":" in tunnel.local else []
        ip(
            "link", "add", name, "address", tunnel.mac, "type", "vxlan", "id", vni, "local",
            tunnel.local, "dev", underlay, "dstport", port, "nolearning", *six,
        )  # fmt: skip


def know_ends(name: str, tunnel: Tunnel) -> None:
    """Permanent neighbours and FDB entries of the other ends, and none of those that left."""
    neighbours = {address: mac for _, address, mac in tunnel.ends}
    for row in asked("neigh", "show", "dev", name, "nud", "permanent"):
        if neighbours.get(row["dst"]) is None:
            ip("neigh", "delete", row["dst"], "dev", name)
    for address, mac in neighbours.items():
        ip("neigh", "replace", address, "lladdr", mac, "dev", name, "nud", "permanent")
    wanted = {(mac, node) for node, _, mac in tunnel.ends}
    rows = json.loads(run("bridge", "-j", "fdb", "show", "dev", name) or "[]")
    there = {(row["mac"], row.get("dst")) for row in rows if row.get("dst")}
    for mac, node in there - wanted:
        run("bridge", "fdb", "delete", mac, "dev", name, "dst", node)
    for mac, node in wanted - there:
        run("bridge", "fdb", "append", mac, "dev", name, "dst", node, "self", "permanent")


# --- cluster routes -------------------------------------------------------------------------------


def route(wanted: dict[str, list[str]]) -> None:
    """Cluster routes: these, and no others of Felix's."""
    for version in ("-4", "-6"):
        for row in asked(version, "route", "show", "proto", CLUSTER_PROTOCOL):
            if full(row["dst"]) not in wanted:
                ip(version, "route", "delete", row["dst"], "proto", CLUSTER_PROTOCOL)
    for network, way in wanted.items():
        version = "-6" if ":" in network else "-4"
        kind = [] if way else ["blackhole"]
        ip(version, "route", "replace", *kind, network, *way, "proto", CLUSTER_PROTOCOL)


def full(destination: str) -> str:
    """`ip` leaves the length of a single address out."""
    return (
        destination if "/" in destination else f"{destination}/{128 if ':' in destination else 32}"
    )


def main(path: str) -> None:
    """Bring the kernel to what the file says; each workload as soon as its interface is up."""
    wanted = parse(Path(path).read_text(encoding="utf-8"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as events:
        events.bind((0, RTMGRP_LINK))
        if wanted.underlay is not None:
            wait_for(wanted.underlay, events)
            # The kernel proxies only addresses that it would route through another interface.
            # A real node has a default route; a sealed one has none, so it gets exactly this
            # one. Protocol kernel: BIRD takes routes of that origin for its own and learns none.
            ip("-4", "route", "replace", f"{GATEWAY}/32", "dev", wanted.underlay,
               "scope", "link", "proto", "kernel")  # fmt: skip
            for link in asked("link", "show", "type", "vxlan"):
                if link["ifname"] in TUNNEL_DEVICES - wanted.tunnels.keys():
                    ip("link", "delete", link["ifname"])
            for name, tunnel in wanted.tunnels.items():
                raise_tunnel(name, tunnel, wanted.underlay)
            route(wanted.routes)
        for interface, prefix in wanted.workloads:
            wait_for(interface, events)
            program(interface, prefix)
        peer(wanted.peerings)


if __name__ == "__main__":
    main(sys.argv[1])
