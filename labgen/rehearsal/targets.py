"""Where a name of the spec is at the moment: which node, which address, which port. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from labgen.design.content import lab_node
from labgen.errors import InputError
from labgen.kubernetes.objects import Service, StandsFor
from labgen.spec.stages import AddressTarget, PodTarget, ServiceTarget, Target, WorkloadTarget

if TYPE_CHECKING:
    from labgen.design.model import Design
    from labgen.kubernetes.objects import Pod
    from labgen.lab.clusters import ClusterStore, LiveState

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Endpoint:
    """What a probe or a request is sent to; `shown` is how a report calls it."""

    address: Address
    port: int
    shown: str


@dataclass(frozen=True)
class Places:
    """Every name that a lab's spec may use, with the clusters as they are now.

    `design` gives the routers and segments; `also` are nodes that earlier states had.
    """

    design: Design
    now: LiveState
    also: frozenset[str] = field(default_factory=frozenset)

    def joined(self, later: Places) -> Places:
        """`later`, with the nodes that this one knew."""
        return replace(later, also=self.also | frozenset(self.speakers))

    @cached_property
    def pods(self) -> dict[str, Pod]:
        """Pods with containers of their own, by the lab's name for them."""
        found = {}
        for cluster in self.now.clusters.values():
            for pod in cluster.kubernetes.pods:
                if pod.addresses and pod.stands_for is StandsFor.OWN_CONTAINERS:
                    found[lab_node(pod)] = pod
        return found

    @cached_property
    def speakers(self) -> dict[str, Address | None]:
        """Calico nodes and routers with the address that they speak BGP from."""
        found: dict[str, Address | None] = dict.fromkeys(self.also)
        for cluster in self.now.clusters.values():
            found.update({name: node.address for name, node in cluster.nodes.items()})
        for router in self.design.routers:
            found[router.name] = self.design.speaker(router.name).addresses[0]
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that a command can run in."""
        return (*self.speakers, *self.pods, *(s.node for s in self.design.segments))

    def endpoint(self, target: Target) -> Endpoint:
        """A target's address now. Raises InputError where there is none."""
        match target:
            case AddressTarget():
                return Endpoint(target.address, target.port, str(target.address))
            case PodTarget():
                if target.pod not in self.pods:
                    raise InputError(f"no pod `{target.pod}`",
                                     hint=f"there are {', '.join(self.pods)}")  # fmt: skip
                address = self.pods[target.pod].addresses[0]
                return Endpoint(address, target.port, target.pod)
            case ServiceTarget():
                return self._service(target)
            case WorkloadTarget():
                return self._workload(target)

    def _cluster(self, name: str) -> ClusterStore:
        if name not in self.now.clusters:
            raise InputError(f"no cluster `{name}`",
                             hint=f"there are {', '.join(self.now.clusters)}")  # fmt: skip
        return self.now.clusters[name]

    def _service(self, target: ServiceTarget) -> Endpoint:
        services = self._cluster(target.cluster).kubernetes.of(Service)
        wanted = (target.namespace, target.service)
        found = next((s for s in services if (s.meta.namespace, s.meta.name) == wanted), None)
        if found is None or not found.cluster_ips:
            known = ", ".join(f"{s.meta.namespace}/{s.meta.name}" for s in services) or "none"
            name = f"{target.namespace}/{target.service}"
            raise InputError(f"cluster {target.cluster} has no Service {name} with a ClusterIP",
                             hint=f"it has {known}")  # fmt: skip
        port = target.port or found.ports[0].port
        return Endpoint(found.cluster_ips[0], port, f"Service {target.cluster}/{target.service}")

    def _workload(self, target: WorkloadTarget) -> Endpoint:
        for pod in self._cluster(target.cluster).kubernetes.pods:
            if (pod.meta.namespace == target.namespace and pod.addresses
                    and pod.meta.labels.get("app") == target.app):  # fmt: skip
                return Endpoint(pod.addresses[0], target.port, f"pod {pod.meta.name}")
        raise InputError(
            f"cluster {target.cluster} has no running pod with app={target.app}",
            hint=f"`labgen kubectl --cluster {target.cluster} get pods --show-labels` lists them",
        )

    def node_under(self, name: str) -> str | None:
        """The Calico node that a pod of the lab runs on."""
        return self.pods[name].spec.node_name if name in self.pods else None

    def node_of_address(self, address: Address) -> str | None:
        for pod in self.pods.values():
            if address in pod.addresses:
                return pod.spec.node_name
        return None
