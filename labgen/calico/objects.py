"""The fields that every object of a Kubernetes API has, whatever its kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

TOP = frozenset({"apiVersion", "kind", "metadata"})
# metav1.ObjectMeta, the fields that a client may send
METADATA = frozenset(
    {
        "annotations", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
        "finalizers", "generateName", "generation", "labels", "managedFields", "name", "namespace",
        "ownerReferences", "resourceVersion", "selfLink", "uid",
    }
)  # fmt: skip


def unknown_fields(
    document: Mapping[str, Any], own: Collection[str] = ("spec", "status")
) -> Iterator[tuple[str, ...]]:
    """Key paths at the top and in the metadata that no object has; `own` are the kind's own."""
    for key in document:
        if key not in TOP and key not in own:
            yield (str(key),)
    metadata = document.get("metadata")
    for key in metadata if isinstance(metadata, dict) else ():
        if key not in METADATA:
            yield ("metadata", str(key))
