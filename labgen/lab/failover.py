"""Failover between the units of a BIG-IP pair, as an action: the active unit becomes standby."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from labgen.errors import InputError, LabError

if TYPE_CHECKING:
    from labgen.design.model import Design
    from labgen.runtime.protocol import Commands

FAILOVER = "/opt/labgen/failover"


def states(design: Design, commands: Commands) -> dict[str, str]:
    """`active` or `standby` by unit, for every BIG-IP that has something that floats."""
    units = [r.name for r in design.routers if r.fails_over]
    found = {}
    for unit in units:
        shown = commands.run(unit, (FAILOVER, "show")).check().stdout
        found[unit] = str(json.loads(shown)["state"])
    return found


def failover(design: Design, commands: Commands, *, to: str | None = None) -> tuple[str, str]:
    """Move everything that floats to another unit; returns (old, new) active unit.

    The old unit lets go first, as after `tmsh run sys failover standby`: two owners of one
    address are never on the LAN together. Raises InputError where there is nowhere to go.
    """
    now = states(design, commands)
    actives = [unit for unit, state in now.items() if state == "active"]
    others = [unit for unit, state in now.items() if state != "active"]
    if to is not None and to not in now:
        known = ", ".join(now) or "none"
        raise InputError(f"lab {design.name}: no unit {to}", hint=f"units of a pair: {known}")
    if len(actives) > 1:
        raise LabError(f"lab {design.name}: {' and '.join(actives)} are both active")
    new = to or (others[0] if others else None)
    if new is None or new in actives:
        raise InputError(
            f"lab {design.name}: {new or 'no unit'} cannot take over",
            hint=f"{new} is active already" if new else "no router has a floating self-IP",
        )
    for unit in actives:
        commands.run(unit, (FAILOVER, "standby")).check()
    commands.run(new, (FAILOVER, "active")).check()
    return (actives[0] if actives else "none"), new
