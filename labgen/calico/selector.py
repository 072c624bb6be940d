"""Calico's label selectors.

Grammar (projectcalico.org/v3, "Selectors"): `||` binds weaker than `&&`, which binds weaker than
`!`; operations are `has(k)`, `all()`, `global()`, `k == 'v'`, `k != 'v'`, `k in {'a', 'b'}`,
`k not in {…}`, `k contains 's'`, `k starts with 's'`, `k ends with 's'`. Literals stand in single
or double quotes, without escapes. `!=` and `not in` are true where the label is absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Predicate = Callable[[Mapping[str, str]], bool]

MAX_LABEL = 512
_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<operator>\|\||&&|==|!=|!|\(|\)|\{|\}|,)
    | (?P<text>'[^']*'|"[^"]*")
    | (?P<word>[A-Za-z0-9_./-]+)
    )""",
    re.VERBOSE,
)
_SPACE = re.compile(r"[ \t\r\n]*\Z")
_NO_ARGUMENT = re.compile(r"\s*\(\s*\)")


class SelectorError(ValueError):
    """A text that is no selector; `position` counts characters from 1."""

    def __init__(self, text: str, position: int, wanted: str) -> None:
        found = f"'{text[position - 1 :][:20]}'" if position <= len(text) else "its end"
        super().__init__(
            f"selector `{text}`: character {position}: expected {wanted}, found {found}"
        )
        self.position = position


@dataclass(frozen=True, slots=True)
class Selector:
    """A parsed selector; `text` is what was parsed."""

    text: str
    predicate: Predicate

    def matches(self, labels: Mapping[str, str]) -> bool:
        return self.predicate(labels)


@lru_cache(maxsize=1024)
def parse(text: str) -> Selector:
    """Parse `text`; the empty selector matches everything. Raises SelectorError."""
    if not text.strip():
        return Selector(text, lambda _: True)
    parser = _Parser(text)
    predicate = parser.either()
    if _SPACE.match(text, parser.position) is None:
        raise parser.wrong("`&&`, `||` or the end")
    return Selector(text, predicate)


@dataclass(slots=True)
class _Parser:
    """Recursive descent over `text`, one method for each level of the grammar."""

    text: str
    position: int = 0
    depth: int = 0

    def wrong(self, wanted: str) -> SelectorError:
        blank = re.compile(r"[ \t\r\n]*").match(self.text, self.position)
        assert blank is not None
        return SelectorError(self.text, blank.end() + 1, wanted)

    def token(self, group: str) -> str | None:
        """The next token if it is of that group; it is consumed."""
        found = _TOKEN.match(self.text, self.position)
        if found is None or found[group] is None:
            return None
        self.position = found.end()
        return found[group]

    def operator(self, *wanted: str) -> str | None:
        found = _TOKEN.match(self.text, self.position)
        if found is None or found["operator"] not in wanted:
            return None
        self.position = found.end()
        return found["operator"]

    def either(self) -> Predicate:
        parts = [self.both()]
        while self.operator("||"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda labels: any(p(labels) for p in parts)

    def both(self) -> Predicate:
        parts = [self.operation()]
        while self.operator("&&"):
            parts.append(self.operation())
        return parts[0] if len(parts) == 1 else lambda labels: all(p(labels) for p in parts)

    def operation(self) -> Predicate:
        self.depth += 1
        if self.depth > 100:
            raise self.wrong("less nesting")
        try:
            if self.operator("!"):
                inner = self.operation()
                return lambda labels: not inner(labels)
            if self.operator("("):
                inner = self.either()
                if not self.operator(")"):
                    raise self.wrong("`)`")
                return inner
            return self.leaf()
        finally:
            self.depth -= 1

    def leaf(self) -> Predicate:
        start = self.position
        word = self.token("word")
        if word is None:
            raise self.wrong("a label name, `has(`, `all()`, `!` or `(`")
        if len(word) > MAX_LABEL:
            self.position = start
            raise self.wrong(f"a label of at most {MAX_LABEL} characters")
        if word in ("all", "global"):
            empty = _NO_ARGUMENT.match(self.text, self.position)
            if empty:
                self.position = empty.end()
                return lambda _: True
        if word == "has" and self.operator("("):
            label = self.token("word")
            if label is None or not self.operator(")"):
                raise self.wrong("a label name and `)`")
            return lambda labels: label in labels
        return self.comparison(word)

    def comparison(self, label: str) -> Predicate:
        symbol = self.operator("==", "!=")
        if symbol:
            value = self.literal()
            if symbol == "==":
                return lambda labels: labels.get(label) == value
            return lambda labels: labels.get(label) != value
        word = self.word_operator()
        if word in ("in", "notin"):
            values = self.values()
            if word == "in":
                return lambda labels: labels.get(label) in values
            return lambda labels: labels.get(label) not in values
        value = self.literal()
        if word == "contains":
            return lambda labels: value in labels.get(label, "") and label in labels
        if word == "startswith":
            return lambda labels: labels.get(label, "").startswith(value) and label in labels
        return lambda labels: labels.get(label, "").endswith(value) and label in labels

    def word_operator(self) -> str:
        """`in`, `not in`, `contains`, `starts with`, `ends with`; inner blanks are optional."""
        found = re.compile(
            r"\s*(?:(in)|(not)\s*(in)|(contains)|(starts)\s*(with)|(ends)\s*(with))"
        ).match(self.text, self.position)
        if found is None:
            raise self.wrong("`==`, `!=`, `in`, `not in`, `contains`, `starts with` or `ends with`")
        self.position = found.end()
        return "".join(group for group in found.groups() if group)

    def values(self) -> frozenset[str]:
        if not self.operator("{"):
            raise self.wrong("`{`")
        values: set[str] = set()
        if self.operator("}"):
            return frozenset()
        while True:
            values.add(self.literal())
            if self.operator("}"):
                return frozenset(values)
            if not self.operator(","):
                raise self.wrong("`,` or `}`")

    def literal(self) -> str:
        text = self.token("text")
        if text is None:
            raise self.wrong("a text in quotes")
        return text[1:-1]
