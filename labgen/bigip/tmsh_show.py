"""`tmsh show`: status of pools, members, nodes, virtual servers; routes. Data comes in, not text.

Of TMOS's traffic rows the stand-in has the connections: nftables counts those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bigip.tmsh_list import MemberStatus, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labgen.bigip.frr_json import RibRoute
    from labgen.bigip.ltm import LocalTraffic, Pool, Virtual
    from labgen.bigip.tmsh_list import Status

_RULE = "-" * 66
_NO_CHECK = (
    "The children pool member(s) either don't have service checking enabled, or service check "
    "results are not available yet"
)
_POOL = {
    "available": "The pool is available",
    "offline": "The children pool member(s) are down",
    "unknown": _NO_CHECK,
}
_VIRTUAL = {**_POOL, "available": "The virtual server is available"}
_MEMBER = {
    "up": ("available", "Pool member is available"),
    "down": ("offline", "Pool member has been marked down by a monitor"),
    "user-down": ("offline", "Forced down"),
    "checking": ("unknown", "Pool member is being checked"),
    "unchecked": ("unknown", "Pool member does not have service checking enabled"),
}
_ORIGINS = {"connected": "connected", "bgp": "dynamic"}


def pools(
    traffic: LocalTraffic, status: Status, counters: Mapping[str, int], *, name: str = "",
    members: bool = False,
) -> str:  # fmt: skip
    """`show ltm pool [NAME] [members]`."""
    lines: list[str] = []
    for pool in sorted(traffic.pools, key=lambda p: p.name):
        if name in ("", pool.name):
            lines += ["", *_pool(pool, status, counters, members=members)]
    return _text(lines)


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in (*lines, ""))


def _head(what: str) -> list[str]:
    return [_RULE, what, _RULE]


def availability(states: Sequence[str]) -> str:
    """Of a pool, from its members' states."""
    if "up" in states:
        return "available"
    undecided = not states or any(s in ("unchecked", "checking") for s in states)
    return "unknown" if undecided else "offline"


def _pool(
    pool: Pool, status: Status, counters: Mapping[str, int], *, members: bool
) -> Iterator[str]:
    found = status.members.get(pool.name, ())
    word = availability([m.state for m in found])
    up = sum(m.state == "up" for m in found)
    total = sum(_connections(m, counters) for m in found)
    yield from _head(f"Ltm::Pool: {pool.name}")
    yield "Status"
    yield f"  Availability : {word}"
    yield "  State        : enabled"
    yield f"  Reason       : {_POOL[word]}"
    yield f"  Monitor      : {_monitor(pool)}"
    yield "  Minimum Active Members : 0"
    yield f"  Current Active Members : {sum(m.state == 'up' and m.enabled for m in found)}"
    yield f"       Available Members : {up}"
    yield f"           Total Members : {len(found)}"
    yield ""
    yield f"{'Traffic':<24}{'ServerSide':>18}"
    yield f"  {'Total Connections':<22}{total:>18}"
    for member in found if members else ():
        yield from (f"  | {line}".rstrip() for line in _member(pool, member, counters))


def _member(pool: Pool, member: MemberStatus, counters: Mapping[str, int]) -> Iterator[str]:
    word, reason = _MEMBER.get(member.state, ("unknown", member.state))
    if not member.enabled:
        reason += ", user disabled"
    yield from (line[: len(_RULE) - 4] for line in _head(f"Ltm::Pool Member: {member.name}"))
    yield "Status"
    yield f"  Availability   : {word}"
    yield f"  State          : {'enabled' if member.enabled else 'disabled'}"
    yield f"  Reason         : {reason}"
    yield f"  Monitor        : {_monitor(pool)} (pool monitor)"
    yield f"  Monitor Status : {member.state}"
    yield f"  Session Status : {'enabled' if member.enabled else 'user-disabled'}"
    yield f"  Pool Name      : {pool.name}"
    yield f"  IP Address     : {member.address}"
    yield ""
    yield f"{'Traffic':<22}{'ServerSide':>16}"
    yield f"  {'Total Connections':<20}{_connections(member, counters):>16}"


def _connections(member: MemberStatus, counters: Mapping[str, int]) -> int:
    """Through every virtual server that uses the member: the counters are named so."""
    start = f"{member.counter}_v"
    return sum(n for name, n in counters.items() if member.counter and name.startswith(start))


def _monitor(pool: Pool) -> str:
    names = [monitor.name for monitor in pool.monitors]
    if 0 < pool.needed < len(names):
        return f"min {pool.needed} of {' '.join(names)}"
    return " and ".join(names) or "none"


def virtuals(
    traffic: LocalTraffic, status: Status, counters: Mapping[str, int], *, name: str = ""
) -> str:
    """`show ltm virtual [NAME]`."""
    lines: list[str] = []
    for virtual in sorted(traffic.virtuals, key=lambda v: v.name):
        if name in ("", virtual.name):
            lines += ["", *_virtual(virtual, status, counters)]
    return _text(lines)


def _virtual(virtual: Virtual, status: Status, counters: Mapping[str, int]) -> Iterator[str]:
    word, number = status.virtuals.get(virtual.name, ("unknown", 0))
    dot = "." if virtual.address.version == 6 else ":"
    yield from _head(f"Ltm::Virtual Server: {virtual.name}")
    yield "Status"
    yield f"  Availability     : {word}"
    yield f"  State            : {'enabled' if virtual.enabled else 'disabled'}"
    yield f"  Reason           : {_VIRTUAL[word]}"
    yield f"  Destination      : {virtual.address}{dot}{virtual.port}"
    yield ""
    yield f"{'Traffic':<24}{'ClientSide':>18}"
    yield f"  {'Total Connections':<22}{counters.get(f'v_{number}', 0):>18}"


def nodes(traffic: LocalTraffic, *, name: str = "") -> str:
    """`show ltm node [NAME]`: nobody monitors nodes, as is TMOS's default."""
    found = {
        named(m.name).rpartition("." if m.address.version == 6 else ":")[0]: m.address
        for pool in traffic.pools
        for m in pool.members
    }
    lines: list[str] = []
    for node, address in sorted(found.items()):
        if name in ("", node):
            lines += ["", *_head(f"Ltm::Node: {node} ({address})"), "Status",
                      "  Availability   : unknown", "  State          : enabled",
                      "  Reason         : Node address does not have service checking enabled",
                      "  Monitor        : none"]  # fmt: skip
    return _text(lines)


def routes(view: Sequence[RibRoute], vlans: Mapping[str, str]) -> str:
    """`show net route`. `vlans` names the VLAN of a Linux interface."""
    rows = [("Name", "Destination", "Type", "NextHop", "Origin")]
    for route in view:
        for hop in route.next_hops:
            if hop.interface == "lo":  # a virtual address: TMM has no route to itself
                continue
            origin = _ORIGINS.get(route.protocol, "static")
            vlan = f"/Common/{vlans.get(hop.interface or '', hop.interface)}"
            kind = "blackhole" if hop.blackhole else "gw" if hop.gateway else "interface"
            where = "" if hop.blackhole else hop.gateway or vlan
            rows.append((route.prefix, route.prefix, kind, where, origin))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
             for row in rows]  # fmt: skip
    rule = "-" * (sum(widths) + 8)
    return _text(["", rule, "Net::Routes", lines[0], rule, *lines[1:]])
