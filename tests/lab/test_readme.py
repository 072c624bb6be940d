"""The README is true: its commands are run on a copy of its lab, and print what it shows.

Numbers (times, ports, frames) may differ, and so may which end dialled; words may not.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from labgen.lab.destroy import destroy
from labgen.runtime.docker import DockerRuntime

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
NAME = "test-readme"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Example:
    """A command of a console block, and the lines that the README shows under it."""

    argv: tuple[str, ...]
    shown: tuple[str, ...]


def examples() -> list[Example]:
    found: list[Example] = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, *shown = part.splitlines()
            argv = tuple(shlex.split(command, comments=True))
            found.append(Example(argv, tuple(line for line in shown if line.strip())))
    return found


def words(text: str) -> str:
    """A line without its numbers and its spacing; the lab by the README's name."""
    text = text.replace(NAME, "bigip-calico")
    return " ".join(re.sub(r"\d+", "N", text).split())


def in_order(shown: tuple[str, ...], printed: list[str]) -> list[str]:
    """The shown lines that are not printed, or not in that order."""
    rest = iter(printed)
    return [line for line in shown if line not in rest]


def not_said(shown: tuple[str, ...], printed: list[str]) -> list[str]:
    """Of a ladder: what was shown to be said and was not, whichever end dialled and spoke first.

    A terminal's width cuts a line with `…`; what comes before it counts.
    """
    said = [words(line.rpartition("│")[2]) for line in printed]
    texts = [words(line.rpartition("│")[2]) for line in shown if "SYN" not in line]
    return [t for t in texts if not any(s.startswith(t.removesuffix("…").rstrip()) for s in said)]


@pytest.fixture(scope="module")
def here(copied: Callable[[str, str], Path], engine: DockerRuntime) -> Iterator[Path]:
    """A directory with `topologies/bigip-calico` in it, as the README's reader has one."""
    yield copied("bigip-calico", NAME).parents[2]
    destroy(NAME, runtime=engine)


def run(here: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", argv[0]]
    arguments = [NAME if argument == "bigip-calico" else argument for argument in argv[1:]]
    return subprocess.run(
        [*program, *arguments], cwd=here, capture_output=True, text=True, check=False
    )


def test_every_command_prints_what_the_readme_shows(here: Path) -> None:
    seen = 0
    for example in examples():
        if example.argv[0] != "labgen" or any("segmnt" in line for line in example.shown):
            continue  # the two `make` commands are this very test run; the mistake comes below
        done = run(here, *example.argv)
        assert done.returncode == 0, f"{example.argv}: {done.stderr}"
        shown, printed = example.shown, done.stdout.splitlines()
        if example.argv[1] == "wire":
            missing = not_said(shown, printed)
        else:
            missing = in_order(tuple(map(words, shown)), list(map(words, printed)))
        assert not missing, f"{example.argv} printed\n{done.stdout}"
        seen += 1
    assert seen >= 4


def test_the_readmes_mistake_is_told_as_it_shows(copied: Callable[[str, str], Path]) -> None:
    (example,) = (e for e in examples() if any("segmnt" in line for line in e.shown))
    spec = copied("bigip-calico", "test-readme-mistake")
    text = spec.read_text()
    assert "kube-master: {segment:" in text
    spec.write_text(text.replace("kube-master: {segment:", "kube-master: {segmnt:", 1))
    done = run(spec.parents[2], *example.argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == list(example.shown)


def test_the_readmes_own_lab_generates(copied: Callable[[str, str], Path], tmp_path: Path) -> None:
    spec = copied("bigip-calico", "test-readme-spec")
    (text,) = blocks("yaml")
    spec.write_text(text)
    done = run(spec.parents[2], "labgen", "generate", str(spec), "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bigip-calico.clab.yml").is_file()


def test_the_readmes_pytest_passes_and_can_fail(here: Path) -> None:
    """Attached to the lab that the commands above deployed; without it, it deploys its own."""
    (text,) = blocks("python")
    (here / "test_mine.py").write_text(text)
    argv = ("pytest", "-q", "-p", "no:cacheprovider", "--lab", "topologies/bigip-calico")
    done = run(here, *argv, "test_mine.py")
    assert done.returncode == 0, done.stdout
    wrong = text.replace("192.168.180.0/26", "192.168.99.0/26")
    (here / "test_mine.py").write_text(wrong)
    done = run(here, *argv, "test_mine.py")
    assert done.returncode == 1, done.stdout
    assert "192.168.99.0/26" in done.stdout
