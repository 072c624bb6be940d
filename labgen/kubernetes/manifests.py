"""From the documents of a manifest to Kubernetes objects, and what is wrong with them.

`decode` gives objects as a client sends them: without addresses, node ports or uid, which the
cluster's state fills in as the API server would.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from labgen.errors import InputError, InputErrors, Mark
from labgen.kubernetes import kinds, schema
from labgen.kubernetes.builders import BUILDERS, Part
from labgen.kubernetes.kinds import BY_VERSION, Kind
from labgen.kubernetes.labels import check_labels
from labgen.kubernetes.objects import Meta, Object
from labgen.yaml_source import Document, KeyPath

Model = TypeVar("Model", bound=BaseModel)
DEFAULT_NAMESPACE = "default"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file. `raw` is what the file says; `mark` where it starts."""

    item: Object
    raw: Mapping[str, Any] = field(repr=False)
    mark: Mark

    @property
    def named(self) -> str:
        return f"{self.item.KIND.name}({self.item.meta.name})"


@dataclass(frozen=True, slots=True)
class _Place:
    """An object within a document, for the marks of its parts."""

    document: Document
    base: KeyPath

    def mark(self, *keys: str | int) -> Mark:
        return self.document.mark((*self.base, *keys))


def decode(documents: Iterable[Document], namespace: str = DEFAULT_NAMESPACE) -> list[Manifest]:
    """Objects of these documents, in order; `namespace` is for those that name none.

    A `List` is taken apart. Raises InputError(s) with every problem found in one pass.
    """
    found: list[Manifest] = []
    problems: list[InputError] = []
    for document in documents:
        for value, place in _items(document.value, _Place(document, ())):
            try:
                found.append(_manifest(value, place, namespace))
            except InputErrors as errors:
                problems += errors.problems
            except InputError as error:
                problems.append(error)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InputErrors(problems)
    return found


def _items(value: Any, place: _Place) -> Iterable[tuple[Any, _Place]]:
    if isinstance(value, dict) and value.get("kind") == "List":
        for index, item in enumerate(value.get("items") or ()):
            yield item, _Place(place.document, (*place.base, "items", index))
    else:
        yield value, place


def _manifest(value: Any, place: _Place, namespace: str) -> Manifest:
    if not isinstance(value, dict):
        raise InputError(
            "an object is a mapping with apiVersion, kind and metadata", mark=place.mark()
        )
    version, name = value.get("apiVersion"), value.get("kind")
    for key, given in (("apiVersion", version), ("kind", name)):
        if not isinstance(given, str) or not given:
            raise InputError(f"the object has no {key}", mark=place.mark(key))
    kind = BY_VERSION.get((str(version), str(name)))
    if kind is None:
        raise _unknown(str(version), str(name), place)
    clean = _without_nulls(value)
    meta = _meta(clean, kind, place, namespace)
    model, build = BUILDERS[kind]
    named = f"{kind.name}({meta.name})"
    body = _model(model, clean, place, (), named)
    return Manifest(build(Part(meta, kind, body, clean, place.mark, named)), value, place.mark())


def _unknown(version: str, name: str, place: _Place) -> InputError:
    group = version.rpartition("/")[0]
    if group in ("projectcalico.org", "crd.projectcalico.org"):
        hint = "this lab keeps Calico's own resources in calicoctl: use calicoctl with this file"
    else:
        hint = "this lab covers " + ", ".join(kind.name for kind in kinds.KINDS)
    return InputError(
        f'no matches for kind "{name}" in version "{version}"', mark=place.mark("kind"), hint=hint
    )


def _meta(value: Mapping[str, Any], kind: Kind, place: _Place, namespace: str) -> Meta:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    read = _model(
        schema.Metadata, metadata or {}, place, ("metadata",), f"{kind.name}({name or ''})"
    )
    if read.name is None:
        hint = "generateName is not covered by this lab" if read.generate_name else "give it a name"
        raise InputError(
            f"{kind.name} has no metadata.name", mark=place.mark("metadata"), hint=hint
        )
    check_labels(read.labels, lambda key: place.mark("metadata", "labels", key))
    annotations = {key: text for key, text in read.annotations.items() if key != LAST_APPLIED}
    own = (read.namespace or namespace) if kind.namespaced else ""
    return Meta(read.name, own, read.labels, annotations)


def _model(model: type[Model], value: Any, place: _Place, base: KeyPath, named: str) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    problems = []
    for detail in details:
        loc = detail["loc"]
        inner = any(other["loc"][: len(loc)] == loc != other["loc"] for other in details)
        if detail["type"] == "too_short" and inner:
            continue  # the items that are wrong are told already
        keys = (*base, *(key for key in loc if not _is_union_arm(key)))
        reason = _REASONS.get(detail["type"]) or str(detail["msg"]).removeprefix("Input ")
        problems.append(InputError(f"{named}: {_dotted(keys)}: {reason}", mark=place.mark(*keys)))
    if len(problems) == 1:
        raise problems[0]
    raise InputErrors(problems)


# pydantic's kinds of error in the API server's words
_REASONS = {
    "missing": "Required value",
    "too_short": "Required value",
    "string_too_short": "Required value",
    "string_pattern_mismatch": "lower case letters, digits and `-` (and `.` between) are allowed",
}


def _is_union_arm(key: str | int) -> bool:
    """pydantic adds the name of a union's member to the place of an error."""
    return (isinstance(key, str) and not key.isidentifier()) or key in ("str", "int")


def _dotted(keys: KeyPath) -> str:
    return "".join(f"[{k}]" if isinstance(k, int) else f".{k}" for k in keys).removeprefix(".")


def _without_nulls(value: Any) -> Any:
    """Go leaves a field at its zero value for null; so a null is the same as no field."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls({} if item is None else item) for item in value]
    return value
