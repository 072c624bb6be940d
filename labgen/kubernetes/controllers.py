"""What Kubernetes' controllers and scheduler do after a change, done at once.

Deployments keep ReplicaSets, ReplicaSets and DaemonSets keep pods, the scheduler puts pods on
nodes, and Services keep EndpointSlices. A changed template replaces all pods in one go here, where
a real Deployment rolls them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from labgen.kubernetes import kinds, naming
from labgen.kubernetes.labels import selector_of
from labgen.kubernetes.objects import (
    SERVICE_NAME_LABEL,
    TEMPLATE_HASH_LABEL,
    Address,
    DaemonSet,
    Deployment,
    Endpoint,
    EndpointPort,
    EndpointSlice,
    Meta,
    Node,
    Object,
    Phase,
    Pod,
    PodTemplate,
    ReplicaSet,
    Service,
    StandsFor,
    ref,
)
from labgen.kubernetes.present import pod_template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from labgen.kubernetes.kinds import Ref
    from labgen.kubernetes.state import ClusterState

MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
_MANAGED_BY = "endpointslice-controller.k8s.io"
_HASH_LABELS = ("controller-revision-hash", "pod-template-generation")


def settle(state: ClusterState, now: datetime) -> ClusterState:
    """The state in which every controller is content. Pods without a fitting node stay Pending."""
    state = _collect_orphans(state)
    for deployment in state.of(Deployment):
        state = _replica_sets(state, deployment, now)
    for replica_set in state.of(ReplicaSet):
        state = _replicas(state, replica_set, now)
    for daemon_set in state.of(DaemonSet):
        state = _daemons(state, daemon_set, now)
    return _endpoint_slices(_schedule(state, now), now)


def running(
    state: ClusterState, addresses: Mapping[Ref, tuple[Address, ...]], now: datetime
) -> ClusterState:
    """These pods run now, with these addresses (their families in the order of `podIPs`)."""
    pods = []
    for at, given in addresses.items():
        pod = state.get(at)
        if isinstance(pod, Pod):  # else it was deleted while its container started
            pods.append(replace(pod, phase=Phase.RUNNING, addresses=given, started=now))
    return settle(state.having(*pods), now)


def _collect_orphans(state: ClusterState) -> ClusterState:
    """Without objects whose owner is gone, and without pods whose node is gone.

    Deletion cascades as kubectl's default (background) does; pods of a removed node go as the pod
    garbage collector takes them.
    """
    while True:
        gone = [
            at
            for at, item in state.objects.items()
            if (item.meta.owner is not None and item.meta.owner not in state.objects)
            or (
                isinstance(item, Pod)
                and item.phase is not Phase.PENDING
                and state.node(item.spec.node_name) is None
            )
        ]
        if not gone:
            return state
        state = state.without(gone)


def _replica_sets(state: ClusterState, deployment: Deployment, now: datetime) -> ClusterState:
    """One ReplicaSet per template the Deployment has had; only the present one has replicas."""
    own = ref(deployment)
    hash_ = naming.template_hash(pod_template(deployment.template))
    name = f"{deployment.meta.name}-{hash_}"
    meta = Meta(name, deployment.meta.namespace, _hashed(deployment.template, hash_).labels)
    wanted = ReplicaSet(
        meta=replace(state.stamped(meta, kinds.REPLICA_SET, now), owner=own),
        replicas=deployment.replicas,
        selector=selector_of({**deployment.selector.match_labels, TEMPLATE_HASH_LABEL: hash_}),
        template=_hashed(deployment.template, hash_),
    )
    changed: list[Object] = []
    for item in state.of(ReplicaSet):
        if item.meta.owner != own:
            continue
        replicas = deployment.replicas if item.meta.name == name else 0
        if item.replicas != replicas:
            changed.append(replace(item, replicas=replicas))
    if state.get(ref(wanted)) is None:
        changed.append(wanted)
    return state.having(*changed) if changed else state


def _hashed(template: PodTemplate, hash_: str) -> PodTemplate:
    return replace(template, labels={**template.labels, TEMPLATE_HASH_LABEL: hash_})


def _replicas(state: ClusterState, owner: ReplicaSet, now: datetime) -> ClusterState:
    """As many pods as wanted. Surplus pods go: those that do not run first, then the youngest."""
    pods = state.pods_of(ref(owner))
    surplus = len(pods) - owner.replicas
    if surplus > 0:
        ranked = sorted(pods, key=lambda pod: (pod.ready, -pod.meta.created.timestamp()))
        return state.without(ref(pod) for pod in ranked[:surplus])
    for _ in range(-surplus):
        state, meta = _generated(state, owner, now)
        state = state.having(Pod(meta, owner.template.spec))
    return state


def _daemons(state: ClusterState, owner: DaemonSet, now: datetime) -> ClusterState:
    """One pod on each fitting node; cordoned nodes too, because a DaemonSet tolerates that."""
    spec = owner.template.spec
    fitting = {node.meta.name for node in state.nodes if _fits(node, spec.node_selector)}
    pods = state.pods_of(ref(owner))
    state = state.without(ref(pod) for pod in pods if pod.spec.node_name not in fitting)
    served = {pod.spec.node_name for pod in pods}
    for name in sorted(fitting - served):
        state, meta = _generated(state, owner, now)
        pod = Pod(meta, replace(spec, node_name=name), stands_for=owner.stands_for)
        state = state.having(pod)
    return state


def _generated(
    state: ClusterState, owner: ReplicaSet | DaemonSet, now: datetime
) -> tuple[ClusterState, Meta]:
    """Metadata of a new pod, with a name that its namespace does not have yet."""
    template = owner.template
    labels = dict(template.labels)
    if isinstance(owner, DaemonSet):
        hash_ = naming.template_hash(pod_template(template))
        labels |= dict(zip(_HASH_LABELS, (hash_, "1"), strict=True))
    space = owner.meta.namespace
    for serial in count(state.serial + 1):
        name = naming.generated(
            f"{owner.meta.name}-", state.name, space, owner.meta.uid, str(serial)
        )
        if state.pod(name, space) is None:
            break
    meta = Meta(name, space, labels, dict(template.annotations), owner=ref(owner))
    return replace(state, serial=serial), state.stamped(meta, kinds.POD, now)


def _fits(node: Node, node_selector: Mapping[str, str]) -> bool:
    labels = node.meta.labels
    return all(labels.get(key) == value for key, value in node_selector.items())


def _schedule(state: ClusterState, now: datetime) -> ClusterState:
    """Give each waiting pod a node, and let what needs no container run.

    The node with the fewest pods of the same owner is taken, then the one with the fewest pods
    with an address of their own, then the first by name.
    """
    load: Counter[str] = Counter()
    siblings: dict[Ref | None, Counter[str]] = defaultdict(Counter)
    for pod in state.pods:
        if pod.spec.node_name and pod.phase is not Phase.PENDING:
            _count(pod, load, siblings)
    for pod in state.pods:
        if pod.phase is not Phase.PENDING:
            continue
        name = pod.spec.node_name or _choose(state, pod, load, siblings)
        node = state.node(name) if name else None
        if node is None:
            continue
        placed = replace(pod, spec=replace(pod.spec, node_name=node.meta.name))
        _count(placed, load, siblings)
        if placed.stands_for is StandsFor.OWN_CONTAINERS:
            state = state.having(replace(placed, phase=Phase.CREATING))
        else:
            state = state.having(
                replace(placed, phase=Phase.RUNNING, addresses=node.addresses, started=now)
            )
    return state


def _count(pod: Pod, load: Counter[str], siblings: dict[Ref | None, Counter[str]]) -> None:
    name = pod.spec.node_name
    load[name] += not pod.spec.host_network
    siblings[pod.meta.owner][name] += 1


def _choose(
    state: ClusterState, pod: Pod, load: Counter[str], siblings: dict[Ref | None, Counter[str]]
) -> str | None:
    fitting = [
        node.meta.name
        for node in state.nodes
        if node.schedulable and _fits(node, pod.spec.node_selector)
    ]
    own = siblings[pod.meta.owner] if pod.meta.owner else Counter[str]()
    return min(fitting, key=lambda name: (own[name], load[name], name), default=None)


# --- EndpointSlices ------------------------------------------------------------------------


def _endpoint_slices(state: ClusterState, now: datetime) -> ClusterState:
    """The slices of every Service with a selector; those that somebody wrote are left alone."""
    wanted: dict[Ref, EndpointSlice] = {}
    for service in state.services:
        if service.selector:
            for item in slices_of(state, service, now):
                wanted[ref(item)] = item
    kept: list[EndpointSlice] = []
    for at, item in wanted.items():
        known = state.get(at)
        if not isinstance(known, EndpointSlice):
            kept.append(item)
            continue
        meta = replace(item.meta, created=known.meta.created, uid=known.meta.uid)
        if replace(item, meta=meta) != known:
            kept.append(replace(item, meta=meta))
    stale = [
        ref(item)
        for item in state.endpoint_slices
        if item.meta.labels.get(MANAGED_BY_LABEL) == _MANAGED_BY and ref(item) not in wanted
    ]
    if not kept and not stale:
        return state
    return state.without(stale).having(*kept)


def slices_of(state: ClusterState, service: Service, now: datetime) -> tuple[EndpointSlice, ...]:
    """What the EndpointSlice controller derives: a slice for each family and each set of ports.

    Pods whose named ports resolve to different numbers stand in different slices. A Service
    without pods keeps one empty slice for each family.
    """
    pods = [
        pod
        for pod in state.of(Pod, service.meta.namespace)
        if pod.addresses
        and pod.phase is Phase.RUNNING
        and selector_of(service.selector).matches(pod.meta.labels)
    ]
    found: list[EndpointSlice] = []
    for version in service.families:
        by_ports: dict[tuple[EndpointPort, ...], list[Endpoint]] = defaultdict(list)
        for pod in pods:
            address = next((a for a in pod.addresses if a.version == version), None)
            if address is None:
                continue
            node = state.node(pod.spec.node_name)
            # the node controller takes Ready from the pods of a node that is not ready
            ready = pod.ready and node is not None and node.ready
            endpoint = Endpoint(address, ready, pod.spec.node_name, pod.meta.name)
            by_ports[_resolved(service, pod)].append(endpoint)
        for index, (ports, endpoints) in enumerate(sorted(by_ports.items(), key=_numbers)):
            found.append(_slice(state, service, version, index, ports, endpoints, now))
        if not by_ports:
            found.append(_slice(state, service, version, 0, (), (), now))
    return tuple(found)


def _numbers(item: tuple[tuple[EndpointPort, ...], object]) -> list[tuple[str, int]]:
    return [(port.name, port.port) for port in item[0]]


def _resolved(service: Service, pod: Pod) -> tuple[EndpointPort, ...]:
    """The Service's ports on this pod, without named ones that the pod lacks (as upstream)."""
    ports = []
    for port in service.ports:
        number = port.target_port if isinstance(port.target_port, int) else 0
        for container in pod.spec.containers if not number else ():
            for named in container.ports:
                if (named.name, named.protocol) == (port.target_port, port.protocol):
                    number = number or named.container_port
        if number:
            ports.append(EndpointPort(number, port.name, port.protocol))
    return tuple(ports)


def _slice(
    state: ClusterState,
    service: Service,
    version: int,
    index: int,
    ports: tuple[EndpointPort, ...],
    endpoints: Iterable[Endpoint],
    now: datetime,
) -> EndpointSlice:
    name = naming.generated(f"{service.meta.name}-", service.meta.uid, str(version), str(index))
    labels = {
        **service.meta.labels,
        MANAGED_BY_LABEL: _MANAGED_BY,
        SERVICE_NAME_LABEL: service.meta.name,
    }
    meta = Meta(name, service.meta.namespace, labels, owner=ref(service))
    stamped = state.stamped(meta, kinds.ENDPOINT_SLICE, now)
    return EndpointSlice(stamped, version, ports, tuple(endpoints))
