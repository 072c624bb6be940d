"""Local traffic: virtual servers, pools, monitors, and what is announced.

Everything that stands in a text is served, or is a note with its line and the reason why not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar

from labgen.bigip import ltm_notes, tmsh_tree
from labgen.bigip.lockdown import port_number
from labgen.bigip.tmsh_tree import bare
from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from labgen.bigip.model import Address
    from labgen.bigip.tmsh_tree import Entry, Item, Tree
    from labgen.errors import Mark

_T = TypeVar("_T")

DEFAULT_TRAFFIC_GROUP = "traffic-group-1"  # tmsh reference, `ltm virtual-address`
_ADVERTISED = {"enabled", "any", "all", "always", "selective"}
_SILENT = "disabled"


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """`advertisement`: route health injection's word; the unit with `traffic_group` does it.

    `traffic_group` is None for an address that every unit has (`traffic-group none`).
    """

    name: str
    address: Address
    mark: Mark
    advertisement: str = _SILENT
    traffic_group: str | None = DEFAULT_TRAFFIC_GROUP

    @property
    def advertised(self) -> bool:
        return self.advertisement != _SILENT


@dataclass(frozen=True, slots=True)
class Monitor:
    """A health monitor; `interval` and `timeout` in seconds, F5's defaults 5 and 16.

    `recv` is a regular expression that the answer must match; empty: any answer will do.
    """

    name: str
    kind: str
    interval: int = 5
    timeout: int = 16
    send: str = ""
    recv: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A pool member. `enabled`: gets new connections; `forced_down`: somebody marked it down."""

    name: str
    address: Address
    port: int
    ratio: int = 1
    enabled: bool = True
    forced_down: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """`needed` of `monitors` must succeed; without monitors members count as up.

    `weighted`: connections by the members' ratios, else round robin.
    """

    name: str
    members: tuple[Member, ...]
    monitors: tuple[Monitor, ...]
    mark: Mark
    needed: int = 0
    weighted: bool = False


@dataclass(frozen=True, slots=True)
class Virtual:
    """A TCP or UDP virtual server. `automap`: the source becomes the BIG-IP's (SNAT).

    `pool` is empty for one that resets whatever comes.
    """

    name: str
    address: Address
    port: int
    protocol: str
    pool: str
    automap: bool
    mark: Mark
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class LocalTraffic:
    """All that texts say about local traffic and that the stand-in serves."""

    virtuals: tuple[Virtual, ...] = ()
    pools: tuple[Pool, ...] = ()
    notes: tuple[str, ...] = ()
    virtual_addresses: tuple[VirtualAddress, ...] = ()


_BUILT_IN: Mapping[str, Monitor] = {
    name: Monitor(name, kind, send="GET /\\r\\n" if kind.startswith("http") else "")
    for name, kind in (
        ("tcp", "tcp"), ("tcp_half_open", "tcp-half-open"), ("http", "http"), ("https", "https"),
        ("gateway_icmp", "gateway-icmp"), ("icmp", "icmp"),
    )
}  # fmt: skip
_KINDS = {monitor.kind: monitor for monitor in _BUILT_IN.values()}


def parse(text: str, path: str) -> LocalTraffic:
    """Every `ltm` object of a tmsh text. Raises InputErrors, by line."""
    return made(tmsh_tree.read(text, path))


def made(tree: Tree) -> LocalTraffic:
    """Local traffic of a tree of objects. Raises InputErrors, by line."""
    return _Making(tree).end()


class _Making:
    """Objects of a tree, checked against each other: a pool may stand before its monitor."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._problems: list[InputError] = []

    def end(self) -> LocalTraffic:
        monitors = dict(_BUILT_IN)
        for kind in _KINDS:
            found = self._made(f"ltm monitor {kind}", _monitor)
            monitors |= {monitor.name: monitor for monitor in found}
        nodes = {n.name: n for n in self._tree.of("ltm node")}
        pools = self._made("ltm pool", lambda item: _pool(item, monitors, self._stated(), nodes))
        names = {pool.name for pool in pools} | {i.name for i in self._tree.of("ltm pool")}
        virtuals = self._made("ltm virtual", lambda item: _virtual(item, names))
        addresses = self._made("ltm virtual-address", _virtual_address)
        if self._problems:
            raise InputErrors(self._problems)
        served = tuple(v for v in virtuals if v is not None)
        notes = (*ltm_notes.of(self._tree, {v.name for v in served}), *_strangers(served, pools))
        return LocalTraffic(served, tuple(pools), notes, tuple(addresses))

    def _stated(self) -> set[str]:
        """Every monitor of the tree; what is wrong with one, or not served, is told elsewhere."""
        items = self._tree.items.values()
        return {item.name for item in items if item.component.startswith("ltm monitor")}

    def _made(self, component: str, make: Callable[[Item], _T]) -> list[_T]:
        found = []
        for item in self._tree.of(component):
            try:
                found.append(make(item))
            except InputError as error:
                self._problems.append(error)
        return found


def _strangers(virtuals: Sequence[Virtual], pools: Sequence[Pool]) -> Iterator[str]:
    """Members of the other IP version than their virtual's: nftables' NAT has no bridge."""
    members = {pool.name: pool.members for pool in pools}
    for virtual in virtuals:
        for member in members.get(virtual.pool, ()):
            if member.address.version != virtual.address.version:
                yield (
                    f"{virtual.mark}: `ltm virtual {virtual.name}`: {member.name} of pool "
                    f"{virtual.pool} gets nothing: no IPv4/IPv6 translation"
                )


def _virtual_address(item: Item) -> VirtualAddress:
    known = {entry.name: entry for entry in item.body}
    stated = known.get("address")
    text = stated.word if stated else item.name.rpartition("/")[2]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        mark = stated.mark if stated else item.mark
        raise InputError(f"`{text}` is not an IP address", mark=mark) from None
    entry = known.get("route-advertisement")
    advertisement = entry.word if entry else _SILENT
    if entry and advertisement not in _ADVERTISED | {_SILENT}:
        raise InputError(
            f"`route-advertisement {advertisement}` is unknown",
            mark=entry.mark,
            hint=f"one of {', '.join(sorted(_ADVERTISED | {_SILENT}))}",
        )
    group = bare(known["traffic-group"].word) if "traffic-group" in known else ""
    return VirtualAddress(
        item.name, address, item.mark, advertisement,
        None if group == "none" else group or DEFAULT_TRAFFIC_GROUP,
    )  # fmt: skip


def _monitor(item: Item) -> Monitor:
    base = _KINDS[item.component.split()[2]]
    numbers: dict[str, int] = {}
    for key in ("interval", "timeout"):
        entry = item.get(key)
        numbers[key] = getattr(base, key) if entry is None else _number(item, entry, 86400)
    texts: dict[str, str] = {}
    for key in ("send", "recv"):
        entry = item.get(key)
        texts[key] = getattr(base, key) if entry is None or entry.word == "none" else entry.word
    try:
        re.compile(texts["recv"].encode())
    except re.error as error:
        mark = (item.get("recv") or item).mark
        raise InputError(f"{_what(item)}: `recv` is no regular expression: {error}",
                         mark=mark) from None  # fmt: skip
    return Monitor(
        item.name, base.kind, numbers["interval"], numbers["timeout"], texts["send"], texts["recv"]
    )


def _pool(
    item: Item, monitors: Mapping[str, Monitor], stated: set[str], nodes: Mapping[str, Item]
) -> Pool:
    listed = item.get("members")
    found = () if listed is None else listed.body or ()
    members = tuple(_member(e, nodes) for e in found if not ltm_notes.unserved_member(e))
    names, needed = _monitor_rule(item)
    for name in names:
        if name not in monitors and name not in stated:
            there = ", ".join(monitors)
            raise InputError(f"{_what(item)}: no monitor `{name}`", mark=item.mark,
                             hint=f"there are {there}")  # fmt: skip
    chosen = tuple(monitors[name] for name in names if name in monitors)
    mode = item.get("load-balancing-mode")
    weighted = mode is not None and mode.word == "ratio-member"
    return Pool(item.name, members, chosen, item.mark, min(needed, len(chosen)), weighted)


def _monitor_rule(item: Item) -> tuple[tuple[str, ...], int]:
    """`a and b` or `min 1 of { a b }`: the monitors' names and how many must succeed."""
    entry = item.get("monitor")
    words = entry.words if entry else ()
    if entry and words[:1] == ("min",):
        count = words[1] if len(words) > 1 else ""
        if not count.isdigit() or not 1 <= int(count) <= len(words[3:]):
            raise InputError(f"{_what(item)}: `monitor min {count}` of {len(words[3:])}",
                             mark=entry.mark)  # fmt: skip
        return tuple(map(bare, words[3:])), int(count)
    names = tuple(bare(word) for word in words if word not in {"and", "none", "default"})
    return names, len(names)


def _member(entry: Entry, nodes: Mapping[str, Item]) -> Member:
    inner = {e.name: e for e in entry.body or ()}
    own = inner["address"].word if "address" in inner else ""
    node_name, _, _ = _split(entry.name)
    node = nodes.get(node_name)
    at_node = node.get("address") if node is not None else None
    address, port = endpoint(entry.name, entry.mark, own or (at_node.word if at_node else ""))
    ratio = _number(None, inner["ratio"], 65535) if "ratio" in inner else 1
    states = [inner, {e.name: e for e in node.body} if node is not None else {}]
    return Member(
        f"{node_name}{'.' if ':' in node_name else ':'}{port}", address, port, ratio,
        not any("session" in s and s["session"].word == "user-disabled" for s in states),
        any("state" in s and s["state"].word == "user-down" for s in states),
    )  # fmt: skip


def _virtual(item: Item, pools: set[str]) -> Virtual | None:
    """None for one that forwards or rejects: a note tells."""
    destination = item.get("destination")
    if destination is None or not destination.words:
        raise InputError(f"{_what(item)}: `destination` is missing", mark=item.mark,
                         hint="is the text cut off?")  # fmt: skip
    if ltm_notes.unserved_virtual(item):
        return None
    address, port = endpoint(destination.word, destination.mark)
    pool = item.get("pool")
    name = bare(pool.word) if pool is not None else "none"
    if pool is not None and name != "none" and name not in pools:
        there = ", ".join(sorted(pools)) or "none"
        raise InputError(f"{_what(item)}: no pool `{name}`", mark=pool.mark,
                         hint=f"there are {there}")  # fmt: skip
    protocol = item.get("ip-protocol")
    return Virtual(
        item.name, address, port, protocol.word if protocol else "tcp",
        "" if name == "none" else name, ltm_notes.translation(item) == "automap", item.mark,
        item.get("disabled") is None,
    )  # fmt: skip


def endpoint(text: str, mark: Mark, address: str = "") -> tuple[Address, int]:
    """`/Common/10.0.0.1%1:http` or, for IPv6, `fd00::1.80`; `address` where a name stands for it.

    Raises InputError.
    """
    host, _, service = _split(text)
    try:
        port = port_number(service)
        return ip_address((address or host).partition("%")[0]), port
    except ValueError:
        raise InputError(f"`{text}` is not ADDRESS:PORT", mark=mark) from None


def _split(text: str) -> tuple[str, str, str]:
    last = text.rpartition("/")[2]
    return last.rpartition("." if last.count(":") > 1 else ":")


def _number(item: Item | None, entry: Entry, limit: int) -> int:
    if not entry.word.isdigit() or not 1 <= int(entry.word) <= limit:
        what = f"{_what(item)}: " if item is not None else ""
        unit = " of seconds" if item is not None else ""
        raise InputError(f"{what}`{entry.name} {entry.word}` is not a number{unit}",
                         mark=entry.mark, hint=f"1 to {limit}")  # fmt: skip
    return int(entry.word)


def _what(item: Item) -> str:
    return f"{item.component} {item.name}"
