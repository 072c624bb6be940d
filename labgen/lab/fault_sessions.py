"""Faults of the gallery that keep a session from coming up, or end it: G1 to G16.

A hop that lets TTL 1 die is played by a packet filter that drops exactly what the hop would drop.
"""

from __future__ import annotations

import re
from functools import partial

from labgen.lab.fault_blocks import (
    EBGP_AS,
    Makers,
    Parts,
    Target,
    block_both,
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

_KEY = "labgen-drill"  # not a secret: it lives for one drill in a sealed lab

MAKERS: Makers = {}
_fault = partial(fault, MAKERS)


# TCP does not come about.


@_fault("G1", "tcp-179-filtered", "SYNs without an answer in both directions")
def _g1(t: Target) -> Parts:
    return block_both(t, "drop")


@_fault("G2", "tcp-179-refused", "RST to every SYN")
def _g2(t: Target) -> Parts:
    return block_both(t, "reject with tcp reset")


@_fault("G3", "host-unreachable", "ICMP administratively prohibited to every SYN")
def _g3(t: Target) -> Parts:
    return block_both(t, "reject with icmp type admin-prohibited")


@_fault("G4", "wrong-remote-as", "NOTIFICATION 2/2 in a loop")
def _g4(t: Target) -> Parts:
    return [EditBird(t.node, (remote_as(t.router_address, EBGP_AS),))], []


@_fault("G5", "md5-mismatch", "SYNs with option 19 from the router only, unanswered")
def _g5(t: Target) -> Parts:
    return [neighbor(t, f"password {_KEY}")], []


@_fault("G6", "duplicate-router-id", "NOTIFICATION 2/3", restarts=True)
def _g6(t: Target) -> Parts:
    edit = Edit(r"^router id \S+;", f"router id {t.router_address};")
    # BIRD gives a new router id only to protocols that start anew.
    restart = Command(t.node, ("birdc", "-s", BIRD_SOCKET, "restart", "all"), tolerant=True)
    return [EditBird(t.node, (edit,)), restart], []


def _speaker(t: Target) -> str:
    """A speaker of the node's own that offers a hold time of 2 s, which BIRD's parser refuses."""
    return (
        "import os,socket,struct,threading\n"
        "if os.fork(): os._exit(0)\n"
        "os.setsid()\n"
        f"open('{SCRATCH_PID}','w').write(str(os.getpid()))\n"
        "for fd in (0,1,2): os.dup2(os.open('/dev/null',os.O_RDWR),fd)\n"
        "caps=bytes.fromhex('0104000100014104')+struct.pack('!I'," + str(t.router_as) + ")\n"
        f"body=struct.pack('!BHH',4,{min(t.router_as, 65535)},2)"
        f"+socket.inet_aton('{t.node_address}')\n"
        "body+=bytes([len(caps)+2,2,len(caps)])+caps\n"
        "while True:\n"
        " try:\n"
        f"  s=socket.create_connection(('{t.router_address}',179),5)\n"
        "  s.sendall(b'\\xff'*16+struct.pack('!HB',19+len(body),1)+body)\n"
        "  s.settimeout(3)\n"
        "  while s.recv(4096): pass\n"
        " except OSError: pass\n"
        " threading.Event().wait(2)\n"
    )


@_fault("G7", "unacceptable-hold-time", "NOTIFICATION 2/6")
def _g7(t: Target) -> Parts:
    steps: list[Step] = [
        EditBird(t.node, (without_peer(t.router_address),)),
        Command(t.node, ("python3", "-c", _speaker(t))),
    ]
    return steps, end_process(t.node)


# Established, then not, or a handshake that leads nowhere.


@_fault("G8", "hold-timer-expired", "the session ends by its hold timer; one segment repeated")
def _g8(t: Target) -> Parts:
    steps: list[Step] = [
        neighbor(t, "timers 3 9"),
        established(t),
        packet_filter(t.node, f"ip saddr {t.router_address} drop"),
        Await(
            t.router,
            ("vtysh", "-c", f"show bgp neighbors {t.node_address} json"),
            r'"lastErrorCodeSubcode":\s*"0400"',
            "hold timer expired",
        ),
    ]
    return steps, unfilter(t.node)


@_fault("G9", "ebgp-multihop-missing", "the router's data has TTL 1 and dies at a hop")
def _g9(t: Target) -> Parts:
    hop = packet_filter(t.node, f"ip saddr {t.router_address} ip ttl 1 drop")
    return [hop, *ebgp(t)], unfilter(t.node)


@_fault("G10", "ttl-security-one-sided", "OpenSent and OpenConfirm; what the node sends is dropped")
def _g10(t: Target) -> Parts:
    return ebgp(t, f" neighbor {t.node_address} ttl-security hops 1"), []


@_fault("G11", "ebgp-policy-missing", "Established, (Policy), nothing exchanged")
def _g11(t: Target) -> Parts:
    return ebgp(t, policy=True), []


@_fault("G12", "address-family-not-activated", "RST after the OPEN, or NOTIFICATION 2/7")
def _g12(t: Target) -> Parts:
    edit = Edit(rf"^(router bgp {t.router_as})$", r"\1\n no bgp default ipv4-unicast")
    return [EditBgp(t.router, (edit,))], []


@_fault("G13", "neighbor-not-configured", "RST after the node's OPEN")
def _g13(t: Target) -> Parts:
    line = Edit(rf"^ +neighbor {re.escape(t.node_address)} [^\n]*\n", "")
    return [EditBgp(t.router, (line,))], []


@_fault("G14", "bgppeer-missing", "RST after the router's OPEN; BIRD: unexpected connect")
def _g14(t: Target) -> Parts:
    return [EditBird(t.node, (without_peer(t.router_address),))], []


@_fault("G15", "both-passive", "not one SYN; BIRD says Passive")
def _g15(t: Target) -> Parts:
    return [
        EditBird(t.node, (in_peer(t.router_address, "passive on;"),)),
        neighbor(t, "passive"),
    ], []


@_fault(
    "G16", "listen-port-changed", "the node refuses port 179, BIRD listens on 1790", restarts=True
)
def _g16(t: Target) -> Parts:
    moved = EditBird(t.node, append="listen bgp port 1790;\n")
    shut = packet_filter(t.router, f"ip saddr {t.node_address} tcp dport 179 reject with tcp reset")
    # The listener moves only when no protocol holds it.
    gone = listener_gone(t.node)
    steps: list[Step] = [EditBird(t.node, (NO_PEERS,)), gone, shut, moved, clear(t)]
    return steps, unfilter(t.router)
