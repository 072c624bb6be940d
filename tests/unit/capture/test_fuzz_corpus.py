"""What fuzzing found is replayed, and a little of it is done anew."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.targets import TARGETS

DATA = Path(__file__).parents[2] / "data"
FOUND = sorted((DATA / "fuzz").glob("*.hex"))
CAPTURES = sorted((DATA / "captures").glob("*.pcap*"))


@pytest.mark.parametrize("path", FOUND, ids=lambda p: p.name)
def test_the_corpus(path: Path) -> None:
    """Each file is `<target>-<what it is>.hex`: one input a line, each of which reached code that
    those before it did not, or once broke something."""
    target = TARGETS[path.name.partition("-")[0]]
    for line in path.read_text(encoding="ascii").splitlines():
        target(bytes.fromhex(line))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda p: p.name)
def test_captures_with_octets_changed(path: Path) -> None:
    source = Random(path.name)
    whole = path.read_bytes()
    for _ in range(15):
        changed = bytearray(whole)
        for _ in range(source.randint(1, 30)):
            changed[source.randrange(len(changed))] = source.getrandbits(8)
        TARGETS["file"](bytes(changed))


def test_random_segments() -> None:
    source = Random(5)
    for _ in range(60):
        TARGETS["segments"](source.randbytes(source.randint(0, 400)))
