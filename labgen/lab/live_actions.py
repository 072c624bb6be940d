"""What kubectl and minikube leave to the lab: processes in pods and nodes, with their input.

`perform` is for everything without a terminal; a terminal is `labgen.runtime.terminal`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labgen.kubernetes.objects import Pod, StandsFor
from labgen.kubernetes.shell import Attach, Exec, Logs, NodeCalicoctl, NodeShell
from labgen.lab import running
from labgen.lab.live import Answered

if TYPE_CHECKING:
    from labgen.kubernetes.shell import Action
    from labgen.lab.live import LiveLab

SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Process:
    """A command to run in a node of the lab. `tty`: the user asked for a terminal."""

    node: str
    argv: tuple[str, ...]
    stdin: bool
    tty: bool


def process_of(lab: LiveLab, action: Action) -> Process | None:
    """The process that an action is; None for one that is none (a log)."""
    match action:
        case Exec(stands_for=StandsFor.NODE_PROCESS):
            return Process(action.node, action.argv, action.stdin, action.tty)
        case Exec():
            node = lab.node_of(action.pod, action.cluster)
            return Process(node, action.argv, action.stdin, action.tty)
        case Attach():
            node = lab.node_of(action.pod, action.cluster)
            return Process(node, _command(lab, action), action.stdin, action.tty)
        case NodeShell():
            argv = ("sh", "-c", action.command) if action.command else ("bash",)
            return Process(action.node, argv, action.command is None, action.command is None)
        case NodeCalicoctl():
            return Process(action.node, ("calicoctl", *action.argv), stdin=False, tty=False)
        case _:
            return None


def _command(lab: LiveLab, action: Attach) -> tuple[str, ...]:
    """What `kubectl run … -- COMMAND` asked for: the lab's pod runs it beside its own process."""
    pod = lab.state.clusters[action.cluster].kubernetes.get(action.pod)
    assert isinstance(pod, Pod)  # the action was made for it
    container = pod.spec.containers[0]
    return (*container.command, *container.args) or ("bash",)


def perform(lab: LiveLab, answered: Answered, *, stdin: str = "") -> Answered:
    """Carry out what an answer left over, without a terminal; `stdin` is the process's input.

    The process of `kubectl run -i` ends with its input, and then its pod as `--rm` says.
    """
    action = answered.action
    if action is None:
        return answered
    if isinstance(action, Logs):
        return _logs(lab, answered, action)
    process = process_of(lab, action)
    assert process is not None  # minikube's own actions are carried out by LiveLab
    engine = lab.site.runtime
    container = running.running(running.find(engine, lab.project.name), process.node)
    given = stdin.encode() if process.stdin else None
    done = engine.run(container.name, process.argv, stdin=given, timeout=SECONDS)
    told = replace(
        answered, out=answered.out + done.stdout, err=answered.err + done.stderr, code=done.code,
        action=None,
    )  # fmt: skip
    return ended(lab, told, action)


def ended(lab: LiveLab, answered: Answered, action: Action) -> Answered:
    """What follows the end of a process: `kubectl run --rm` removes its pod."""
    if not isinstance(action, Attach):
        return answered
    after = lab.session_ended(action, code=answered.code)
    return replace(after, out=answered.out + after.out, err=answered.err + after.err)


def _logs(lab: LiveLab, answered: Answered, action: Logs) -> Answered:
    if action.stands_for is StandsFor.NODE_PROCESS:
        node = action.node
    else:
        node = lab.node_of(action.pod, action.cluster)
    engine = lab.site.runtime
    found = running.find(engine, lab.project.name)
    lines: Sequence[str] = list(running.logs(engine, found, node, tail=action.tail))
    return replace(answered, out=answered.out + "".join(f"{x}\n" for x in lines), action=None)
