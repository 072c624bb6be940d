"""A cluster as the API server would hold it: frozen, and every change gives a new one.

The verbs that change it are in `verbs` and `nodes`; what follows from a change (ReplicaSets, pods,
scheduling, EndpointSlices) is in `controllers`. The lab learns what to start and stop by comparing
two states with `changes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from labgen.errors import InputError
from labgen.kubernetes import kinds
from labgen.kubernetes.allocation import Network
from labgen.kubernetes.kinds import Kind, Ref
from labgen.kubernetes.objects import (
    EndpointSlice,
    Meta,
    Namespace,
    Node,
    Object,
    OperatorResource,
    Phase,
    Pod,
    Service,
    StandsFor,
    ref,
    uid_of,
)

AnyObject = TypeVar("AnyObject", bound=Object)
SYSTEM_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
NAMESPACE_NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """Everything the cluster holds. `serial` counts made-up names, so that none comes twice.

    `service_networks` is `--service-cluster-ip-range`, `pod_networks` kubeadm's pod-network-cidr;
    each has at most one network of a family, the first being the family of single-stack Services.
    """

    name: str
    service_networks: tuple[Network, ...]
    pod_networks: tuple[Network, ...]
    objects: Mapping[Ref, Object] = field(default_factory=dict, repr=False)
    serial: int = 0

    def get(self, at: Ref) -> Object | None:
        return self.objects.get(at)

    def of(self, cls: type[AnyObject], namespace: str | None = None) -> tuple[AnyObject, ...]:
        """Every object of a type, by namespace and name; `namespace` narrows it to one."""
        found = (item for item in self.objects.values() if isinstance(item, cls))
        chosen = (item for item in found if namespace in (None, item.meta.namespace))
        return tuple(sorted(chosen, key=lambda item: (item.meta.namespace, item.meta.name)))

    def of_kind(self, kind: Kind, namespace: str | None = None) -> tuple[Object, ...]:
        """Every object of a kind, by namespace and name."""
        found = [item for at, item in self.objects.items() if at.kind == kind]
        chosen = (item for item in found if namespace in (None, item.meta.namespace))
        return tuple(sorted(chosen, key=lambda item: (item.meta.namespace, item.meta.name)))

    def node(self, name: str) -> Node | None:
        found = self.objects.get(Ref(kinds.NODE, "", name))
        return found if isinstance(found, Node) else None

    def pod(self, name: str, namespace: str = "default") -> Pod | None:
        found = self.objects.get(Ref(kinds.POD, namespace, name))
        return found if isinstance(found, Pod) else None

    def service(self, name: str, namespace: str = "default") -> Service | None:
        found = self.objects.get(Ref(kinds.SERVICE, namespace, name))
        return found if isinstance(found, Service) else None

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.of(Node)

    @property
    def pods(self) -> tuple[Pod, ...]:
        return self.of(Pod)

    @property
    def services(self) -> tuple[Service, ...]:
        return self.of(Service)

    @property
    def endpoint_slices(self) -> tuple[EndpointSlice, ...]:
        return self.of(EndpointSlice)

    @property
    def operator_resources(self) -> tuple[OperatorResource, ...]:
        """Installation and APIServer objects, as they were written."""
        return self.of(OperatorResource)

    def pods_of(self, owner: Ref) -> tuple[Pod, ...]:
        """Pods that this ReplicaSet or DaemonSet controls."""
        return tuple(pod for pod in self.pods if pod.meta.owner == owner)

    def to_start(self) -> tuple[Pod, ...]:
        """Pods that are on a node and wait for the lab to give them a container."""
        return tuple(pod for pod in self.pods if pod.phase is Phase.CREATING)

    # --- new states -------------------------------------------------------------------------

    def having(self, *items: Object) -> ClusterState:
        """With these objects, in place of those of the same name."""
        return replace(self, objects={**self.objects, **{ref(item): item for item in items}})

    def without(self, refs: Iterable[Ref]) -> ClusterState:
        gone = set(refs)
        kept = {at: item for at, item in self.objects.items() if at not in gone}
        return replace(self, objects=kept)

    def stamped(self, meta: Meta, kind: Kind, now: datetime) -> Meta:
        """`meta` with the time of its making and a uid."""
        uid = uid_of(self.name, Ref(kind, meta.namespace, meta.name), now)
        return replace(meta, created=now, uid=uid)


def new_cluster(
    name: str,
    *,
    service_networks: Iterable[Network],
    pod_networks: Iterable[Network],
    now: datetime,
) -> ClusterState:
    """A cluster with its four namespaces and nothing else. Raises InputError for odd networks."""
    networks = {"service range": tuple(service_networks), "pod network": tuple(pod_networks)}
    for what, given in networks.items():
        versions = [network.version for network in given]
        if not versions or len(set(versions)) != len(versions):
            raise InputError(
                f"cluster {name}: the {what} is one network, or one of each IP family",
                hint="found: " + (", ".join(map(str, given)) or "none"),
            )
    for service in networks["service range"]:
        for pod in networks["pod network"]:
            if service.version == pod.version and service.overlaps(pod):
                raise InputError(
                    f"cluster {name}: service range {service} overlaps pod network {pod}"
                )
    state = ClusterState(name, networks["service range"], networks["pod network"])
    return state.having(*(namespace(state, each, now) for each in SYSTEM_NAMESPACES))


def namespace(state: ClusterState, name: str, now: datetime) -> Namespace:
    """A Namespace as the API server completes it."""
    meta = Meta(name, labels={NAMESPACE_NAME_LABEL: name})
    return Namespace(state.stamped(meta, kinds.NAMESPACE, now))


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two states, each kind of change in ascending order of name."""

    added: tuple[Object, ...]
    removed: tuple[Object, ...]
    changed: tuple[tuple[Object, Object], ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)

    @property
    def pods_to_stop(self) -> tuple[Pod, ...]:
        """Pods whose container must go."""
        return tuple(
            item
            for item in self.removed
            if isinstance(item, Pod) and item.stands_for is StandsFor.OWN_CONTAINERS
        )

    @property
    def nodes_added(self) -> tuple[Node, ...]:
        return tuple(item for item in self.added if isinstance(item, Node))

    @property
    def nodes_removed(self) -> tuple[Node, ...]:
        return tuple(item for item in self.removed if isinstance(item, Node))

    @property
    def touches_proxy(self) -> bool:
        """kube-proxy's rules, and what Calico advertises, must be computed again."""
        kinds_ = (Service, EndpointSlice, Node)
        changed = (new for _, new in self.changed)
        return any(isinstance(i, kinds_) for i in (*self.added, *self.removed, *changed))


def changes(before: ClusterState, after: ClusterState) -> Changes:
    """What the lab has to do to get from one state to the other."""
    old, new = before.objects, after.objects

    def ordered(refs: Iterable[Ref]) -> list[Ref]:
        return sorted(refs, key=lambda at: (at.kind.name, at.namespace, at.name))

    # the same name with another uid is another object: a pod that was deleted and made again
    replaced = {at for at in old.keys() & new.keys() if old[at].meta.uid != new[at].meta.uid}
    return Changes(
        added=tuple(new[at] for at in ordered((new.keys() - old.keys()) | replaced)),
        removed=tuple(old[at] for at in ordered((old.keys() - new.keys()) | replaced)),
        changed=tuple(
            (old[at], new[at])
            for at in ordered((old.keys() & new.keys()) - replaced)
            if old[at] != new[at]
        ),
    )
