"""`labgen fault` and `labgen collect`: break a running lab on purpose; save what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labgen.cli.common import output_option, print_json, print_table, project, runtime

if TYPE_CHECKING:
    from labgen.lab.fault_steps import Completed, Run
    from labgen.lab.project import Project


@click.group()
def fault() -> None:
    """Faults of BGP between Calico and a BIG-IP, on a running lab: each named and reversible.

    \b
    Example: labgen fault inject bigip-calico wrong-remote-as
             labgen diagnose bigip-calico
             labgen fault heal bigip-calico
    """


@fault.command("list")
@click.argument("lab", required=False)
@output_option
def list_(lab: str | None, output: str) -> None:
    """Every fault, and which of them are in LAB now.

    Example: labgen fault list bigip-calico
    """
    from labgen.check.diagnosis.faults import GALLERY
    from labgen.lab.injected import injected

    now = {i.name for i in injected(project(lab).lab_directory)} if lab else set()
    rows = [{"fault": f.code, "name": f.name, "title": f.title, "injected": f.name in now}
            for f in GALLERY.values()]  # fmt: skip
    if output == "json":
        print_json(rows)
        return
    print_table(
        ["FAULT", "NAME", "WHAT", "IN THE LAB" if lab else ""],
        [[str(r["fault"]), str(r["name"]), str(r["title"]), "injected" if r["injected"] else ""]
         for r in rows],
    )  # fmt: skip


@fault.command()
@click.argument("lab")
@click.argument("name")
@click.option("--node", help="The Calico node that suffers; default: the router's first peer.")
def inject(lab: str, name: str, node: str | None) -> None:
    """Put the fault NAME (or its number, G4) into LAB.

    Example: labgen fault inject bigip-calico G4 --node kube-node1
    """
    from labgen.lab import injected
    from labgen.lab.faults import target_of

    opened, run = _lab(lab)
    target = target_of(opened.design, node)
    plan = injected.inject(name, target, opened.lab_directory, run)
    click.echo(f"{plan.code} {plan.name} is in the lab: {plan.observe}")


@fault.command()
@click.argument("lab")
@click.argument("name", required=False)
@click.option("--node", help="As it was injected.")
def heal(lab: str, name: str | None, node: str | None) -> None:
    """Take the fault NAME out of LAB, or every fault that is in it.

    Example: labgen fault heal bigip-calico
    """
    from labgen.lab import injected
    from labgen.lab.faults import target_of

    opened, run = _lab(lab)
    healed = injected.heal(name, target_of(opened.design, node), opened.lab_directory, run)
    click.echo(f"healed: {', '.join(healed)}" if healed else "no fault is in the lab")


def _lab(lab: str) -> tuple[Project, Run]:
    """The lab as it is now, and how to run commands in it (processes started there stay)."""
    from labgen.lab import running
    from labgen.lab.current import as_it_is

    opened = as_it_is(project(lab))
    engine = runtime()
    commands = running.EngineCommands(engine, running.find(engine, opened.name))

    def run(node: str, argv: Sequence[str], stdin: str | None) -> Completed:
        return commands.run(node, argv, stdin=stdin)

    return opened, run


@click.command()
@click.argument("lab")
@click.option("--output", "directory", required=True, type=click.Path(path_type=Path),
              help="Directory for the bundle; made when it is missing.")  # fmt: skip
def collect(lab: str, directory: Path) -> None:
    """Save the evidence of LAB as a bundle: captures, outputs of daemons and kernels, logs.

    Passwords are starred out. `labgen diagnose --evidence DIR` reads such a bundle.

    Example: labgen collect bigip-calico --output /tmp/bundle
    """
    from labgen.capture import sniffing
    from labgen.errors import CaptureError
    from labgen.lab import collect as ask
    from labgen.lab import files, running
    from labgen.lab.current import as_it_is

    opened = as_it_is(project(lab))
    engine = runtime()
    found = running.find(engine, opened.name)
    nodes = [speaker.node for speaker in opened.design.speakers]
    with running.quick_commands(engine, found) as commands:

        def one(node: str, argv: Sequence[str]) -> Completed:
            return commands.run(node, argv, timeout=10.0)

        texts = ask.outputs(opened.design, one)
        texts |= {
            f"{node}.netstat.txt": text for node, text in ask.counters(opened.design, one).items()
        }
    texts |= ask.logs(nodes, lambda node: engine.logs(found.container(node).name))
    files.write_all(directory, {name: text.encode() for name, text in texts.items()})
    try:
        packets = sniffing.save(opened.lab_directory, directory / f"{opened.name}.pcapng")
        said = f"{packets} packets"
    except CaptureError as error:
        said = str(error)
    click.echo(f"{directory}: {len(texts)} outputs and logs; {said}")
