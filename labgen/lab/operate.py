"""What one does with labs that run: find them, wait for BGP, take their evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from labgen.design.model import Daemon, Design, Speaker
from labgen.errors import LabError
from labgen.lab import naming
from labgen.lab.project import Project
from labgen.lab.wait import wait_until
from labgen.observe import bird, frr, kernel
from labgen.runtime.docker import DockerRuntime
from labgen.runtime.protocol import Commands, Container, Runtime

CONVERGED_SECONDS = 60.0


def running_labs(runtime: Runtime | None = None) -> dict[str, str]:
    """Labs with containers: name to the spec that each was deployed from."""
    runtime = runtime or DockerRuntime()
    labs = {}
    for container in runtime.containers({naming.LAB: None}):
        directory = container.labels.get(naming.DIRECTORY)
        spec = container.labels.get("labgen.spec")
        if directory and spec:
            labs[container.labels[naming.LAB]] = str(Path(directory).parent / spec)
    return labs


def nodes_of(lab: str, runtime: Runtime) -> dict[str, Container]:
    """A lab's node containers by node name. Raises LabError when there are none."""
    found = {
        container.labels[naming.NODE]: container
        for container in runtime.containers({naming.LAB: lab})
        if naming.NODE in container.labels
    }
    if not found:
        known = ", ".join(sorted(running_labs(runtime))) or "none"
        raise LabError(
            f"lab {lab} does not run", hint=f"running: {known}; `labgen deploy` starts one"
        )
    return found


class ContainerCommands:
    """Runs commands in a lab's nodes through the engine's exec."""

    def __init__(self, lab: str, runtime: Runtime) -> None:
        self._runtime = runtime
        self._nodes = nodes_of(lab, runtime)

    def run(self, node, argv, *, stdin=None, timeout=30.0):  # type: ignore[no-untyped-def]
        """Run `argv` in a node. Raises LabError naming a node that is not there or does not run."""
        container = self._nodes.get(node)
        if container is None:
            raise LabError(f"node {node}: no such node", hint=f"nodes: {', '.join(self._nodes)}")
        if not container.running:
            raise LabError(
                f"node {node}: its container is {container.state}",
                hint="see `labgen logs`; `labgen deploy --reconfigure` replaces the lab",
            )
        data = stdin.encode() if stdin is not None else None
        return self._runtime.run(container.id, argv, stdin=data, timeout=timeout)


def wait_converged(
    design: Design,
    commands: Commands,
    *,
    deadline: float = CONVERGED_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Until every session that both ends configure is Established and every forecast route is in
    its kernel. Raises NotReady with what was still missing.
    """  # fmt: skip

    def observe() -> tuple[str, ...]:
        missing = tuple(m for s in design.speakers for m in _missing(design, s, commands))
        tell(f"{len(missing)} to go" if missing else "all there")
        return missing

    wait_until(
        observe,
        lambda missing: not missing,
        deadline=deadline,
        what=f"lab {design.name}: every session Established, every route in the kernel",
        interval=0.1,
        describe=lambda missing: "; ".join(missing[:5]) + (" …" if len(missing) > 5 else ""),
    )


def _missing(design: Design, speaker: Speaker, commands: Commands) -> list[str]:
    """What a speaker lacks. Its routes are asked for only when its sessions stand."""
    wanted = {
        s.other(speaker.node).address
        for s in design.sessions_of(speaker.node)
        if all(end.peer is not None and end.node is not None for end in s.ends)
    }
    up = {a for a in wanted if a in _established(speaker, commands)} if wanted else set()
    lacking = [f"{speaker.node}: no session with {a}" for a in sorted(wanted - up, key=str)]
    if lacking or speaker.node in design.forecast.unforeseen:
        return lacking
    expected = {r.prefix for r in design.forecast.routes.get(speaker.node, ()) if r.in_kernel}
    there = _installed(expected, speaker, commands)
    return [f"{speaker.node}: no route to {p}" for p in sorted(expected - there, key=str)]


def _established(speaker: Speaker, commands: Commands) -> set[object]:
    node = speaker.node
    if speaker.daemon is Daemon.FRR:
        text = commands.run(node, frr.NEIGHBORS).check().stdout
        peers = frr.parse_neighbors(text)
    else:
        versions = sorted({a.version for a in speaker.addresses})
        peers = ()
        for version in versions:
            text = commands.run(node, bird.protocols(version)).check().stdout
            peers += bird.parse_protocols(text)
    return {peer.address for peer in peers if peer.state == "Established"}


def _installed(expected: set[object], speaker: Speaker, commands: Commands) -> set[object]:
    there: set[object] = set()
    for version, argv in ((4, kernel.ROUTES), (6, kernel.ROUTES6)):
        if any(getattr(prefix, "version", 4) == version for prefix in expected):
            text = commands.run(speaker.node, argv).check().stdout
            there |= {r.prefix for r in kernel.parse_routes(text, version=version)}
    return there


def is_deployed(project: Project, runtime: Runtime) -> bool:
    """Whether any node of the project's lab is there."""
    return bool(runtime.containers({naming.LAB: project.name}))
