"""Statements to the typed model: lists, route maps, static routes."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from labgen.bigip.model import (
    Action,
    Address,
    Network,
    PrefixList,
    PrefixListEntry,
    RouteMap,
    RouteMapEntry,
    StaticRoute,
)
from labgen.bigip.rules import Context
from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labgen.bigip.zebos import Statement


def address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def network(statement: Statement) -> Network:
    """The prefix of `network` or `ip route`; without length or mask it is the classful one."""
    text, mask = statement.value("prefix"), statement.value("mask")
    if mask:
        return ip_network(f"{text}/{mask}", strict=False)
    if "/" in text:
        return ip_network(text, strict=False)
    first = int(text.split(".")[0])
    return ip_network(f"{text}/{8 if first < 128 else 16 if first < 192 else 24}", strict=False)


STATIC_ROUTES = {"ip route", "ipv6 route"}


def static_route(statement: Statement, problems: list[InputError]) -> StaticRoute | None:
    try:
        prefix = network(statement)
    except ValueError as error:
        problems.append(InputError(f"not a prefix: {error}", mark=statement.mark))
        return None
    via: Address | str | None = None
    if not statement.value("sink"):
        via = address(statement.value("gateway")) or statement.value("interface")
    return StaticRoute(prefix, via, int(statement.value("distance") or 1), statement.mark)


def prefix_lists(standing: Sequence[Statement]) -> Mapping[str, PrefixList]:
    entries: dict[tuple[str, int], list[PrefixListEntry]] = {}
    for s in standing:
        if s.command not in {"ip prefix-list", "ipv6 prefix-list"}:
            continue
        version = 6 if s.command.startswith("ipv6") else 4
        seq, ge, le = (int(t) if (t := s.value(key)) else None for key in ("seq", "ge", "le"))
        prefix = ip_network(s.value("prefix"), strict=False) if s.value("prefix") else None
        entry = PrefixListEntry(seq, Action(s.value("action")), prefix, ge, le, s.mark)
        entries.setdefault((s.value("name"), version), []).append(entry)
    return {
        name: PrefixList(name, version, tuple(found)) for (name, version), found in entries.items()
    }


def route_maps(standing: Sequence[Statement]) -> Mapping[str, RouteMap]:
    entries: dict[str, list[RouteMapEntry]] = {}
    for opener in standing:
        if opener.rule.opens is not Context.ROUTE_MAP:
            continue
        clauses = [
            s.text() for s in standing if s.scope and s.scope[-1].identity == opener.identity
        ]
        entry = RouteMapEntry(
            int(opener.value("seq")),
            Action(opener.value("action")),
            tuple(c.removeprefix("match ") for c in clauses if c.startswith("match ")),
            tuple(c.removeprefix("set ") for c in clauses if c.startswith("set ")),
            opener.mark,
        )
        entries.setdefault(opener.value("name"), []).append(entry)
    return {
        name: RouteMap(name, tuple(sorted(found, key=lambda entry: entry.seq)))
        for name, found in entries.items()
    }
