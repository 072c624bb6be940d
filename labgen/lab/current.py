"""A lab as it is now: its design after all that was changed since it was deployed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.design.build import rebuild
from labgen.lab import content_files
from labgen.lab.project import Project, calico_environment, router_sources

if TYPE_CHECKING:
    from labgen.design.model import Design
    from labgen.lab.clusters import LiveState


def design_of(project: Project, state: LiveState) -> Design:
    """The design of the project's lab with these clusters. Raises InputErrors."""
    contents = [cluster.content() for cluster in state.clusters.values()]
    return rebuild(
        state.spec(project.loaded.spec), contents, router_sources(project.loaded),
        calico_environment(), source=project.loaded.path.name,
    )  # fmt: skip


def current_design(project: Project) -> Design:
    """The project's design, with what was changed since the lab was deployed."""
    state = content_files.load(project.lab_directory)
    return project.design if state is None else design_of(project, state)


def as_it_is(project: Project) -> Project:
    """The project with the design that its lab has now: what checks and forecasts go by."""
    return replace(project, design=current_design(project))
