"""From YAML documents to typed resources: which kinds exist, and what is wrong with a document."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import reduce
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, Field, ValidationError

from labgen.calico import specs
from labgen.calico.datastore_errors import UNKNOWN_FIELD
from labgen.calico.gotypes import Labels, Loosely, Text, go_string
from labgen.calico.installation import pools_of
from labgen.calico.nodes import merge_nodes
from labgen.calico.objects import unknown_fields
from labgen.calico.resources import Notice, Resource, Resources, Source, raise_all
from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.yaml_source import Document, KeyPath

CALICO = ("projectcalico.org/v3", "crd.projectcalico.org/v1")


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind is read: `store` is its field in `Resources`; `part` the key that `model` reads.

    A whole-document kind has `part` None. `namespaced` decides the default namespace; `own` are
    the fields beside apiVersion, kind and metadata.
    """

    store: str
    model: type[BaseModel]
    part: str | None = None
    namespaced: bool = False
    own: tuple[str, ...] = ("spec", "status")


_CALICO_KINDS = {
    "Node": Kind("nodes", specs.NodeSpec, "spec"),
    "BGPConfiguration": Kind("bgp_configurations", specs.BGPConfigurationSpec, "spec"),
    "BGPPeer": Kind("bgp_peers", specs.BGPPeerSpec, "spec"),
    "BGPFilter": Kind("bgp_filters", specs.BGPFilterSpec, "spec"),
    "IPPool": Kind("ip_pools", specs.IPPoolSpec, "spec"),
    "IPReservation": Kind("ip_reservations", specs.IPReservationSpec, "spec"),
    "BlockAffinity": Kind("block_affinities", specs.BlockAffinitySpec, "spec"),
    "IPAMConfig": Kind("ipam_configs", specs.IPAMConfigSpec, "spec"),
    "IPAMConfiguration": Kind("ipam_configs", specs.IPAMConfigSpec, "spec"),
    "WorkloadEndpoint": Kind("workload_endpoints", specs.WorkloadEndpointSpec, "spec", True),
}
KINDS: dict[tuple[str, str], Kind] = {
    **{(version, kind): how for version in CALICO for kind, how in _CALICO_KINDS.items()},
    ("v1", "Node"): Kind("kubernetes_nodes", specs.KubernetesNodeBody),
    ("v1", "Secret"): Kind(
        "secrets",
        specs.SecretBody,
        namespaced=True,
        own=("data", "stringData", "type", "immutable"),
    ),
    ("v1", "Service"): Kind("services", specs.ServiceBody, namespaced=True),
    ("v1", "Namespace"): Kind("namespaces", specs.NamespaceBody),
    ("discovery.k8s.io/v1", "EndpointSlice"): Kind(
        "endpoint_slices",
        specs.EndpointSliceBody,
        namespaced=True,
        own=("addressType", "endpoints", "ports"),
    ),
    ("operator.tigera.io/v1", "Installation"): Kind("installations", specs.InstallationBody),
}


class _Metadata(Loosely):
    name: Text = ""
    namespace: Text | None = None
    labels: Labels = Field(default_factory=dict)
    annotations: Labels = Field(default_factory=dict)


@dataclass(slots=True)
class Decoder:
    """Collects resources, problems and notices over many documents."""

    stores: dict[str, dict[tuple[str, str], Resource[Any]]] = field(default_factory=dict)
    ignored: list[Resource[None]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    problems: list[InputError] = field(default_factory=list)

    def document(self, document: Document) -> None:
        """Take one document: a resource, a List of them, or calicoctl's plain array of them."""
        if isinstance(document.value, list):
            for index, item in enumerate(document.value):
                self._object(item, Source(document, (index,)))
        else:
            self._object(document.value, Source(document))

    def finish(self) -> Resources:
        """All of it, in order. Raises what was wrong."""
        raise_all(self.problems)
        stores = {name: dict(sorted(store.items())) for name, store in self.stores.items()}
        stores["nodes"] = merge_nodes(
            stores.pop("nodes", {}), stores.pop("kubernetes_nodes", {}), self.problems
        )
        stores["ip_pools"] = pools_of(
            stores.pop("installations", {}), stores.get("ip_pools", {}), self.notices, self.problems
        )
        raise_all(self.problems)
        return Resources(
            **{name: tuple(store.values()) for name, store in stores.items()},
            ignored=tuple(self.ignored),
            notices=tuple(self.notices),
        )

    def _object(self, value: Any, source: Source) -> None:
        if not isinstance(value, dict):
            self._refuse("a resource is a mapping with apiVersion, kind and metadata", source)
            return
        version, kind = value.get("apiVersion"), value.get("kind")
        if not isinstance(version, str) or not isinstance(kind, str):
            missing = "apiVersion" if not isinstance(version, str) else "kind"
            self._refuse(f"the resource has no {missing}", source, missing)
            return
        if kind.endswith("List") and isinstance(value.get("items"), list):
            self._list(value["items"], version, kind, source)
            return
        how = KINDS.get((version, kind))
        if how is None:
            self._unknown(value, version, kind, source)
            return
        self._resource(value, version, kind, how, source)

    def _list(self, items: list[Any], version: str, kind: str, source: Source) -> None:
        """`List`, or `<Kind>List` whose items may leave out apiVersion and kind (kubectl)."""
        for index, item in enumerate(items):
            typed = item
            if isinstance(item, dict) and kind != "List":
                typed = {"apiVersion": version, "kind": kind.removesuffix("List"), **item}
            self._object(typed, Source(source.document, (*source.base, "items", index)))

    def _unknown(self, value: Mapping[str, Any], version: str, kind: str, source: Source) -> None:
        meant = _meant(version, kind)
        if meant is not None:
            problem = f"unknown resource type ({kind}) and/or version ({version})"
            key = "apiVersion" if meant == kind else "kind"
            self._refuse(f"{problem} [write {CALICO[0]} {meant}]", source, key)
            return
        metadata = value.get("metadata")
        name = metadata.get("name", "") if isinstance(metadata, dict) else ""
        read = [known for known, of in KINDS if of == kind]
        if read:
            message = f"{kind}({name}) of {version} is left out: labgen reads {kind} of {read[0]}"
            self.notices.append(Notice(message, source.mark("apiVersion")))
        self.ignored.append(
            Resource(version, kind, str(name), None, {}, {}, None, source, raw=value)
        )

    def _resource(
        self, value: Mapping[str, Any], version: str, kind: str, how: Kind, source: Source
    ) -> None:
        clean = _without_nulls(value)
        plain = _metadata(value)
        given = plain.get("name") if isinstance(plain, dict) else None
        shown = f"{kind}({given})" if isinstance(given, str | int) else kind
        metadata = self._model(_Metadata, plain, source, ("metadata",), shown)
        if metadata is None:
            return
        if not metadata.name:
            self._refuse(f"{kind} has no metadata.name", source, "metadata", "name")
            return
        namespace = (metadata.namespace or "default") if how.namespaced else None
        resource = Resource(
            version, kind, metadata.name, namespace, metadata.labels, metadata.annotations,
            None, source, raw=value,
        )  # fmt: skip
        part = clean.get(how.part, {}) if how.part else clean
        keys = (how.part,) if how.part else ()
        spec = self._model(how.model, part, source, keys, resource.id, resource.from_server)
        if self._strange(resource, how) or spec is None:
            return
        self._tags(resource)
        self._store(
            how,
            Resource(
                version, kind, metadata.name, namespace, metadata.labels, metadata.annotations,
                spec, source, raw=value,
            ),
        )  # fmt: skip

    def _store(self, how: Kind, resource: Resource[Any]) -> None:
        store = self.stores.setdefault(how.store, {})
        key = (resource.namespace or "", resource.name)
        first = store.setdefault(key, resource)
        if first is resource or first.spec == resource.spec:
            return
        self.problems.append(
            InputError(
                f"{resource.id} stands twice with different content",
                mark=resource.mark("metadata", "name"),
                hint=f"the first is at {first.mark('metadata', 'name')}; keep one",
            )
        )

    def _model(
        self,
        model: type[Any],
        value: Any,
        source: Source,
        keys: KeyPath,
        name: str,
        lenient: bool = False,
    ) -> Any:
        """Validate a part; with `lenient`, fields that this labgen does not know are notices."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            details = error.errors(include_url=False)
        strange = [d for d in details if d["type"] == "extra_forbidden"]
        if lenient and len(strange) == len(details):
            for detail in strange:
                message = f"{name}: labgen does not know {_dotted((*keys, *detail['loc']))}"
                where = source.mark(*keys, *detail["loc"])
                self.notices.append(Notice(f"{message}; it has no effect here", where))
                value = _without(value, detail["loc"])
            return model.model_validate(value)
        for detail in details:
            loc = (*keys, *detail["loc"])
            self.problems.append(
                InputError(
                    f"{name}: {_reason(detail['type'], detail, loc)}", mark=source.mark(*loc)
                )
            )
        return None

    def _strange(self, resource: Resource[Any], how: Kind) -> bool:
        """Refuse fields at the top and in the metadata that no object has; a server's are told."""
        found = tuple(unknown_fields(resource.raw, how.own))
        for keys in found:
            if resource.from_server:
                message = f"{resource.id}: labgen does not know {_dotted(keys)}"
                self.notices.append(
                    Notice(f"{message}; it has no effect here", resource.mark(*keys))
                )
            else:
                self._refuse(
                    f"{resource.id}: {UNKNOWN_FIELD}{_dotted(keys)}", resource.source, *keys
                )
        return bool(found) and not resource.from_server

    def _tags(self, resource: Resource[Any]) -> None:
        """An unquoted `!all()` is a YAML tag on an empty string: Go sees no selector at all."""
        source = resource.source
        for keys, tag in source.document.tags.items():
            if keys[: len(source.base)] != source.base:
                continue
            inner = keys[len(source.base) :]
            text = reduce(operator.getitem, inner, cast("Any", resource.raw))
            advice = "quote the whole value" if text else f"quote it: '{tag}'"
            self.notices.append(
                Notice(
                    f"{resource.id}: {_dotted(inner)}: YAML reads the unquoted {tag} as a tag on "
                    f'another value; Calico sees "{text}" there, so {advice}',
                    source.document.mark(keys),
                )
            )

    def _refuse(self, message: str, source: Source, *keys: str | int) -> None:
        self.problems.append(InputError(message, mark=source.mark(*keys)))


def _meant(version: str, kind: str) -> str | None:
    """The kind that a typo in apiVersion or kind stands for; None for another product's object.

    A core version (`v1`, without a group) is one that Calico v1 and v2 had, too.
    """
    if "projectcalico.org" not in version and "/" in version:
        return None
    if kind in _CALICO_KINDS:
        return kind
    names = {name.lower(): name for name in _CALICO_KINDS}
    close = get_close_matches(kind.lower().removesuffix("s"), names, n=1, cutoff=0.9)
    return names[close[0]] if close else None


def _reason(kind: str, detail: Mapping[str, Any], loc: KeyPath) -> str:
    """A pydantic error in calicoctl's words where it has some, else short and plain."""
    name = _dotted(loc)
    if kind == "extra_forbidden":
        return f"{UNKNOWN_FIELD}{name}"
    value = go_string(detail["input"])
    text = str(detail["msg"]).removeprefix("Value error, ")
    if kind == "missing":
        return f"error with field {name} (it is required)"
    if kind == "literal_error":
        allowed = str(detail["ctx"]["expected"]).removeprefix("'', ")
        given = value if isinstance(value, str) else "…"
        return f"error with field {name} = '{given}' (supported values: {allowed})"
    if kind in ("greater_than_equal", "less_than_equal"):
        must = text.removeprefix("Input should be ")
        return f"error with field {name} = '{value}' (it must be {must})"
    wants = {
        "string_type": "a text is wanted",
        "bool_type": "true or false is wanted",
        "int_type": "a whole number is wanted",
        "dict_type": "a mapping is wanted",
        "model_type": "a mapping is wanted",
        "tuple_type": "a list is wanted",
    }
    return f"error with field {name} ({wants.get(kind, text)})"


def _dotted(keys: KeyPath) -> str:
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}"
    return text.removeprefix(".")


def _without_nulls(value: Any) -> Any:
    """Go leaves a field at its zero value for null; so a null is the same as no field."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls({} if item is None else item) for item in value]
    return value


def _metadata(value: Mapping[str, Any]) -> Any:
    """The metadata without nulls; but a label's or annotation's null is the empty text in Go."""
    given = value.get("metadata")
    clean = _without_nulls({} if given is None else given)
    for part in ("labels", "annotations"):
        texts = given.get(part) if isinstance(given, dict) else None
        if isinstance(texts, dict):
            clean[part] = {key: "" if text is None else text for key, text in texts.items()}
    return clean


def _without(value: Any, loc: KeyPath) -> Any:
    """`value` without the field at `loc`."""
    head, *rest = loc
    if isinstance(value, list):
        assert isinstance(head, int)
        return [_without(item, tuple(rest)) if i == head else item for i, item in enumerate(value)]
    if not rest:
        return {key: item for key, item in value.items() if key != head}
    return {**value, head: _without(value[head], tuple(rest))}
