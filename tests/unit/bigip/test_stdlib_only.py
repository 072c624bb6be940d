"""What runs in the stand-in's container needs the standard library, and nothing else of labgen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from labgen import images


@pytest.mark.parametrize(("module", "usage"), [("imish", "usage: imish"), ("tmsh_cli", "`tmsh`")])
def test_it_starts_without_any_installed_package(module: str, usage: str, tmp_path: Path) -> None:
    """With exactly the files that go into the image."""
    files = {n: c for n, c in images.context("bigip").items() if n.startswith("labgen/")}
    assert f"labgen/bigip/{module}.py" in files
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-m", f"labgen.bigip.{module}", "-h"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(usage)
