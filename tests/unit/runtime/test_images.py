"""Image tags follow from what goes into the image, and from nothing else."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from labgen import images
from labgen.errors import InputError
from labgen.runtime import build

ROOT = Path(images.__file__).parent


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """The image files where they may be changed."""
    for name in ("images", "bigip", "calico"):
        shutil.copytree(ROOT.parent / name, tmp_path / "labgen" / name)
    for name in ("__init__.py", "errors.py", "secret.py", "yaml_source.py"):
        shutil.copy(ROOT.parent / name, tmp_path / "labgen" / name)
    path = tmp_path / "labgen/images/__init__.py"
    spec = importlib.util.spec_from_file_location("copied_images", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, path.parent


@pytest.mark.parametrize("name", images.NAMES)
def test_references_are_content_tags(name):
    assert re.fullmatch(rf"labgen/{name}:[0-9a-f]{{12}}", images.reference(name))
    assert images.reference(name) == images.reference(name)
    assert images.name_of(images.reference(name)) == name


def test_equal_files_give_equal_tags(copied):
    module, _ = copied
    assert module.reference("pod") == images.reference("pod")


@pytest.mark.parametrize(
    ("changed", "affected"),
    [
        ("pod/entrypoint", {"pod"}),
        ("segment/sniffer.py", {"segment"}),
        ("shared/wire.py", {"segment"}),
        ("shared/interfaces.bash", {"pod", "bigip", "calico-node"}),
        ("shared/daemons.bash", {"bigip", "calico-node"}),
        ("base/Dockerfile", set(images.NAMES)),
        ("../bigip/__init__.py", {"bigip"}),
        ("../errors.py", {"bigip"}),
        ("../calico/readiness.py", {"calico-node"}),
        ("../calico/calicoctl/node_status.py", {"calico-node"}),
        ("../calico/confd.py", set()),
    ],
)
def test_a_change_rebuilds_exactly_what_it_goes_into(copied, changed, affected):
    module, directory = copied
    with (directory / changed).open("a") as file:
        file.write("# changed\n")
    differing = {n for n in images.NAMES if module.reference(n) != images.reference(n)}
    assert differing == affected


@pytest.mark.parametrize("name", [images.BASE, *images.NAMES])
def test_a_context_holds_what_its_dockerfile_copies_and_nothing_foreign(name, copied):
    module, directory = copied
    (directory / name / ".env").write_text("PASSWORD=secret")
    (directory / name / "notes.txt").write_text("secret")
    context = module.context(name)
    assert not {".env", "notes.txt"} & context.keys()
    dockerfile = context["Dockerfile"].decode()
    for line in re.findall(r"^COPY (.+) \S+$", dockerfile, re.MULTILINE):
        for source in line.split():
            assert any(path == source or path.startswith(source) for path in context), source


def test_an_unknown_image_is_refused():
    with pytest.raises(InputError, match="no image 'router'"):
        images.context("router")


def test_the_archive_is_the_same_for_the_same_files():
    files = {"b": b"2", "a/c": b"1"}
    first, second = build.archive(files), build.archive(dict(reversed(files.items())))
    assert first.getvalue() == second.getvalue()
    with tarfile.open(fileobj=first) as tar:
        assert tar.getnames() == ["a/c", "b"]


def test_no_image_file_names_a_registry_or_this_machine():
    for path in ROOT.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            text = path.read_text()
            assert not re.search(r"docker\.io|quay\.io|deb\.debian\.org|https?://(?!\S+/$)", text)
