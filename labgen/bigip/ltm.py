"""tmsh text about local traffic: virtual servers, pools, monitors, and what is announced."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, TypeVar

from labgen.bigip import lockdown
from labgen.bigip.tmsh_text import Block, Word, lines, properties
from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from labgen.bigip.model import Address
    from labgen.bigip.tmsh_text import Node, Property
    from labgen.errors import Mark

_T = TypeVar("_T")

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


@dataclass(frozen=True, slots=True)
class Monitor:
    """A health monitor; `interval` and `timeout` in seconds, F5's defaults 5 and 16.

    `kind` is tcp or http. `recv` must be in the answer; empty: any answer will do.
    """

    name: str
    kind: str
    interval: int = 5
    timeout: int = 16
    send: str = ""
    recv: str = ""


@dataclass(frozen=True, slots=True)
class Pool:
    """Members are round robin; `monitor` is None for a pool whose members always count as up."""

    name: str
    members: tuple[tuple[Address, int], ...]
    monitor: Monitor | None
    mark: Mark
    monitor_name: str = ""


@dataclass(frozen=True, slots=True)
class Virtual:
    """A TCP or UDP virtual server. `automap`: the source becomes the BIG-IP's (SNAT)."""

    name: str
    address: Address
    port: int
    protocol: str
    pool: str
    automap: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class LocalTraffic:
    """All that a tmsh text says about local traffic and that the stand-in serves."""

    virtuals: tuple[Virtual, ...] = ()
    pools: tuple[Pool, ...] = ()
    notes: tuple[str, ...] = ()


_BUILT_IN = {"tcp": Monitor("tcp", "tcp"), "http": Monitor("http", "http", send="GET /\\r\\n")}


def parse(text: str, path: str) -> LocalTraffic:
    """Every `ltm virtual`, `ltm pool` and `ltm monitor` of a tmsh text. Raises InputErrors."""
    reading = _Reading()
    for line in lines(text, path):
        try:
            reading.take(line)
        except InputError as error:
            reading.problems.append(error)
    return reading.end()


class _Reading:
    """Objects by kind as they are met: a pool may stand before its monitor."""

    def __init__(self) -> None:
        self.problems: list[InputError] = []
        self._notes: list[str] = []
        self._objects: dict[str, dict[str, tuple[Mark, dict[str, Property]]]] = {
            kind: {} for kind in ("virtual", "pool", "monitor tcp", "monitor http")
        }

    def take(self, line: tuple[Node, ...]) -> None:
        nodes = [n for n in line if isinstance(n, Block) or n.text not in {"tmsh", "create"}]
        words = [n.text for n in nodes if isinstance(n, Word)]
        if words[:1] != ["ltm"] or len(words) < 3:
            return
        length = 2 if words[1] == "monitor" else 1
        kind, name = " ".join(words[1 : 1 + length]), _bare(words[1 + length])
        if kind not in self._objects:
            if kind != "virtual-address":
                self._notes.append(f"{line[0].mark}: `ltm {kind} {name}` is not served")
            return
        rest = nodes[2 + length :]
        body = rest[0].nodes if len(rest) == 1 and isinstance(rest[0], Block) else rest
        self._objects[kind][name] = (line[0].mark, properties(body))

    def end(self) -> LocalTraffic:
        monitors = dict(_BUILT_IN)
        for base in _BUILT_IN.values():
            made = self._made(f"monitor {base.kind}", partial(_monitor, base))
            monitors |= {monitor.name: monitor for monitor in made}
        pools = self._made("pool", partial(_pool, monitors))
        virtuals = self._made("virtual", _virtual)
        stated = {name for objects in self._objects.values() for name in objects}
        for pool in pools:
            if pool.monitor_name not in {*monitors, *stated, ""}:
                self._lacking(f"ltm pool {pool.name}: no monitor `{pool.monitor_name}`", pool.mark,
                              monitors)  # fmt: skip
        for virtual in virtuals:
            if virtual.pool not in self._objects["pool"]:
                self._lacking(f"ltm virtual {virtual.name}: no pool `{virtual.pool}`",
                              virtual.mark, self._objects["pool"])  # fmt: skip
        if self.problems:
            raise InputErrors(self.problems)
        return LocalTraffic(tuple(virtuals), tuple(pools), tuple(self._notes))

    def _lacking(self, message: str, mark: Mark, there: Iterable[str]) -> None:
        hint = f"there are {', '.join(there) or 'none'}"
        self.problems.append(InputError(message, mark=mark, hint=hint))

    def _made(self, kind: str, make: Callable[[str, Mark, dict[str, Property]], _T]) -> list[_T]:
        made = []
        for name, (mark, known) in self._objects[kind].items():
            try:
                made.append(make(name, mark, known))
            except InputError as error:
                self.problems.append(error)
        return made


def _monitor(base: Monitor, name: str, _mark: Mark, known: dict[str, Property]) -> Monitor:
    value = {key: p.words[0] for key, p in known.items() if p.words}
    numbers = {"interval": base.interval, "timeout": base.timeout}
    for key in numbers.keys() & value.keys():
        if not value[key].isdigit() or not 1 <= int(value[key]) <= 86400:
            raise InputError(
                f"ltm monitor {name}: `{key} {value[key]}` is not a number of seconds",
                mark=known[key].mark, hint="1 to 86400",
            )  # fmt: skip
        numbers[key] = int(value[key])
    send, recv = (value.get(key, "none") for key in ("send", "recv"))
    return Monitor(
        name,
        base.kind,
        numbers["interval"],
        numbers["timeout"],
        base.send if send == "none" else send,
        "" if recv == "none" else recv,
    )


def _pool(
    monitors: Mapping[str, Monitor], name: str, mark: Mark, known: dict[str, Property]
) -> Pool:
    members = known["members"].words if "members" in known else ()
    monitor = known.get("monitor")
    chosen = _bare(monitor.words[0]) if monitor and monitor.words else "none"
    found = tuple(_endpoint(word, known["members"].mark) for word in members)
    chosen = "" if chosen == "none" else chosen
    return Pool(name, found, monitors.get(chosen), mark, chosen)


def _virtual(name: str, mark: Mark, known: dict[str, Property]) -> Virtual:
    for key in ("destination", "pool"):
        if key not in known or not known[key].words:
            raise InputError(f"ltm virtual {name}: `{key}` is missing", mark=mark,
                             hint="the stand-in serves virtuals with a pool")  # fmt: skip
    address, port = _endpoint(known["destination"].words[0], known["destination"].mark)
    protocol = known["ip-protocol"].words[0] if "ip-protocol" in known else "tcp"
    snat = (
        known["source-address-translation"].words if "source-address-translation" in known else ()
    )
    return Virtual(
        name, address, port, protocol, _bare(known["pool"].words[0]), "automap" in snat, mark
    )


def _endpoint(text: str, mark: Mark) -> tuple[Address, int]:
    """`10.0.0.1:http` or, for IPv6, `fd00::1.80`."""
    bare = _bare(text)
    address, _, port = bare.rpartition("." if bare.count(":") > 1 else ":")
    try:
        return ip_address(address.partition("%")[0]), lockdown.service(f"tcp:{port}", mark).port
    except ValueError:
        raise InputError(f"`{text}` is not ADDRESS:PORT", mark=mark) from None


def _bare(name: str) -> str:
    return name.removeprefix("/Common/")
