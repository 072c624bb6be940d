"""Kubernetes label selectors: those of objects (`matchLabels`) and those of `kubectl -l`.

Kubernetes' grammar differs from Calico's (`labgen.calico.selector`): see the Kubernetes docs,
"Labels and Selectors". As there, `!=` and `notin` hold where the label is absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labgen.errors import Mark


class Operator(Enum):
    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


_SIGN = {Operator.IN: "in", Operator.NOT_IN: "notin"}
# apimachinery `validation`: a name of up to 63 characters, behind an optional DNS prefix
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_PREFIX = r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?"
_KEY = rf"(?:{_PREFIX}/)?{_NAME}"
_VALUE = rf"(?:{_NAME})?"
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s*\(([^()]*)\)\Z")
_EQUALITY = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})\Z")
_EXISTENCE = re.compile(rf"(!?)\s*({_KEY})\Z")
_BETWEEN = re.compile(r",(?![^()]*\))")


RFC_1123 = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character"
)


def is_dns_label(text: str) -> bool:
    """RFC 1123: what a namespace or a container may be called."""
    return re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", text) is not None


def is_key(text: str) -> bool:
    return re.fullmatch(_KEY, text) is not None


def is_value(text: str) -> bool:
    return re.fullmatch(_VALUE, text) is not None


def check_labels(labels: Mapping[str, str], mark: Callable[[str], Mark | None]) -> None:
    """Raise InputError for a label that the API server would refuse; `mark` says where a key is."""
    for key, value in labels.items():
        if not is_key(key):
            raise InputError(f"`{key}` is not a valid label key", mark=mark(key))
        if not is_value(value):
            raise InputError(
                f"label {key}: `{value}` is not a valid label value",
                mark=mark(key),
                hint="up to 63 letters, digits, `-`, `_`, `.`, a letter or digit at both ends",
            )


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.operator is Operator.IN:
            return labels.get(self.key) in self.values
        if self.operator is Operator.NOT_IN:
            return self.key not in labels or labels[self.key] not in self.values
        return (self.key in labels) is (self.operator is Operator.EXISTS)

    def __str__(self) -> str:
        if self.operator in _SIGN:
            if len(self.values) == 1:
                return f"{self.key}{'=' if self.operator is Operator.IN else '!='}{self.values[0]}"
            return f"{self.key} {_SIGN[self.operator]} ({','.join(sorted(self.values))})"
        return self.key if self.operator is Operator.EXISTS else f"!{self.key}"


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Requirements that must all hold; none of them selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    @property
    def match_labels(self) -> dict[str, str]:
        """The requirements that ask for one value of a label."""
        return {
            item.key: item.values[0]
            for item in self.requirements
            if item.operator is Operator.IN and len(item.values) == 1
        }

    def __str__(self) -> str:
        """As kubectl's SELECTOR column prints it."""
        return ",".join(str(item) for item in self.requirements)


def selector_of(labels: Mapping[str, str]) -> LabelSelector:
    """The selector that `matchLabels` means."""
    return LabelSelector(
        tuple(Requirement(key, Operator.IN, (labels[key],)) for key in sorted(labels))
    )


def parse(text: str) -> LabelSelector:
    """What `kubectl -l TEXT` selects. Raises InputError for text that is no selector."""
    return LabelSelector(tuple(_requirement(part.strip(), text) for part in _BETWEEN.split(text)))


def _requirement(part: str, whole: str) -> Requirement:
    if found := _SET.match(part):
        key, word, values = found.groups()
        operator = Operator.IN if word == "in" else Operator.NOT_IN
        return Requirement(key, operator, tuple(value.strip() for value in values.split(",")))
    if found := _EQUALITY.match(part):
        key, sign, value = found.groups()
        return Requirement(key, Operator.NOT_IN if sign == "!=" else Operator.IN, (value,))
    if found := _EXISTENCE.match(part):
        absent, key = found.groups()
        return Requirement(key, Operator.DOES_NOT_EXIST if absent else Operator.EXISTS)
    raise InputError(
        f'unable to parse the label selector "{whole}" at "{part}"',
        hint="write k=v, k!=v, k, !k or k in (a,b), with commas between",
    )
