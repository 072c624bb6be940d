"""EXEC commands of imish: what each asks FRR, and how the answer is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgen.bigip import frr_json, grammar, show
from labgen.bigip.grammar import Match, Miss

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from labgen.bigip.grammar import Word

    Ask = Callable[[str], str]  # what vtysh says to one command


@dataclass(frozen=True, slots=True)
class Views:
    """What the commands need besides FRR: the VLAN that each Linux interface stands for."""

    vlans: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Command:
    """`action` gets the parameters, a function that asks vtysh, and the views."""

    pattern: str
    action: Callable[[Mapping[str, str], Ask, Views], str]


class NotUnderstood(Exception):
    """The line stops making sense at `column` (from 1); None: it is not complete."""

    def __init__(self, column: int | None, *, ambiguous: bool = False) -> None:
        super().__init__("not understood")
        self.column = column
        self.ambiguous = ambiguous


def run(words: tuple[Word, ...], ask: Ask, views: Views) -> str:
    """The text that an EXEC command prints. Raises NotUnderstood, ParseError."""
    fits: list[tuple[int, Command, Match]] = []
    misses: list[Miss] = []
    for command in COMMANDS:
        found = grammar.match(command.pattern, words)
        if isinstance(found, Match):
            fits.append((found.closeness, command, found))
        else:
            misses.append(found)
    if not fits:
        furthest = max(miss.at for miss in misses)
        raise NotUnderstood(words[furthest].column if furthest < len(words) else None)
    best = max(closeness for closeness, _, _ in fits)
    chosen = [(command, found) for closeness, command, found in fits if closeness == best]
    if len({" ".join(map(str, found.words)) for _, found in chosen}) > 1:
        raise NotUnderstood(words[0].column, ambiguous=True)
    command, found = chosen[0]
    values = {name: str(value) for name, value in found.values.items()}
    return command.action(values, ask, views)


def _family(values: Mapping[str, str]) -> str:
    return f"{values.get('afi', 'ipv4')} unicast"


def _show_table(values: Mapping[str, str], ask: Ask, _: Views) -> str:
    return show.table(frr_json.table(ask(f"show bgp {_family(values)} json")))


def _show_summary(values: Mapping[str, str], ask: Ask, _: Views) -> str:
    view = frr_json.summary(ask(f"show bgp {_family(values)} summary json"))
    # FRR 8.4 has `detail` for the whole of one family only in these two spellings
    detail = "show bgp detail json" if values.get("afi") == "ipv6" else "show ip bgp detail json"
    as_paths, communities = frr_json.attribute_counts(ask(detail))
    return show.summary(view, as_paths=as_paths, communities=communities)


def _show_neighbors(values: Mapping[str, str], ask: Ask, _: Views) -> str:
    peer = values.get("peer", "")
    views = frr_json.neighbors(ask(f"show bgp neighbors {peer} json".replace("  ", " ")))
    if peer and not views:
        return "% No such neighbor\n"
    version = frr_json.table(ask("show bgp ipv4 unicast json")).version
    return show.neighbors(views, table_version=version)


def _show_neighbor_table(values: Mapping[str, str], ask: Ask, _: Views) -> str:
    peer, what = values["peer"], values["what"]
    family = "ipv6 unicast" if values.get("afi") == "ipv6" else "ipv4 unicast"
    text = ask(f"show bgp {family} neighbors {peer} {what} json")
    if not frr_json.neighbors(ask(f"show bgp neighbors {peer} json")):
        return "% No such neighbor\n"
    if what == "routes":
        return show.table(frr_json.table(text))
    view = frr_json.adjacency(text, what.removesuffix("-routes"))
    if view is None:
        return "% Inbound soft reconfiguration not enabled\n"
    return show.table(view)


def _show_entry(values: Mapping[str, str], ask: Ask, _: Views) -> str:
    prefix = values["prefix"]
    afi = "ipv6" if ":" in prefix else "ipv4"
    return show.entry(frr_json.entry(ask(f"show bgp {afi} unicast {prefix} json")))


def _show_routes(values: Mapping[str, str], ask: Ask, views: Views) -> str:
    afi, protocol = values.get("version", "ip"), values.get("protocol", "")
    text = ask(f"show {afi} route {protocol} json".replace("  ", " "))
    return show.routes(frr_json.rib(text), vlans=views.vlans, header=not protocol)


def _show_route_to(values: Mapping[str, str], ask: Ask, views: Views) -> str:
    prefix = values["prefix"]
    version = "ipv6" if ":" in prefix else "ip"
    found = frr_json.rib(ask(f"show {version} route {prefix} json"))
    if not found:
        return "% Network not in table\n"
    return show.routes(found, vlans=views.vlans, header=False)


def _clear(values: Mapping[str, str], ask: Ask, _: Views) -> str:
    """`clear ip bgp * soft in`: FRR's words are the same. What FRR answers, it answers."""
    afi = f"{values['afi']} unicast " if "afi" in values else ""
    soft = " soft" if "soft" in values else ""
    way = f" {values['way']}" if "way" in values else ""
    group = "peer-group " if "group" in values else ""
    target = values.get("group") or values["target"]
    return ask(f"clear bgp {afi}{group}{target}{soft}{way}")


_BGP = ("show ip bgp", "show bgp [{afi:ipv4|ipv6}] [{safi:unicast}]")
COMMANDS: tuple[Command, ...] = (
    *(
        command
        for head in _BGP
        for command in (
            Command(head, _show_table),
            Command(f"{head} summary", _show_summary),
            Command(f"{head} neighbors", _show_neighbors),
            Command(f"{head} neighbors {{peer:ip}}", _show_neighbors),
            Command(
                f"{head} neighbors {{peer:ip}} {{what:routes|advertised-routes|received-routes}}",
                _show_neighbor_table,
            ),
            Command(f"{head} {{prefix:prefix}}", _show_entry),
            Command(f"{head} {{prefix:ip}}", _show_entry),
        )
    ),
    Command("show {version:ip|ipv6} route", _show_routes),
    Command("show {version:ip|ipv6} route {protocol:bgp|connected|kernel|static}", _show_routes),
    Command("show {version:ip|ipv6} route {prefix:prefix}", _show_route_to),
    Command("show {version:ip|ipv6} route {prefix:ip}", _show_route_to),
    *(
        Command(f"{head} {{target:{kind}}} [{{soft:soft}}] [{{way:in|out}}]", _clear)
        for head in ("clear ip bgp", "clear bgp [{afi:ipv4|ipv6}]")
        for kind in ("*", "ip", "asn")
    ),
    *(
        Command(f"{head} peer-group {{group:group}} [{{soft:soft}}] [{{way:in|out}}]", _clear)
        for head in ("clear ip bgp", "clear bgp [{afi:ipv4|ipv6}]")
    ),
)
