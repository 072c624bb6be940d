"""What every command shares: how LAB is resolved, how output looks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from labgen.errors import InputError

if TYPE_CHECKING:
    from labgen.lab.project import Project
    from labgen.runtime.protocol import Runtime

output_option = click.option(
    "--output",
    "-o",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How to print the report.",
)


def _coloured(text: str, colour: str) -> str:
    return click.style(text, fg=colour)


def style() -> Callable[[str, str], str]:
    """Colours only on a terminal."""
    from labgen.report.text import plain

    if not sys.stdout.isatty():
        return plain
    return _coloured


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from labgen.report.text import table

    for line in table([[str(c) for c in row] for row in rows], header=header):
        click.echo(line)


def runtime() -> Runtime:
    """The Docker engine, given up when the command ends. Raises HostError when none answers."""
    from labgen.runtime.docker import DockerRuntime

    made = DockerRuntime()
    click.get_current_context().call_on_close(made.close)
    return made


def project(lab: str) -> Project:
    """Open the spec that LAB names: a file, a directory, or a running lab's name."""
    from labgen.spec.load import find

    path = find(lab)
    if path is None:
        from labgen.lab.attach import project_of

        return project_of(lab, runtime())
    from labgen.lab.project import open_project

    return open_project(path)


def captures_of(argument: str) -> str:
    """The captures that FILE|LAB names: a file, or the captures directory of a lab."""
    from pathlib import Path

    path = Path(argument)
    spec_like = path.suffix in (".yaml", ".yml") or (not path.suffix and not path.is_file())
    if argument == "-" or not spec_like:
        return argument
    from labgen.spec.load import find  # a third of a second that reading a file does not need

    if find(argument) is None and (path.exists() or path.suffix or "/" in argument):
        return argument
    _, directory = resolve_name(argument)
    if directory is None:
        from labgen.lab import running

        directory = running.find(runtime(), argument).directory
    return str(directory / "captures")


def resolve_name(lab: str) -> tuple[str, Any]:
    """A lab's name and its lab directory (None: only its labels know), without needing a valid
    spec: `destroy` must work when the spec is gone or broken.
    """
    from labgen.spec.load import find

    path = find(lab)
    if path is None:
        if "/" in lab:
            raise InputError(f"{lab}: no such lab spec", hint="name a lab.yaml or its directory")
        return lab, None
    name = _name_in(path)
    return name, path.parent.resolve() / f"clab-{name}"


def _name_in(path: Any) -> str:
    from labgen.yaml_source import read

    documents = read(path)
    value = documents[0].value if documents else None
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise InputError(f"{path}: it has no `name`", hint="name the running lab instead")
    return name
