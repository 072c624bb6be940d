"""The guide's own input and outputs, where the reference directory is beside the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labgen.bigip import frr_json, show, source
from labgen.bigip.resolve import resolve
from labgen.bigip.translate import translate

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT.parent / "shared" / "reference"
DATA = ROOT / "tests" / "data" / "frr-8.4.4"

pytestmark = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="no shared/reference beside the repository"
)


def form(line: str) -> str:
    """A line with every number as #, keeping its blanks: what is left is its form."""
    return re.sub(r"\d+", "#", line)


def guide(begins: str, lines: int) -> list[str]:
    text = (REFERENCE / "bgp-verify.rst").read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(text) if line.strip().startswith(begins))
    return [line[6:] for line in text[first : first + lines]]


def test_the_guides_configuration() -> None:
    config = source.read(REFERENCE / "inputs" / "bigip-calico" / "bigip-1.imish")
    assert translate(config).require().problems == ()
    bgp = resolve(config).bgp
    assert bgp is not None
    assert [str(n.address) for n in bgp.neighbors] == ["10.1.20.20", "10.1.20.21", "10.1.20.22"]


def test_neighbors_have_the_guides_form() -> None:
    views = frr_json.neighbors((DATA / "neighbors.json").read_text(encoding="utf-8"))
    [view] = [v for v in views if v.address == "10.1.20.21"]
    ours = show.neighbors([view], table_version=1).splitlines()[:5]
    assert [form(line) for line in ours] == [form(s) for s in guide("BGP neighbor is", 5)]


def test_routes_have_the_guides_form() -> None:
    view = frr_json.rib((DATA / "route-bgp.json").read_text(encoding="utf-8"))
    ours = show.routes(view, vlans={}, header=False).splitlines()
    theirs = guide("B       192.168.127.0/26", 5)
    assert {form(line) for line in ours} == {form(line) for line in theirs}
    assert [form(line) for line in ours[-2:]] == [form(line) for line in theirs[-2:]]
