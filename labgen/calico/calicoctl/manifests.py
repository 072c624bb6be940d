"""What `-f` brings: texts in, documents that Calico's strict decoder takes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labgen import yaml_source
from labgen.calico.calicoctl.kinds import by_version
from labgen.calico.datastore_errors import Undecodable
from labgen.calico.strict import decoded
from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Document = dict[str, Any]


class Unreadable(Exception):
    """A file that cannot be read; the text is Go's: `open x.yaml: no such file or directory`."""


class FileRefused(Exception):
    """A file that calicoctl does not take at all."""


class NothingGiven(Exception):
    """Files without any resource."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One file's name, as the user gave it, and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Given:
    """What one `-f` names. A directory gives its files, in the order of their names."""

    manifests: tuple[Manifest, ...]
    directory: bool = False


# (path or "-", follow directories) -> its files; raises Unreadable
Read = Callable[[str, bool], Given]


def load(paths: Sequence[str], read: Read, *, recursive: bool, skip_empty: bool) -> list[Document]:
    """Every resource of these files, in order. Raises FileRefused and NothingGiven."""
    found: list[Document] = []
    for path in paths:
        try:
            given = read(path, recursive)
        except Unreadable as problem:
            raise FileRefused(str(problem)) from None
        before = len(found)
        for manifest in given.manifests:
            documents = list(_documents(manifest))
            if not documents and not skip_empty:
                raise NothingGiven(f"no resources specified in file {manifest.path}")
            found += documents
        if given.directory and len(found) == before and not skip_empty:
            raise NothingGiven(f"no resources specified in directory {path}")
    return found


def _documents(manifest: Manifest) -> Iterator[Document]:
    try:
        parsed = yaml_source.parse(manifest.text, manifest.path)
    except InputError as problem:
        where = f"yaml: line {problem.mark.line}: " if problem.mark else ""
        reason = problem.message.removeprefix("not valid YAML: ")
        raise FileRefused(f"error converting YAML to JSON: {where}{reason}") from None
    for document in parsed:
        values = document.value if isinstance(document.value, list) else [document.value]
        for value in values:
            yield from _objects(value)


def _objects(value: Any) -> Iterator[Document]:
    if not isinstance(value, Mapping) or not value.get("kind"):
        shown = json.dumps(value, separators=(",", ":"), default=str)
        raise FileRefused(f"Object 'Kind' is missing in '{shown}'")
    version, name = str(value.get("apiVersion", "")), str(value["kind"])
    of_list = by_version(version, name.removesuffix("List")) if name.endswith("List") else None
    if of_list is not None:
        items = value.get("items") or ()
        if not isinstance(items, list | tuple):
            raise FileRefused(f"error with field items of {name} (a list is wanted)")
        for item in items:
            if not isinstance(item, Mapping):
                raise FileRefused(f"an item of {name} is not an object")
            yield from _objects({**item, "apiVersion": version, "kind": of_list.name})
        return
    if by_version(version, name) is None:
        raise FileRefused(f"unknown resource type ({name}) and/or version ({version})")
    try:
        yield decoded(value)
    except Undecodable as problem:
        raise FileRefused(problem.message) from None
