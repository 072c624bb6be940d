"""Objects as the API server prints them: JSON-like values for `-o yaml`, `-o json` and Calico.

Field names and their order follow the Kubernetes API. What a lab does not have (managedFields,
resourceVersion, probes, …) is absent, not invented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labgen.kubernetes.labels import LabelSelector, Operator
from labgen.kubernetes.objects import (
    Container,
    DaemonSet,
    Deployment,
    EndpointSlice,
    Meta,
    Namespace,
    Node,
    Object,
    Phase,
    Pod,
    PodSpec,
    PodTemplate,
    ReplicaSet,
    Service,
    StandsFor,
    TrafficPolicy,
    ref,
)

if TYPE_CHECKING:
    from datetime import datetime

    from labgen.kubernetes.state import ClusterState

STANDS_FOR = "labgen/stands-for"
_PHASE = {
    Phase.PENDING: "Pending",
    Phase.CREATING: "Pending",
    Phase.RUNNING: "Running",
    Phase.COMPLETED: "Succeeded",
}


def manifest(item: Object, state: ClusterState) -> dict[str, Any]:
    """The whole object: apiVersion, kind, metadata, spec and the status that the lab knows."""
    head = {"apiVersion": item.KIND.api_version, "kind": item.KIND.name}
    if isinstance(item, Pod):
        return (
            head
            | {"metadata": _pod_meta(item), "spec": _pod_spec(item.spec)}
            | _pod_status(item, state)
        )
    if isinstance(item, Deployment | ReplicaSet | DaemonSet):
        return head | {"metadata": _meta(item.meta)} | _workload(item, state)
    if isinstance(item, Service):
        return head | {"metadata": _meta(item.meta)} | _service(item)
    if isinstance(item, EndpointSlice):
        return head | {"metadata": _meta(item.meta)} | _endpoint_slice(item)
    if isinstance(item, Node):
        return head | {"metadata": _meta(item.meta)} | _node(item)
    if isinstance(item, Namespace):
        return head | {"metadata": _meta(item.meta), "status": {"phase": "Active"}}
    return {**item.body, **head, "metadata": _meta(item.meta)}


def pod_template(template: PodTemplate) -> dict[str, Any]:
    """`spec.template` of a workload."""
    metadata = _filled(labels=dict(template.labels), annotations=dict(template.annotations))
    return {"metadata": metadata, "spec": _pod_spec(template.spec)}


def timestamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _filled(**fields: Any) -> dict[str, Any]:
    """The fields that hold something: Go's `omitempty`."""
    return {
        key: value for key, value in fields.items() if value not in (None, "", (), [], {}, False)
    }


def _meta(meta: Meta) -> dict[str, Any]:
    owner = meta.owner
    owners = owner and [
        {
            "apiVersion": owner.kind.api_version,
            "kind": owner.kind.name,
            "name": owner.name,
            "controller": True,
        }
    ]
    return _filled(
        annotations=dict(meta.annotations),
        creationTimestamp=timestamp(meta.created),
        labels=dict(meta.labels),
        name=meta.name,
        namespace=meta.namespace,
        ownerReferences=owners,
        uid=meta.uid,
    )


def _pod_meta(pod: Pod) -> dict[str, Any]:
    metadata = _meta(pod.meta)
    if pod.stands_for is not StandsFor.OWN_CONTAINERS:
        shown = {**pod.meta.annotations, STANDS_FOR: pod.stands_for.value}
        metadata = {"annotations": shown} | {
            k: v for k, v in metadata.items() if k != "annotations"
        }
    return metadata


def _container(item: Container) -> dict[str, Any]:
    ports = [
        _filled(name=port.name, containerPort=port.container_port, protocol=port.protocol.value)
        for port in item.ports
    ]
    return _filled(
        name=item.name,
        image=item.image,
        command=list(item.command),
        args=list(item.args),
        env=[{"name": env.name, "value": env.value} for env in item.env],
        ports=ports,
        stdin=item.stdin,
        tty=item.tty,
    )


def _pod_spec(spec: PodSpec) -> dict[str, Any]:
    return _filled(
        containers=[_container(item) for item in spec.containers],
        hostNetwork=spec.host_network,
        nodeName=spec.node_name,
        nodeSelector=dict(spec.node_selector),
        restartPolicy=spec.restart_policy,
    )


def _pod_status(pod: Pod, state: ClusterState) -> dict[str, Any]:
    node = state.node(pod.spec.node_name)
    status = _filled(
        phase=_PHASE[pod.phase],
        hostIP=str(node.addresses[0]) if node and node.addresses else "",
        podIP=str(pod.addresses[0]) if pod.addresses else "",
        podIPs=[{"ip": str(address)} for address in pod.addresses],
        startTime=timestamp(pod.started) if pod.started else "",
    )
    return {"status": status}


def _selector(selector: LabelSelector) -> dict[str, Any]:
    labels = selector.match_labels
    expressions = [
        _filled(key=item.key, operator=item.operator.value, values=list(item.values))
        for item in selector.requirements
        if item.operator is not Operator.IN or len(item.values) != 1
    ]
    return _filled(matchLabels=labels, matchExpressions=expressions)


def _workload(item: Deployment | ReplicaSet | DaemonSet, state: ClusterState) -> dict[str, Any]:
    spec = {"selector": _selector(item.selector), "template": pod_template(item.template)}
    if isinstance(item, DaemonSet):
        pods = state.pods_of(ref(item))
        status = {
            "desiredNumberScheduled": len(pods),
            "currentNumberScheduled": len(pods),
            "numberReady": sum(pod.ready for pod in pods),
        }
        return {"spec": spec, "status": status}
    pods = pods_behind(item, state)
    ready = sum(pod.ready for pod in pods)
    status = {"replicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
    return {"spec": {"replicas": item.replicas, **spec}, "status": status}


def pods_behind(item: Deployment | ReplicaSet, state: ClusterState) -> tuple[Pod, ...]:
    """The pods of a ReplicaSet, or of all ReplicaSets of a Deployment."""
    if isinstance(item, ReplicaSet):
        return state.pods_of(ref(item))
    sets = (found for found in state.of(ReplicaSet) if found.meta.owner == ref(item))
    return tuple(pod for found in sets for pod in state.pods_of(ref(found)))


def _service(item: Service) -> dict[str, Any]:
    ports = [
        _filled(
            name=port.name,
            nodePort=port.node_port,
            port=port.port,
            protocol=port.protocol.value,
            targetPort=port.target_port,
        )
        for port in item.ports
    ]
    addresses = ["None"] if item.headless else [str(address) for address in item.cluster_ips]
    policy = item.external_traffic_policy
    spec = _filled(
        clusterIP=addresses[0] if addresses else "",
        clusterIPs=addresses,
        externalIPs=[str(address) for address in item.external_ips],
        externalTrafficPolicy=policy.value if isinstance(policy, TrafficPolicy) else "",
        internalTrafficPolicy=item.internal_traffic_policy.value,
        ipFamilies=[f"IPv{version}" for version in item.families],
        ipFamilyPolicy="SingleStack" if len(item.families) < 2 else "PreferDualStack",
        loadBalancerIP=str(item.load_balancer_ip) if item.load_balancer_ip else "",
        ports=ports,
        selector=dict(item.selector),
        sessionAffinity="None",
        type=item.type.value,
    )
    ingress = [{"ip": str(address)} for address in item.ingress]
    return {"spec": spec, "status": {"loadBalancer": _filled(ingress=ingress)}}


def _endpoint_slice(item: EndpointSlice) -> dict[str, Any]:
    endpoints = []
    for endpoint in item.endpoints:
        target = {"kind": "Pod", "name": endpoint.pod, "namespace": item.meta.namespace}
        endpoints.append(
            {"addresses": [str(endpoint.address)], "conditions": {"ready": endpoint.ready}}
            | _filled(nodeName=endpoint.node_name, targetRef=target if endpoint.pod else None)
        )
    ports = [
        {"name": port.name, "port": port.port, "protocol": port.protocol.value}
        for port in item.ports
    ]
    return {"addressType": f"IPv{item.version}", "endpoints": endpoints, "ports": ports}


def _node(item: Node) -> dict[str, Any]:
    taints = [{"effect": "NoSchedule", "key": "node.kubernetes.io/unschedulable"}]
    info = _filled(
        containerRuntimeVersion=item.info.container_runtime,
        kernelVersion=item.info.kernel_version,
        kubeletVersion=item.info.kubelet_version,
        osImage=item.info.os_image,
    )
    addresses = [{"address": str(a), "type": "InternalIP"} for a in item.addresses]
    addresses.append({"address": item.meta.name, "type": "Hostname"})
    return {
        "spec": _filled(
            unschedulable=item.unschedulable, taints=taints if item.unschedulable else []
        ),
        "status": {
            "addresses": addresses,
            "conditions": [{"status": "True" if item.ready else "False", "type": "Ready"}],
            "nodeInfo": info,
        },
    }
