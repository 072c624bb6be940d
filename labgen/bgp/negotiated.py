"""What two OPENs agree on: both in, one object out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgen.bgp.attribute_codec import DecodeContext
from labgen.bgp.capabilities import (
    AddPath,
    AddPathMode,
    CiscoRouteRefresh,
    EnhancedRouteRefresh,
    ExtendedMessage,
    ExtendedNextHop,
    FourOctetAs,
    GracefulRestart,
    LongLivedGracefulRestart,
    RouteRefreshCapability,
)
from labgen.bgp.vocabulary import MAX_EXTENDED_LENGTH, MAX_LENGTH, Family

if TYPE_CHECKING:
    from labgen.bgp.messages import Open


@dataclass(frozen=True, slots=True)
class Negotiated:
    """The session that `first` and `second` (their two OPENs) make.

    `hold_time` in seconds, 0 for no keepalives (RFC 4271 section 4.2); `families` are those that
    both offer; `add_path_from_first` are the families whose NLRI carry path identifiers when
    `first` sends them (RFC 7911 section 4), likewise `add_path_from_second`.
    """

    first: Open
    second: Open
    hold_time: int
    families: frozenset[Family]
    four_octet_as: bool
    route_refresh: bool
    enhanced_route_refresh: bool
    graceful_restart: bool
    long_lived_graceful_restart: bool
    extended_message: bool
    extended_next_hop: frozenset[Family]
    add_path_from_first: frozenset[Family]
    add_path_from_second: frozenset[Family]

    @property
    def keepalive_interval(self) -> float:
        """Seconds; a third of the hold time, as RFC 4271 section 4.4 proposes."""
        return self.hold_time / 3

    @property
    def internal(self) -> bool:
        """Whether this is an iBGP session."""
        return self.first.asn == self.second.asn

    @property
    def context_from_first(self) -> DecodeContext:
        """How to read what `first` sends."""
        limit = _limit(self.second)
        return DecodeContext(self.four_octet_as, self.add_path_from_first, limit)

    @property
    def context_from_second(self) -> DecodeContext:
        """How to read what `second` sends."""
        limit = _limit(self.first)
        return DecodeContext(self.four_octet_as, self.add_path_from_second, limit)


def negotiate(first: Open, second: Open) -> Negotiated:
    """Intersect two OPENs, capability by capability."""

    def both(*kinds: type) -> bool:
        return all(any(isinstance(c, kinds) for c in o.capabilities) for o in (first, second))

    hops = [
        frozenset(family for family, _ in c.encodings)
        for o in (first, second)
        if (c := o.get(ExtendedNextHop)) is not None
    ]
    return Negotiated(
        first=first,
        second=second,
        hold_time=min(first.hold_time, second.hold_time),
        families=frozenset(first.families) & frozenset(second.families),
        four_octet_as=both(FourOctetAs),
        route_refresh=both(RouteRefreshCapability, CiscoRouteRefresh),
        enhanced_route_refresh=both(EnhancedRouteRefresh),
        graceful_restart=both(GracefulRestart),
        long_lived_graceful_restart=both(LongLivedGracefulRestart),
        extended_message=both(ExtendedMessage),
        extended_next_hop=hops[0] & hops[1] if len(hops) == 2 else frozenset(),
        add_path_from_first=_add_path(first, second),
        add_path_from_second=_add_path(second, first),
    )


def _add_path(sender: Open, receiver: Open) -> frozenset[Family]:
    sends = _modes(sender, AddPathMode.SEND)
    return sends & _modes(receiver, AddPathMode.RECEIVE)


def _modes(message: Open, wanted: AddPathMode) -> frozenset[Family]:
    capability = message.get(AddPath)
    if capability is None:
        return frozenset()
    return frozenset(
        family for family, mode in capability.modes if mode in (wanted, AddPathMode.BOTH)
    )


def _limit(receiver: Open) -> int:
    """RFC 8654 section 4: a long message may go to a peer that announced the capability."""
    return MAX_EXTENDED_LENGTH if receiver.has(ExtendedMessage) else MAX_LENGTH


def context_from_one(own: Open | None, *, peer: Open | None) -> DecodeContext:
    """How to read what the sender of `own` says, when at most one of the OPENs was seen.

    What one OPEN rules out is ruled out; the rest is left to the octets (None).
    """
    if own is not None and peer is not None:
        return negotiate(own, peer).context_from_first
    seen = own or peer
    if seen is None:
        return DecodeContext()
    wanted = AddPathMode.SEND if seen is own else AddPathMode.RECEIVE
    return DecodeContext(
        four_octet_as=None if seen.has(FourOctetAs) else False,
        add_path=None if _modes(seen, wanted) else frozenset(),
        max_length=MAX_EXTENDED_LENGTH if peer is None else _limit(peer),
    )
