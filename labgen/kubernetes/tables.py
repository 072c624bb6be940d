"""The columns of `kubectl get`, as the API server's printers fill them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from labgen.kubernetes import kinds
from labgen.kubernetes.durations import age
from labgen.kubernetes.objects import (
    Container,
    DaemonSet,
    Deployment,
    EndpointSlice,
    Node,
    Object,
    Pod,
    ReplicaSet,
    Service,
    ServiceType,
    ref,
)
from labgen.kubernetes.present import pods_behind

if TYPE_CHECKING:
    from labgen.kubernetes.kinds import Kind
    from labgen.kubernetes.state import ClusterState

NONE, UNKNOWN, UNSET = "<none>", "<unknown>", "<unset>"
_ROLE = "node-role.kubernetes.io/"
_MIN_WIDTH, _PADDING = 6, 3  # kubectl's tabwriter


@dataclass(frozen=True, slots=True)
class View:
    """What a row may look at besides its object."""

    state: ClusterState
    now: datetime

    def age(self, item: Object) -> str:
        return age(item.meta.created, self.now)


@dataclass(frozen=True, slots=True)
class Columns:
    """A kind's columns. `row` gives the cells of `names`, then those of `wide`."""

    names: tuple[str, ...]
    wide: tuple[str, ...]
    row: Callable[[Any, View], tuple[str, ...]]


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their longest cell and three blanks; nothing behind the last."""
    if not rows:
        return ""
    widths = [
        max(_MIN_WIDTH, _PADDING + max(len(row[i]) for row in rows)) for i in range(len(rows[0]))
    ]
    lines = []
    for row in rows:
        *most, last = row
        lines.append("".join(c.ljust(w) for c, w in zip(most, widths, strict=False)) + last)
    return "".join(f"{line}\n" for line in lines)


def table(
    kind: Kind, items: Iterable[Object], view: View, *,
    wide: bool = False, namespace: bool = False, prefix: bool = False,
    labels: bool = False, header: bool = True,
) -> str:  # fmt: skip
    """One kind's table. `prefix` writes `pod/NAME`; `labels` adds the LABELS column."""
    columns = COLUMNS[kind]
    shown = len(columns.names) + (len(columns.wide) if wide else 0)
    names = (*columns.names, *columns.wide)[:shown]
    if namespace and kind.namespaced:
        names = ("NAMESPACE", *names)
    rows = [(*names, "LABELS") if labels else names] if header else []
    for item in items:
        cells = columns.row(item, view)[:shown]
        if prefix:
            cells = (str(ref(item)), *cells[1:])
        if namespace and kind.namespaced:
            cells = (item.meta.namespace, *cells)
        rows.append((*cells, joined(item.meta.labels)) if labels else cells)
    return aligned(rows)


def joined(labels: Mapping[str, str], otherwise: str = NONE) -> str:
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or otherwise


def roles(node: Node) -> str:
    found = {key.removeprefix(_ROLE) for key in node.meta.labels if key.startswith(_ROLE)}
    return ",".join(sorted(found - {""})) or NONE


def status(node: Node) -> str:
    return ("Ready" if node.ready else "NotReady") + (
        ",SchedulingDisabled" if node.unschedulable else ""
    )


def external_ips(service: Service, *, wide: bool = True) -> str:
    """The EXTERNAL-IP column; a load balancer's is cut at 16 characters unless wide."""
    own = [str(address) for address in service.external_ips]
    if service.type is not ServiceType.LOAD_BALANCER:
        return ",".join(own) or NONE
    given = ",".join(str(address) for address in service.ingress)
    if len(given) > 16 and not wide:
        given = given[:13] + "..."
    return ",".join([*([given] if given else []), *own]) or "<pending>"


def ports(service: Service) -> str:
    shown = (
        f"{p.port}{f':{p.node_port}' if p.node_port else ''}/{p.protocol.value}"
        for p in service.ports
    )
    return ",".join(shown) or NONE


def _containers(containers: Iterable[Container]) -> tuple[str, str]:
    found = tuple(containers)
    return ",".join(c.name for c in found), ",".join(c.image for c in found)


def _node(node: Node, view: View) -> tuple[str, ...]:
    info = node.info
    return (
        node.meta.name,
        status(node),
        roles(node),
        view.age(node),
        info.kubelet_version,
        str(node.addresses[0]) if node.addresses else NONE,
        NONE,
        info.os_image or UNKNOWN,
        info.kernel_version or UNKNOWN,
        info.container_runtime or UNKNOWN,
    )


def _pod(pod: Pod, view: View) -> tuple[str, ...]:
    count = len(pod.spec.containers)
    return (
        pod.meta.name,
        f"{count if pod.ready else 0}/{count}",
        pod.phase.value,
        "0",
        view.age(pod),
        str(pod.addresses[0]) if pod.addresses else NONE,
        pod.spec.node_name or NONE,
        NONE,
        NONE,
    )


def _service(service: Service, view: View) -> tuple[str, ...]:
    return (
        service.meta.name,
        service.type.value,
        str(service.cluster_ips[0]) if service.cluster_ips else "None",
        external_ips(service, wide=False),
        ports(service),
        view.age(service),
        joined(service.selector),
    )


def _deployment(item: Deployment, view: View) -> tuple[str, ...]:
    pods = pods_behind(item, view.state)
    ready = sum(pod.ready for pod in pods)
    return (
        item.meta.name,
        f"{ready}/{item.replicas}",
        str(len(pods)),
        str(ready),
        view.age(item),
        *_containers(item.template.spec.containers),
        str(item.selector) or NONE,
    )


def _replica_set(item: ReplicaSet, view: View) -> tuple[str, ...]:
    pods = view.state.pods_of(ref(item))
    return (
        item.meta.name,
        str(item.replicas),
        str(len(pods)),
        str(sum(pod.ready for pod in pods)),
        view.age(item),
        *_containers(item.template.spec.containers),
        str(item.selector) or NONE,
    )


def _daemon_set(item: DaemonSet, view: View) -> tuple[str, ...]:
    pods = view.state.pods_of(ref(item))
    count, ready = str(len(pods)), str(sum(pod.ready for pod in pods))
    return (
        item.meta.name,
        count,
        count,
        ready,
        count,
        ready,
        joined(item.template.spec.node_selector),
        view.age(item),
        *_containers(item.template.spec.containers),
        str(item.selector) or NONE,
    )


def _endpoint_slice(item: EndpointSlice, view: View) -> tuple[str, ...]:
    shown = [str(endpoint.address) for endpoint in item.endpoints]
    text = ",".join(shown[:3]) + (f" + {len(shown) - 3} more..." if len(shown) > 3 else "")
    return (
        item.meta.name,
        f"IPv{item.version}",
        ",".join(str(port.port) for port in item.ports) or UNSET,
        text or UNSET,
        view.age(item),
    )


def _namespace(item: Object, view: View) -> tuple[str, ...]:
    return item.meta.name, "Active", view.age(item)


def _custom(item: Object, view: View) -> tuple[str, ...]:
    return item.meta.name, view.age(item)


_IMAGES = ("CONTAINERS", "IMAGES", "SELECTOR")
COLUMNS: Mapping[Kind, Columns] = {
    kinds.NODE: Columns(
        ("NAME", "STATUS", "ROLES", "AGE", "VERSION"),
        ("INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"),
        _node,
    ),
    kinds.POD: Columns(
        ("NAME", "READY", "STATUS", "RESTARTS", "AGE"),
        ("IP", "NODE", "NOMINATED NODE", "READINESS GATES"),
        _pod,
    ),
    kinds.SERVICE: Columns(
        ("NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"), ("SELECTOR",), _service
    ),
    kinds.DEPLOYMENT: Columns(
        ("NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"), _IMAGES, _deployment
    ),
    kinds.REPLICA_SET: Columns(
        ("NAME", "DESIRED", "CURRENT", "READY", "AGE"), _IMAGES, _replica_set
    ),
    kinds.DAEMON_SET: Columns(
        (
            "NAME",
            "DESIRED",
            "CURRENT",
            "READY",
            "UP-TO-DATE",
            "AVAILABLE",
            "NODE SELECTOR",
            "AGE",
        ),
        _IMAGES,
        _daemon_set,
    ),
    kinds.ENDPOINT_SLICE: Columns(
        ("NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"), (), _endpoint_slice
    ),
    kinds.NAMESPACE: Columns(("NAME", "STATUS", "AGE"), (), _namespace),
    kinds.INSTALLATION: Columns(("NAME", "AGE"), (), _custom),
    kinds.API_SERVER: Columns(("NAME", "AGE"), (), _custom),
}
