"""`?` in imish: what may come next, from the same patterns that understand the line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bigip import grammar
from labgen.bigip.exec_commands import COMMANDS
from labgen.bigip.rules import Context
from labgen.bigip.zebos import RULES, modes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labgen.bigip.grammar import Word
    from labgen.bigip.zebos import Statement


def shown(
    words: tuple[Word, ...], scope: tuple[Statement, ...] | None, sessions: Iterable[str]
) -> str:
    """The answer to a line whose last word is `?` or ends with one.

    `scope` is where a configuration line stands, None in EXEC mode; `sessions` are the words that
    both modes know. An empty text: nothing fits.
    """
    last = words[-1].text.removesuffix("?").lower()
    line = words[:-1]
    negated = bool(line) and line[0].text.lower() == "no" and scope is not None
    patterns = list(sessions)
    if scope is None:
        patterns += [command.pattern for command in COMMANDS]
    else:
        contexts = {context for context, _ in modes(scope)} | {Context.SESSION}
        patterns += [rule.pattern for rule in RULES if contexts & set(rule.contexts)]
    found = {
        word
        for pattern in patterns
        for word in grammar.following(pattern, line[1:] if negated else line)
        if word.lower().startswith(last) or (not word[0].isalpha() and not last)
    }
    return "".join(f"  {word}\n" for word in sorted(found))
