"""`rehearse`: check everything, deploy where nothing runs, probe, play the stages."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from labgen.errors import InputError, LabError
from labgen.lab import running
from labgen.lab.clusters import beginning
from labgen.lab.datastore_files import real_stamps
from labgen.lab.deploy import deploy
from labgen.lab.live import live
from labgen.lab.progress import Progress, silent
from labgen.lab.verify import wire_of
from labgen.rehearsal.calls import Texts
from labgen.rehearsal.dry_run import check
from labgen.rehearsal.probing import flows_of, probing
from labgen.rehearsal.result import Outcome, Rehearsal
from labgen.rehearsal.stages import Stageplay, play
from labgen.rehearsal.targets import Places

if TYPE_CHECKING:
    from labgen.lab.live import LiveLab
    from labgen.lab.project import Project
    from labgen.runtime.protocol import Completed, Runtime
    from labgen.spec.model import Spec
    from labgen.spec.stages import Stage

SPARE_SECONDS = 60.0  # what the probes live on after the longest possible rehearsal


def chosen(spec: Spec, *, only: str | None = None, first: str | None = None) -> tuple[Stage, ...]:
    """All stages, the one named `only`, or those from `first` on. Raises InputError."""
    if not spec.stages:
        raise InputError(f"lab {spec.name} has no stages", hint="write `stages:` into its spec")
    names = [stage.name for stage in spec.stages]
    wanted = only if only is not None else first
    if wanted is None:
        return tuple(spec.stages)
    if wanted not in names:
        near = difflib.get_close_matches(wanted, names, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names)}"
        raise InputError(f"lab {spec.name} has no stage `{wanted}`", hint=hint)
    place = names.index(wanted)
    return tuple(spec.stages[place : place + 1] if only is not None else spec.stages[place:])


def rehearse(
    project: Project,
    runtime: Runtime,
    stages: Sequence[Stage],
    *,
    tell: Callable[[str], object] = str,
    progress: Progress = silent,
) -> Rehearsal:
    """Play `stages` on the project's lab, which is deployed if it does not run, and left running.

    Raises InputErrors before anything starts where a stage cannot work, LabError where the lab
    cannot be had. What goes wrong in a stage is in its result.
    """
    start = time.monotonic()
    runs = any(lab.name == project.name for lab in running.labs(runtime))
    texts, stamps = Texts(project.loaded), real_stamps()
    if not runs:
        check(
            project, stages, beginning(project.loaded.spec, project.design, stamps), texts, stamps
        )
        deploy(
            project.plan, project.artefacts, project.directory,
            topology_file=project.topology_file, runtime=runtime, progress=progress,
        )  # fmt: skip
    deployed = time.monotonic() - start
    with live(project, runtime) as lab:
        if runs:
            check(project, stages, lab.state, texts, stamps)
        places = Places(lab.design(), lab.state)
        flows = flows_of(project.loaded.spec.probes, places)
        longest = sum(stage.expect.deadline + 30.0 for stage in stages) + SPARE_SECONDS
        with probing(flows, partial(_started, lab), lab.run, seconds=longest) as probes:
            on = Stageplay(lab, project.loaded.spec, texts, lab.site.commands, probes,
                           partial(wire_of, project), tell)  # fmt: skip
            results = play(on, stages)
    notes = _notes(runs, lab, results[0].outcome is Outcome.FAIL and bool(stages[0].name))
    return Rehearsal(project.name, results, time.monotonic() - start, not runs,
                     0.0 if runs else deployed, notes, tuple(probes.cost.items()))  # fmt: skip


def _started(
    lab: LiveLab, node: str, argv: Sequence[str], *, stdin: bytes | None = None
) -> Completed:
    """By the engine's exec, which puts the process into the node's own container."""
    container = lab.site.containers().get(node)
    if container is None:
        raise LabError(f"lab {lab.project.name} has no node {node}")
    return lab.site.runtime.run(container.name, argv, stdin=stdin)


def _notes(runs: bool, lab: LiveLab, broken: bool) -> tuple[str, ...]:
    if runs and broken and lab.state.generation:
        return ("the lab ran already and had been changed before: `--fresh` starts from nothing",)
    return ()
