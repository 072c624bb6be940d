"""What `-f` reads, and the clock."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from labgen.calico.calicoctl.manifests import Unreadable
from labgen.lab.datastore_files import manifests, real_stamps

if TYPE_CHECKING:
    from pathlib import Path


def test_directories_are_walked_as_go_does(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.YML", "c.txt", "aa/z.json", "aa/b/y.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    read = manifests()
    flat, deep = read(str(tmp_path), False), read(str(tmp_path), True)
    assert flat.directory
    assert [m.text for m in flat.manifests] == ["a.YML", "b.yaml"]
    assert [m.text for m in deep.manifests] == ["a.YML", "aa/b/y.yaml", "aa/z.json", "b.yaml"]


def test_standard_input() -> None:
    assert manifests(io.StringIO("text"))("-", False).manifests[0].text == "text"


def test_unreadable_files(tmp_path: Path) -> None:
    read = manifests()
    with pytest.raises(Unreadable, match=r"open \S+/none: no such file or directory"):
        read(str(tmp_path / "none"), False)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(Unreadable, match="UTF-8"):
        read(str(tmp_path), False)


def test_the_clock_is_this_machines() -> None:
    created = real_stamps().created()
    assert created["creationTimestamp"].endswith("Z")
    assert len(created["uid"]) == 36
