"""Which sessions the configurations imply: every configured peer, matched with its other end."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from labgen.design.model import Address, PeerConfig, Session, SessionEnd, Speaker

_RANK = {"mesh": 1, "global": 0, "node": 0, "neighbor": 0}


def derive(speakers: Sequence[Speaker]) -> tuple[Session, ...]:
    """All sessions, routers' first, then in the order of the speakers.

    A peer that only one end configures still is a session: it is expected by somebody, and the
    end that lacks it is where verification points.
    """
    owner = {address: s for s in speakers for address in s.addresses}
    found: dict[frozenset[Address], Session] = {}
    for speaker in speakers:
        for peer in speaker.peers:
            local = peer.local_address or _address_towards(speaker, peer)
            if local is None or peer.address in speaker.addresses:
                continue
            key = frozenset((local, peer.address))
            if key in found:
                continue
            remote = owner.get(peer.address)
            back = _peer_back(remote, {*speaker.addresses, local}) if remote else None
            found[key] = Session(
                SessionEnd(speaker.node, local, peer),
                SessionEnd(remote.node if remote else None, peer.address, back),
                peer.kind if back is None or peer.kind != "neighbor" else back.kind,
            )
    return tuple(sorted(found.values(), key=lambda session: _RANK.get(session.kind, 2)))


def _address_towards(speaker: Speaker, peer: PeerConfig) -> Address | None:
    """The address that the kernel takes as source: of the LAN that the peer is on, else any."""
    same_family = [a for a in speaker.addresses if a.version == peer.address.version]
    shared = next((lan for lan in speaker.lans if peer.address in lan), None)
    on_it = [a for a in same_family if shared is not None and a in shared]
    return next(iter((*on_it, *same_family)), None)


def _peer_back(remote: Speaker, addresses: AbstractSet[Address]) -> PeerConfig | None:
    return next((p for p in remote.peers if p.address in addresses), None)
