"""Capabilities of an OPEN (RFC 5492) as values, and their octets."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar

from labgen.bgp.vocabulary import Family
from labgen.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

_GRACEFUL_RESTART_STATE = 0x8
_GRACEFUL_RESTART_NOTIFICATION = 0x4
_FORWARDING_STATE = 0x80


class AddPathMode(IntEnum):
    """RFC 7911 section 4."""

    RECEIVE = 1
    SEND = 2
    BOTH = 3


class BgpRole(IntEnum):
    """RFC 9234 section 4.1."""

    PROVIDER = 0
    RS = 1
    RS_CLIENT = 2
    CUSTOMER = 3
    PEER = 4


@dataclass(frozen=True, slots=True)
class Multiprotocol:
    """RFC 4760 section 8."""

    CODE: ClassVar[int] = 1
    family: Family


@dataclass(frozen=True, slots=True)
class RouteRefreshCapability:
    """RFC 2918 section 2."""

    CODE: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class ExtendedNextHop:
    """RFC 8950 section 4: (family of the NLRI, AFI of its next hop)."""

    CODE: ClassVar[int] = 5
    encodings: tuple[tuple[Family, int], ...]


@dataclass(frozen=True, slots=True)
class ExtendedMessage:
    """RFC 8654 section 3."""

    CODE: ClassVar[int] = 6


@dataclass(frozen=True, slots=True)
class RoleCapability:
    """RFC 9234 section 4.1. `role` is a plain number where it is not registered."""

    CODE: ClassVar[int] = 9
    role: BgpRole | int


@dataclass(frozen=True, slots=True)
class GracefulRestartFamily:
    """A family of the capability; `forwarding_state` is its F bit."""

    family: Family
    forwarding_state: bool


@dataclass(frozen=True, slots=True)
class GracefulRestart:
    """RFC 4724 section 3, N bit after RFC 8538. `restart_time` in seconds.

    Without a family the speaker only helps a restarting peer.
    """

    CODE: ClassVar[int] = 64
    restart_state: bool
    notification: bool
    restart_time: int
    families: tuple[GracefulRestartFamily, ...] = ()


@dataclass(frozen=True, slots=True)
class FourOctetAs:
    """RFC 6793 section 3."""

    CODE: ClassVar[int] = 65
    asn: int


@dataclass(frozen=True, slots=True)
class AddPath:
    """RFC 7911 section 4. A mode is a plain number where it is not registered."""

    CODE: ClassVar[int] = 69
    modes: tuple[tuple[Family, AddPathMode | int], ...]


@dataclass(frozen=True, slots=True)
class EnhancedRouteRefresh:
    """RFC 7313 section 3.1."""

    CODE: ClassVar[int] = 70


@dataclass(frozen=True, slots=True)
class LongLivedFamily:
    """A family of the capability. `stale_time` in seconds."""

    family: Family
    forwarding_state: bool
    stale_time: int


@dataclass(frozen=True, slots=True)
class LongLivedGracefulRestart:
    """RFC 9494 section 3."""

    CODE: ClassVar[int] = 71
    families: tuple[LongLivedFamily, ...] = ()


@dataclass(frozen=True, slots=True)
class Fqdn:
    """draft-walton-bgp-hostname-capability."""

    CODE: ClassVar[int] = 73
    hostname: str
    domain_name: str = ""


@dataclass(frozen=True, slots=True)
class CiscoRouteRefresh:
    """The pre-standard code 128 of RFC 2918's capability; FRR sends both."""

    CODE: ClassVar[int] = 128


@dataclass(frozen=True, slots=True)
class UnknownCapability:
    """A capability that labgen keeps as it came, or a known one whose length is wrong."""

    code: int
    octets: bytes


Capability = (
    Multiprotocol
    | RouteRefreshCapability
    | ExtendedNextHop
    | ExtendedMessage
    | RoleCapability
    | GracefulRestart
    | FourOctetAs
    | AddPath
    | EnhancedRouteRefresh
    | LongLivedGracefulRestart
    | Fqdn
    | CiscoRouteRefresh
    | UnknownCapability
)

# Those that are decoded, by class
CLASSES = (
    Multiprotocol,
    RouteRefreshCapability,
    ExtendedNextHop,
    ExtendedMessage,
    RoleCapability,
    GracefulRestart,
    FourOctetAs,
    AddPath,
    EnhancedRouteRefresh,
    LongLivedGracefulRestart,
    Fqdn,
    CiscoRouteRefresh,
)

# IANA "Capability Codes"
CAPABILITY_NAMES = {
    1: "multiprotocol",
    2: "route_refresh",
    3: "outbound_route_filtering",
    5: "extended_next_hop",
    6: "extended_message",
    7: "bgpsec",
    8: "multiple_labels",
    9: "role",
    64: "graceful_restart",
    65: "four_octet_as",
    67: "dynamic",
    68: "multisession",
    69: "add_path",
    70: "enhanced_route_refresh",
    71: "long_lived_graceful_restart",
    72: "routing_policy_distribution",
    73: "fqdn",
    128: "route_refresh_cisco",
    130: "outbound_route_filtering_cisco",
    131: "multisession_cisco",
}


def code_of(capability: Capability) -> int:
    return capability.code if isinstance(capability, UnknownCapability) else capability.CODE


def _enum_or_int(kind: type[AddPathMode | BgpRole], value: int) -> int:
    return kind(value) if value in kind._value2member_map_ else value


def _multiprotocol(body: bytes) -> Capability:
    afi, _, safi = struct.unpack("!HBB", body)
    return Multiprotocol(Family(afi, safi))


def _extended_next_hop(body: bytes) -> Capability:
    triples = struct.iter_unpack("!HHH", body)
    return ExtendedNextHop(tuple((Family(afi, safi), nh) for afi, safi, nh in triples))


def _role(body: bytes) -> Capability:
    (role,) = struct.unpack("!B", body)
    return RoleCapability(_enum_or_int(BgpRole, role))


def _graceful_restart(body: bytes) -> Capability:
    (word,) = struct.unpack_from("!H", body)
    families = tuple(
        GracefulRestartFamily(Family(afi, safi), bool(flags & _FORWARDING_STATE))
        for afi, safi, flags in struct.iter_unpack("!HBB", body[2:])
    )
    flags = word >> 12
    return GracefulRestart(
        restart_state=bool(flags & _GRACEFUL_RESTART_STATE),
        notification=bool(flags & _GRACEFUL_RESTART_NOTIFICATION),
        restart_time=word & 0xFFF,
        families=families,
    )


def _four_octet_as(body: bytes) -> Capability:
    return FourOctetAs(*struct.unpack("!I", body))


def _add_path(body: bytes) -> Capability:
    entries = struct.iter_unpack("!HBB", body)
    return AddPath(
        tuple((Family(afi, safi), _enum_or_int(AddPathMode, mode)) for afi, safi, mode in entries)
    )


def _long_lived(body: bytes) -> Capability:
    return LongLivedGracefulRestart(
        tuple(
            LongLivedFamily(
                Family(afi, safi), bool(flags & _FORWARDING_STATE), int.from_bytes(time, "big")
            )
            for afi, safi, flags, time in struct.iter_unpack("!HBB3s", body)
        )
    )


def _fqdn(body: bytes) -> Capability:
    host, rest = _counted(body)
    domain, rest = _counted(rest)
    if rest:
        raise ValueError("octets left over")
    # Only text that survives a round trip is shown as text; the draft says UTF-8.
    return Fqdn(host.decode("utf-8"), domain.decode("utf-8"))


def _counted(body: bytes) -> tuple[bytes, bytes]:
    if not body or len(body) < 1 + body[0]:
        raise ValueError("a name runs past the end")
    return body[1 : 1 + body[0]], body[1 + body[0] :]


def _empty(capability: Capability) -> Callable[[bytes], Capability]:
    def parse(body: bytes) -> Capability:
        if body:
            raise ValueError("not empty")
        return capability

    return parse


_PARSERS: dict[int, Callable[[bytes], Capability]] = {
    1: _multiprotocol,
    2: _empty(RouteRefreshCapability()),
    5: _extended_next_hop,
    6: _empty(ExtendedMessage()),
    9: _role,
    64: _graceful_restart,
    65: _four_octet_as,
    69: _add_path,
    70: _empty(EnhancedRouteRefresh()),
    71: _long_lived,
    73: _fqdn,
    128: _empty(CiscoRouteRefresh()),
}


def decode_capability(code: int, body: bytes) -> Capability:
    """One capability. A body whose form is wrong is kept raw, as RFC 5492 section 4 asks of a
    receiver: a capability it cannot use is ignored, the session goes on."""
    parser = _PARSERS.get(code)
    if parser is None:
        return UnknownCapability(code, body)
    try:
        return parser(body)
    except (ValueError, struct.error):
        return UnknownCapability(code, body)


def decode_capabilities(body: bytes, offset: int) -> tuple[Capability, ...]:
    """The capabilities of one optional parameter, which may hold one or all of them."""
    found: list[Capability] = []
    at = 0
    while at < len(body):
        if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
            raise DecodeError(
                "a capability runs past the end of its optional parameter",
                offset=offset + at,
                reference="RFC 5492 section 4",
            )
        end = at + 2 + body[at + 1]
        found.append(decode_capability(body[at], body[at + 2 : end]))
        at = end
    return tuple(found)


def _capability_body(capability: Capability) -> bytes:
    match capability:
        case Multiprotocol(family):
            return struct.pack("!HBB", family.afi, 0, family.safi)
        case ExtendedNextHop(encodings):
            return b"".join(struct.pack("!HHH", f.afi, f.safi, nh) for f, nh in encodings)
        case RoleCapability(role):
            return bytes((role,))
        case GracefulRestart(restart_state, notification, restart_time, families):
            flags = restart_state * _GRACEFUL_RESTART_STATE
            flags |= notification * _GRACEFUL_RESTART_NOTIFICATION
            return struct.pack("!H", flags << 12 | restart_time) + b"".join(
                struct.pack(
                    "!HBB", g.family.afi, g.family.safi, g.forwarding_state * _FORWARDING_STATE
                )
                for g in families
            )
        case FourOctetAs(asn):
            return struct.pack("!I", asn)
        case AddPath(modes):
            return b"".join(struct.pack("!HBB", f.afi, f.safi, mode) for f, mode in modes)
        case LongLivedGracefulRestart(long_lived):
            return b"".join(
                struct.pack("!HBB", g.family.afi, g.family.safi, g.forwarding_state << 7)
                + g.stale_time.to_bytes(3, "big")
                for g in long_lived
            )
        case Fqdn(hostname, domain_name):
            host, domain = hostname.encode(), domain_name.encode()
            return bytes((len(host),)) + host + bytes((len(domain),)) + domain
        case UnknownCapability(_, octets):
            return octets
        case _:
            return b""


def encode_capability(capability: Capability) -> bytes:
    """Code, length and value of one capability."""
    body = _capability_body(capability)
    if len(body) > 255:
        raise ValueError(f"capability {code_of(capability)} is longer than 255 octets")
    return bytes((code_of(capability), len(body))) + body
