"""YAML as the Kubernetes world reads it, with the line and column of every value.

Scalars resolve as Go's YAML-to-JSON converter resolves them, because that is what kubectl and
calicoctl use: `yes`/`on` are booleans, `5663:12` and dates are strings (no base 60, no
timestamps), and an unquoted `!all()` is a tag on an empty string.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from labgen.errors import InputError, Mark

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

KeyPath = tuple[str | int, ...]

_BOOLEANS = {
    word: value
    for base, value in (
        ("true", True),
        ("yes", True),
        ("on", True),
        ("false", False),
        ("no", False),
        ("off", False),
    )
    for word in (base, base.capitalize(), base.upper())
}
_NULLS = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]*|[1-9][0-9_]*)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL_FLOATS = {".inf": math.inf, "-.inf": -math.inf, ".nan": math.nan}
_MAX_DEPTH = 100
_MAX_ALIASED = 100_000  # values that aliases may add to a document, as go-yaml limits them, too


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: plain `dict`/`list`/scalar `value`, and where each part stands.

    `tags` holds the key paths whose scalar carried an unknown tag (such as `!all()`).
    """

    value: Any
    path: str
    first: Mark
    marks: dict[KeyPath, Mark] = field(repr=False)
    tags: dict[KeyPath, str] = field(default_factory=dict)

    def mark(self, keys: Sequence[str | int] = ()) -> Mark:
        """Where `keys` stands, or its nearest enclosing part that the file really has."""
        path = tuple(keys)
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, self.first)


def read(path: Path, *, shown: str | None = None) -> list[Document]:
    """Read every document of a file. Raises InputError for a missing or unreadable file."""
    name = shown or str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file", hint="check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: cannot be read: {error}") from error
    return parse(text, name)


def parse(text: str, path: str) -> list[Document]:
    """Parse every document of `text`; empty documents are left out.

    Raises InputError with file, line and column for text that is not YAML, for a key that stands
    twice, and for keys that are not scalars.
    """
    yaml = YAML(typ="safe", pure=True)  # no comments kept: a quarter faster
    try:
        nodes = list(yaml.compose_all(text))
    except MarkedYAMLError as error:
        at = error.problem_mark or error.context_mark
        mark = Mark(path, at.line + 1, at.column + 1) if at else None
        reason = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise InputError(f"not valid YAML: {reason}", mark=mark) from None
    except (YAMLError, RecursionError, ValueError) as error:
        raise InputError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    return [_document(node, path) for node in nodes if not _is_empty(node)]


def _is_empty(node: Node | None) -> bool:
    return node is None or (isinstance(node, ScalarNode) and node.value == "" and not node.style)


def _document(node: Node, path: str) -> Document:
    marks: dict[KeyPath, Mark] = {}
    tags: dict[KeyPath, str] = {}
    sizes: dict[int, int] = {}
    if _expanded(node, sizes) - len(sizes) > _MAX_ALIASED:
        raise InputError(
            f"aliases repeat more than {_MAX_ALIASED} values",
            mark=_mark(node, path),
            hint="write out what `*name` stands for",
        )
    value = _construct(node, (), path, marks, tags)
    return Document(value, path, _mark(node, path), marks, tags)


def _expanded(node: Node, sizes: dict[int, int]) -> int:
    """How many values a node is with its aliases written out; `sizes` holds those of each node."""
    if id(node) not in sizes:
        sizes[id(node)] = 1  # also ends the walk at an alias of a node inside itself
        if isinstance(node, MappingNode):
            sizes[id(node)] += sum(_expanded(part, sizes) for pair in node.value for part in pair)
        elif isinstance(node, SequenceNode):
            sizes[id(node)] += sum(_expanded(part, sizes) for part in node.value)
    return sizes[id(node)]


def _mark(node: Node, path: str) -> Mark:
    return Mark(path, node.start_mark.line + 1, node.start_mark.column + 1)


def _construct(
    node: Node, keys: KeyPath, path: str, marks: dict[KeyPath, Mark], tags: dict[KeyPath, str]
) -> Any:
    if len(keys) > _MAX_DEPTH:
        raise InputError("nested too deeply", mark=_mark(node, path))
    marks[keys] = _mark(node, path)
    if isinstance(node, MappingNode):
        return _mapping(node, keys, path, marks, tags)
    if isinstance(node, SequenceNode):
        return [
            _construct(item, (*keys, i), path, marks, tags) for i, item in enumerate(node.value)
        ]
    tag = str(node.tag)
    if tag.startswith("!") and tag != "!":
        tags[keys] = tag
        return node.value
    assert isinstance(node, ScalarNode)
    return scalar(node.value) if _is_plain(node, tag) else node.value


def _is_plain(node: ScalarNode, tag: str) -> bool:
    return node.style is None and not (
        tag == "tag:yaml.org,2002:str"
        and isinstance(scalar(node.value), bool | int | float)
        and _explicitly_tagged(node)
    )


def _explicitly_tagged(node: ScalarNode) -> bool:
    """A `!!str 12`: the text before the value holds the tag."""
    buffer = node.start_mark.buffer
    return (
        buffer is not None and buffer[node.start_mark.pointer : node.start_mark.pointer + 2] == "!!"
    )


def _mapping(
    node: MappingNode,
    keys: KeyPath,
    path: str,
    marks: dict[KeyPath, Mark],
    tags: dict[KeyPath, str],
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    merged: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, ScalarNode):
            raise InputError("a key must be plain text", mark=_mark(key_node, path))
        key = key_node.value
        if key == "<<" and key_node.style is None:
            sources = value_node.value if isinstance(value_node, SequenceNode) else [value_node]
            for source in sources:
                part = _construct(source, (*keys, "<<"), path, {}, {})
                if not isinstance(part, dict):
                    raise InputError("`<<` wants a mapping", mark=_mark(value_node, path))
                merged = {**part, **merged}
            continue
        if key in result:
            raise InputError(f"the key `{key}` stands twice", mark=_mark(key_node, path))
        result[key] = _construct(value_node, (*keys, key), path, marks, tags)
        marks[(*keys, key)] = _mark(key_node, path)
    return {**merged, **result}


def scalar(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar, as Go's YAML-to-JSON converter resolves it."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.match(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.match(text):
        return float(text)
    return _SPECIAL_FLOATS.get(text.lower(), text)


def _integer(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-").lower()
    for prefix, base in (("0x", 16), ("0b", 2), ("0o", 8)):
        if digits.startswith(prefix):
            return sign * int(digits[2:] or "0", base)
    octal = len(digits) > 1 and digits.startswith("0")
    return sign * int(digits, 8 if octal else 10)
