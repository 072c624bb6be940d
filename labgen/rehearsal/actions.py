"""Carry out one action on a running lab."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from labgen.errors import LabError, LabgenError
from labgen.lab import faults, injected
from labgen.lab.fault_blocks import Target
from labgen.rehearsal.calls import Texts, calls
from labgen.spec.stages import Action, Failover, Fault, NodeJoins, NodeLeaves, Run

if TYPE_CHECKING:
    from labgen.calico.calicoctl.manifests import Read
    from labgen.design.model import Address, Design
    from labgen.kubernetes.shell import Reader
    from labgen.lab.clusters import LiveState
    from labgen.lab.fault_steps import Run as FaultRun
    from labgen.lab.live import Answered
    from labgen.runtime.protocol import Completed


class Lab(Protocol):
    """What a rehearsal needs of `labgen.lab.live.LiveLab`."""

    @property
    def state(self) -> LiveState: ...

    def design(self) -> Design: ...

    def run(self, node: str, argv: Sequence[str], *, timeout: float = 30.0) -> Completed: ...

    def calicoctl(
        self, cluster: str, argv: Sequence[str], *, node: str | None = None,
        read: Read | None = None,
    ) -> Answered: ...  # fmt: skip

    def kubectl(
        self, cluster: str | None, argv: Sequence[str], *, read: Reader | None = None
    ) -> Answered: ...

    def add_node(
        self, cluster: str, name: str, *, segment: str | None = None,
        address: Address | None = None, labels: Mapping[str, str] | None = None,
    ) -> object: ...  # fmt: skip

    def remove_node(self, cluster: str, name: str) -> object: ...

    def failover(self, to: str | None = None) -> object: ...


class Faults(Protocol):
    """What a rehearsal puts into a lab and takes out again."""

    def inject(self, fault: str, target: Target) -> object: ...

    def heal(self, fault: str, target: Target) -> object: ...


@dataclass(frozen=True, slots=True)
class RecordedFaults:
    """Faults as `labgen fault` has them: recorded, so that it heals what a kill left behind.

    `run` must put processes into the node's own container: some faults start one that stays.
    """

    lab_directory: Path
    run: FaultRun

    def inject(self, fault: str, target: Target) -> object:
        return injected.inject(fault, target, self.lab_directory, self.run)

    def heal(self, fault: str, target: Target) -> object:
        return injected.heal(fault, target, self.lab_directory, self.run)


class Actor:
    """Carries out actions, and remembers the faults that it has put in."""

    def __init__(self, lab: Lab, texts: Texts, faults_of: Faults) -> None:
        self.lab, self.texts, self.faults = lab, texts, faults_of
        self._injected: dict[str, Target] = {}

    def do(self, action: Action) -> None:
        """Raises LabgenError where it cannot be done; what it says is the program's own word."""
        match action.value:
            case NodeJoins() as node:
                self.lab.add_node(node.cluster, node.name, segment=node.segment,
                                  address=node.address, labels=node.labels)  # fmt: skip
            case NodeLeaves() as node:
                self.lab.remove_node(node.cluster, node.name)
            case Run() as run:
                self.lab.run(run.node, run.argv).check()
            case Failover() as over:
                self.lab.failover(over.to)
            case Fault() as fault:
                self._fault(action.verb, fault)
            case _:
                self._calls(action)

    def _calls(self, action: Action) -> None:
        for call in calls(action, self.texts):
            if call.program == "calicoctl":
                done = self.lab.calicoctl(call.cluster, call.argv, read=self.texts.given)
            else:
                done = self.lab.kubectl(call.cluster, call.argv, read=self.texts.documents)
            if done.code:
                said = " ".join((done.err or done.out).split())
                raise LabError(f"`{call}` on {call.cluster}: {said}")

    def _fault(self, verb: str, fault: Fault) -> None:
        """A fault that this rehearsal put in is healed where it was put in."""
        if verb == "heal" and fault.fault in self._injected:
            self.faults.heal(fault.fault, self._injected.pop(fault.fault))
            return
        target = faults.target_of(self.lab.design(), fault.node)
        if verb == "heal":
            self.faults.heal(fault.fault, target)
            return
        self._injected[fault.fault] = target  # before: Ctrl-C may come half-way
        try:
            self.faults.inject(fault.fault, target)
        except LabgenError:  # what was done of it is undone
            del self._injected[fault.fault]
            raise

    def heal_all(self) -> tuple[str, ...]:
        """Take out every fault that is still in, the youngest first; what could not be undone."""
        problems = []
        while self._injected:
            fault, target = self._injected.popitem()
            try:
                self.faults.heal(fault, target)
            except LabgenError as error:
                problems.append(f"the fault {fault} is still in the lab: {error}")
        return tuple(problems)
