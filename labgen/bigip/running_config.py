"""`show running-config`: the standing statements in the order and the form of ZebOS.

BGP's lines stand flat under `router bgp`, IPv4 without an address-family block; passwords are in
clear, as on a BIG-IP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bigip.rules import Context

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labgen.bigip.zebos import Statement

_TOP = ("service", "hostname", "log", "bgp", "bfd")
_AFTER = ("ip route", "ipv6 route")
_LISTS = (
    "access-list",
    "ipv6 access-list",
    "ip as-path",
    "ip community-list",
    "ip extcommunity-list",
    "ip prefix-list",
    "ipv6 prefix-list",
)
_LINES = ["line con 0", " login", "line vty 0 39", " login", "!"]


def show(standing: Sequence[Statement], *, interfaces: Iterable[str] = ()) -> str:
    """The whole running-config of a route domain. `interfaces` are the VLANs it has."""
    text = ["!"]
    top = [s for s in standing if not s.scope and not s.rule.opens]
    if not any(s.command == "service password-encryption" for s in top):
        text += ["no service password-encryption", "!"]
    text += _block(s for s in top if s.command.startswith(_TOP))
    text += _interfaces(standing, interfaces)
    for opener in _openers(standing, Context.ROUTER_BGP):
        text += _router(opener, standing)
    for opener in _openers(standing, Context.FOREIGN):
        text += _section(opener, standing)
    text += _block(s for s in top if s.command.startswith(_AFTER))
    text += _block(s for s in top if s.command.startswith(_LISTS))
    text += _block(s for s in top if not s.command.startswith((*_TOP, *_AFTER, *_LISTS)))
    for opener in _openers(standing, Context.ROUTE_MAP):
        text += _section(opener, standing)
    lines = _openers(standing, Context.LINE)
    stanzas = [text for line in lines for text in _section(line, standing) if text != "!"]
    text += [*stanzas, "!"] if stanzas else _LINES
    return "\n".join([*text, "end"]) + "\n"


def _block(statements: Iterable[Statement]) -> list[str]:
    text = [s.text(reveal=True) for s in statements]
    return [*text, "!"] if text else []


def _openers(standing: Sequence[Statement], context: Context) -> list[Statement]:
    return [s for s in standing if s.rule.opens is context]


def _inside(opener: Statement, standing: Sequence[Statement]) -> list[Statement]:
    return [s for s in standing if s.scope and s.scope[-1].identity == opener.identity]


def _within(opener: Statement, standing: Sequence[Statement]) -> list[Statement]:
    """What stands in a section or in one inside it."""
    return [s for s in standing if any(o.identity == opener.identity for o in s.scope)]


def _section(opener: Statement, standing: Sequence[Statement]) -> list[str]:
    inside = _inside(opener, standing)
    return [opener.text(), *(f" {s.text(reveal=True)}" for s in inside), "!"]


def _interfaces(standing: Sequence[Statement], names: Iterable[str]) -> list[str]:
    configured = {s.value("interface"): s for s in _openers(standing, Context.INTERFACE)}
    text: list[str] = []
    for name in dict.fromkeys(("lo", "tmm", *names, *configured)):
        text.append(f"interface {name}")
        if name in configured:
            text += [f" {s.text(reveal=True)}" for s in _inside(configured[name], standing)]
        text.append("!")
    return text


def _router(opener: Statement, standing: Sequence[Statement]) -> list[str]:
    families = [s for s in _inside(opener, standing) if s.rule.opens]
    flat = [s for s in _within(opener, standing) if s.section == (opener.identity,)]
    text = [opener.text(), *(f" {s.text(reveal=True)}" for s in flat if s.rule.opens is None)]
    for family in families:
        if _is_ipv4_unicast(family):
            continue
        shown = family.text().removesuffix(" unicast")
        own = [s for s in _inside(family, standing) if s not in flat]
        inside = [f" {s.text(reveal=True)}" for s in own]
        text += [" !", f" {shown}", *inside, " exit-address-family"]
    return [*text, "!"]


def _is_ipv4_unicast(family: Statement) -> bool:
    return (family.value("afi"), family.value("safi")) == ("ipv4", "unicast")
