"""What is wrong with a resource, in Calico's words and with the place in the user's file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labgen.calico.resources import Resource
    from labgen.errors import Mark


class Scope(Enum):
    """When Calico refuses it: always, or only at a write because of other resources."""

    ADMISSION = "admission"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Problem:
    """`name` and `value` are Calico's field name and value (None: it shows none).

    `path` is the field as the user writes it, `spec.peerIP`; `hint` what to do about it.
    """

    resource: Resource[Any] = field(repr=False)
    name: str
    value: str | None
    reason: str
    path: str
    mark: Mark
    hint: str | None = None
    scope: Scope = Scope.ADMISSION

    @property
    def detail(self) -> str:
        """`NAME = 'VALUE' (REASON)`, calicoctl's description of one field."""
        shown = self.name if self.value is None else f"{self.name} = '{self.value}'"
        return f"{shown} ({self.reason})"

    @property
    def message(self) -> str:
        text = f"{self.resource.id}: error with field {self.detail}"
        advice = "; ".join(part for part in (self.path, self.hint) if part)
        return f"{' '.join(text.split())} [{advice}]"

    def error(self) -> InputError:
        return InputError(self.message, mark=self.mark)


def calico_message(problems: Sequence[Problem]) -> str:
    """The text of calicoctl's error for one resource (trailing blanks and lines as it prints)."""
    if len(problems) == 1:
        return f"error with field {problems[0].detail}"
    lines = "\n".join(f"-  {problem.detail}" for problem in problems)
    return f"error with the following fields:\n{lines}"


@dataclass(frozen=True, slots=True)
class Report:
    """Makes the problems of one resource."""

    resource: Resource[Any]

    def field(
        self,
        keys: Sequence[str | int],
        name: str,
        value: object,
        reason: str,
        *,
        hint: str | None = None,
        scope: Scope = Scope.ADMISSION,
    ) -> Problem:
        """A rule of Calico's Go code; `keys` lead to the field in the document."""
        path = ""
        for key in keys:
            path += f"[{key}]" if isinstance(key, int) else f".{key}"
        return Problem(
            resource=self.resource,
            name=name,
            value=None if value is None else go_text(value),
            reason=reason,
            path=path.removeprefix("."),
            mark=self.resource.mark(*keys),
            hint=hint,
            scope=scope,
        )

    def tag(
        self, keys: Sequence[str | int], name: str, tag: str, value: object, hint: str
    ) -> Problem:
        """A validator tag of Calico's API structs (the blank at the end is Calico's)."""
        reason = f"Reason: failed to validate Field: {name} because of Tag: {tag} "
        return self.field(keys, name, value, reason, hint=hint)

    def crd(self, message: str, *keys: str | int) -> Problem:
        """A validation rule of the CRD; `keys` lead to the object that carries the rule."""
        place = keys or ("spec",)
        text = ""
        for key in place:
            text += f"[{key}]" if isinstance(key, int) else f".{key}"
        return self.field(place, text.removeprefix("."), None, message)


def go_text(value: object) -> str:
    """A value as Go's %v prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{' '.join(go_text(item) for item in value)}]"
    return str(value)
