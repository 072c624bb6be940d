"""What faults are made of: packet filters, and edits of BIRD's and FRR's configuration."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from labgen.lab.fault_steps import (
    SCRATCH_PID,
    TABLE,
    Await,
    Command,
    Edit,
    EditBgp,
    EditBird,
    FaultPlan,
    Step,
)

EBGP_AS = 65000

Parts = tuple[list[Step], list[Command]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where a fault goes: the router, the node that suffers, and the other Calico nodes."""

    router: str
    router_address: str
    router_as: int
    node: str
    node_address: str
    others: tuple[tuple[str, str], ...]
    router_interface: str = "eth1"
    node_interface: str = "eth1"
    node_mac: str = ""

    @property
    def nodes(self) -> tuple[tuple[str, str], ...]:
        return ((self.node, self.node_address), *self.others)


Makers = dict[str, Callable[[Target], FaultPlan]]


def fault(
    makers: Makers, code: str, name: str, observe: str, *, restarts: bool = False
) -> Callable[[Callable[[Target], Parts]], Callable[[Target], FaultPlan]]:
    """Put what a function gives for a target into `makers`, as the plan of the fault `name`."""

    def register(parts: Callable[[Target], Parts]) -> Callable[[Target], FaultPlan]:
        def maker(target: Target) -> FaultPlan:
            inject, undo = parts(target)
            return FaultPlan(name, code, observe, tuple(inject), tuple(undo), restarts)

        makers[name] = maker
        return maker

    return register


def packet_filter(node: str, *rules: str, hook: str = "input", family: str = "inet") -> Command:
    """Rules in a table of the fault's own."""
    body = "\n".join(f"    {rule}" for rule in rules)
    text = (
        f"table {family} {TABLE} {{\n  chain {hook} {{\n"
        f"    type filter hook {hook} priority -300; policy accept;\n{body}\n  }}\n}}\n"
    )
    return Command(node, ("nft", "-f", "-"), text)


def unfilter(*nodes: str, family: str = "inet") -> list[Command]:
    return [Command(n, ("nft", "delete", "table", family, TABLE), tolerant=True) for n in nodes]


def clear(t: Target) -> Command:
    """End the session now; a fault of the dial shows only at the next one."""
    return Command(t.router, ("vtysh", "-c", f"clear bgp {t.node_address}"), tolerant=True)


def established(t: Target) -> Await:
    return Await(
        t.router,
        ("vtysh", "-c", f"show bgp neighbors {t.node_address} json"),
        r'"bgpState":\s*"Established"',
        f"session with {t.node}",
    )


def _peer(address: str) -> str:
    """The start of BIRD's protocol for a peer, up to its neighbor line."""
    return rf"(protocol bgp \S+ from bgp_template \{{\s*neighbor {re.escape(address)}) as \d+;"


def remote_as(address: str, asn: int) -> Edit:
    return Edit(_peer(address), rf"\1 as {asn};")


def in_peer(address: str, *lines: str) -> Edit:
    """Lines added inside a peer's protocol, after its neighbor line."""
    inside = "".join(f"\\n  {line}" for line in lines)
    return Edit(
        rf"(protocol bgp \S+ from bgp_template \{{\s*neighbor {re.escape(address)} as \d+;)",
        rf"\1{inside}",
    )


def without_peer(address: str) -> Edit:
    """Remove a peer's protocol; its closing brace stands at the start of a line."""
    return Edit(
        rf"^protocol bgp \S+ from bgp_template \{{\s*neighbor {re.escape(address)} as"
        r".*?^\}\n",
        "",
    )


def neighbor(t: Target, line: str) -> EditBgp:
    return EditBgp(t.router, append=(f" neighbor {t.node_address} {line}",))


def ebgp(t: Target, *lines: str, asn: int = EBGP_AS, policy: bool = False) -> list[Step]:
    """The router in an AS of its own, and every node told so."""
    edits = [Edit(rf"^router bgp {t.router_as}$", f"router bgp {asn}")]
    if policy:
        edits.append(Edit(r"^ no bgp ebgp-requires-policy\n", ""))
    birds = [EditBird(n, (remote_as(t.router_address, asn),)) for n, _ in t.nodes]
    return [*birds, EditBgp(t.router, tuple(edits), lines)]


def block_both(t: Target, verdict: str) -> Parts:
    inject: list[Step] = [
        packet_filter(t.router, f"ip saddr {t.node_address} tcp dport 179 {verdict}"),
        packet_filter(t.node, f"ip saddr {t.router_address} tcp dport 179 {verdict}"),
        clear(t),
    ]
    return inject, [*unfilter(t.router, t.node), clear(t)]


def end_process(node: str) -> list[Command]:
    """Kill the fault's own process, and forget its process id."""
    return [
        Command(node, ("pkill", "-9", "-F", SCRATCH_PID), tolerant=True),
        Command(node, ("rm", "-f", SCRATCH_PID), tolerant=True),
    ]
