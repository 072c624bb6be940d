"""What stands in local-traffic objects and is not served: one note each, with line and reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bigip.tmsh_tree import bare

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from labgen.bigip.tmsh_tree import Entry, Item, Tree
    from labgen.errors import Mark

_ONLY_L4 = "connections are spread by nftables, nobody looks inside them"
# properties that say nothing, or nothing that the stand-in does not do anyway
_QUIET = {
    "creation-time", "last-modified-time", "vs-index", "app-service", "description", "partition",
    "address", "defaults-from", "metadata", "fqdn",
}  # fmt: skip
_SERVED: Mapping[str, set[str]] = {
    "virtual": {"destination", "ip-protocol", "pool", "source-address-translation", "enabled",
                "disabled"},
    "pool": {"members", "monitor", "load-balancing-mode"},
    "virtual-address": {"route-advertisement", "traffic-group", "floating"},
    "node": {"session", "state"},
    "monitor": {"interval", "timeout", "send", "recv"},
}  # fmt: skip
# property -> the value that is what the stand-in does
_DEFAULTS: Mapping[str, set[str]] = {
    "mask": {"255.255.255.255", "any6", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    "source": {"0.0.0.0/0", "::/0"},
    "translate-address": {"enabled"},
    "translate-port": {"enabled"},
    "serverssl-use-sni": {"disabled"},
    "arp": {"enabled"},
    "icmp-echo": {"enabled"},
    "server-scope": {"any"},
    "auto-delete": {"true"},
    "spanning": {"disabled"},
    "inherited-traffic-group": {"true", "false"},
    "source-port": {"preserve"},
    "mirror": {"disabled"},
    "service-down-action": {"none"},
    "slow-ramp-time": {"0"},
    "min-active-members": {"0"},
    "adaptive": {"disabled"},
    "destination": {"*:*"},
    "ip-dscp": {"0"},
    "time-until-up": {"0"},
    "up-interval": {"0"},
    "manual-resume": {"disabled"},
    "recv-disable": {"none"},
    "username": {"none"},
    "password": {"none"},
    "monitor": {"default", "none"},
    "connection-limit": {"0"},
    "rate-limit": {"disabled"},
    "ratio": {"1"},
    "unit": {"1"},
    "persist": {"none"},
    "rules": {"none"},
    "profiles": {"none"},
    "vlans": {"none"},
}
_WHY: Mapping[str, str] = {
    "rules": "iRules do not run",
    "persist": "no persistence: every connection is spread anew",
    "policies": _ONLY_L4,
    "profiles": _ONLY_L4,
    "vlans": "it listens on every VLAN",
    "vlans-enabled": "it listens on every VLAN",
    "vlans-disabled": "it listens on every VLAN",
    "mask": "only this one address is served",
    "source": "every client is served",
    "min-active-members": "no priority groups",
    "priority-group": "no priority groups",
    "service-down-action": "connections of a member that is down are left alone",
    "slow-ramp-time": "a member that is up gets its whole share at once",
    "connection-limit": "nobody counts connections",
    "time-until-up": "a member is up with its first good answer",
    "manual-resume": "a member is up with its first good answer",
    "traffic-group": "it belongs to the active unit",
}
_PLAIN_PROFILES = {"tcp", "udp", "fastL4", "f5-tcp-lan", "f5-tcp-wan", "f5-tcp-progressive",
                   "tcp-lan-optimized", "tcp-wan-optimized", "tcp-mobile-optimized"}  # fmt: skip
_MODES = {"round-robin", "ratio-member"}
_FORWARDING = ("ip-forward", "l2-forward", "reject", "internal")
_PROTOCOLS = {"tcp", "udp", "6", "17"}
MONITORS = {"tcp", "tcp-half-open", "http", "https", "icmp", "gateway-icmp"}


def translation(item: Item) -> str:
    """`automap`, `snat` or `none`: a virtual's source address translation."""
    entry = item.get("source-address-translation")
    inner = {e.name: e.word for e in (entry.body or ())} if entry is not None else {}
    return inner.get("type", entry.word if entry is not None else "") or "none"


def unserved_virtual(item: Item) -> str:
    """Why a virtual is not served at all; empty when it is."""
    forwarding = next((word for word in _FORWARDING if item.get(word) is not None), None)
    protocol = item.get("ip-protocol")
    destination = item.get("destination")
    text = destination.word.rpartition("/")[2] if destination is not None else ""
    if forwarding is not None:
        return f"`{forwarding}` virtuals are not served"
    if protocol is not None and protocol.word not in _PROTOCOLS:
        return f"`ip-protocol {protocol.word}`: tcp and udp are served"
    everywhere = text.startswith(("0.0.0.0", "any"))  # noqa: S104 - nothing binds here
    if everywhere or (destination is not None and _mask(item)):
        return "a virtual for a whole network is not served"
    if text.endswith((":0", ":any", ".any", ":*")):
        return "a virtual for every port is not served"
    return ""


def unserved_member(entry: Entry) -> str:
    """Why a pool member is not served at all; empty when it is."""
    if any(inner.name == "fqdn" for inner in entry.body or ()):
        return "its address is a name to resolve, and a lab has no DNS"
    if entry.name.endswith((":0", ":any", ".any", ":*")):
        return "a member for every port is not served"
    return ""


def _mask(item: Item) -> str:
    mask = item.get("mask")
    return "" if mask is None or mask.word in _DEFAULTS["mask"] else mask.word


def of(tree: Tree, served: set[str]) -> tuple[str, ...]:
    """Every note, in the order of the texts. `served` are the virtuals that are."""
    found: list[tuple[Mark, str]] = []
    for item in tree.items.values():
        if item.component.startswith("ltm "):
            found += _of_item(item, served)
    return tuple(f"{mark}: {text}" for mark, text in found)


def _of_item(item: Item, served: set[str]) -> Iterator[tuple[Mark, str]]:
    what = f"`{item.component} {item.name}`"
    kind = item.component.split()[1]
    if kind == "profile" or kind not in _SERVED:
        yield item.mark, f"{what} is not served"
        return
    if kind == "virtual" and item.name not in served:
        yield item.mark, f"{what} is not served: {unserved_virtual(item)}"
        return
    if kind == "monitor" and item.component.split()[2] not in MONITORS:
        yield item.mark, f"{what} is not served: its pools' members count as up without it"
        return
    for entry in item.body:
        yield from _of_entry(kind, what, entry)
    if kind == "virtual" and translation(item) not in {"none", "automap"}:
        stated = item.get("source-address-translation")
        mark = stated.mark if stated is not None else item.mark
        yield mark, f"{what}: `{translation(item)}` is not served: the client's address is kept"


def _of_entry(kind: str, what: str, entry: Entry) -> Iterator[tuple[Mark, str]]:
    if entry.name == "load-balancing-mode" and entry.word not in _MODES:
        mode = f"{what}: `{entry.name} {entry.word}` is served as round-robin: nftables chooses"
        yield entry.mark, f"{mode} without looking at members' connections or speed"
    if entry.name == "members":
        for member in entry.body or ():
            yield from _of_member(f"{what}, {member.name}", member)
    elif entry.name not in _SERVED.get(kind, ()) and entry.name not in _QUIET:
        yield from _of_property(what, entry)


def _of_member(what: str, member: Entry) -> Iterator[tuple[Mark, str]]:
    why = unserved_member(member)
    if why:
        yield member.mark, f"{what}: {why}"
        return
    for inner in member.body or ():
        if inner.name not in {"ratio", "session", "state"}:
            yield from _of_entry("member", what, inner)


def _of_property(what: str, entry: Entry) -> Iterator[tuple[Mark, str]]:
    if entry.name == "profiles":
        names = [bare(n) for n in entry.names if bare(n) not in {*_PLAIN_PROFILES, "none"}]
        if names:
            yield entry.mark, f"{what}: `profiles {' '.join(names)}` without effect: {_ONLY_L4}"
        return
    values = set(entry.names)
    if values and values <= _DEFAULTS.get(entry.name, set()):
        return
    value = " ".join((entry.name, *entry.names))
    why = _WHY.get(entry.name)
    yield entry.mark, f"{what}: `{value}` without effect" + (f": {why}" if why else "")
