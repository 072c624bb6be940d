"""The shape of tmsh text: words and `{ … }` blocks, one object or command after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labgen.bigip import terminal
from labgen.errors import InputError, InputErrors, Mark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PROMPT = re.compile(
    r"\s*(?:\[[^\]\s]*@[^\]]*\]\s\S+\s\#|[\w.-]+@\([^)]*\)(?:\([^)]*\))*\(tmos\)\#)[ \t]*"
)
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[{}]|[^\s{}"]+|"')
_RULE = re.compile(r"\s*(?:tmsh\s+)?(?:create\s+)?ltm\s+rule\s+\S+\s*\{")
_COMMAND = re.compile(r"""\s*tmsh\s+-c\s+(['"])(.*)\1\s*""")
_EDITS = {"add", "delete", "replace-all-with"}
# properties without a value; in one-line output nothing else tells them from the others
_FLAGS = {"blackhole", "vlans-enabled", "vlans-disabled", "dhcp-enabled"}


@dataclass(frozen=True, slots=True)
class Word:
    text: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Block:
    nodes: tuple[Node, ...]
    mark: Mark


Node = Word | Block


@dataclass(frozen=True, slots=True)
class Property:
    """A property's value as words; a block's entries with what their own blocks say in `inner`.

    `edit` is `add`, `delete` or `replace-all-with` where a command changes a list.
    """

    mark: Mark
    words: tuple[str, ...]
    edit: str = ""
    inner: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def lines(text: str, path: str) -> list[tuple[Node, ...]]:
    """The objects and commands of a text. Prompts and `#` comments are left out.

    Raises InputErrors for braces and quotes that do not close.
    """
    reading = _Reading()
    rule = Mark(path, 1, 1)
    depth = 0  # braces open inside an iRule, whose text is Tcl
    for number, copied in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        raw = terminal.shown(copied)
        if depth:
            depth = max(0, depth + _braces(raw))
            continue
        prompt = None if reading.inside else _PROMPT.match(raw)
        start = prompt.end() if prompt else 0
        if raw[start:].lstrip().startswith("#"):
            continue
        tcl = None if reading.inside else _RULE.match(raw, start)
        if tcl is not None:
            depth, rule = max(0, _braces(raw)), Mark(path, number, tcl.start() + 1)
            raw = f"{tcl[0]} }}"
        command = None if reading.inside else _COMMAND.fullmatch(raw, start)
        if command is not None:
            start, raw = command.start(2), raw[: command.end(2)]
        continued = raw.endswith("\\")  # a shell script's line that goes on
        for found in _PIECE.finditer(raw[:-1] if continued else raw, start):
            reading.take(found[0], Mark(path, number, found.start() + 1))
        if not continued:
            reading.end_line()
    if depth:
        raise InputErrors(
            [InputError("the iRule is not closed", mark=rule, hint="is the text cut off?")]
        )
    return reading.end()


def _braces(text: str) -> int:
    """How many braces a line of Tcl leaves open; it counts them in quotes as well."""
    plain = re.sub(r"\\.", "", text)
    return plain.count("{") - plain.count("}")


class _Reading:
    """Nodes so far: finished lines, the open blocks, and the innermost one's nodes."""

    def __init__(self) -> None:
        self._lines: list[tuple[Node, ...]] = []
        self._open: list[tuple[list[Node], Mark]] = []
        self._nodes: list[Node] = []
        self._problems: list[InputError] = []

    @property
    def inside(self) -> bool:
        return bool(self._open)

    def take(self, piece: str, mark: Mark) -> None:
        if piece == "{":
            self._open.append((self._nodes, mark))
            self._nodes = []
        elif piece == "}" and not self._open:
            self._problems.append(InputError("`}` closes nothing", mark=mark))
        elif piece == "}":
            outer, opened = self._open.pop()
            outer.append(Block(tuple(self._nodes), opened))
            self._nodes = outer
        elif piece == '"':
            self._problems.append(InputError("the quote is not closed", mark=mark))
        else:
            self._nodes.append(Word(piece[1:-1] if piece[0] == '"' else piece, mark))

    def end_line(self) -> None:
        if not self._open and self._nodes:
            self._lines.append(tuple(self._nodes))
            self._nodes = []

    def end(self) -> list[tuple[Node, ...]]:
        if self._open:
            hint = "is the text cut off?"
            self._problems.append(
                InputError("`{` is not closed", mark=self._open[-1][1], hint=hint)
            )
        if self._problems:
            raise InputErrors(self._problems)
        return self._lines


def properties(nodes: Sequence[Node]) -> dict[str, Property]:
    """Names and values, of an object's block or of a command's words."""
    found: dict[str, Property] = {}
    at = 0
    while at < len(nodes):
        name = nodes[at]
        at += 1
        if isinstance(name, Block):
            raise InputError("a block without a name", mark=name.mark)
        value, at = _value(name, nodes, at)
        found[name.text] = value
    return found


def _value(name: Word, nodes: Sequence[Node], at: int) -> tuple[Property, int]:
    node = nodes[at] if at < len(nodes) else None
    if node is None or name.text in _FLAGS:
        return Property(name.mark, ()), at
    if isinstance(node, Block):
        return _listed(node), at + 1
    if node.mark.line != name.mark.line:
        return Property(name.mark, ()), at
    following = nodes[at + 1] if at + 1 < len(nodes) else None
    if node.text in _EDITS and isinstance(following, Block):
        listed = _listed(following)
        return Property(listed.mark, listed.words, node.text, listed.inner), at + 2
    return Property(node.mark, (node.text,)), at + 1


def _listed(block: Block) -> Property:
    words: list[str] = []
    inner: dict[str, tuple[str, ...]] = {}
    for node in block.nodes:
        if isinstance(node, Word):
            words.append(node.text)
        elif words:
            inner[words[-1]] = tuple(n.text for n in node.nodes if isinstance(n, Word))
    return Property(block.mark, tuple(words), "", inner)
