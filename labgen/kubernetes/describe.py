"""`kubectl describe`: the fields that a lab has, under kubectl's headings and in its order.

Sections whose content a lab does not have (Conditions other than Ready, Capacity, Volumes, QoS,
Events) are absent rather than invented.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from labgen.kubernetes.objects import (
    Container,
    DaemonSet,
    Deployment,
    EndpointSlice,
    Node,
    Object,
    Phase,
    Pod,
    ReplicaSet,
    Service,
    StandsFor,
    ref,
)
from labgen.kubernetes.output import as_yaml
from labgen.kubernetes.present import STANDS_FOR, manifest, pods_behind
from labgen.kubernetes.tables import NONE, UNSET, View, aligned, joined, roles

if TYPE_CHECKING:
    from labgen.kubernetes.objects import PodTemplate

Field = tuple[str, str | Sequence[str]]
_TIME = "%a, %d %b %Y %H:%M:%S +0000"


def described(item: Object, view: View) -> str:
    """The text for one object, ending with a newline."""
    if isinstance(item, Node):
        return _node(item, view)
    if isinstance(item, Pod):
        return _pod(item, view)
    if isinstance(item, Service):
        return _service(item, view)
    if isinstance(item, Deployment | ReplicaSet | DaemonSet):
        return _workload(item, view)
    if isinstance(item, EndpointSlice):
        return _endpoint_slice(item)
    return as_yaml(manifest(item, view.state))


def _fields(fields: Iterable[Field], indent: str = "") -> str:
    """`Key:   value`, with the values in one column; further lines of a value below the first."""
    rows = [(key, [value] if isinstance(value, str) else list(value)) for key, value in fields]
    width = max(len(key) for key, _ in rows) + 1
    text = ""
    for key, lines in rows:
        head, *more = lines or [NONE]
        text += f"{indent}{f'{key}:'.ljust(width)}  {head}\n"
        text += "".join(f"{indent}{' ' * width}  {line}\n" for line in more)
    return text


def _pairs(labels: Mapping[str, str], sign: str = "=") -> list[str]:
    return [f"{key}{sign}{labels[key]}" for key in sorted(labels)]


def _head(item: Object) -> list[Field]:
    head: list[Field] = [("Name", item.meta.name)]
    if item.meta.namespace:
        head.append(("Namespace", item.meta.namespace))
    return head


def _node(node: Node, view: View) -> str:
    own = [
        pod
        for pod in view.state.pods
        if pod.spec.node_name == node.meta.name and pod.spec.node_name
    ]
    taints = ["node.kubernetes.io/unschedulable:NoSchedule"] if node.unschedulable else []
    text = _fields(
        [
            *_head(node),
            ("Roles", roles(node)),
            ("Labels", _pairs(node.meta.labels)),
            ("Annotations", _pairs(node.meta.annotations, ": ")),
            ("CreationTimestamp", node.meta.created.strftime(_TIME)),
            ("Taints", taints),
            ("Unschedulable", str(node.unschedulable).lower()),
        ]
    )
    text += "Conditions:\n" + _indented(
        aligned([("Type", "Status"), ("----", "------"), ("Ready", str(node.ready))])
    )
    text += "Addresses:\n" + _fields(
        [*(("InternalIP", str(a)) for a in node.addresses), ("Hostname", node.meta.name)], "  "
    )
    info = node.info
    known = [
        ("Kernel Version", info.kernel_version),
        ("OS Image", info.os_image),
        ("Container Runtime Version", info.container_runtime),
        ("Kubelet Version", info.kubelet_version),
    ]
    shown: list[Field] = [(key, value) for key, value in known if value]
    if shown:
        text += "System Info:\n" + _fields(shown, "  ")
    rows = [("Namespace", "Name", "Age"), ("---------", "----", "---")]
    rows += [(pod.meta.namespace, pod.meta.name, view.age(pod)) for pod in own]
    return text + f"Non-terminated Pods:  ({len(own)} in total)\n" + _indented(aligned(rows))


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


def _pod(pod: Pod, view: View) -> str:
    node = view.state.node(pod.spec.node_name)
    address = f"/{node.addresses[0]}" if node and node.addresses else ""
    shown = dict(pod.meta.annotations)
    if pod.stands_for is not StandsFor.OWN_CONTAINERS:
        shown[STANDS_FOR] = pod.stands_for.value
    fields: list[Field] = [
        *_head(pod),
        ("Node", f"{pod.spec.node_name}{address}" if pod.spec.node_name else NONE),
    ]
    if pod.started:
        fields.append(("Start Time", pod.started.strftime(_TIME)))
    fields += [
        ("Labels", _pairs(pod.meta.labels)),
        ("Annotations", _pairs(shown, ": ")),
        ("Status", str(manifest(pod, view.state)["status"]["phase"])),
        ("IP", str(pod.addresses[0]) if pod.addresses else ""),
    ]
    text = _fields(fields)
    if pod.addresses:
        text += "IPs:\n" + _fields([("IP", str(a)) for a in pod.addresses], "  ")
    owner = pod.meta.owner
    if owner is not None:
        text += f"Controlled By:  {owner.kind.name}/{owner.name}\n"
    text += "Containers:\n" + "".join(_container(c, pod) for c in pod.spec.containers)
    return text + _fields([("Node-Selectors", _pairs(pod.spec.node_selector))])


def _container(container: Container, pod: Pod | None) -> str:
    """A container of a pod, or of a template where `pod` is None (its name stands deeper then)."""
    ports = [f"{p.container_port}/{p.protocol.value}" for p in container.ports]
    fields: list[Field] = [("Image", container.image)]
    fields.append(("Port" if len(ports) < 2 else "Ports", ", ".join(ports) or NONE))
    text = f"  {container.name}:\n" if pod is not None else f"   {container.name}:\n"
    if container.command or container.args:
        # a list ends the column of values, and another column starts below it
        text += _fields(fields, "    ")
        fields = []
    for key, words in (("Command", container.command), ("Args", container.args)):
        if words:
            text += f"    {key}:\n" + "".join(f"      {word}\n" for word in words)
    if pod is not None:
        fields.append(("Ready", str(pod.ready)))
    if not container.env:
        return text + _fields([*fields, ("Environment", NONE)], "    ")
    text += _fields(fields, "    ") if fields else ""
    width = max(len(env.name) for env in container.env) + 1
    lines = (f"      {f'{env.name}:'.ljust(width)}  {env.value}\n" for env in container.env)
    return text + "    Environment:\n" + "".join(lines)


def _service(service: Service, view: View) -> str:
    slices = [
        item
        for item in view.state.of(EndpointSlice, service.meta.namespace)
        if item.service == service.meta.name
    ]
    fields: list[Field] = [
        *_head(service),
        ("Labels", _pairs(service.meta.labels)),
        ("Annotations", _pairs(service.meta.annotations, ": ")),
        ("Selector", joined(service.selector)),
        ("Type", service.type.value),
        ("IP Family Policy", "SingleStack" if len(service.families) < 2 else "PreferDualStack"),
        ("IP Families", ",".join(f"IPv{version}" for version in service.families)),
        ("IP", str(service.cluster_ips[0]) if service.cluster_ips else "None"),
        ("IPs", ",".join(map(str, service.cluster_ips)) or "None"),
    ]
    if service.external_ips:
        fields.append(("External IPs", ",".join(map(str, service.external_ips))))
    if service.load_balancer_ip:
        fields.append(("Desired LoadBalancer IP", str(service.load_balancer_ip)))
    if service.ingress:
        fields.append(("LoadBalancer Ingress", ", ".join(map(str, service.ingress))))
    for port in service.ports:
        name, protocol = port.name or UNSET, port.protocol.value
        fields.append(("Port", f"{name}  {port.port}/{protocol}"))
        fields.append(("TargetPort", f"{port.target_port}/{protocol}"))
        if port.node_port:
            fields.append(("NodePort", f"{name}  {port.node_port}/{protocol}"))
        fields.append(("Endpoints", _endpoints(slices, port.name)))
    fields.append(("Session Affinity", "None"))
    if service.external_traffic_policy:
        fields.append(("External Traffic Policy", service.external_traffic_policy.value))
    fields.append(("Internal Traffic Policy", service.internal_traffic_policy.value))
    return _fields(fields)


def _endpoints(slices: Iterable[EndpointSlice], name: str) -> str:
    """Ready ones, three at most and how many more."""
    found = [
        f"{endpoint.address}:{port.port}"
        if endpoint.address.version == 4
        else f"[{endpoint.address}]:{port.port}"
        for item in slices
        for port in item.ports
        if port.name == name
        for endpoint in item.endpoints
        if endpoint.ready
    ]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more


def _workload(item: Deployment | ReplicaSet | DaemonSet, view: View) -> str:
    selector: Field = ("Selector", str(item.selector) or NONE)
    labels: Field = ("Labels", _pairs(item.meta.labels))
    annotations: Field = ("Annotations", _pairs(item.meta.annotations, ": "))
    if isinstance(item, Deployment):
        created: Field = ("CreationTimestamp", item.meta.created.strftime(_TIME))
        fields = [*_head(item), created, labels, annotations, selector]
        return _fields([*fields, ("Replicas", _replicas(item, view))]) + _template(item.template)
    if isinstance(item, ReplicaSet):
        fields = [*_head(item), selector, labels, annotations]
        if item.meta.owner is not None:
            owner = item.meta.owner
            fields.append(("Controlled By", f"{owner.kind.name}/{owner.name}"))
        pods = view.state.pods_of(ref(item))
        fields.append(("Replicas", f"{len(pods)} current / {item.replicas} desired"))
        return _fields([*fields, ("Pods Status", _statuses(pods))]) + _template(item.template)
    pods = view.state.pods_of(ref(item))
    node_selector: Field = ("Node-Selector", joined(item.template.spec.node_selector))
    fields = [("Name", item.meta.name), selector, node_selector, labels, annotations]
    if item.stands_for is not StandsFor.OWN_CONTAINERS:
        fields[-1] = ("Annotations", [f"{STANDS_FOR}: {item.stands_for.value}"])
    text = _fields(fields)
    text += f"Desired Number of Nodes Scheduled: {len(pods)}\n"
    text += f"Current Number of Nodes Scheduled: {len(pods)}\n"
    return text + f"Pods Status:  {_statuses(pods)}\n" + _template(item.template)


def _replicas(item: Deployment, view: View) -> str:
    pods = pods_behind(item, view.state)
    ready = sum(pod.ready for pod in pods)
    return (
        f"{item.replicas} desired | {len(pods)} updated | {len(pods)} total | {ready} available | "
        f"{item.replicas - ready} unavailable"
    )


def _statuses(pods: Iterable[Pod]) -> str:
    found = Counter(pod.phase for pod in pods)
    waiting = found[Phase.PENDING] + found[Phase.CREATING]
    return (
        f"{found[Phase.RUNNING]} Running / {waiting} Waiting / "
        f"{found[Phase.COMPLETED]} Succeeded / 0 Failed"
    )


def _template(template: PodTemplate) -> str:
    text = "Pod Template:\n" + _fields([("Labels", _pairs(template.labels))], "  ")
    containers = (_container(container, None) for container in template.spec.containers)
    return text + "  Containers:\n" + "".join(containers)


def _endpoint_slice(item: EndpointSlice) -> str:
    text = _fields(
        [
            *_head(item),
            ("Labels", _pairs(item.meta.labels)),
            ("Annotations", _pairs(item.meta.annotations, ": ")),
            ("AddressType", f"IPv{item.version}"),
        ]
    )
    rows = [("Name", "Port", "Protocol"), ("----", "----", "--------")]
    rows += [(p.name or UNSET, str(p.port), p.protocol.value) for p in item.ports]
    text += "Ports:\n" + (_indented(aligned(rows)) if item.ports else f"  {UNSET}\n")
    text += f"Endpoints:{'' if item.endpoints else f'  {NONE}'}\n"
    for endpoint in item.endpoints:
        text += f"  - Addresses:  {endpoint.address}\n    Conditions:\n"
        text += f"      Ready:    {str(endpoint.ready).lower()}\n"
        text += f"    TargetRef:  {f'Pod/{endpoint.pod}' if endpoint.pod else UNSET}\n"
        text += f"    NodeName:   {endpoint.node_name or UNSET}\n"
    return text
