"""`labgen doctor` and `labgen completion`: what is missing here, and how to get it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import click

from labgen.cli.common import print_table, style
from labgen.errors import ExitCode, LabgenError


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that labgen needs or can use. `needed` says whether labs work without it."""

    name: str
    good: bool
    found: str
    cure: str = ""
    needed: bool = True


@click.command()
@click.option("--engine", is_flag=True, help="Make a Docker engine answer, installing and "
              "starting Debian's as root where there is none.")  # fmt: skip
@click.option("--stop-engine", is_flag=True, help="Stop the engine that labgen started, if any.")
@click.option("--quiet", is_flag=True, help="Say nothing when all is well.")
def doctor(engine: bool, stop_engine: bool, quiet: bool) -> None:
    """Say what is missing on this machine, and how to get it.

    \b
    Example: labgen doctor
             labgen doctor --engine      # what `make lab` and `make test` call
    """
    if engine:
        from labgen.runtime.engine import ensure_engine

        version = ensure_engine(start=True, say=lambda text: click.echo(text, err=True))
        if not quiet:
            click.echo(f"Docker engine {version} answers")
        return
    if stop_engine:
        from labgen.runtime.engine import stop_own_engine

        stopped = stop_own_engine()
        click.echo("engine stopped" if stopped else "no engine of labgen's making runs here")
        return
    remarks = list(_examine())
    bad = [r for r in remarks if not r.good and r.needed]
    if not quiet or bad:
        paint = style()
        rows = [[_word(r), r.name, r.found, "" if r.good else r.cure] for r in remarks]
        print_table(["", "WHAT", "FOUND", "CURE"], rows)
        text = "all is well" if not bad else f"{len(bad)} missing"
        click.echo(paint(text, "red" if bad else "green"))
    sys.exit(int(ExitCode.TROUBLE if bad else ExitCode.OK))


def _word(remark: Remark) -> str:
    return "ok" if remark.good else "missing" if remark.needed else "optional"


def _examine() -> Iterator[Remark]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Remark("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or later")
    yield from _engine()
    yield _ipip()
    yield _tool("wireshark", "looks at `labgen capture -w -`; apt-get install wireshark")
    yield _tool("tshark", "a second opinion on captures in the tests; apt-get install tshark")


def _engine() -> Iterator[Remark]:
    from labgen.runtime.docker import DockerRuntime

    cure = "start Docker; as root on Debian `labgen doctor --engine` installs and starts it"
    try:
        runtime = DockerRuntime()
    except LabgenError as error:
        yield Remark("Docker engine", False, error.message, error.hint or cure)
        return
    try:
        version = runtime.api.version()
        found = f"{version['Version']} on Linux {version['KernelVersion']}"
        yield Remark("Docker engine", True, found)
        yield from _images(runtime)
    finally:
        runtime.close()


def _images(runtime: object) -> Iterator[Remark]:
    from labgen import images

    tags = {t for i in runtime.api.images() for t in i.get("RepoTags") or ()}  # type: ignore[attr-defined]
    wanted = [images.reference(name) for name in images.NAMES]
    missing = [reference for reference in wanted if reference not in tags]
    found = f"{len(wanted) - len(missing)} of {len(wanted)} built"
    cure = "the next `labgen deploy` builds them"
    yield Remark("lab images", not missing, found, cure, needed=False)


def _ipip() -> Remark:
    import platform
    from pathlib import Path

    modules = Path("/lib/modules") / platform.release()
    lists = [modules / name for name in ("modules.dep", "modules.builtin")]
    there = Path("/sys/module/ipip").exists() or any(
        "/ipip.ko" in path.read_text(errors="replace") for path in lists if path.is_file()
    )
    found = "in this kernel" if there else "not in this kernel"
    cure = "none needed: labs carry IPIP pools over VXLAN devices named tunl0, and say so"
    return Remark("IPIP", there, found, cure, needed=False)


def _tool(name: str, cure: str) -> Remark:
    import shutil

    path = shutil.which(name)
    return Remark(name, path is not None, path or "not installed", cure, needed=False)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    Example: labgen completion bash > /etc/bash_completion.d/labgen
    """
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root, {}, "labgen", "_LABGEN_COMPLETE").source())
