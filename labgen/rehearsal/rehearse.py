"""`rehearse`: check everything, deploy where nothing runs, probe, play the stages."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from labgen.design.plan import plan
from labgen.errors import InputError, LabError
from labgen.lab import naming, running
from labgen.lab.clusters import beginning
from labgen.lab.current import current_design
from labgen.lab.datastore_files import real_stamps
from labgen.lab.deploy import deploy
from labgen.lab.destroy import destroy
from labgen.lab.injected import injected
from labgen.lab.live import live
from labgen.lab.lock import rehearsing
from labgen.lab.progress import Progress, silent
from labgen.lab.verify import wire_of
from labgen.rehearsal.actions import RecordedFaults
from labgen.rehearsal.calls import Texts
from labgen.rehearsal.dry_run import check
from labgen.rehearsal.probing import flows_of, probing
from labgen.rehearsal.result import Outcome, Rehearsal
from labgen.rehearsal.stages import ACTING_SECONDS, Stageplay, play
from labgen.rehearsal.targets import Places

if TYPE_CHECKING:
    from labgen.lab.live import LiveLab
    from labgen.lab.project import Project
    from labgen.rehearsal.result import StageResult
    from labgen.runtime.protocol import Completed, Runtime
    from labgen.spec.model import Spec
    from labgen.spec.stages import Stage


def chosen(spec: Spec, *, only: str | None = None, first: str | None = None) -> tuple[Stage, ...]:
    """All stages, the one named `only`, or those from `first` on. Raises InputError."""
    if not spec.stages:
        raise InputError(f"lab {spec.name} has no stages", hint="write `stages:` into its spec")
    names = [stage.name for stage in spec.stages]
    wanted = only if only is not None else first
    if wanted is None:
        return tuple(spec.stages)
    if wanted not in names:
        near = difflib.get_close_matches(wanted, names, n=1) or [
            name for name in names if wanted.casefold() in name.casefold()
        ]
        quoted = [f"`{name}`" for name in near or names]  # a name may have a comma in it
        hint = f"did you mean {' or '.join(quoted)}?" if near else f"known: {', '.join(quoted)}"
        raise InputError(f"lab {spec.name} has no stage `{wanted}`", hint=hint)
    place = names.index(wanted)
    return tuple(spec.stages[place : place + 1] if only is not None else spec.stages[place:])


def rehearse(
    project: Project,
    runtime: Runtime,
    stages: Sequence[Stage],
    *,
    fresh: bool = False,
    tell: Callable[[str], object] = str,
    progress: Progress = silent,
) -> Rehearsal:
    """Play `stages` on the project's lab, which is deployed if it does not run, and left running.

    `fresh` destroys one that runs, once everything is known to be well. While it lasts, other
    commands that would change the lab are refused. Raises InputErrors before anything starts where
    a stage cannot work, LabError where the lab is busy or cannot be had. What goes wrong in a stage
    is in its result.
    """
    start = time.monotonic()
    with rehearsing(project.lab_directory):
        runs = _runs(project, runtime, fresh=fresh)
        texts, stamps = Texts(project.loaded), real_stamps()
        if not runs:
            now = beginning(project.loaded.spec, project.design, stamps)
            check(project, stages, now, texts, stamps)
            if fresh:
                destroy(
                    project.name, runtime=runtime, directory=project.lab_directory, cleanup=True
                )
            deploy(
                project.plan, project.artefacts, project.directory,
                topology_file=project.topology_file, runtime=runtime, progress=progress,
            )  # fmt: skip
        deployed = 0.0 if runs else time.monotonic() - start
        with live(project, runtime) as lab:
            found = tuple(i.name for i in injected(project.lab_directory))
            if runs:
                check(project, stages, lab.state, texts, stamps, faults_in=found)
            on, results = _played(lab, stages, texts, tell)
            notes = (*_notes(runs, found, lab, results), *on.notes)
    return Rehearsal(project.name, results, time.monotonic() - start, not runs, deployed, notes,
                     tuple(on.probes.cost.items()))  # fmt: skip


def _played(
    lab: LiveLab, stages: Sequence[Stage], texts: Texts, tell: Callable[[str], object]
) -> tuple[Stageplay, tuple[StageResult, ...]]:
    spec = lab.project.loaded.spec
    start = partial(_started, lab)
    faults = RecordedFaults(lab.project.lab_directory, lambda n, a, text: start(
        n, a, stdin=None if text is None else text.encode()
    ))  # fmt: skip
    flows = flows_of(spec.probes, Places(lab.design(), lab.state))
    with probing(flows, start, lab.run, seconds=ACTING_SECONDS) as probes:
        on = Stageplay(lab, spec, texts, lab.site.commands, faults, probes,
                       partial(wire_of, lab.project), tell)  # fmt: skip
        results = play(on, stages)
    return on, results


def _runs(project: Project, runtime: Runtime, *, fresh: bool) -> bool:
    """Whether the lab is there and to be used. Raises LabError for one that is of another spec, or
    that is there in part.
    """
    there = next((lab for lab in running.labs(runtime) if lab.name == project.name), None)
    if there is None:
        return False
    if there.topology_file.parent != project.directory:
        raise LabError(
            f"lab {project.name} runs from {there.topology_file.parent}, not from "
            f"{project.directory}", hint="give this one another name",
        )  # fmt: skip
    if fresh:
        return False
    nodes = [name for name, c in there.nodes.items() if c.labels.get(naming.ROLE) != "wiring"]
    wanted = [node.name for node in plan(current_design(project)).nodes]
    lacking = [n for n in wanted if n not in nodes or not there.nodes[n].running]
    if lacking:
        raise LabError(
            f"lab {project.name} is only partly there: {', '.join(lacking[:3])}"
            f"{' …' if len(lacking) > 3 else ''} of {len(wanted)} nodes do not run",
            hint="`--fresh` starts from nothing",
        )
    return True


def _started(
    lab: LiveLab, node: str, argv: Sequence[str], *, stdin: bytes | None = None
) -> Completed:
    """By the engine's exec, which puts the process into the node's own container."""
    container = lab.site.containers().get(node)
    if container is None:
        raise LabError(f"lab {lab.project.name} has no node {node}")
    return lab.site.runtime.run(container.name, argv, stdin=stdin)


def _notes(
    runs: bool, faults_in: Sequence[str], lab: LiveLab, results: Sequence[StageResult]
) -> Iterator[str]:
    if faults_in:
        yield (f"in the lab before the rehearsal: the fault {', '.join(faults_in)}; "
               "`labgen fault heal` takes it out")  # fmt: skip
    if runs and results[0].outcome is Outcome.FAIL and lab.state.generation:
        yield "the lab ran already and had been changed before: `--fresh` starts from nothing"
