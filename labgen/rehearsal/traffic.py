"""Requests from a pod: does something get through, and over which nodes does it go."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labgen.errors import LabgenError

if TYPE_CHECKING:
    from labgen.rehearsal.targets import Endpoint
    from labgen.runtime.protocol import Commands

FLOWS = 48  # two paths, a fair hash: a leg gets none of 48 flows once in 2^47
TABLE = "labgen_legs"
DSCP = 43  # RFC 2474 section 6: xxxx11 is for experimental and local use
_CONNECT = f"""
DSCP = {DSCP}
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
done = 0
for _ in range(int(sys.argv[3])):
    one = socket.socket(family)
    one.settimeout(1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, DSCP << 2)
    else:
        one.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, DSCP << 2)
    try:
        one.connect((sys.argv[1], int(sys.argv[2])))
        done += 1
    except OSError:
        pass
    one.close()
print(done)
"""


def argv_of(kind: str, end: Endpoint) -> tuple[str, ...]:
    """The command that asks once, within a second or two."""
    address = f"[{end.address}]" if end.address.version == 6 else str(end.address)
    if kind == "icmp":
        return ("ping", "-n", "-c", "1", "-W", "1", str(end.address))
    if kind == "tcp":
        return ("timeout", "1", "bash", "-c", 'exec 3<>"/dev/tcp/$0/$1"',
                str(end.address), str(end.port))  # fmt: skip
    return ("curl", "-sS", "--fail", "--max-time", "2", f"http://{address}:{end.port}/")


def ask(commands: Commands, source: str, kind: str, end: Endpoint) -> tuple[bool, str]:
    """Whether it got through, and what was seen, on one line."""
    done = commands.run(source, argv_of(kind, end), timeout=10.0)
    said = (done.stdout if done.code == 0 else done.stderr or done.stdout).strip().splitlines()
    if done.code:
        why = said[-1] if said else f"exit code {done.code}"
        return False, f"{end.address}: {why}"
    first = said[0] if kind == "http" and said else "answered"
    return True, f"{end.address}: {first}"


def shares(
    commands: Commands, source: str, end: Endpoint, legs: Sequence[str]
) -> tuple[int, dict[str, int]]:
    """How many of `FLOWS` connects got through, and how many SYNs came by each of `legs`.

    Counted by a packet filter of their own on the legs, before any translation of addresses, and
    taken away again. They carry a DSCP of their own, so that probes of the same target are not
    in the numbers.
    """
    family = "ip6" if end.address.version == 6 else "ip"
    rules = (
        f"add table inet {TABLE}\n"
        f"add chain inet {TABLE} legs {{ type filter hook prerouting priority -310; }}\n"
        f"flush chain inet {TABLE} legs\n"
        f"add rule inet {TABLE} legs {family} daddr {end.address} tcp dport {end.port}"
        f" {family} dscp {DSCP} tcp flags & (syn|ack) == syn counter\n"
    )
    try:
        for leg in legs:
            commands.run(leg, ("nft", "-f", "-"), stdin=rules).check()
        argv = ("python3", "-I", "-S", "-c", _CONNECT, str(end.address), str(end.port), f"{FLOWS}")
        done = int(commands.run(source, argv, timeout=FLOWS + 10.0).check().stdout)
        counted = {leg: _packets(commands, leg) for leg in legs}
    finally:
        for leg in legs:
            with contextlib.suppress(LabgenError):  # the first error is the one to hear of
                commands.run(leg, ("nft", "delete", "table", "inet", TABLE))
    return done, counted


def _packets(commands: Commands, leg: str) -> int:
    text = commands.run(leg, ("nft", "-j", "list", "table", "inet", TABLE)).check().stdout
    rules = [item["rule"] for item in json.loads(text)["nftables"] if "rule" in item]
    return sum(part["counter"]["packets"] for rule in rules for part in rule["expr"]
               if "counter" in part)  # fmt: skip
