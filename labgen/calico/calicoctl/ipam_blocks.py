"""IPAM's blocks in a datastore, as the IPAMBlock objects of Calico's CRDs."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from labgen.calico.datastore import CRD_VERSION, Datastore, Stamps
from labgen.calico.ipam import Ipam
from labgen.calico.ipam_values import Allocation, BlockRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    Document = dict[str, Any]


def block_document(block: BlockRecord) -> Document:
    """A block as the IPAMBlock that Calico's CRD datastore holds."""
    attributes: list[Document] = []
    allocations: list[int | None] = [None] * block.network.num_addresses
    for ordinal, allocation in sorted(block.allocations.items()):
        entry = {"handle_id": allocation.handle, "secondary": dict(allocation.attributes)}
        if entry not in attributes:
            attributes.append(entry)
        allocations[ordinal] = attributes.index(entry)
    spec: Document = {
        "cidr": str(block.network),
        "allocations": allocations,
        "attributes": attributes,
        "unallocated": list(block.free),
        "strictAffinity": False,
        "deleted": False,
    }
    if block.owner is not None:
        spec["affinity"] = f"host:{block.owner}"
    name = str(block.network).replace(".", "-").replace(":", "-").replace("/", "-")
    return {
        "apiVersion": CRD_VERSION, "kind": "IPAMBlock", "metadata": {"name": name}, "spec": spec,
    }  # fmt: skip


def _block(document: Mapping[str, Any]) -> BlockRecord:
    """The block that an IPAMBlock describes."""
    spec = document["spec"]
    network = ip_network(spec["cidr"])
    kind, _, owner = (spec.get("affinity") or "").rpartition(":")
    block = BlockRecord(network, "", owner if kind in ("", "host") and owner else None)
    for ordinal, index in enumerate(spec.get("allocations") or ()):
        if index is None:
            continue
        entry = spec["attributes"][index]
        secondary = entry.get("secondary") or {}
        block.allocations[ordinal] = Allocation(
            network.network_address + ordinal,
            secondary.get("node", ""),
            entry.get("handle_id") or "",
            secondary,
        )
    block.free.clear()
    block.free.extend(spec.get("unallocated") or ())
    return block


def blocks(store: Datastore) -> tuple[BlockRecord, ...]:
    """The store's blocks by key: its IPAMBlocks, or what affinities and endpoints amount to."""
    documents = store.list("IPAMBlock")
    if not documents:
        return Ipam(store.resources()).blocks
    return tuple(sorted(map(_block, documents), key=lambda block: block.key))


def with_blocks(store: Datastore, records: Iterable[BlockRecord], stamps: Stamps) -> Datastore:
    """The store with these blocks (`Ipam.blocks`) written into it."""
    for record in records:
        store = store.put(block_document(record), stamps)
    return store
