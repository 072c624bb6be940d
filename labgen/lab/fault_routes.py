"""Faults of routes and of what carries them, of BFD and of graceful restart: G17 to G29.

A path with a smaller MTU is played by a packet filter that drops what the path would drop.
"""

from __future__ import annotations

import re
from functools import partial

from labgen.lab.fault_blocks import (
    EBGP_AS,
    Makers,
    Parts,
    Target,
    clear,
    ebgp,
    end_process,
    established,
    fault,
    in_peer,
    neighbor,
    packet_filter,
    remote_as,
    unfilter,
    without_peer,
)
from labgen.lab.fault_steps import (
    BIRD_CONFIG_DIRECTORY,
    BIRD_SOCKET,
    NO_PEERS,
    SCRATCH_PID,
    Await,
    Command,
    Edit,
    EditBgp,
    EditBird,
    Step,
    listener_gone,
)

_FOUR_OCTET_AS = 4200000001
_WRONG_HOP = "172.18.0.2"
_CLUSTER = "244.0.0.1"
_SECOND_SOCKET = "/var/run/calico/bird-aside.ctl"
_SECOND_CONFIG = "/run/labgen/fault-second.cfg"

MAKERS: Makers = {}
_fault = partial(fault, MAKERS)


@_fault("G17", "ippool-export-filter", "the peering node has the prefix, the others have not")
def _g17(t: Target) -> Parts:
    only = [Edit(rf"^ +neighbor {re.escape(a)} [^\n]*\n", "") for _, a in t.others]
    edits = (Edit(rf"^router bgp {t.router_as}$", f"router bgp {EBGP_AS}"), *only)
    network = (" address-family ipv4 unicast", "  network 10.210.0.0/16", " exit-address-family")
    birds = [EditBird(n, (without_peer(t.router_address),)) for n, _ in t.others]
    return [
        EditBird(t.node, (remote_as(t.router_address, EBGP_AS),)),
        *birds,
        EditBgp(t.router, edits, network),
    ], []


def _unmeshed(t: Target, *more: Edit) -> list[EditBird]:
    """Every node with the router as its only peer."""
    return [
        EditBird(n, (*(without_peer(a) for other, a in t.nodes if other != n), *more))
        for n, _ in t.nodes
    ]


@_fault("G18", "mesh-off-no-reflector", "every session up, nodes without each other's blocks")
def _g18(t: Target) -> Parts:
    return list(_unmeshed(t)), []


@_fault("G19", "cluster-id-loop", "CLUSTER_LIST with the router's own cluster id")
def _g19(t: Target) -> Parts:
    client = t.others[0][1] if t.others else t.router_address
    node = EditBird(
        t.node,
        (
            in_peer(t.router_address, f"rr cluster id {_CLUSTER};"),
            in_peer(client, "rr client;", f"rr cluster id {_CLUSTER};"),
        ),
    )
    family = (
        f" bgp cluster-id {_CLUSTER}",
        " address-family ipv4 unicast",
        f"  neighbor {t.node_address} route-reflector-client",
        " exit-address-family",
    )
    return [node, EditBgp(t.router, append=family)], []


@_fault("G20", "as-path-loop", "AS_PATH with the receiver's own AS")
def _g20(t: Target) -> Parts:
    router = EditBgp(t.router, (Edit(rf"^router bgp {t.router_as}$", f"router bgp {EBGP_AS}"),))
    return [*_unmeshed(t, remote_as(t.router_address, EBGP_AS)), router], []


def _export(address: str, by: str) -> Edit:
    """A peer's export filter replaced; it ends at the closing brace of its own indent."""
    return Edit(
        rf"(protocol bgp \S+ from bgp_template \{{\s*neighbor {re.escape(address)} as.*?)"
        r"^  export filter \{.*?^  \};",
        rf"\1  {by}",
    )


@_fault("G21", "next-hop-unreachable", "NEXT_HOP that the router has no route to")
def _g21(t: Target) -> Parts:
    wrong = f"export filter {{ if source = RTS_STATIC then bgp_next_hop = {_WRONG_HOP}; accept; }};"
    return [EditBird(t.node, (_export(t.router_address, wrong),))], []


def _many(count: int) -> str:
    """A static protocol with many host routes (RFC 2544's benchmark network)."""
    routes = "".join(
        f"  route 198.18.{i // 250}.{i % 250 + 1}/32 unreachable;\n" for i in range(count)
    )
    return f"protocol static labgen_fault {{\n{routes}}}\n"


def _only_static(address: str) -> Edit:
    return _export(address, "export where source = RTS_STATIC;")


@_fault("G22", "maximum-prefix", "NOTIFICATION 6/1")
def _g22(t: Target) -> Parts:
    limit = (
        " address-family ipv4 unicast",
        f"  neighbor {t.node_address} maximum-prefix 5",
        " exit-address-family",
    )
    return [
        EditBgp(t.router, append=limit),
        EditBird(t.node, (_only_static(t.router_address),), _many(20)),
    ], []


@_fault("G23", "mtu-black-hole", "full-sized segments repeated, never acknowledged")
def _g23(t: Target) -> Parts:
    hole = packet_filter(t.router, f"ip saddr {t.node_address} ip length > 1000 drop")
    return [
        hole,
        EditBird(t.node, (_only_static(t.router_address),), _many(900)),
        clear(t),
    ], unfilter(t.router)


_SAVED_RP_FILTER = "/run/labgen/fault-rp-filter"
# Netlink, since /proc/sys is read-only in the container; 8 is IPV4_DEVCONF_RP_FILTER.
_STRICT = (
    "import sys,socket,pathlib\n"
    "sys.path.insert(0,'/opt/labgen')\n"
    "import felix\n"
    "name=sys.argv[1]\n"
    f"saved=pathlib.Path('{_SAVED_RP_FILTER}')\n"
    "saved.write_text(pathlib.Path(f'/proc/sys/net/ipv4/conf/{name}/rp_filter').read_text())\n"
    "felix.set_ipv4(socket.if_nametoindex(name),{8:1})\n"
)
_AS_BEFORE = (
    "import sys,socket,pathlib\n"
    "sys.path.insert(0,'/opt/labgen')\n"
    "import felix\n"
    f"saved=pathlib.Path('{_SAVED_RP_FILTER}')\n"
    "felix.set_ipv4(socket.if_nametoindex(sys.argv[1]),{8:int(saved.read_text())})\n"
    "saved.unlink()\n"
)


@_fault("G24", "reverse-path-filter", "SYNs arrive and are dropped; IPReversePathFilter counts")
def _g24(t: Target) -> Parts:
    """On one LAN the filter would already drop ARP; a fixed neighbour entry lets the SYN come."""
    entry = ("ip", "neigh", "replace", t.node_address, "lladdr", t.node_mac, "nud", "permanent")
    route = ("ip", "route", "add", f"{t.router_address}/32", "dev", "lo")
    back = ("ip", "route", "del", f"{t.router_address}/32", "dev", "lo")
    forget = ("ip", "neigh", "del", t.node_address, "dev", t.router_interface)
    inject: list[Step] = [
        Command(t.router, (*entry, "dev", t.router_interface)),
        Command(t.node, ("python3", "-c", _STRICT, t.node_interface)),
        Command(t.node, route),
        clear(t),
    ]
    undo = [
        Command(t.node, back, tolerant=True),
        Command(t.node, ("python3", "-c", _AS_BEFORE, t.node_interface), tolerant=True),
        Command(t.router, forget, tolerant=True),
        clear(t),
    ]
    return inject, undo


@_fault("G25", "four-octet-as", "my AS 23456 without capability 65; NOTIFICATION 2/2")
def _g25(t: Target) -> Parts:
    line = f" neighbor {t.node_address} dont-capability-negotiate"
    return ebgp(t, line, asn=_FOUR_OCTET_AS), []


_LISTENER = (
    "import os,socket\n"
    # as any daemon does: without it, a closed session's TIME_WAIT would keep the port busy
    "s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n"
    "s.bind(('0.0.0.0',179)); s.listen()\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    f"open('{SCRATCH_PID}','w').write(str(os.getpid()))\n"
    "for fd in (0,1,2): os.dup2(os.open('/dev/null',os.O_RDWR),fd)\n"
    "while True: s.accept()[0].close()\n"
)


@_fault("G26", "port-179-taken", "BIRD: Error: No listening socket", restarts=True)
def _g26(t: Target) -> Parts:
    taken = Command(t.node, ("python3", "-c", _LISTENER))
    free: list[Step] = [EditBird(t.node, (NO_PEERS,)), listener_gone(t.node)]
    return [*free, taken, EditBird(t.node)], end_process(t.node)


@_fault("G27", "bfd-mismatch", "BFD single-hop at one end, multihop at the other: never up")
def _g27(t: Target) -> Parts:
    bird = EditBird(
        t.node,
        (in_peer(t.router_address, "bfd on;"),),
        "protocol bfd labgen_fault { multihop { interval 300 ms; }; }\n",
    )
    return [bird, neighbor(t, "bfd")], []


# Graceful restart: a second BIRD in place of the first, which lives on as the node's own.


def _aside(t: Target, config: str, *options: str) -> list[Step]:
    """Move the node's BIRD aside without peers, and start a second one under its name."""
    second = ("bird", *options, "-c", _SECOND_CONFIG, "-s", BIRD_SOCKET, "-P", SCRATCH_PID)
    return [
        Command(t.node, ("python3", "-c", config)),
        EditBird(t.node, (NO_PEERS,)),
        listener_gone(t.node),
        Command(t.node, ("mv", BIRD_SOCKET, _SECOND_SOCKET)),
        Command(t.node, second),
    ]


def _second_config(*, dead_peer: str | None, asn: int) -> str:
    """Python that writes the second BIRD's configuration: the node's own, and a dead mesh peer."""
    dead = ""
    if dead_peer is not None:
        dead = (
            f"protocol bgp Mesh_{dead_peer.replace('.', '_')} from bgp_template {{\\n"
            f"  neighbor {dead_peer} as {asn};\\n  multihop;\\n}}\\n"
        )
    return (
        "import re,pathlib\n"
        f"d='{BIRD_CONFIG_DIRECTORY}/'\n"
        "t=pathlib.Path(d+'bird.cfg').read_text()\n"
        "t=re.sub(r'^include \"(?!/)','include \"'+d,t,flags=re.M)\n"
        f"pathlib.Path('{_SECOND_CONFIG}').write_text(t+'{dead}')\n"
    )


def _back(t: Target) -> list[Command]:
    """The second BIRD goes, the node's own takes its socket back; `heal` then reconfigures it."""
    return [
        Command(t.node, ("pkill", "-9", "-F", SCRATCH_PID), tolerant=True),
        Command(t.node, ("mv", "-f", _SECOND_SOCKET, BIRD_SOCKET), tolerant=True),
        Command(t.node, ("rm", "-f", SCRATCH_PID, _SECOND_CONFIG), tolerant=True),
    ]


@_fault("G28", "graceful-restart-stale", "stale routes, peerState NSF")
def _g28(t: Target) -> Parts:
    steps = [
        *_aside(t, _second_config(dead_peer=None, asn=t.router_as)),
        established(t),
        Await(
            t.router,
            ("vtysh", "-c", "show bgp ipv4 unicast json"),
            rf'"peerId":\s*"{re.escape(t.node_address)}"',
            "the node's routes",
        ),
        Command(t.node, ("pkill", "-9", "-F", SCRATCH_PID)),
    ]
    return steps, _back(t)


def _spare(t: Target) -> str:
    """An address of the segment that nobody has: the old node that was never removed."""
    used = {t.router_address, *(a for _, a in t.nodes)}
    stem = t.router_address.rsplit(".", 1)[0]
    return next(f"{stem}.{i}" for i in range(250, 1, -1) if f"{stem}.{i}" not in used)


@_fault("G29", "graceful-restart-wait", "birdc show status: Wait timer is N/240; no routes")
def _g29(t: Target) -> Parts:
    config = _second_config(dead_peer=_spare(t), asn=t.router_as)
    return [*_aside(t, config, "-R"), established(t)], _back(t)
