"""Remove labs by their labels alone: nothing else needs to be known, nothing else is touched."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.errors import LabError, LabgenError
from labgen.lab import files, injected, naming
from labgen.lab.lock import locked, refuse_rehearsed
from labgen.lab.progress import Event, Step, silent
from labgen.lab.wait import wait_until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labgen.lab.progress import Progress
    from labgen.runtime.protocol import Container, Runtime

WORKERS = 8
SETTLE_SECONDS = 30.0
# What a killed deploy had asked the engine for, the engine still makes: some 0.1 s later, more
# on a busy machine. After a kill, nothing may have appeared for this long.
IN_FLIGHT_SECONDS = 2.0


def destroy(
    lab: str,
    *,
    runtime: Runtime,
    directory: Path | None = None,
    cleanup: bool = False,
    progress: Progress = silent,
) -> tuple[str, ...]:
    """Remove every container of a lab, helpers included; returns the names of what was removed.

    Works after a deploy that was killed at any moment. Captures and generated files stay, unless
    `cleanup` removes the lab directory; temporary files go in either case. `directory` is the lab
    directory where it is known otherwise; else the labels tell it. Nothing there: nothing done.
    Raises HostError, and LabError when the lab is busy or containers withstand.
    """
    there = runtime.containers({naming.LAB: lab})
    directory = directory or _directory(there)
    if directory is not None:
        refuse_rehearsed(directory)
    if directory is None or not directory.is_dir():
        return _remove(lab, runtime, progress, quiet=0.0 if there else IN_FLIGHT_SECONDS / 4)
    with locked(directory, f"destroy of {lab}") as killed:
        removed = _remove(lab, runtime, progress, quiet=IN_FLIGHT_SECONDS if killed else 0.0)
        files.remove_temporaries(directory)
        injected.forget(directory)
        if cleanup:
            files.remove_topology(directory.parent / f"{lab}.clab.yml")
            files.remove_directory(directory, lab)
    return removed


def destroy_all(
    *, runtime: Runtime, cleanup: bool = False, progress: Progress = silent
) -> tuple[str, ...]:
    """Every lab that labgen deployed on this engine; returns the names of the labs."""
    names = sorted({c.labels[naming.LAB] for c in runtime.containers({naming.LAB: None})})
    problems = []
    for lab in names:
        try:
            destroy(lab, runtime=runtime, cleanup=cleanup, progress=progress)
        except LabError as error:  # one that is busy does not save the others
            problems.append(error)
    if problems:
        raise LabError("; ".join(p.message for p in problems), hint=problems[0].hint)
    return tuple(names)


def _directory(there: Sequence[Container]) -> Path | None:
    known = {c.labels[naming.DIRECTORY] for c in there if naming.DIRECTORY in c.labels}
    return Path(known.pop()) if len(known) == 1 else None


def _remove(lab: str, runtime: Runtime, progress: Progress, *, quiet: float) -> tuple[str, ...]:
    """Remove until none is left and, for `quiet` seconds, none appears."""
    removed: dict[str, None] = {}
    last_seen = time.monotonic()

    def sweep() -> tuple[Container, ...]:
        nonlocal last_seen
        there = runtime.containers({naming.LAB: lab})
        remove_containers(runtime, there)
        for container in there:
            last_seen = time.monotonic()
            removed[container.name] = None
            progress(
                Event(Step.REMOVED, f"{container.name} removed", container.labels.get(naming.NODE))
            )
        return there

    wait_until(
        sweep,
        lambda there: not there and time.monotonic() - last_seen >= quiet,
        deadline=SETTLE_SECONDS,
        what=f"removal of lab {lab}",
        interval=0.1,
        describe=lambda there: ", ".join(c.name for c in there),
    )
    return tuple(removed)


def remove_containers(runtime: Runtime, containers: Sequence[Container]) -> None:
    """Kill and remove in parallel. Raises LabError, naming all that withstood, after trying all."""
    if not containers:
        return
    with ThreadPoolExecutor(min(WORKERS, len(containers)), thread_name_prefix="remove") as pool:
        problems = [p for p in pool.map(lambda c: _try_remove(runtime, c), containers) if p]
    if problems:
        raise LabError("; ".join(problems))


def _try_remove(runtime: Runtime, container: Container) -> str | None:
    try:
        runtime.remove(container.id)
    except LabgenError as error:
        return f"{container.name}: {error.message}"
    return None
