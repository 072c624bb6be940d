"""Labs that run: find them by their labels, list them as containerlab does, run commands in them.

containerlab's own labels are enough, so a lab that containerlab deployed is seen as well.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.errors import InputError, LabError
from labgen.lab import naming
from labgen.runtime.wirer import NamespaceCommands, Wirer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labgen.runtime.protocol import Commands, Completed, Container, Runtime

CONTAINERLAB = "containerlab"


@dataclass(frozen=True, slots=True)
class RunningLab:
    """A lab as its labels tell it. `nodes` maps topology names to containers, in any state."""

    name: str
    topology_file: Path
    nodes: Mapping[str, Container]

    @property
    def directory(self) -> Path:
        return self.topology_file.parent / f"clab-{self.name}"

    def container(self, node: str) -> Container:
        """The container of a node. Raises InputError with the names there are."""
        if node not in self.nodes:
            raise InputError(
                f"lab {self.name} has no node {node}", hint=f"there are {', '.join(self.nodes)}"
            )
        return self.nodes[node]

    def with_role(self, role: str) -> tuple[str, ...]:
        """Names of the nodes with a role (`labgen.plan.Role`'s values)."""
        return tuple(n for n, c in self.nodes.items() if c.labels.get(naming.ROLE) == role)


def labs(runtime: Runtime) -> tuple[RunningLab, ...]:
    """Every lab on this engine, sorted by name."""
    return _grouped(runtime.containers({CONTAINERLAB: None}))


def find(runtime: Runtime, name: str) -> RunningLab:
    """One lab. Raises LabError, with the names of those that run, when it is not there."""
    found = _grouped(runtime.containers({CONTAINERLAB: name}))
    if found:
        return found[0]
    others = ", ".join(lab.name for lab in labs(runtime))
    raise LabError(
        f"no lab named {name} runs",
        hint=f"these do: {others}" if others else f"`labgen deploy {name}` starts it",
    )


def _grouped(containers: Sequence[Container]) -> tuple[RunningLab, ...]:
    by_lab: dict[str, list[Container]] = {}
    for container in containers:
        # containerlab marks its own helpers (shells, web terminals) with `tool-type`
        if "tool-type" not in container.labels:
            by_lab.setdefault(container.labels[CONTAINERLAB], []).append(container)
    return tuple(
        RunningLab(
            name,
            Path(members[0].labels.get("clab-topo-file", "")),
            {c.labels.get("clab-node-name", c.name): c for c in members},
        )
        for name, members in sorted(by_lab.items())
    )


def inspect(found: Sequence[RunningLab], *, relative_to: Path) -> dict[str, list[dict[str, str]]]:
    """containerlab's `inspect` JSON: lab name -> one object per node; addresses are N/A by design.

    `labPath` is relative to `relative_to` (the working directory), `absLabPath` absolute.
    """
    return {lab.name: [_row(lab, c, relative_to) for c in lab.nodes.values()] for lab in found}


def _row(lab: RunningLab, container: Container, relative_to: Path) -> dict[str, str]:
    get = container.labels.get
    return {
        "lab_name": lab.name,
        "labPath": os.path.relpath(lab.topology_file, relative_to),
        "absLabPath": str(lab.topology_file),
        "name": container.name,
        "container_id": container.id[:12],
        "image": container.image,
        "kind": get("clab-node-kind", ""),
        "state": container.state,
        "status": container.status,
        "ipv4_address": "N/A",  # sealed nodes have no management network
        "ipv6_address": "N/A",
        "owner": get("clab-owner", ""),
    }


class EngineCommands:
    """`Commands` by the engine's exec: works with any lab, some 65 ms each."""

    def __init__(self, runtime: Runtime, lab: RunningLab) -> None:
        self._runtime, self._lab = runtime, lab

    def run(
        self,
        node: str,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 30.0,
    ) -> Completed:
        container = running(self._lab, node)
        data = None if stdin is None else stdin.encode()
        done = self._runtime.run(container.name, argv, stdin=data, timeout=timeout)
        return replace(done, node=node)


def running(lab: RunningLab, node: str) -> Container:
    """A node's container. Raises LabError when it does not run."""
    container = lab.container(node)
    if not container.running:
        raise LabError(
            f"node {node} of lab {lab.name} does not run ({container.status})",
            hint=f"`labgen logs {lab.name} {node}` tells why",
        )
    return container


@contextlib.contextmanager
def quick_commands(runtime: Runtime, lab: RunningLab) -> Iterator[Commands]:
    """`Commands` for many questions: a helper container enters the nodes' namespaces, 3 ms each.

    Nodes that do not run are asked in vain (LabError), the others answer. The helper takes a
    quarter of a second to start, so a single command is better run by `EngineCommands`.
    """
    pids = {name: runtime.pid(c.id) for name, c in lab.nodes.items() if c.running}
    place = naming.Place(lab.name, lab.topology_file)
    common = naming.lab_labels(place, plan_digest="", deployment=secrets.token_hex(8))
    wirer = Wirer(runtime, lab.name, common)
    try:
        yield NamespaceCommands(wirer, pids)
    finally:
        wirer.close()


def logs(
    runtime: Runtime, lab: RunningLab, node: str, *, tail: int | None = None, follow: bool = False
) -> Iterator[str]:
    """A node's log, line by line; with `follow`, until the node ends."""
    return runtime.logs(lab.container(node).id, tail=tail, follow=follow)
