"""`rehearse`: play the stages of a lab, and say what each of them cost."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path

import click

from labgen.cli.common import output_option, print_json, project, runtime, style
from labgen.cli.progress import ProgressLine
from labgen.errors import ExitCode, InputError


@click.command()
@click.argument("lab")
@click.option("--stage", "only", metavar="NAME", help="Only this stage.")
@click.option("--from", "first", metavar="NAME", help="This stage and those after it.")
@click.option("--fresh", is_flag=True, help="Destroy a lab that runs, and start from nothing.")
@output_option
@click.option("--junit", type=click.Path(dir_okay=False), help="Also write JUnit XML here.")
@click.option("--html", type=click.Path(dir_okay=False), help="Also write a page here.")
def rehearse(
    lab: str, only: str | None, first: str | None, fresh: bool, output: str,
    junit: str | None, html: str | None,
) -> None:  # fmt: skip
    """Play the stages of LAB: act, wait for what must hold, measure what each flow lost.

    LAB is deployed if it does not run, and left running. Everything is checked before anything
    starts; the first broken stage ends the rehearsal.

    Exit codes: 0 all passed, 1 a stage broke, 2 bad input, 4 a stage could not be judged.

    Example: labgen rehearse topologies/two-clusters --html report.html
    """
    from labgen.lab.files import write_atomically
    from labgen.rehearsal.rehearse import chosen
    from labgen.rehearsal.rehearse import rehearse as play
    from labgen.rehearsal.result import Outcome
    from labgen.report import rehearsal as report
    from labgen.report import rehearsal_html

    if only is not None and first is not None:
        raise InputError("--stage and --from exclude each other", hint="choose one")
    opened = project(lab)
    stages = chosen(opened.loaded.spec, only=only, first=first)
    engine = runtime()
    # what ends a job in CI takes probes and faults away as Ctrl-C does
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with ProgressLine(f"rehearse {opened.name}") as line:
        result = play(opened, engine, stages, fresh=fresh, tell=line.tell, progress=line.event)
    if junit is not None:
        write_atomically(Path(junit), report.junit(result).encode())
    if html is not None:
        write_atomically(Path(html), rehearsal_html.page(result).encode())
    if output == "json":
        print_json(result.as_json())
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for text in report.lines(result, style(), width):
            click.echo(text)
    outcomes = {stage.outcome for stage in result.stages}
    if Outcome.FAIL in outcomes:
        sys.exit(int(ExitCode.CHECK_FAILED))
    sys.exit(int(ExitCode.CHECK_ERROR if Outcome.ERROR in outcomes else ExitCode.OK))
