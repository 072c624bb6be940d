"""What labgen needs of a container engine: nine verbs, and the values they pass.

`labgen.runtime.docker` is the implementation, `labgen.runtime.memory` a public double for tests.
Foreign exceptions end at the implementation: callers see HostError and LabError only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from labgen.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container to create. `binds` are absolute (`/source:/target[:ro]`).

    Always unprivileged and restart "no": a restart by the engine would lose every link.
    """

    name: str
    image: str
    hostname: str | None = None
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=dict)
    cap_add: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    network_mode: str = "none"
    pid_mode: str | None = None
    auto_remove: bool = False
    interactive: bool = False  # keeps standard input open until the first client that attaches ends


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine lists it. `state` is Docker's word, `status` its sentence."""

    id: str
    name: str
    image: str
    state: str
    status: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.state == "running"


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran in a node. Outputs are text; undecodable octets are replaced."""

    node: str
    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    def check(self) -> Completed:
        """Itself when the command succeeded. Raises CommandFailed otherwise."""
        if self.code:
            raise CommandFailed(self.node, self.argv, self.code, self.stderr or self.stdout)
        return self


class Commands(Protocol):
    """Runs commands in nodes: what everything that observes a lab is given."""

    def run(
        self,
        node: str,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 30.0,
    ) -> Completed:
        """Run `argv` in the node named so in the topology; seconds of `timeout`.

        A non-zero exit is no exception (`Completed.check()` makes it one). Raises LabError when
        the node does not run or the command does not end in time.
        """


class Channel(Protocol):
    """A process's standard input and output, by lines of JSON or any other text."""

    def send(self, line: str) -> None:
        """Write one line."""

    def lines(self) -> Iterator[str]:
        """Lines of its standard output until it ends; standard error goes to the log."""

    def close(self) -> None:
        """Give up both; the process sees the end of its input."""


class Runtime(Protocol):
    """A container engine. Containers are named by id or name. Safe to use from threads."""

    def ensure_images(
        self, references: Iterable[str], say: Callable[[str], None]
    ) -> tuple[str, ...]:
        """Make images present; returns those that were not. `say` hears what takes long.

        Raises HostError when one of labgen's cannot be built, InputError when another cannot be
        had.
        """

    def create(self, spec: ContainerSpec) -> str:
        """Create, do not start. Returns the id. Raises LabError when the name is taken."""

    def start(self, container: str) -> int:
        """Start. Returns the process id of its PID 1 as the host sees it (0: already ended)."""

    def engine(self) -> str:
        """The engine and its version, as Kubernetes writes a runtime: `docker://20.10.24`."""

    def pid(self, container: str) -> int:
        """The process id of a running container's PID 1 as the host sees it (0: not running)."""

    def open(self, container: str) -> Channel:
        """Attach to a container that was created `interactive` and is not started yet."""

    def remove(self, container: str) -> None:
        """Kill and remove; one that is gone already is fine."""

    def containers(self, labels: Mapping[str, str | None]) -> tuple[Container, ...]:
        """Those with all these labels (None: any value), in every state, sorted by name."""

    def run(
        self,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 30.0,
    ) -> Completed:
        """Run a command in a running container and wait for its end."""

    def logs(
        self, container: str, *, tail: int | None = None, follow: bool = False
    ) -> Iterator[str]:
        """Log lines, standard output and error as they came."""
