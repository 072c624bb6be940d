"""`calicoctl ipam check`: allocations against those who use addresses, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING

from labgen.calico.calicoctl.ipam_blocks import blocks
from labgen.calico.calicoctl.results import Result, failed

if TYPE_CHECKING:
    from labgen.calico.calicoctl.flags import Arguments
    from labgen.calico.calicoctl.verbs import Session
    from labgen.calico.datastore import Datastore
    from labgen.calico.ipam_values import Address, Allocation, BlockRecord, Network


def _in_use(store: Datastore) -> tuple[dict[Address, list[str]], int, int]:
    """Who uses which address: nodes' tunnels, then workloads; and how many of each there are."""
    owners: dict[Address, list[str]] = {}
    counts = [0, 0]

    def use(text: str, owner: str, which: int) -> None:
        counts[which] += 1
        owners.setdefault(ip_interface(text).ip, []).append(owner)

    for node in store.list("Node"):
        spec = node.get("spec") or {}
        tunnels = (
            spec.get("ipv4VXLANTunnelAddr"),
            spec.get("ipv6VXLANTunnelAddr"),
            (spec.get("wireguard") or {}).get("interfaceIPv4Address"),
            (spec.get("wireguard") or {}).get("interfaceIPv6Address"),
            (spec.get("bgp") or {}).get("ipv4IPIPTunnelAddr"),
        )
        for text in filter(None, tunnels):
            use(text, f"Node({node['metadata']['name']})", 0)
    for endpoint in store.list("WorkloadEndpoint"):
        metadata = endpoint["metadata"]
        for text in (endpoint.get("spec") or {}).get("ipNetworks") or ():
            use(text, f"Workload({metadata['namespace']}/{metadata['name']})", 1)
    return owners, counts[0], counts[1]


def check(session: Session, arguments: Arguments) -> Result:
    """Allocations against users, both ways. Finding problems is no failure of the command."""
    store = session.store
    if arguments.text("output"):
        return failed(store, "-o is not in labgen: `ipam check` prints all that it finds")
    every = arguments.switch("show-all-ips")
    problems = every or arguments.switch("show-problem-ips")
    owners, tunnels, workloads = _in_use(store)
    found = blocks(store)
    held = {a.address: a for block in found for a in block.allocations.values()}
    pools = [
        (pool["spec"]["cidr"], ip_network(pool["spec"]["cidr"], strict=False))
        for pool in store.list("IPPool")
        if not pool["spec"].get("disabled")
    ]
    lines = ["Checking IPAM for inconsistencies...", "", "Loading all IPAM blocks..."]
    lines.append(f"Found {len(found)} IPAM blocks.")
    for block in found:
        affinity = f"host:{block.owner}" if block.owner else "<none>"
        lines.append(f" IPAM block {block.network} affinity={affinity}:")
        if every:
            lines += [
                f"  {a.address} allocated; attrs {_attributes(a)}"
                for _, a in sorted(block.allocations.items())
            ]
    lines += [f"IPAM blocks record {len(held)} allocations.", "", "Loading all IPAM pools..."]
    lines += [f"  {text}" for text, _ in pools]
    lines += [f"Found {len(pools)} active IP pools.", "", "Loading all nodes."]
    lines += [f"Found {tunnels} node tunnel IPs.", "", "Loading all workload endpoints."]
    lines += [f"Found {workloads} workload IPs."]
    lines += [f"Workloads and nodes are using {len(owners)} IPs.", ""]
    lines += _top_nodes(found)
    lines += _verdict(held, owners, [network for _, network in pools], problems=problems)
    return Result(store, "\n".join(lines) + "\n")


def _attributes(allocation: Allocation) -> str:
    pairs = ",".join(f"{key}={value}" for key, value in sorted(allocation.attributes.items()))
    return f"Main:{allocation.handle or '<none>'} Extra:{pairs}"


def _top_nodes(found: Sequence[BlockRecord]) -> list[str]:
    counts: dict[str, int] = {}
    for block in found:
        for allocation in block.allocations.values():
            node = allocation.attributes.get("node") or block.owner or ""
            counts[node] = counts.get(node, 0) + 1
    lines = ["Looking for top (up to 20) nodes by allocations..."]
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines += [f"  {node} has {count} allocations" for node, count in ordered[:20]]
    if ordered:
        median = ordered[len(ordered) // 2][1]
        lines.append(f"Node with most allocations has {ordered[0][1]}; median is {median}")
    return [*lines, ""]


def _verdict(
    held: Mapping[Address, Allocation],
    owners: Mapping[Address, Sequence[str]],
    pools: Sequence[Network],
    *,
    problems: bool,
) -> list[str]:
    leaked = sorted(held.keys() - owners.keys(), key=int)
    strange = sorted(owners.keys() - held.keys(), key=int)
    foreign = [address for address in strange if not any(address in pool for pool in pools)]
    missing = [address for address in strange if address not in foreign]
    lines = ["Scanning for IPs that are allocated but not actually in use..."]
    if problems:
        lines += [f"  {address} leaked; attrs {_attributes(held[address])}" for address in leaked]
    lines.append(f"Found {len(leaked)} IPs that are allocated in IPAM but not actually in use.")
    lines.append(
        "Scanning for IPs that are in use by a workload or node but not allocated in IPAM..."
    )
    if problems:
        lines += [
            f"  {address} in use by {owner} is not in any active IP pool."
            for address in foreign
            for owner in owners[address]
        ]
        lines += [
            f"  {address} in use by {owner} and in active IPAM pool but has no IPAM allocation."
            for address in missing
            for owner in owners[address]
        ]
    lines.append(f"Found {len(foreign)} in-use IPs that are not in active IP pools.")
    lines.append(
        f"Found {len(missing)} in-use IPs that are in active IP pools but have no corresponding "
        "IPAM allocation."
    )
    return [*lines, "", f"Check complete; found {len(leaked) + len(strange)} problems."]
