"""ZebOS's own forms for what FRR knows. Values in, text out."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from labgen.bigip.frr_json import (
        Entry,
        NeighborFamily,
        NeighborState,
        NextHop,
        Path,
        PathDetail,
        RibRoute,
        Summary,
        Table,
    )

_FAMILIES = {"ipv4Unicast": "IPv4 Unicast", "ipv6Unicast": "IPv6 Unicast"}
_HOW = {
    "advertisedAndReceived": "advertised and received",
    "advertised": "advertised",
    "received": "received",
}
_ROUTE_CODES = """\
Codes: K - kernel, C - connected, S - static, R - RIP, B - BGP
       O - OSPF, IA - OSPF inter area
       N1 - OSPF NSSA external type 1, N2 - OSPF NSSA external type 2
       E1 - OSPF external type 1, E2 - OSPF external type 2
       i - IS-IS, L1 - IS-IS level-1, L2 - IS-IS level-2, ia - IS-IS inter area
       * - candidate default
"""
_PROTOCOLS = {"kernel": "K", "connected": "C", "static": "S", "bgp": "B"}
_TABLE_CODES = """\
Status codes: s suppressed, d damped, h history, * valid, > best, i - internal, l - labeled
              S Stale
Origin codes: i - IGP, e - EGP, ? - incomplete
"""
_ORIGINS = {"IGP": "i", "EGP": "e", "incomplete": "?"}


def summary(view: Summary, *, as_paths: int, communities: int) -> str:
    """`show ip bgp summary`. The counts are those of distinct attributes in the table."""
    lines = [
        f"BGP router identifier {view.router_id}, local AS number {view.asn}",
        f"BGP table version is {view.table_version}",
        f"{as_paths} BGP AS-PATH entries",
        f"{communities} BGP community entries",
        "",
        "Neighbor        V    AS MsgRcvd MsgSent   TblVer  InQ OutQ Up/Down  State/PfxRcd",
    ]
    for peer in view.peers:
        state = str(peer.prefixes) if peer.state == "Established" else peer.state
        row = (
            f"{peer.version} {peer.remote_as:>5}{peer.received:>8}{peer.sent:>8}"
            f"{peer.table_version:>9}{peer.in_queue:>5}{peer.out_queue:>5} "
            f"{peer.uptime:>8}{state:>13}"
        )
        # a longer address has a line of its own
        fits = len(peer.address) <= 15
        lines += [f"{peer.address:<15} {row}"] if fits else [peer.address, f"{'':<15} {row}"]
    return "\n".join([*lines, "", f"Total number of neighbors {len(view.peers)}"]) + "\n"


def table(view: Table) -> str:
    """`show ip bgp`, and a neighbor's `routes`, `advertised-routes` and `received-routes`."""
    if not view.paths:
        return ""
    lines = [
        f"BGP table version is {view.version}, local router ID is {view.router_id}",
        *_TABLE_CODES.splitlines(),
        "",
        "   Network          Next Hop            Metric     LocPrf     Weight Path",
    ]
    before = ""
    for path in view.paths:
        lines += _path(path, "" if path.prefix == before else path.prefix)
        before = path.prefix
    prefixes = len({path.prefix for path in view.paths})
    return "\n".join([*lines, "", f"Total number of prefixes {prefixes}"]) + "\n"


def _path(path: Path, shown: str) -> Iterator[str]:
    first = "S" if path.stale else "*" if path.valid else " "
    status = f"{first}{'>' if path.best else ' '}{'i' if path.internal else ' '}"
    left = f"{status}{shown:<17}"
    if len(left) > 20:
        yield left
        left = " " * 20
    left += f"{path.next_hop:<16}"
    if len(left) > 36:
        yield left
        left = " " * 36
    preference = "" if path.local_preference is None else path.local_preference
    right = f"{path.metric or 0:>10}{preference:>11}{path.weight:>11}"
    yield " ".join(part for part in (left + right, path.as_path, _ORIGINS[path.origin]) if part)


def entry(view: Entry | None) -> str:
    """`show ip bgp PREFIX`."""
    if view is None:
        return "% Network not in table\n"
    best = next((i for i, path in enumerate(view.paths, 1) if path.best), None)
    chosen = f"best #{best}, table Default-IP-Routing-Table" if best else "no best path"
    lines = [
        f"BGP routing table entry for {view.prefix}",
        f"Paths: ({len(view.paths)} available, {chosen})",
    ]
    if view.advertised_to:
        lines += ["  Advertised to peers:", f"  {' '.join(view.advertised_to)}"]
    else:
        lines.append("  Not advertised to any peer")
    for path in view.paths:
        lines += _detail(path)
    return "\n".join(lines) + "\n"


def _detail(path: PathDetail) -> Iterator[str]:
    yield f"  {path.as_path or 'Local'}" + (", (aggregated)" if path.aggregated else "")
    source = path.peer or "0.0.0.0"  # noqa: S104 - ZebOS's word for an own route
    unreachable = "" if path.accessible else " (inaccessible)"
    yield f"    {path.next_hop}{unreachable} from {source} ({path.peer_router_id})"
    preference = 100 if path.local_preference is None else path.local_preference
    words = [f"Origin {path.origin}", f"metric {path.metric or 0}", f"localpref {preference}"]
    if path.weight:
        words.append(f"weight {path.weight}")
    words += [word for word, on in (("valid", path.valid), (path.kind, True)) if on]
    words += [word for word, on in (("stale", path.stale), ("best", path.best)) if on]
    # ZebOS has a blank, not a comma, between origin and metric
    yield f"      {words[0]} {', '.join(words[1:])}"
    if path.communities:
        yield f"      Community: {path.communities}"
    yield f"      Last update: {path.updated}"
    yield ""


def neighbors(views: Sequence[NeighborState], *, table_version: int) -> str:
    """`show ip bgp neighbors [X]`. `Index` and `Mask` number the neighbors: FRR has no equal."""
    return "\n".join(
        line
        for index, view in enumerate(views, 1)
        for line in (*_neighbor(view, index, table_version), "")
    ) + ("\n" if views else "")


def _neighbor(view: NeighborState, index: int, table_version: int) -> Iterator[str]:
    link = "internal" if view.internal else "external"
    yield (
        f"BGP neighbor is {view.address}, remote AS {view.remote_as}, "
        f"local AS {view.local_as}, {link} link"
    )
    if view.description:
        yield f" Description: {view.description}"
    if view.group:
        yield f" Member of peer-group {view.group} for session parameters"
    yield f"  BGP version {view.version}, remote router ID {view.router_id}"
    yield f"  BGP state = {view.state}" + (f", up for {view.up_for}" if view.up_for else "")
    last = clock(view.last_read) if view.last_read is not None else ""
    yield (
        f"  Last read {last}, hold time is {view.hold // 1000}, "
        f"keepalive interval is {view.keepalive // 1000} seconds"
    )
    yield from _capabilities(view)
    yield from _counters(view)
    for family in view.families:
        yield from _family(view, family, index, table_version)
    yield ""
    yield f" Connections established {view.established}; dropped {view.dropped}"
    yield from _ends(view)


def _capabilities(view: NeighborState) -> Iterator[str]:
    if view.refresh is None and not view.negotiated:
        return
    yield "  Neighbor capabilities:"
    if view.refresh:
        old_and_new = {"OldNew": "(old and new)", "New": "(new)", "Old": "(old)"}
        kind = next((k for k in old_and_new if view.refresh.endswith(k)), "New")
        how = _HOW.get(view.refresh.removesuffix(kind), "advertised")
        yield f"    Route refresh: {how} {old_and_new[kind]}"
    if view.four_octet:
        yield f"    4-Octet ASN Capability: {_HOW.get(view.four_octet, view.four_octet)}"
    for name, how in view.negotiated:
        yield f"    Address family {_FAMILIES.get(name, name)}: {_HOW.get(how, how)}"


def _counters(view: NeighborState) -> Iterator[str]:
    yield (
        f"  Received {view.received} messages, {view.notifications_received} notifications, "
        f"{view.in_queue} in queue"
    )
    yield (
        f"  Sent {view.sent} messages, {view.notifications_sent} notifications, "
        f"{view.out_queue} in queue"
    )
    yield f"  Route refresh request: received {view.refresh_received}, sent {view.refresh_sent}"
    yield f"  Minimum time between advertisement runs is {view.interval // 1000} seconds"


def _family(
    view: NeighborState, family: NeighborFamily, index: int, table_version: int
) -> Iterator[str]:
    yield f" For address family: {_FAMILIES.get(family.name, family.name)}"
    yield f"  BGP table version {table_version}, neighbor version {table_version}"
    yield f"  Index {index}, Offset 0, Mask {hex(1 << index)}"
    if family.group:
        yield f"  {family.group} peer-group member"
    if family.soft_reconfiguration:
        yield "  Inbound soft reconfiguration allowed"
    if view.graceful_restart:
        yield "  AF-dependant capabilities:"
        how = _HOW.get(view.graceful_restart, view.graceful_restart)
        yield f"    Graceful restart: {how.replace(' and ', ', ')}"
    communities = {"extendedAndStandard": "both", "extended": "extended", "standard": "standard"}
    if family.communities:
        words = communities.get(family.communities, "both")
        yield f"  Community attribute sent to this neighbor ({words})"
    yield f"  {family.accepted} accepted prefixes"
    yield f"  {family.announced} announced prefixes"


def _ends(view: NeighborState) -> Iterator[str]:
    if view.state == "Established" and view.restart_time:
        yield " Graceful-restart Status:"
        yield f"  Remote restart-time is {view.restart_time} sec"
    if view.local and view.foreign:
        yield f"Local host: {view.local[0]}, Local port: {view.local[1]}"
        yield f"Foreign host: {view.foreign[0]}, Foreign port: {view.foreign[1]}"
    if view.next_hops:
        yield f"Nexthop: {view.next_hops[0]}"
        yield f"Nexthop global: {view.next_hops[1]}"
        yield f"Nexthop local: {view.next_hops[2]}"
        # a BIG-IP says "non shared" of an iBGP peer even where both stand in one VLAN
        shared = view.shared_network and not view.internal
        yield f"BGP connection: {'' if shared else 'non '}shared network"
    if view.next_connect is not None:
        yield f" Next connect timer due in {view.next_connect // 1000} seconds"


def clock(milliseconds: int) -> str:
    """hh:mm:ss."""
    seconds = milliseconds // 1000
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def routes(view: Sequence[RibRoute], *, vlans: Mapping[str, str], header: bool) -> str:
    """`show ip route`. `vlans` names the VLAN of a Linux interface: the last word but one of
    `via 10.1.20.22, internal, 00:00:23` is the VLAN, not iBGP's "internal".
    """
    lines = [*_ROUTE_CODES.splitlines(), ""] if header else []
    for route in view:
        lines += _route(route, vlans)
    default = next((r for r in view if ip_network(r.prefix).prefixlen == 0), None)
    gateway = default.next_hops[0].gateway if default and default.next_hops else None
    network = default.prefix.partition("/")[0] if default else ""
    last = f"{gateway} to network {network}" if gateway else "not set"
    return "\n".join([*lines, "", f"Gateway of last resort is {last}"]) + "\n"


def _route(route: RibRoute, vlans: Mapping[str, str]) -> Iterator[str]:
    code = _PROTOCOLS.get(route.protocol, route.protocol[:1].upper())
    star = "*" if ip_network(route.prefix).prefixlen == 0 else ""
    left = f"{code + star:<8}{route.prefix}"
    for hop in route.next_hops:
        yield f"{left} {_hop(route, hop, vlans)}"
        left = " " * len(left)


def _hop(route: RibRoute, hop: NextHop, vlans: Mapping[str, str]) -> str:
    name = hop.interface or ""
    # a virtual address lives on TMM's interface there, on `lo` here
    vlan = "tmm" if route.protocol == "kernel" and name == "lo" else vlans.get(name, name)
    distance = "" if route.protocol == "connected" else f"[{route.distance}/{route.metric}] "
    if hop.blackhole:
        return f"{distance}is directly connected, Null"
    if hop.gateway is None:
        return f"{distance}is directly connected, {vlan}"
    uptime = f", {route.uptime}" if route.protocol == "bgp" else ""
    return f"{distance}via {hop.gateway}, {vlan}{uptime}"
