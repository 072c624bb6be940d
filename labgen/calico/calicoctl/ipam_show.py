"""`calicoctl ipam show`: usage of pools and blocks, borrowed addresses, one address, settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import collapse_addresses, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from labgen.calico import tables
from labgen.calico.calicoctl.ipam_blocks import blocks
from labgen.calico.calicoctl.kinds import go_text
from labgen.calico.calicoctl.results import Result
from labgen.calico.datastore import GROUP, Datastore, Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labgen.calico.calicoctl.flags import Arguments
    from labgen.calico.calicoctl.verbs import Session
    from labgen.calico.ipam_values import Address, Allocation, BlockRecord, Network

    Document = dict[str, Any]

CONFIG = Key(GROUP, "IPAMConfiguration", "", "default")
_USAGE = ["GROUPING", "CIDR", "IPS TOTAL", "IPS IN USE", "IPS RESERVED", "IPS FREE"]
_BORROWED = ["IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of addresses; an address both reserved and in use counts in both."""

    total: int
    in_use: int
    reserved: int
    free: int


def _usage(network: Network, inside: Iterable[BlockRecord], reserved: Sequence[Network]) -> Usage:
    ranges = [r for r in reserved if r.version == network.version and r.overlaps(network)]
    kept = sum(min(r.num_addresses, network.num_addresses) for r in _collapsed(ranges))
    used = [a.address for block in inside for a in block.allocations.values()]
    both = sum(any(address in r for r in ranges) for address in used)
    total = network.num_addresses
    return Usage(total, len(used), kept, total - len(used) - kept + both)


def _collapsed(ranges: Sequence[Network]) -> Iterator[Network]:
    return collapse_addresses(ranges)  # type: ignore[type-var]  # of one family


def _pools(store: Datastore) -> list[Network]:
    found = (ip_network(pool["spec"]["cidr"], strict=False) for pool in store.list("IPPool"))
    return list(found)


def _reserved(store: Datastore) -> list[Network]:
    return [
        ip_network(text, strict=False)
        for document in store.list("IPReservation")
        for text in document["spec"].get("reservedCIDRs") or ()
    ]


def _contains(pool: Network, block: Network) -> bool:
    return pool.version == block.version and block.network_address in pool


def _row(grouping: str, network: Network, usage: Usage) -> list[str]:
    counts = (usage.in_use, usage.reserved, usage.free)
    shares = [tables.share(count, usage.total) for count in counts]
    return [grouping, str(network), tables.general(usage.total), *shares]


def _utilization(store: Datastore, *, with_block_rows: bool) -> str:
    reserved, left, rows = _reserved(store), list(blocks(store)), []
    for pool in _pools(store):
        inside = [block for block in left if _contains(pool, block.network)]
        left = [block for block in left if block not in inside]
        rows.append(_row("IP Pool", pool, _usage(pool, inside, reserved)))
        if with_block_rows:
            rows += [_row("Block", b.network, _usage(b.network, [b], reserved)) for b in inside]
    if with_block_rows:  # blocks whose pool is gone
        rows += [_row("Block", b.network, _usage(b.network, [b], reserved)) for b in left]
    return tables.bordered(_USAGE, rows, frozenset({2, 3, 4, 5}))


def _borrowed(store: Datastore) -> str:
    rows, unknown = [], 0
    for block in blocks(store):
        for _, allocation in sorted(block.allocations.items()):
            attributes = allocation.attributes
            node = attributes.get("node")
            if node is None:
                unknown += 1
            elif node != (block.owner or ""):
                kind, to = attributes.get("type", ""), ""
                if "pod" in attributes:
                    kind, to = "pod", f"{attributes.get('namespace', '')}/{attributes['pod']}"
                rows.append(
                    [str(allocation.address), node, str(block.network), block.owner or "", kind, to]
                )
    text = tables.bordered(_BORROWED, rows)
    if unknown:
        text += (
            f"\nNote: found {unknown} IP allocations without an explicit node association. "
            "Unable to determine if they are borrowed.\n"
        )
    return text


def settings(store: Datastore) -> Document:
    """The IPAMConfiguration's spec, with Calico's defaults where it says nothing."""
    found = store.get(CONFIG) or {}
    defaults = {"strictAffinity": False, "autoAllocateBlocks": True, "maxBlocksPerHost": 0}
    return {**defaults, **(found.get("spec") or {})}


def _configuration(store: Datastore) -> str:
    spec = settings(store)
    persistence = spec.get("kubeVirtVMAddressPersistence")
    rows = [
        ["StrictAffinity", go_text(spec["strictAffinity"])],
        ["AutoAllocateBlocks", go_text(spec["autoAllocateBlocks"])],
        ["MaxBlocksPerHost", str(spec["maxBlocksPerHost"])],
        # Go's %#v of a pointer that is nil
        ["KubeVirtVMAddressPersistence", persistence or "(*ipam.VMAddressPersistence)(nil)"],
        ["IPCooldownSeconds", str(spec.get("ipCooldownSeconds") or 0)],
    ]
    return tables.bordered(["PROPERTY", "VALUE"], rows)


def address_of(text: str, store: Datastore) -> Address | Result:
    """The address, or the result that ends the command."""
    try:
        return ip_address(text)
    except ValueError:
        words = f"Error executing command: invalid IP address specified: {text}\n"
        return Result(store, stdout=words, status=1)


def _allocation(store: Datastore, address: Address) -> Allocation | None:
    return next(
        (
            allocation
            for block in blocks(store)
            for allocation in block.allocations.values()
            if allocation.address == address
        ),
        None,
    )


def _show_address(store: Datastore, address: Address) -> str:
    allocation = _allocation(store, address)
    if allocation is None:
        return f"{address} is not assigned\n"
    text = f"IP {address} is in use\nHandle ID: {allocation.handle or '<none>'}\n"
    if not allocation.attributes:
        return text + "No Active Owner attributes defined\n"
    pairs = sorted(allocation.attributes.items())
    return text + "Active Owner Attributes:\n" + "".join(f"  {k}: {v}\n" for k, v in pairs)


def show(session: Session, arguments: Arguments) -> Result:
    store = session.store
    if text := arguments.text("ip"):
        address = address_of(text, store)
        if isinstance(address, Result):
            return address
        return Result(store, _show_address(store, address))
    if arguments.switch("show-blocks"):
        return Result(store, _utilization(store, with_block_rows=True))
    if arguments.switch("show-borrowed"):
        return Result(store, _borrowed(store))
    if arguments.switch("show-configuration"):
        return Result(store, _configuration(store))
    return Result(store, _utilization(store, with_block_rows=False))
