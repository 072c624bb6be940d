"""README and tutorial are true: their commands, run on copies of the lab, print what is shown.

Numbers (times, ports, frames) may differ, and so may which end dialled; words may not.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from documents import blocks, examples, not_in_order, run, words

from labgen.lab.destroy import destroy
from labgen.runtime.docker import DockerRuntime

README, TUTORIAL = "README.md", "docs/tutorial.md"
# the documents' labs, and what they are called here: those of the reader may be running
NAMES = {"bigip-calico": "test-readme", "bigip-ha": "test-readme-ha"}


def not_said(shown: tuple[str, ...], printed: list[str]) -> list[str]:
    """Of a ladder: what was shown to be said and was not, whichever end dialled and spoke first.

    A terminal's width cuts a line with `…`; what comes before it counts.
    """
    said = [words(line.rpartition("│")[2]) for line in printed]
    texts = [words(line.rpartition("│")[2]) for line in shown if "SYN" not in line]
    return [t for t in texts if not any(s.startswith(t.removesuffix("…").rstrip()) for s in said)]


@pytest.fixture(scope="module")
def here(copied: Callable[[str, str], Path], engine: DockerRuntime) -> Iterator[Path]:
    """A directory with the README's labs in it, as its reader has one."""
    root = copied("bigip-calico", NAMES["bigip-calico"]).parents[2]
    other = copied("bigip-ha", NAMES["bigip-ha"])
    shutil.copytree(other.parent, root / "topologies" / "bigip-ha")
    yield root
    for name in NAMES.values():
        destroy(name, runtime=engine)


def as_here(argv: Sequence[str]) -> list[str]:
    return [NAMES.get(word, word) for word in argv]


def as_written(text: str) -> list[str]:
    for name, ours in sorted(NAMES.items(), reverse=True):  # the longer name first
        text = text.replace(ours, name)
    return text.splitlines()


def test_every_command_prints_what_the_readme_shows(here: Path) -> None:
    seen = 0
    for example in examples(README):
        if example.argv[0] != "labgen" or any("segmnt" in line for line in example.shown):
            continue  # the two `make` commands are this very test run; the mistake comes below
        if example.argv[1] == "rehearse":
            continue  # tests/lab/test_bigip_rehearsal.py plays it
        done = run(here, *as_here(example.argv))
        assert done.returncode == 0, f"{example.argv}: {done.stderr}"
        shown, printed = example.shown, as_written(done.stdout)
        if example.argv[1] == "wire":
            missing = not_said(shown, printed)
        else:
            missing = not_in_order(shown, printed)
        assert not missing, f"{example.argv} printed\n{done.stdout}"
        seen += 1
    assert seen >= 7


def test_the_readmes_mistake_is_told_as_it_shows(copied: Callable[[str, str], Path]) -> None:
    (example,) = (e for e in examples(README) if any("segmnt" in line for line in e.shown))
    spec = copied("bigip-calico", "test-readme-mistake")
    text = spec.read_text()
    assert "kube-master: {segment:" in text
    spec.write_text(text.replace("kube-master: {segment:", "kube-master: {segmnt:", 1))
    done = run(spec.parents[2], *example.argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == list(example.shown)


def test_the_readmes_own_lab_generates(copied: Callable[[str, str], Path], tmp_path: Path) -> None:
    spec = copied("bigip-calico", "test-readme-spec")
    (text,) = blocks(README, "yaml")
    spec.write_text(text)
    done = run(spec.parents[2], "labgen", "generate", str(spec), "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bigip-calico.clab.yml").is_file()


def test_the_readmes_pytest_passes_and_can_fail(here: Path) -> None:
    """Attached to the lab that the commands above deployed; without it, it deploys its own."""
    (text,) = blocks(README, "python")
    (here / "test_mine.py").write_text(text)
    argv = ("pytest", "-q", "-p", "no:cacheprovider", "--lab", "topologies/bigip-calico")
    done = run(here, *argv, "test_mine.py")
    assert done.returncode == 0, done.stdout
    wrong = text.replace("192.168.180.0/26", "192.168.99.0/26")
    (here / "test_mine.py").write_text(wrong)
    done = run(here, *argv, "test_mine.py")
    assert done.returncode == 1, done.stdout
    assert "192.168.99.0/26" in done.stdout


def test_the_tutorial_goes_from_red_to_green(
    copied: Callable[[str, str], Path], engine: DockerRuntime
) -> None:
    here = copied("bigip-calico", "test-tutorial").parents[2]
    original = here / "topologies" / "bigip-calico" / "lab.yaml"
    original.write_text(original.read_text().replace("name: test-tutorial", "name: bigip-calico"))
    name = "test-tutorial-first"
    codes = []
    try:
        for example in examples(TUTORIAL):
            ours = example.argv[0] == "labgen"
            argv = [name if ours and word == "first" else word for word in example.argv]
            done = run(here, *(word.replace("name: first", f"name: {name}") for word in argv))
            printed = done.stdout.replace(name, "first").splitlines()
            assert not not_in_order(example.shown, printed), f"{argv}: {done.stdout}{done.stderr}"
            codes += [(argv[1], done.returncode)] if ours else []
            assert ours or done.returncode == 0, done.stderr
    finally:
        destroy(name, runtime=engine)
    assert codes == [
        ("deploy", 0), ("verify", 1), ("diagnose", 1),
        ("deploy", 0), ("verify", 0), ("destroy", 0),
    ]  # fmt: skip
