"""`labgen capture`: start, stop, list, and stream what was on the wire."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli.common import output_option, print_json, print_table, resolve_name, runtime
from labgen.errors import InputError

if TYPE_CHECKING:
    from labgen.lab.running import RunningLab

ACTIONS = ("start", "stop", "list")


@click.command()
@click.argument("words", nargs=-1, metavar="[start|stop|list] [LAB]")
@click.option(
    "--write", "-w", "target", metavar="FILE",
    help="Write the capture as one pcapng; `-` streams it, live, to standard output.",
)  # fmt: skip
@click.option("--name", "-n", default=None, help="The capture's name; default: `default`.")
@click.option("--filter", "-f", "expression", default=None,
              help="A pcap filter for `start`; default: BGP, BFD, ARP and ICMP.")  # fmt: skip
@click.option("--segment", "-s", "segments", multiple=True, help="Only this segment; repeatable.")
@click.option("--files", type=int, default=8, show_default=True, help="Files in the ring.")
@click.option("--size", type=int, default=16 << 20, show_default=True, help="Octets per file.")
@output_option
def capture(
    words: tuple[str, ...], target: str | None, name: str | None, expression: str | None,
    segments: tuple[str, ...], files: int, size: int, output: str,
) -> None:  # fmt: skip
    """Captures of LAB (which may be left out when one lab runs).

    Every lab records BGP from before its first SYN, as the capture `default`, in a ring of files
    that cannot fill the disk.

    \b
    Example: labgen capture list bigip-calico
             labgen capture start bigip-calico --name all --filter ''
             labgen capture -w - | wireshark -k -i -
    """
    from labgen.capture import sniffing
    from labgen.lab import running

    action, lab = _words(words)
    engine = runtime()
    found = _the_lab(engine, lab)
    own = list(segments) or list(found.with_role("segment"))
    name = name or sniffing.DEFAULT
    if action == "start":
        commands = running.EngineCommands(engine, found)
        limits = sniffing.Limits(files, size)
        sniffing.start(commands, own, name, capture_filter=expression, limits=limits)
        click.echo(f"capture {name} runs on {', '.join(own)}")
    elif action == "stop":
        sniffing.stop(running.EngineCommands(engine, found), own, name)
        click.echo(f"capture {name} stopped on {', '.join(own)}")
    elif target == "-":
        _stream(found.directory, name, segments)
    elif target is not None:
        count = sniffing.save(found.directory, Path(target), name, segments=segments or None)
        click.echo(f"{target}: {count} packets")
    else:
        _list(found.directory, output)


def _words(words: tuple[str, ...]) -> tuple[str, str | None]:
    action = words[0] if words and words[0] in ACTIONS else "list"
    rest = words[1:] if words and words[0] in ACTIONS else words
    if len(rest) > 1:
        raise InputError(f"unexpected: {' '.join(rest[1:])}", hint="labgen capture --help")
    return action, rest[0] if rest else None


def _the_lab(engine: Any, lab: str | None) -> RunningLab:
    from labgen.lab import running

    if lab is not None:
        return running.find(engine, resolve_name(lab)[0])
    found = running.labs(engine)
    if len(found) == 1:
        return found[0]
    names = ", ".join(one.name for one in found) or "none"
    raise InputError("name a LAB", hint=f"running: {names}")


def _stream(directory: Path, name: str, segments: tuple[str, ...]) -> None:
    """Until interrupted, or until the reader (Wireshark) is closed."""
    from labgen.capture import sniffing
    from labgen.lab.wait import follow_pause

    if sys.stdout.isatty():
        raise InputError(
            "a pcapng stream is not for a terminal", hint="pipe it: | wireshark -k -i -"
        )
    try:
        sniffing.stream(directory, sys.stdout.buffer, follow_pause, name, segments=segments or None)
    except KeyboardInterrupt:
        return


def _list(directory: Path, output: str) -> None:
    from labgen.capture import sniffing

    found = sniffing.captures(directory)
    if output == "json":
        print_json([
            {"name": c.name, "segment": c.segment, "running": c.running, "octets": c.octets,
             "files": [str(path) for path in c.files]}
            for c in found
        ])  # fmt: skip
        return
    if not found:
        click.echo("no capture")
        return
    rows = [[c.name, c.segment, "running" if c.running else "stopped", f"{c.octets:,}",
             str(c.files[-1]) if c.files else ""] for c in found]  # fmt: skip
    print_table(["NAME", "SEGMENT", "STATE", "OCTETS", "NEWEST FILE"], rows)
