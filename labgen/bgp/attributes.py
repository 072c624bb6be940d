"""Path attributes as values: RFC 4271 section 5 and the RFCs named at each class."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, ClassVar, TypeVar

from labgen.bgp.nlri import EMPTY, NlriBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.bgp.vocabulary import Family

IpAddress = IPv4Address | IPv6Address


class Flag(IntFlag):
    """The attribute flags octet (RFC 4271 section 4.3)."""

    OPTIONAL = 0x80
    TRANSITIVE = 0x40
    PARTIAL = 0x20
    EXTENDED_LENGTH = 0x10


class OriginCode(IntEnum):
    """RFC 4271 section 5.1.1."""

    IGP = 0
    EGP = 1
    INCOMPLETE = 2


class SegmentType(IntEnum):
    """RFC 4271 section 4.3, RFC 5065 section 3."""

    AS_SET = 1
    AS_SEQUENCE = 2
    AS_CONFED_SEQUENCE = 3
    AS_CONFED_SET = 4


@dataclass(frozen=True, slots=True)
class AsSegment:
    """One segment of an AS_PATH."""

    type: SegmentType
    asns: tuple[int, ...]

    def __str__(self) -> str:
        brackets = {1: "{}", 2: "", 3: "()", 4: "[]"}[self.type]
        text = (" " if self.type in (2, 3) else ",").join(map(str, self.asns))
        return f"{brackets[0]}{text}{brackets[1]}" if brackets else text


@dataclass(frozen=True, slots=True)
class Origin:
    """RFC 4271 section 5.1.1."""

    CODE: ClassVar[int] = 1
    origin: OriginCode


@dataclass(frozen=True, slots=True)
class AsPath:
    """RFC 4271 section 5.1.2; AS numbers of four octets after RFC 6793."""

    CODE: ClassVar[int] = 2
    segments: tuple[AsSegment, ...] = ()

    @classmethod
    def sequence(cls, *asns: int) -> AsPath:
        """A path of one AS_SEQUENCE, or the empty path."""
        return cls((AsSegment(SegmentType.AS_SEQUENCE, asns),) if asns else ())

    @property
    def asns(self) -> tuple[int, ...]:
        """Every AS number of the path, in wire order, whatever its segment."""
        return tuple(asn for segment in self.segments for asn in segment.asns)

    def __str__(self) -> str:
        return " ".join(map(str, self.segments))


@dataclass(frozen=True, slots=True)
class NextHop:
    """RFC 4271 section 5.1.3."""

    CODE: ClassVar[int] = 3
    next_hop: IPv4Address


@dataclass(frozen=True, slots=True)
class MultiExitDisc:
    """RFC 4271 section 5.1.4."""

    CODE: ClassVar[int] = 4
    med: int


@dataclass(frozen=True, slots=True)
class LocalPref:
    """RFC 4271 section 5.1.5."""

    CODE: ClassVar[int] = 5
    local_pref: int


@dataclass(frozen=True, slots=True)
class AtomicAggregate:
    """RFC 4271 section 5.1.6."""

    CODE: ClassVar[int] = 6


@dataclass(frozen=True, slots=True)
class Aggregator:
    """RFC 4271 section 5.1.7."""

    CODE: ClassVar[int] = 7
    asn: int
    address: IPv4Address


_WELL_KNOWN_COMMUNITIES = {
    0xFFFF0000: "graceful-shutdown",  # RFC 8326
    0xFFFF0001: "accept-own",  # RFC 7611
    0xFFFF0006: "llgr-stale",  # RFC 9494
    0xFFFF0007: "no-llgr",  # RFC 9494
    0xFFFF029A: "blackhole",  # RFC 7999
    0xFFFFFF01: "no-export",  # RFC 1997
    0xFFFFFF02: "no-advertise",
    0xFFFFFF03: "no-export-subconfed",
    0xFFFFFF04: "no-peer",  # RFC 3765
}


class Community(int):
    """One RFC 1997 community; `str()` is `64512:100` or its registered name."""

    __slots__ = ()

    @classmethod
    def of(cls, asn: int, value: int) -> Community:
        return cls((asn << 16) | value)

    def __str__(self) -> str:
        return _WELL_KNOWN_COMMUNITIES.get(int(self)) or f"{self >> 16}:{self & 0xFFFF}"


@dataclass(frozen=True, slots=True)
class Communities:
    """RFC 1997."""

    CODE: ClassVar[int] = 8
    communities: tuple[Community, ...]


@dataclass(frozen=True, slots=True)
class OriginatorId:
    """RFC 4456 section 8."""

    CODE: ClassVar[int] = 9
    originator_id: IPv4Address


@dataclass(frozen=True, slots=True)
class ClusterList:
    """RFC 4456 section 8; the reflector nearest to the receiver stands first."""

    CODE: ClassVar[int] = 10
    cluster_ids: tuple[IPv4Address, ...]


@dataclass(frozen=True, slots=True)
class MpReachNlri:
    """RFC 4760 section 3. IPv6 carries a global and perhaps a link-local next hop (RFC 2545).

    `next_hop` is the field's octets when the family's encoding is unknown to labgen.
    """

    CODE: ClassVar[int] = 14
    family: Family
    next_hops: tuple[IpAddress, ...]
    nlri: NlriBlock = EMPTY
    next_hop: bytes | None = None


@dataclass(frozen=True, slots=True)
class MpUnreachNlri:
    """RFC 4760 section 4. With no withdrawn route it is the End-of-RIB (RFC 4724 section 2)."""

    CODE: ClassVar[int] = 15
    family: Family
    withdrawn_routes: NlriBlock = EMPTY


_EXTENDED_SUBTYPES = {0x02: "rt", 0x03: "soo"}  # RFC 4360 sections 4 and 5


@dataclass(frozen=True, slots=True)
class ExtendedCommunity:
    """RFC 4360, RFC 5668: eight octets; `str()` is like `rt:64512:100` where the form is known."""

    octets: bytes

    def __str__(self) -> str:
        kind, subtype = self.octets[0] & 0x3F, self.octets[1]
        word = _EXTENDED_SUBTYPES.get(subtype)
        value = self.octets[2:]
        if word and kind == 0:
            return f"{word}:{_int(value[:2])}:{_int(value[2:])}"
        if word and kind == 1:
            return f"{word}:{IPv4Address(value[:4])}:{_int(value[4:])}"
        if word and kind == 2:
            return f"{word}:{_int(value[:4])}:{_int(value[4:])}"
        return f"0x{self.octets.hex()}"


def _int(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


@dataclass(frozen=True, slots=True)
class ExtendedCommunities:
    """RFC 4360."""

    CODE: ClassVar[int] = 16
    communities: tuple[ExtendedCommunity, ...]


@dataclass(frozen=True, slots=True)
class As4Path:
    """RFC 6793 section 3: what an old speaker passed on."""

    CODE: ClassVar[int] = 17
    segments: tuple[AsSegment, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, self.segments))


@dataclass(frozen=True, slots=True)
class As4Aggregator:
    """RFC 6793 section 3."""

    CODE: ClassVar[int] = 18
    asn: int
    address: IPv4Address


@dataclass(frozen=True, slots=True)
class LargeCommunity:
    """RFC 8092 section 3."""

    global_administrator: int
    local_data_1: int
    local_data_2: int

    def __str__(self) -> str:
        return f"{self.global_administrator}:{self.local_data_1}:{self.local_data_2}"


@dataclass(frozen=True, slots=True)
class LargeCommunities:
    """RFC 8092."""

    CODE: ClassVar[int] = 32
    communities: tuple[LargeCommunity, ...]


@dataclass(frozen=True, slots=True)
class OnlyToCustomer:
    """RFC 9234 section 5."""

    CODE: ClassVar[int] = 35
    asn: int


@dataclass(frozen=True, slots=True)
class UnknownAttribute:
    """An attribute that labgen keeps as it came."""

    code: int
    octets: bytes


AttributeValue = (
    Origin
    | AsPath
    | NextHop
    | MultiExitDisc
    | LocalPref
    | AtomicAggregate
    | Aggregator
    | Communities
    | OriginatorId
    | ClusterList
    | MpReachNlri
    | MpUnreachNlri
    | ExtendedCommunities
    | As4Path
    | As4Aggregator
    | LargeCommunities
    | OnlyToCustomer
    | UnknownAttribute
)
_V = TypeVar("_V", bound=AttributeValue)

# IANA "BGP Path Attributes"; only the names that stand in no class above are needed for display.
ATTRIBUTE_NAMES = {
    1: "ORIGIN",
    2: "AS_PATH",
    3: "NEXT_HOP",
    4: "MULTI_EXIT_DISC",
    5: "LOCAL_PREF",
    6: "ATOMIC_AGGREGATE",
    7: "AGGREGATOR",
    8: "COMMUNITIES",
    9: "ORIGINATOR_ID",
    10: "CLUSTER_LIST",
    14: "MP_REACH_NLRI",
    15: "MP_UNREACH_NLRI",
    16: "EXTENDED_COMMUNITIES",
    17: "AS4_PATH",
    18: "AS4_AGGREGATOR",
    22: "PMSI_TUNNEL",
    23: "TUNNEL_ENCAPSULATION",
    25: "IPV6_EXTENDED_COMMUNITIES",
    26: "AIGP",
    29: "BGP_LS",
    32: "LARGE_COMMUNITIES",
    33: "BGPSEC_PATH",
    35: "ONLY_TO_CUSTOMER",
    40: "BGP_PREFIX_SID",
    128: "ATTR_SET",
}


@dataclass(frozen=True, slots=True)
class PathAttribute:
    """One attribute: its flags octet, type code, length on the wire (octets) and value."""

    flags: int
    code: int
    length: int
    value: AttributeValue

    @property
    def name(self) -> str:
        return ATTRIBUTE_NAMES.get(self.code, f"ATTRIBUTE_{self.code}")


@dataclass(frozen=True, slots=True)
class PathAttributes:
    """The attributes of one UPDATE, in wire order. An empty set is false."""

    attributes: tuple[PathAttribute, ...] = ()
    # Bit n stands for code n; the decoder, which knows it, passes it on.
    known_codes: int | None = field(default=None, compare=False, repr=False)

    def __iter__(self) -> Iterator[PathAttribute]:
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)

    def get(self, kind: type[_V]) -> _V | None:
        """The value of this class, if the set has one: `attributes.get(LocalPref)`."""
        if self.known_codes is not None and not self.known_codes >> getattr(kind, "CODE", 0) & 1:
            return None
        return next((a.value for a in self.attributes if isinstance(a.value, kind)), None)

    @property
    def as_path(self) -> AsPath | None:
        return self.get(AsPath)

    @property
    def next_hops(self) -> tuple[IpAddress, ...]:
        """NEXT_HOP, or else the next hops of MP_REACH_NLRI."""
        plain = self.get(NextHop)
        if plain is not None:
            return (plain.next_hop,)
        reach = self.get(MpReachNlri)
        return () if reach is None else reach.next_hops


NO_ATTRIBUTES = PathAttributes()
