"""Failover between the units of a BIG-IP pair, as an action: the active unit becomes standby."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.errors import InputError, LabError
from labgen.lab.content_files import DIRECTORY
from labgen.lab.files import write_atomically
from labgen.spec.model import BigIp

if TYPE_CHECKING:
    from pathlib import Path

    from labgen.design.model import Design
    from labgen.runtime.protocol import Commands
    from labgen.spec.load import LoadedSpec

FAILOVER = "/opt/labgen/failover"
_FILE = "active-unit"  # in the lab's datastore: a lab that is deployed anew has forgotten it


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


def remember(lab_directory: Path, unit: str) -> None:
    """Which unit is active from now on, for checks and forecasts. Raises HostError."""
    write_atomically(lab_directory / DIRECTORY / _FILE, f"{unit}\n".encode())


def as_it_is(loaded: LoadedSpec, lab_directory: Path) -> LoadedSpec:
    """The spec with the failover states that its lab has now."""
    try:
        active = (lab_directory / DIRECTORY / _FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return loaded
    routers = loaded.spec.routers
    if active not in routers:
        return loaded
    now = {
        name: r.model_copy(update={"failover_state": "active" if name == active else "standby"})
        if isinstance(r, BigIp) else r
        for name, r in routers.items()
    }  # fmt: skip
    return replace(loaded, spec=loaded.spec.model_copy(update={"routers": now}))
