"""A lab as it is now: its design after all that was changed since it was deployed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.design.build import rebuild
from labgen.lab import content_files
from labgen.lab.clusters import beginning
from labgen.lab.datastore_files import real_stamps
from labgen.lab.lock import locked
from labgen.lab.project import Project, calico_environment, open_project, router_sources
from labgen.spec.load import LoadedSpec, load

if TYPE_CHECKING:
    from pathlib import Path

    from labgen.design.model import Design
    from labgen.lab.clusters import LiveState


def design_of(loaded: LoadedSpec, state: LiveState) -> Design:
    """The design of the spec's lab with these clusters. Raises InputErrors."""
    contents = [cluster.content() for cluster in state.clusters.values()]
    return rebuild(
        state.spec(loaded.spec), contents, router_sources(loaded),
        calico_environment(), source=loaded.path.name,
    )  # fmt: skip


def current_design(project: Project) -> Design:
    """The project's design, with what was changed since the lab was deployed."""
    state = content_files.load(project.lab_directory)
    return project.design if state is None else design_of(project.loaded, state)


def as_it_is(project: Project) -> Project:
    """The project with the design that its lab has now: what checks and forecasts go by."""
    return replace(project, design=current_design(project))


def open_current(path: Path) -> Project:
    """A spec with the design that its lab has now; the design as written is not even computed
    where the lab was changed. Raises as `open_project` and `content_files.load` do.
    """  # fmt: skip
    loaded = load(path)
    state = content_files.load(loaded.directory.resolve() / f"clab-{loaded.spec.name}")
    return open_project(path) if state is None else Project(loaded, design_of(loaded, state))


def begin(project: Project) -> None:
    """Keep what the clusters of a lab hold that has just been deployed: from now on they have an
    age, and change. Raises HostError.
    """  # fmt: skip
    with locked(project.lab_directory, f"deploy of {project.name}"):
        if content_files.load(project.lab_directory) is None:
            state = beginning(project.loaded.spec, project.design, real_stamps())
            content_files.save(project.lab_directory, state, None)
