"""Everything that a rehearsal will do, done on values first: what is wrong shows before anything
starts. calicoctl and kubectl are pure over a cluster's objects, so their own refusals are found.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labgen.calico.calicoctl import command as calicoctl
from labgen.calico.resources import Resources
from labgen.design.calico_nodes import with_nodes
from labgen.errors import InputError, InputErrors, Mark
from labgen.kubernetes import kubectl
from labgen.kubernetes.objects import ref
from labgen.kubernetes.shell import Clusters
from labgen.lab import clusters, faults, placing
from labgen.lab.current import design_of
from labgen.rehearsal.calls import Call, Texts, calls
from labgen.rehearsal.targets import Places
from labgen.spec.stages import (
    Action,
    Expect,
    Failover,
    Fault,
    NodeJoins,
    NodeLeaves,
    OnCluster,
    Run,
    Stage,
)

if TYPE_CHECKING:
    from labgen.calico.datastore import Stamps
    from labgen.lab.clusters import LiveState
    from labgen.lab.project import Project
    from labgen.yaml_source import KeyPath


@dataclass(frozen=True, slots=True)
class _Bench:
    """What an action is tried on. `faults_in` are the faults that are in the lab by then."""

    project: Project
    texts: Texts
    stamps: Stamps
    faults_in: set[str]


def check(
    project: Project, stages: Sequence[Stage], now: LiveState, texts: Texts, stamps: Stamps,
    faults_in: Collection[str] = (),
) -> None:  # fmt: skip
    """Try `stages` on the clusters as they are `now`, with the faults that are in the lab.

    Raises InputErrors; each has its place.
    """
    bench = _Bench(project, texts, stamps, set(faults_in))
    places = Places(project.design, now)
    problems = list(_probes(project, places))
    for stage in stages:
        number = project.loaded.spec.stages.index(stage)
        now, problem = _stage(bench, number, stage, now)
        places = places.joined(Places(project.design, now))
        problems += [problem] if problem else []
        problems += _expectations(project, places, number, stage)
        if problem:
            break  # what follows would only repeat it
    if problems:
        raise InputErrors(list({str(p): p for p in problems}.values()))


def _stage(
    bench: _Bench, number: int, stage: Stage, now: LiveState
) -> tuple[LiveState, InputError | None]:
    for position, action in enumerate(stage.actions):
        keys: KeyPath = ("stages", number, "actions", position, action.verb)
        mark = bench.project.loaded.mark(*keys)
        try:
            now = _tried(bench, action, now)
        except InputErrors as errors:
            return now, _placed(errors.problems[0], stage, mark)
        except InputError as error:
            return now, _placed(error, stage, mark)
    return now, None


def _placed(error: InputError, stage: Stage, mark: Mark) -> InputError:
    """The error at the action; one in a file keeps that place and names the action's in words."""
    if error.mark is not None:
        text = f"stage `{stage.name}` ({mark}): {error.message}"
        return InputError(text, mark=error.mark, hint=error.hint)
    return InputError(f"stage `{stage.name}`: {error.message}", mark=mark, hint=error.hint)


def _tried(bench: _Bench, action: Action, now: LiveState) -> LiveState:
    value = action.value
    if isinstance(value, OnCluster) and value.cluster not in now.clusters:
        raise _unknown("cluster", value.cluster, now.clusters)
    match value:
        case NodeJoins():
            return _joined(bench, value, now)
        case NodeLeaves():
            cluster = now.clusters[value.cluster]
            if value.name not in cluster.nodes:
                raise _unknown("node", value.name, cluster.nodes)
            return _without(bench, cluster.name, {value.name}, now)
        case Run() | Failover() | Fault():
            _looked_up(bench, action.verb, value, now)
    for call in calls(action, bench.texts):
        now = _called(bench, call, now)
    return now


def _looked_up(bench: _Bench, verb: str, value: Run | Failover | Fault, now: LiveState) -> None:
    """What an action names must be there; what it does cannot be tried on values."""
    match value:
        case Run():
            known = Places(bench.project.design, now).names
            if value.node not in known:
                raise _unknown("node", value.node, known)
        case Failover():
            units = [r.name for r in bench.project.design.routers if r.fails_over]
            if value.to not in {None, *units}:
                raise _unknown("unit of a pair", value.to or "", units)
            if len(units) < 2:
                raise InputError("no pair of BIG-IPs to fail over",
                                 hint="a second router with `failover_state: standby`")  # fmt: skip
        case Fault():
            _fault(bench, value, now, heals=verb == "heal")


def _fault(bench: _Bench, value: Fault, now: LiveState, *, heals: bool) -> None:
    """Raises InputError for a fault that there is not, that fits no node, or is not in or in."""
    if value.fault not in faults.names():
        raise _unknown("fault", value.fault, faults.names())
    design = design_of(bench.project.loaded, now)
    birds = [n.name for n in design.calico_nodes]
    if value.node is not None and value.node not in birds:
        raise _unknown("node", value.node, birds)
    faults.plan_of(value.fault, faults.target_of(design, value.node))
    if not heals and value.fault in bench.faults_in:
        raise InputError(f"the fault {value.fault} is in the lab by then", hint="heal it before")
    if heals and value.fault not in bench.faults_in:
        raise InputError(f"the fault {value.fault} is not in the lab by then",
                         hint="an earlier action must `inject` it")  # fmt: skip
    (bench.faults_in.discard if heals else bench.faults_in.add)(value.fault)


def _called(bench: _Bench, call: Call, now: LiveState) -> LiveState:
    before = now.clusters[call.cluster]
    if call.program == "calicoctl":
        result = calicoctl.run(
            call.argv, before.calico, read=bench.texts.given, stamps=bench.stamps
        )
        if result.status:
            raise InputError(f"`{call}`: {_said(result.stderr or result.stdout)}")
        return now.having(clusters.after_calicoctl(before, result.store, bench.stamps))
    states = Clusters({n: c.kubernetes for n, c in now.clusters.items()}, now.current)
    answer = kubectl.kubectl(
        ["--cluster", call.cluster, *call.argv], states, read=bench.texts.documents,
        now=bench.stamps.now(),
    )  # fmt: skip
    if answer.code:
        raise InputError(f"`{call}`: {_said(answer.err)}")
    if answer.action is not None:
        raise InputError(f"`{call}`: it runs something in a pod", hint="use the verb `run`")
    state = answer.clusters.states[call.cluster]
    after = clusters.after_kubectl(before, state, bench.stamps)
    now = now.having(clusters.with_pods_started(after, bench.stamps))
    gone = {n for n in before.nodes if state.node(n) is None}
    return _without(bench, call.cluster, gone, now) if gone else now


def _said(text: str) -> str:
    return " ".join(text.split()) or "it fails"


def _joined(bench: _Bench, value: NodeJoins, now: LiveState) -> LiveState:
    spec = bench.project.loaded.spec
    place = placing.place(spec, now, value.cluster, value.name, value.segment, value.address,
                          value.labels)  # fmt: skip
    one = spec.clusters[value.cluster].model_copy(update={"nodes": {value.name: place}})
    marks = {value.name: bench.project.loaded.document.first}
    resource = with_nodes(spec, one, Resources(), marks).node(value.name)
    assert resource is not None  # it was made just above
    before = now.clusters[value.cluster]
    return now.having(clusters.with_node(before, value.name, place, resource, bench.stamps))


def _without(bench: _Bench, cluster: str, names: set[str], now: LiveState) -> LiveState:
    left = clusters.without_nodes(now.clusters[cluster], names, bench.stamps)
    kept = [o for o in left.kubernetes.nodes if o.meta.name in names]
    gone = left.kubernetes.without([ref(o) for o in kept]) if kept else left.kubernetes
    return now.having(replace(left, kubernetes=gone))


# --- names ------------------------------------------------------------------------------------


def _unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(names) or 'none'}"
    return InputError(f"no {what} `{name}`", hint=hint)


def _probes(project: Project, places: Places) -> Iterator[InputError]:
    for name, probe in project.loaded.spec.probes.items():
        keys: KeyPath = ("probes", name)
        if probe.from_ not in places.names:
            error = _unknown("node or pod", probe.from_, places.names)
            yield _at(project, (*keys, "from"), f"probes.{name}", error)
        try:
            places.endpoint(probe.to)
        except InputError as error:
            yield _at(project, (*keys, "to"), f"probes.{name}", error)


def _expectations(
    project: Project, places: Places, number: int, stage: Stage
) -> Iterator[InputError]:
    """Every name that an expectation uses, against those that there are by then."""
    for keys, what, names, known in _named(stage.expect, places):
        for name in names:
            if name not in known:
                yield _at(project, ("stages", number, "expect", *keys), f"stage `{stage.name}`",
                          _unknown(what, name, known))  # fmt: skip
    for i, traffic in enumerate(stage.expect.traffic):
        try:
            places.endpoint(traffic.to)
        except InputError as error:
            keys = ("stages", number, "expect", "traffic", i, "to")
            yield _at(project, keys, f"stage `{stage.name}`", error)


def _named(
    expect: Expect, places: Places
) -> Iterator[tuple[KeyPath, str, Iterable[str], Collection[str]]]:
    """Where names stand, what they name, the names, and those that there are."""
    nodes, clusters_now = places.speakers, places.now.clusters
    for node, others in (expect.sessions or {}).items():
        yield ("sessions", node), "node", (node, *others), nodes
    for name in expect.as_numbers:
        yield ("as_numbers", name), "cluster or node", (name,), (*clusters_now, *nodes)
    for i, routes in enumerate(expect.routes):
        yield ("routes", i, "clusters"), "cluster", routes.clusters, clusters_now
        yield ("routes", i, "nodes"), "node", routes.nodes, nodes
        yield ("routes", i, "but"), "node", routes.but, nodes
        yield ("routes", i, "via"), "node", routes.via, nodes
    for i, traffic in enumerate(expect.traffic):
        yield ("traffic", i, "from"), "node or pod", (traffic.from_,), places.names
        yield ("traffic", i, "over"), "node", traffic.over, nodes


def _at(project: Project, keys: KeyPath, where: str, error: InputError) -> InputError:
    mark = project.loaded.mark(*keys)
    return InputError(f"{where}: {error.message}", mark=mark, hint=error.hint)
