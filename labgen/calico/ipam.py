"""Calico IPAM: blocks, affinities, and the address that a pod gets. Pure; no clock, no randomness.

Sources: projectcalico/calico `libcalico-go/lib/ipam` for the order of choices, docs.tigera.io "IP
address management" for the meaning of pools, selectors and strict affinity. One thing differs: the
choice of the first block in a pool of single addresses is seeded with the time in Calico, with the
node's name here.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from labgen.calico import selector
from labgen.calico.addresses import address_of, network_of
from labgen.calico.cluster import with_kubernetes_labels
from labgen.calico.gorand import GoRandom, fnv1_32
from labgen.calico.ipam_values import Allocation, BlockRecord, NoAddress, Request
from labgen.calico.resources import BlockAffinity, Resource, Source
from labgen.calico.specs import BlockAffinitySpec, IPAMConfigSpec
from labgen.errors import InputError, Mark
from labgen.yaml_source import Document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from labgen.calico.ipam_values import Address, Network
    from labgen.calico.resources import IPPool, Resources, WorkloadEndpoint

__all__ = ["Allocation", "BlockRecord", "Ipam", "NoAddress", "Request"]

MAX_BLOCK = 4096  # addresses: the largest blockSize is 20, or 116
DEFAULT_MAX_BLOCKS = 20  # libcalico-go's safeguard where maxBlocksPerHost is 0


class Ipam:
    """The IPAM of one cluster, as its resources leave it and as requests change it."""

    def __init__(self, resources: Resources) -> None:
        # Blocks that are old enough (a minute, in Calico) to be taken from a node that has nothing
        # in them; IPAM itself has no clock.
        self.reclaimable: AbstractSet[Network] = frozenset()
        self._pools = {pool.name: pool for pool in resources.ip_pools}
        self._networks = {
            pool.name: network_of(pool, pool.spec.cidr, "spec", "cidr")
            for pool in resources.ip_pools
        }
        self._node_labels = {n.name: with_kubernetes_labels(n) for n in resources.nodes}
        self._namespaces = {n.name: dict(n.labels) for n in resources.namespaces}
        configs = [config.spec for config in resources.ipam_configs]
        self.config: IPAMConfigSpec = configs[0] if configs else IPAMConfigSpec()
        self._reserved = [
            network_of(reservation, text, "spec", "reservedCIDRs")
            for reservation in resources.ip_reservations
            for text in reservation.spec.reserved_cidrs
        ]
        self._blocks: dict[Network, BlockRecord] = {}
        for affinity in resources.block_affinities:
            spec = affinity.spec
            if spec.deleted.lower() != "true" and spec.state in ("", "confirmed"):
                network = network_of(affinity, spec.cidr, "spec", "cidr")
                if network.num_addresses > MAX_BLOCK:
                    raise InputError(
                        f"{affinity.id}: {network} is no IPAM block: too large",
                        mark=affinity.mark("spec", "cidr"),
                        hint="blocks are /20 to /32, or /116 to /128",
                    )
                owner = spec.node if spec.type in ("", "host") else None
                self._add_block(network, owner)
        for endpoint in resources.workload_endpoints:
            for text in endpoint.spec.ip_networks:
                handle = f"k8s-pod-network.{endpoint.spec.container_id or endpoint.name}"
                attributes = {
                    "namespace": endpoint.namespace or "default",
                    "node": endpoint.spec.node,
                    "pod": endpoint.spec.pod,
                }
                self._adopt(endpoint, text, Request(endpoint.spec.node, handle, 4, attributes))

    def _adopt(self, endpoint: WorkloadEndpoint, text: str, request: Request) -> None:
        """Record what an endpoint holds, whatever rule it would break today."""
        address = address_of(endpoint, text, "spec", "ipNetworks")
        block = self._block_of(address) or self._new_block_for(address, request.node)
        if block is not None and _ordinal(block, address) in block.free:
            block.free.remove(_ordinal(block, address))
            self._record(block, _ordinal(block, address), request)

    # --- asking -------------------------------------------------------------------------------

    @property
    def blocks(self) -> tuple[BlockRecord, ...]:
        """Every block, by key."""
        return tuple(sorted(self._blocks.values(), key=lambda block: block.key))

    def allocation(self, address: Address) -> Allocation | None:
        block = self._block_of(address)
        return block.allocations.get(_ordinal(block, address)) if block else None

    def held(self, handle: str) -> tuple[Address, ...]:
        """What a handle holds, by block."""
        return tuple(
            a.address for b in self.blocks for a in b.allocations.values() if a.handle == handle
        )

    def block_affinities(self) -> tuple[BlockAffinity, ...]:
        """The affinities as resources, which confd turns into a node's routes."""
        return tuple(_affinity(block) for block in self.blocks if block.owner is not None)

    def pool_of(self, address: Address) -> str | None:
        """The pool that holds an address."""
        return next((name for name, net in self._networks.items() if address in net), None)

    # --- assigning ----------------------------------------------------------------------------

    def restore(self, blocks: Iterable[BlockRecord]) -> None:
        """Take up blocks as they were kept, in place of those that the resources amount to."""
        self._blocks = {}
        for block in blocks:
            kept = self._add_block(block.network, block.owner)
            kept.allocations = dict(block.allocations)
            kept.free = block.free.copy()

    def claim(self, request: Request) -> BlockRecord | None:
        """A first block for a node, before any address is wanted; None where no pool has one."""
        try:
            pools = self._usable_pools(request)
        except NoAddress:
            return None
        for block in self.blocks:
            if block.owner == request.node and block.pool in pools:
                return block
        for network, pool in self._unclaimed(request.node, pools):
            return self._add_block(network, request.node, pool)
        return None

    def assign(self, request: Request) -> Allocation:
        """An address for a request, in Calico's order: own block, new block, another node's empty
        block, borrowed.

        Raises NoAddress, in Calico's words where it has some.
        """
        pools = self._usable_pools(request)
        own = (b for b in self.blocks if b.owner == request.node and b.pool in pools)
        found = self._first(own, request)
        if found is None and self.config.auto_allocate_blocks:
            found = self._of_new_block(request, pools) or self._reclaimed(request, pools)
        if found is None and not self.config.strict_affinity:
            found = self._first(self._others(request.node, pools), request)
        if found is None:
            raise NoAddress(
                f"node {request.node} gets no IPv{request.version} address for {request.handle}: "
                f"{', '.join(pools)} have none free",
                hint="strict affinity forbids borrowing" if self.config.strict_affinity else None,
            )
        return found

    def _first(self, blocks: Iterable[BlockRecord], request: Request) -> Allocation | None:
        found = (self._take(block, request) for block in blocks)
        return next((allocation for allocation in found if allocation is not None), None)

    def _of_new_block(self, request: Request, pools: Sequence[str]) -> Allocation | None:
        """An address of a block that nobody has. Raises NoAddress at the node's limit of blocks."""
        limit = self.config.max_blocks_per_host or DEFAULT_MAX_BLOCKS
        mine = [b for b in self._blocks.values() if b.owner == request.node]
        if sum(b.network.version == request.version for b in mine) >= limit:
            raise NoAddress(
                "cannot allocate new block due to per host block limit: Need to allocate an "
                f"IPAM block but could not - limit of {limit} blocks reached for this node",
                hint=f"node {request.node}; raise IPAMConfig maxBlocksPerHost",
            )
        for network, pool in self._unclaimed(request.node, pools):
            if found := self._take(self._add_block(network, request.node, pool), request):
                return found
            del self._blocks[network]  # all of it is reserved
        return None

    def assign_address(self, address: Address, request: Request) -> Allocation:
        """That very address (annotation `cni.projectcalico.org/ipAddrs`). Raises NoAddress.

        Its block is claimed for the node if nobody has it; else, without strict affinity, the
        address is borrowed.
        """
        block = self._block_of(address)
        if block is None:
            block = self._new_block_for(address, request.node)
            if block is None:
                raise NoAddress(f"{address} is in no IPPool", hint="add a pool that holds it")
        elif block.owner != request.node and self.config.strict_affinity:
            raise NoAddress(
                f"{address} is in the block {block.network} of {block.owner}",
                hint="strict affinity forbids borrowing",
            )
        ordinal = _ordinal(block, address)
        if ordinal in block.allocations:
            holder = block.allocations[ordinal]
            raise NoAddress(f"{address} is already assigned in block {block.network}",
                            hint=f"{holder.handle} on {holder.node} holds it")  # fmt: skip
        block.free.remove(ordinal)
        return self._record(block, ordinal, request)

    def release(self, address: Address) -> Allocation:
        """Give an address back; its ordinal goes to the end of the free list."""
        block = self._block_of(address)
        ordinal = _ordinal(block, address) if block else -1
        if block is None or ordinal not in block.allocations:
            raise NoAddress(f"IP address {address} is not assigned")
        block.free.append(ordinal)
        released = block.allocations.pop(ordinal)
        if block.owner is None and not block.allocations:
            del self._blocks[block.network]  # nobody's any more
        return released

    def release_handle(self, handle: str) -> tuple[Allocation, ...]:
        """Give back all that a handle holds; nothing is no error."""
        return tuple(self.release(address) for address in self.held(handle))

    def release_node(self, node: str) -> None:
        """A node leaves: its addresses go back, its empty blocks with their affinities go away."""
        for block in self.blocks:
            for allocation in [a for a in block.allocations.values() if a.node == node]:
                self.release(allocation.address)
            if block.owner == node:
                block.owner = None
            if block.owner is None and not block.allocations:
                self._blocks.pop(block.network, None)

    # --- choosing -----------------------------------------------------------------------------

    def _usable_pools(self, request: Request) -> tuple[str, ...]:
        if request.pools:
            for name in request.pools:
                if name not in self._pools:
                    raise NoAddress(
                        f"{request.handle}: there is no IPPool {name}",
                        hint=f"pools: {', '.join(self._pools) or 'none'}",
                    )
            named = tuple(n for n in request.pools if not self._pools[n].spec.disabled)
        else:
            named = tuple(n for n, pool in self._pools.items() if self.selects(pool, request))
        usable = tuple(
            name
            for name in named
            if self._networks[name].version == request.version
            and self._networks[name].prefixlen <= self._pools[name].spec.effective_block_size
        )
        if not usable:
            raise NoAddress(
                f"no configured Calico pools for node {request.node} (IPv{request.version}, "
                f"{request.use}, namespace {request.namespace})",
                hint="a pool must be enabled, allow the use, and select the node and namespace",
            )
        return usable

    def selects(self, pool: IPPool, request: Request) -> bool:
        """A pool that serves the request unasked: enabled, for this use, node and namespace."""
        spec = pool.spec
        if spec.disabled or spec.assignment_mode == "Manual":
            return False
        if request.use not in (spec.allowed_uses or ("Workload", "Tunnel")):
            return False
        labels = self._node_labels.get(request.node, {"kubernetes.io/hostname": request.node})
        namespace = {
            "kubernetes.io/metadata.name": request.namespace,
            "projectcalico.org/name": request.namespace,
            **self._namespaces.get(request.namespace, {}),
        }
        return _matches(spec.node_selector, labels) and _matches(spec.namespace_selector, namespace)

    def _unclaimed(self, node: str, pools: Sequence[str]) -> Iterator[tuple[Network, str]]:
        """Blocks of the pools that nobody has, from the node's own starting point in each."""
        for name in pools:
            pool, size = self._networks[name], self._pools[name].spec.effective_block_size
            taken = [b.network for b in self._blocks.values() if b.network.version == pool.version]
            for network in _circular(pool, size, node):
                if network not in self._blocks and not any(network.overlaps(t) for t in taken):
                    yield network, name

    def _reclaimed(self, request: Request, pools: Sequence[str]) -> Allocation | None:
        """An address of another node's empty block, which changes hands."""
        for block in self._others(request.node, pools):
            if block.owner is None or block.allocations or block.network not in self.reclaimable:
                continue
            if found := self._take(block, request):
                block.owner = request.node
                return found
        return None

    def _others(self, node: str, pools: Sequence[str]) -> Iterator[BlockRecord]:
        for name in pools:
            blocks = [b for b in self.blocks if b.pool == name and b.owner != node]
            start = _start(self._networks[name], self._pools[name].spec.effective_block_size, node)
            first = int(self._networks[name].network_address) + start
            yield from sorted(
                blocks, key=lambda b: (int(b.network.network_address) < first, b.network)
            )

    def _take(self, block: BlockRecord, request: Request) -> Allocation | None:
        """The first free address of a block that no IPReservation keeps."""
        for ordinal in block.free:
            address = block.network.network_address + ordinal
            if not any(address in reserved for reserved in self._reserved):
                block.free.remove(ordinal)
                return self._record(block, ordinal, request)
        return None

    def _record(self, block: BlockRecord, ordinal: int, request: Request) -> Allocation:
        address = block.network.network_address + ordinal
        attributes = dict(request.attributes)
        allocation = Allocation(address, request.node, request.handle, attributes)
        block.allocations[ordinal] = allocation
        return allocation

    def _add_block(self, network: Network, owner: str | None, pool: str = "") -> BlockRecord:
        home = pool or next(
            (
                name
                for name, net in self._networks.items()
                if net.version == network.version
                and network.network_address in net
                and network.prefixlen >= net.prefixlen
            ),
            "",
        )
        block = BlockRecord(network, home, owner)
        self._blocks[network] = block
        return block

    def _new_block_for(self, address: Address, owner: str) -> BlockRecord | None:
        """The block of a pool that would hold the address, claimed; None: it is in no pool."""
        pool = next((n for n, net in self._networks.items() if address in net), None)
        if pool is None:
            return None
        size = self._pools[pool].spec.effective_block_size
        return self._add_block(ip_network(f"{address}/{size}", strict=False), owner, pool)

    def _block_of(self, address: Address) -> BlockRecord | None:
        return next((b for net, b in self._blocks.items() if address in net), None)


def _ordinal(block: BlockRecord, address: Address) -> int:
    return int(address) - int(block.network.network_address)


def _start(pool: Network, block_size: int, node: str) -> int:
    """Offset in addresses of the block where a node begins to look."""
    count = 1 << (block_size - pool.prefixlen)
    per_block = 1 << (pool.max_prefixlen - block_size)
    return GoRandom(fnv1_32(node)).below(count) * per_block


def _circular(pool: Network, block_size: int, node: str) -> Iterator[Network]:
    """Every block of a pool once, from the node's starting point on and around."""
    per_block = 1 << (pool.max_prefixlen - block_size)
    start = _start(pool, block_size, node)
    offset = start
    while True:
        yield ip_network((int(pool.network_address) + offset, block_size))
        offset = (offset + per_block) % pool.num_addresses
        if offset == start:
            return


def _matches(text: str | None, labels: Mapping[str, str]) -> bool:
    """The empty selector selects everything, an unparsable one nothing."""
    try:
        return selector.parse(text or "").matches(labels)
    except selector.SelectorError:
        return False


def _affinity(block: BlockRecord) -> BlockAffinity:
    text = str(block.network)
    name = f"{block.owner}-{text.replace('.', '-').replace(':', '-').replace('/', '-')}"
    spec = BlockAffinitySpec(node=block.owner or "", cidr=text, state="confirmed")
    raw = {
        "apiVersion": "projectcalico.org/v3",
        "kind": "BlockAffinity",
        "metadata": {"name": name},
        "spec": {"node": block.owner, "cidr": text, "state": "confirmed", "deleted": "false"},
    }
    document = Document(raw, "IPAM", Mark("IPAM", 1, 1), {})
    return Resource(
        "projectcalico.org/v3", "BlockAffinity", name, None, {}, {}, spec, Source(document), raw
    )  # fmt: skip
