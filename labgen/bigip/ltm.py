"""tmsh text about local traffic: `ltm virtual-address`, what a BIG-IP announces and who owns it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labgen.bigip.tmsh_text import Block, Word, lines, properties
from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from labgen.bigip.model import Address
    from labgen.bigip.tmsh_text import Node
    from labgen.errors import Mark

DEFAULT_TRAFFIC_GROUP = "traffic-group-1"  # tmsh reference, `ltm virtual-address`
_ADVERTISED = {"enabled", "any", "all", "always", "selective"}
_SILENT = {"disabled"}


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """`advertised`: route health injection; it belongs to whichever unit has `traffic_group`.

    `traffic_group` is None for an address that every unit has (`traffic-group none`).
    """

    name: str
    address: Address
    mark: Mark
    advertised: bool = False
    traffic_group: str | None = DEFAULT_TRAFFIC_GROUP


def virtual_addresses(text: str, path: str) -> tuple[VirtualAddress, ...]:
    """Every `ltm virtual-address` of a tmsh text. Raises InputErrors, by line."""
    found, problems = [], []
    for line in lines(text, path):
        try:
            address = _virtual_address(line)
        except InputError as error:
            problems.append(error)
            continue
        if address is not None:
            found.append(address)
    if problems:
        raise InputErrors(problems)
    return tuple(found)


def _virtual_address(line: tuple[Node, ...]) -> VirtualAddress | None:
    nodes = [n for n in line if isinstance(n, Block) or n.text not in {"tmsh", "create", "list"}]
    words = [n.text for n in nodes[:3] if isinstance(n, Word)]
    if words[:2] != ["ltm", "virtual-address"] or len(words) < 3:
        return None
    rest = nodes[3:]
    known = properties(rest[0].nodes if len(rest) == 1 and isinstance(rest[0], Block) else rest)
    value = {name: p.words[0] for name, p in known.items() if p.words}
    name = words[2].removeprefix("/Common/")
    mark = known["address"].mark if "address" in known else line[0].mark
    text = value.get("address", name).partition("%")[0]
    try:
        address = ip_address(text)
    except ValueError:
        raise InputError(f"`{text}` is not an IP address", mark=mark) from None
    advertisement = value.get("route-advertisement", "disabled")
    if advertisement not in _ADVERTISED | _SILENT:
        raise InputError(
            f"`route-advertisement {advertisement}` is unknown",
            mark=known["route-advertisement"].mark,
            hint=f"one of {', '.join(sorted(_ADVERTISED | _SILENT))}",
        )
    group = value.get("traffic-group", DEFAULT_TRAFFIC_GROUP).removeprefix("/Common/")
    return VirtualAddress(
        name,
        address,
        line[0].mark,
        advertisement in _ADVERTISED,
        None if group == "none" else group,
    )
