"""JSON with the place of every value: for declarations, whose mistakes are told by line.

Reads RFC 8259; Python's own decoder tells no places.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labgen.errors import InputError, Mark

if TYPE_CHECKING:
    from collections.abc import Mapping

Path = tuple[str | int, ...]
_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_DECODER = json.JSONDecoder()
_DEPTH = 64  # of a declaration that somebody wrote


@dataclass
class Document:
    """`value` as `json.loads` has it; `offsets` of every value by its path."""

    path: str
    text: str
    value: Any = None
    offsets: dict[Path, int] = field(default_factory=dict)

    def mark(self, at: Path) -> Mark:
        """Where a value (or the nearest that contains it) begins."""
        while at and at not in self.offsets:
            at = at[:-1]
        return _mark(self.path, self.text, self.offsets.get(at, 0))


def _mark(path: str, text: str, offset: int) -> Mark:
    start = text.rfind("\n", 0, offset) + 1
    return Mark(path, text.count("\n", 0, offset) + 1, offset - start + 1)


def read(text: str, path: str) -> Document:
    """Raises InputError with the place of what is no JSON."""
    document = Document(path, text.removeprefix("\ufeff"))
    reader = _Reader(document)
    document.value = reader.value((), 0)
    reader.space()
    if reader.at < len(document.text):
        raise reader.error("text after the end of the JSON value")
    return document


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document, self._text = document, document.text
        self.at = 0

    def error(self, what: str) -> InputError:
        mark = _mark(self._document.path, self._text, self.at)
        cut = self.at >= len(self._text)
        return InputError(f"no JSON: {what}", mark=mark, hint="is it cut off?" if cut else None)

    def space(self) -> None:
        self.at = _SPACE.match(self._text, self.at).end()  # type: ignore[union-attr]

    def _next(self, wanted: str) -> str:
        self.space()
        found = self._text[self.at : self.at + 1]
        if not found or found not in wanted:
            raise self.error(f"expected {' or '.join(f'`{c}`' for c in wanted)}")
        self.at += 1
        return found

    def value(self, path: Path, depth: int) -> Any:
        self.space()
        self._document.offsets[path] = self.at
        if depth > _DEPTH:
            raise self.error(f"more than {_DEPTH} levels")
        first = self._text[self.at : self.at + 1]
        if first == "{":
            return self._object(path, depth)
        if first == "[":
            return self._array(path, depth)
        if first == '"':
            return self._string()
        plain = _PLAIN.match(self._text, self.at)
        if plain is None:
            raise self.error("expected a value")
        self.at = plain.end()
        return json.loads(plain[0])

    def _string(self) -> str:
        try:
            found, self.at = _DECODER.raw_decode(self._text, self.at)
        except json.JSONDecodeError as error:
            raise self.error(error.msg[0].lower() + error.msg[1:]) from None
        return str(found)

    def _object(self, path: Path, depth: int) -> Mapping[str, Any]:
        found: dict[str, Any] = {}
        self.at += 1
        self.space()
        if self._text[self.at : self.at + 1] == "}":
            self.at += 1
            return found
        while True:
            self._next('"')
            self.at -= 1
            name = self._string()
            if name in found:
                raise self.error(f"`{name}` stands twice")
            self._next(":")
            found[name] = self.value((*path, name), depth + 1)
            if self._next(",}") == "}":
                return found

    def _array(self, path: Path, depth: int) -> list[Any]:
        found: list[Any] = []
        self.at += 1
        self.space()
        if self._text[self.at : self.at + 1] == "]":
            self.at += 1
            return found
        while True:
            found.append(self.value((*path, len(found)), depth + 1))
            if self._next(",]") == "]":
                return found
