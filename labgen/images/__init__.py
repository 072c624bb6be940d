"""The container images: what they are built from, and the tags that follow from it.

A tag is a hash of everything that goes into the image, so equal tags mean equal images, a build
happens only when an input changed, and a generated topology names exactly the image it needs.
Building is `labgen.runtime.build`; this module only reads labgen's own package files.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

BASE = "base"
NAMES = ("bigip", "calico-node", "pod", "segment")  # all of them are built on BASE

_HERE = Path(__file__).parent
_PACKAGE = _HERE.parent
_SOURCES = {"Dockerfile", "entrypoint", "imish", "tmsh", "failover", "ltm"}
_SUFFIXES = {".py", ".bash"}
# Copied last, so that a change of a script costs no new package installation.
_SHARED = {
    "bigip": ("daemon", "daemons.bash", "interfaces.bash"),
    "calico-node": ("daemon", "daemons.bash", "interfaces.bash"),
    "pod": ("interfaces.bash",),
    "segment": ("wire.py",),
}
# Scripts of other rooms that need nothing but Python: the node's own `calicoctl` and probes.
_NODE_SCRIPTS = (
    _PACKAGE / "calico" / "calicoctl" / "node_status.py",
    _PACKAGE / "calico" / "readiness.py",
)


@lru_cache
def context(name: str) -> Mapping[str, bytes]:
    """The build context of an image: relative path -> content, and nothing else gets in.

    Raises InputError for a name that is none of `NAMES` or `BASE`.
    """
    if name not in (BASE, *NAMES):
        raise InputError(f"no image {name!r}", hint=f"there are {', '.join(NAMES)}")
    directory = _HERE / name
    files = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.iterdir())
        if path.name in _SOURCES or path.suffix in _SUFFIXES
    }
    for shared in _SHARED.get(name, ()):
        files[shared] = (_HERE / "shared" / shared).read_bytes()
    if name == "bigip":
        files.update(_imish_package())
    if name == "calico-node":
        for script in _NODE_SCRIPTS:
            files[script.name] = script.read_bytes()
    return files


def _imish_package() -> dict[str, bytes]:
    """The standard-library-only part of labgen that `imish` runs inside the stand-in."""
    shared = ("__init__.py", "errors.py", "secret.py", "yaml_source.py")
    modules = [_PACKAGE / name for name in shared]
    modules += sorted((_PACKAGE / "bigip").rglob("*.py"))
    return {f"labgen/{path.relative_to(_PACKAGE)}": path.read_bytes() for path in modules}


@lru_cache
def digest(name: str) -> str:
    """Twelve hex digits over an image's inputs, those of its base included."""
    total = hashlib.sha256() if name == BASE else hashlib.sha256(digest(BASE).encode())
    for path, content in sorted(context(name).items()):
        total.update(f"{path}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()[:12]


def reference(name: str) -> str:
    """The full reference of an image, such as `labgen/pod:0123456789ab`."""
    return f"labgen/{name}:{digest(name)}"


def name_of(image: str) -> str | None:
    """Which of labgen's images a reference names as it is built now; None for any other."""
    return next((name for name in (BASE, *NAMES) if image == reference(name)), None)
