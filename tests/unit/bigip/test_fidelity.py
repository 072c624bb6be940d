"""docs/fidelity.md names its proofs; each must exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TABLE = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
SOURCES = {
    path.name: path.read_text(encoding="utf-8")
    for pattern in ("tests/unit/bigip/*.py", "tests/lab/bigip/*.py", "tests/lab/test_bigip_*.py")
    for path in ROOT.glob(pattern)
}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\btest_\w+", TABLE))))
def test_a_named_proof_exists(name: str) -> None:
    defined = any(re.search(rf"^def {name}\(", text, re.MULTILINE) for text in SOURCES.values())
    assert defined or f"{name}.py" in SOURCES


def test_every_row_says_how_and_by_what() -> None:
    rows = [line.split("|")[1:-1] for line in TABLE.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in row] for row in rows if row[0].strip() != "topic"]
    assert len(rows) > 40
    for topic, stand_in, how, proof in rows:
        assert topic
        assert stand_in
        assert how in {"equal", "close", "differs"}
        assert proof
