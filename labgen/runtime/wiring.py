"""Links as `ip -batch` lines: pure, from a plan and the process ids of its nodes.

A veth is made by one message straight in its two final namespaces, with final names, MACs and
MTU; nothing of it ever stands in the host's namespace. A second run per namespace gives
containerlab's ownership altnames, ports their bridge, and brings everything up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from labgen.plan import BridgePlan, Endpoint, LabPlan, LinkPlan

ALIAS_LABEL = (
    "labgen.alias."  # label `labgen.alias.eth1: "1.1"`: the interface's name on the device
)


@dataclass(frozen=True, slots=True)
class Batches:
    """What one wiring request carries; keys are process ids.

    `before` makes bridges, `veths` runs in the host's namespace, `after` settles both ends.
    """

    before: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    veths: tuple[str, ...] = ()
    after: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def owner(plan: LabPlan, endpoint: Endpoint) -> str:
    """The container node in whose namespace an endpoint lives."""
    for bridge in plan.bridges:
        if bridge.topology_name == endpoint.node:
            return bridge.node
    return endpoint.node


def ends(plan: LabPlan, link: LinkPlan) -> tuple[str, str]:
    """The two container nodes of a link."""
    return owner(plan, link.a), owner(plan, link.b)


def bridge_lines(bridge: BridgePlan) -> tuple[str, ...]:
    """A bridge that forwards everything: snooping off, or IPv6 ND and VRRP may be lost."""
    return (
        f"link add {bridge.name} type bridge mcast_snooping 0 stp_state 0 forward_delay 0",
        f"link set {bridge.name} up",
    )


def veth_line(link: LinkPlan, pid_a: int, pid_b: int) -> str:
    """One message for the pair: RTM_NEWLINK with both namespaces in it."""
    return (
        f"link add name {link.a.interface} mtu {link.mtu} address {link.a.mac} netns {pid_a}"
        f" type veth peer name {link.b.interface} mtu {link.mtu} address {link.b.mac}"
        f" netns {pid_b}"
    )


def endpoint_lines(
    endpoint: Endpoint, *, bridge: str | None = None, alias: str | None = None
) -> tuple[str, ...]:
    """What an end needs once it exists. A port gets no IPv6 address: it is a cable."""
    name = endpoint.interface
    lines = [f"link property add dev {name} altname {endpoint.owner_altname}"]
    if alias is not None:
        lines.append(f"link set dev {name} alias {alias}")
        lines.append(f"link property add dev {name} altname {alias}")
    if bridge is not None:
        lines.append(f"link set dev {name} addrgenmode none")
        lines.append(f"link set dev {name} master {bridge}")
    return (*lines, f"link set dev {name} up")


def batches(
    plan: LabPlan,
    pids: Mapping[str, int],
    links: Iterable[LinkPlan],
    bridges: Iterable[BridgePlan] = (),
) -> Batches:
    """The batches of some links and bridges; `pids` holds every node that they touch."""
    bridge_of = {bridge.topology_name: bridge.name for bridge in plan.bridges}
    labels = {node.name: node.labels for node in plan.nodes}
    before: dict[int, tuple[str, ...]] = {}
    for bridge in bridges:
        pid = pids[bridge.node]
        before[pid] = (*before.get(pid, ()), *bridge_lines(bridge))
    veths = []
    after: dict[int, tuple[str, ...]] = {}
    for link in links:
        node_a, node_b = ends(plan, link)
        veths.append(veth_line(link, pids[node_a], pids[node_b]))
        for node, end in ((node_a, link.a), (node_b, link.b)):
            alias = labels[node].get(f"{ALIAS_LABEL}{end.interface}") if node == end.node else None
            lines = endpoint_lines(end, bridge=bridge_of.get(end.node), alias=alias)
            after[pids[node]] = (*after.get(pids[node], ()), *lines)
    return Batches(before, tuple(veths), after)
