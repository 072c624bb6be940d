"""What kubectl can do to objects, on a state: create, apply, delete, label, scale, run.

Each verb takes the state and the time and returns an `Outcome` with kubectl's own lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from labgen.errors import InputError
from labgen.kubernetes import kinds
from labgen.kubernetes import state as states
from labgen.kubernetes.admission import admit
from labgen.kubernetes.controllers import settle
from labgen.kubernetes.errors import KubectlError, ServerError, already_exists, not_found
from labgen.kubernetes.kinds import Kind, Ref
from labgen.kubernetes.labels import RFC_1123, check_labels, is_dns_label
from labgen.kubernetes.manifests import Manifest
from labgen.kubernetes.objects import (
    Container,
    DaemonSet,
    Deployment,
    Meta,
    Namespace,
    Node,
    Object,
    OperatorResource,
    Phase,
    Pod,
    PodSpec,
    ReplicaSet,
    Service,
    ref,
)
from labgen.kubernetes.outcome import Outcome
from labgen.kubernetes.state import SYSTEM_NAMESPACES, ClusterState
from labgen.kubernetes.system import after_operator

_NOT_APPLIED = (
    "Warning: resource {plural}/{name} is missing the "
    "kubectl.kubernetes.io/last-applied-configuration annotation which is required by kubectl "
    "apply. kubectl apply should only be used on resources created declaratively by either "
    "kubectl create --save-config or kubectl apply. The missing annotation will be patched "
    "automatically."
)


def create(
    state: ClusterState,
    manifests: Iterable[Manifest],
    *,
    source: str,
    now: datetime,
    save_config: bool = False,
) -> Outcome:
    """`kubectl create -f SOURCE`: objects that exist already are errors.

    `save_config` remembers the file as `kubectl apply` does.
    """
    out: list[str] = []
    problems: list[InputError] = []
    for item in manifests:
        at = ref(item.item)
        try:
            if state.get(at) is not None:
                raise already_exists(at.kind.resource, at.name)
            state = _stored(state, _sent(item) if save_config else item.item, now)
            out.append(f"{at} created")
        except ServerError as error:
            problems.append(_when(error, "creating", source))
    return Outcome(settle(state, now), tuple(out), (), tuple(problems))


def apply(
    state: ClusterState, manifests: Iterable[Manifest], *, source: str, now: datetime
) -> Outcome:
    """`kubectl apply -f SOURCE`: create what is new, and bring the rest to what the file says.

    Labels, annotations and replicas that others set and no applied file ever named are kept.
    """
    out: list[str] = []
    warnings: list[str] = []
    problems: list[InputError] = []
    for item in manifests:
        at = ref(item.item)
        known = state.get(at)
        try:
            if known is None:
                state = _stored(state, _sent(item), now)
                out.append(f"{at} created")
                continue
            wanted = _merged(state, known, item)
            if known.meta.applied is None:
                warnings.append(_NOT_APPLIED.format(plural=at.kind.plural, name=at.name))
            out.append(f"{at} {'unchanged' if wanted == known else 'configured'}")
            state = state.having(wanted)
        except ServerError as error:
            problems.append(_when(error, "creating" if known is None else "applying patch", source))
    return Outcome(settle(state, now), tuple(out), tuple(warnings), tuple(problems))


def _when(error: ServerError, doing: str, source: str) -> ServerError:
    """kubectl names the file in the server's answer, but not in an `Invalid` one."""
    if error.reason == "Invalid":
        return error
    return ServerError(error.reason, f'error when {doing} "{source}": {error.detail}')


def create_namespace(state: ClusterState, name: str, *, now: datetime) -> Outcome:
    """`kubectl create namespace NAME`. Raises InputError for what is no DNS label."""
    _check_name(kinds.NAMESPACE, name)
    at = Ref(kinds.NAMESPACE, "", name)
    if state.get(at) is not None:
        return Outcome(state, problems=(already_exists("namespaces", name),))
    return Outcome(state.having(states.namespace(state, name, now)), (f"{at} created",))


def _check_name(kind: Kind, name: str) -> None:
    if not is_dns_label(name):
        reason = f'metadata.name: Invalid value: "{name}": {RFC_1123}'
        raise ServerError("Invalid", f'The {kind.name} "{name}" is invalid: {reason}', bare=True)


def _sent(item: Manifest) -> Object:
    """The object with the memory of the file that it came from."""
    return _with_meta(item.item, replace(item.item.meta, applied=item.raw))


def _with_meta(item: Object, meta: Meta) -> Object:
    return replace(item, meta=meta)


def _stored(state: ClusterState, item: Object, now: datetime) -> ClusterState:
    """The state with a new object, completed. Raises ServerError."""
    space = item.meta.namespace
    if space and state.get(Ref(kinds.NAMESPACE, "", space)) is None:
        raise not_found("namespaces", space)
    if isinstance(item, Node):
        raise ServerError(
            "Forbidden",
            f'nodes "{item.meta.name}" is forbidden: a node of this lab is a machine with a BGP '
            "speaker; add it with `minikube node add` or in the lab's spec",
        )
    if isinstance(item, Service):
        item = admit(state, item)
    if isinstance(item, Namespace):
        labels = {**item.meta.labels, states.NAMESPACE_NAME_LABEL: item.meta.name}
        item = replace(item, meta=replace(item.meta, labels=labels))
    meta = state.stamped(item.meta, item.KIND, now)
    state = state.having(_with_meta(item, meta))
    return after_operator(state, now) if isinstance(item, OperatorResource) else state


def _merged(state: ClusterState, known: Object, item: Manifest) -> Object:
    """What `known` becomes when this manifest is applied to it."""
    new = item.item
    before = known.meta.applied or {}
    labels = _three_way(known.meta.labels, _metadata(before, "labels"), new.meta.labels)
    annotations = _three_way(
        known.meta.annotations, _metadata(before, "annotations"), new.meta.annotations
    )
    meta = replace(known.meta, labels=labels, annotations=annotations, applied=item.raw)
    _check_selector(known, new)
    if isinstance(known, Deployment) and isinstance(new, Deployment):
        stated = "replicas" in item.raw["spec"] or "replicas" in before.get("spec", {})
        return replace(new, meta=meta, replicas=new.replicas if stated else known.replicas)
    if isinstance(known, DaemonSet) and isinstance(new, DaemonSet):
        return replace(new, meta=meta, stands_for=known.stands_for)
    if isinstance(known, Service) and isinstance(new, Service):
        return admit(state, replace(new, meta=meta))
    if isinstance(known, Pod) and isinstance(new, Pod):
        if replace(known.spec, node_name="") != replace(new.spec, node_name=""):
            raise ServerError(
                "Invalid",
                f'The Pod "{meta.name}" is invalid: spec: Forbidden: this lab does not change a '
                "running pod; delete it and create it again",
                bare=True,
            )
        return replace(known, meta=meta)
    if isinstance(known, Node | Namespace):
        return replace(known, meta=meta)
    return _with_meta(new, meta)


def _check_selector(known: Object, new: Object) -> None:
    workload = Deployment | DaemonSet
    if not isinstance(known, workload) or not isinstance(new, workload):
        return
    if known.selector != new.selector:
        raise ServerError(
            "Invalid",
            f'The {known.KIND.name} "{known.meta.name}" is invalid: spec.selector: Invalid value: '
            f"{new.selector}: field is immutable",
            bare=True,
        )


def _metadata(raw: Mapping[str, object], part: str) -> Mapping[str, str]:
    metadata = raw.get("metadata")
    found = metadata.get(part) if isinstance(metadata, dict) else None
    return found if isinstance(found, dict) else {}


def _three_way(
    live: Mapping[str, str], last: Mapping[str, str], new: Mapping[str, str]
) -> dict[str, str]:
    """kubectl apply's merge: what the last file named and the new one does not is removed."""
    return {**{key: text for key, text in live.items() if key not in last or key in new}, **new}


def patched(state: ClusterState, known: Object, wanted: Object, *, now: datetime) -> Outcome:
    """`known` becomes what `wanted` says; its identity and what the cluster gave it stay."""
    at = ref(known)
    labels, annotations = dict(wanted.meta.labels), dict(wanted.meta.annotations)
    meta = replace(known.meta, labels=labels, annotations=annotations)
    item = _with_meta(wanted, meta)
    try:
        _check_selector(known, item)
        if isinstance(item, Service):
            item = admit(state, item)
        elif isinstance(known, DaemonSet) and isinstance(item, DaemonSet):
            item = replace(item, stands_for=known.stands_for)
        elif isinstance(known, Node) and isinstance(item, Node):
            item = replace(known, meta=meta, unschedulable=item.unschedulable)
    except ServerError as error:
        return Outcome(state, problems=(error,))
    return Outcome(settle(state.having(item), now), (f"{at} patched",))


def delete(
    state: ClusterState, refs: Iterable[Ref], *, source: str | None = None, now: datetime
) -> Outcome:
    """`kubectl delete`: what the deleted objects own goes with them (background cascade).

    `source` is the file that named them, if one did.
    """
    out: list[str] = []
    problems: list[InputError] = []
    for at in refs:
        if state.get(at) is None:
            missing = not_found(at.kind.resource, at.name)
            problems.append(_when(missing, "deleting", source) if source else missing)
        elif at.kind == kinds.NAMESPACE and at.name in SYSTEM_NAMESPACES:
            problems.append(
                ServerError(
                    "Forbidden",
                    f'namespaces "{at.name}" is forbidden: this namespace may not be deleted',
                )
            )
        else:
            within = [
                inner
                for inner in state.objects
                if at.kind == kinds.NAMESPACE and inner.namespace == at.name
            ]
            state = state.without([at, *within])
            out.append(f'{at.kind.qualified} "{at.name}" deleted')
    return Outcome(settle(state, now), tuple(out), (), tuple(problems))


def label(
    state: ClusterState,
    refs: Iterable[Ref],
    changes: Mapping[str, str | None],
    *,
    overwrite: bool = False,
    now: datetime,
) -> Outcome:
    """`kubectl label`: set labels, and remove those whose new value is None.

    Raises InputError for what is no label.
    """
    check_labels({k: v for k, v in changes.items() if v is not None}, lambda _: None)
    out: list[str] = []
    problems: list[InputError] = []
    for at in refs:
        item = state.get(at)
        if item is None:
            problems.append(not_found(at.kind.resource, at.name))
            continue
        old = item.meta.labels
        clash = [key for key, value in changes.items() if value is not None and key in old]
        clash = [key for key in clash if old[key] != changes[key]]
        if clash and not overwrite:
            problems += (
                KubectlError(f"'{key}' already has a value ({old[key]}), and --overwrite is false")
                for key in clash
            )
            continue
        out += (f'label "{k}" not found.' for k, v in changes.items() if v is None and k not in old)
        new = {key: value for key, value in {**old, **changes}.items() if value is not None}
        word = "not labeled" if new == old else "unlabeled" if len(new) < len(old) else "labeled"
        out.append(f"{at} {word}")
        state = state.having(_with_meta(item, replace(item.meta, labels=new)))
    return Outcome(settle(state, now), tuple(out), (), tuple(problems))


def scale(state: ClusterState, refs: Iterable[Ref], replicas: int, *, now: datetime) -> Outcome:
    """`kubectl scale --replicas`, for Deployments."""
    out: list[str] = []
    problems: list[InputError] = []
    for at in refs:
        item = state.get(at)
        if item is None:
            missing = not_found(at.kind.resource, at.name).detail
            problems.append(KubectlError(f"no objects passed to scale {missing}"))
        elif isinstance(item, ReplicaSet) and item.meta.owner is not None:
            problems.append(
                KubectlError(
                    f"{at} belongs to {item.meta.owner}, which sets its replicas: scale that"
                )
            )
        elif not isinstance(item, Deployment):
            problems.append(
                KubectlError(f"cannot scale {at}: only a Deployment has replicas in this lab")
            )
        else:
            state = state.having(replace(item, replicas=replicas))
            out.append(f"{at} scaled")
    return Outcome(settle(state, now), tuple(out), (), tuple(problems))


def run(
    state: ClusterState, name: str, container: Container, *,
    namespace: str = "default", labels: Mapping[str, str] | None = None,
    restart_policy: str = "Always", host_network: bool = False, now: datetime,
) -> Outcome:  # fmt: skip
    """`kubectl run`: one pod, with the label `run=NAME` unless labels are given."""
    at = Ref(kinds.POD, namespace, name)
    chosen = dict(labels) if labels is not None else {"run": name}
    spec = PodSpec((container,), host_network=host_network, restart_policy=restart_policy)
    pod = Pod(Meta(name, namespace, chosen), spec)
    try:
        _check_name(kinds.POD, name)  # it names the container too
        check_labels(chosen, lambda _: None)
        if state.get(at) is not None:
            raise already_exists(at.kind.resource, name)
        state = _stored(state, pod, now)
    except InputError as error:
        return Outcome(state, problems=(error,))
    return Outcome(settle(state, now), (f"{at} created",))


def completed(state: ClusterState, at: Ref, *, now: datetime) -> ClusterState:
    """The pod's process ended and its restart policy does not start it again."""
    pod = state.get(at)
    if not isinstance(pod, Pod):
        return state
    return settle(state.having(replace(pod, phase=Phase.COMPLETED)), now)
