"""`labgen wire`: what BGP said in a capture."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("capture")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per BGP message.")
@click.option("--port", "ports", multiple=True, type=int, help="Another TCP port that is BGP.")
def wire(capture: str, as_json: bool, ports: tuple[int, ...]) -> None:
    """Show every BGP conversation of CAPTURE: a pcap or pcapng file, `-`, or a lab."""
    from labgen.bgp.fields import JsonLines
    from labgen.capture.assembler import Assembler
    from labgen.capture.read import resolve_captures, stream_messages

    paths = resolve_captures(capture)
    assembler = Assembler(ports, keep=False)
    lines = JsonLines()
    for message in stream_messages(paths, assembler):
        if as_json:
            sys.stdout.write(lines.line(message) + "\n")
