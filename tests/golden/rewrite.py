"""Rewrite the golden files: `make golden`, then review the diff."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from labgen.check.diagnosis.faults import FAULTS
from labgen.check.ladder import LADDER, about
from labgen.lab.project import open_project
from labgen.report.catalogue import checks_page, faults_page

REPO = Path(__file__).parents[2]
HERE = Path(__file__).parent
LABS = ("bigip-calico",)
_DIGEST = re.compile(r"(labgen/[a-z-]+):[0-9a-f]{12}")


def rendered(lab: str) -> dict[str, str]:
    """Every file of a lab; image digests are left out, since they change with the images."""
    project = open_project(REPO / "topologies" / lab / "lab.yaml")
    return {
        path: _DIGEST.sub(r"\1:DIGEST", content.decode())
        for path, content in project.artefacts.items()
    }


def golden(lab: str) -> dict[str, str]:
    """What is committed."""
    root = HERE / lab
    return {
        str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()
    }


def pages() -> dict[str, str]:
    """The reference pages of docs/ that are made from the code."""
    checks = [(rung.title, about(check)) for rung, check in LADDER]
    return {"checks.md": checks_page(checks), "faults.md": faults_page(FAULTS.values())}


def main() -> None:
    for name, text in pages().items():
        (REPO / "docs" / name).write_text(text)
    for lab in LABS:
        shutil.rmtree(HERE / lab, ignore_errors=True)
        for name, text in rendered(lab).items():
            path = HERE / lab / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


if __name__ == "__main__":
    main()
