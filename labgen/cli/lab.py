"""`deploy`, `destroy`, `inspect`, `exec`, `logs`: the life of a lab."""

from __future__ import annotations

import sys
from typing import Any

import click

from labgen.cli.common import output_option, print_json, print_table, project, resolve_name, runtime
from labgen.cli.progress import ProgressLine
from labgen.errors import ExitCode, InputError


@click.command()
@click.argument("lab")
@click.option("--reconfigure", is_flag=True, help="Replace a lab that runs with another design.")
@click.option(
    "--wait/--no-wait", default=True, show_default=True,
    help="Wait until every session is Established and every route in the kernel.",
)  # fmt: skip
@click.option("--timeout", type=click.FloatRange(min=0.1), default=60.0, show_default=True,
              help="Seconds to wait for that at the most.")  # fmt: skip
def deploy(lab: str, reconfigure: bool, wait: bool, timeout: float) -> None:
    """Bring LAB up: images, containers, links, daemons, sessions.

    A lab that runs already with the same design is left alone.

    Example: labgen deploy topologies/bigip-calico
    """
    from functools import partial

    from labgen.lab.current import begin
    from labgen.lab.deploy import deploy as bring_up
    from labgen.lab.operate import wait_converged

    opened, engine = project(lab), runtime()
    for note in opened.design.notes:
        click.echo(f"note: {note}", err=True)
    conflicts = [f"{s.name}: {s.conflict}" for s in opened.design.sessions if s.conflict]
    for conflict in conflicts:
        click.echo(f"note: this session cannot come up: {conflict}", err=True)
    with ProgressLine(f"deploy {opened.name}") as line:
        waiting = partial(wait_converged, opened.design, deadline=timeout, tell=line.tell)
        done = bring_up(
            opened.plan,
            opened.artefacts,
            opened.directory,
            topology_file=opened.topology_file,
            runtime=engine,
            wait=waiting if wait else None,
            progress=line.event,
            reconfigure=reconfigure,
        )
        if done.changed:
            begin(opened)
        nodes, sessions = len(opened.plan.nodes), len(opened.design.sessions)
        verb = "is up" if done.changed else "runs already"
        line.finish(f"lab {opened.name} {verb}: {nodes} nodes, {sessions} sessions")
    if any(node.tunnels for node in opened.design.calico_nodes):
        from labgen.lab.verify import tunnel_notes  # with it comes all that reads captures

        for note in tunnel_notes(opened, engine):
            click.echo(f"note: {note}", err=True)


@click.command()
@click.argument("lab", required=False)
@click.option("--all", "every", is_flag=True, help="Every lab of labgen's on this engine.")
@click.option("--cleanup", is_flag=True, help="Remove the lab directory, captures included.")
def destroy(lab: str | None, every: bool, cleanup: bool) -> None:
    """Remove LAB: containers, links, temporary files. Goes by labels, so it works after a crash.

    Example: labgen destroy bigip-calico --cleanup
    """
    from labgen.lab.destroy import destroy as remove
    from labgen.lab.destroy import destroy_all

    if every == (lab is not None):
        raise InputError("name one LAB, or say --all", hint="labgen inspect lists labs")
    engine = runtime()
    if lab is None:
        names = destroy_all(runtime=engine, cleanup=cleanup)
        click.echo(f"removed {len(names)} labs: {', '.join(names)}" if names else "no lab runs")
        return
    name, directory = resolve_name(lab)
    removed = remove(name, runtime=engine, directory=directory, cleanup=cleanup)
    click.echo(f"lab {name}: {len(removed)} containers removed" if removed
               else f"lab {name}: nothing was there")  # fmt: skip


@click.command()
@click.argument("lab", required=False)
@output_option
def inspect(lab: str | None, output: str) -> None:
    """List labs and their nodes; of LAB only, when it is named.

    Example: labgen inspect --output json
    """
    from pathlib import Path

    from labgen.lab import running

    engine = runtime()
    found = (running.find(engine, resolve_name(lab)[0]),) if lab else running.labs(engine)
    labs = running.inspect(found, relative_to=Path.cwd())
    if output == "json":
        print_json(labs)
        return
    rows = [
        [row["lab_name"], row["name"], row["kind"], row["image"], row["state"], row["status"]]
        for nodes in labs.values()
        for row in nodes
    ]
    if not rows:
        click.echo("no lab runs")
        return
    print_table(["LAB", "NAME", "KIND", "IMAGE", "STATE", "STATUS"], rows)


@click.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("lab")
@click.argument("node")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
@output_option
def exec_(lab: str, node: str, argv: tuple[str, ...], output: str) -> None:
    """Run a command in NODE of LAB, and exit with its exit code.

    Example: labgen exec bigip-calico bigip-1 -- vtysh -c 'show bgp summary'
    """
    from labgen.lab import running

    argv = argv[1:] if argv[0] == "--" else argv
    stdin = None if sys.stdin is None or sys.stdin.isatty() else _piped()
    engine = runtime()
    commands = running.EngineCommands(engine, running.find(engine, resolve_name(lab)[0]))
    done = commands.run(node, argv, stdin=stdin, timeout=3600.0)
    if output == "json":
        print_json({"node": node, "cmd": list(argv), "return-code": done.code,
                    "stdout": done.stdout, "stderr": done.stderr})  # fmt: skip
    else:
        click.echo(done.stdout, nl=False)
        click.echo(done.stderr, nl=False, err=True)
    sys.exit(done.code)


def _piped() -> str | None:
    """Standard input, if something was piped in; never blocks on a terminal or a closed end."""
    import select

    try:
        ready, _, _ = select.select([sys.stdin], [], [], 0)
        return sys.stdin.read() if ready else None
    except (OSError, ValueError):
        return None


@click.command()
@click.argument("lab")
@click.argument("node")
@click.option("--tail", type=click.IntRange(min=1), help="Only the last lines.")
@click.option("--follow", "-f", is_flag=True, help="Go on until interrupted.")
def logs(lab: str, node: str, tail: int | None, follow: bool) -> None:
    """Print the log of NODE of LAB: its daemons' own words.

    Example: labgen logs bigip-calico kube-master --tail 20
    """
    from labgen.lab import running

    engine = runtime()
    found = running.find(engine, resolve_name(lab)[0])
    for text in running.logs(engine, found, node, tail=tail, follow=follow):
        click.echo(text)


@click.command()
@click.argument("lab")
@output_option
@click.option("--junit", type=click.Path(dir_okay=False), help="Also write JUnit XML here.")
@click.option("--story", is_flag=True, help="Tell what was observed on every rung.")
def verify(lab: str, output: str, junit: str | None, story: bool) -> None:
    """Prove every session of LAB: TCP, OPEN, Established, UPDATE, RIB, FIB, traffic.

    Exit codes: 0 all passed, 1 some check failed, 4 a check could not run.

    Example: labgen verify bigip-calico --junit report.xml
    """
    from pathlib import Path

    from labgen.check.ladder import verify as climb
    from labgen.check.model import exit_code
    from labgen.lab.current import as_it_is
    from labgen.lab.verify import evidence_of
    from labgen.report.junit import junit as as_junit

    opened = as_it_is(project(lab))
    findings = climb(opened.design, evidence_of(opened, runtime()))
    if junit is not None:
        from labgen.lab.files import write_atomically

        write_atomically(Path(junit), as_junit(findings, lab=opened.name).encode())
    if output == "json":
        print_json([finding.as_json() for finding in findings])
    else:
        _print_findings(opened.name, findings, story=story)
    sys.exit(int(exit_code(findings)) if findings else int(ExitCode.OK))


def _print_findings(lab: str, findings: Any, *, story: bool) -> None:
    from labgen.cli.common import style
    from labgen.report import text

    paint = style()
    click.echo(f"lab {lab}")
    for line in text.ladder(findings, paint):
        click.echo(line)
    sessions = list(dict.fromkeys(f.session for f in findings if f.session))
    for session in sessions if story else ():
        click.echo("")
        for line in text.story(findings, session):
            click.echo(line)
    red = [*text.details(findings, paint), *text.limits(findings, paint)]
    if red:
        click.echo("")
    for line in red:
        click.echo(line)
    click.echo("")
    click.echo(text.summary(findings, paint))
