"""`labgen bigip`: what the stand-in makes of a BIG-IP's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.errors import InputErrors

if TYPE_CHECKING:
    from labgen.bigip.objects import Objects
    from labgen.bigip.translate import Row, Translation


@click.group("bigip")
def bigip() -> None:
    """The BIG-IP's configuration and its stand-in."""


@bigip.command("translate")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output",
    "form",
    type=click.Choice(["table", "json", "frr"]),
    default="table",
    show_default=True,
    help="Both sides in a table or as JSON, or frr.conf alone (passwords in clear).",
)
@click.option(
    "--interface",
    "interfaces",
    multiple=True,
    metavar="VLAN=LINUX",
    help="The Linux interface that stands for a VLAN; may be given several times.",
)
def translate_file(file: Path, form: str, interfaces: tuple[str, ...]) -> None:
    """Show what the stand-in makes of a BIG-IP's configuration.

    ZebOS and its FRR translation stand side by side; of tmsh text and of an AS3 declaration
    (JSON) it shows each object and what it becomes, then what has no effect and why.

    Exits with 2 and one line per error when something cannot be honoured.
    """
    from labgen.bigip import source
    from labgen.bigip.translate import translate

    objects = source.objects(file)
    if objects is not None:
        _show_objects(objects, form)
        return
    translation = translate(source.read(file), interfaces=_interfaces(interfaces))
    if form == "json":
        click.echo(json.dumps(_json(translation), indent=2))
    elif form == "frr":
        click.echo(translation.require().frr_conf, nl=False)
    else:
        click.echo(_table(translation.rows))
    translation.require()


@bigip.command("failover")
@click.argument("lab")
@click.option("--to", metavar="NODE", help="The unit that takes over; default: the other one.")
def fail_over(lab: str, to: str | None) -> None:
    """Make the standby unit of LAB's BIG-IP pair active.

    The floating self-IPs move with a gratuitous ARP; the virtual addresses are withdrawn by one
    unit and announced by the other.

    Example: labgen bigip failover bigip-ha
    """
    from labgen.cli.common import project, runtime
    from labgen.lab.live import live

    with live(project(lab), runtime()) as opened:
        old, new = opened.failover(to)
    click.echo(f"{new} is active, {old} stands by")


def _show_objects(found: Objects, form: str) -> None:
    if form == "frr":
        raise click.UsageError("tmsh objects are no frr.conf: take --output table or json")
    if form == "json":
        rows = [
            {"file": r.mark.path, "line": r.mark.line, "column": r.mark.column,
             "object": r.what, "becomes": r.becomes}
            for r in found.rows
        ]  # fmt: skip
        problems = [str(problem) for problem in found.problems]
        value = {"objects": rows, "notes": list(found.notes), "problems": problems}
        click.echo(json.dumps(value, indent=2))
    elif found.rows:
        cells = [("line", "object", "becomes")]
        cells += [(str(r.mark.line), r.what, r.becomes) for r in found.rows]
        left, middle = (max(len(cell[i]) for cell in cells) for i in (0, 1))
        for line, what, becomes in cells:
            click.echo(f"{line:<{left}}  {what:<{middle}}  {becomes}")
    if form == "table":
        for note in found.notes:
            click.echo(note)
    if found.problems:
        raise InputErrors(found.problems)


def _interfaces(given: tuple[str, ...]) -> dict[str, str] | None:
    pairs = {}
    for text in given:
        vlan, equals, linux = text.partition("=")
        if not (vlan and equals and linux):
            raise click.BadParameter(f"`{text}` is not VLAN=LINUX", param_hint="--interface")
        pairs[vlan] = linux
    return pairs or None


def _json(translation: Translation) -> dict[str, Any]:
    return {
        "daemons": list(translation.daemons),
        "rows": [
            {
                "file": row.mark.path if row.mark else None,
                "line": row.mark.line if row.mark else None,
                "column": row.mark.column if row.mark else None,
                "zebos": row.zebos,
                "verdict": row.verdict.value,
                "severity": row.severity.value,
                "frr": list(row.frr),
                "reason": row.reason,
                "reference": row.reference,
            }
            for row in translation.rows
        ],
        "problems": [str(problem) for problem in translation.problems],
    }


def _table(rows: tuple[Row, ...]) -> str:
    """Aligned columns: line, ZebOS, verdict, FRR, reason; one physical line for each FRR line."""
    cells = [("line", "ZebOS", "verdict", "FRR", "reason")]
    for row in rows:
        frr = row.frr or ("",)
        line = str(row.mark.line) if row.mark and row.zebos else ""
        cells.append((line, row.zebos, row.verdict.value, frr[0], row.reason))
        cells.extend(("", "", "", more, "") for more in frr[1:])
    widths = [max(len(cell[i]) for cell in cells) for i in range(4)]
    return "\n".join(
        "  ".join((*(c.ljust(w) for c, w in zip(cell[:4], widths, strict=True)), cell[4])).rstrip()
        for cell in cells
    )
