"""Calico's own confd cases: what labgen renders is what confd writes, comments and blanks aside."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from labgen.calico import confd, resources
from labgen.calico.status import load_endpoint_status
from labgen.render.bird import FILES, bird_files

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "calico-confd"
FOUND = sorted(path for path in CASES.glob("*") if path.is_dir()) if CASES.is_dir() else []


def folded(text: str) -> list[str]:
    """The statements of a file without comments and without white space outside quotes."""
    parts = re.findall(r'"[^"]*"|#[^\n]*|\s+|[^"#\s]+', text)
    kept = "".join(part for part in parts if part[0] != "#" and not part.isspace())
    return re.split(r"(?<=[;{}])", kept)


@pytest.mark.skipif(not FOUND, reason="the conformance cases are not beside this repository")
def test_there_are_cases() -> None:
    assert len(FOUND) >= 40


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("case", FOUND, ids=lambda path: path.name)
def test_case(case: Path, name: str) -> None:
    expected = (case / "expected" / name).read_text()
    assert folded(rendered(case)[name]) == folded(expected)


@cache
def rendered(case: Path) -> dict[str, str]:
    what = YAML(typ="safe").load((case / "case.yaml").read_text())
    given = resources.load([case / "resources.yaml"])
    status = case / "endpoint-status"
    config = confd.compute(
        given,
        what["node"],
        environment=what["environment"] or {},
        endpoint_status=load_endpoint_status(status) if status.is_dir() else (),
    )
    return bird_files(config)
