"""What runs in the stand-in's container needs the standard library, and nothing else of labgen."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3] / "labgen"


def test_imish_starts_without_any_installed_package(tmp_path: Path) -> None:
    package = tmp_path / "labgen"
    shutil.copytree(ROOT / "bigip", package / "bigip", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "errors.py", "secret.py"):
        shutil.copy(ROOT / name, package / name)
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-m", "labgen.bigip.imish", "-h"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: imish")
