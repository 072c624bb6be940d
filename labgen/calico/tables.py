"""The layouts of calicoctl's tables: Go's text/tabwriter, and numbers as Go's fmt prints them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.calico.calicoctl.node_status import table as bordered

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["aligned", "bordered", "general", "share"]

_MIN_WIDTH, _PADDING = 5, 3


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """`rows` (of one length) as calicoctl's `get` lays them out.

    calicoctl ends every cell with a tab, so the last column is padded like the others.
    """
    widths = [
        max(_MIN_WIDTH, _PADDING + max(map(len, column))) for column in zip(*rows, strict=True)
    ]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + "\n"
        for row in rows
    )


def general(number: int) -> str:
    """Go's `%.5g` of a whole number: 65536, and 1.6777e+07 where five digits do not suffice."""
    return f"{float(number):.5g}"


def share(number: int, total: int) -> str:
    """`7 (0%)`: a number and its percentage of `total`, rounded as Go's `%.f` does (to even)."""
    return f"{general(number)} ({100 * number / total:.0f}%)"
