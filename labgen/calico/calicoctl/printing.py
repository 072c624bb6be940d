"""How `calicoctl get` prints objects: tables, YAML, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labgen.calico import tables
from labgen.calico.calicoctl.kinds import Kind
from labgen.calico.datastore import VERSION
from labgen.calico.yaml_text import dump

Document = Mapping[str, Any]
# encoding/json escapes these so that JSON can stand in HTML.
_HTML = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
_OBJECT = ("kind", "apiVersion", "metadata", "items", "spec", "status")
_METADATA = ("name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp")


class FormatError(Exception):
    """An output format that is wrong or not there; the text is for standard error."""


@dataclass(frozen=True, slots=True)
class Found:
    """One object (a get), or all of a kind (a list; `version` is the list's resourceVersion)."""

    kind: Kind
    objects: tuple[Document, ...]
    version: str | None = None

    @property
    def value(self) -> Document:
        if self.version is None:
            return self.objects[0]
        return {
            "apiVersion": VERSION,
            "items": list(self.objects),
            "kind": f"{self.kind.name}List",
            "metadata": {"resourceVersion": self.version},
        }


@dataclass(frozen=True, slots=True)
class Output:
    """An `-o` that was understood. `columns` None means the kind's own headings."""

    form: str
    columns: tuple[str, ...] | None = None
    namespaces: bool = False


def understood(text: str, *, namespaces: bool) -> Output:
    """The format that `-o` names. Raises FormatError."""
    if text in ("yaml", "yml"):
        return Output("yaml")
    if text in ("json", "ps", "wide"):
        return Output(text, namespaces=namespaces)
    name, _, value = text.partition("=")
    if name == "custom-columns":
        if not value:
            raise FormatError("need to specify at least one column")
        return Output("ps", tuple(value.split(",")))
    if name in ("go-template", "go-template-file"):
        if not value:
            what = "template file" if name.endswith("file") else "template"
            raise FormatError(f"need to specify a {what}")
        raise FormatError(
            f"output format '{name}' runs Go templates, which labgen cannot; use -o json"
        )
    raise FormatError(f"unrecognized output format '{text}'")


def shown(found: Sequence[Found], output: Output, cluster_as: int) -> str:
    """The text for standard output. Raises FormatError for an unknown column."""
    if output.form in ("yaml", "json"):
        values = [item.value for item in found]
        # Go prints a slice that was never filled as null.
        value: Any = values[0] if len(values) == 1 else (values or None)
        return dump(value) if output.form == "yaml" else _json(value)
    return "".join(_table(item, output, cluster_as) for item in found)


def _json(value: Any) -> str:
    text = json.dumps(_ordered(value), indent=2, ensure_ascii=False)
    return text.translate(_HTML) + "\n"


def _ordered(value: Any) -> Any:
    """Keys in the order of the API's structs, as far as it is common to all kinds."""
    if isinstance(value, list):
        return [_ordered(item) for item in value]
    if not isinstance(value, Mapping) or "kind" not in value:
        return value
    made = {key: value[key] for key in _OBJECT if key in value}
    made |= {key: item for key, item in value.items() if key not in made}
    metadata = value.get("metadata", {})
    made["metadata"] = {key: metadata[key] for key in _METADATA if key in metadata} | dict(metadata)
    if isinstance(value.get("items"), list):
        made["items"] = [_ordered(item) for item in value["items"]]
    return made


def _table(found: Found, output: Output, cluster_as: int) -> str:
    kind = found.kind
    headings = output.columns
    if headings is None:
        headings = kind.wide if output.form == "wide" else kind.columns
    # The real one puts NAMESPACE before the others for namespaced kinds only.
    if output.namespaces and kind.namespaced:
        headings = ("NAMESPACE", *headings)
    for heading in headings:
        if heading not in kind.cells:
            known = ", ".join(sorted(kind.cells))
            raise FormatError(f"unknown heading {heading}, valid values are: {known}")
    rows = [
        [kind.cells[heading](document, cluster_as) for heading in headings]
        for document in found.objects
    ]
    return tables.aligned([headings, *rows]) + "\n"
