"""Assertions over the routes of a session: presence, absence, order, attributes.

A prefix that was not announced counts as absent only once the sender has said that it is done
(End-of-RIB, RFC 4724 section 2) or has spoken at or after a marker that the caller names, and only
if the capture lost none of the sender's octets. Until then a verdict's `ok` is None.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from labgen.bgp.attributes import (
    AsPath,
    Communities,
    ExtendedCommunities,
    LargeCommunities,
    LocalPref,
    MultiExitDisc,
    Origin,
)
from labgen.bgp.vocabulary import IPV4_UNICAST, IPV6_UNICAST, Family
from labgen.check.verdict import Verdict, pairs, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labgen.bgp.attributes import IpAddress, PathAttributes
    from labgen.bgp.conversation import RouteEvent, Seen, WireSession
    from labgen.bgp.nlri import IpNetwork


def announced(
    session: WireSession,
    sender: IpAddress,
    prefix: str | IpNetwork,
    *,
    marker_ns: int | None = None,
) -> Verdict:
    """`sender` announces the prefix and has not withdrawn it again."""
    return _presence(session, sender, prefix, wanted=True, marker_ns=marker_ns)


def not_announced(
    session: WireSession,
    sender: IpAddress,
    prefix: str | IpNetwork,
    *,
    marker_ns: int | None = None,
) -> Verdict:
    """The other end does not hold the prefix from `sender`: never announced, or withdrawn."""
    return _presence(session, sender, prefix, wanted=False, marker_ns=marker_ns)


def withdrawn(session: WireSession, sender: IpAddress, prefix: str | IpNetwork) -> Verdict:
    """`sender` announced the prefix and its last word on it was a withdrawal. All conversations
    count: a route that ended with its session was not withdrawn."""
    network = ip_network(prefix)
    expected = f"{sender} withdraws {network}"
    events = [e for e in session.routes(sender) if e.prefix == network]
    held = _still_held(events)
    if held:
        return Verdict(False, expected, f"announced: {describe_route(held[-1])}", _seen(held))
    if not any(event.announced for event in events):
        ok = None if _lost(session, sender) else False
        return Verdict(ok, expected, "it was not announced", _seen(events))
    return Verdict(True, expected, "withdrawn", _seen(events[-1:]))


def _lost(session: WireSession, sender: IpAddress) -> bool:
    """Whether the capture lacks octets of `sender` that may have held what is looked for."""
    return any(c.of(sender).gaps for c in session.conversations)


def _presence(
    session: WireSession,
    sender: IpAddress,
    prefix: str | IpNetwork,
    *,
    wanted: bool,
    marker_ns: int | None,
) -> Verdict:
    network = ip_network(prefix)
    expected = f"{sender} {'announces' if wanted else 'does not announce'} {network}"
    events = _events(session, sender, network)
    held = _still_held(events)
    if held:
        return Verdict(wanted, expected, f"announced: {describe_route(held[-1])}", _seen(held))
    if events:
        return Verdict(not wanted, expected, "withdrawn", _seen(events))
    proof, why = complete(session, sender, family_of(network), marker_ns=marker_ns)
    if proof is None:
        return Verdict(None, expected, f"not announced so far; {why}")
    return Verdict(not wanted, expected, f"not announced; {why}", (proof,))


def complete(
    session: WireSession,
    sender: IpAddress,
    family: Family = IPV4_UNICAST,
    *,
    marker_ns: int | None = None,
) -> tuple[Seen | None, str]:
    """Where it is proved that `sender` has told all of a family, and why (or why not)."""
    conversation = session.current
    if conversation is None:
        return None, "there is no conversation"
    if conversation.of(sender).gaps:
        return None, f"the capture lost octets from {sender}"
    ended = session.end_of_rib(sender, family)
    if ended is not None:
        return ended.seen, f"End-of-RIB for {family} was seen"
    if marker_ns is not None:
        later = [m for m in conversation.sent_by(sender) if m.time_ns >= marker_ns]
        if later:
            return later[0].seen, f"{sender} spoke after the marker"
    return None, f"{sender} sent no End-of-RIB for {family}"


def family_of(network: IpNetwork) -> Family:
    """The unicast family of a network."""
    return IPV4_UNICAST if network.version == 4 else IPV6_UNICAST


def _events(session: WireSession, sender: IpAddress, network: IpNetwork) -> list[RouteEvent]:
    current = session.current
    if current is None:
        return []
    return [e for e in session.routes(sender, conversation=current) if e.prefix == network]


def _still_held(events: Sequence[RouteEvent]) -> list[RouteEvent]:
    held: dict[int | None, RouteEvent] = {}
    for event in events:
        if event.announced:
            held[event.path_id] = event
        else:
            held.pop(event.path_id, None)
    return list(held.values())


def _seen(events: Iterable[RouteEvent]) -> tuple[Seen, ...]:
    return tuple(event.message.seen for event in events)


def describe_route(event: RouteEvent) -> str:
    """One line on an announcement's attributes."""
    attributes = event.attributes
    if attributes is None:
        return "withdrawn"
    parts = [f"via {', '.join(map(str, attributes.next_hops)) or 'no next hop'}"]
    parts += [f"{name} {value}" for name, value in _attribute_values(attributes).items()]
    return ", ".join(parts)


def _attribute_values(attributes: PathAttributes) -> dict[str, str]:
    found: dict[str, str] = {}
    path, origin = attributes.as_path, attributes.get(Origin)
    med, preference = attributes.get(MultiExitDisc), attributes.get(LocalPref)
    if path is not None:
        found["as_path"] = str(path) or "(empty)"
    if origin is not None:
        found["origin"] = origin.origin.name
    if med is not None:
        found["med"] = str(med.med)
    if preference is not None:
        found["local_pref"] = str(preference.local_pref)
    for name, kind in _COMMUNITY_KINDS.items():
        value = attributes.get(kind)
        if value is not None:
            found[name] = shown(value.communities)
    return found


_COMMUNITY_KINDS: dict[str, type[Communities | LargeCommunities | ExtendedCommunities]] = {
    "communities": Communities,
    "large_communities": LargeCommunities,
    "extended_communities": ExtendedCommunities,
}


def route_has(
    session: WireSession,
    sender: IpAddress,
    prefix: str | IpNetwork,
    *,
    marker_ns: int | None = None,
    **expected: object,
) -> Verdict:
    """Attributes of the prefix as last announced by `sender`.

    `next_hop` (address), `as_path` (a tuple of AS numbers, or the path as text), `origin` (`IGP`,
    `EGP`, `INCOMPLETE`), `med`, `local_pref` (None: the attribute is absent); `communities`,
    `large_communities`, `extended_communities` (texts that must all be present).
    """
    network = ip_network(prefix)
    wanted = f"{network} from {sender} with {pairs(expected)}"
    held = _still_held(_events(session, sender, network))
    if not held:
        absent = _presence(session, sender, network, wanted=True, marker_ns=marker_ns)
        return Verdict(absent.ok, wanted, absent.observed, absent.frames)
    event = held[-1]
    assert event.attributes is not None
    wrong = [n for n, value in expected.items() if not _has(event.attributes, n, value)]
    return Verdict(not wrong, wanted, describe_route(event), _seen([event]))


def _has(attributes: PathAttributes, name: str, value: object) -> bool:
    if name == "next_hop":
        return str(value) in {str(hop) for hop in attributes.next_hops}
    if name == "as_path" and isinstance(value, tuple):
        return (attributes.as_path or AsPath()).asns == value
    if name in _COMMUNITY_KINDS:
        assert isinstance(value, (set, frozenset, tuple, list))
        found = attributes.get(_COMMUNITY_KINDS[name])
        present = {str(c) for c in found.communities} if found else set()
        return {str(c) for c in value} <= present
    if name not in {"as_path", "origin", "med", "local_pref"}:
        raise TypeError(f"route_has does not know `{name}`")
    seen = _attribute_values(attributes).get(name)
    return seen is None if value is None else seen == (str(value) or "(empty)")


def holds_exactly(
    session: WireSession,
    sender: IpAddress,
    prefixes: Iterable[str | IpNetwork],
    *,
    family: Family = IPV4_UNICAST,
    marker_ns: int | None = None,
) -> Verdict:
    """The other end holds these prefixes from `sender`, and no others of the family."""
    wanted = {ip_network(prefix) for prefix in prefixes}
    held = {key[1]: e for key, e in session.adj_rib_in(sender).items() if key[0] == family}
    missing, extra = wanted - held.keys(), held.keys() - wanted
    expected = f"{sender} announces exactly {shown(wanted)}"
    proof, why = complete(session, sender, family, marker_ns=marker_ns)
    parts = [f"missing {shown(missing)}"] if missing else []
    parts += [f"besides {shown(extra)}"] if extra else []
    observed = ", ".join(parts) or "exactly these"
    frames = _seen(held[network] for network in extra)
    if proof is None:
        return Verdict(False if extra else None, expected, f"{observed}; {why}", frames)
    return Verdict(not parts, expected, f"{observed}; {why}", (*frames, proof))


def in_order(
    session: WireSession, sender: IpAddress, steps: Sequence[tuple[str, str | IpNetwork]]
) -> Verdict:
    """`sender` takes these steps in this order (others may lie between): each step is
    `("announce", prefix)` or `("withdraw", prefix)`. All conversations count."""
    expected = f"{sender}: " + ", then ".join(f"{verb} {prefix}" for verb, prefix in steps)
    events = iter(session.routes(sender))
    found: list[RouteEvent] = []
    for verb, prefix in steps:
        if verb not in ("announce", "withdraw"):
            raise TypeError(f"a step is `announce` or `withdraw`, not `{verb}`")
        network = ip_network(prefix)
        event = next(
            (e for e in events if e.prefix == network and e.announced == (verb == "announce")), None
        )
        if event is None:
            done = f"{len(found)} of {len(steps)} steps; no {verb} {prefix} after them"
            if _lost(session, sender):
                return Verdict(None, expected, f"{done}; octets from {sender} are lost")
            return Verdict(False, expected, done, _seen(found))
        found.append(event)
    return Verdict(True, expected, "in this order", _seen(found))


def end_of_rib(session: WireSession, sender: IpAddress, family: Family = IPV4_UNICAST) -> Verdict:
    """`sender` ended its initial update of the family (RFC 4724 section 2)."""
    found = session.end_of_rib(sender, family)
    expected = f"End-of-RIB for {family} from {sender}"
    if found is None:
        ok = None if _lost(session, sender) else False
        return Verdict(ok, expected, "none in the current conversation")
    return Verdict(True, expected, "seen", (found.seen,))
