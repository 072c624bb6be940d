"""What a BIG-IP does without being told and FRR 8.4 must be told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bigip.frr_lines import FrrLine
from labgen.bigip.grammar import asn
from labgen.bigip.model import (
    DEFAULT_HOLD,
    DEFAULT_KEEPALIVE,
    EBGP_ADVERTISEMENT_INTERVAL,
    IBGP_ADVERTISEMENT_INTERVAL,
    Family,
)
from labgen.bigip.resolve import family_of
from labgen.bigip.rules import FRR_BGP, FRR_ZEBRA, Context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labgen.bigip.model import BgpInstance, Routing
    from labgen.bigip.zebos import Statement

Added = tuple[FrrLine, str, str]


def added(routing: Routing, standing: Sequence[Statement]) -> Iterator[Added]:
    """Each added line with its reason and reference."""
    bgp = routing.bgp
    if bgp is None:
        return
    for version in ("ip", "ipv6"):
        yield _line(
            (),
            f"{version} nht resolve-via-default",
            "a BIG-IP reaches a BGP peer or next hop over its default route",
            FRR_ZEBRA,
        )
    router = f"router bgp {_asn(standing)}"
    yield _line(
        (router,),
        "no bgp ebgp-requires-policy",
        "a BIG-IP exchanges eBGP routes without a policy (before RFC 8212)",
        f"RFC 8212; {FRR_BGP}",
    )
    if not bgp.network_synchronization:
        yield _line(
            (router,),
            "no bgp network import-check",
            "a BIG-IP announces `network` whether or not it has the route",
            FRR_BGP,
        )
    if not any(s.command == "timers bgp" for s in standing):
        yield _line(
            (router,),
            f"timers bgp {DEFAULT_KEEPALIVE} {DEFAULT_HOLD}",
            f"a BIG-IP's timers are {DEFAULT_KEEPALIVE} and {DEFAULT_HOLD} s, FRR's 60 and 180 s",
            f"RFC 4271 section 10; {FRR_BGP}",
        )
    yield from _paths(router, standing)
    yield from _pace(bgp, router, standing)
    yield from _no_add_path(router, standing)


def _line(section: tuple[str, ...], text: str, reason: str, reference: str) -> Added:
    return FrrLine(section, tuple(text.split()), ("added", section, text)), reason, reference


def _asn(standing: Sequence[Statement]) -> str:
    return next(s.value("asn") for s in standing if s.rule.opens is Context.ROUTER_BGP)


def _families(standing: Sequence[Statement]) -> list[Family]:
    opened = [
        Family(f"{s.value('afi')} {s.value('safi')}")
        for s in standing
        if s.rule.opens is Context.ADDRESS_FAMILY and s.value("afi") == "ipv6" and s.value("safi")
    ]
    return [Family.IPV4_UNICAST, *(f for f in opened if f is Family.IPV6_UNICAST)]


def _paths(router: str, standing: Sequence[Statement]) -> Iterator[Added]:
    for family in _families(standing):
        stated = {
            s.value("type") for s in standing if s.command == "max-paths" and family_of(s) is family
        }
        for kind, line in (("ebgp", "maximum-paths 1"), ("ibgp", "maximum-paths ibgp 1")):
            if kind not in stated:
                yield _line(
                    (router, f"address-family {family.value}"),
                    line,
                    "a BIG-IP uses one path, FRR all equal ones",
                    FRR_BGP,
                )


def _pace(bgp: BgpInstance, router: str, standing: Sequence[Statement]) -> Iterator[Added]:
    """The MinRouteAdvertisementInterval (RFC 4271 section 9.2.1.1), where it is not stated."""
    stated = {s.value("peer") for s in standing if s.command == "neighbor advertisement-interval"}
    group_of = _group_of(standing)
    for remote in (s for s in standing if s.command == "neighbor remote-as"):
        peer = remote.value("peer")
        if peer in stated or group_of.get(peer) in stated:
            continue
        internal = asn(remote.value("asn")) == bgp.asn
        seconds = IBGP_ADVERTISEMENT_INTERVAL if internal else EBGP_ADVERTISEMENT_INTERVAL
        yield _line(
            (router,),
            f"neighbor {peer} advertisement-interval {seconds}",
            f"a BIG-IP paces {'iBGP' if internal else 'eBGP'} updates by {seconds} s, FRR by none",
            f"RFC 4271 section 9.2.1.1; {FRR_BGP}",
        )


def _no_add_path(router: str, standing: Sequence[Statement]) -> Iterator[Added]:
    """ZebOS has no ADD-PATH; FRR offers to receive it, and Calico's BIRD would then send it."""
    members = _group_of(standing)
    peers = [
        s.value("peer")
        for s in standing
        if s.command in {"neighbor remote-as", "neighbor peer-group"}
        and s.value("peer") not in members
    ]
    for family in _families(standing):
        for peer in dict.fromkeys(peers):
            yield _line(
                (router, f"address-family {family.value}"),
                f"neighbor {peer} disable-addpath-rx",
                "a BIG-IP does not offer ADD-PATH (capability 69)",
                f"RFC 7911; {FRR_BGP}",
            )


def _group_of(standing: Sequence[Statement]) -> dict[str, str]:
    return {
        s.value("peer"): s.value("group")
        for s in standing
        if s.command == "neighbor peer-group" and s.value("group")
    }
