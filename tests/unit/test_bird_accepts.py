"""Real BIRD 1.6.8 parses what labgen renders, once adapted (no daemon starts)."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from labgen.calico import confd, resources
from labgen.render.bird import adapt, bird_files

CASES = Path(__file__).parents[3] / "shared" / "conformance" / "calico-confd"
FOUND = sorted(path for path in CASES.glob("*") if path.is_dir()) if CASES.is_dir() else []
EVERYTHING = Path(__file__).parents[1] / "data" / "calico" / "everything.yaml"

pytestmark = pytest.mark.skipif(
    not (shutil.which("bird") and shutil.which("bird6")),
    reason="BIRD 1.6.8 (Debian package bird) is not installed here",
)


def parse(files: dict[str, str], directory: Path, daemon: str) -> subprocess.CompletedProcess[str]:
    """`bird -p`: parse and exit; nothing listens, nothing is programmed."""
    for name, text in files.items():
        (directory / name).write_text(text)
    argv = [daemon, "-p", "-c", str(directory / f"{daemon}.cfg")]
    return subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize("daemon", ["bird", "bird6"])
@pytest.mark.parametrize("case", FOUND, ids=lambda path: path.name)
def test_a_conformance_case(case: Path, daemon: str, tmp_path: Path) -> None:
    result = parse(adapted(case), tmp_path, daemon)
    assert result.returncode == 0, result.stderr


@cache
def adapted(case: Path) -> dict[str, str]:
    what = YAML(typ="safe").load((case / "case.yaml").read_text())
    config = confd.compute(resources.load([case / "resources.yaml"]), what["node"])
    return adapt(bird_files(config))[0]


@pytest.mark.parametrize("daemon", ["bird", "bird6"])
def test_every_feature_at_once(daemon: str, tmp_path: Path) -> None:
    config = confd.compute(resources.load([EVERYTHING]), "n1")
    files, _ = adapt(bird_files(config))
    result = parse(files, tmp_path, daemon)
    assert result.returncode == 0, result.stderr


def test_without_the_adaptation_vanilla_bird_refuses_krt_tunnel(tmp_path: Path) -> None:
    files = bird_files(confd.compute(resources.load([EVERYTHING]), "n1"))
    result = parse(files, tmp_path, "bird")
    assert result.returncode != 0
    assert "You may set only variables" in result.stderr
