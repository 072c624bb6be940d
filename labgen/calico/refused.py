"""What BIRD would refuse in a node's configuration, although Calico lets it through.

calico-node checks a new file with `bird -p` and keeps the old one when the check fails, so such a
resource shows up as a change that never happens.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import TYPE_CHECKING

from labgen.calico.bgpfilter import prefix_range

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.calico.node_config import BirdPeer, FamilyConfig, NodeConfig


def refusals(config: NodeConfig) -> tuple[str, ...]:
    """One line for each statement that BIRD 1.6.8 refuses: file, statement, cause, remedy."""
    return tuple(dict.fromkeys(_refusals(config)))


def _refusals(config: NodeConfig) -> Iterator[str]:
    try:
        IPv4Address(config.router_id)
    except AddressValueError:
        yield (
            f"bird.cfg: `router id {config.router_id};` is no IPv4 address: give {config.node} an "
            "IPv4 address, or set CALICO_ROUTER_ID=hash"
        )
    for family, name in ((config.v4, "bird.cfg"), (config.v6, "bird6.cfg")):
        yield from _bare(family, name)
        if family.address is not None:
            yield from _ranges(family, name)
            yield from _twice(family, name)
            for peer in family.peers:
                yield from _peer(peer, name)


def _bare(family: FamilyConfig, name: str) -> Iterator[str]:
    for cidr in family.static_routes:
        if "/" not in cidr:
            yield (
                f"{name}: `route {cidr} blackhole` has no prefix length: write "
                f"{cidr}/{128 if family.version == 6 else 32} in BGPConfiguration default"
            )


def _ranges(family: FamilyConfig, name: str) -> Iterator[str]:
    for function in family.filters:
        for rule in function.rules:
            bounds = prefix_range(rule, family.version)
            if bounds and "/" not in rule.cidr:
                yield (
                    f"{name}: BGPFilter {function.filter_name} ({function.direction}): a "
                    f"prefixLength beside the bare address {rule.cidr}: write its length after it"
                )
            if bounds and bounds[0] > bounds[1]:
                yield (
                    f"{name}: BGPFilter {function.filter_name} ({function.direction}): "
                    f"{rule.cidr} with prefixLength becomes the empty range "
                    f"{bounds[0]}-{bounds[1]}: widen prefixLength"
                )


def _twice(family: FamilyConfig, name: str) -> Iterator[str]:
    seen: set[str] = set()
    for peer in family.peers:
        if peer.name in seen:
            yield (
                f"{name}: the protocol {peer.name} stands twice: two nodes have the address "
                f"{peer.address}, give each its own"
            )
        seen.add(peer.name)


def _peer(peer: BirdPeer, name: str) -> Iterator[str]:
    if peer.remote_as == 0:
        yield f"{name}: `neighbor {peer.address} as 0`: set asNumber in BGPPeer {peer.resource}"
    if peer.address.is_link_local and peer.address.version == 6:
        yield (
            f"{name}: the neighbor {peer.address} of {peer.name} is link-local, and Calico "
            "names no interface: use a global address"
        )
    text = peer.password.reveal() if peer.password else ""
    if any(mark in text for mark in '"\n\r'):
        yield (
            f"{name}: the password of {peer.name} holds a double quote or a line break, which "
            "Calico writes as it is: choose another (a Secret made from a file often ends in one)"
        )
