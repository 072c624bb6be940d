"""`labgen shell` and `labgen replay`: follow a guide line by line, in a lab."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labgen.cli.calicoctl import AS_IT_IS, running_project
from labgen.cli.common import output_option, print_json, runtime
from labgen.cli.progress import ProgressLine
from labgen.errors import ExitCode, InputError

if TYPE_CHECKING:
    from labgen.lab.live import LiveLab
    from labgen.lab.replay import Replayed


@click.command()
@click.argument("lab")
def shell(lab: str) -> None:
    """Open a shell in which the running LAB answers a guide's commands.

    Example: labgen shell two-clusters
    """
    from labgen.cli.common import project
    from labgen.lab import shell as shells
    from labgen.lab.live import live

    opened = project(lab)
    with live(opened, runtime()):
        pass  # it runs; each command of the shell opens it for itself
    with shells.made(opened.name, opened.loaded.path.resolve()) as made:
        click.echo(shells.announcement(opened.name))
        sys.exit(made.interact())


@click.command()
@click.argument("guide", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("lab")
@output_option
@click.option("--verbose", "-v", is_flag=True, help="Print what each command printed.")
def replay(guide: Path, lab: str, output: str, verbose: bool) -> None:
    """Run the commands of GUIDE (.md or .rst) against the running LAB and report on each.

    Exits with 1 if a command is not supported.

    Example: labgen replay guide.md two-clusters
    """
    from labgen.cli.common import project
    from labgen.lab import shell as shells
    from labgen.lab.current import current_design
    from labgen.lab.guide import steps
    from labgen.lab.live import live
    from labgen.lab.replay import Verdict
    from labgen.lab.replay import replay as follow

    found = steps(guide.read_text(encoding="utf-8"), rst=guide.suffix == ".rst")
    if not found:
        raise InputError(f"{guide}: no commands in code blocks", hint="a .md or .rst with some")
    opened = project(lab)
    with live(opened, runtime()):
        pass
    design = current_design(opened)
    nodes = frozenset(speaker.node for speaker in design.speakers)
    with (
        shells.made(opened.name, opened.loaded.path.resolve()) as made,
        ProgressLine(f"replay {opened.name}") as line,
    ):

        def tell(done: Replayed) -> None:
            if verbose and output == "table":
                _told(done)
            else:
                line.tell(f"line {done.step.line}: {done.verdict.value}")

        results = list(follow(found, made, nodes, tell))
    _report(results, output)
    if any(r.verdict is Verdict.UNSUPPORTED for r in results):
        sys.exit(int(ExitCode.CHECK_FAILED))


def _told(result: Replayed) -> None:
    click.echo(f"$ {result.step.command}\n{result.output}")


def _report(results: list[Replayed], output: str) -> None:
    from labgen.lab.replay import Verdict
    from labgen.report.text import folded, table

    if output == "json":
        print_json([result.as_json() for result in results])
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    most = 70 if width is None else max(20, width - 32)  # what the two columns before it leave
    rows = [[str(r.step.line), r.verdict.value, r.step.command[:most]] for r in results]
    head, *lines = table(rows, header=["LINE", "VERDICT", "COMMAND"])
    click.echo(head)
    for line, result in zip(lines, results, strict=True):
        click.echo(line)
        for text in folded("       ", result.reason, width) if result.reason else []:
            click.echo(text)
    counts = (f"{sum(r.verdict is v for r in results)} {v.value}" for v in Verdict)
    click.echo(f"\n{len(results)} commands: {', '.join(counts)}")


@click.command("shell-tool", hidden=True, context_settings=AS_IT_IS)
@click.argument("tool")
@click.argument("argv", nargs=-1, type=click.UNPROCESSED)
def shell_tool(tool: str, argv: tuple[str, ...]) -> None:
    """What the programs of `labgen shell` run: TOOL ARGV on the lab of LABGEN_LAB."""
    from labgen.lab import shell as shells
    from labgen.lab.live import live
    from labgen.lab.tools import docker

    if tool == "refused":
        click.echo(shells.refusal(argv[0]), err=True)
        sys.exit(127)
    project = running_project(os.environ.get("LABGEN_LAB"))
    with live(project, runtime()) as opened:
        if tool == "docker":
            said = docker(opened.design(), argv)
            click.echo(said.out, nl=False)
            click.echo(said.err, nl=False, err=True)
            sys.exit(said.code)
        if tool == "node":
            click.echo(_node(opened, argv[0]))
            return
        sys.exit(_on_node(opened, tool, argv))


def _node(lab: LiveLab, name: str) -> str:
    """A node by its name. Raises InputError."""
    design = lab.design()
    nodes = [*(s.node for s in design.speakers), *(pod.name for pod in design.pods)]
    if name not in nodes:
        raise InputError(f"lab {design.name} has no node {name}", hint=f"it has {', '.join(nodes)}")
    return name


def _on_node(lab: LiveLab, tool: str, argv: tuple[str, ...]) -> int:
    """A program on the node that the reader stands on; its exit code."""
    from labgen.cli.kubernetes import terminal
    from labgen.lab import running
    from labgen.lab.tools import standing_on

    chosen = os.environ.get("LABGEN_NODE")
    node = _node(lab, chosen) if chosen else standing_on(lab.design(), tool)
    if node is None:
        raise InputError(f"{tool}: lab {lab.project.name} has no node that has it")
    command = (tool, *argv)
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if on_terminal and tool in ("imish", "ping"):
        return terminal(lab, node, command)
    if tool == "ping" and not any(word.startswith("-c") for word in argv):
        command = ("ping", "-c", "4", *argv)  # nobody could end it with Ctrl-C
    stdin = sys.stdin.read() if tool == "imish" else None
    commands = running.EngineCommands(
        lab.site.runtime, running.find(lab.site.runtime, lab.project.name)
    )
    done = commands.run(node, command, stdin=stdin, timeout=3600.0)
    click.echo(done.stdout, nl=False)
    click.echo(done.stderr, nl=False, err=True)
    return done.code
