"""The fields of a Kubernetes manifest that labgen reads, as the API spells them.

Sources: Kubernetes API reference, core/v1, apps/v1. Fields that do not change what BGP, kube-proxy
or a pod's container sees are left out and so ignored; fields that would change it and that labgen
does not carry out are refused in `manifests`.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from labgen.calico.gotypes import Bool, Int, Labels, Loosely, Text

# RFC 1123, as apimachinery's `validation` applies it to most object names
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
DnsLabel = Annotated[Text, StringConstraints(pattern=rf"^{_LABEL}$", max_length=63)]
DnsName = Annotated[Text, StringConstraints(pattern=rf"^{_LABEL}(?:\.{_LABEL})*$", max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Proto = Literal["TCP", "UDP", "SCTP"]
IP = IPv4Address | IPv6Address


class Metadata(Loosely):
    name: DnsName | None = None
    generate_name: Text = ""
    namespace: DnsLabel | None = None
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)


class ContainerPort(Loosely):
    container_port: Port
    name: Text = ""
    protocol: Proto = "TCP"


class EnvVar(Loosely):
    name: Text
    value: Text = Field(default="", repr=False)


class Container(Loosely):
    name: DnsLabel
    image: Annotated[Text, StringConstraints(min_length=1)]
    command: tuple[Text, ...] = ()
    args: tuple[Text, ...] = ()
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    stdin: Bool = False
    tty: Bool = False


class PodSpec(Loosely):
    containers: tuple[Container, ...] = Field(min_length=1)
    node_name: Text = ""
    node_selector: Labels = Field(default_factory=dict)
    host_network: Bool = False
    restart_policy: Literal["Always", "OnFailure", "Never"] = "Always"


class PodTemplate(Loosely):
    metadata: Metadata = Metadata()
    spec: PodSpec


class Expression(Loosely):
    key: Text
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: tuple[Text, ...] = ()


class Selector(Loosely):
    match_labels: Labels = Field(default_factory=dict)
    match_expressions: tuple[Expression, ...] = ()


class PodBody(Loosely):
    spec: PodSpec


class DeploymentSpec(Loosely):
    replicas: Annotated[Int, Field(ge=0, le=1000)] = 1
    selector: Selector
    template: PodTemplate


class DeploymentBody(Loosely):
    spec: DeploymentSpec


class DaemonSetSpec(Loosely):
    selector: Selector
    template: PodTemplate


class DaemonSetBody(Loosely):
    spec: DaemonSetSpec


class ServicePort(Loosely):
    """`targetPort` defaults to `port` (core/v1)."""

    port: Port
    target_port: Port | Text | None = None
    name: Text = ""
    protocol: Proto = "TCP"
    node_port: Annotated[int, Field(ge=1, le=65535, strict=True)] | None = None


class ServiceSpec(Loosely):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    selector: Labels = Field(default_factory=dict)
    ports: tuple[ServicePort, ...] = ()
    cluster_ip: Text = ""
    cluster_ips: tuple[Text, ...] = ()
    ip_families: tuple[Literal["IPv4", "IPv6"], ...] = ()
    ip_family_policy: Literal["SingleStack", "PreferDualStack", "RequireDualStack"] | None = None
    external_ips: tuple[IP, ...] = ()
    load_balancer_ip: IP | None = None
    external_traffic_policy: Literal["Cluster", "Local"] | None = None
    internal_traffic_policy: Literal["Cluster", "Local"] = "Cluster"
    session_affinity: Literal["None", "ClientIP"] = "None"


class Ingress(Loosely):
    ip: IP | None = None


class LoadBalancerStatus(Loosely):
    ingress: tuple[Ingress, ...] = ()


class ServiceStatus(Loosely):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class ServiceBody(Loosely):
    spec: ServiceSpec
    status: ServiceStatus = ServiceStatus()


class NodeSpec(Loosely):
    unschedulable: Bool = False


class NodeAddress(Loosely):
    type: Text = ""
    address: Text = ""


class NodeStatus(Loosely):
    addresses: tuple[NodeAddress, ...] = ()


class NodeBody(Loosely):
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class EndpointConditions(Loosely):
    ready: Bool | None = None


class TargetRef(Loosely):
    name: Text = ""


class SliceEndpoint(Loosely):
    addresses: tuple[IP, ...] = Field(min_length=1)
    node_name: Text = ""
    conditions: EndpointConditions = EndpointConditions()
    target_ref: TargetRef = TargetRef()


class SlicePort(Loosely):
    port: Port
    name: Text = ""
    protocol: Proto = "TCP"


class EndpointSliceBody(Loosely):
    address_type: Literal["IPv4", "IPv6"]
    endpoints: tuple[SliceEndpoint, ...] = ()
    ports: tuple[SlicePort, ...] = ()


class AnyBody(Loosely):
    """A kind of which only the metadata counts here."""
