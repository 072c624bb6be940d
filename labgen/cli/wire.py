"""`labgen wire`: what BGP said in a capture."""

from __future__ import annotations

import gc
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from labgen.cli.common import captures_of
from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from labgen.bgp.conversation import Capture, WireMessage
    from labgen.capture.assembler import Assembler

    Wanted = Callable[[WireMessage], bool]

_LINES = 200
_TYPES = ("open", "update", "notification", "keepalive", "route-refresh")


@click.command()
@click.argument("capture")
@click.option("--json", "form", flag_value="json", help="One JSON object per BGP message.")
@click.option("--list", "form", flag_value="list", help="One line per BGP message.")
@click.option("--table", "form", flag_value="table", help="The table of sessions only.")
@click.option("--explain", "form", flag_value="explain", help="Each session in plain words.")
@click.option("--svg", type=click.Path(dir_okay=False), help="Write the ladders to this SVG file.")
@click.option("--follow", is_flag=True, help="Go on while the capture grows (Ctrl-C ends).")
@click.option("--peer", "peers", multiple=True, help="Only sessions of this address.")
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(_TYPES, case_sensitive=False),
    help="Only messages of this type.",
)
@click.option("--prefix", "prefixes", multiple=True, help="Only UPDATEs of this prefix or inside.")
@click.option(
    "--port", "ports", multiple=True, type=click.IntRange(1, 65535), help="A further BGP port."
)
def wire(
    capture: str,
    form: str | None,
    svg: str | None,
    follow: bool,
    peers: tuple[str, ...],
    types: tuple[str, ...],
    prefixes: tuple[str, ...],
    ports: tuple[int, ...],
) -> None:
    """Show what BGP said in CAPTURE: a pcap or pcapng file, `-`, a directory, or a lab.

    Without an option: the table of sessions and a ladder of each.
    """
    # Messages are many, short-lived and free of cycles: the cyclic collector would cost a fifth.
    gc.set_threshold(100_000, 50, 100)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without UTF-8 must not end the run
    if svg is not None and (follow or form not in (None, "table")):
        raise InputError("--svg draws ladders: it goes with no other form than --table")
    wanted = _filter(peers, types, prefixes)
    capture = captures_of(capture)
    try:
        if follow:
            _follow(capture, form or "list", wanted, ports)
        else:
            _show(capture, form, svg, wanted, ports, peers)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`head`) has enough. What is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _filter(peers: Sequence[str], types: Sequence[str], prefixes: Sequence[str]) -> Wanted | None:
    from ipaddress import ip_address, ip_network

    try:
        addresses = {ip_address(peer) for peer in peers}
        networks = [ip_network(prefix) for prefix in prefixes]
    except ValueError as error:
        raise InputError(str(error), hint="--peer wants an address, --prefix a network") from None
    labels = {kind.upper() for kind in types}
    if not (addresses or networks or labels):
        return None

    def wanted(message: WireMessage) -> bool:
        if addresses and not addresses & {message.src.address, message.dst.address}:
            return False
        kind = message.type
        if labels and (kind is None or kind.label not in labels):
            return False
        return not networks or _touches(message, networks)

    return wanted


def _touches(message: WireMessage, networks: Sequence[object]) -> bool:
    from ipaddress import ip_network

    from labgen.bgp.messages import Update

    update = message.message
    if not isinstance(update, Update):
        return False
    for _, block in (*update.withdrawn, *update.announced):
        for text in block.texts:
            prefix = ip_network(text)
            for network in networks:
                same = prefix.version == network.version  # type: ignore[attr-defined]
                if same and prefix.subnet_of(network):  # type: ignore[arg-type]
                    return True
    return False


def _show(
    argument: str,
    form: str | None,
    svg: str | None,
    wanted: Wanted | None,
    ports: Sequence[int],
    peers: Sequence[str],
) -> None:
    from labgen.capture.assembler import Assembler
    from labgen.capture.read import resolve_captures, rings, stream_messages

    groups = rings(resolve_captures(argument))
    pictures: list[str] = []
    for paths in groups:
        assembler = Assembler(ports, keep=form == "explain")
        notes: list[str] = []
        messages: Iterable[WireMessage] = stream_messages(paths, assembler, notes)
        if wanted is not None:
            messages = filter(wanted, messages)
        if len(groups) > 1 and form != "json":
            click.echo(f"== {paths[0]}")
        if form in ("json", "list"):
            _write(messages, form, several=len(groups) > 1 or len(paths) > 1)
            for note in notes:
                click.echo(f"labgen: {note}", err=True)
        elif form == "explain":
            _explain(messages, assembler, notes, peers)
        else:
            pictures += _table(messages, assembler, notes, peers, form, svg=svg is not None)
    if svg is not None:
        _write_svg(svg, pictures)


def _write(
    messages: Iterable[WireMessage], form: str, *, several: bool, flush: bool = False
) -> None:
    line: Callable[[WireMessage], str]
    if form == "json":
        from labgen.bgp.fields import JsonLines

        line = JsonLines(name_files=several).line
    else:
        from labgen.report.wire_table import message_line as line
    write = sys.stdout.write
    if flush:
        for message in messages:
            write(line(message) + "\n")
            sys.stdout.flush()
        return
    # Many lines in one write: with PYTHONUNBUFFERED each write is a system call.
    kept: list[str] = []
    try:
        for message in messages:
            kept.append(line(message))
            if len(kept) >= _LINES:
                write("\n".join(kept) + "\n")
                kept.clear()
    finally:
        if kept:
            write("\n".join(kept) + "\n")


def _drain(messages: Iterable[WireMessage]) -> None:
    for _ in messages:
        pass


def _of_peers(capture: Capture, peers: Sequence[str]) -> Capture:
    """The sessions that `--peer` asks for."""
    if not peers:
        return capture
    from dataclasses import replace
    from ipaddress import ip_address

    wanted = {ip_address(peer) for peer in peers}
    return replace(capture, sessions=tuple(s for s in capture.sessions if wanted & {*s.addresses}))


def _explain(
    messages: Iterable[WireMessage], assembler: Assembler, notes: list[str], peers: Sequence[str]
) -> None:
    from labgen.report.wire_story import tell

    _drain(messages)
    for line in tell(_of_peers(assembler.capture(notes), peers)):
        click.echo(line)


def _table(
    messages: Iterable[WireMessage],
    assembler: Assembler,
    notes: list[str],
    peers: Sequence[str],
    form: str | None,
    *,
    svg: bool,
) -> Iterator[str]:
    """Print the table and, unless only it is asked for, the ladders; yield the SVG text."""
    from labgen.bgp.tally import Tally
    from labgen.report.ladder import LadderRows, Weight, ladders, terminal_ladder
    from labgen.report.wire_table import session_table

    tally, rows = Tally(), LadderRows()
    with_ladder = form is None or svg
    for message in messages:
        announced, withdrawn = tally.add(message)
        if with_ladder:
            rows.add(message, announced, withdrawn)
    capture = _of_peers(assembler.capture(notes), peers)
    for line in session_table(capture, tally):
        click.echo(line)
    if form is None and not svg:
        ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
        for session, found, dropped in ladders(capture, rows):
            click.echo()
            for line, weight in terminal_ladder(session, found, dropped, ascii_only=ascii_only):
                click.secho(line, fg="red" if weight is Weight.BAD else None)
    if svg:
        from labgen.report.ladder_svg import svg as draw

        yield draw(ladders(capture, rows))


def _write_svg(target: str, pictures: Sequence[str]) -> None:
    """Write beside the target and rename, so that a reader never sees half a picture."""
    from pathlib import Path

    paths = [Path(target)]
    if len(pictures) > 1:
        base = Path(target)
        paths = [base.with_stem(f"{base.stem}-{n}") for n in range(1, len(pictures) + 1)]
    for path, picture in zip(paths, pictures, strict=True):
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            draft.write_text(picture, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None


def _follow(argument: str, form: str, wanted: Wanted | None, ports: Sequence[int]) -> None:
    from threading import Event

    from labgen.capture.assembler import Assembler
    from labgen.capture.read import follow_messages, resolve_captures, stream_messages

    if form not in ("json", "list"):
        raise InputError("--follow prints messages: it goes with --list or --json")
    never = Event()

    def idle() -> bool:
        sys.stdout.flush()
        never.wait(0.2)
        return True

    def find() -> list[Path]:
        return resolve_captures(argument)

    def assembler() -> Assembler:
        return Assembler(ports, keep=False)

    # A pipe ends by itself, and reading it waits: there each line must leave at once.
    piped = argument == "-"
    messages: Iterable[WireMessage] = (
        stream_messages(find(), assembler()) if piped else follow_messages(find, assembler, idle)
    )
    if wanted is not None:
        messages = filter(wanted, messages)
    with suppress(KeyboardInterrupt):
        _write(messages, form, several=len(find()) > 1, flush=True)
