"""`labgen calicoctl`: the real one's commands and messages, on a cluster of a running lab."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from labgen.cli.common import runtime
from labgen.errors import InputError

if TYPE_CHECKING:
    from labgen.lab.project import Project

_AS_IT_IS = {"ignore_unknown_options": True, "help_option_names": ["--labgen-help"]}


@click.command(context_settings=_AS_IT_IS, add_help_option=True)
@click.option("--lab", help="The lab: its spec, directory or name; needless if one runs.")
@click.option("--cluster", help="The cluster of the lab; needless if it has one.")
@click.option("--node", help="For `node status`: the node that tells.")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
def calicoctl(
    lab: str | None, cluster: str | None, node: str | None, argv: tuple[str, ...]
) -> None:
    """calicoctl ARGV on a cluster of the running lab; labgen's own options come first.

    A change re-renders only the nodes that it concerns; what BIRD would refuse changes nothing.

    Example: labgen calicoctl --cluster k8s get nodes -o wide
    """
    from labgen.lab.live import live

    project = running_project(lab)
    with live(project, runtime()) as opened:
        chosen = cluster or _only(list(opened.state.clusters), project.name)
        answered = opened.calicoctl(chosen, argv, node=node)
    click.echo(answered.out, nl=False)
    click.echo(answered.err, nl=False, err=True)
    sys.exit(answered.code)


def running_project(lab: str | None) -> Project:
    """The project that LAB names, or that of the one lab that runs."""
    from labgen.cli.common import project
    from labgen.lab.operate import specs_of_running

    if lab is not None:
        return project(lab)
    labs = specs_of_running(runtime())
    if len(labs) != 1:
        known = ", ".join(sorted(labs)) or "none"
        raise InputError("which lab?", hint=f"name it with --lab; running: {known}")
    return project(next(iter(labs)))


def _only(clusters: list[str], lab: str) -> str:
    if len(clusters) != 1:
        known = ", ".join(clusters) or "none"
        raise InputError(f"which cluster of lab {lab}?", hint=f"name it with --cluster: {known}")
    return clusters[0]
