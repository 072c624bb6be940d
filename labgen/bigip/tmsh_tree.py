"""tmsh objects as trees: read from `list` output or commands, edited by commands, printed back.

One shape for all modules: a component (`ltm pool`, `ltm monitor http`, `net self`), a name, and
entries of a name with words or with a block. What it means is for `tmsh` and `ltm` to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from labgen.bigip.lockdown import port_number
from labgen.bigip.tmsh_text import Block, Word, lines
from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labgen.bigip.tmsh_text import Node
    from labgen.errors import Mark

# blocks whose entries are names (of members, of VLANs); every other block's are properties
LISTS = frozenset({
    "members", "vlans", "interfaces", "routing-protocol", "allow-service", "profiles", "rules",
    "persist", "policies",
})  # fmt: skip
# properties without a value; in one-line output nothing else tells them from the others
FLAGS = frozenset({
    "blackhole", "vlans-enabled", "vlans-disabled", "dhcp-enabled", "enabled", "disabled",
    "ip-forward", "l2-forward", "reject",
})  # fmt: skip
EDITS = frozenset({"add", "delete", "modify", "replace-all-with"})
SILENT = frozenset({
    "show", "save", "load", "cd", "quit", "exit", "run", "restart", "start", "stop", "help",
})  # fmt: skip
VERBS = frozenset({"create", "modify", "list", "delete", *SILENT})
_TYPED = {"ltm monitor", "ltm profile", "ltm persistence"}  # a third word belongs to the component
_COMMON = "/Common/"


@dataclass(frozen=True, slots=True)
class Entry:
    """A property (`words` or `body` is its value) or a name in a list. `edit`: in commands."""

    name: str
    mark: Mark
    words: tuple[str, ...] = ()
    body: tuple[Entry, ...] | None = None
    edit: str = ""

    @property
    def word(self) -> str:
        """The first word of its value, or nothing."""
        return self.words[0] if self.words else ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its words, or the names in its block."""
        return self.words if self.body is None else tuple(entry.name for entry in self.body)


@dataclass(frozen=True, slots=True)
class Item:
    """An object: `component` is as tmsh writes it, `name` without the folder `/Common/`."""

    component: str
    name: str
    mark: Mark
    body: tuple[Entry, ...] = ()

    def get(self, name: str) -> Entry | None:
        return next((entry for entry in self.body if entry.name == name), None)


Key = tuple[str, str]


@dataclass
class Tree:
    """Objects by component and name, in the order in which they were made."""

    items: dict[Key, Item] = field(default_factory=dict)

    def of(self, component: str) -> Iterator[Item]:
        return (item for key, item in self.items.items() if key[0] == component)

    def text(self) -> str:
        """As a text that reads back as the same."""
        return "".join(f"{line}\n" for item in self.items.values() for line in shown(item))


@dataclass(frozen=True, slots=True)
class Command:
    """A verb with its object; a `list` of an object that has a body says that it is there."""

    verb: str
    item: Item


def read(text: str, path: str) -> Tree:
    """Every object of a text after all of its commands. Raises InputErrors, by line."""
    tree, problems = Tree(), []
    for line in lines(text, path):
        try:
            command = understood(line)
            if command is not None:
                apply(tree, command, strict=False)
        except InputError as error:
            problems.append(error)
    if problems:
        raise InputErrors(problems)
    return tree


def understood(line: Sequence[Node]) -> Command | None:
    """What a line says; None for one that configures nothing. Raises InputError."""
    nodes = [n for n in line if isinstance(n, Block) or n.text not in {"tmsh", "-c"}]
    first = nodes[0] if nodes else None
    verb = first.text if isinstance(first, Word) and first.text in VERBS else "list"
    nodes = nodes[1:] if isinstance(first, Word) and first.text in VERBS else nodes
    if verb in SILENT or (verb == "list" and not any(isinstance(n, Block) for n in nodes)):
        return None
    item = item_of(nodes)
    if item is None and isinstance(nodes[0], Word) and nodes[0].text == "ltm":
        raise InputError("an `ltm` object without a name", mark=nodes[0].mark,
                         hint="is the text cut off?")  # fmt: skip
    return Command(verb, item) if item is not None else None


def item_of(nodes: Sequence[Node]) -> Item | None:
    """`ltm pool web { … }` or `ltm pool web monitor http`. Raises InputError."""
    words = [n.text for n in _leading(nodes)]
    length = 3 if " ".join(words[:2]) in _TYPED else 2
    if len(words) <= length:
        return None
    rest = nodes[length + 1 :]
    alone = len(rest) == 1 and isinstance(rest[0], Block)
    body = entries(rest[0].nodes if alone and isinstance(rest[0], Block) else rest)
    return Item(" ".join(words[:length]), bare(words[length]), nodes[0].mark, body)


def _leading(nodes: Sequence[Node]) -> Iterator[Word]:
    for node in nodes:
        if isinstance(node, Block):
            return
        yield node


def apply(tree: Tree, command: Command, *, strict: bool = True) -> None:
    """Do what a command says. `strict`: as on a BIG-IP, an object must (or must not) be there.

    Without it a text of several outputs may say an object twice. Raises InputError.
    """
    item = command.item
    key = (item.component, item.name)
    there = tree.items.get(key)
    if command.verb == "delete":
        tree.items.pop(key, None)
    elif there is None:
        if command.verb == "modify" and strict:
            raise InputError(f"no {item.component} {item.name}", mark=item.mark)
        tree.items[key] = replace(item, body=_edited((), item.body))
    else:
        tree.items[key] = replace(there, body=_edited(there.body, item.body))


def _edited(before: Sequence[Entry], changes: Sequence[Entry]) -> tuple[Entry, ...]:
    """Properties after a command: lists are edited, everything else is replaced."""
    found = {entry.name: entry for entry in before}
    for change in changes:
        for other in _CONTRARY.get(change.name, ()):
            found.pop(other, None)
        if change.edit:
            old = found.get(change.name)
            body = _listed(old.body or () if old else (), change)
            found[change.name] = replace(change, body=body, edit="", words=())
        elif change.body is not None and change.name not in LISTS:
            old = found.get(change.name)
            body = _edited(old.body or () if old else (), change.body)
            found[change.name] = replace(change, body=body)
        else:
            found[change.name] = change
    return tuple(found.values())


_CONTRARY = {
    "enabled": ("disabled",),
    "disabled": ("enabled",),
    "vlans-enabled": ("vlans-disabled",),
    "vlans-disabled": ("vlans-enabled",),
}


def _listed(before: Sequence[Entry], change: Entry) -> tuple[Entry, ...]:
    """A list after `add`, `delete`, `modify` or `replace-all-with`. Raises InputError."""
    found = {_key(e.name): e for e in before if e.name != "none"}
    body = change.body or ()
    if change.edit == "replace-all-with":
        return body
    for entry in body:
        key = _key(entry.name)
        old = found.get(key)
        if change.edit == "delete":
            found.pop(key, None)
        elif change.edit == "modify" and old is None:
            raise InputError(f"{change.name}: no `{entry.name}` to modify", mark=entry.mark)
        else:
            inner = _edited(old.body or () if old else (), entry.body or ())
            found[key] = replace(old or entry, body=inner or entry.body)
    return tuple(found.values())


def _key(name: str) -> str:
    """One for all spellings: `/Common/10.0.0.1:http` and `10.0.0.1:80`, `tcp:bgp` and `tcp:179`."""
    plain = bare(name)
    head, separator, port = plain.rpartition("." if plain.count(":") > 1 else ":")
    try:
        return f"{head}{separator}{port_number(port)}" if separator else plain
    except ValueError:
        return plain


def entries(nodes: Sequence[Node], *, listed: bool = False) -> tuple[Entry, ...]:
    """A block's contents. Raises InputError for a block that nothing names."""
    found, at = [], 0
    while at < len(nodes):
        name = nodes[at]
        if isinstance(name, Block):
            raise InputError("a block without a name", mark=name.mark)
        entry, at = _entry(name, nodes, at + 1, listed=listed)
        found.append(entry)
    return tuple(found)


def _entry(name: Word, nodes: Sequence[Node], at: int, *, listed: bool) -> tuple[Entry, int]:
    node = nodes[at] if at < len(nodes) else None
    if isinstance(node, Block):
        body = entries(node.nodes, listed=not listed and name.text in LISTS)
        return Entry(name.text, name.mark, body=body), at + 1
    if node is None or listed or name.text in FLAGS or node.mark.line != name.mark.line:
        return Entry(name.text, name.mark), at
    following = nodes[at + 1] if at + 1 < len(nodes) else None
    if node.text in EDITS and isinstance(following, Block):
        body = entries(following.nodes, listed=True)
        return Entry(name.text, name.mark, body=body, edit=node.text), at + 2
    return _words(name, nodes, at)


def _words(name: Word, nodes: Sequence[Node], at: int) -> tuple[Entry, int]:
    """A value of words: one, `a and b and c`, or `min 1 of { a b }`."""
    texts = [n.text if isinstance(n, Word) else "" for n in nodes]
    words = [texts[at]]
    at += 1
    if name.text == "monitor" and words == ["min"] and texts[at + 1 : at + 2] == ["of"]:
        block = nodes[at + 2] if at + 2 < len(nodes) else None
        if isinstance(block, Block):
            inner = tuple(n.text for n in block.nodes if isinstance(n, Word))
            return Entry(name.text, name.mark, ("min", texts[at], "of", *inner)), at + 3
    while name.text == "monitor" and texts[at : at + 1] == ["and"] and at + 1 < len(texts):
        words += texts[at : at + 2]
        at += 2
    return Entry(name.text, name.mark, tuple(words)), at


def bare(name: str) -> str:
    """A name without the folder that tmsh leaves out as well."""
    return name.removeprefix(_COMMON)


def shown(item: Item, *, one_line: bool = False) -> list[str]:
    """As `tmsh list` prints it: properties in alphabetical order, four columns for each block."""
    head = f"{item.component} {quoted(item.name)}"
    body = sorted(item.body, key=lambda entry: entry.name)
    if one_line:
        inner = " ".join(_one_line(body))
        return [f"{head} {{ {inner} }}" if inner else f"{head} {{ }}"]
    return [f"{head} {{ }}"] if not body else [f"{head} {{", *_block(body, 1), "}"]


def _block(body: Iterable[Entry], depth: int) -> Iterator[str]:
    space = "    " * depth
    for entry in body:
        if entry.body is None:
            yield space + " ".join((quoted(entry.name), *_value(entry)))
        elif entry.body:
            yield f"{space}{quoted(entry.name)} {{"
            yield from _block(entry.body, depth + 1)
            yield f"{space}}}"
        else:
            yield f"{space}{quoted(entry.name)} {{ }}"


def _one_line(body: Iterable[Entry]) -> Iterator[str]:
    for entry in body:
        if entry.body is None:
            yield " ".join((quoted(entry.name), *_value(entry)))
        else:
            yield " ".join((quoted(entry.name), "{", *_one_line(entry.body), "}"))


def _value(entry: Entry) -> tuple[str, ...]:
    if entry.words[:1] == ("min",) and entry.name == "monitor" and len(entry.words) > 3:
        return (*entry.words[:3], "{", *entry.words[3:], "}")
    return tuple(quoted(word) for word in entry.words)


def quoted(word: str) -> str:
    """In quotes where tmsh needs them."""
    return f'"{word}"' if not word or re.search(r'[\s{}#"]', word) else word
