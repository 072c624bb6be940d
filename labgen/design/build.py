"""From validated inputs to the design of a lab. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from labgen.calico.resources import Resources
from labgen.design import calico_nodes, routers
from labgen.design.model import Design, Segment
from labgen.design.plan import short
from labgen.design.sessions import derive
from labgen.errors import InputError, InputErrors, Mark
from labgen.spec.model import Spec


@dataclass(frozen=True, slots=True)
class RouterSource:
    """A router's configuration as text, and the name of its file for errors; so for `tmsh`."""

    text: str
    path: str
    tmsh: RouterSource | None = None


def build(
    spec: Spec, resources: Mapping[str, Resources], sources: Mapping[str, RouterSource],
    marks: Mapping[str, Mark], environment: Mapping[str, str], *, source: str,
) -> Design:  # fmt: skip
    """Decide a lab. Raises InputErrors with every problem of every file."""
    problems: list[InputError] = []

    def collect(error: InputError) -> None:
        problems.extend(error.problems if isinstance(error, InputErrors) else [error])

    clusters, decided = [], []
    for name in spec.clusters:
        try:
            clusters.append(
                calico_nodes.decide(spec, name, resources[name], marks, environment)
            )  # fmt: skip
        except InputError as error:
            collect(error)
    for name in spec.routers:
        try:
            given = sources[name]
            tmsh = (given.tmsh.text, given.tmsh.path) if given.tmsh else None
            decided.append(routers.decide(spec, name, given.text, given.path, tmsh=tmsh))
        except InputError as error:
            collect(error)
    if problems:
        raise InputErrors(problems)
    nodes = tuple(node for cluster in clusters for node in cluster.nodes)
    speakers = (
        *(router.speaker for router in decided if router.speaker is not None),
        *(calico_nodes.speaker(node) for node in nodes),
    )
    sessions = derive(speakers)
    return Design(
        name=spec.name,
        segments=tuple(_segments(spec)),
        calico_nodes=nodes,
        routers=tuple(router.router for router in decided),
        pods=tuple(pod for cluster in clusters for pod in cluster.pods),
        speakers=speakers,
        sessions=sessions,
        notes=(*(n for c in clusters for n in c.notes), *(n for r in decided for n in r.notes)),
        source=source,
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
