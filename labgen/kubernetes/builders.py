"""From a manifest's checked fields to one object; refuses what labgen would have to pretend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from pydantic import BaseModel

from labgen.errors import InputError, Mark
from labgen.kubernetes import kinds, objects, schema
from labgen.kubernetes.kinds import Kind
from labgen.kubernetes.labels import (
    LabelSelector,
    Operator,
    Requirement,
    check_labels,
    selector_of,
)
from labgen.kubernetes.objects import Meta, Object, Protocol, TrafficPolicy

_FAMILY = {"IPv4": 4, "IPv6": 6}
NODE_PORTS = range(30000, 32768)  # kube-apiserver --service-node-port-range


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a manifest, read but not yet judged. `mark` says where a part of it stands."""

    meta: Meta
    kind: Kind
    body: Any
    raw: Mapping[str, Any] = field(repr=False)
    mark: Callable[..., Mark] = field(repr=False)
    named: str = ""

    def refuse(self, reason: str, *keys: str | int, hint: str | None = None) -> InputError:
        return InputError(f"{self.named}: {reason}", mark=self.mark(*keys), hint=hint)


def _pod_spec(spec: schema.PodSpec, part: Part, *keys: str | int) -> objects.PodSpec:
    names = [container.name for container in spec.containers]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise part.refuse(
                f"the container name {name} stands twice", *keys, "containers", index, "name"
            )
    return objects.PodSpec(
        containers=tuple(_container(item) for item in spec.containers),
        node_name=spec.node_name,
        node_selector=dict(spec.node_selector),
        host_network=spec.host_network,
        restart_policy=spec.restart_policy,
    )


def _container(item: schema.Container) -> objects.Container:
    return objects.Container(
        name=item.name,
        image=item.image,
        command=item.command,
        args=item.args,
        ports=tuple(
            objects.ContainerPort(port.container_port, port.name, Protocol(port.protocol))
            for port in item.ports
        ),
        env=tuple(objects.EnvVar(env.name, env.value) for env in item.env),
        stdin=item.stdin,
        tty=item.tty,
    )


def _pod(part: Part) -> objects.Pod:
    return objects.Pod(part.meta, _pod_spec(part.body.spec, part, "spec"))


def _workload(part: Part) -> tuple[LabelSelector, objects.PodTemplate]:
    """Selector and template of a Deployment or DaemonSet, which must fit each other (apps/v1)."""
    spec = part.body.spec
    labels = dict(spec.template.metadata.labels)
    check_labels(labels, lambda key: part.mark("spec", "template", "metadata", "labels", key))
    selector = LabelSelector(
        (
            *selector_of(spec.selector.match_labels).requirements,
            *(
                Requirement(item.key, Operator(item.operator), item.values)
                for item in spec.selector.match_expressions
            ),
        )
    )
    if not selector.requirements:
        raise part.refuse("spec.selector selects nothing", "spec", "selector")
    if not selector.matches(labels):
        raise part.refuse(
            "spec.selector does not match the labels of spec.template",
            "spec",
            "selector",
            hint="the API server refuses this too",
        )
    if spec.template.spec.restart_policy != "Always":
        raise part.refuse(
            "spec.template.spec.restartPolicy must be Always",
            "spec", "template", "spec", "restartPolicy",
        )  # fmt: skip
    pod = _pod_spec(spec.template.spec, part, "spec", "template", "spec")
    annotations = dict(spec.template.metadata.annotations)
    return selector, objects.PodTemplate(labels, annotations, pod)


def _deployment(part: Part) -> objects.Deployment:
    selector, template = _workload(part)
    return objects.Deployment(part.meta, part.body.spec.replicas, selector, template)


def _replica_set(part: Part) -> Object:
    raise part.refuse(
        "a ReplicaSet of one's own is not covered by this lab",
        "kind",
        hint="write a Deployment, which makes its ReplicaSet",
    )


def _daemon_set(part: Part) -> objects.DaemonSet:
    return objects.DaemonSet(part.meta, *_workload(part))


def _check_service(part: Part, spec: schema.ServiceSpec, *, headless: bool, external: bool) -> None:
    if spec.type == "ExternalName":
        reason = "type ExternalName is a DNS alias and this lab has no cluster DNS"
        raise part.refuse(reason, "spec", "type")
    if spec.session_affinity == "ClientIP":
        reason = "sessionAffinity ClientIP is not covered by this lab"
        raise part.refuse(reason, "spec", "sessionAffinity")
    if headless and spec.type != "ClusterIP":
        raise part.refuse(f"clusterIP None does not go with type {spec.type}", "spec", "clusterIP")
    if not spec.ports and not headless:
        raise part.refuse("spec.ports: Required value", "spec", "ports")
    if spec.external_traffic_policy and not external:
        reason = "externalTrafficPolicy may only be set for externally-accessible services"
        raise part.refuse(reason, "spec", "externalTrafficPolicy")


def _service(part: Part) -> objects.Service:
    spec: schema.ServiceSpec = part.body.spec
    headless = spec.cluster_ip == "None"
    external = spec.type != "ClusterIP" or bool(spec.external_ips)
    _check_service(part, spec, headless=headless, external=external)
    policy = TrafficPolicy(spec.external_traffic_policy or "Cluster")
    cluster_ips, families = _cluster_ips(part, spec, headless)
    return objects.Service(
        meta=part.meta,
        type=objects.ServiceType(spec.type),
        ports=_service_ports(part, spec),
        selector=dict(spec.selector),
        headless=headless,
        cluster_ips=cluster_ips,
        families=families,
        external_ips=spec.external_ips,
        load_balancer_ip=spec.load_balancer_ip,
        ingress=tuple(
            item.ip for item in part.body.status.load_balancer.ingress if item.ip is not None
        ),
        external_traffic_policy=policy if external else None,
        internal_traffic_policy=TrafficPolicy(spec.internal_traffic_policy),
    )


def _cluster_ips(
    part: Part, spec: schema.ServiceSpec, headless: bool
) -> tuple[tuple[objects.Address, ...], tuple[int, ...]]:
    """Addresses that the manifest asks for, and families: those it names, else empty."""
    texts = spec.cluster_ips or ((spec.cluster_ip,) if spec.cluster_ip else ())
    if spec.cluster_ip and spec.cluster_ips and spec.cluster_ips[0] != spec.cluster_ip:
        raise part.refuse("clusterIPs[0] must be the same as clusterIP", "spec", "clusterIPs")
    families = tuple(_FAMILY[name] for name in spec.ip_families)
    if len(set(families)) != len(families):
        raise part.refuse("ipFamilies names a family twice", "spec", "ipFamilies")
    if spec.ip_family_policy in ("PreferDualStack", "RequireDualStack") and len(families) < 2:
        families = (*families, *(v for v in (4, 6) if v not in families))
    if headless:
        return (), families
    try:
        addresses = tuple(ip_address(text) for text in texts)
    except ValueError:
        raise part.refuse(
            f"`{' '.join(texts)}` is not an IP address", "spec", "clusterIP"
        ) from None
    asked = tuple(address.version for address in addresses)
    if len(set(asked)) != len(asked):
        raise part.refuse("clusterIPs may hold one address of each family", "spec", "clusterIPs")
    if families and asked and families[: len(asked)] != asked:
        raise part.refuse("clusterIPs and ipFamilies disagree", "spec", "ipFamilies")
    return addresses, families or asked


def _service_ports(part: Part, spec: schema.ServiceSpec) -> tuple[objects.ServicePort, ...]:
    ports: list[objects.ServicePort] = []
    for index, item in enumerate(spec.ports):
        at = ("spec", "ports", index)
        if len(spec.ports) > 1 and not item.name:
            raise part.refuse(f"spec.ports[{index}].name: Required value", *at, "name")
        for earlier in ports:
            if item.name and item.name == earlier.name:
                raise part.refuse(f"the port name {item.name} stands twice", *at, "name")
            if (item.port, item.protocol) == (earlier.port, earlier.protocol.value):
                raise part.refuse(f"port {item.port}/{item.protocol} stands twice", *at, "port")
        if item.node_port is not None and item.node_port not in NODE_PORTS:
            raise part.refuse(
                "provided port is not in the valid range. The range of valid ports is 30000-32767",
                *at,
                "nodePort",
            )
        if item.node_port is not None and spec.type == "ClusterIP":
            raise part.refuse("nodePort may not be used when type is ClusterIP", *at, "nodePort")
        target = item.port if item.target_port is None else item.target_port
        if isinstance(target, str) and not any(letter.isalpha() for letter in target):
            # Go's IntOrString takes a quoted "8080" for a port's name, and no port is called so
            raise part.refuse(
                f'targetPort "{target}": must contain at least one letter',
                *at,
                "targetPort",
                hint="write a port number without quotes",
            )
        ports.append(
            objects.ServicePort(
                item.port, target, item.name, Protocol(item.protocol), item.node_port or 0
            )
        )
    return tuple(ports)


def _namespace(part: Part) -> objects.Namespace:
    return objects.Namespace(part.meta)


def _node(part: Part) -> objects.Node:
    addresses = []
    for index, item in enumerate(part.body.status.addresses):
        if item.type != "InternalIP":
            continue
        try:
            addresses.append(ip_address(item.address))
        except ValueError:
            raise part.refuse(
                f"`{item.address}` is not an IP address",
                "status", "addresses", index, "address",
            ) from None  # fmt: skip
    return objects.Node(part.meta, tuple(addresses), part.body.spec.unschedulable)


def _endpoint_slice(part: Part) -> objects.EndpointSlice:
    version = _FAMILY[part.body.address_type]
    endpoints = []
    for index, item in enumerate(part.body.endpoints):
        address = item.addresses[0]  # discovery/v1: consumers use the first one
        if address.version != version:
            raise part.refuse(
                f"{address} is not an {part.body.address_type} address",
                "endpoints", index, "addresses",
            )  # fmt: skip
        ready = item.conditions.ready is not False  # absent means ready
        endpoints.append(objects.Endpoint(address, ready, item.node_name, item.target_ref.name))
    ports = tuple(
        objects.EndpointPort(port.port, port.name, Protocol(port.protocol))
        for port in part.body.ports
    )
    return objects.EndpointSlice(part.meta, version, ports, tuple(endpoints))


def _operator(part: Part) -> objects.OperatorResource:
    return objects.OperatorResource(part.meta, part.kind, part.raw)


BUILDERS: Mapping[Kind, tuple[type[BaseModel], Callable[[Part], Object]]] = {
    kinds.POD: (schema.PodBody, _pod),
    kinds.DEPLOYMENT: (schema.DeploymentBody, _deployment),
    kinds.REPLICA_SET: (schema.AnyBody, _replica_set),
    kinds.DAEMON_SET: (schema.DaemonSetBody, _daemon_set),
    kinds.SERVICE: (schema.ServiceBody, _service),
    kinds.NAMESPACE: (schema.AnyBody, _namespace),
    kinds.NODE: (schema.NodeBody, _node),
    kinds.ENDPOINT_SLICE: (schema.EndpointSliceBody, _endpoint_slice),
    kinds.INSTALLATION: (schema.AnyBody, _operator),
    kinds.API_SERVER: (schema.AnyBody, _operator),
}
