"""What one does with labs that run: find their specs, wait for BGP."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from pathlib import Path

from labgen.design.model import Daemon, Design, Network, Speaker
from labgen.lab import running
from labgen.lab.wait import wait_until
from labgen.observe import bird, frr, kernel
from labgen.runtime.protocol import Commands, Runtime

CONVERGED_SECONDS = 60.0


def specs_of_running(runtime: Runtime) -> dict[str, Path]:
    """Labs that labgen deployed: name to the spec that each was deployed from."""
    specs = {}
    for lab in running.labs(runtime):
        for container in lab.nodes.values():
            if spec := container.labels.get("labgen.spec"):
                specs[lab.name] = lab.topology_file.parent / spec
    return specs


def wait_converged(
    design: Design,
    commands: Commands,
    *,
    deadline: float = CONVERGED_SECONDS,
    tell: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Until every session that can come up as configured is Established, and every forecast route
    is in its kernel. Raises NotReady with what was still missing.
    """  # fmt: skip

    # One speaker at a time, cheap questions first: whoever waits must not take the processor from
    # those it waits for. vtysh is the dearest, so FRR comes last.
    waiting = sorted(
        (s for s in design.speakers if s.outside is None), key=lambda s: s.daemon is Daemon.FRR
    )

    turned = int(clock())

    def observe() -> list[str]:
        nonlocal turned
        if int(clock()) != turned:
            turned = int(clock())
            for speaker in waiting:
                _turn(speaker, commands)
        while waiting:
            tell(f"waiting for {waiting[0].node}")
            lacking = _lacking(design, waiting[0], commands)
            if lacking:
                return lacking
            waiting.pop(0)
        return []

    def everything(_: list[str]) -> str:
        missing = [m for s in waiting for m in _missing(design, s, commands)]
        return "; ".join(missing[:5]) + (" …" if len(missing) > 5 else "")

    wait_until(
        observe,
        lambda lacking: not lacking,
        deadline=deadline,
        what=f"lab {design.name}: every session Established, every route in the kernel",
        interval=0.05,
        describe=everything,
    )


def _turn(speaker: Speaker, commands: Commands) -> None:
    """Ask BIRD for its status, whatever it answers.

    BIRD 1.6 counts whole seconds of CLOCK_MONOTONIC and looks at its timers when its loop turns;
    with nothing to do it sleeps for the rest of a timer in whole seconds more, so a session is
    dialled up to a second later than due. A question turns the loop. Once per second is enough.
    """
    if speaker.daemon is Daemon.BIRD:
        for version in sorted({a.version for a in speaker.addresses}):
            commands.run(speaker.node, bird.status(version))


def _lacking(design: Design, speaker: Speaker, commands: Commands) -> list[str]:
    """What a speaker lacks: its routes, which is quickly asked, and then its sessions."""
    return _routes_lacking(design, speaker, commands) or _missing(design, speaker, commands)


def _missing(design: Design, speaker: Speaker, commands: Commands) -> list[str]:
    """Everything that a speaker lacks. Routes are named only where all sessions stand."""
    wanted = {
        s.other(speaker.node).address
        for s in design.sessions_of(speaker.node)
        if s.conflict is None and all(end.node is not None for end in s.ends)
    }
    up = {a for a in wanted if a in _established(speaker, commands)} if wanted else set()
    lacking = [f"{speaker.node}: no session with {a}" for a in sorted(wanted - up, key=str)]
    return lacking or _routes_lacking(design, speaker, commands)


def _routes_lacking(design: Design, speaker: Speaker, commands: Commands) -> list[str]:
    expected = {r.network for r in design.felix_routes(speaker.node)}
    if speaker.node not in design.forecast.unforeseen:
        routes = design.forecast.routes.get(speaker.node, ())
        expected |= {r.prefix for r in routes if r.in_kernel}
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


def _installed(
    expected: AbstractSet[Network], speaker: Speaker, commands: Commands
) -> set[Network]:
    there: set[Network] = set()
    for version, argv in ((4, kernel.ROUTES), (6, kernel.ROUTES6)):
        if any(prefix.version == version for prefix in expected):
            text = commands.run(speaker.node, argv).check().stdout
            there |= {r.prefix for r in kernel.parse_routes(text, version=version)}
    return there
