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
            help="Felix's endpoint-status files of the node (local workload peers).",
        ),
        click.option("--node", metavar="NAME", help="The node to render."),
        click.option("--all-nodes", is_flag=True, help="Every node; not with --node."),
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
    help="Where the six files go (with --all-nodes: into DIR/NAME); made if missing.",
)
def render(
    paths: Sequence[Path],
    node: str | None,
    all_nodes: bool,
    output: Path,
    endpoint_status: Path | None,
) -> None:
    """Write the six files that confd would write for a node.

    CALICO_ROUTER_ID, CALICO_ADVERTISE_CLUSTER_IPS, CALICO_K8S_NODE_REF and NAMESPACE count as they
    do in calico-node. Compare the result with /etc/calico/confd/config of the real node.
    """
    from labgen.render.bird import bird_files

    configs = _configurations(paths, node, all_nodes, endpoint_status)
    # Rendered before anything is written: a problem of the last node must not leave the first's.
    rendered = {config.node: bird_files(config) for config in configs}
    for name, files in rendered.items():
        place = output / name if all_nodes else output
        _write(place, files)
        if not all_nodes:
            click.echo(f"{name}: {', '.join(files)} in {place}")
    if all_nodes:
        written = sum(map(len, rendered.values()))
        click.echo(
            f"{written} files of {len(rendered)} nodes in {output}, a directory for each node"
        )


@calico.command(cls=_ManyPaths)
@_inputs
def diff(
    paths: Sequence[Path], node: str | None, all_nodes: bool, endpoint_status: Path | None
) -> None:
    """Show what labgen changes in a node's files for vanilla BIRD 1.6.8."""
    from labgen.render.bird import adapt, bird_files

    for config in _configurations(paths, node, all_nodes, endpoint_status):
        files = bird_files(config)
        adapted, notes = adapt(files)
        if not notes:
            click.echo(f"{config.node}: nothing to adapt, BIRD 1.6.8 gets Calico's own text")
        for name, text in files.items():
            before, after = text.splitlines(), adapted[name].splitlines()
            titles = (f"calico/{config.node}/{name}", f"lab/{config.node}/{name}")
            for line in difflib.unified_diff(before, after, *titles, "", "", 1):
                click.echo(line.rstrip("\n"))
        for note in notes:
            click.echo(f"# {config.node}: {note}")


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


def _configurations(
    paths: Sequence[Path], node: str | None, all_nodes: bool, status: Path | None
) -> list[NodeConfig]:
    """What confd computes for the node or nodes asked for; warnings go to stderr, each once."""
    from labgen.calico import confd, resources, validate
    from labgen.calico.refused import refusals
    from labgen.calico.status import SUBDIRECTORY, load_endpoint_status

    if (node is None) != all_nodes:
        raise click.UsageError("give either --node NAME or --all-nodes")
    if all_nodes and status is not None:
        raise click.UsageError("--endpoint-status belongs to one node: give --node with it")
    place = status
    prefix = os.environ.get("CALICO_ENDPOINT_STATUS_PATH_PREFIX")
    if node is not None and place is None and prefix and (Path(prefix) / SUBDIRECTORY).is_dir():
        place = Path(prefix) / SUBDIRECTORY
    given = resources.load(paths)
    told = [str(notice) for notice in (*given.notices, *validate.check(given))]
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    whole = confd.Confd(given, environment=environment)
    workloads = load_endpoint_status(place) if place else ()
    configs = [whole.node(name, workloads) for name in (whole.nodes if node is None else (node,))]
    for config in configs:
        told += config.notices
        told += [f"{config.node}: BIRD refuses {text}" for text in refusals(config)]
    for text in dict.fromkeys(told):
        click.echo(f"labgen: warning: {text}", err=True)
    return configs


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
