"""Calico's strict decoder: which documents are objects of its API at all."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from labgen.calico.datastore import yaml_document
from labgen.calico.datastore_errors import UNKNOWN_FIELD, Undecodable
from labgen.calico.objects import unknown_fields
from labgen.calico.resources import Resources, parse
from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Mapping

    Document = dict[str, Any]


def decoded(document: Mapping[str, Any]) -> Document:
    """The document as Calico's strict decoder would take it. Raises Undecodable."""
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise Undecodable("error with field metadata (a mapping is wanted)")
    for keys in unknown_fields(document):
        raise Undecodable(UNKNOWN_FIELD + keys[-1])
    made: Document = copy.deepcopy({**document, "metadata": metadata})
    for key in ("name", "namespace", "resourceVersion", "uid"):
        if key in metadata:
            made["metadata"][key] = _text_field(key, metadata[key])
    if not made["metadata"].get("name"):
        return made  # the client says so itself, with its own words
    typed(made)
    return made


def _text_field(key: str, value: Any) -> str:
    """Go's YAML decoder makes texts of numbers and booleans, and "" of null."""
    if isinstance(value, list | dict):
        raise Undecodable(f"error with field metadata.{key} (a text is wanted)")
    return go_text(value)


def typed(document: Mapping[str, Any]) -> Resources:
    """The typed form of one object; without the server's fields, so that nothing is tolerated."""
    metadata = {
        key: value
        for key, value in document["metadata"].items()
        if key in ("name", "namespace", "labels", "annotations")
    }
    try:
        return parse([yaml_document({**document, "metadata": metadata})])
    except InputErrors as problems:
        raise Undecodable(_reason(problems.problems[0])) from None
    except InputError as problem:
        raise Undecodable(_reason(problem)) from None


def _reason(problem: InputError) -> str:
    """The decoder's message without the object's name; an unknown field by its last key only."""
    text = problem.message
    if UNKNOWN_FIELD in text:
        return UNKNOWN_FIELD + text.rpartition(UNKNOWN_FIELD)[2].rpartition(".")[2]
    return text.partition(": ")[2] or text


def go_text(value: Any) -> str:
    """What Go puts into a text field for a YAML scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
