"""A value of a declaration with its JSON path and its place; and a tmsh entry made from one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labgen.bigip.tmsh_tree import Entry
from labgen.errors import InputError

if TYPE_CHECKING:
    from labgen.bigip.json_marks import Document, Path
    from labgen.errors import Mark


@dataclass(frozen=True, slots=True)
class Value:
    """`str()` is its path, as in `/Tenant/app/pool/members/0`."""

    document: Document
    path: Path
    value: Any

    def __str__(self) -> str:
        return "/" + "/".join(map(str, self.path))

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def __getitem__(self, key: str | int) -> Value:
        """A value below this one. Raises InputError when it is not there."""
        found = self.value
        if isinstance(found, dict) and key in found:
            return Value(self.document, (*self.path, key), found[key])
        if isinstance(found, list) and isinstance(key, int) and key < len(found):
            return Value(self.document, (*self.path, key), found[key])
        raise self.error(f"`{key}` is missing")

    @property
    def name(self) -> str:
        return str(self.path[-1]) if self.path else ""

    @property
    def kind(self) -> str:
        """Its `class`; empty for what has none."""
        found = self.value.get("class") if isinstance(self.value, dict) else None
        return found if isinstance(found, str) else ""

    @property
    def mark(self) -> Mark:
        return self.document.mark(self.path)

    def names(self) -> tuple[str, ...]:
        return tuple(self.value) if isinstance(self.value, dict) else ()

    def items(self, key: str) -> tuple[Value, ...]:
        """The values of a list below it; none when it is not there. Raises InputError."""
        if key not in self:
            return ()
        found = self[key]
        if not isinstance(found.value, list):
            raise found.error("must be a list")
        return tuple(found[i] for i in range(len(found.value)))

    def text(self) -> str:
        """Raises InputError for anything but a text."""
        if not isinstance(self.value, str):
            raise self.error("must be a text")
        return self.value

    def number(self) -> int:
        """Raises InputError for anything but a whole number."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.error("must be a whole number")
        return self.value

    def error(self, text: str, hint: str | None = None) -> InputError:
        return InputError(f"{self}: {text}", mark=self.mark, hint=hint)


def entry(value: Value, name: str, *words: str) -> Entry:
    """A tmsh property that stands for a value of the declaration."""
    return Entry(name, value.mark, words)
