"""What the fronts `kubectl` and `minikube` answer with, and what they ask the lab to do.

A front is a pure function: it takes the clusters as they are and a command line, and returns the
clusters as they shall be, the lines to print, and at most one `Action` that needs the running lab.
The lab finds the containers to start and stop by `state.changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from labgen.yaml_source import Document

if TYPE_CHECKING:
    from labgen.kubernetes.kinds import Ref
    from labgen.kubernetes.objects import StandsFor
    from labgen.kubernetes.state import ClusterState

# Reads a file or a directory that a command line names; "-" is standard input.
# Raises InputError for what cannot be read.
Reader = Callable[[str], Sequence[Document]]


@dataclass(frozen=True, slots=True)
class Clusters:
    """The clusters that run, by name, which is also the name of their kubectl context.

    `current` is kubectl's current context; None as long as no cluster was started.
    """

    states: Mapping[str, ClusterState] = field(default_factory=dict)
    current: str | None = None

    def having(self, state: ClusterState) -> Clusters:
        return replace(self, states={**self.states, state.name: state})


@dataclass(frozen=True, slots=True)
class Exec:
    """Run `argv` in a pod. `stands_for` says whether that is its own container or its node's."""

    cluster: str
    pod: Ref
    container: str
    node: str
    stands_for: StandsFor
    argv: tuple[str, ...] = field(repr=False)  # people pass passwords to programs
    stdin: bool = False
    tty: bool = False


@dataclass(frozen=True, slots=True)
class Logs:
    """Print what a pod's container has written. `tail`: the last lines only; None for all."""

    cluster: str
    pod: Ref
    container: str
    node: str
    stands_for: StandsFor
    follow: bool = False
    tail: int | None = None
    timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Attach:
    """Attach to the pod of `kubectl run -i` once it runs; then call `kubectl.session_ended`."""

    cluster: str
    pod: Ref
    container: str
    stdin: bool
    tty: bool
    remove: bool


@dataclass(frozen=True, slots=True)
class StartCluster:
    """Start a profile's nodes, the first `nodes` of them. `before`, `after`: lines to print."""

    profile: str
    nodes: tuple[str, ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddNode:
    """Start one more node of a profile."""

    profile: str
    node: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeleteClusters:
    """Stop every node of these profiles and forget their clusters."""

    profiles: tuple[str, ...]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeShell:
    """Run a command line in a node with `sh -c`; without a command, open a shell there."""

    profile: str
    node: str
    command: str | None


@dataclass(frozen=True, slots=True)
class NodeCalicoctl:
    """Run calicoctl on a node: `argv` is what stands behind `calicoctl`. `sudo`: as root."""

    profile: str
    node: str
    argv: tuple[str, ...]
    sudo: bool


Action = Exec | Logs | Attach | StartCluster | AddNode | DeleteClusters | NodeShell | NodeCalicoctl


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command line comes to. Print `out` and `err`, then carry out `action`, if any."""

    clusters: Clusters
    out: str = ""
    err: str = ""
    code: int = 0
    action: Action | None = None
