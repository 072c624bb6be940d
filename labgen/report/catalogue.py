"""Reference pages made from the code itself: every check of `verify`, every fault of `diagnose`.

Markdown, for docs/; `make golden` writes them, a test holds them to the code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labgen.check.diagnosis.faults import Fault


def checks_page(checks: Iterable[tuple[str, str]]) -> str:
    """The page of checks, from (rung, what must hold) in the order in which they are climbed."""
    lines = (
        "# What `labgen verify` checks",
        "",
        "Made from the checks' own docstrings by `make golden`. Every session climbs these rungs;",
        'the first broken one is the headline, and what stands above it is SKIP, "not reached".',
        "",
        "| rung | must hold |",
        "|---|---|",
        *(f"| {rung} | {holds} |" for rung, holds in checks),
    )
    return "\n".join(lines) + "\n"


def faults_page(faults: Iterable[Fault]) -> str:
    """The page of faults: what each is, and what to do on either side."""
    lines = [
        "# The faults that labgen names",
        "",
        "Made from `labgen/check/diagnosis` by `make golden`. Each that has a number can be had on",
        "a running lab: `labgen fault inject LAB NAME`. `labgen diagnose` must then name it first,",
        "and after `labgen fault heal` the lab must be without a cause: that drill is a lab test.",
    ]
    for fault in faults:
        code = f"{fault.code} " if fault.code else ""
        lines += ["", f"## {code}`{fault.name}`", "", f"{fault.title}. {fault.summary}", ""]
        lines += [f"- Calico: {fault.remedy_calico}"] if fault.remedy_calico else []
        lines += [f"- BIG-IP: {fault.remedy_bigip}"] if fault.remedy_bigip else []
        lines += [f"- See: {' '.join(fault.references)}"] if fault.references else []
    return "\n".join(lines) + "\n"
