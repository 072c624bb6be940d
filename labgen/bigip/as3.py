"""AS3 declarations: services, pools, monitors and addresses as the objects that tmsh would list.

Application Services 3 names an object `/Tenant/Application/name`. Everything in a declaration
becomes part of an object, or is a note with its JSON path and the reason why it is not served.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labgen.bigip import json_marks
from labgen.bigip.as3_values import Value, entry
from labgen.bigip.tmsh_tree import Entry, Item
from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# AS3 schema reference: monitors that every BIG-IP has, by AS3's name and by tmsh's
_BUILT_IN = {"http": "http", "https": "https", "tcp": "tcp", "icmp": "gateway_icmp",
             "tcp-half-open": "tcp_half_open"}  # fmt: skip
_MONITOR_TYPES = {"http": "http", "https": "https", "tcp": "tcp", "icmp": "gateway-icmp",
                  "tcp-half-open": "tcp-half-open"}  # fmt: skip
_SERVICES = {
    "Service_HTTP": ("tcp", 80), "Service_TCP": ("tcp", None), "Service_L4": ("tcp", None),
    "Service_UDP": ("udp", None),
}  # fmt: skip
_ADVERTISE = {"disable": "disabled", "enable": "enabled"}
_ADMIN = {"enable": (), "disable": ("session", "user-disabled"), "offline": ("state", "user-down")}
_QUIET = {"class", "label", "remark", "schemaVersion", "id", "template", "updateMode", "$schema"}


@dataclass
class Declared:
    """What a declaration comes to: tmsh objects, and a note for everything that is not served."""

    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read(text: str, path: str) -> Declared:
    """Read a declaration. Raises InputError (no JSON, no declaration) and InputErrors."""
    document = json_marks.read(text, path)
    top = Value(document, (), document.value)
    if top.kind == "AS3":
        rest = [key for key in top.names() if key not in {*_QUIET, "declaration", "action"}]
        reading = _Reading()
        reading.unserved(top, rest, "how AS3 itself is to go about it")
        return reading.whole(top["declaration"])
    return _Reading().whole(top)


class _Reading:
    def __init__(self) -> None:
        self._out = Declared()
        self._problems: list[InputError] = []
        self._objects: dict[str, Value] = {}  # by full name
        self._addresses: set[str] = set()

    def whole(self, declaration: Value) -> Declared:
        if declaration.kind != "ADC":
            raise InputError(
                f"{declaration}: no AS3 declaration", mark=declaration.mark,
                hint='expected `"class": "ADC"` here or below `declaration`',
            )  # fmt: skip
        self._named(declaration)
        makers: Mapping[str, Callable[[str, Value], Iterator[Item]]] = {
            "Monitor": self._monitor, "Pool": self._pool, "Service_Address": self._address,
            **dict.fromkeys(_SERVICES, self._service),
        }  # fmt: skip
        for order in ("Monitor", "Pool", "Service_Address", *_SERVICES):
            for name, value in self._objects.items():
                if value.kind == order:
                    self._make(makers[order], name, value)
        for value in self._objects.values():
            if value.kind not in makers:
                self._note(value, f"class `{value.kind or 'none'}` is not served")
        if self._problems:
            raise InputErrors(self._problems)
        return self._out

    def _named(self, declaration: Value) -> None:
        """Every object of every application of every tenant, by its full name."""
        for tenant in self._children(declaration, "Tenant"):
            for application in self._children(tenant, "Application"):
                for name in application.names():
                    value = application[name]
                    if isinstance(value.value, dict) and "class" in value.value:
                        full = f"/{tenant.name}/{application.name}/{name}"
                        self._objects[full] = value
                    elif name not in _QUIET:
                        self._note(value, "without effect")

    def _children(self, parent: Value, kind: str) -> Iterator[Value]:
        for name in parent.names():
            child = parent[name]
            if child.kind == kind:
                yield child
            elif child.kind or name not in _QUIET:
                what = f"class `{child.kind}` is not served" if child.kind else "without effect"
                self._note(child, what)

    def _make(self, maker: Callable[[str, Value], Iterator[Item]], name: str, value: Value) -> None:
        try:
            self._out.items += maker(name, value)
        except InputError as error:
            self._problems.append(error)

    def _note(self, value: Value, text: str) -> None:
        self._out.notes.append(f"{value.mark}: {value}: {text}")

    def unserved(self, value: Value, names: list[str], why: str = "") -> None:
        for name in names:
            self._note(value[name], "without effect" + (f": {why}" if why else ""))

    def _rest(self, value: Value, known: set[str]) -> None:
        self.unserved(value, [key for key in value.names() if key not in known | _QUIET])

    def _monitor(self, name: str, value: Value) -> Iterator[Item]:
        kind = value["monitorType"].text()
        if kind not in _MONITOR_TYPES:
            self._note(value, f"monitorType `{kind}` is not served: members count as up without it")
            yield Item(f"ltm monitor {kind}", name, value.mark)
            return
        self._rest(value, {"monitorType", "interval", "timeout", "send", "receive"})
        body = [entry(value[key], key, str(value[key].number()))
                for key in ("interval", "timeout") if key in value]  # fmt: skip
        defaults = {"send": "HEAD / HTTP/1.0\r\n\r\n", "receive": "HTTP/1."}
        for key, tmsh in (("send", "send"), ("receive", "recv")):
            default = defaults[key] if kind.startswith("http") else ""
            text = value[key].text() if key in value else default
            escaped = text.replace("\\", "\\\\") if key == "send" else text
            shown = escaped.replace("\r", "\\r").replace("\n", "\\n").replace('"', '\\"')
            body.append(entry(value, tmsh, shown or "none"))
        yield Item(f"ltm monitor {_MONITOR_TYPES[kind]}", name, value.mark, tuple(body))

    def _pool(self, name: str, value: Value) -> Iterator[Item]:
        self._rest(value, {"members", "monitors", "loadBalancingMode", "minimumMonitors"})
        members = tuple(m for each in value.items("members") for m in self._members(each))
        body = [Entry("members", value.mark, body=members)]
        monitors = [self._monitor_name(name, m) for m in value.items("monitors")]
        if len(monitors) > 1:
            least = value["minimumMonitors"].value if "minimumMonitors" in value else 1
            count = len(monitors) if least == "all" else least
            body.append(entry(value, "monitor", "min", str(count), "of", *monitors))
        elif monitors:
            body.append(entry(value, "monitor", monitors[0]))
        if "loadBalancingMode" in value:
            mode = value["loadBalancingMode"]
            body.append(entry(mode, "load-balancing-mode", mode.text()))
        yield Item("ltm pool", name, value.mark, tuple(body))

    def _members(self, value: Value) -> Iterator[Entry]:
        known = {"servicePort", "serverAddresses", "servers", "ratio", "adminState", "shareNodes",
                 "enable", "addressDiscovery"}  # fmt: skip
        self._rest(value, known)
        if "addressDiscovery" in value and value["addressDiscovery"].text() != "static":
            self._note(value["addressDiscovery"], "only static members are served")
        state = value["adminState"].text() if "adminState" in value else "enable"
        if "enable" in value and value["enable"].value is False:
            state = "disable"
        if state not in _ADMIN:
            raise value["adminState"].error(f"`{state}` is none of {', '.join(_ADMIN)}")
        inner = [entry(value, *_ADMIN[state])] if _ADMIN[state] else []
        if "ratio" in value:
            inner.append(entry(value["ratio"], "ratio", str(value["ratio"].number())))
        port = value["servicePort"].number()
        servers = [s["address"] for s in value.items("servers")]
        for server in [*value.items("serverAddresses"), *servers]:
            address = server.text()
            dot = "." if ":" in address else ":"
            yield Entry(
                f"{address}{dot}{port}", server.mark,
                body=(entry(server, "address", address), *inner),
            )  # fmt: skip

    def _monitor_name(self, pool: str, value: Value) -> str:
        if isinstance(value.value, str) and value.value in _BUILT_IN:
            return _BUILT_IN[value.value]
        return self._reference(pool, value, ("Monitor",))

    def _reference(self, owner: str, value: Value, kinds: tuple[str, ...]) -> str:
        """The full name of what `"name"`, `{"use": …}` or `{"bigip": …}` points at."""
        if isinstance(value.value, dict) and "bigip" in value.value:
            return value["bigip"].text().removeprefix("/Common/")
        text = value["use"].text() if isinstance(value.value, dict) else value.text()
        folder = owner.rpartition("/")[0]
        for full in (text, f"{folder}/{text}", f"/Common/Shared/{text}"):
            if full in self._objects and self._objects[full].kind in kinds:
                return full
        there = [n for n, v in self._objects.items() if v.kind in kinds]
        raise value.error(f"no {' or '.join(kinds)} `{text}`",
                          f"there are {', '.join(there) or 'none'}")  # fmt: skip

    def _address(self, name: str, value: Value) -> Iterator[Item]:
        self._rest(value, {"virtualAddress", "routeAdvertisement"})
        address = value["virtualAddress"].text()
        self._addresses.add(address)
        body = [entry(value["virtualAddress"], "address", address)]
        if "routeAdvertisement" in value:
            how = value["routeAdvertisement"]
            word = _ADVERTISE.get(how.text(), how.text())
            body.append(entry(how, "route-advertisement", word))
        yield Item("ltm virtual-address", name, value.mark, tuple(body))

    def _service(self, name: str, value: Value) -> Iterator[Item]:
        protocol, port = _SERVICES[value.kind]
        known = {"virtualAddresses", "virtualPort", "pool", "snat", "layer4", "enable"}
        self._rest(value, known)
        if value.kind == "Service_HTTP" and "persistenceMethods" not in value:
            self._note(value, "persistenceMethods (default: cookie) without effect: every "
                       "connection is spread anew")  # fmt: skip
        if value.kind == "Service_L4" and "layer4" in value:
            protocol = value["layer4"].text()
        number = value["virtualPort"].number() if "virtualPort" in value or port is None else port
        body = [entry(value, "ip-protocol", protocol), *self._snat(value)]
        if "pool" in value:
            pool = self._reference(name, value["pool"], ("Pool",))
            body.append(entry(value["pool"], "pool", pool))
        if "enable" in value and value["enable"].value is False:
            body.append(Entry("disabled", value["enable"].mark))
        found = value.items("virtualAddresses")
        if not found:
            raise value.error("`virtualAddresses` is missing")
        for number_, given in enumerate(found):
            address = self._virtual_address(name, given)
            dot = "." if ":" in address else ":"
            destination = entry(given, "destination", f"{address}{dot}{number}")
            own = name if number_ == 0 else f"{name}-{number_}"
            yield Item("ltm virtual", own, value.mark, (destination, *body))
            if address not in self._addresses:
                self._addresses.add(address)
                tenant = name.split("/")[1]
                yield Item("ltm virtual-address", f"/{tenant}/{address}", given.mark,
                           (entry(given, "address", address),))  # fmt: skip

    def _snat(self, value: Value) -> Iterator[Entry]:
        given = value
        how = "auto"  # AS3's default
        if "snat" in value:
            given = value["snat"]
            how = given.value
        kinds = {"none": "none", "auto": "automap"}
        kind = kinds.get(how, "snat") if isinstance(how, str) else "snat"
        if kind != "none":
            body = (entry(given, "type", kind),)
            yield Entry("source-address-translation", given.mark, body=body)

    def _virtual_address(self, name: str, given: Value) -> str:
        value = given.value
        if isinstance(value, dict) and ("use" in value or "bigip" in value):
            full = self._reference(name, given, ("Service_Address",))
            if full in self._objects:
                return self._objects[full]["virtualAddress"].text()
            raise given.error("an address of the BIG-IP's own is not known here")
        if isinstance(value, list):
            self._note(given, "the source's network without effect: every client is served")
            return given[0].text()
        return given.text()
