"""Open a lab: read the spec and every file that it names, and decide the design.

This is the edge: it reads files. Everything that it calls with their content is pure.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from labgen.calico import resources as calico
from labgen.design.build import RouterSource, build
from labgen.design.model import Design
from labgen.design.plan import plan
from labgen.errors import InputError, InputErrors, Mark
from labgen.plan import LabPlan
from labgen.render.artefacts import artefacts
from labgen.spec.load import LoadedSpec, load
from labgen.spec.model import BigIp, Frr

_ENVIRONMENT = ("CALICO_ROUTER_ID", "CALICO_ADVERTISE_CLUSTER_IPS")


@dataclass(frozen=True)
class Project:
    """A lab as its files describe it, running or not."""

    loaded: LoadedSpec
    design: Design

    @property
    def name(self) -> str:
        return self.design.name

    @property
    def directory(self) -> Path:
        """The directory of the spec; the topology file and `clab-<lab>/` stand beside it."""
        return self.loaded.directory.resolve()

    @property
    def lab_directory(self) -> Path:
        return self.directory / f"clab-{self.name}"

    @property
    def topology_file(self) -> Path:
        return self.directory / f"{self.name}.clab.yml"

    @cached_property
    def plan(self) -> LabPlan:
        return plan(self.design)

    @cached_property
    def artefacts(self) -> dict[str, bytes]:
        return artefacts(self.design, source=self.loaded.path.name)


def open_project(path: Path) -> Project:
    """Read a spec and what it names. Raises InputErrors with every problem found."""
    loaded = load(path)
    problems: list[InputError] = []
    resources, manifests = {}, {}
    for name, cluster in loaded.spec.clusters.items():
        try:
            resources[name] = calico.load([loaded.resolve(p) for p in cluster.resources])
            manifests[name] = calico.documents([loaded.resolve(p) for p in cluster.manifests])[0]
        except InputErrors as errors:
            problems += errors.problems
        except InputError as error:
            problems.append(error)
    routers = router_sources(loaded)
    if problems:
        raise InputErrors(problems)
    marks = marks_of(loaded)
    design = build(
        loaded.spec, resources, routers, marks, calico_environment(), source=path.name,
        manifests=manifests,
    )  # fmt: skip
    return Project(loaded, design)


def router_sources(loaded: LoadedSpec) -> dict[str, RouterSource]:
    """The routers' configurations. Raises InputError for one that cannot be read."""
    return {name: _source(loaded, router) for name, router in loaded.spec.routers.items()}


def calico_environment() -> dict[str, str]:
    """What calico-node would find in its environment, taken from labgen's own."""
    return {key: os.environ[key] for key in _ENVIRONMENT if key in os.environ}


def _source(loaded: LoadedSpec, router: BigIp | Frr) -> RouterSource:
    def source(name: str | None) -> RouterSource | None:
        path = loaded.resolve(name) if name is not None else None
        return RouterSource(_read(path), str(path)) if path is not None else None

    config = loaded.resolve(router.config)
    others = (router.tmsh, router.as3) if isinstance(router, BigIp) else (None, None)
    return RouterSource(_read(config), str(config), *map(source, others))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def marks_of(loaded: LoadedSpec) -> dict[str, Mark]:
    """Where every node and pod stands in the spec."""
    marks = {}
    for cluster_name, cluster in loaded.spec.clusters.items():
        for kind in ("nodes", "pods"):
            for name in getattr(cluster, kind):
                marks[name] = loaded.mark("clusters", cluster_name, kind, name)
    for name in loaded.spec.routers:
        marks[name] = loaded.mark("routers", name)
    return marks
