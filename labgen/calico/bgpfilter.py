"""BGPFilter names and rule lists as BIRD functions need them (which rule does what: render)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from labgen.calico.node_config import FilterFunction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.calico.resources import BGPFilter

# A BIRD symbol has at most 64 characters: `bgp_` and `_importFilterV4` leave 45 for the name.
MAX_NAME = 45


def short_name(name: str) -> str:
    """A BGPFilter's name inside a symbol; a long one is cut and made unique by its SHA-256."""
    if len(name) <= MAX_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest().upper()
    return f"{name[:28]}_{digest[:16]}"


def functions_of(item: BGPFilter, version: int) -> Iterator[FilterFunction]:
    """The functions of one BGPFilter in a family: import, then export; none without rules."""
    for direction in ("import", "export"):
        rules = item.spec.rules(direction, version)
        if rules:
            yield FilterFunction(
                filter_name=item.name,
                symbol=f"bgp_{short_name(item.name)}_{direction}FilterV{version}",
                direction=direction,
                same_as=any(rule.peer_type for rule in rules),
                rules=rules,
            )
