"""The clusters as text, so that the next command of a lab finds what the last one left.

The form is labgen's own JSON and follows the values of `objects`; it is no interchange format.
`load(dump(clusters)) == clusters`.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from labgen.errors import InputError
from labgen.kubernetes import kinds
from labgen.kubernetes.allocation import Network
from labgen.kubernetes.objects import (
    DaemonSet,
    Deployment,
    EndpointSlice,
    Namespace,
    Node,
    Object,
    OperatorResource,
    Pod,
    ReplicaSet,
    Service,
    ref,
)
from labgen.kubernetes.shell import Clusters
from labgen.kubernetes.state import ClusterState

FORMAT = 1
_VALUES: dict[str, type[Object]] = {
    kinds.NAMESPACE.name: Namespace,
    kinds.NODE.name: Node,
    kinds.POD.name: Pod,
    kinds.SERVICE.name: Service,
    kinds.DEPLOYMENT.name: Deployment,
    kinds.REPLICA_SET.name: ReplicaSet,
    kinds.DAEMON_SET.name: DaemonSet,
    kinds.ENDPOINT_SLICE.name: EndpointSlice,
    kinds.INSTALLATION.name: OperatorResource,
    kinds.API_SERVER.name: OperatorResource,
}


@cache
def _adapter(kind: str) -> TypeAdapter[tuple[Any, ...]]:
    """Made when it is first used: a tenth of a second for all is too dear for every command."""
    value: Any = _VALUES[kind]
    return TypeAdapter(tuple[value, ...])


@cache
def _networks() -> TypeAdapter[tuple[Network, ...]]:
    return TypeAdapter(tuple[Network, ...])


def dump(clusters: Clusters) -> str:
    """The clusters as JSON, one line and a newline; the same clusters give the same text."""
    states = {name: _state(state) for name, state in clusters.states.items()}
    value = {"format": FORMAT, "current": clusters.current, "clusters": states}
    return json.dumps(value, sort_keys=True, ensure_ascii=False) + "\n"


def _state(state: ClusterState) -> dict[str, Any]:
    objects = {
        kind.name: _adapter(kind.name).dump_python(state.of_kind(kind), mode="json")
        for kind in kinds.KINDS
    }
    return {
        "serviceNetworks": [str(network) for network in state.service_networks],
        "podNetworks": [str(network) for network in state.pod_networks],
        "serial": state.serial,
        "objects": objects,
    }


def load(text: str, path: str) -> Clusters:
    """The clusters of a text that `dump` wrote; `path` is for messages. Raises InputError."""
    hint = "it was not written by this version of labgen; destroy the lab and deploy it again"
    try:
        value = json.loads(text)
        if value["format"] != FORMAT:
            raise InputError(f"{path}: format {value['format']}", hint=hint)
        states = {name: _restored(name, body) for name, body in value["clusters"].items()}
        return Clusters(states, value["current"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = "a value has another form" if isinstance(error, ValidationError) else repr(error)
        message = f"{path}: cannot be read as a lab's clusters: {reason}"
        raise InputError(message, hint=hint) from error


def _restored(name: str, body: dict[str, Any]) -> ClusterState:
    items: list[Object] = [
        item
        for kind, values in body["objects"].items()
        for item in _adapter(kind).validate_python(values)
    ]
    return ClusterState(
        name,
        _networks().validate_python(body["serviceNetworks"]),
        _networks().validate_python(body["podNetworks"]),
        {ref(item): item for item in items},
        body["serial"],
    )
