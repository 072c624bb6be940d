"""`labgen kubectl` and `labgen minikube`: the guides' commands on the clusters of a running lab."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from labgen.cli.calicoctl import AS_IT_IS, lab_option, running_project
from labgen.cli.common import runtime

if TYPE_CHECKING:
    from labgen.lab.live import Answered, LiveLab


@click.command(context_settings=AS_IT_IS)
@lab_option
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
def kubectl(lab: str | None, argv: tuple[str, ...]) -> None:
    """kubectl ARGV on the running lab; --cluster and --context as with the real one.

    Example: labgen kubectl --cluster=cluster-a get pods -o wide
    """
    from labgen.lab.live import live

    with live(running_project(lab), runtime()) as opened:
        _finished(opened, opened.kubectl(None, argv))


@click.command(context_settings=AS_IT_IS)
@lab_option
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
def minikube(lab: str | None, argv: tuple[str, ...]) -> None:
    """minikube ARGV: starts, extends and deletes the clusters of the lab's spec.

    Example: labgen minikube ssh -p cluster-a -n cluster-a-m02 "sudo calicoctl node status"
    """
    from labgen.lab.live import live

    with live(running_project(lab), runtime()) as opened:
        _finished(opened, opened.minikube(argv))


def _finished(lab: LiveLab, answered: Answered) -> None:
    """Carry out what is left, print all, exit as the command does."""
    from labgen.lab import live_actions

    action = answered.action
    process = live_actions.process_of(lab, action) if action is not None else None
    if process is not None and process.tty and sys.stdin.isatty():
        _print(answered)
        code = terminal(lab, process.node, process.argv)
        assert action is not None
        from dataclasses import replace

        answered = live_actions.ended(lab, replace(answered, out="", err="", code=code), action)
    elif action is not None:
        stdin = sys.stdin.read() if process is not None and process.stdin else ""
        answered = live_actions.perform(lab, answered, stdin=stdin)
    _print(answered)
    sys.exit(answered.code)


def _print(answered: Answered) -> None:
    click.echo(answered.out, nl=False)
    click.echo(answered.err, nl=False, err=True)


def terminal(lab: LiveLab, node: str, argv: tuple[str, ...]) -> int:
    """A process of a node on this terminal; its exit code."""
    from labgen.lab import running
    from labgen.runtime.docker import DockerRuntime
    from labgen.runtime.terminal import interactive

    engine = lab.site.runtime
    assert isinstance(engine, DockerRuntime)
    container = running.running(running.find(engine, lab.project.name), node)
    return interactive(engine, container.name, argv)
