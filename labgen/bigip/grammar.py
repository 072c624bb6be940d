"""The pattern language in which ZebOS commands are written down, and its matcher.

A pattern is a line of words:

    neighbor <peer:peer> ebgp-multihop [{hops:1-255}]

`word` is a keyword, `<name:type>` a parameter that says *which* object a statement sets,
`{name:type}` a parameter that says *to what*, and `[…]` may be left out. Two statements with the
same keywords and the same `<…>` parameters set the same thing, so the later one replaces the
earlier, and `no` may stop before the first `{…}`. A type is one of `TYPES`, a range such as
`1-255`, or words joined by `|`. Keywords may be abbreviated, as in imish.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from labgen.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_ASN = 4_294_967_295  # RFC 6793 section 3


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line; `column` counts from 1."""

    text: str
    column: int


@dataclass(frozen=True, slots=True)
class Keyword:
    text: str


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str
    identifies: bool


@dataclass(frozen=True, slots=True)
class Optional:
    body: tuple[Part, ...]


Part = Keyword | Parameter | Optional
Value = str | Secret


@dataclass(frozen=True, slots=True)
class Match:
    """A line that fits: canonical `words`, parameter `values`, and how closely it fitted."""

    words: tuple[Value, ...]
    values: Mapping[str, Value]
    closeness: int


@dataclass(frozen=True, slots=True)
class Miss:
    """A line that does not fit: the word (from 0) where it stops fitting, and what would have."""

    at: int
    expected: str


def _is_address(text: str, version: int | None = None) -> bool:
    try:
        return version in (None, ipaddress.ip_address(text).version)
    except ValueError:
        return False


def _is_prefix(text: str, version: int | None = None) -> bool:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "/" in text and version in (None, network.version)


def _is_peer(text: str) -> bool:
    if _is_address(text):
        return True
    return not re.fullmatch(r"[\d.:/]+", text) and ":" not in text


def _is_asn(text: str) -> bool:
    if not re.fullmatch(r"\d{1,10}(\.\d{1,5})?", text):
        return False
    return 1 <= asn(text) <= MAX_ASN


def asn(text: str) -> int:
    """An AS number, plain or in asdot (RFC 5396)."""
    high, dot, low = text.partition(".")
    return (int(high) << 16) + int(low) if dot else int(text)


def _matches(expression: str) -> Callable[[str], bool]:
    compiled = re.compile(expression)
    return lambda text: compiled.fullmatch(text) is not None


_COMMUNITY = r"\d+:\d+|\d+|internet|local-AS|no-export|no-advertise|additive|none|graceful-shutdown"
TYPES: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "word": (lambda _: True, "a word"),
    "secret": (lambda _: True, "a password"),
    "line": (lambda _: True, "text"),
    "ip4": (lambda text: _is_address(text, 4), "an IPv4 address"),
    "ip6": (lambda text: _is_address(text, 6), "an IPv6 address"),
    "ip": (_is_address, "an IP address"),
    "mask": (lambda text: _is_address(text, 4), "a mask such as 255.255.255.0"),
    "prefix4": (lambda text: _is_prefix(text, 4), "a prefix such as 10.0.0.0/8"),
    "prefix6": (lambda text: _is_prefix(text, 6), "a prefix such as fd00::/64"),
    "prefix": (_is_prefix, "a prefix"),
    "network4": (
        lambda text: _is_prefix(text, 4) or _is_address(text, 4),
        "a prefix such as 10.0.0.0/8",
    ),
    "peer": (_is_peer, "a neighbor's address or a peer group's name"),
    "group": (lambda text: not _is_address(text), "a peer group's name"),
    "metric-change": (_matches(r"[+-]\d{1,10}"), "a change such as +5"),
    "asn": (_is_asn, f"an AS number (1-{MAX_ASN})"),
    "communities": (_matches(_COMMUNITY), "communities such as 64512:100"),
    "asns": (_is_asn, "AS numbers"),
    "interface": (_matches(r"[\w./-]+"), "a VLAN's name"),
    "distance": (_matches(r"[1-9]\d?|1\d\d|2[0-4]\d|25[0-5]"), "a distance (1-255)"),
}
# types that take every word up to the end of the line
_GREEDY = {"line", "communities", "asns", "secret"}
_RANGE = re.compile(r"(\d+)-(\d+)")
_TOKEN = re.compile(r"\[|\]|<[^>]+>|\{[^}]+\}|[^\s\[\]]+")


@cache
def compile_pattern(pattern: str) -> tuple[Part, ...]:
    """The parts of a pattern. Raises ValueError for a pattern that is not well formed."""
    tokens = _TOKEN.findall(pattern)
    parts, rest = _compile(tokens, 0)
    if rest != len(tokens):
        raise ValueError(f"unbalanced pattern: {pattern}")
    return parts


def _compile(tokens: list[str], at: int) -> tuple[tuple[Part, ...], int]:
    parts: list[Part] = []
    while at < len(tokens) and tokens[at] != "]":
        piece = tokens[at]
        if piece == "[":
            body, at = _compile(tokens, at + 1)
            if at >= len(tokens):
                raise ValueError("`[` is not closed")
            parts.append(Optional(body))
        elif piece[0] in "<{":
            name, _, kind = piece[1:-1].partition(":")
            parts.append(Parameter(name, kind, piece[0] == "<"))
        else:
            parts.append(Keyword(piece))
        at += 1
    return tuple(parts), at


def keywords(pattern: str) -> str:
    """The mandatory keywords of a pattern, which name its command: `neighbor remote-as`."""
    return " ".join(p.text for p in compile_pattern(pattern) if isinstance(p, Keyword))


def identifiers(pattern: str) -> tuple[str, ...]:
    """The names of the `<…>` parameters of a pattern, in order."""
    return tuple(_identifiers(compile_pattern(pattern)))


def _identifiers(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, Parameter) and part.identifies:
            yield part.name
        elif isinstance(part, Optional):
            yield from _identifiers(part.body)


@dataclass(frozen=True, slots=True)
class _State:
    at: int
    words: tuple[Value, ...] = ()
    values: tuple[tuple[str, Value], ...] = ()
    closeness: int = 0


def match(pattern: str, line: tuple[Word, ...], *, negated: bool = False) -> Match | Miss:
    """Fit a line to a pattern; `negated` lets it stop before the first `{…}` parameter."""
    misses: list[Miss] = []
    for state, done in _walk(compile_pattern(pattern), _State(0), line, negated, misses):
        if state.at == len(line):
            return Match(state.words, dict(state.values), state.closeness)
        if done:
            misses.append(Miss(state.at, "the end of the line"))
    furthest = max(miss.at for miss in misses)
    expected = dict.fromkeys(miss.expected for miss in misses if miss.at == furthest)
    return Miss(furthest, " or ".join(expected))


END = "<cr>"


def following(pattern: str, line: tuple[Word, ...]) -> tuple[str, ...]:
    """What may come after the words of a line; `END` where the command may end there."""
    misses: list[Miss] = []
    ends = [
        state
        for state, done in _walk(compile_pattern(pattern), _State(0), line, False, misses)
        if done and state.at == len(line)
    ]
    expected = [miss.expected for miss in misses if miss.at == len(line)]
    words = [word.strip("`") for text in expected for word in text.split(" or ")]
    return tuple(dict.fromkeys([*words, *([END] if ends else [])]))


def _walk(
    parts: tuple[Part, ...],
    state: _State,
    line: tuple[Word, ...],
    negated: bool,
    misses: list[Miss],
) -> Iterator[tuple[_State, bool]]:
    """Every way in which `parts` fit; the flag says that the whole pattern was used."""
    if not parts:
        yield state, True
        return
    part, rest = parts[0], parts[1:]
    if isinstance(part, Optional):
        for inner, whole in _walk(part.body, state, line, negated, misses):
            if whole:
                yield from _walk(rest, inner, line, negated, misses)
            else:
                yield inner, False
        yield from _walk(rest, state, line, negated, misses)
        return
    if state.at == len(line) and negated and not _still_identifies(parts):
        yield state, False
        return
    following = _take(part, state, line)
    if isinstance(following, Miss):
        misses.append(following)
        return
    yield from _walk(rest, following, line, negated, misses)


def _still_identifies(parts: tuple[Part, ...]) -> bool:
    """Whether what is left says which object is meant (keywords before a value need not be said).

    A bare keyword is needed as well when nothing but keywords is left: `no neighbor X shutdown`
    is not `no neighbor X`.
    """
    if any(isinstance(p, Parameter) and p.identifies for p in parts):
        return True
    return not isinstance(parts[0], Parameter)


def _take(part: Keyword | Parameter, state: _State, line: tuple[Word, ...]) -> _State | Miss:
    expected = _describe(part)
    if state.at >= len(line):
        return Miss(state.at, expected)
    text = line[state.at].text
    if isinstance(part, Keyword):
        if not part.text.lower().startswith(text.lower()):
            return Miss(state.at, expected)
        exact = 3 if part.text.lower() == text.lower() else 2
        return _State(
            state.at + 1, (*state.words, part.text), state.values, state.closeness + exact
        )
    return _take_parameter(part, state, line, expected)


def _take_parameter(
    part: Parameter, state: _State, line: tuple[Word, ...], expected: str
) -> _State | Miss:
    greedy = part.type in _GREEDY
    texts = [word.text for word in (line[state.at :] if greedy else line[state.at : state.at + 1])]
    values = [_value(part.type, text) for text in texts]
    if None in values:
        return Miss(state.at + values.index(None), expected)
    text = " ".join(value for value in values if value is not None)
    value: Value = Secret(text) if part.type == "secret" else text
    return _State(
        state.at + len(texts),
        (*state.words, value),
        (*state.values, (part.name, value)),
        state.closeness + (0 if greedy else 1),
    )


def _value(kind: str, text: str) -> str | None:
    """The canonical text of a parameter, or None where it does not fit."""
    bounds = _RANGE.fullmatch(kind)
    if bounds:
        low, high = int(bounds[1]), int(bounds[2])
        return text if re.fullmatch(r"\d{1,10}", text) and low <= int(text) <= high else None
    if kind in TYPES:
        return text if TYPES[kind][0](text) else None
    choices = kind.split("|")
    fits = [c for c in choices if c.lower() == text.lower()] or [
        c for c in choices if c.lower().startswith(text.lower())
    ]
    return fits[0] if len(fits) == 1 else None


def _describe(part: Keyword | Parameter) -> str:
    if isinstance(part, Keyword):
        return f"`{part.text}`"
    if _RANGE.fullmatch(part.type):
        return f"a number from {part.type.replace('-', ' to ')}"
    if part.type in TYPES:
        return TYPES[part.type][1]
    return " or ".join(f"`{choice}`" for choice in part.type.split("|"))


def render(template: str, values: Mapping[str, Value]) -> tuple[Value, ...]:
    """The words of a template in the same language: `[…]` is left out when a value is missing."""
    words: list[Value] = []
    for part in compile_pattern(template):
        if isinstance(part, Keyword):
            words.append(part.text)
        elif isinstance(part, Parameter):
            words.append(values[part.name])
        elif all(isinstance(p, Keyword) or _name(p) in values for p in part.body):
            words.extend(p.text if isinstance(p, Keyword) else values[_name(p)] for p in part.body)
    return tuple(words)


def _name(part: Part) -> str:
    if not isinstance(part, Parameter):
        raise TypeError("an optional part of a template holds keywords and parameters only")
    return part.name
