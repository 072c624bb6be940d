"""The resources of a cluster as one frozen value, changed as the Kubernetes datastore changes them.

Objects are plain documents under (kind, namespace, name). Every change gives a new `Datastore`
and raises before anything changes if Calico would refuse it. What an object's metadata holds
beyond its name, labels and annotations is the store's: uid, creationTimestamp, resourceVersion.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from labgen import yaml_source
from labgen.calico.defaults import with_defaults
from labgen.calico.resources import Resource, Resources, parse
from labgen.calico.specs import NodeSpec
from labgen.errors import InputError, Mark
from labgen.yaml_source import Document as YamlDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    Document = dict[str, Any]

# The Calico whose behaviour labgen reproduces, as its tools name themselves.
CALICO_VERSION = "v3.33.0-labgen"
GROUP = "projectcalico.org"
VERSION = "projectcalico.org/v3"
CRD_VERSION = "crd.projectcalico.org/v1"
# The CRDs have other names for two kinds than the v3 API.
_V3_KIND = {"IPAMConfig": "IPAMConfiguration"}
_CRD_ONLY = frozenset({"IPAMBlock", "IPAMHandle"})
NAMESPACED = frozenset(
    {
        "WorkloadEndpoint",
        "NetworkPolicy",
        "NetworkSet",
        "StagedNetworkPolicy",
        "StagedKubernetesNetworkPolicy",
        "Service",
        "EndpointSlice",
        "Secret",
        "Pod",
    }
)


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What names an object. `group` is the API group ("" for core/v1), `namespace` "" for none."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`IPPool(foo)`, `WorkloadEndpoint(ns/foo)`: how Calico's messages name an object."""
        return f"{self.kind}({self.namespace + '/' if self.namespace else ''}{self.name})"


@dataclass(frozen=True, slots=True)
class Stamps:
    """What the store puts into an object that is made: injected, so that tests are repeatable."""

    now: Callable[[], datetime]
    uid: Callable[[], str]

    def created(self) -> dict[str, str]:
        moment = self.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"uid": self.uid(), "creationTimestamp": moment}


@dataclass(frozen=True, slots=True)
class Datastore:
    """All objects, and the revision of the last change (resourceVersions count with it).

    Take documents out with `get` and `list`, which copy; never change one in place.
    """

    objects: Mapping[Key, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    revision: int = 0

    def get(self, key: Key) -> Document | None:
        """A copy of an object, or None."""
        found = self.objects.get(key)
        return None if found is None else copy.deepcopy(dict(found))

    def keys(self, kind: str, namespace: str = "", group: str = GROUP) -> list[Key]:
        """Keys of a kind by namespace and name; `namespace` "" means every one."""
        return sorted(
            key
            for key in self.objects
            if key.kind == kind and key.group == group and namespace in ("", key.namespace)
        )

    def list(self, kind: str, namespace: str = "", group: str = GROUP) -> list[Document]:
        """Copies of the objects of a kind, by namespace and name."""
        return [copy.deepcopy(dict(self.objects[key])) for key in self.keys(kind, namespace, group)]

    def resources(self, *kinds: str) -> Resources:
        """The objects (of these kinds, or all) as typed resources.

        Raises InputError(s) for an object that is none; one that a verb has let in is.
        """
        wanted = (
            document for key, document in self.objects.items() if not kinds or key.kind in kinds
        )
        return parse(yaml_document(document) for document in wanted)

    def put(self, document: Mapping[str, Any], stamps: Stamps) -> Datastore:
        """Write an object as the API server's own side does: a kubelet's Node, a new block.

        None of calicoctl's restrictions apply; uid and creationTimestamp survive a rewrite.
        """
        made = canonical(document)
        key = key_of(made)
        old = self.objects.get(key)
        revision = self.revision + 1
        given = made["metadata"]
        kept = (
            {name: old["metadata"][name] for name in ("uid", "creationTimestamp")}
            if old is not None
            else {**stamps.created(), **_identity(given)}
        )
        made["metadata"] = {**given, **kept, "resourceVersion": str(revision)}
        return Datastore({**self.objects, key: made}, revision)

    def remove(self, key: Key) -> Datastore:
        """Without that object; the same store if it is not there."""
        if key not in self.objects:
            return self
        left = {other: value for other, value in self.objects.items() if other != key}
        return Datastore(left, self.revision + 1)


def _identity(metadata: Mapping[str, Any]) -> dict[str, str]:
    """uid and creationTimestamp, where a dump of a server has them."""
    return {
        name: str(metadata[name]) for name in ("uid", "creationTimestamp") if metadata.get(name)
    }


def seeded(documents: Iterable[Mapping[str, Any]], stamps: Stamps) -> Datastore:
    """A new cluster's store: `documents` (Lists are taken apart), with Calico's defaults.

    They are resources that `calico.resources.load` and `calico.validate.check` have passed. What
    calico-node makes at its first start is there too: the ClusterInformation.
    """
    store = Datastore().put(
        {
            "apiVersion": VERSION,
            "kind": "ClusterInformation",
            "metadata": {"name": "default"},
            "spec": {
                "calicoVersion": CALICO_VERSION,
                "clusterGUID": stamps.uid().replace("-", ""),
                "clusterType": "k8s,bgp",
                "datastoreReady": True,
            },
        },
        stamps,
    )
    for document in documents:
        for single in flattened(document):
            store = store.put(completed(canonical(single)), stamps)
    return store


def documents_of(resources: Resources) -> list[Document]:
    """Typed resources as documents to seed a store with; `seeded(...).resources()` equals them.

    A Node is written as Calico sees it, because a Kubernetes Node may have been the source. Kinds
    without a part in routing come along if they are Calico's; others are left out.
    """
    kept = [item for item in resources.ignored if item.api_version == VERSION]
    return [_document_of(item) for item in (*resources.every(), *kept)]


def _document_of(resource: Resource[Any]) -> Document:
    if not isinstance(resource.spec, NodeSpec):
        return _plain(resource.raw)
    given = resource.raw.get("metadata")
    metadata = {
        **_identity(given if isinstance(given, Mapping) else {}),
        "name": resource.name,
        "labels": dict(resource.labels),
        "annotations": dict(resource.annotations),
    }
    spec = resource.spec.model_dump(by_alias=True, exclude_defaults=True, exclude_none=True)
    return {
        "apiVersion": VERSION,
        "kind": "Node",
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": _plain(spec),
    }


def _plain(value: Mapping[str, Any]) -> Document:
    """A copy in JSON's types: what was a tuple is a list."""
    made: Document = json.loads(json.dumps(value))
    return made


def completed(document: Mapping[str, Any]) -> Document:
    """A canonical document with Calico's defaults; other groups' documents as they are.

    Raises InputError(s) for one that cannot be decoded.
    """
    if key_of(document).group != GROUP:
        return dict(document)
    if document["kind"] == "IPAMBlock":
        _check_block(document)
    decoded = parse([yaml_document(document)]).every()
    return with_defaults(document, decoded[0].spec if decoded else None)


def _check_block(document: Mapping[str, Any]) -> None:
    """An IPAMBlock has no typed form; what IPAM reads of it must make sense."""
    try:
        spec = document["spec"]
        size = ip_network(spec["cidr"]).num_addresses
        used = [index for index in spec["allocations"] if index is not None]
        held = [entry["handle_id"] for entry in spec["attributes"]]
        sound = len(spec["allocations"]) <= size and all(0 <= index < len(held) for index in used)
    except (KeyError, TypeError, ValueError):
        sound = False
    if not sound:
        raise InputError(
            f"{key_of(document)}: spec wants a cidr, allocations (null or the number of an "
            "attribute, one for each address) and attributes with a handle_id",
            hint="take it as `kubectl get ipamblocks -o yaml` prints it",
        )


def flattened(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A List's items, each with apiVersion and kind; a single object as itself."""
    kind, items = str(document.get("kind", "")), document.get("items")
    if not kind.endswith("List") or not isinstance(items, list):
        return [document]
    typed = {} if kind == "List" else {"kind": kind.removesuffix("List")}
    if typed:
        typed["apiVersion"] = str(document.get("apiVersion", ""))
    found: list[Mapping[str, Any]] = []
    for item in items:
        if isinstance(item, Mapping):
            found += flattened({**typed, **item})
    return found


def canonical(document: Mapping[str, Any]) -> Document:
    """A copy in the form in which the store keeps objects: Calico's kinds as projectcalico.org/v3,
    a namespace exactly where the kind has one. Raises InputError without kind or name.
    """
    made: Document = copy.deepcopy(dict(document))
    kind, version = made.get("kind"), made.get("apiVersion")
    metadata = made.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(kind, str) or not isinstance(version, str) or not isinstance(name, str):
        raise InputError(
            f"an object without apiVersion, kind or metadata.name: {kind} {name}",
            hint="every object of a datastore has the three",
        )
    assert isinstance(metadata, Mapping)
    if version == CRD_VERSION and kind not in _CRD_ONLY:
        made["apiVersion"], made["kind"] = VERSION, _V3_KIND.get(kind, kind)
    made["metadata"] = {key: value for key, value in metadata.items() if value is not None}
    made["metadata"].pop("managedFields", None)
    if made["kind"] in NAMESPACED:
        made["metadata"].setdefault("namespace", "default")
    else:
        made["metadata"].pop("namespace", None)
    return made


def key_of(document: Mapping[str, Any]) -> Key:
    """The key of a canonical document."""
    group, slash, _ = str(document["apiVersion"]).partition("/")
    if not slash:
        group = ""
    elif group.endswith(GROUP):
        group = GROUP
    metadata = document["metadata"]
    return Key(group, document["kind"], metadata.get("namespace", ""), metadata["name"])


def yaml_document(document: Mapping[str, Any]) -> YamlDocument:
    """A plain document as one that `calico.resources.parse` takes; its place is its name."""
    metadata = document.get("metadata")
    name = metadata.get("name", "") if isinstance(metadata, Mapping) else ""
    place = f"{document.get('kind', 'object')}({name})"
    return YamlDocument(dict(document), place, Mark(place, 1, 1), {})


# --- text -------------------------------------------------------------------------------------

_FORMAT = "labgen/datastore/v1"


def to_text(store: Datastore) -> str:
    """The store as JSON (which is YAML), one object a line. It holds Secrets: keep it private."""
    lines = ",\n".join(
        json.dumps(store.objects[key], ensure_ascii=False) for key in sorted(store.objects)
    )
    head = f'{{"format": "{_FORMAT}", "revision": {store.revision}, "items": [\n'
    return f"{head}{lines}\n]}}\n"


def from_text(text: str, shown: str) -> Datastore:
    """The store that `to_text` wrote. Raises InputError naming `shown` for any other text."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if value is None:
        documents = yaml_source.parse(text, shown)
        value = documents[0].value if len(documents) == 1 else None
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise InputError(
            f"{shown}: not a datastore of labgen", hint=f'it begins with "format": "{_FORMAT}"'
        )
    items, revision = value.get("items"), value.get("revision")
    if not isinstance(items, list) or not isinstance(revision, int):
        raise InputError(f"{shown}: a datastore has a list `items` and a number `revision`")
    objects = {}
    for item in items:
        if not isinstance(item, Mapping):
            raise InputError(f"{shown}: an item is not an object")
        made = canonical(item)
        objects[key_of(made)] = made
    return replace(Datastore(), objects=objects, revision=revision)
