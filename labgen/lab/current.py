"""A lab as it is now: its design after all that was changed since it was deployed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.design.build import rebuild
from labgen.lab import content_files, failover
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
    loaded = failover.as_it_is(project.loaded, project.lab_directory)
    if state is None and loaded is project.loaded:
        return project.design
    return design_of(loaded, state or beginning(loaded.spec, project.design, real_stamps()))


def as_it_is(project: Project) -> Project:
    """The project with the design that its lab has now: what checks and forecasts go by."""
    return replace(project, design=current_design(project))


def open_current(path: Path) -> Project:
    """A spec with the design that its lab has now; the design as written is not even computed
    where the lab was changed. Raises as `open_project` and `content_files.load` do.
    """  # fmt: skip
    loaded = load(path)
    directory = loaded.directory.resolve() / f"clab-{loaded.spec.name}"
    state = content_files.load(directory)
    now = failover.as_it_is(loaded, directory)
    if state is None:
        project = open_project(path)
        return project if now is loaded else as_it_is(project)
    return Project(loaded, design_of(now, state))


def begin(project: Project) -> None:
    """Keep what the clusters of a lab hold that has just been deployed: from now on they have an
    age, and change. Raises HostError.
    """  # fmt: skip
    with locked(project.lab_directory, f"deploy of {project.name}"):
        if content_files.load(project.lab_directory) is None:
            state = beginning(project.loaded.spec, project.design, real_stamps())
            content_files.save(project.lab_directory, state, None)
