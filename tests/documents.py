"""Documents whose commands a test runs: console blocks, and what they show under each command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[1]


@dataclass(frozen=True)
class Example:
    """A command of a console block, and the lines that the document shows under it."""

    argv: tuple[str, ...]
    shown: tuple[str, ...]


def blocks(document: str, language: str) -> list[str]:
    """The fenced blocks of a language in a document of this repository."""
    text = (REPO / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def examples(document: str) -> list[Example]:
    found: list[Example] = []
    for block in blocks(document, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            argv = tuple(shlex.split(command, comments=True))
            found.append(Example(argv, tuple(line for line in shown if line.strip())))
    return found


def run(here: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """A command of a document, in a directory like the repository's; ours with this Python."""
    program = [sys.executable, "-m", argv[0]] if argv[0] in ("labgen", "pytest") else [argv[0]]
    return subprocess.run(
        [*program, *argv[1:]], cwd=here, capture_output=True, text=True, check=False
    )


def words(text: str) -> str:
    """A line without its numbers and its spacing."""
    return " ".join(re.sub(r"\d+", "N", text).split())


def not_in_order(shown: tuple[str, ...], printed: list[str]) -> list[str]:
    """The shown lines whose words are not printed, or not in that order."""
    rest = iter([words(line) for line in printed])
    return [line for line in shown if words(line) not in rest]
