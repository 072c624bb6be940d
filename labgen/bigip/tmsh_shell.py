"""The stand-in's `tmsh`: lists, shows, and changes that go through the same reading as a file does.

A refusal is a value of `Refused`, in TMOS's words where they are known.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from labgen.bigip import frr_json, lockdown, ltm, ltm_document, tmsh, tmsh_list, tmsh_show
from labgen.bigip import tmsh_tree as tree_
from labgen.bigip.tmsh_text import lines
from labgen.errors import InputError, InputErrors, LabgenError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labgen.bigip.model import Address
    from labgen.bigip.tmsh_list import Status
    from labgen.bigip.tmsh_tree import Command, Item, Tree

_CHANGES = {"create", "modify", "delete"}
_TITLES = {
    "ltm virtual": "Virtual Server", "ltm pool": "Pool", "ltm node": "Node",
    "ltm virtual-address": "Virtual Address", "net self": "Self IP", "net vlan": "VLAN",
    "net route": "route", "net route-domain": "Route Domain",
}  # fmt: skip
# what may be changed here; the rest of a BIG-IP is read and listed only
_CHANGEABLE = {"ltm virtual", "ltm pool", "ltm node", "ltm virtual-address", "net self",
               "net route", "net route-domain"}  # fmt: skip


class Refused(LabgenError):
    """A command that tmsh does not take; the message is what it prints."""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Network:
    """What the kernel is to have: addresses by Linux interface, routes, an nftables file."""

    addresses: frozenset[tuple[str, str]] = frozenset()
    routes: frozenset[tuple[str, str]] = frozenset()  # destination, gateway ("" drops)
    lockdown: str = ""


class System(Protocol):
    """The stand-in around tmsh, so that everything here runs without one."""

    def text(self) -> str: ...

    def save_text(self, text: str) -> None: ...

    def status(self) -> Status: ...

    def counters(self) -> Mapping[str, int]: ...

    def rib(self) -> tuple[str, ...]:
        """FRR's `show ip route json` and `show ipv6 route json`."""

    def serve(self, document: str) -> None:
        """Hand a new configuration to `ltm`."""

    def network(self, before: Network, after: Network) -> None: ...

    def save_config(self, text: str) -> Sequence[str]:
        """Returns the names of the files written."""

    def saved_config(self) -> str: ...

    def failover(self) -> tuple[str, int]:
        """`active` or `standby`, and for how many seconds."""

    def imish(self, argv: Sequence[str]) -> str: ...


@dataclass
class Tmsh:
    """One tmsh session. `line()` does what one line says and returns what tmsh prints.

    `vlans` maps a VLAN's name to its Linux interface. Raises Refused.
    """

    host: str
    system: System
    vlans: Mapping[str, str] = field(default_factory=dict)
    closed: bool = False

    @property
    def prompt(self) -> str:
        state = self.system.failover()[0].capitalize()
        return f"root@({self.host})(cfg-sync Standalone)({state})(/Common)(tmos)# "

    def line(self, text: str) -> str:
        words = text.split()
        if words[:1] == ["tmsh"]:
            words = words[1:]
            text = text.split(None, 1)[1] if words else ""
        if not words or words[0].startswith("#"):
            return ""
        verb = words[0]
        if verb in {"quit", "exit"}:
            self.closed = True
            return ""
        if verb == "list" or (verb == "show" and words[1:2] == ["running-config"]):
            return self._list(words[1 if verb == "list" else 2 :])
        handler = {"show": self._show, "save": self._save, "load": self._load, "run": self._run,
                   "cd": self._cd}.get(verb)  # fmt: skip
        if handler is not None:
            return handler(words[1:])
        if verb in _CHANGES:
            return self._change(text)
        raise Refused(f'Syntax Error: unexpected argument "{verb}"')

    def _tree(self) -> Tree:
        return tree_.read(self.system.text(), "bigip.conf")

    def _list(self, words: Sequence[str]) -> str:
        one_line = "one-line" in words
        words = [w.strip("/") if w in {"/ltm", "/net"} else w for w in words
                 if w not in {"one-line", "all-properties", "recursive"}]  # fmt: skip
        component, rest = self._component(words)
        name = tree_.bare(rest[0]) if rest and component.count(" ") else ""
        tree = self._tree()
        status = self.system.status()
        shown = tmsh_list.listing(tree, component, name, rest[1:], status, one_line=one_line)
        if shown is None and name:
            wanted = {e.name for i in tree.items.values() for e in i.body}
            if name in wanted:  # `list net self allow-service`: a property of every object
                return tmsh_list.listing(tree, component, "", rest, status, one_line=one_line) or ""
            raise self._missing(component, name)
        return shown or ""

    def _component(self, words: Sequence[str]) -> tuple[str, list[str]]:
        """The component that the words begin with, and the rest. Raises Refused."""
        if not words:
            return "", []
        if words[0] not in {"ltm", "net"}:
            raise Refused(f'Syntax Error: unexpected argument "{words[0]}"')
        known = {c.split()[1] for c in tmsh_list.COMPONENTS if c.startswith(f"{words[0]} ")}
        known |= {i.component.split()[1] for i in self._tree().items.values()
                  if i.component.startswith(f"{words[0]} ")}  # fmt: skip
        if len(words) == 1:
            return words[0], []
        if words[1] not in known:
            raise Refused(f'Syntax Error: unexpected argument "{words[1]}"')
        length = 3 if words[1] in {"monitor", "profile", "persistence"} else 2
        return " ".join(words[:length]), list(words[length:])

    def _missing(self, component: str, name: str) -> Refused:
        title = _title(component)
        return Refused(f"01020036:3: The requested {title} (/Common/{name}) was not found.")

    def _show(self, words: Sequence[str]) -> str:
        if list(words) == ["sys", "failover"]:
            return self._failover()
        component, rest = self._component(words)
        if component == "net route":
            return self._routes()
        if component not in {"ltm pool", "ltm virtual", "ltm node"}:
            raise Refused(f'Syntax Error: unexpected argument "{" ".join(words)}"')
        members = "members" in rest
        name = next((tree_.bare(w) for w in rest if w not in {"members", "field-fmt"}), "")
        if name and not self._there(component, name):
            raise self._missing(component, name)
        traffic = ltm.made(self._tree())
        if component == "ltm node":
            return tmsh_show.nodes(traffic, name=name)
        status, counters = self.system.status(), self.system.counters()
        if component == "ltm virtual":
            return tmsh_show.virtuals(traffic, status, counters, name=name)
        return tmsh_show.pools(traffic, status, counters, name=name, members=members)

    def _there(self, component: str, name: str) -> bool:
        return (component, name) in tmsh_list.whole(self._tree()).items

    def _failover(self) -> str:
        state, seconds = self.system.failover()
        hours, rest = divmod(seconds % 86400, 3600)
        return (
            f"Failover {state} for {seconds // 86400}d "
            f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}\n"
        )

    def _routes(self) -> str:
        view = [route for text in self.system.rib() for route in frr_json.rib(text)]
        return tmsh_show.routes(view, {linux: vlan for vlan, linux in self.vlans.items()})

    def _save(self, words: Sequence[str]) -> str:
        if list(words[:2]) not in (["sys", "config"], ["/sys", "config"]):
            raise Refused(f'Syntax Error: unexpected argument "{" ".join(words)}"')
        files = self.system.save_config(self.system.text())
        return "".join(["Saving running configuration...\n", *(f"  {name}\n" for name in files)])

    def _load(self, words: Sequence[str]) -> str:
        if list(words[:2]) not in (["sys", "config"], ["/sys", "config"]):
            raise Refused(f'Syntax Error: unexpected argument "{" ".join(words)}"')
        text = self.system.saved_config()
        self._put(self._tree(), tree_.read(text, "bigip.conf"))
        return "Loading configuration...\n"

    def _cd(self, words: Sequence[str]) -> str:
        if list(words) not in (["/Common"], ["/"]):
            raise Refused("the stand-in's tmsh stays in /Common; write names with their folder")
        return ""

    def _run(self, words: Sequence[str]) -> str:
        """`run util imish …`; nothing else runs here."""
        if [w.strip("/") for w in words[:2]] == ["util", "imish"]:
            return self.system.imish(shlex.split(" ".join(words[2:])))
        if [w.strip("/") for w in words[:2]] == ["sys", "failover"]:
            raise Refused("the other unit would not hear of it: `labgen bigip failover LAB`")
        raise Refused(f'Syntax Error: unexpected argument "{" ".join(words)}"')

    def _change(self, text: str) -> str:
        try:
            (line,) = lines(text, "tmsh")
            command = tree_.understood(line)
        except (InputError, ValueError) as error:
            raise Refused(f"Syntax Error: {_plain(error)}") from None
        if command is None:
            raise Refused("Syntax Error: incomplete command")
        component = command.item.component
        if component not in _CHANGEABLE and not component.startswith("ltm monitor "):
            raise Refused(f"the stand-in's tmsh does not change `{component}`")
        before, after = self._tree(), self._tree()
        command = self._checked(command, after)
        try:
            tree_.apply(after, command)
        except InputError as error:
            raise Refused(f"Data Input Error: {_plain(error)}") from None
        self._put(before, after)
        return ""

    def _checked(self, command: Command, tree: Tree) -> Command:
        """References and presence, in TMOS's words."""
        item = command.item
        key = (item.component, item.name)
        implied = tmsh_list.whole(tree).items
        if command.verb == "create" and key in tree.items:
            raise Refused(
                f"01020066:3: The requested {_title(item.component)} (/Common/{item.name}) "
                "already exists in partition Common."
            )
        if command.verb != "create" and key not in implied:
            raise self._missing(item.component, item.name)
        if command.verb == "modify" and key not in tree.items:
            tree.items[key] = implied[key]  # TMOS made it, and now somebody changes it
        if command.verb == "delete":
            self._unused(item, tree)
            tree.items.setdefault(key, implied[key])
        for kind, component in (("pool", "ltm pool"), ("vlan", "net vlan")):
            entry = item.get(kind)
            name = tree_.bare(entry.word) if entry is not None else "none"
            if name != "none" and (component, name) not in tree.items:
                raise self._missing(component, name)
        return command

    def _unused(self, item: Item, tree: Tree) -> None:
        users = {"ltm pool": ("ltm virtual", "pool"), "ltm monitor": ("ltm pool", "monitor")}
        kind = " ".join(item.component.split()[:2])
        component, key = users.get(kind, ("", ""))
        for user in tree.of(component):
            entry = user.get(key)
            if entry is not None and item.name in map(tree_.bare, entry.words):
                raise Refused(
                    f"01070265:3: The {_TITLES.get(kind, 'monitor rule')} (/Common/{item.name}) "
                    f"cannot be deleted because it is in use by a {_TITLES[component]} "
                    f"(/Common/{user.name})."
                )

    def _put(self, before: Tree, after: Tree) -> None:
        """Check a new configuration, make it so, keep it. Nothing changes where it is refused."""
        try:
            traffic = ltm.made(after)
            was, now = (self._network(tree) for tree in (before, after))
        except InputErrors as errors:
            text = "\n".join(f"Data Input Error: {_plain(e)}" for e in errors.problems)
            raise Refused(text) from None
        except InputError as error:
            raise Refused(f"Data Input Error: {_plain(error)}") from None
        floating = self._floating(after)
        if floating != self._floating(before):
            raise Refused("floating self-IPs are changed in the lab's own files")
        self.system.network(was, now)
        self.system.serve(ltm_document.document(traffic, floating))
        self.system.save_text(after.text())

    def _floating(self, tree: Tree) -> list[tuple[str, Address]]:
        """Floating self-IPs with their Linux interfaces."""
        found = [own for own in tmsh.parse(tree.text(), "bigip.conf").self_ips if own.floating]
        return [(self.vlans[own.vlan], own.address) for own in found if own.vlan in self.vlans]

    def _network(self, tree: Tree) -> Network:
        config = tmsh.parse(tree.text(), "bigip.conf")
        addresses = set()
        for own in config.self_ips:
            linux = self.vlans.get(own.vlan)
            if linux is None:
                raise self._missing("net vlan", own.vlan)
            if not own.floating:
                addresses.add((linux, f"{own.address}/{own.prefix_length}"))
        routes = {
            (str(r.network), str(r.gateway or "")) for r in config.routes
            if not (r.pool or r.vlan) and r.route_domain == 0
        }  # fmt: skip
        return Network(
            frozenset(addresses), frozenset(routes), lockdown.ruleset(config.lockdowns())
        )


def _title(component: str) -> str:
    return _TITLES.get(component) or component.rpartition(" ")[2]


def _plain(error: Exception) -> str:
    """Without the place: a typed command has none that helps."""
    if isinstance(error, InputErrors):
        return "; ".join(_plain(e) for e in error.problems)
    if isinstance(error, InputError):
        hint = f" ({error.hint})" if error.hint else ""
        return f"{error.message}{hint}"
    return str(error)
