"""`tmsh list`: objects as tmsh prints them, with what TMOS adds of its own.

A pool's members make nodes and a virtual server makes its address, whether anybody wrote them down
or not; ports have names; members say what their monitors found.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from labgen.bigip import ltm
from labgen.bigip.lockdown import port_name
from labgen.bigip.tmsh_tree import Entry, Item, Tree, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What the stand-in's `ltm` says of a pool member; `state` is its word."""

    name: str
    address: str
    port: int
    state: str
    enabled: bool = True
    counter: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What `ltm` says: members by pool, availability and number by virtual."""

    members: Mapping[str, tuple[MemberStatus, ...]] = field(default_factory=dict)
    virtuals: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    active: bool = True

    def member(self, pool: str, address: str, port: int) -> MemberStatus | None:
        found = self.members.get(pool, ())
        return next((m for m in found if (m.address, m.port) == (address, port)), None)


COMPONENTS = (
    "ltm virtual", "ltm pool", "ltm node", "ltm monitor", "ltm virtual-address", "net self",
    "net vlan", "net route", "net route-domain",
)  # fmt: skip


def whole(tree: Tree) -> Tree:
    """With the nodes and virtual addresses that TMOS makes by itself."""
    made = Tree(dict(tree.items))
    for pool in tree.of("ltm pool"):
        listed = pool.get("members")
        for member in (listed.body or ()) if listed is not None else ():
            inner = {entry.name: entry.word for entry in member.body or ()}
            name = _split(member.name)[0]
            address = Entry("address", member.mark, (inner.get("address", name).partition("%")[0],))
            made.items.setdefault(
                ("ltm node", name), Item("ltm node", name, member.mark, (address,))
            )
    there = {a.address for a in ltm.made(tree).virtual_addresses}
    for virtual in ltm.made(tree).virtuals:
        if virtual.address not in there:
            there.add(virtual.address)
            text = str(virtual.address)
            item = Item("ltm virtual-address", text, virtual.mark,
                        (Entry("address", virtual.mark, (text,)),))  # fmt: skip
            made.items[item.component, text] = item
    return made


def listing(
    tree: Tree, component: str, name: str, wanted: Sequence[str], status: Status, *, one_line: bool
) -> str | None:
    """`list COMPONENT [NAME] [PROPERTY …]`; None where the named object is not there.

    `component` may be less than a whole one: `ltm`, `ltm monitor`, or nothing for everything.
    """
    items = [i for i in whole(tree).items.values() if _within(i.component, component)]
    if name:
        items = [i for i in items if i.name == name]
        if not items:
            return None
    order = {c: n for n, c in enumerate(sorted({i.component for i in items}))}
    items.sort(key=lambda i: (order[i.component], i.name))
    lines: list[str] = []
    for item in items:
        made = presented(item, status)
        if wanted:
            made = replace(made, body=tuple(e for e in made.body if e.name in wanted))
        lines += shown(made, one_line=one_line)
    return "".join(f"{line}\n" for line in lines)


def _within(component: str, asked: str) -> bool:
    return not asked or component == asked or component.startswith(f"{asked} ")


def presented(item: Item, status: Status) -> Item:
    """An object as TMOS shows it: names of ports, states of members."""
    if item.component == "ltm pool":
        body = tuple(
            replace(e, body=tuple(_members(item.name, e, status))) if e.name == "members" else e
            for e in item.body
        )
    elif item.component == "ltm virtual":
        body = tuple(
            replace(e, words=(named(e.word),)) if e.name == "destination" else e for e in item.body
        )
    elif item.component == "net self":
        body = tuple(_self(item.body))
    else:
        body = item.body
    return replace(item, body=body)


def _members(pool: str, listed: Entry, status: Status) -> Iterator[Entry]:
    for member in listed.body or ():
        inner = {e.name: e for e in member.body or ()}
        host, port = _split(member.name)
        if "address" not in inner:
            inner["address"] = Entry("address", member.mark, (host.partition("%")[0],))
        number = ltm.endpoint(f"0.0.0.0:{port}", member.mark)[1]
        found = status.member(pool, inner["address"].word, number)
        if found is not None:
            state = found.state
            session = ("monitor-enabled" if state != "unchecked" else "user-enabled")  # fmt: skip
            inner.setdefault("session", Entry("session", member.mark, (session,)))
            inner.setdefault("state", Entry("state", member.mark, (state,)))
        body = tuple(sorted(inner.values(), key=lambda e: e.name))
        yield replace(member, name=named(member.name), body=body)


def _self(body: Sequence[Entry]) -> Iterator[Entry]:
    """`allow-service`: F5's default is nothing; services are printed by their ports' names."""
    for entry in body:
        if entry.name == "allow-service" and entry.body is not None:
            names = [_service(e.name) for e in entry.body]
            if names == ["default"]:
                yield replace(entry, words=("default",), body=None)
            else:
                made = tuple(replace(e, name=n) for e, n in zip(entry.body, names, strict=True))
                yield replace(entry, body=made)
        else:
            yield entry
    if not any(entry.name == "allow-service" for entry in body) and body:
        yield Entry("allow-service", body[0].mark, ("none",))


def _service(text: str) -> str:
    protocol, colon, port = text.partition(":")
    return f"{protocol}:{port_name(int(port))}" if colon and port.isdigit() else text


def named(text: str) -> str:
    """`10.0.0.1:80` with its port's name, as tmsh prints destinations and members."""
    host, port = _split(text)
    separator = text[len(text) - len(port) - 1] if port else ""
    return f"{host}{separator}{port_name(int(port)) if port.isdigit() else port}"


def _split(text: str) -> tuple[str, str]:
    last = text.rpartition("/")[2]
    host, _, port = last.rpartition("." if last.count(":") > 1 else ":")
    return host, port
