"""What BGP converges to: announcements per session and routes per speaker, computed.

A small model of RFC 4271 §9 (decision process), RFC 4456 (reflection) and Calico's export rules,
run to its fixed point over the design's sessions. It predicts; the lab measures; a difference is
a finding. Speakers with policies that it does not model are named in `Forecast.unforeseen`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from labgen.design.model import (
    Address,
    Announcement,
    Daemon,
    ExpectedRoute,
    Forecast,
    Network,
    PeerConfig,
    Session,
    Speaker,
)

CALICO_LOCAL_PREF = 2_147_483_647 - 1024  # M - the normal route priority (calico-bgp: export body)
ALIEN_LOCAL_PREF = 2_147_483_647  # M - 0: Felix gives its cluster routes no metric
FRR_LOCAL_PREF = 100
_MAX_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class _Path:
    prefix: Network
    next_hop: Address | None
    as_path: tuple[int, ...]
    local_pref: int
    origin: str
    learned: str
    sender: str
    originator: IPv4Address | None = None
    cluster_list: tuple[IPv4Address, ...] = ()
    to_client: bool = False
    tunnelled: bool = False


@dataclass(frozen=True, slots=True)
class _Way:
    """One direction of a usable session."""

    sender: Speaker
    receiver: Speaker
    out: PeerConfig
    back: PeerConfig
    local: Address

    @property
    def ibgp(self) -> bool:
        return self.out.local_as == self.back.local_as

    def carries(self, prefix: Network) -> bool:
        """A BIRD 1.6 has one family, and speaks it over addresses of that family."""
        daemons = {self.sender.daemon, self.receiver.daemon}
        return Daemon.BIRD not in daemons or prefix.version == self.local.version


def forecast(speakers: Sequence[Speaker], sessions: Sequence[Session]) -> Forecast:
    """Run the model to its fixed point."""
    by_name = {s.node: s for s in speakers}
    ways = [way for session in sessions for way in _ways(session, by_name)]
    tables: dict[str, list[_Path]] = {s.node: _own(s) for s in speakers}
    sent: list[tuple[_Path, ...]] = []  # one for each way
    for _ in range(_MAX_ROUNDS):
        offers = {node: _offer(table) for node, table in tables.items()}
        new = [_announce(way, offers[way.sender.node]) for way in ways]
        if new == sent:
            break
        sent = new
        tables = {s.node: _own(s) for s in speakers}
        for way, paths in zip(ways, sent, strict=True):
            tables[way.receiver.node] += _receive(way, paths)
    unforeseen = {
        s.node: "its route policy is not predicted"
        for s in speakers
        if any(p.policy for p in s.peers)
    }
    return Forecast(
        announcements=_by_nodes(zip(ways, sent, strict=True)),
        routes={s.node: _routes(s, tables[s.node]) for s in speakers},
        unforeseen=unforeseen,
    )


def _by_nodes(
    sent: Iterable[tuple[_Way, Sequence[_Path]]],
) -> dict[tuple[str, str], tuple[Announcement, ...]]:
    """What each node tells each other one, over whatever sessions they have."""
    found: dict[tuple[str, str], tuple[Announcement, ...]] = {}
    for way, paths in sent:
        pair = (way.sender.node, way.receiver.node)
        found[pair] = (*found.get(pair, ()), *map(_announcement, _unique(paths)))
    return found


def _ways(session: Session, speakers: dict[str, Speaker]) -> list[_Way]:
    a, b = session.a, session.b
    if a.peer is None or b.peer is None or a.node is None or b.node is None:
        return []
    if session.conflict is not None:
        return []
    left, right = speakers[a.node], speakers[b.node]
    return [
        _Way(left, right, a.peer, b.peer, a.address),
        _Way(right, left, b.peer, a.peer, b.address),
    ]


def _own(speaker: Speaker) -> list[_Path]:
    pref = CALICO_LOCAL_PREF if speaker.daemon is Daemon.BIRD else FRR_LOCAL_PREF
    found = dict.fromkeys(speaker.redistributes, "INCOMPLETE") | dict.fromkeys(
        speaker.originates, "IGP"
    )
    paths = [_Path(p, None, (), pref, origin, "local", speaker.node) for p, origin in found.items()]
    return paths + [
        _Path(a.prefix, a.gateway, (), ALIEN_LOCAL_PREF, "IGP", "alien", speaker.node,
              tunnelled=a.tunnelled)
        for a in speaker.aliens
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Offer:
    """A speaker's paths in order of preference, per prefix: to peers that get everything, and to
    iBGP peers that are no clients of a reflector (nothing learnt over iBGP, RFC 4456 §6).

    ADD-PATH, hence more than the best path, is what Calico's BIRD sends to whoever offers to take
    it; FRR offers, but sends one path (8.4 without `addpath-tx-all-paths`).
    """

    all_paths: tuple[_Path, ...]
    best_paths: tuple[_Path, ...]
    own_all: tuple[_Path, ...]
    own_best: tuple[_Path, ...]

    def to(self, way: _Way) -> tuple[_Path, ...]:
        every = way.sender.daemon is Daemon.BIRD and way.receiver.add_path_receive
        if way.ibgp and not way.out.rr_client:
            return self.own_all if every else self.own_best
        return self.all_paths if every else self.best_paths


def _offer(table: Sequence[_Path]) -> _Offer:
    by_prefix: dict[Network, list[_Path]] = {}
    for path in table:
        by_prefix.setdefault(path.prefix, []).append(path)
    ordered = [sorted(paths, key=_preference) for paths in by_prefix.values()]

    def own(path: _Path) -> bool:
        return path.learned != "ibgp" or path.to_client

    everything = tuple(path for paths in ordered for path in paths)
    best = tuple(paths[0] for paths in ordered)
    return _Offer(everything, best, tuple(filter(own, everything)), tuple(filter(own, best)))


def _announce(way: _Way, offer: _Offer) -> tuple[_Path, ...]:
    """What `way.sender` sends."""
    exported = (_export(way, path) for path in offer.to(way) if way.carries(path.prefix))
    return tuple(path for path in exported if path is not None)


def _export(way: _Way, path: _Path) -> _Path | None:
    out = _passed_on(way, path)
    if out is not None and way.sender.daemon is Daemon.BIRD and out.next_hop == way.out.address:
        return None  # BIRD sends nobody a route by way of himself (bgp_get_bucket)
    return out


def _passed_on(way: _Way, path: _Path) -> _Path | None:
    sender = way.sender
    if path.sender == way.receiver.node:
        return None
    reflected = path.learned == "ibgp" and way.ibgp
    if reflected and not (path.to_client or way.out.rr_client):
        return None
    if not sender.export.passes(path.prefix) or (path.tunnelled and way.ibgp):
        return None
    learned = "ibgp" if way.ibgp else "ebgp"
    out = replace(path, sender=sender.node, learned=learned, tunnelled=False)
    if way.ibgp:
        keep = path.next_hop is not None and not way.out.next_hop_self
        out = replace(out, next_hop=path.next_hop if keep else way.local)
        if reflected:
            cluster = sender.cluster_id or sender.bgp_identifier
            assert cluster is not None
            out = replace(out, cluster_list=(cluster, *path.cluster_list))
        return out
    keep = way.out.next_hop_keep or _third_party(way, path)
    next_hop = path.next_hop if keep and path.next_hop else way.local
    return replace(
        out, as_path=(way.out.local_as, *path.as_path), next_hop=next_hop, originator=None,
        cluster_list=(),
    )  # fmt: skip


def _third_party(way: _Way, path: _Path) -> bool:
    """RFC 4271 §5.1.3: on a LAN that all three share, the next hop stays the one it was."""
    hop, to = path.next_hop, way.out.address
    if hop is None or way.out.next_hop_self:
        return False
    return any(hop in lan and to in lan for lan in way.sender.lans if lan.version == to.version)


def _receive(way: _Way, paths: Sequence[_Path]) -> list[_Path]:
    receiver, result = way.receiver, []
    for path in paths:
        if path.as_path.count(way.back.local_as) > way.back.allow_local_as:
            continue  # RFC 4271 §9.1.2: an AS loop
        if path.next_hop in receiver.addresses:
            continue  # RFC 4271 §5.1.3: a next hop of its own
        cluster = receiver.cluster_id or receiver.bgp_identifier
        if cluster in path.cluster_list or path.originator == receiver.bgp_identifier:
            continue  # RFC 4456 §8
        originator = path.originator or way.sender.bgp_identifier
        pref = path.local_pref if way.ibgp else FRR_LOCAL_PREF
        result.append(
            replace(path, originator=originator if way.ibgp else None, local_pref=pref,
                    to_client=way.back.rr_client)
        )  # fmt: skip
    return result


def _preference(path: _Path) -> tuple[int, int, int, bool, int, str]:
    """RFC 4271 §9.1.2.2, the steps that labs reach; smaller is better.

    Before them stands BIRD's preference of protocols: static 200, BGP 100, kernel 10.
    """
    return (
        {"local": 0, "alien": 2}.get(path.learned, 1),
        -path.local_pref,
        len(path.as_path),
        path.learned != "ebgp",
        int(path.originator or 0),
        path.sender,
    )


def _unique(paths: Sequence[_Path]) -> list[_Path]:
    return list(dict.fromkeys(replace(p, sender="", to_client=False) for p in paths))


def _announcement(path: _Path) -> Announcement:
    assert path.next_hop is not None
    pref = path.local_pref if path.learned == "ibgp" else None
    return Announcement(path.prefix, path.origin, path.as_path, path.next_hop, pref)


def _order(prefix: Network) -> tuple[int, int, int]:
    return (prefix.version, int(prefix.network_address), prefix.prefixlen)


def _shares_load(speaker: Speaker, path: _Path, best: _Path) -> bool:
    """FRR's multipath: over iBGP the same AS_PATH, over eBGP the same neighbouring AS."""
    if _preference(path)[:4] != _preference(best)[:4]:
        return False
    if speaker.daemon is not Daemon.FRR or speaker.multipath_relax:
        return True
    return path.as_path[:1] == best.as_path[:1] and (
        best.learned == "ebgp" or path.as_path == best.as_path
    )


def _routes(speaker: Speaker, table: Sequence[_Path]) -> tuple[ExpectedRoute, ...]:
    by_prefix: dict[Network, list[_Path]] = {}
    for path in table:
        by_prefix.setdefault(path.prefix, []).append(path)
    routes = []
    for prefix in sorted(by_prefix, key=_order):
        paths = sorted(by_prefix[prefix], key=_preference)
        best = paths[0]
        if best.learned in ("local", "alien"):
            continue
        equal = [p for p in paths if _shares_load(speaker, p, best)]
        limit = len(equal)
        if speaker.daemon is Daemon.FRR:
            limit = speaker.max_paths_ibgp if best.learned == "ibgp" else speaker.max_paths_ebgp
        hops = tuple(dict.fromkeys(p.next_hop for p in equal if p.next_hop is not None))[:limit]
        routes.append(ExpectedRoute(prefix, hops, speaker.export.installs(prefix)))
    return tuple(routes)
