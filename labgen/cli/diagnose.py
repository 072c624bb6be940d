"""`labgen diagnose`: why BGP does not work, from a bundle of evidence or a running lab."""

from __future__ import annotations

import shutil
import sys
import textwrap
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labgen.cli.common import print_json, style
from labgen.errors import EvidenceError, ExitCode, InputError

if TYPE_CHECKING:
    from labgen.bgp.conversation import Capture
    from labgen.check.diagnosis.model import Diagnosis
    from labgen.facts import Facts


@click.command()
@click.argument("lab", required=False)
@click.option(
    "--evidence",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A directory with captures, logs and saved outputs, in files by any name.",
)
@click.option("--prefix", metavar="PREFIX",
              help="Where in LAB a prefix (or an address in it) stops, step by step.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the causes as a JSON list.")
def diagnose(lab: str | None, evidence: Path | None, prefix: str | None, as_json: bool) -> None:
    """Name the cause of a BGP fault, with its evidence and the remedy on either side.

    Exit code 0: no cause found; 1: causes; 2: bad input; 3: evidence that cannot be read.

    Example: labgen diagnose --evidence ./from-production
             labgen diagnose bigip-calico --prefix 192.168.180.0/26
    """
    if (lab is None) == (evidence is None):
        raise InputError(
            "diagnose needs either LAB or --evidence DIR", hint="labgen diagnose --evidence DIR"
        )
    if prefix is not None:
        _follow(lab, prefix, as_json=as_json)
        return
    from labgen.check.diagnosis.decide import diagnose as decide

    if evidence is not None:
        result = decide(bundle_facts(evidence))
    else:
        assert lab is not None
        from labgen.cli.diagnose_lab import diagnose_lab

        # A lab is asked everything: what is not there did not happen, and lacks nowhere.
        result = replace(diagnose_lab(lab), skipped=())
    if as_json:
        print_json([cause.as_json() for cause in result.causes])
    else:
        _print(result)
    sys.exit(int(ExitCode.CHECK_FAILED if result.causes else ExitCode.OK))


def _follow(lab: str | None, prefix: str, *, as_json: bool) -> None:
    """Tell a prefix's way through a running lab. Exit code 1 where it stops."""
    from labgen.check.model import Status
    from labgen.check.prefix_story import stops
    from labgen.cli.diagnose_lab import follow_prefix

    if lab is None:
        raise InputError("--prefix needs a running LAB", hint="labgen diagnose LAB --prefix PREFIX")
    net, steps = follow_prefix(lab, prefix)
    ends = stops(steps)
    if as_json:
        print_json({"prefix": str(net), "steps": [s.as_json() for s in steps],
                    "stops": [s.as_json() for s in ends]})  # fmt: skip
    else:
        paint = style()
        click.echo(str(net))
        marks = {Status.PASS: paint("✓", "green"), Status.FAIL: paint("✗", "red")}
        for step in steps:
            way = (
                step.sender if step.sender == step.receiver else f"{step.sender} → {step.receiver}"
            )
            click.echo(
                f"  {marks.get(step.status, '?')} {way:<26} {step.rung.title:<12} {step.observed}"
            )
        for step in ends:
            click.echo(f"stops at {step.receiver}, {step.rung.title}: {step.observed}")
        if not ends:
            click.echo("it stops nowhere")
    sys.exit(int(ExitCode.CHECK_FAILED if ends else ExitCode.OK))


def bundle_facts(directory: Path) -> Facts:
    """Every fact in a directory. Raises InputError, EvidenceError."""
    from labgen.observe.bundle import open_bundle, read_texts

    files = open_bundle(directory)
    if not files.captures and not files.texts:
        raise EvidenceError(
            f"{directory}: holds no evidence",
            hint="save a pcap, daemons' logs or command outputs there",
        )
    captures, broken = _captures(files.captures)
    facts = read_texts(files.texts)
    unread = (*((str(p), why) for p, why in broken), *files.unread, *facts.unread)
    for name, why in unread:
        click.echo(f"not read: {name}: {why}", err=True)
    return replace(facts, captures=captures, unread=unread)


def _captures(paths: tuple[Path, ...]) -> tuple[tuple[Capture, ...], tuple[tuple[Path, str], ...]]:
    """Captures of one time are views of one story; those that follow each other are one capture."""
    from labgen.capture.read import read_capture

    found: list[tuple[list[Path], Capture]] = []
    unread: list[tuple[Path, str]] = []
    for path in paths:
        try:
            found.append(([path], read_capture(path)))
        except EvidenceError as error:
            unread.append((path, str(error)))
    found.sort(key=lambda item: _span(item[1]))
    merged: list[tuple[list[Path], Capture]] = []
    for files, capture in found:
        if merged and _span(merged[-1][1])[1] < _span(capture)[0] and capture.sessions:
            together = [*merged[-1][0], *files]
            merged[-1] = (together, read_capture(together))
        else:
            merged.append((files, capture))
    return tuple(capture for _, capture in merged), tuple(unread)


def _span(capture: Capture) -> tuple[int, int]:
    """When the capture's BGP began and ended, in nanoseconds."""
    times = [
        t
        for s in capture.sessions
        for c in s.conversations
        for t in (c.first.time_ns, c.last.time_ns)
    ]
    return (min(times), max(times)) if times else (0, 0)


def _print(result: Diagnosis) -> None:
    """Causes that are alike stand together: what to do about them is said once."""
    paint = style()
    alike = groupby(result.causes, key=lambda cause: (cause.fault, cause.confidence))
    for number, ((fault, confidence), causes) in enumerate(alike, 1):
        label = fault.code or "--"
        click.echo(
            f"{number}. {paint(fault.title, 'red')} [{label} {fault.name}, {confidence.value}]"
        )
        for cause in causes:
            _line("", f"{cause.subject}: {cause.explanation}")
            for text in cause.evidence:
                _line("evidence", text)
            if cause.decides:
                _line("decides", cause.decides)
        _line("Calico", fault.remedy_calico)
        _line("BIG-IP", fault.remedy_bigip)
        _line("see", " ".join(fault.references))
    if not result.causes:
        click.echo(paint("no cause found: nothing in this evidence is wrong", "green"))
    for skipped in result.skipped:
        click.echo(
            f"SKIP {skipped.check}: not in the evidence; would need {skipped.missing}", err=True
        )


def _line(label: str, text: str) -> None:
    """One line under a cause; a terminal gets it folded, a file or pipe in one piece."""
    first, rest = (f"   {label:<10}", " " * 13) if label else ("   ", "   ")
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    if width > 2 * len(rest):
        text = textwrap.fill(
            text, width - len(rest), break_long_words=False, break_on_hyphens=False
        ).replace("\n", f"\n{rest}")
    click.echo(first + text)


__all__ = ["bundle_facts", "diagnose"]
