"""What fuzzing once broke stays mended."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.targets import TARGETS

DATA = Path(__file__).parents[2] / "data"
FOUND = sorted((DATA / "fuzz").glob("*"))
CAPTURES = sorted((DATA / "captures").glob("*.pcap*"))


@pytest.mark.parametrize("path", FOUND, ids=lambda p: p.name)
def test_findings(path: Path) -> None:
    """Each file is named `<target>-<what it broke>`."""
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


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
