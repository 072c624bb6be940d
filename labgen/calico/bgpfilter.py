"""BGPFilter names and rule lists as BIRD functions need them (which rule does what: render)."""

from __future__ import annotations

import hashlib
from ipaddress import ip_network
from typing import TYPE_CHECKING

from labgen.calico.node_config import FilterFunction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.calico.resources import BGPFilter
    from labgen.calico.specs import FilterRule

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


def prefix_range(rule: FilterRule, version: int) -> tuple[int, int] | None:
    """The lengths that a rule's prefixLength means, None where it has none.

    A missing bound is the CIDR's own length, or the family's longest; a bound outside those is
    drawn in, which can leave an empty range.
    """
    if rule.prefix_length is None or not rule.cidr:
        return None
    try:
        mask, longest = ip_network(rule.cidr, strict=False).prefixlen, 32 if version == 4 else 128
    except ValueError:
        return None  # BIRD gets the text as it is, and refuses it
    low, high = rule.prefix_length.min, rule.prefix_length.max
    return (
        mask if low is None else max(mask, low),
        longest if high is None else min(longest, high),
    )
