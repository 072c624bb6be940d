"""Programs of a guide that are no front of their own: `docker network`, and those of a machine.

In a guide a person stands on some machine: `netstat -rn` on a Kubernetes node, `ping` on the
BIG-IP. In a lab's shell such a program runs in a node of the lab; the caller says in which.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgen.plan import Role

if TYPE_CHECKING:
    from labgen.design.model import CalicoNode, Design, Router, Segment

# Programs that a node of the lab answers for the machine that the reader stands on.
ON_NODES = ("arp", "ifconfig", "ip", "netstat", "ping", "route", "traceroute")
FRONTS = ("calicoctl", "docker", "imish", "kubectl", "minikube")
COVERED = (*FRONTS, *(name for name in ON_NODES if name != "traceroute"))


@dataclass(frozen=True, slots=True)
class Said:
    """What a program printed and exited with."""

    out: str = ""
    err: str = ""
    code: int = 0


def standing_on(design: Design, tool: str) -> str | None:
    """The node that answers `tool` where the reader has not said on which one they stand.

    As in the guides: `imish` and `ping` are the BIG-IP's, if there is one, the rest a node's.
    """
    routers = [r.name for r in design.routers if r.role is Role.BIGIP or tool == "ping"]
    if tool in ("imish", "ping") and routers:
        return routers[0]
    if tool == "imish":
        return None
    return next((node.name for node in design.calico_nodes), None)


def docker(design: Design, argv: Sequence[str]) -> Said:
    """`docker network ls` and `docker network inspect`: the lab's segments, as networks."""
    words = list(argv)
    if words[:2] in (["network", "ls"], ["network", "list"]) and len(words) == 2:
        rows = [("NETWORK ID", "NAME", "DRIVER", "SCOPE")]
        rows += [(network_id(design, s)[:12], s.name, "bridge", "lab") for s in design.segments]
        return Said("".join(f"{a:<15}{b:<26}{c:<9}{d}\n" for a, b, c, d in rows))
    if words[:2] == ["network", "inspect"] and len(words) > 2:
        return _inspect(design, words[2:])
    return Said(
        err=f"{' '.join(('docker', *words))}: not covered by this lab; covered: docker network ls, "
        "docker network inspect NETWORK\n",
        code=1,
    )


def network_id(design: Design, segment: Segment) -> str:
    """A stable id of 64 hex digits, as docker's are."""
    return hashlib.sha256(f"{design.name}\0{segment.name}".encode()).hexdigest()


def _inspect(design: Design, names: Sequence[str]) -> Said:
    found, missing = [], []
    for name in names:
        segment = next(
            (s for s in design.segments
             if s.name == name or (len(name) > 3 and network_id(design, s).startswith(name))),
            None,
        )  # fmt: skip
        if segment is None:
            missing.append(f"Error response from daemon: network {name} not found\n")
        else:
            found.append(_described(design, segment))
    hint = ""
    if missing:
        known = ", ".join(s.name for s in design.segments)
        hint = f"labgen: the networks of this lab: {known}\n"
    text = json.dumps(found, indent=4) + "\n"
    return Said(text, "".join(missing) + hint, 1 if missing else 0)


def _described(design: Design, segment: Segment) -> dict[str, object]:
    nodes: list[Router | CalicoNode] = [*design.routers, *design.calico_nodes]
    attached = [
        (node.name, interface)
        for node in nodes
        for interface in node.interfaces
        if interface.segment == segment.name
    ]
    return {
        "Name": segment.name,
        "Id": network_id(design, segment),
        "Scope": "lab",
        "Driver": "bridge",
        "IPAM": {"Config": [{"Subnet": str(subnet)} for subnet in segment.subnets]},
        "Containers": {
            name: {
                "Name": name,
                "MacAddress": interface.mac,
                "IPv4Address": next((str(a) for a in interface.addresses if a.version == 4), ""),
            }
            for name, interface in attached
        },
    }
