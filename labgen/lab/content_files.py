"""The running lab's clusters on disk: `clab-<lab>/datastore/`, written whole or not at all.

    datastore/lab.json                   generation, kubectl's context, where each node stands
    datastore/<cluster>/calico.json      Calico's objects
    datastore/<cluster>/kubernetes.json  Kubernetes' objects

`lab.json` is written last and names the files of its generation, so a reader always sees one
state, never halves of two. They hold Secrets and are private. Changes take the lab's lock.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labgen.calico.datastore import from_text, to_text
from labgen.errors import InputError, LabError
from labgen.kubernetes import store
from labgen.kubernetes.shell import Clusters
from labgen.lab.clusters import ClusterStore, LiveState
from labgen.lab.files import write_atomically
from labgen.spec.model import CalicoNode

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORY = "datastore"
INDEX = "lab.json"
_FORMAT = "labgen/live/v1"


def load(lab_directory: Path) -> LiveState | None:
    """The clusters as they were last written; None where nothing was. Raises LabError."""
    directory = lab_directory / DIRECTORY
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _broken(directory / INDEX, str(error)) from error
    try:
        if index["format"] != _FORMAT:
            raise _broken(directory / INDEX, f"its format is {index['format']}")
        generation = int(index["generation"])
        clusters = {
            name: _cluster(directory / name, name, generation_of, nodes)
            for name, (generation_of, nodes) in index["clusters"].items()
        }
        return LiveState(clusters, index["current"], generation)
    except (OSError, KeyError, TypeError, ValueError, InputError) as error:
        raise _broken(directory, str(error)) from error


def save(lab_directory: Path, state: LiveState, before: LiveState | None) -> LiveState:
    """Write the clusters that differ from `before`; returns the state with its new generation.

    Call it under the lab's lock. Raises HostError, and then the old state stays.
    """
    directory = lab_directory / DIRECTORY
    generation = (before.generation if before else 0) + 1
    index: dict[str, Any] = {}
    written: dict[str, set[str]] = {}
    known = _generations(directory)
    for name, cluster in state.clusters.items():
        old = before.clusters.get(name) if before else None
        number = known.get(name, generation) if old == cluster else generation
        if number == generation:
            for file, text in _texts(cluster).items():
                write_atomically(directory / name / _file(file, number), text.encode())
        written[name] = {_file(file, number) for file in ("calico", "kubernetes")}
        nodes = {n: node.model_dump(mode="json") for n, node in cluster.nodes.items()}
        index[name] = [number, nodes]
    value = {"format": _FORMAT, "generation": generation, "current": state.current,
             "clusters": index}  # fmt: skip
    write_atomically(directory / INDEX, json.dumps(value, indent=1).encode())
    _remove_stale(directory, written)
    return replace(state, generation=generation)


def forget(lab_directory: Path) -> None:
    """A lab that is deployed anew starts from its files."""
    shutil.rmtree(lab_directory / DIRECTORY, ignore_errors=True)


def exists(lab_directory: Path) -> bool:
    """The lab has been changed since it was deployed."""
    return (lab_directory / DIRECTORY / INDEX).is_file()


def _file(name: str, generation: int) -> str:
    return f"{name}.{generation}.json"


def _generations(directory: Path) -> dict[str, int]:
    try:
        index = json.loads((directory / INDEX).read_text(encoding="utf-8"))
        return {name: number for name, (number, _) in index["clusters"].items()}
    except (OSError, ValueError, KeyError):
        return {}


def _remove_stale(directory: Path, written: dict[str, set[str]]) -> None:
    """Files of earlier generations: nobody names them any more."""
    for path in directory.iterdir():
        if path.is_dir() and path.name not in written:
            shutil.rmtree(path, ignore_errors=True)
        for file in path.iterdir() if path.is_dir() else ():
            if file.name not in written[path.name]:
                file.unlink(missing_ok=True)


def _broken(path: Path, why: str) -> LabError:
    return LabError(
        f"{path}: not what labgen wrote there: {why}",
        hint="`labgen deploy --reconfigure` starts the lab anew",
    )


def _texts(cluster: ClusterStore) -> dict[str, str]:
    kubernetes = store.dump(Clusters({cluster.name: cluster.kubernetes}, cluster.name))
    return {"calico": to_text(cluster.calico), "kubernetes": kubernetes}


def _cluster(directory: Path, name: str, generation: int, nodes: dict[str, Any]) -> ClusterStore:
    calico, kubernetes = (directory / _file(file, generation) for file in ("calico", "kubernetes"))
    return ClusterStore(
        name,
        from_text(calico.read_text(encoding="utf-8"), str(calico)),
        store.load(kubernetes.read_text(encoding="utf-8"), str(kubernetes)).states[name],
        {node: CalicoNode.model_validate(value) for node, value in nodes.items()},
    )
