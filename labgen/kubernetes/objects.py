"""Kubernetes objects as frozen values: as much of each as BGP, kube-proxy and kubectl look at.

Field names follow the Kubernetes API (core/v1, apps/v1, discovery.k8s.io/v1). What a user wrote
comes in through `manifests`; what the API server would print goes out through `present`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Any, ClassVar

from labgen.kubernetes import kinds, naming
from labgen.kubernetes.kinds import Kind, Ref
from labgen.kubernetes.labels import LabelSelector

Address = IPv4Address | IPv6Address
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Meta:
    """ObjectMeta. `owner` is the controller; `applied` is what `kubectl apply` last sent."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    created: datetime = _EPOCH
    owner: Ref | None = None
    uid: str = ""
    applied: Mapping[str, Any] | None = field(default=None, repr=False)


class Protocol(Enum):
    TCP = "TCP"
    UDP = "UDP"
    SCTP = "SCTP"


@dataclass(frozen=True, slots=True)
class ContainerPort:
    container_port: int
    name: str = ""
    protocol: Protocol = Protocol.TCP


@dataclass(frozen=True, slots=True)
class EnvVar:
    """`value` never appears in a repr or a report: people put passwords there."""

    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Container:
    """`command` replaces the image's entrypoint, `args` its command, as in core/v1."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    stdin: bool = False
    tty: bool = False


@dataclass(frozen=True, slots=True)
class PodSpec:
    """`node_name` is empty until the pod is scheduled."""

    containers: tuple[Container, ...]
    node_name: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    restart_policy: str = "Always"


@dataclass(frozen=True, slots=True)
class PodTemplate:
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: PodSpec


class Phase(Enum):
    """What `kubectl get pods` prints under STATUS, of the states that a lab's pod can be in."""

    PENDING = "Pending"
    CREATING = "ContainerCreating"
    RUNNING = "Running"
    COMPLETED = "Completed"


class StandsFor(Enum):
    """What a pod is in a lab; the text is shown to the user as an annotation."""

    OWN_CONTAINERS = "its own container"
    NODE_PROCESS = "a process in the node's own container"
    NOTHING = "nothing: it is listed because the guides expect it, and no process runs"


@dataclass(frozen=True, slots=True)
class Pod:
    """`addresses` are empty until the pod runs: the lab's IPAM chooses them."""

    KIND: ClassVar[Kind] = kinds.POD
    meta: Meta
    spec: PodSpec
    phase: Phase = Phase.PENDING
    addresses: tuple[Address, ...] = ()
    started: datetime | None = None
    stands_for: StandsFor = StandsFor.OWN_CONTAINERS

    @property
    def ready(self) -> bool:
        return self.phase is Phase.RUNNING


@dataclass(frozen=True, slots=True)
class Deployment:
    KIND: ClassVar[Kind] = kinds.DEPLOYMENT
    meta: Meta
    replicas: int
    selector: LabelSelector
    template: PodTemplate


@dataclass(frozen=True, slots=True)
class ReplicaSet:
    KIND: ClassVar[Kind] = kinds.REPLICA_SET
    meta: Meta
    replicas: int
    selector: LabelSelector
    template: PodTemplate


@dataclass(frozen=True, slots=True)
class DaemonSet:
    KIND: ClassVar[Kind] = kinds.DAEMON_SET
    meta: Meta
    selector: LabelSelector
    template: PodTemplate
    stands_for: StandsFor = StandsFor.OWN_CONTAINERS


class ServiceType(Enum):
    CLUSTER_IP = "ClusterIP"
    NODE_PORT = "NodePort"
    LOAD_BALANCER = "LoadBalancer"


class TrafficPolicy(Enum):
    CLUSTER = "Cluster"
    LOCAL = "Local"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """`target_port` is a number or the name of a container port. `node_port` 0: none."""

    port: int
    target_port: int | str
    name: str = ""
    protocol: Protocol = Protocol.TCP
    node_port: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """A Service. `cluster_ips` is empty for a headless one, else one address of each family.

    `ingress` is `status.loadBalancer.ingress`; `selector` empty: nobody derives its endpoints.
    """

    KIND: ClassVar[Kind] = kinds.SERVICE
    meta: Meta
    type: ServiceType
    ports: tuple[ServicePort, ...]
    selector: Mapping[str, str] = field(default_factory=dict)
    headless: bool = False
    cluster_ips: tuple[Address, ...] = ()
    families: tuple[int, ...] = ()
    external_ips: tuple[Address, ...] = ()
    load_balancer_ip: Address | None = None
    ingress: tuple[Address, ...] = ()
    external_traffic_policy: TrafficPolicy | None = None
    internal_traffic_policy: TrafficPolicy = TrafficPolicy.CLUSTER


@dataclass(frozen=True, slots=True)
class EndpointPort:
    port: int
    name: str = ""
    protocol: Protocol = Protocol.TCP


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod of a slice; kube-proxy sends to it only while it is `ready`."""

    address: Address
    ready: bool
    node_name: str
    pod: str = ""


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """`version` is the family (4 or 6) of every address in it."""

    KIND: ClassVar[Kind] = kinds.ENDPOINT_SLICE
    meta: Meta
    version: int
    ports: tuple[EndpointPort, ...]
    endpoints: tuple[Endpoint, ...]

    @property
    def service(self) -> str:
        return self.meta.labels.get(SERVICE_NAME_LABEL, "")


@dataclass(frozen=True, slots=True)
class Namespace:
    KIND: ClassVar[Kind] = kinds.NAMESPACE
    meta: Meta


# No kubelet runs in a lab. Kubernetes is covered as of 1.32; who answers stands behind the plus
# sign (build metadata, Semantic Versioning 2.0.0 item 10), as with other builds of Kubernetes.
KUBELET = "v1.32.0+labgen"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """`status.nodeInfo`, as the lab finds it; what is empty prints as `<unknown>`."""

    kubelet_version: str = KUBELET
    os_image: str = ""
    kernel_version: str = ""
    container_runtime: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """`addresses` are of type InternalIP. `unschedulable`: cordoned."""

    KIND: ClassVar[Kind] = kinds.NODE
    meta: Meta
    addresses: tuple[Address, ...]
    unschedulable: bool = False
    ready: bool = True
    info: NodeInfo = NodeInfo()

    @property
    def schedulable(self) -> bool:
        return self.ready and not self.unschedulable


@dataclass(frozen=True, slots=True)
class OperatorResource:
    """An `Installation` or `APIServer`: kept as written, because Calico's side reads it."""

    meta: Meta
    kind: Kind
    body: Mapping[str, Any] = field(repr=False)

    @property
    def KIND(self) -> Kind:  # noqa: N802 - the same attribute as on the other objects
        return self.kind


Object = (
    Pod
    | Deployment
    | ReplicaSet
    | DaemonSet
    | Service
    | EndpointSlice
    | Namespace
    | Node
    | OperatorResource
)

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
TEMPLATE_HASH_LABEL = "pod-template-hash"
CONTROL_PLANE_LABEL = "node-role.kubernetes.io/control-plane"


def ref(item: Object) -> Ref:
    """What names the object within its cluster."""
    return Ref(item.KIND, item.meta.namespace, item.meta.name)


def uid_of(cluster: str, at: Ref, created: datetime) -> str:
    """A uid that differs between an object and another that later takes the same name."""
    return naming.uid(cluster, at.kind.resource, at.namespace, at.name, created.isoformat())
