"""Use a lab that runs, or deploy it for as long as it is used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from labgen.errors import InputError
from labgen.lab.current import as_it_is, begin
from labgen.lab.deploy import deploy
from labgen.lab.destroy import destroy
from labgen.lab.operate import specs_of_running, wait_converged
from labgen.lab.progress import Progress, silent
from labgen.lab.project import Project, open_project
from labgen.runtime.protocol import Runtime
from labgen.spec.load import find


def project_of(argument: str, runtime: Runtime) -> Project:
    """The project that LAB names: a spec, its directory, or a running lab. Raises InputError."""
    path = find(argument)
    if path is not None:
        return open_project(path)
    if "/" in argument:
        raise InputError(f"{argument}: no such lab spec", hint="name a lab.yaml or its directory")
    labs = specs_of_running(runtime)
    if argument not in labs:
        known = ", ".join(sorted(labs)) or "none"
        raise InputError(
            f"{argument}: neither a lab spec, a directory with one, nor a running lab",
            hint=f"running: {known}",
        )
    return open_project(labs[argument])


@contextmanager
def attached(
    argument: str, runtime: Runtime, *, keep: bool = False, progress: Progress = silent
) -> Iterator[Project]:
    """The lab, running and converged. Only a lab that this call deployed is destroyed after."""
    project = project_of(argument, runtime)
    done = deploy(
        project.plan,
        project.artefacts,
        project.directory,
        topology_file=project.topology_file,
        runtime=runtime,
        wait=partial(wait_converged, project.design),
        progress=progress,
    )
    try:
        if done.changed:
            begin(project)
        yield project if done.changed else as_it_is(project)
    finally:
        if done.changed and not keep:
            destroy(project.name, runtime=runtime, directory=project.lab_directory, cleanup=True)
