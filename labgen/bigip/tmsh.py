"""tmsh text about the network: `net self`, `net vlan`, `net route`, `net route-domain`.

Reads what `tmsh list net …` prints (also with `one-line`), and `create`/`modify` commands from a
script, in any mixture. Objects of other modules and properties that mean nothing here are remarks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from labgen.bigip.lockdown import PortLockdown, allow
from labgen.bigip.model import Address, Network
from labgen.bigip.tmsh_text import Block, Node, Property, Word, lines, properties
from labgen.bigip.tmsh_tree import Entry, Item
from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labgen.errors import Mark

LOCAL_ONLY = "traffic-group-local-only"


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that the text says and that configures nothing here."""

    mark: Mark
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class SelfIp:
    """A self-IP. `floating` ones move with their traffic group; `prefix_length` is in bits."""

    name: str
    address: Address
    prefix_length: int
    vlan: str
    mark: Mark
    port_lockdown: PortLockdown = field(default_factory=PortLockdown)
    traffic_group: str = LOCAL_ONLY
    floating: bool = False
    route_domain: int = 0

    @property
    def network(self) -> Network:
        return ip_network(f"{self.address}/{self.prefix_length}", strict=False)


@dataclass(frozen=True, slots=True)
class Vlan:
    """`interfaces` maps `1.1` to whether it is tagged."""

    name: str
    mark: Mark
    tag: int | None = None
    interfaces: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """A TMM route. `gateway` is None for one that goes to a VLAN, a pool or nowhere."""

    name: str
    network: Network
    mark: Mark
    gateway: Address | None = None
    vlan: str | None = None
    pool: str | None = None
    blackhole: bool = False
    route_domain: int = 0


@dataclass(frozen=True, slots=True)
class RouteDomain:
    """`routing_protocols` are BGP, BFD and the like; without BGP there is no `router bgp`."""

    id: int
    name: str
    mark: Mark
    routing_protocols: tuple[str, ...] = ()
    vlans: tuple[str, ...] = ()
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class TmshConfig:
    """All that a tmsh text says about the network, names without the folder `/Common/`."""

    self_ips: tuple[SelfIp, ...] = ()
    vlans: tuple[Vlan, ...] = ()
    routes: tuple[Route, ...] = ()
    route_domains: tuple[RouteDomain, ...] = ()
    remarks: tuple[Remark, ...] = ()

    def lockdowns(self) -> Mapping[Address, PortLockdown]:
        """What `lockdown.ruleset` takes."""
        return {self_ip.address: self_ip.port_lockdown for self_ip in self.self_ips}


_Properties = dict[str, Property]


def parse(text: str, path: str) -> TmshConfig:
    """Read a tmsh text. Raises InputErrors, each with file, line and column."""
    reading = _Reading()
    problems: list[InputError] = []
    for line in lines(text, path):
        try:
            reading.take(line)
        except InputError as error:
            problems.append(error)
    config = reading.config(problems)
    if problems:
        raise InputErrors(problems)
    return config


class _Reading:
    """Objects as they build up, command by command: (component, name) -> properties."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str], tuple[Mark, _Properties]] = {}
        self._remarks: list[Remark] = []

    def take(self, line: tuple[Node, ...]) -> None:
        mark = line[0].mark
        nodes = [n for n in line if isinstance(n, Block) or n.text not in {"tmsh", "-c"}]
        words = [n.text for n in nodes if isinstance(n, Word)]
        verb = words[0] if words and words[0] in _VERBS else "list"
        nodes, words = (nodes[1:], words[1:]) if words and words[0] in _VERBS else (nodes, words)
        blocks = any(isinstance(node, Block) for node in nodes)
        if verb in _SILENT or (verb == "list" and not blocks):
            self._remark(mark, verb, words, "configures nothing")
            return
        if words[:1] != ["net"] or len(words) < 3 or words[1] not in _COMPONENTS:
            self._remark(mark, verb, words, "not a self-IP, VLAN, route or route domain")
            return
        component, name = words[1], _bare(words[2])
        if verb == "delete":
            self._objects.pop((component, name), None)
            return
        if verb == "modify" and (component, name) not in self._objects and component != _DOMAIN:
            raise InputError(
                f"`modify net {component} {name}`: no such object in this text",
                mark=mark,
                hint=f"add the output of `tmsh list net {component}`",
            )
        rest = nodes[3:]
        body = rest[0].nodes if len(rest) == 1 and isinstance(rest[0], Block) else rest
        _, known = self._objects.setdefault((component, name), (mark, {}))
        _change(known, properties(body))

    def _remark(self, mark: Mark, verb: str, words: Sequence[str], reason: str) -> None:
        shown = words if verb == "list" else [verb, *words]
        self._remarks.append(Remark(mark, " ".join(shown)[:70], reason))

    def config(self, problems: list[InputError]) -> TmshConfig:
        made: list[object] = []
        for (component, name), (mark, known) in self._objects.items():
            try:
                made.append(_MAKERS[component](name, mark, known))
            except InputError as error:
                problems.append(error)
            self._remarks += [
                Remark(value.mark, key, f"a property of net {component} without meaning here")
                for key, value in known.items()
                if key not in _KNOWN[component]
            ]
        return TmshConfig(
            tuple(o for o in made if isinstance(o, SelfIp)),
            tuple(o for o in made if isinstance(o, Vlan)),
            tuple(o for o in made if isinstance(o, Route)),
            tuple(o for o in made if isinstance(o, RouteDomain)),
            tuple(self._remarks),
        )


def _change(known: _Properties, changes: _Properties) -> None:
    """Apply a command's properties; `add` and `delete` edit the list that is there."""
    for name, change in changes.items():
        before = known[name].words if name in known else ()
        words = change.words
        if change.edit == "add":
            words = (*(w for w in before if w != "none"), *(w for w in words if w not in before))
        elif change.edit == "delete":
            words = tuple(word for word in before if word not in words)
        known[name] = replace(change, words=words, edit="")


_SILENT = {"show", "save", "load", "cd", "quit", "exit", "run", "restart", "start"}
_VERBS = {"create", "modify", "list", "delete", *_SILENT}
_DOMAIN = "route-domain"
_COMPONENTS = ("self", "vlan", "route", "route-domain")
_KNOWN = {
    "self": {"address", "vlan", "allow-service", "traffic-group", "floating"},
    "vlan": {"tag", "interfaces"},
    "route": {"network", "gw", "interface", "pool", "blackhole", "type"},
    "route-domain": {"id", "routing-protocol", "vlans", "parent"},
}


def _self(name: str, mark: Mark, known: _Properties) -> SelfIp:
    text, where = _required(known, "address", f"net self {name}", mark)
    found = re.fullmatch(r"([^%/]+)(?:%(\d+))?/(\d+)", text)
    if not found:
        raise InputError(
            f"`{text}` is not an address with its length", mark=where, hint="as in 10.1.20.5/24"
        )
    address, domain, bits = found[1], int(found[2] or 0), int(found[3])
    parsed = _address(address, where)
    if bits > parsed.max_prefixlen:
        raise InputError(f"`{text}`: a length of {bits} is too long", mark=where)
    vlan, _ = _required(known, "vlan", f"net self {name}", mark)
    service = known.get("allow-service")
    group = _bare(_word(known, "traffic-group") or LOCAL_ONLY)
    floating = _word(known, "floating")
    return SelfIp(
        name,
        parsed,
        bits,
        _bare(vlan),
        mark,
        allow(service.words, service.mark) if service else PortLockdown(),
        group,
        floating == "enabled" if floating else group != LOCAL_ONLY,
        domain,
    )


def _vlan(name: str, mark: Mark, known: _Properties) -> Vlan:
    tag = _word(known, "tag")
    if tag is not None and not (tag.isdigit() and 1 <= int(tag) <= 4094):
        raise InputError(f"`{tag}` is not a VLAN tag (1-4094)", mark=known["tag"].mark)
    listed = known.get("interfaces")
    ports = {w: "tagged" in listed.inner.get(w, ()) for w in listed.words} if listed else {}
    return Vlan(name, mark, int(tag) if tag else None, ports)


def _route(name: str, mark: Mark, known: _Properties) -> Route:
    text = _word(known, "network") or name
    where = known["network"].mark if "network" in known else mark
    network, _, domain = text.partition("%")
    if "/" in domain:  # 10.2.0.0%101/16
        domain, _, bits = domain.partition("/")
        network = f"{network}/{bits}"
    gateway = _word(known, "gw")
    version6 = network == "default-inet6" or (gateway is not None and ":" in gateway)
    if network in {"default", "default-inet6"}:
        network = "::/0" if version6 else "0.0.0.0/0"
    try:
        parsed = ip_network(network, strict=False)
    except ValueError:
        raise InputError(f"`{text}` is not a network", mark=where, hint="or `default`") from None
    address = None
    if gateway:
        address = _address(gateway.partition("%")[0], known["gw"].mark)
    vlan, pool = _word(known, "interface"), _word(known, "pool")
    blackhole = "blackhole" in known or _word(known, "type") == "blackhole"
    return Route(
        name,
        parsed,
        mark,
        address,
        _bare(vlan) if vlan else None,
        _bare(pool) if pool else None,
        blackhole,
        int(domain or 0),
    )


def _route_domain(name: str, mark: Mark, known: _Properties) -> RouteDomain:
    number = _word(known, "id") or name
    if not number.isdigit() or int(number) > 65534:
        raise InputError(f"`{number}` is not a route domain (0-65534)", mark=mark)
    protocols = known["routing-protocol"].words if "routing-protocol" in known else ()
    vlans = known["vlans"].words if "vlans" in known else ()
    parent = _word(known, "parent")
    return RouteDomain(
        int(number),
        name,
        mark,
        tuple(p for p in protocols if p != "none"),
        tuple(_bare(v) for v in vlans if v != "none"),
        _bare(parent) if parent else None,
    )


_MAKERS = {"self": _self, "vlan": _vlan, "route": _route, "route-domain": _route_domain}


def item_of(value: SelfIp | Vlan) -> Item:
    """A self-IP or VLAN as the object that `tmsh list` shows."""

    def entry(name: str, *words: str) -> Entry:
        return Entry(name, value.mark, words)

    def block(name: str, names: Sequence[str]) -> Entry:
        return Entry(name, value.mark, body=tuple(entry(n) for n in names))

    if isinstance(value, Vlan):
        ports = tuple(Entry(port, value.mark, body=()) for port in value.interfaces)
        return Item(
            "net vlan", value.name, value.mark, (Entry("interfaces", value.mark, body=ports),)
        )
    allowed = str(value.port_lockdown).strip("{ }").split()
    plain = allowed in (["none"], ["all"])
    return Item("net self", value.name, value.mark, (
        entry("address", f"{value.address}/{value.prefix_length}"),
        entry("allow-service", *allowed) if plain else block("allow-service", allowed),
        entry("traffic-group", value.traffic_group),
        entry("vlan", value.vlan),
    ))  # fmt: skip


def _bare(name: str) -> str:
    return name.removeprefix("/Common/")


def _word(known: _Properties, name: str) -> str | None:
    value = known.get(name)
    return value.words[0] if value and value.words else None


def _required(known: _Properties, name: str, what: str, mark: Mark) -> tuple[str, Mark]:
    word = _word(known, name)
    if word is None:
        raise InputError(f"{what}: `{name}` is missing", mark=mark, hint="is the text cut off?")
    return word, known[name].mark


def _address(text: str, mark: Mark) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise InputError(f"`{text}` is not an IP address", mark=mark) from None
