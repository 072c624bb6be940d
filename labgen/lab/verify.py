"""Evidence of a running lab, for the pure checks."""

from __future__ import annotations

from labgen.bgp.conversation import Capture
from labgen.capture import sniffing
from labgen.capture.read import read_capture
from labgen.errors import CaptureError
from labgen.evidence import Evidence
from labgen.lab import running
from labgen.lab.observe import take
from labgen.lab.project import Project
from labgen.runtime.protocol import Runtime


def evidence_of(project: Project, runtime: Runtime) -> Evidence:
    """Everything that can be observed of the project's lab now.

    Raises LabError when the lab does not run at all; a single dead node is Missing evidence.
    """
    lab = running.find(runtime, project.name)
    with running.quick_commands(runtime, lab) as commands:
        return take(project.design, commands, lambda: wire_of(project))


def wire_of(project: Project) -> Capture:
    """The conversations of the lab's default capture, all segments. Raises CaptureError."""
    files = [
        path
        for capture in sniffing.captures(project.lab_directory)
        if capture.name == sniffing.DEFAULT
        for path in capture.files
    ]
    if not files:
        where = project.lab_directory / sniffing.DIRECTORY
        raise CaptureError(f"{where}: no capture is there", hint="`labgen capture` starts one")
    return read_capture(files)
