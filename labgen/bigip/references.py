"""Lists and route maps that a configuration names, and those that it does not define."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from labgen.bigip.rules import Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labgen.bigip.zebos import Statement


class Named(Enum):
    """Kinds of things that have a name; `value` is the word for it in a message."""

    ROUTE_MAP = "route map"
    PREFIX_LIST = "prefix list"
    IPV6_PREFIX_LIST = "IPv6 prefix list"
    ACCESS_LIST = "access list"
    IPV6_ACCESS_LIST = "IPv6 access list"
    AS_PATH_LIST = "AS path list"
    COMMUNITY_LIST = "community list"
    EXTCOMMUNITY_LIST = "extended community list"


@dataclass(frozen=True, slots=True)
class Reference:
    """`statement` names something that nothing in the same configuration defines."""

    statement: Statement
    kind: Named
    name: str


_DEFINES = {
    "route-map": Named.ROUTE_MAP,
    "ip prefix-list": Named.PREFIX_LIST,
    "ipv6 prefix-list": Named.IPV6_PREFIX_LIST,
    "access-list": Named.ACCESS_LIST,
    "access-list host": Named.ACCESS_LIST,
    "access-list ip": Named.ACCESS_LIST,
    "ipv6 access-list": Named.IPV6_ACCESS_LIST,
    "ip as-path access-list": Named.AS_PATH_LIST,
    "ip community-list": Named.COMMUNITY_LIST,
    "ip extcommunity-list": Named.EXTCOMMUNITY_LIST,
}
_NAMES = {
    "neighbor route-map": Named.ROUTE_MAP,
    "call": Named.ROUTE_MAP,
    "neighbor prefix-list": Named.PREFIX_LIST,
    "match ip address prefix-list": Named.PREFIX_LIST,
    "match ip next-hop prefix-list": Named.PREFIX_LIST,
    "match ipv6 address prefix-list": Named.IPV6_PREFIX_LIST,
    "neighbor distribute-list": Named.ACCESS_LIST,
    "match ip address": Named.ACCESS_LIST,
    "match ip next-hop": Named.ACCESS_LIST,
    "match ip route-source": Named.ACCESS_LIST,
    "match ipv6 address": Named.IPV6_ACCESS_LIST,
    "neighbor filter-list": Named.AS_PATH_LIST,
    "match as-path": Named.AS_PATH_LIST,
    "match community": Named.COMMUNITY_LIST,
    "set comm-list delete": Named.COMMUNITY_LIST,
    "match extcommunity": Named.EXTCOMMUNITY_LIST,
}
_IN_IPV6 = {
    Named.PREFIX_LIST: Named.IPV6_PREFIX_LIST,
    Named.ACCESS_LIST: Named.IPV6_ACCESS_LIST,
}


def undefined(standing: Sequence[Statement]) -> Iterator[Reference]:
    """Every reference that leads nowhere, in the order of the statements."""
    defined = {(_DEFINES[s.command], s.value("name")) for s in standing if s.command in _DEFINES}
    for statement in standing:
        for kind, name in _named_by(statement):
            if (kind, name) not in defined:
                yield Reference(statement, kind, name)


def _named_by(statement: Statement) -> Iterator[tuple[Named, str]]:
    if route_map := statement.value("route_map"):
        yield Named.ROUTE_MAP, route_map
    kind = _NAMES.get(statement.command)
    if kind is None or not statement.value("name"):
        return
    opener = statement.scope[-1] if statement.scope else None
    ipv6 = (
        opener is not None
        and opener.rule.opens is Context.ADDRESS_FAMILY
        and opener.value("afi") == "ipv6"
    )
    yield (_IN_IPV6.get(kind, kind) if ipv6 else kind), statement.value("name")
