"""calicoctl's command line: which flags each command has, and pflag's rules and messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


class UsageError(Exception):
    """The command line is wrong; the text is what calicoctl prints."""


@dataclass(frozen=True, slots=True)
class Flag:
    """`short` is its letter or ""; a switch takes no value."""

    name: str
    help: str
    short: str = ""
    switch: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """`usage` follows "calicoctl". `exactly` and `at_least` count positional arguments."""

    usage: str
    short: str
    flags: tuple[Flag, ...] = ()
    exactly: int | None = None
    at_least: int = 0


@dataclass(frozen=True, slots=True)
class Arguments:
    """A parsed command line. A flag given twice holds both values; the last one counts."""

    words: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        return self.values[name][-1] if name in self.values else default

    def switch(self, name: str) -> bool:
        return self.text(name) == "true"

    def all(self, name: str) -> tuple[str, ...]:
        return self.values.get(name, ())


def _value(name: str, help_text: str, short: str = "", default: str = "") -> Flag:
    return Flag(name, help_text, short, default=default)


def _switch(name: str, help_text: str, short: str = "") -> Flag:
    return Flag(name, help_text, short, switch=True)


GLOBAL = (
    _value("log-level", "accepted; labgen logs by its own settings", "l"),
    _value("context", "accepted; a lab has one datastore"),
    _switch("allow-version-mismatch", "accepted; client and cluster are one here"),
    _switch("help", "show this help", "h"),
)
_CONFIG = _value("config", "accepted; the lab says where the datastore is", "c")
_NAMESPACE = _value("namespace", "namespace of the resource", "n")
_FILES = (
    _value("filename", "file, directory, or - for standard input; may be repeated", "f"),
    _switch("recursive", "follow the directories below -f", "R"),
    _switch("skip-empty", "a file without data is no error"),
    _CONFIG,
    _NAMESPACE,
)
_MISSING = _switch("skip-not-exists", "what is not there counts as deleted", "s")

COMMANDS: dict[str, Command] = {
    "create": Command(
        "create --filename=FILE", "make resources that are not there yet",
        (*_FILES, _switch("skip-exists", "what is there counts as created")),
    ),
    "apply": Command("apply --filename=FILE", "make or replace resources", _FILES),
    "replace": Command("replace --filename=FILE", "replace resources that are there", _FILES),
    "validate": Command("validate --filename=FILE", "check resources, change nothing", _FILES),
    "delete": Command("delete [KIND [NAME...]]", "delete resources", (*_FILES, _MISSING)),
    "get": Command(
        "get [KIND [NAME...]]", "print resources",
        (
            *_FILES,
            _value("output", "yaml, json, ps, wide, custom-columns=A,B", "o", "ps"),
            _switch("all-namespaces", "of every namespace", "A"),
            _switch("export", "without what belongs to this cluster"),
        ),
    ),
    "patch": Command(
        "patch KIND NAME", "change a part of a resource",
        (
            _CONFIG, _NAMESPACE,
            _value("patch", "the change, in JSON", "p"),
            _value("type", "accepted; a patch is always a strategic merge", "t", "strategic"),
        ),
        exactly=2,
    ),
    "label": Command(
        "label KIND NAME [key=value | key]", "set or remove a label",
        (
            _CONFIG, _NAMESPACE,
            _switch("overwrite", "change a label that is there"),
            _switch("remove", "take the label away"),
        ),
        at_least=3,
    ),
    "version": Command(
        "version", "print the versions",
        (
            _CONFIG, _value("poll", "not in labgen"),
            _switch("client", "the client's version only"),
        ),
    ),
    "node status": Command("node status", "a node's BGP sessions"),
    "ipam show": Command(
        "ipam show", "addresses in use",
        (
            _CONFIG, _value("ip", "about this address"),
            _switch("show-blocks", "blocks too"), _switch("show-borrowed", "borrowed addresses"),
            _switch("show-configuration", "the settings"),
        ),
    ),
    "ipam check": Command(
        "ipam check", "look for leaked addresses",
        (
            _CONFIG, _switch("show-all-ips", "every address"),
            _switch("show-problem-ips", "addresses with a problem"),
            _value("output", "not in labgen", "o"), _value("kubeconfig", "accepted"),
        ),
    ),
    "ipam release": Command(
        "ipam release", "release an address",
        (
            _CONFIG, _value("ip", "the address"), _value("from-report", "not in labgen"),
            _switch("force", "goes with --from-report"),
        ),
    ),
    "ipam configure": Command(
        "ipam configure", "change the settings",
        (
            _CONFIG, _value("strictaffinity", "true or false"),
            _value("max-blocks-per-host", "a number"),
            _value("kubevirt-ip-persistence", "Enabled or Disabled"),
            _value("ip-cooldown-seconds", "a number"),
        ),
    ),
}  # fmt: skip
GROUPS = {"node": "Calico node management", "ipam": "IP address management"}
# Commands of calicoctl that labgen does not have, with what to do in their place.
ABSENT = {
    "node run": "labgen starts nodes: labgen deploy",
    "node diags": "labgen keeps captures and evidence beside the lab",
    "node checksystem": "labgen doctor",
    "ipam split": "delete the pool and apply smaller ones",
    "datastore": "a lab has one datastore, and nothing to migrate",
    "cluster": "labgen keeps captures and evidence beside the lab",
    "convert": "calicoctl 3.33 has no such command; labgen reads v3 resources",
}


def parse(argv: Sequence[str], flags: Sequence[Flag]) -> Arguments:
    """Flags and positional words in any order, as pflag takes them. Raises UsageError."""
    by_name = {flag.name: flag for flag in flags}
    by_letter = {flag.short: flag for flag in flags if flag.short}
    words: list[str] = []
    values: dict[str, tuple[str, ...]] = {}
    left = list(argv)

    def keep(flag: Flag, value: str, shown: str) -> None:
        if flag.switch and value not in _TRUE | _FALSE:
            raise UsageError(
                f'invalid argument "{value}" for "{shown}" flag: strconv.ParseBool: '
                f'parsing "{value}": invalid syntax'
            )
        text = ("true" if value in _TRUE else "false") if flag.switch else value
        values[flag.name] = (*values.get(flag.name, ()), text)

    while left:
        word = left.pop(0)
        if word == "--":
            words += left
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            flag = by_name.get(name)
            if flag is None:
                raise UsageError(f"unknown flag: --{name}")
            if not equals and not flag.switch:
                if not left:
                    raise UsageError(f"flag needs an argument: --{name}")
                value = left.pop(0)
            keep(flag, "true" if flag.switch and not equals else value, _shown(flag))
        elif word.startswith("-") and word != "-":
            _letters(word, by_letter, left, keep)
        else:
            words.append(word)
    return Arguments(tuple(words), values)


_Keep = Callable[[Flag, str, str], None]
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def go_bool(text: str) -> bool | None:
    """Go's strconv.ParseBool; None where it fails."""
    return True if text in _TRUE else False if text in _FALSE else None


def _shown(flag: Flag) -> str:
    return f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"


def _letters(word: str, by_letter: Mapping[str, Flag], left: list[str], keep: _Keep) -> None:
    """`-f x`, `-fx`, `-f=x`, and switches in one word."""
    rest = word[1:]
    while rest:
        letter, rest = rest[0], rest[1:]
        flag = by_letter.get(letter)
        if flag is None:
            raise UsageError(f"unknown shorthand flag: '{letter}' in {word}")
        if flag.switch and not rest.startswith("="):
            keep(flag, "true", _shown(flag))
            continue
        if rest:
            keep(flag, rest.removeprefix("="), _shown(flag))
        elif left:
            keep(flag, left.pop(0), _shown(flag))
        else:
            raise UsageError(f"flag needs an argument: '{letter}' in {word}")
        return


def topic(words: Sequence[str]) -> str:
    """The command or group that `help WORDS` is about, "" for all of calicoctl."""
    known = {*COMMANDS, *GROUPS}
    return next((n for n in (" ".join(words[:2]), *words[:1]) if n in known), "")


def help_text(name: str = "") -> str:
    """Help on calicoctl, a group, or a command."""
    if name in COMMANDS:
        command = COMMANDS[name]
        flags = "".join(
            f"  {('-' + flag.short + ', ') if flag.short else '    '}--{flag.name:<24}{flag.help}\n"
            for flag in (*command.flags, *GLOBAL)
        )
        return f"{command.short}\n\nUsage:\n  calicoctl {command.usage} [flags]\n\nFlags:\n{flags}"
    prefix = f"{name} " if name else ""
    title = GROUPS.get(name, "Read and change the resources of a lab's Calico cluster")
    lines = "".join(
        f"  {known.removeprefix(prefix):<16}{command.short}\n"
        for known, command in COMMANDS.items()
        if known.startswith(prefix)
    )
    return f"{title}\n\nUsage:\n  calicoctl {prefix}COMMAND\n\nCommands:\n{lines}"
