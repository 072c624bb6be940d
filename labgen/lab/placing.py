"""Where a node that joins a running lab stands: its name, its segment, its address. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labgen.design.content import lab_node
from labgen.errors import InputError
from labgen.spec.model import CalicoNode

if TYPE_CHECKING:
    from labgen.design.model import Address
    from labgen.lab.clusters import ClusterStore, LiveState
    from labgen.spec.model import Cluster, Spec


def place(
    spec: Spec, now: LiveState, cluster: str, name: str, segment: str | None,
    address: Address | None, labels: Mapping[str, str],
) -> CalicoNode:  # fmt: skip
    """The place of node `name`: as the spec says, else as given, else the next free address on
    the segment of the cluster's first node. Raises InputError.
    """  # fmt: skip
    if name in names(spec, now):
        raise InputError(f"the name {name} is taken in lab {spec.name}", hint="choose another")
    written = spec.clusters[cluster].nodes.get(name)
    if written is not None and segment is None and address is None:
        return written.model_copy(update={"labels": {**written.labels, **labels}})
    first = next(iter(now.clusters[cluster].nodes.values()), None)
    where = segment or (first.segment if first else next(iter(spec.segments)))
    if where not in spec.segments:
        raise InputError(f"no segment {where}", hint=f"known: {', '.join(spec.segments)}")
    used = addresses(spec, now, where)
    subnet = spec.segments[where].subnet
    hosts = iter(subnet.hosts())
    next(hosts, None)  # by custom a gateway's, so no node gets it unasked
    free = next((str(host) for host in hosts if host not in used), None)
    found = address or (ip_address(free) if free else None)
    if found is None:
        raise InputError(f"segment {where} has no free address in {subnet}")
    if found in used or found not in subnet:
        why = "is taken" if found in used else f"is not in {subnet}"
        raise InputError(f"node {name}: {found} {why}", hint="without one, the next free is taken")
    return CalicoNode(segment=where, address=found, address6=None, labels=dict(labels))


def names(spec: Spec, now: LiveState, *, but: str | None = None) -> set[str]:
    """The names of the lab's nodes, but for the pods of cluster `but`."""
    found = {*spec.segments, *spec.routers}
    for name, cluster in now.clusters.items():
        found |= set(cluster.nodes)
        if name != but:
            found |= {lab_node(pod) for pod in cluster.kubernetes.pods}
    return found


def addresses(spec: Spec, now: LiveState, segment: str) -> set[Address]:
    """The addresses in use on a segment, and those that the spec keeps for nodes to come."""
    used = {
        interface.address
        for router in spec.routers.values()
        for interface in router.interfaces.values()
        if interface.segment == segment and interface.address is not None
    }
    clusters: list[Cluster | ClusterStore] = [*spec.clusters.values(), *now.clusters.values()]
    return used | {n.address for c in clusters for n in c.nodes.values() if n.segment == segment}
