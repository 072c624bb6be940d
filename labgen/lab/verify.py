"""Evidence of a running lab, for the pure checks."""

from __future__ import annotations

from labgen.bgp.conversation import Capture
from labgen.calico.felix import IPIP_DEVICE
from labgen.calico.tunnels import IPIP
from labgen.capture import sniffing
from labgen.capture.read import read_capture
from labgen.errors import CaptureError
from labgen.evidence import Evidence
from labgen.lab import running
from labgen.lab.observe import take
from labgen.lab.project import Project
from labgen.observe import kernel
from labgen.runtime.protocol import Runtime


def evidence_of(project: Project, runtime: Runtime) -> Evidence:
    """Everything that can be observed of the project's lab now.

    Raises LabError when the lab does not run at all; a single dead node is Missing evidence.
    """
    lab = running.find(runtime, project.name)
    with running.quick_commands(runtime, lab) as commands:
        return take(project.design, commands, lambda: wire_of(project))


def tunnel_notes(project: Project, runtime: Runtime) -> tuple[str, ...]:
    """What this machine's kernel cannot do of the lab's encapsulations. Raises LabgenError."""
    design = project.design
    node = next((n for n in design.calico_nodes if any(t.kind is IPIP for t in n.tunnels)), None)
    if node is None:
        return ()
    lab = running.find(runtime, project.name)
    with running.quick_commands(runtime, lab) as commands:
        shown = commands.run(node.name, kernel.LINKS).check().stdout
    if kernel.parse_tunnels(shown).get(IPIP_DEVICE) == "ipip":
        return ()
    said = (
        "this kernel has no IPIP: pools with ipipMode run over VXLAN devices named "
        f"{IPIP_DEVICE}; routes and filters are Calico's, the octets between the nodes are not"
    )
    return (said,)


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
