"""`labgen diagnose LAB`: the facts of a running lab, and a second look at what still counts."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from labgen.check.diagnosis.decide import diagnose
from labgen.check.prefix_story import follow, prefix_of
from labgen.cli.common import project, runtime
from labgen.errors import CaptureError
from labgen.lab import collect, running
from labgen.lab.current import as_it_is
from labgen.lab.verify import evidence_of, wire_of
from labgen.observe.bundle import read_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.check.diagnosis.model import Diagnosis
    from labgen.check.prefix_story import Step
    from labgen.evidence import Network
    from labgen.facts import Facts
    from labgen.lab.project import Project
    from labgen.runtime.protocol import Runtime

# Counters tell these apart; BIRD dials every 5 s, so what grows within 6 s is of now.
_COUNTED = {"tcp-179-filtered", "reverse-path-filter", "md5-mismatch"}
_WINDOW_SECONDS = 6.0


def diagnose_lab(lab: str) -> Diagnosis:
    """The present state of a lab. Raises LabError when it does not run."""
    return diagnose_project(as_it_is(project(lab)), runtime())


def follow_prefix(lab: str, prefix: str) -> tuple[Network, tuple[Step, ...]]:
    """A prefix's way through a running lab. Raises InputError for one that nobody should have."""
    opened = as_it_is(project(lab))
    net = prefix_of(opened.design, prefix)
    return net, follow(opened.design, evidence_of(opened, runtime()), net)


def diagnose_project(opened: Project, engine: Runtime) -> Diagnosis:
    """The present state of a project's lab. Raises LabError when it does not run."""
    found = running.find(engine, opened.name)
    with running.quick_commands(engine, found) as commands:
        ask = partial(commands.run, timeout=10.0)
        before = collect.counters(opened.design, ask)
        facts = _facts(opened, engine, found, collect.outputs(opened.design, ask))
        result = diagnose(facts, history=False)
        if not _COUNTED & {cause.fault.name for cause in result.causes}:
            return result
        threading.Event().wait(_WINDOW_SECONDS)
        after = collect.counters(opened.design, ask)
    return diagnose(facts + read_texts(collect.grown(before, after)), history=False)


def _facts(
    opened: Project, engine: Runtime, found: running.RunningLab, texts: dict[str, str]
) -> Facts:
    def lines(node: str) -> Iterator[str]:
        return engine.logs(found.container(node).name)

    nodes = [speaker.node for speaker in opened.design.speakers]
    facts = read_texts(texts | collect.logs(nodes, lines))
    try:
        return replace(facts, captures=(wire_of(opened),))
    except CaptureError:
        return facts
