"""What is to be deployed: the values that `design` fills and `render` and `runtime` read.

A plan is a containerlab topology in frozen values: container nodes, bridges that live inside a
container's network namespace, and veth links with their final names. Nothing here knows BGP.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_INTERFACE_NAME = 15  # IFNAMSIZ - 1


class Role(Enum):
    """What a container node stands for; also the label `labgen.role`."""

    CALICO_NODE = "calico-node"
    BIGIP = "bigip"
    ROUTER = "router"
    POD = "pod"
    SEGMENT = "segment"


@dataclass(frozen=True, slots=True)
class Bind:
    """A bind mount. `source` is relative to the directory that holds the topology file."""

    source: str
    target: str
    read_only: bool = True

    def __str__(self) -> str:
        return f"{self.source}:{self.target}" + (":ro" if self.read_only else "")


@dataclass(frozen=True, slots=True)
class NodePlan:
    """One container. `name` is the containerlab node name; `kind` the containerlab kind.

    `image` is a full reference. `env` and `labels` hold no secrets. `interfaces` (how many link
    ends the node has) becomes `CLAB_INTFS`.
    """

    name: str
    role: Role
    image: str
    kind: str = "linux"
    binds: tuple[Bind, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    cap_add: tuple[str, ...] = ("NET_ADMIN", "NET_RAW")
    startup_config: str | None = None


@dataclass(frozen=True, slots=True)
class BridgePlan:
    """A Linux bridge inside the network namespace of `node` (topology name `<name>|<node>`)."""

    name: str
    node: str

    @property
    def topology_name(self) -> str:
        return f"{self.name}|{self.node}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One end of a link: `node` is a NodePlan's name or a BridgePlan's `topology_name`."""

    node: str
    interface: str
    mac: str

    @property
    def owner_altname(self) -> str:
        """containerlab's link ownership mark, so that both tools see the same link."""
        digest = hashlib.sha1(f"{self.node}\0{self.interface}".encode(), usedforsecurity=False)
        return f"clab-o-{digest.hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A veth pair with its final names, MACs and MTU (octets)."""

    a: Endpoint
    b: Endpoint
    mtu: int = 1500


@dataclass(frozen=True, slots=True)
class LabPlan:
    """A whole lab. Containers are named `clab-<name>-<node>`, as containerlab names them."""

    name: str
    nodes: tuple[NodePlan, ...]
    bridges: tuple[BridgePlan, ...]
    links: tuple[LinkPlan, ...]

    def container(self, node: str) -> str:
        return f"clab-{self.name}-{node}"

    def node(self, name: str) -> NodePlan:
        return next(node for node in self.nodes if node.name == name)

    def interfaces_of(self, node: str) -> tuple[str, ...]:
        """Names of the link ends that arrive in this node (not its bridges' ports), in order."""
        ends = (end for link in self.links for end in (link.a, link.b))
        return tuple(end.interface for end in ends if end.node == node)
