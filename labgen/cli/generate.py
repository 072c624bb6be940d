"""`labgen generate` and `labgen schema`: files, without any lab."""

from __future__ import annotations

import json
from pathlib import Path

import click

from labgen.cli.common import project


@click.command()
@click.argument("lab")
@click.option("--output", "directory", type=click.Path(path_type=Path, file_okay=False),
              required=True, help="Directory to write into; made when it is missing.")  # fmt: skip
def generate(lab: str, directory: Path) -> None:
    """Write every file of LAB: the containerlab topology, bird.cfg, frr.conf and the rest.

    The same input gives the same bytes.

    Example: labgen generate topologies/bigip-calico --output /tmp/lab
    """
    from labgen.lab.files import write_all

    opened = project(lab)
    for note in opened.design.notes:
        click.echo(f"note: {note}", err=True)
    write_all(directory, opened.artefacts)
    click.echo(f"{len(opened.artefacts)} files in {directory}, first {opened.topology_file.name}")


@click.command()
def schema() -> None:
    """Print the lab spec's JSON Schema, for editors.

    Example: labgen schema > lab.schema.json
    """
    from labgen.spec.model import Spec

    click.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema",
                           **Spec.model_json_schema()}, indent=2))  # fmt: skip
