"""Evidence of a running lab, for the pure checks."""

from __future__ import annotations

from labgen.capture.read import read_capture
from labgen.errors import CaptureError
from labgen.evidence import Evidence
from labgen.lab.observe import take
from labgen.lab.operate import ContainerCommands
from labgen.lab.project import Project
from labgen.runtime.docker import DockerRuntime
from labgen.runtime.protocol import Runtime


def evidence_of(project: Project, runtime: Runtime | None = None) -> Evidence:
    """Everything that can be observed of the project's lab now.

    Raises LabError when the lab does not run at all; a single dead node is Missing evidence.
    """
    commands = ContainerCommands(project.name, runtime or DockerRuntime())

    def wire() -> object:
        files = sorted((project.lab_directory / "captures").glob("*/default.*.pcapng"))
        if not files:
            raise CaptureError(f"{project.lab_directory}/captures: no capture is there")
        return read_capture(files)

    return take(project.design, commands, wire)
