"""The arrows between rooms point one way (docs/architecture.md), and edges keep their libraries."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "labgen"

# room -> rooms it may import (itself always allowed)
MAY_IMPORT = {
    "errors": set(),
    "yaml_source": {"errors"},
    "secret": set(),
    "plan": {"errors"},
    "bgp": {"errors"},
    "calico": {"errors", "yaml_source", "secret"},
    "kubernetes": {"errors", "yaml_source", "calico"},
    "bigip": {"errors", "yaml_source", "secret"},
    "spec": {"errors", "yaml_source"},
    "images": {"errors"},
    "design": {
        "errors",
        "yaml_source",
        "plan",
        "spec",
        "calico",
        "kubernetes",
        "bigip",
        "bgp",
        "images",
    },
    "render": {"errors", "plan", "design", "calico", "bigip"},
    "evidence": {"errors", "bgp"},
    "facts": {"errors", "evidence", "bgp"},
    "runtime": {"errors", "plan", "images"},
    "capture": {"errors", "runtime", "evidence", "bgp"},
    "observe": {"errors", "runtime", "evidence", "facts", "bgp", "calico", "bigip"},
    "check": {"errors", "design", "evidence", "facts", "bgp", "calico", "bigip"},
    "report": {"errors", "check", "evidence", "bgp", "design", "rehearsal"},
    "lab": {
        "errors",
        "bgp",
        "plan",
        "images",
        "design",
        "render",
        "runtime",
        "capture",
        "observe",
        "evidence",
        "facts",
        "calico",
        "kubernetes",
        "bigip",
        "spec",
        "yaml_source",
    },
    "rehearsal": {
        "errors",
        "lab",
        "check",
        "design",
        "spec",
        "evidence",
        "bgp",
        "capture",
        "observe",
        "runtime",
        "plan",
        "calico",
        "kubernetes",
        "yaml_source",
        "images",
    },
}
FACES = {"cli", "pytest_plugin", "__init__", "__main__"}
ONLY_IN = {"docker": "runtime", "scapy": "capture", "jinja2": "render"}

MODULES = sorted(p for p in ROOT.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            if node.module == "labgen":
                names.update(f"labgen.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_one_way(path: Path) -> None:
    room = room_of(path)
    if room in FACES:
        return
    allowed = MAY_IMPORT[room] | {room, "__version__"}
    targets = {name.split(".")[1] for name in imports_of(path) if name.startswith("labgen.")}
    assert targets <= allowed, f"{room} may not import {sorted(targets - allowed)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_edges_keep_their_libraries(path: Path) -> None:
    room = room_of(path)
    for library, home in ONLY_IN.items():
        used = any(n == library or n.startswith(f"{library}.") for n in imports_of(path))
        assert not used or room == home, f"only {home} may import {library}"
