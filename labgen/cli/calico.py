"""`labgen calico`: render a node's BIRD files, show how they are adapted, validate resources."""

from __future__ import annotations

import difflib
import os
import tempfile
from errno import EISDIR
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labgen.calico.node_config import NodeConfig

_ENVIRONMENT = (
    "CALICO_ROUTER_ID",
    "CALICO_ADVERTISE_CLUSTER_IPS",
    "CALICO_K8S_NODE_REF",
    "NAMESPACE",
)


class _ManyPaths(click.Command):
    """Lets `--resources a b c` take several values, as well as being repeated."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        collecting, taken = False, 0
        for arg in args:
            if arg.startswith("-"):
                name, equals, _ = arg.partition("=")
                collecting, taken = name == "--resources", len(equals)
            elif collecting:
                if taken:
                    spread.append("--resources")
                taken += 1
            spread.append(arg)
        return super().parse_args(ctx, spread)


@click.group()
def calico() -> None:
    """What Calico's confd writes for a node, without any cluster."""


def _inputs(function: Any) -> Any:
    for option in (
        click.option(
            "--endpoint-status",
            type=click.Path(path_type=Path),
            metavar="DIR",
            envvar="CALICO_ENDPOINT_STATUS_PATH_PREFIX",
            help="Felix's endpoint-status files of the node (local workload peers).",
        ),
        click.option("--node", required=True, metavar="NAME", help="The node to render."),
        click.option(
            "--resources",
            "paths",
            required=True,
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="PATH...",
            help="YAML files or directories of them; several may follow.",
        ),
    ):
        function = option(function)
    return function


@calico.command(cls=_ManyPaths)
@_inputs
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the six files go; made if missing.",
)
def render(paths: Sequence[Path], node: str, output: Path, endpoint_status: Path | None) -> None:
    """Write the six files that confd would write for a node.

    CALICO_ROUTER_ID, CALICO_ADVERTISE_CLUSTER_IPS, CALICO_K8S_NODE_REF and NAMESPACE count as they
    do in calico-node. Compare the result with /etc/calico/confd/config of the real node.
    """
    from labgen.render.bird import bird_files

    files = bird_files(_configuration(paths, node, endpoint_status))
    _write(output, files)
    click.echo(f"{node}: {', '.join(files)} in {output}")


@calico.command(cls=_ManyPaths)
@_inputs
def diff(paths: Sequence[Path], node: str, endpoint_status: Path | None) -> None:
    """Show what labgen changes in a node's files for vanilla BIRD 1.6.8."""
    from labgen.render.bird import adapt, bird_files

    files = bird_files(_configuration(paths, node, endpoint_status))
    adapted, notes = adapt(files)
    for name, text in files.items():
        before, after = text.splitlines(), adapted[name].splitlines()
        for line in difflib.unified_diff(before, after, f"calico/{name}", f"lab/{name}", "", "", 1):
            click.echo(line.rstrip("\n"))
    for note in notes:
        click.echo(f"# {note}")
    if not notes:
        click.echo(f"{node}: nothing to adapt, BIRD 1.6.8 gets Calico's own text")


@calico.command()
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
def validate(paths: Sequence[Path]) -> None:
    """Check resources against Calico's rules; each PATH is a file or a directory."""
    from labgen.calico import resources
    from labgen.calico.validate import check

    given = resources.load(paths)
    check(given, strict=True)
    for notice in given.notices:
        click.echo(f"labgen: warning: {notice}", err=True)
    left = f"; {len(given.ignored)} of other kinds are left out" if given.ignored else ""
    click.echo(f"{len(given.every())} resources are valid{left}")


def _configuration(paths: Sequence[Path], node: str, status: Path | None) -> NodeConfig:
    from labgen.calico import confd, resources, validate
    from labgen.calico.refused import refusals
    from labgen.calico.status import load_endpoint_status

    given = resources.load(paths)
    for notice in (*given.notices, *validate.check(given)):
        click.echo(f"labgen: warning: {notice}", err=True)
    config = confd.compute(
        given,
        node,
        environment={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        endpoint_status=load_endpoint_status(status) if status else (),
    )
    for text in (*config.notices, *(f"BIRD refuses {text}" for text in refusals(config))):
        click.echo(f"labgen: warning: {text}", err=True)
    return config


def _write(directory: Path, files: Mapping[str, str]) -> None:
    """Write all files, each at once; a failure before the last rename leaves the old ones."""
    staged: list[tuple[Path, Path]] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            if (directory / name).is_dir():
                raise IsADirectoryError(EISDIR, "it is a directory", str(directory / name))
            # A BGP password may be in the file: nobody else reads it (mkstemp makes it 0600).
            handle, path = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
            staged.append((Path(path), directory / name))
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
        for source, target in staged:
            source.replace(target)
    except OSError as error:
        raise HostError(
            f"cannot write {error.filename or directory}: {error.strerror}",
            hint="choose another --output",
        ) from None
    finally:
        for source, _ in staged:
            source.unlink(missing_ok=True)
