"""What the stand-in makes of tmsh text or an AS3 declaration, object by object, for people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labgen.bigip import as3, ltm, ltm_notes, tmsh, tmsh_tree
from labgen.bigip.tmsh_text import Word, lines
from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.bigip.tmsh import TmshConfig
    from labgen.bigip.tmsh_tree import Tree
    from labgen.errors import Mark

_FIRST_WORDS = {*tmsh_tree.VERBS, "tmsh", "ltm", "net", "sys", "auth", "cm", "security", "apm"}
_SESSION = {"show", "exit", "quit", "run", "start", "stop", "help"}  # imish has these as well


@dataclass(frozen=True, slots=True)
class Row:
    """An object and what it becomes; empty when it becomes nothing: a note tells why."""

    mark: Mark
    what: str
    becomes: str


@dataclass(frozen=True, slots=True)
class Objects:
    """`problems` are what would stop a lab; `notes` what has no effect, with line and reason."""

    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[InputError, ...] = field(default=())


def is_tmsh(text: str) -> bool:
    """Whether a text is tmsh's rather than ZebOS's: its first words tell."""
    try:
        found = lines(text, "")
    except InputError:
        return any(line.split()[:1] in (["ltm"], ["net"], ["tmsh"]) for line in text.splitlines())
    words = [line[0].text for line in found if isinstance(line[0], Word)]
    return bool(words) and words[0] in _FIRST_WORDS - _SESSION


def of_tmsh(text: str, path: str) -> Objects:
    """Raises nothing for what is wrong inside: that is in `problems`."""
    try:
        config = tmsh.parse(text, path)
        tree = tmsh_tree.read(text, path)
        traffic = ltm.made(tree)
    except InputErrors as errors:
        return Objects(problems=errors.problems)
    remarks = tuple(
        f"{r.mark}: `{r.text}`: {r.reason}" for r in config.remarks
        if "ltm" not in r.text.split()[:2]
    )  # fmt: skip
    rows = (*_network(config), *_traffic(traffic), *_parts(tree))
    return Objects(_by_line(rows), (*traffic.notes, *remarks))


def of_as3(text: str, path: str) -> Objects:
    """A declaration. Raises nothing for what is wrong inside: that is in `problems`."""
    try:
        declared = as3.read(text, path)
        tree = tmsh_tree.Tree({(i.component, i.name): i for i in declared.items})
        traffic = ltm.made(tree)
    except InputErrors as errors:
        return Objects(problems=errors.problems)
    except InputError as error:
        return Objects(problems=(error,))
    return Objects(_by_line((*_traffic(traffic), *_parts(tree))), (*traffic.notes, *declared.notes))


def _by_line(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (row.mark.line, row.mark.column)))


def _network(config: TmshConfig) -> Iterator[Row]:
    for own in config.self_ips:
        floats = f" of {own.traffic_group}" if own.floating else ""
        text = f"{own.address}/{own.prefix_length}{floats}, lets in {own.port_lockdown}"
        yield Row(own.mark, f"net self {own.name}", text)
    for vlan in config.vlans:
        yield Row(vlan.mark, f"net vlan {vlan.name}", f"interface {' '.join(vlan.interfaces)}")
    for route in config.routes:
        to = route.gateway or (route.vlan or route.pool or ("nowhere" if route.blackhole else ""))
        yield Row(route.mark, f"net route {route.name}", f"{route.network} to {to}")
    for domain in config.route_domains:
        protocols = " ".join(domain.routing_protocols) or "no routing protocol"
        yield Row(domain.mark, f"net route-domain {domain.name}", protocols)


def _parts(tree: Tree) -> Iterator[Row]:
    """What the others are made of."""
    for item in tree.items.values():
        what = f"{item.component} {item.name}"
        if item.component.startswith("ltm monitor "):
            known = item.component.split()[2] in ltm_notes.MONITORS
            yield Row(item.mark, what, "the probe of the pools that name it" if known else "")
        elif item.component == "ltm node":
            address = item.get("address")
            yield Row(item.mark, what, address.word if address is not None else item.name)


def _traffic(traffic: ltm.LocalTraffic) -> Iterator[Row]:
    for virtual in traffic.virtuals:
        off = "" if virtual.enabled else ", disabled"
        snat = "SNAT automap" if virtual.automap else "the client's address kept"
        yield Row(virtual.mark, f"ltm virtual {virtual.name}",
                  f"{virtual.address} {virtual.protocol} {virtual.port} to pool "
                  f"{virtual.pool or 'none'}, {snat}{off}")  # fmt: skip
    for pool in traffic.pools:
        how = "by ratio" if pool.weighted else "round robin"
        watched = " and ".join(
            f"{m.name} ({m.kind} every {m.interval} s, down after {m.timeout} s)"
            for m in pool.monitors
        )
        yield Row(pool.mark, f"ltm pool {pool.name}",
                  f"{len(pool.members)} members {how}, monitor {watched or 'none'}")  # fmt: skip
    for address in traffic.virtual_addresses:
        yield Row(address.mark, f"ltm virtual-address {address.name}",
                  f"{address.address}, announced: {address.advertisement}")  # fmt: skip
