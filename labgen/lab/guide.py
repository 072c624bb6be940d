"""A guide's code blocks as commands with the output that the guide shows. Pure.

Markdown: fenced blocks. reStructuredText: literal blocks (behind `::`) and `code-block`. A line
with a prompt is a command and the lines behind it its output; in a block without prompts each line
is a command. What is typed into a program that a command starts (a shell in a pod, imish) becomes
that command's input.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace

# user@host:dir$, [root@host:State] config #, host[0]# (imish), bash-5.1#
_PROMPT = re.compile(
    r"(?P<prompt>[\w.-]+@(?P<host>[\w.-]+):\S*[$#]"
    r"|\[[\w.-]+@(?P<host2>[\w.-]+):[^\]]*\][^#$]*[#$]"
    r"|(?P<imish>[\w.-]+)\[\d+\](?:\(config[^)]*\))?[#>]"
    r"|(?P<inner>(?:bash|sh)-[\d.]+[#$]))\s?(?P<command>.*)\Z"
)
_OPENS_A_SESSION = re.compile(r"\Aimish\Z|\bkubectl\b.*\s(?:-it|-ti|--tty|-t)\b")


@dataclass(frozen=True, slots=True)
class Step:
    """One command. `line` is where it stands; `host` the machine of its prompt, if it has one.

    `stdin` is what the reader types into it; `shown` the output that the guide prints.
    """

    line: int
    command: str
    host: str | None = None
    stdin: str = ""
    shown: str = ""


def steps(text: str, *, rst: bool) -> tuple[Step, ...]:
    """Every command of a guide, in order."""
    blocks = _literal_blocks(text) if rst else _fenced_blocks(text)
    return tuple(step for first, lines in blocks for step in _block(first, lines))


def _fenced_blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    start = 0
    block: list[str] | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            if block is None:
                start, block = number + 1, []
            else:
                yield start, block
                block = None
        elif block is not None:
            block.append(line)


def _literal_blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    lines = text.splitlines()
    index = 0
    while index < len(lines):
        line = lines[index].rstrip()
        index += 1
        directive = line.lstrip().startswith(".. ")
        if not (line.endswith("::") and (not directive or ".. code-block" in line)):
            continue
        outer = len(line) - len(line.lstrip())
        block: list[str] = []
        start = index + 1
        while index < len(lines):
            inner = lines[index]
            if inner.strip() and len(inner) - len(inner.lstrip()) <= outer:
                break
            block.append(inner)
            index += 1
        yield start, textwrap.dedent("\n".join(block)).splitlines()


def _block(first: int, lines: list[str]) -> Iterator[Step]:
    joined = list(_continued(first, lines))
    if any(_PROMPT.match(line) for _, line in joined):
        yield from _with_prompts(joined)
    else:
        yield from _without_prompts(joined)


def _continued(first: int, lines: list[str]) -> Iterator[tuple[int, str]]:
    """Logical lines: a backslash at the end joins the next one."""
    start, text = first, ""
    for number, line in enumerate(lines, first):
        if not text:
            start = number
        if line.rstrip().endswith("\\"):
            text += line.rstrip()[:-1]
            continue
        yield start, text + line
        text = ""
    if text:
        yield start, text


def _without_prompts(lines: list[tuple[int, str]]) -> Iterator[Step]:
    session: Step | None = None
    for number, line in lines:
        command = line.strip()
        if not command or command.startswith("#"):
            continue
        if session is not None:
            session = replace(session, stdin=f"{session.stdin}{command}\n")
        elif _OPENS_A_SESSION.search(command):
            session = Step(number, command)
        else:
            yield Step(number, command)
    if session is not None:
        yield session


def _with_prompts(lines: list[tuple[int, str]]) -> Iterator[Step]:
    step: Step | None = None
    for number, line in lines:
        found = _PROMPT.match(line)
        if found is None:
            if step is None and line.strip() and not line.lstrip().startswith("#"):
                step = Step(number, line.strip())  # the command that opens the block has no prompt
            elif step is not None:
                step = replace(step, shown=f"{step.shown}{line}\n")
            continue
        command = found["command"].strip()
        if found["inner"] and step is not None:
            step = replace(step, stdin=f"{step.stdin}{command}\n")
            continue
        if step is not None:
            yield step
            step = None
        if not command:
            continue
        if found["imish"]:
            step = Step(number, "imish", found["imish"].split(".")[0], f"{command}\n")
        else:
            step = Step(number, command, found["host"] or found["host2"])
    if step is not None:
        yield step
