"""One Calico Node out of its v3 resource and the Kubernetes Node that carries it.

With the Kubernetes datastore a Calico Node is a view of the core/v1 Node: its values live in
annotations (libcalico-go, `k8s/resources/node.go`).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from labgen.calico.resources import Node, Resource
from labgen.calico.specs import NodeSpec
from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.calico.specs import KubernetesNodeBody

    Key = tuple[str, str]

_BGP_ANNOTATIONS = {
    "projectcalico.org/IPv4Address": "ipv4Address",
    "projectcalico.org/IPv6Address": "ipv6Address",
    "projectcalico.org/ASNumber": "asNumber",
    "projectcalico.org/RouteReflectorClusterID": "routeReflectorClusterID",
    "projectcalico.org/IPv4IPIPTunnelAddr": "ipv4IPIPTunnelAddr",
}
_WIREGUARD_ANNOTATIONS = {
    "projectcalico.org/IPv4WireguardInterfaceAddr": "interfaceIPv4Address",
    "projectcalico.org/IPv6WireguardInterfaceAddr": "interfaceIPv6Address",
}
_TUNNEL_ANNOTATIONS = {"projectcalico.org/IPv4VXLANTunnelAddr": "ipv4VXLANTunnelAddr"}
# etcd mode: kube-controllers copies the Kubernetes labels into this annotation of the v3 Node
_KUBE_LABELS = "projectcalico.org/kube-labels"


def merge_nodes(
    calico: Mapping[Key, Node],
    kubernetes: Mapping[Key, Resource[KubernetesNodeBody]],
    problems: list[InputError],
) -> dict[Key, Resource[Any]]:
    """One Node per name; what the v3 resource says wins over the annotations, field by field."""
    merged: dict[Key, Resource[Any]] = {}
    for key in sorted({*calico, *kubernetes}):
        view = _view(kubernetes[key], problems) if key in kubernetes else None
        own = calico.get(key)
        if own is None or view is None:
            only = own or view
            if only is not None:
                merged[key] = replace(only, labels={**_copied_labels(only), **only.labels})
            continue
        labels = {**_copied_labels(own), **view.labels, **own.labels}
        spec = _combined(view.spec, own.spec)
        merged[key] = replace(own, labels=labels, spec=spec)
    return merged


def _view(node: Resource[KubernetesNodeBody], problems: list[InputError]) -> Node | None:
    """The Calico Node that a core/v1 Node stands for."""

    def taken(names: Mapping[str, str]) -> dict[str, str]:
        return {
            field: node.annotations[name]
            for name, field in names.items()
            if node.annotations.get(name)
        }

    spec: dict[str, Any] = taken(_TUNNEL_ANNOTATIONS)
    if bgp := taken(_BGP_ANNOTATIONS):
        spec["bgp"] = bgp
    if wireguard := taken(_WIREGUARD_ANNOTATIONS):
        spec["wireguard"] = wireguard
    try:
        typed = NodeSpec.model_validate(spec)
    except ValidationError as error:
        names = {field: name for name, field in _BGP_ANNOTATIONS.items()}
        for detail in error.errors(include_url=False, include_input=False):
            annotation = names.get(str(detail["loc"][-1]), str(detail["loc"][-1]))
            text = str(detail["msg"]).removeprefix("Value error, ")
            problems.append(
                InputError(
                    f"{node.id}: annotation {annotation}: {text}",
                    mark=node.mark("metadata", "annotations", annotation),
                )
            )
        return None
    return Resource(
        "projectcalico.org/v3", "Node", node.name, None, node.labels, node.annotations,
        typed, node.source, raw=node.raw,
    )  # fmt: skip


def _combined(view: NodeSpec, own: NodeSpec) -> NodeSpec:
    """`own` where it says something, else `view`; nested values likewise."""
    base = view.model_dump(by_alias=True, exclude_none=True)
    over = own.model_dump(by_alias=True, exclude_none=True)
    for key in ("bgp", "wireguard"):
        if key in base or key in over:
            over[key] = {**base.get(key, {}), **over.get(key, {})}
    return NodeSpec.model_validate({**base, **over})


def _copied_labels(node: Node) -> dict[str, str]:
    try:
        labels = json.loads(node.annotations.get(_KUBE_LABELS, "{}"))
    except ValueError:
        return {}
    if not isinstance(labels, dict):
        return {}
    return {key: value for key, value in labels.items() if isinstance(value, str)}
