"""Felix's part of a node, once: routes and proxy ARP for the pods behind their cali interfaces.

Reads lines of two forms (`#` starts a comment):

    underlay eth1
    workload cali0123456789a 192.168.221.198/32

For each workload, as Felix programs it (github.com/projectcalico/calico, felix/routetable and
felix/dataplane/linux/endpoint_mgr.go): a route to the pod by its interface with metric 1024 and
protocol boot (BIRD's filters tell pod routes from others by that metric), proxy ARP without delay
(the pod's gateway is 169.254.1.1, which nobody has), forwarding.

/proc/sys is read-only in an unprivileged container, so per-interface settings go by netlink
(RTM_SETLINK with IFLA_AF_SPEC/AF_INET/IFLA_INET_CONF), which needs only NET_ADMIN.
"""

from __future__ import annotations

import select
import socket
import struct
import subprocess
import sys
from pathlib import Path

GATEWAY = "169.254.1.1"
POD_METRIC = "1024"  # FelixConfiguration ipv4NormalRoutePriority
WARN_AFTER_SECONDS = 10.0

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


def ip(*argv: str) -> None:
    """Run `ip`; a refusal ends the node with its words."""
    done = subprocess.run(["ip", *argv], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"felix: ip {' '.join(argv)}: {done.stderr.strip()}")


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


def parse(text: str) -> tuple[str | None, list[tuple[str, str]]]:
    """The underlay interface, and (interface, prefix) of every workload."""
    underlay, workloads = None, []
    for number, line in enumerate(text.splitlines(), 1):
        match line.partition("#")[0].split():
            case []:
                continue
            case ["underlay", name]:
                underlay = name
            case ["workload", name, prefix]:
                workloads.append((name, prefix))
            case _:
                sys.exit(f"felix: line {number} is not understood: {line}")
    return underlay, workloads


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


def main(path: str) -> None:
    """Program every workload of the file, each as soon as its interface is up."""
    underlay, workloads = parse(Path(path).read_text(encoding="utf-8"))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as events:
        events.bind((0, RTMGRP_LINK))
        if underlay is not None:
            wait_for(underlay, events)
            # The kernel proxies only addresses that it would route through another interface.
            # A real node has a default route; a sealed one has none, so it gets exactly this
            # one. Protocol kernel: BIRD takes routes of that origin for its own and learns none.
            ip("-4", "route", "replace", f"{GATEWAY}/32", "dev", underlay,
               "scope", "link", "proto", "kernel")  # fmt: skip
        for interface, prefix in workloads:
            wait_for(interface, events)
            program(interface, prefix)


if __name__ == "__main__":
    main(sys.argv[1])
