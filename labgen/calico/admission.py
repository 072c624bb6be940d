"""The verbs that change a datastore, with the checks and the errors of Calico's API client.

Kubernetes mode (libcalico-go `lib/clientv3` and `lib/backend/k8s`): a Node is the API server's, so
it can be updated but neither created nor deleted; causes are the API server's texts.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from labgen.calico import rules_ipam, validate
from labgen.calico.datastore import (
    GROUP,
    Datastore,
    Key,
    Stamps,
    canonical,
    completed,
    key_of,
    yaml_document,
)
from labgen.calico.datastore_errors import (
    UNKNOWN_FIELD,
    AlreadyExists,
    DoesNotExist,
    NotSupported,
    Refused,
    Undecodable,
    UpdateConflict,
    invalid,
)
from labgen.calico.problem import Scope
from labgen.calico.resources import Resources, merged, parse
from labgen.calico.strict import decoded, go_text, typed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.calico.problem import Problem

    Document = dict[str, Any]

_READ_ONLY = {"Node": ("Create", "Delete"), "WorkloadEndpoint": ("Create", "Update", "Delete")}


# --- validation -------------------------------------------------------------------------------


def check(
    store: Datastore,
    document: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    *,
    offline: bool = False,
) -> None:
    """Raise Refused if Calico would not take `document` (canonical, decodable) into `store`.

    `offline` leaves out the rules that need the other objects (`calicoctl validate`).
    """
    resources = typed(document)
    context = resources
    if document["kind"] == "BGPPeer" and not offline:
        context = merged(store.resources("BGPFilter"), resources)
    key = key_of(document)
    found: list[Problem] = [
        problem
        for problem in validate.problems(context)
        if (problem.resource.kind, problem.resource.name) == (key.kind, key.name)
        and not (offline and problem.scope is Scope.WRITE)
    ]
    fields = [problem.detail for problem in found]
    if document["kind"] == "IPPool" and not fields and not offline:
        fields += _pool_fields(store, resources, old)
    if fields:
        raise invalid(fields)


def _pool_fields(
    store: Datastore, resources: Resources, old: Mapping[str, Any] | None
) -> list[str]:
    """What a pool may not do because of its earlier form, the other pools, or its blocks."""
    (pool,) = resources.ip_pools
    cidr, size = pool.spec.network, pool.spec.effective_block_size
    fields = []
    if old is not None:
        before = parse([yaml_document(old)]).ip_pools[0].spec
        if before.network != cidr:
            fields.append(f"IPPool.Spec.CIDR = '{cidr}' (IPPool CIDR cannot be modified)")
        if before.effective_block_size != size:
            reason = "IPPool BlockSize cannot be modified"
            fields.append(f"IPPool.Spec.BlockSize = '{size}' ({reason})")
        return fields
    others = [item for item in store.resources("IPPool").ip_pools if item.name != pool.name]
    # The new pool comes last: the message names it first and the one it meets second.
    fields += [problem.detail for problem in rules_ipam.overlaps([*others, pool])
               if problem.resource is pool]  # fmt: skip
    for block in store.list("IPAMBlock"):
        network = ip_network(block["spec"]["cidr"])
        if network.version == cidr.version and network.overlaps(cidr) and network.prefixlen != size:
            reason = (
                "IPPool blocksSize conflicts with existing allocations that use a different "
                "blockSize"
            )
            fields.append(f"IPPool.Spec.BlockSize = '{size}' ({reason})")
            break
    return fields


# --- the verbs --------------------------------------------------------------------------------


def create(
    store: Datastore, document: Mapping[str, Any], stamps: Stamps
) -> tuple[Datastore, Document]:
    """Make an object; the new store and the object as stored. Raises Refused."""
    made = canonical(document)
    key = key_of(made)
    _writable(key, "create or apply")
    if version := made["metadata"].get("resourceVersion"):
        raise invalid(
            [f"Metadata.ResourceVersion = '{version}' (field must not be set for a Create request)"]
        )
    made["metadata"] = _client_metadata(made["metadata"])
    made = completed(made)
    if "Create" in _READ_ONLY.get(key.kind, ()):
        check(store, made, None)
        raise NotSupported(f"operation Create is not supported on {key}")
    if key in store.objects:
        # The API server's answer comes after the client's own checks of the object.
        check(store.remove(key), made, None)
        raise AlreadyExists(
            f"resource already exists: {key} with error: {_cause(key, 'already exists')}"
        )
    check(store, made, None)
    return _written(store, made, stamps)


def update(
    store: Datastore, document: Mapping[str, Any], stamps: Stamps
) -> tuple[Datastore, Document]:
    """Replace an object's spec, labels and annotations. Raises Refused."""
    made = canonical(document)
    key = key_of(made)
    _writable(key, "apply or replace")
    old = existing(store, key)
    _same_version(key, made, old)
    wanted = _client_metadata(made["metadata"])
    kept = {
        name: value
        for name, value in old["metadata"].items()
        if name not in ("labels", "annotations")
    }
    changes = {name: wanted[name] for name in ("labels", "annotations") if name in wanted}
    made["metadata"] = {**kept, **changes}
    if "status" in old and "status" not in made:
        made["status"] = copy.deepcopy(old["status"])
    made = completed(made)
    if "Update" in _READ_ONLY.get(key.kind, ()):
        raise NotSupported(f"operation Update is not supported on {key}")
    check(store, made, old)
    return _written(store, made, stamps)


def apply(
    store: Datastore, document: Mapping[str, Any], stamps: Stamps
) -> tuple[Datastore, Document]:
    """Create, or update what is there (or cannot be created). Raises Refused."""
    made = canonical(document)
    _writable(key_of(made), "apply", ": resource is readonly")
    without = copy.deepcopy(made)
    without["metadata"].pop("resourceVersion", None)
    try:
        return create(store, without, stamps)
    except (AlreadyExists, NotSupported):
        return update(store, made, stamps)


def delete(
    store: Datastore, key: Key, *, resource_version: str | None = None
) -> tuple[Datastore, Document]:
    """Remove an object; a pool's affinities go with it. Raises Refused."""
    _writable(key, "delete")
    if "Delete" in _READ_ONLY.get(key.kind, ()):
        raise NotSupported(f"operation Delete is not supported on {key}")
    old = existing(store, key)
    if resource_version and resource_version != old["metadata"].get("resourceVersion"):
        raise UpdateConflict(f"update conflict: {key}")
    if key.kind == "IPPool":
        store = _without_affinities(store, old)
    return store.remove(key), old


def patch(store: Datastore, key: Key, text: str, stamps: Stamps) -> tuple[Datastore, Document]:
    """A strategic merge patch in JSON: maps merge, lists are replaced, null deletes.

    No list of Calico's API has a merge key, so none is merged. Raises Refused with calicoctl's
    words for the step that failed.
    """
    old = existing(store, key)
    try:
        changes = json.loads(text)
    except ValueError:
        changes = None
    if not isinstance(changes, dict):
        raise Refused("permorming strategic merge patch: invalid JSON document")
    patched = merge_patch(old, changes)
    kind, version = patched.get("kind"), patched.get("apiVersion")
    if (kind, version) != (old["kind"], old["apiVersion"]):
        reason = f"unknown resource type ({kind or ''}) and/or version ({version or ''})"
        raise Refused(f"creating resource from patched data: {reason}")
    try:
        made = decoded(patched)
    except Undecodable as problem:
        if problem.message.startswith(UNKNOWN_FIELD):
            raise
        raise Refused(f"creating resource from patched data: {problem.message}") from None
    if not made["metadata"].get("name"):
        raise Refused("updating existing resource: resource name may not be empty")
    try:
        return update(store, made, stamps)
    except Refused as problem:
        raise Refused(f"updating existing resource: {problem.message}") from None


def merge_patch(value: Mapping[str, Any], changes: Mapping[str, Any]) -> Document:
    """`value` with `changes` merged in (Kubernetes' strategic merge with no merge keys).

    `$patch: replace` in a map takes the map as it is, `$patch: delete` empties it.
    """
    directive = changes.get("$patch")
    if directive == "delete":
        return {}
    if directive == "replace":
        return {key: item for key, item in changes.items() if key != "$patch"}
    result = dict(copy.deepcopy(dict(value)))
    for key, item in changes.items():
        if item is None:
            result.pop(key, None)
        elif isinstance(item, dict):
            before = result.get(key)
            result[key] = merge_patch(before if isinstance(before, dict) else {}, item)
        elif not key.startswith("$"):
            result[key] = copy.deepcopy(item)
    return result


def _writable(key: Key, operation: str, reason: str = "") -> None:
    """calico-node alone writes the ClusterInformation; calicoctl says so for each verb."""
    if key.kind == "ClusterInformation":
        raise NotSupported(f"operation {operation} is not supported on {key.kind}{reason}")


def existing(store: Datastore, key: Key) -> Document:
    """A copy of the object. Raises DoesNotExist."""
    found = store.get(key)
    if found is None:
        raise DoesNotExist(f"resource does not exist: {key} with error: {_cause(key, 'not found')}")
    return found


def _same_version(key: Key, made: Mapping[str, Any], old: Mapping[str, Any]) -> None:
    version = made["metadata"].get("resourceVersion")
    if version and version != old["metadata"].get("resourceVersion"):
        raise UpdateConflict(f"update conflict: {key}")


def _cause(key: Key, what: str) -> str:
    """The API server's text: `ippools.crd.projectcalico.org "foo" not found`."""
    if key.kind == "Node":
        return f'nodes "{key.name}" {what}'
    if key.kind == "WorkloadEndpoint":
        return f'pods "{key.name}" {what}'
    kind = {"IPAMConfiguration": "IPAMConfig"}.get(key.kind, key.kind).lower()
    plural = kind[:-1] + "ies" if kind.endswith("y") else kind + "s"
    return f'{plural}.crd.{GROUP} "{key.name}" {what}'


def _client_metadata(metadata: Mapping[str, Any]) -> Document:
    """What a client decides; labels and annotations are texts whatever YAML read."""
    kept: Document = {key: metadata[key] for key in ("name", "namespace") if metadata.get(key)}
    for part in ("labels", "annotations"):
        if metadata.get(part):
            kept[part] = {key: go_text(value) for key, value in metadata[part].items()}
    return kept


def _written(store: Datastore, document: Document, stamps: Stamps) -> tuple[Datastore, Document]:
    changed = store.put(document, stamps)
    stored = changed.get(key_of(document))
    assert stored is not None
    return changed, stored


def _without_affinities(store: Datastore, pool: Mapping[str, Any]) -> Datastore:
    """Deleting a pool releases its blocks' affinities; empty blocks go."""
    network = ip_network(pool["spec"]["cidr"], strict=False)

    def inside(document: Mapping[str, Any]) -> bool:
        block = ip_network(document["spec"]["cidr"], strict=False)
        return block.version == network.version and block.overlaps(network)

    objects = dict(store.objects)
    for kind in ("BlockAffinity", "IPAMBlock"):
        for key in store.keys(kind):
            document = objects[key]
            if not inside(document):
                continue
            used = any(item is not None for item in document["spec"].get("allocations") or ())
            if kind == "IPAMBlock" and used:
                spec = {k: v for k, v in document["spec"].items() if k != "affinity"}
                objects[key] = {**document, "spec": spec}
            else:
                del objects[key]
    return replace(store, objects=objects)
