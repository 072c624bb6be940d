"""From a plan to containers: names, labels, environment. Pure; containerlab's words throughout."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.runtime.protocol import ContainerSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.plan import LabPlan, NodePlan

# labgen's own labels; containerlab's are in `labels` below
LAB, NODE, ROLE = "labgen.lab", "labgen.node", "labgen.role"
DIRECTORY, PLAN, DEPLOYMENT = "labgen.directory", "labgen.plan", "labgen.deployment"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lab stands. `root` holds the topology file; bind sources are relative to it."""

    lab: str
    topology_file: Path
    owner: str = ""

    @property
    def root(self) -> Path:
        return self.topology_file.parent

    @property
    def directory(self) -> Path:
        return self.root / f"clab-{self.lab}"


def digest(plan: LabPlan, artefacts: Mapping[str, bytes]) -> str:
    """What a deployed lab is compared by: everything that its containers are made from."""
    text = json.dumps(asdict(plan), sort_keys=True, default=_plain)
    total = hashlib.sha256(text.encode())
    for path, content in sorted(artefacts.items()):
        total.update(f"\0{path}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()[:16]


def _plain(value: object) -> object:
    return value.value if isinstance(value, Enum) else str(value)


def lab_labels(place: Place, *, plan_digest: str, deployment: str) -> dict[str, str]:
    """What every container of a lab carries, helpers included: destroy goes by these."""
    return {
        LAB: place.lab,
        DIRECTORY: str(place.directory),
        PLAN: plan_digest,
        DEPLOYMENT: deployment,
    }


def labels(place: Place, node: NodePlan, container: str) -> dict[str, str]:
    """containerlab's labels, so that its inspect, exec, destroy and editor see the node."""
    return {
        **node.labels,
        "containerlab": place.lab,
        "clab-node-name": node.name,
        "clab-node-longname": container,
        "clab-node-kind": node.kind.lower(),
        "clab-node-type": "",
        "clab-node-group": node.role.value,
        "clab-node-lab-dir": str(place.directory / node.name),
        "clab-topo-file": str(place.topology_file),
        "clab-owner": place.owner,
        NODE: node.name,
        ROLE: node.role.value,
    }


def environment(plan: LabPlan, node: NodePlan, node_labels: Mapping[str, str]) -> dict[str, str]:
    """The node's own, and what containerlab adds: CLAB_INTFS, and every label."""
    from_labels = {
        "CLAB_LABEL_" + re.sub(r"[-+./]", "_", key).upper(): value
        for key, value in node_labels.items()
        if not key.startswith("labgen.")
    }
    count = str(len(plan.interfaces_of(node.name)))
    return {**node.env, **from_labels, "CLAB_INTFS": count}


def container_spec(
    place: Place, plan: LabPlan, node: NodePlan, common: Mapping[str, str]
) -> ContainerSpec:
    """The container of a node: sealed (no network but its links) and unprivileged."""
    container = plan.container(node.name)
    own = labels(place, node, container)
    return ContainerSpec(
        name=container,
        image=node.image,
        hostname=node.name,
        env=environment(plan, node, own),
        labels={**own, **common},
        sysctls=node.sysctls,
        cap_add=node.cap_add,
        binds=tuple(
            f"{place.root / bind.source}:{bind.target}:{'ro' if bind.read_only else 'rw'}"
            for bind in node.binds
        ),
    )
