"""From validated inputs to the design of a lab. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from labgen.calico.resources import Resources
from labgen.design import calico_nodes, routers, workloads
from labgen.design.content import Content, initial, lab_node, renamed
from labgen.design.model import Design, Segment
from labgen.design.plan import short
from labgen.design.sessions import derive
from labgen.design.wire import Stated, stated
from labgen.errors import InputError, InputErrors, Mark
from labgen.spec.model import Spec
from labgen.yaml_source import Document


@dataclass(frozen=True, slots=True)
class RouterSource:
    """A router's configuration as text, and its file's name for errors; so for `tmsh`, `as3`."""

    text: str
    path: str
    tmsh: RouterSource | None = None
    as3: RouterSource | None = None


def build(
    spec: Spec, resources: Mapping[str, Resources], sources: Mapping[str, RouterSource],
    marks: Mapping[str, Mark], environment: Mapping[str, str], *, source: str,
    manifests: Mapping[str, Sequence[Document]] | None = None,
) -> Design:  # fmt: skip
    """Decide a lab as it is when it starts. Raises InputErrors with every problem of every file.

    `marks` says where each node and pod stands in the spec; `manifests` are each cluster's
    Kubernetes documents.
    """
    problems: list[InputError] = []
    contents = []
    given = manifests or {}
    for name, cluster in spec.clusters.items():
        with _collected(problems):
            known = calico_nodes.with_nodes(spec, cluster, resources[name], marks)
            contents.append(initial(spec, name, known, given.get(name, ()), marks))
    design = _decide(spec, _apart(spec, contents), sources, environment, source, problems)
    wrong = [found for found in stated(spec, design.sessions) if isinstance(found, InputError)]
    if wrong:
        raise InputErrors(wrong)
    return design


def rebuild(
    spec: Spec, contents: Sequence[Content], sources: Mapping[str, RouterSource],
    environment: Mapping[str, str], *, source: str,
) -> Design:  # fmt: skip
    """Decide a lab as it is now: `contents` are its clusters, `spec` has the nodes there are.

    Raises InputErrors where the clusters hold what no node could run.
    """
    return _decide(spec, contents, sources, environment, source, [])


def _apart(spec: Spec, contents: Sequence[Content]) -> list[Content]:
    """The contents with a name of its own for every pod."""
    taken = {*spec.segments, *spec.routers, *(n for c in spec.clusters.values() for n in c.nodes)}
    found = []
    for content in contents:
        state = renamed(content.state, taken)
        taken |= {lab_node(pod) for pod in state.pods}
        found.append(replace(content, state=state))
    return found


@contextmanager
def _collected(problems: list[InputError]) -> Iterator[None]:
    """Errors are collected, so that one run names all of them."""
    try:
        yield
    except InputErrors as errors:
        problems.extend(errors.problems)
    except InputError as error:
        problems.append(error)


def _decide(
    spec: Spec, contents: Sequence[Content], sources: Mapping[str, RouterSource],
    environment: Mapping[str, str], source: str, problems: list[InputError],
) -> Design:  # fmt: skip
    clusters, decided = [], []
    for content in contents:
        with _collected(problems):
            clusters.append(calico_nodes.decide(spec, content, environment))
    for name in spec.routers:
        with _collected(problems):
            given = sources[name]
            tmsh, as3 = ((g.text, g.path) if g else None for g in (given.tmsh, given.as3))
            decided.append(routers.decide(spec, name, given.text, given.path, tmsh=tmsh, as3=as3))
    if problems:
        raise InputErrors(problems)
    nodes = tuple(node for cluster in clusters for node in cluster.nodes)
    speakers = (
        *(router.speaker for router in decided if router.speaker is not None),
        *(calico_nodes.speaker(node) for node in nodes),
        *(s for c in clusters for pod in c.pods if (s := workloads.speaker(pod)) is not None),
    )
    sessions = derive(speakers)
    wire = tuple(stated(spec, sessions))
    return Design(
        name=spec.name,
        segments=tuple(_segments(spec)),
        calico_nodes=nodes,
        routers=tuple(router.router for router in decided),
        pods=tuple(pod for cluster in clusters for pod in cluster.pods),
        speakers=speakers,
        sessions=sessions,
        contents=tuple(cluster.content for cluster in clusters),
        notes=(
            *(n for c in clusters for n in c.notes),
            *(n for r in decided for n in r.notes),
            # A change may end a session of which the spec speaks; the design stands without it.
            *(str(problem) for problem in wire if isinstance(problem, InputError)),
        ),
        source=source,
        stated=tuple(statement for statement in wire if isinstance(statement, Stated)),
    )


def _segments(spec: Spec) -> list[Segment]:
    return [
        Segment(
            name,
            name,
            short(name),
            (segment.subnet, *((segment.subnet6,) if segment.subnet6 else ())),
            segment.mtu,
        )
        for name, segment in spec.segments.items()
    ]
