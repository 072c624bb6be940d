"""A running lab as a change works on it: its containers, their process ids, quick commands."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from labgen.lab import naming, running
from labgen.lab.progress import Event, silent
from labgen.runtime.wirer import NamespaceCommands, Wirer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labgen.lab.running import RunningLab
    from labgen.runtime.protocol import Commands, Completed, Container, Runtime


class Site:
    """What there is of a lab on the engine. `close` ends its helper container, if it was needed.

    The helper takes a quarter of a second to start and answers in 3 ms, so it starts with the
    first command and stays.
    """

    def __init__(
        self, runtime: Runtime, lab: str, *, tell: Callable[[Event], object] = silent
    ) -> None:
        """Raises LabError when no such lab runs."""
        self.runtime, self.tell = runtime, tell
        found = running.find(runtime, lab)
        first = next(iter(found.nodes.values()))
        get = first.labels.get
        self.place = naming.Place(lab, found.topology_file, get("clab-owner", ""))
        # Nodes that join carry what the others carry, so that `deploy` and `destroy` know them.
        self.common = naming.lab_labels(
            self.place,
            plan_digest=get(naming.PLAN, ""),
            deployment=get(naming.DEPLOYMENT, secrets.token_hex(8)),
        )
        self._found = found

    @property
    def found(self) -> RunningLab:
        """The lab as it was last looked at."""
        return self._found

    def containers(self) -> dict[str, Container]:
        """Every node's container as it is now, in any state.

        Another command may have changed the lab meanwhile: process ids of containers that are
        others now are asked for again.
        """
        before = {name: c.id for name, c in self._found.nodes.items()}
        self._found = running.find(self.runtime, self.place.lab)
        now = {
            name: container
            for name, container in self._found.nodes.items()
            if container.labels.get(naming.ROLE) != "wiring"
        }
        if "pids" in self.__dict__:
            self.left([name for name in self.pids if name not in now])
            for name, container in now.items():
                if container.running and (
                    name not in self.pids or before.get(name) != container.id
                ):
                    self.pids[name] = self.runtime.pid(container.id)
        return now

    @cached_property
    def pids(self) -> dict[str, int]:
        """Process ids of the nodes that run."""
        return {name: self.runtime.pid(c.id) for name, c in self._found.nodes.items() if c.running}

    @cached_property
    def wirer(self) -> Wirer:
        return Wirer(self.runtime, self.place.lab, self.common)

    @cached_property
    def commands(self) -> Commands:
        """Quick commands in the nodes, those that join later included."""
        return NamespaceCommands(self.wirer, self.pids)

    def run(self, node: str, argv: Sequence[str]) -> str:
        """A command that must succeed; its output. Raises CommandFailed, LabError."""
        return self.commands.run(node, argv).check().stdout

    def completed(self, node: str, argv: Sequence[str], *, timeout: float = 30.0) -> Completed:
        """A command, whatever it exits with."""
        return self.commands.run(node, argv, timeout=timeout)

    def joined(self, pids: Mapping[str, int]) -> None:
        """Nodes that were started."""
        self.pids.update(pids)

    def left(self, names: Iterable[str]) -> None:
        """Nodes that were removed."""
        for name in names:
            self.pids.pop(name, None)

    def close(self) -> None:
        if "wirer" in self.__dict__:
            self.wirer.close()
