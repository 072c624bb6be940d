"""Carry out one action on a running lab."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from labgen.errors import LabError
from labgen.lab import fault_steps, faults
from labgen.lab.wait import wait_until
from labgen.rehearsal.calls import Texts, calls
from labgen.spec.stages import Action, Failover, Fault, NodeJoins, NodeLeaves, Run

if TYPE_CHECKING:
    from labgen.calico.calicoctl.manifests import Read
    from labgen.design.model import Address, Design
    from labgen.kubernetes.shell import Reader
    from labgen.lab.clusters import LiveState
    from labgen.lab.live import Answered
    from labgen.runtime.protocol import Commands, Completed

FAULT_SECONDS = 60.0


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


class Actor:
    """Carries out actions, and remembers the faults that it has put in."""

    def __init__(self, lab: Lab, texts: Texts, commands: Commands) -> None:
        self.lab, self.texts, self.commands = lab, texts, commands
        self._injected: dict[str, Callable[[], None]] = {}

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
        if verb == "heal":
            heal = self._injected.pop(fault.fault, None)
            if heal is None:
                raise LabError(f"the fault {fault.fault} was not injected by this rehearsal",
                               hint="inject it in the same run")  # fmt: skip
            heal()
            return
        plan = faults.plan_of(fault.fault, faults.target_of(self.lab.design(), fault.node))
        injection = fault_steps.prepare(plan, self._run)
        fault_steps.inject(plan, injection, self._run, _wait)
        self._injected[fault.fault] = partial(fault_steps.heal, plan, injection, self._run)

    def heal_all(self) -> None:
        """Take out every fault that is still in."""
        while self._injected:
            self._injected.popitem()[1]()

    def _run(self, node: str, argv: Sequence[str], stdin: str | None) -> Completed:
        return self.commands.run(node, argv, stdin=stdin)


def _wait(condition: Callable[[], bool], what: str) -> None:
    wait_until(condition, bool, deadline=FAULT_SECONDS, what=what)
