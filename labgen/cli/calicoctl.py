"""`labgen calicoctl`: the real one's commands and messages, on a cluster of a running lab."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from labgen.cli.common import runtime
from labgen.errors import InputError

if TYPE_CHECKING:
    from labgen.lab.project import Project

# What stands behind labgen's own options belongs to the command, `--help` and `--` included.
AS_IT_IS = {
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
    "help_option_names": ["--labgen-help"],
}
lab_option = click.option(
    "--lab", envvar="LABGEN_LAB",
    help="The lab: its spec, directory or name; needless if one runs. Also LABGEN_LAB.",
)  # fmt: skip


@click.command(context_settings=AS_IT_IS)
@lab_option
@click.option("--cluster", help="The cluster; by default the one of kubectl's context.")
@click.option("--node", envvar="LABGEN_NODE", help="For `node status`: the node that tells.")
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
        chosen = cluster or opened.state.current or ""
        answered = opened.calicoctl(chosen, argv, node=node)
    click.echo(answered.out, nl=False)
    click.echo(answered.err, nl=False, err=True)
    sys.exit(answered.code)


def running_project(lab: str | None) -> Project:
    """The project that LAB names, or that of the one lab that runs, as it is now."""
    from labgen.lab.current import open_current
    from labgen.lab.operate import specs_of_running
    from labgen.spec.load import find

    path = find(lab) if lab is not None else None
    if path is not None:
        return open_current(path)
    labs = specs_of_running(runtime())
    if lab is None and len(labs) == 1:
        return open_current(next(iter(labs.values())))
    known = ", ".join(sorted(labs)) or "none"
    if lab is None:
        raise InputError("which lab?", hint=f"name it with --lab; running: {known}")
    if lab not in labs:
        raise InputError(f"{lab}: no lab spec, and no lab of that name runs",
                         hint=f"running: {known}")  # fmt: skip
    return open_current(labs[lab])
