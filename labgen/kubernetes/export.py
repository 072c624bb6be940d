"""The state as documents and as Calico's resources: what confd and the IPAM read of Kubernetes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.calico import resources as calico
from labgen.errors import Mark
from labgen.kubernetes.objects import EndpointSlice, Namespace, Node, OperatorResource, Service
from labgen.kubernetes.present import manifest
from labgen.yaml_source import Document

if TYPE_CHECKING:
    from labgen.calico.resources import Resources
    from labgen.kubernetes.state import ClusterState

_READ_BY_CALICO = Node | Namespace | Service | EndpointSlice | OperatorResource


def documents(state: ClusterState) -> list[Document]:
    """One document for each object that Calico reads, as `kubectl get -o yaml` would print it.

    Parse them together with Calico's own files: a Calico Node and the core/v1 Node of its name
    then become one, with the labels of both.
    """
    first = Mark(f"kubernetes/{state.name}", 1, 1)
    return [
        Document(manifest(item, state), first.path, first, {})
        for kind in (Node, Namespace, Service, EndpointSlice, OperatorResource)
        for item in state.of(kind)
        if isinstance(item, _READ_BY_CALICO)
    ]


def resources(state: ClusterState) -> Resources:
    """The same as Calico's values, without any file of Calico's own."""
    return calico.parse(documents(state))
