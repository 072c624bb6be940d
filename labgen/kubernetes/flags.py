"""Command lines as Go's pflag reads them: `--flag=value`, `--flag value`, `-n=value`, `-it`, `--`.

A flag that a command of the real tool may have, but this one does not cover, is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from labgen.kubernetes.errors import KubectlError


class Takes(Enum):
    """What a flag wants behind it. A switch may have `=true` or `=false`, never a next word."""

    SWITCH = "switch"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag by its long name. `aside`: what an optional value is where none is written."""

    name: str
    short: str = ""
    takes: Takes = Takes.VALUE
    aside: str | None = None


def switch(name: str, short: str = "") -> Flag:
    return Flag(name, short, Takes.SWITCH)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A command line taken apart. `rest` is what stands behind `--`, None where there is no `--`.

    `values` has every value of each flag in order; a switch has "true" or "false".
    """

    words: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rest: tuple[str, ...] | None = None

    def on(self, name: str) -> bool:
        return self.values.get(name, ("false",))[-1] == "true"

    def value(self, name: str, default: str = "") -> str:
        return self.values.get(name, (default,))[-1]

    def all(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())


def parse(argv: Sequence[str], flags: Sequence[Flag], command: str) -> Parsed:
    """Take `argv` apart. `command` is for messages. Raises KubectlError."""
    longs = {flag.name: flag for flag in flags}
    shorts = {flag.short: flag for flag in flags if flag.short}
    words: list[str] = []
    values: dict[str, list[str]] = {}
    pending = list(argv)
    rest = None
    while pending:
        word = pending.pop(0)
        if word == "--":
            rest = tuple(pending)
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            flag = longs.get(name)
            if flag is None:
                raise _uncovered(command, f"--{name}", flags)
            values.setdefault(name, []).append(_value(flag, equals, value, pending, f"--{name}"))
        elif word.startswith("-") and len(word) > 1:
            _shorts(word[1:], shorts, values, pending, command, flags)
        else:
            words.append(word)
    return Parsed(tuple(words), {name: tuple(found) for name, found in values.items()}, rest)


def _shorts(
    letters: str,
    shorts: Mapping[str, Flag],
    values: dict[str, list[str]],
    pending: list[str],
    command: str,
    flags: Sequence[Flag],
) -> None:
    """`-it`, `-nNAME`, `-n=NAME`, `-n NAME`: switches may stand together, a value ends them."""
    while letters:
        letter, letters = letters[0], letters[1:]
        flag = shorts.get(letter)
        if flag is None:
            raise _uncovered(command, f"-{letter}", flags)
        found = values.setdefault(flag.name, [])
        if flag.takes is Takes.SWITCH and not letters.startswith("="):
            found.append("true")
            continue
        equals = "=" if letters else ""
        found.append(_value(flag, equals, letters.removeprefix("="), pending, f"-{letter}"))
        return


def _value(flag: Flag, equals: str, value: str, pending: list[str], shown: str) -> str:
    if equals:
        if flag.takes is Takes.SWITCH and value not in ("true", "false"):
            raise KubectlError(f'invalid argument "{value}" for "{shown}": write true or false')
        return value
    if flag.takes is Takes.SWITCH:
        return "true"
    if flag.aside is not None:
        return flag.aside
    if not pending:
        raise KubectlError(f"flag needs an argument: {shown}")
    return pending.pop(0)


def _uncovered(command: str, shown: str, flags: Sequence[Flag]) -> KubectlError:
    covered = " ".join(f"--{flag.name}" for flag in flags)
    return KubectlError(f"{command} {shown} is not covered by this lab; covered: {covered}")
