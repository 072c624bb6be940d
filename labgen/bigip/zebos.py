"""ZebOS text, as a BIG-IP prints it or a person pastes it, to statements with their places.

Accepts `show running-config` output, `ZebOS.conf`, and pasted imish sessions with or without
prompts and the output that came back. Nothing is dropped in silence: what configures nothing is a
`Remark`, and what is not understood is an InputError with its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from labgen.bigip import grammar, terminal
from labgen.bigip.commands_bgp import BGP_RULES
from labgen.bigip.commands_neighbor import NEIGHBOR_RULES
from labgen.bigip.commands_policy import POLICY_RULES
from labgen.bigip.commands_system import SESSION_RULES, SYSTEM_RULES
from labgen.bigip.grammar import Match, Miss, Value, Word
from labgen.bigip.rules import Context, Place, Rule, Severity, Verdict
from labgen.errors import InputError, InputErrors, Mark
from labgen.secret import STARS, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

RULES: tuple[Rule, ...] = (
    *BGP_RULES,
    *NEIGHBOR_RULES,
    *POLICY_RULES,
    *SYSTEM_RULES,
    *SESSION_RULES,
)

# what a line in a section that is not BGP becomes
_FOREIGN = Rule(
    (Context.FOREIGN,),
    "{text:line}",
    Verdict.UNSUPPORTED,
    (),
    (),
    severity=Severity.WARNING,
    reason="part of a section that is not BGP",
    place=Place.NOWHERE,
    repeats=True,
)

_PROMPT = re.compile(
    r"""\s*(?:
        [\w.-]+\[[\w.-]+\](?:\([\w-]+\))?[>\#]        # imish: host[0](config)#
      | [\w.-]+\((?:config|config-[\w-]+)\)\#          # ZebOS elsewhere
      | \[[^\]\s]*@[^\]]*\]\s\S+\s\#                   # bash: [root@bigip-1:Active] config #
      | \w+@\([^)]*\)(?:\([^)]*\))*\(tmos\)\#          # tmsh
    )[ \t]?""",
    re.VERBOSE,
)
# what imish and ssh print of themselves
_OUTPUT = re.compile(
    r"\s*(Building configuration\.*(\s*\[OK\])?|\[OK\]|Current configuration.*|%.*|\^|--More--|"
    r"Last login: .*|ZebOS version .*|Copyright .*|Enter configuration commands, .*|\^[CDZ])\s*\Z"
)
_TMSH_WORDS = {"tmsh", "create", "modify", "delete", "list", "ltm", "net", "sys"}
_SHOWS_CONFIGURATION = re.compile(r"show (running|startup)-config\Z")
_SCOPED = re.compile(r"(?!.*\bdescription\b).*?(\d+(?:\.\d+){3}%(\d+))")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, eq=False)
class Statement:
    """One configuration line. `scope` holds the statements it stands in, outermost first.

    Two statements are never equal, however alike they read; `identity` compares what they set.
    """

    mark: Mark
    rule: Rule
    words: tuple[Value, ...]
    values: Mapping[str, Value]
    negated: bool
    scope: tuple[Statement, ...] = ()

    @property
    def command(self) -> str:
        return self.rule.command

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """What the statement sets: a later statement with the same identity replaces it."""
        own = tuple(str(self.values.get(name, "")) for name in self.rule.identifiers)
        distinct = self.rule.repeats and "seq" not in self.values
        shown = tuple(str(word) for word in self.words) if distinct else ()
        return (self.section, self.rule.command, own, shown)

    @cached_property
    def section(self) -> tuple[object, ...]:
        """The identities of the scope. `router bgp` itself is where IPv4 unicast is configured,
        and what belongs to a session belongs to `router bgp` wherever it stands.
        """
        return tuple(opener.identity for opener in self.scope if not self._transparent(opener))

    def _transparent(self, opener: Statement) -> bool:
        if opener.rule.opens is not Context.ADDRESS_FAMILY or "vrf" in opener.values:
            return False
        family = (opener.value("afi"), opener.value("safi"))
        return self.rule.place is Place.ROUTER or family == ("ipv4", "unicast")

    def value(self, name: str) -> str:
        """A parameter's text; the empty text when it was left out. Never a secret's text."""
        return str(self.values.get(name, ""))

    def text(self, *, reveal: bool = False) -> str:
        """The line with keywords written out; secrets are stars unless `reveal`."""
        words = (w.reveal() if reveal and isinstance(w, Secret) else str(w) for w in self.words)
        return " ".join((*(("no",) if self.negated else ()), *words))


@dataclass(frozen=True, slots=True)
class Remark:
    """A line that configures nothing, and why."""

    mark: Mark
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Config:
    """A whole ZebOS text: its statements in order, and the lines that configure nothing."""

    statements: tuple[Statement, ...]
    remarks: tuple[Remark, ...] = ()


class UnknownCommand(InputError):
    """A line that ZebOS, as far as labgen knows it, does not have. `word` is its column."""

    def __init__(self, message: str, *, mark: Mark, incomplete: bool, hint: str | None) -> None:
        super().__init__(message, mark=mark, hint=hint)
        self.incomplete = incomplete


class AmbiguousCommand(UnknownCommand):
    """An abbreviation that stands for several commands."""


def parse(text: str, path: str, *, first_line: int = 1, first_column: int = 1) -> Config:
    """Read a ZebOS text. `first_line` and `first_column` say where it stands inside `path`.

    Raises InputErrors with every line that is not understood.
    """
    reading = _Reading()
    problems: list[InputError] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=first_line):
        try:
            reading.read(line, Mark(path, number, first_column))
        except InputErrors as errors:
            problems.extend(errors.problems)
        except InputError as error:
            problems.append(error)
    if problems:
        raise InputErrors(problems)
    return Config(tuple(reading.statements), tuple(reading.remarks))


class _Reading:
    """Where a reader is in a text: the open sections, and whether output is being shown."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.remarks: list[Remark] = []
        self._scope: tuple[Statement, ...] = ()
        self._output_of: str | None = None

    def read(self, line: str, start: Mark) -> None:
        line = terminal.shown(line)
        prompt = _PROMPT.match(line)
        body, indent = (line[prompt.end() :], prompt.end()) if prompt else (line, 0)
        words = split(body)
        mark = Mark(start.path, start.line, start.column + indent)
        if prompt:
            self._output_of = None
        if not words or words[0].text.startswith("!"):
            return
        mark_of_text = Mark(mark.path, mark.line, mark.column + words[0].column - 1)
        if self._output_of is not None:
            reason = f"output of `{self._output_of}`"
            self.remarks.append(Remark(mark_of_text, _quote(body), reason))
            return
        if _OUTPUT.match(body):
            self.remarks.append(Remark(mark_of_text, _quote(body), "printed by imish"))
            return
        if scoped := _SCOPED.match(body):
            raise InputError(
                f"`{scoped[1]}`: an address of ZebOS carries no route domain",
                mark=Mark(mark.path, mark.line, mark.column + scoped.start(1)),
                hint=f"`imish -r {scoped[2]}` is where it belongs: leave out `%{scoped[2]}`",
            )
        if control := _CONTROL.search(body):
            raise InputError(
                f"the line holds the control character {control[0]!r}",
                mark=Mark(mark.path, mark.line, mark.column + control.start()),
                hint="remove it; was the text copied from a terminal recording?",
            )
        self._take(understand(words, self._scope, mark), prompted=prompt is not None)

    def _take(self, statement: Statement, *, prompted: bool) -> None:
        if statement.rule.contexts == (Context.SESSION,):
            self._session(statement, prompted=prompted)
            return
        self.statements.append(statement)
        self._scope = statement.scope
        if statement.rule.opens and not statement.negated:
            self._scope = (*statement.scope, statement)

    def _session(self, statement: Statement, *, prompted: bool) -> None:
        text = statement.text()
        self.remarks.append(Remark(statement.mark, text, statement.rule.reason))
        if text in {"exit", "quit", "exit-address-family"}:
            self._scope = self._scope[:-1]
        elif text == "end":
            self._scope = ()
        elif prompted and text.startswith("show "):
            configuration = _SHOWS_CONFIGURATION.match(_expand_show(text))
            self._output_of = None if configuration else text
            self._scope = () if configuration else self._scope


def _expand_show(text: str) -> str:
    """`show run` written out, as far as it matters here."""
    words = text.split()
    for full in ("running-config", "startup-config"):
        if len(words) == 2 and len(words[1]) > 2 and full.startswith(words[1]):
            return f"show {full}"
    return text


def split(line: str) -> tuple[Word, ...]:
    """The words of a line with their columns (from 1)."""
    return tuple(Word(m[0], m.start() + 1) for m in re.finditer(r"\S+", line))


def modes(scope: tuple[Statement, ...]) -> list[tuple[Context, tuple[Statement, ...]]]:
    """The modes a line may belong to, innermost first, each with the scope it would have."""
    result = [
        (opener.rule.opens or Context.GLOBAL, scope[: depth + 1])
        for depth, opener in reversed(list(enumerate(scope)))
    ]
    return [*result, (Context.GLOBAL, ())]


def understand(words: tuple[Word, ...], scope: tuple[Statement, ...], start: Mark) -> Statement:
    """The statement that a line's words make inside `scope`.

    A line that the open section does not know belongs to the nearest enclosing one that does, as
    in a ZebOS.conf, where nothing closes a section; a line that an enclosing section knows better
    (`ip route` against an interface's `ip router`) belongs there. Raises UnknownCommand at the
    word where the line stops making sense.
    """
    negated = len(words) > 1 and words[0].text.lower() == "no"
    line = words[1:] if negated else words
    misses: list[Miss] = []
    found_in = [
        (fits, enclosing)
        for context, enclosing in modes(scope)
        if (fits := _fits(line, context, negated, misses))
    ]
    if found_in:
        fits, enclosing = max(found_in, key=lambda found: max(m.closeness for _, m in found[0]))
        rule, match = _best(fits, line, start)
        values = _defaults(rule, match)
        return Statement(_at(start, words[0]), rule, match.words, values, negated, enclosing)
    fits = [] if negated else _fits(line, Context.SESSION, False, misses)
    if fits:
        rule, found = _best(fits, line, start)
        return Statement(_at(start, words[0]), rule, found.words, found.values, negated, scope)
    if scope and scope[-1].rule.opens is Context.FOREIGN:
        text = " ".join(word.text for word in line)
        return Statement(_at(start, words[0]), _FOREIGN, (text,), {"text": text}, negated, scope)
    raise _unknown(line, misses, start)


def _fits(
    line: tuple[Word, ...], context: Context, negated: bool, misses: list[Miss]
) -> list[tuple[Rule, Match]]:
    first = line[0].text.lower()
    here = [r for r in RULES if context in r.contexts and r.first.startswith(first)]
    # a word that is a keyword abbreviates no other one: `ip` is not `ipv6`
    fits = []
    for rule in [r for r in here if r.first == first] or here:
        if rule.only_negated and not negated:
            continue
        found = grammar.match(rule.pattern, line, negated=negated)
        if isinstance(found, Match):
            fits.append((rule, found))
        else:
            misses.append(found)
    return fits


def _best(
    fits: list[tuple[Rule, Match]], line: tuple[Word, ...], start: Mark
) -> tuple[Rule, Match]:
    if [word.text.lower() for word in line] == ["en"]:  # everybody's first line
        fits = [(rule, found) for rule, found in fits if rule.command == "enable"] or fits
    closest = max(found.closeness for _, found in fits)
    best = [(rule, found) for rule, found in fits if found.closeness == closest]
    meanings = {rule.command for rule, _ in best}
    if len(meanings) > 1 and any(
        isinstance(w, str) and len(w) > len(t.text)
        for _, found in best
        for w, t in zip(found.words, line, strict=False)
    ):
        raise AmbiguousCommand(
            f"`{_quote_words(line)}` may mean {' or '.join(f'`{m}`' for m in sorted(meanings))}",
            mark=_at(start, line[0]),
            incomplete=False,
            hint="write the keywords out",
        )
    return best[0]


def _defaults(rule: Rule, found: Match) -> Mapping[str, Value]:
    """`address-family ipv4` means unicast."""
    if rule.opens is Context.ADDRESS_FAMILY and "safi" not in found.values:
        return {**found.values, "safi": "unicast"}
    return found.values


def _unknown(line: tuple[Word, ...], misses: list[Miss], start: Mark) -> UnknownCommand:
    furthest = max((miss.at for miss in misses), default=0)
    expected = _expected(miss.expected for miss in misses if miss.at == furthest)
    hint = f"expected {expected}" if misses else "is the line cut off or not ZebOS?"
    if line[0].text in _TMSH_WORDS:
        hint = "a tmsh command belongs into the router's `tmsh` file"
    if misses and furthest >= len(line):
        mark = Mark(start.path, start.line, start.column - 1 + line[-1].column + len(line[-1].text))
        message = f"`{_quote_words(line)}` is not complete"
        return UnknownCommand(message, mark=mark, incomplete=True, hint=hint)
    word = line[furthest]
    secret = any(w.text.lower() == "password" for w in line[:furthest])
    shown = STARS if secret else word.text
    message = f"unknown command `{_quote_words(line)}`: `{shown}` is not understood"
    if not misses or furthest == 0:
        message = f"unknown command `{_quote_words(line)}`"
    return UnknownCommand(message, mark=_at(start, word), incomplete=False, hint=hint)


def _expected(choices: Iterable[str]) -> str:
    some = list(dict.fromkeys(part for choice in choices for part in choice.split(" or ")))
    shown = some[:6]
    return " or ".join(shown) + (" or another keyword" if len(some) > len(shown) else "")


def _quote_words(line: tuple[Word, ...]) -> str:
    return _quote(" ".join(word.text for word in line))


def _quote(text: str) -> str:
    """A line for a message: short, and without the password it may hold."""
    shown = re.sub(r"(\bpassword\s+)\S.*", rf"\1{STARS}", " ".join(text.split()))
    return shown if len(shown) <= 70 else f"{shown[:67]}..."


def _at(start: Mark, word: Word) -> Mark:
    return Mark(start.path, start.line, start.column + word.column - 1)
