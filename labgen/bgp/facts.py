"""What packets tell beside BGP's octets: facts that explain why a session is as it is.

Times are nanoseconds since the epoch; frames are numbered from 1 in each file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from labgen.bgp.attributes import IpAddress
    from labgen.bgp.vocabulary import MessageType


@dataclass(frozen=True, slots=True, order=True)
class SocketAddress:
    """One end of a TCP connection."""

    address: IpAddress
    port: int

    def __str__(self) -> str:
        if self.address.version == 6:
            return f"[{self.address}]:{self.port}"
        return f"{self.address}:{self.port}"


class Seen(NamedTuple):
    """Where and when something stands in a capture."""

    time_ns: int
    file: str
    frame: int


@dataclass(frozen=True, slots=True)
class Retransmission:
    """A segment sent more than once. `offset` is octets from the flow's start."""

    offset: int
    length: int
    times: int
    first: Seen
    last: Seen


@dataclass(frozen=True, slots=True)
class Gap:
    """Octets that the capture lacks; reading went on at the next marker. `seen` is where."""

    seen: Seen
    octets: int


@dataclass(frozen=True, slots=True)
class IcmpError:
    """An ICMP error whose quoted packet belongs to a connection. `sender` reported it.

    `type` and `code` are ICMP's for IPv4 or ICMPv6's for IPv6; `quotes_client` says whether the
    quoted packet came from the client. `mtu` is what type 3 code 4 asks for, in octets.
    """

    seen: Seen
    sender: IpAddress
    type: int
    code: int
    name: str
    quotes_client: bool
    mtu: int | None = None


@dataclass(frozen=True, slots=True)
class FlowFacts:
    """What TCP tells about one direction, beside the octets it carried.

    `syns` are its SYNs (for the server: SYN-ACKs), each retransmission included. `ttls` are IPv4
    TTLs or IPv6 hop limits, as received: `handshake_ttls` on SYNs, `data_ttls` on segments with
    data; `syn_classes` and `reset_classes` are the IPv4 TOS or IPv6 traffic class of SYNs and RSTs.
    `md5` counts segments with option 19 (RFC 2385). `unacknowledged` are octets that the
    other end never acknowledged in the capture. `counts` says how many messages of each type code
    it carried, `established` where its first KEEPALIVE, UPDATE or ROUTE-REFRESH stands.
    """

    syns: tuple[Seen, ...] = ()
    first_data: Seen | None = None
    last_data: Seen | None = None
    fin: Seen | None = None
    rsts: tuple[Seen, ...] = ()
    segments: int = 0
    octets: int = 0
    md5: int = 0
    md5_syns: int = 0
    mss: int | None = None
    handshake_ttls: frozenset[int] = frozenset()
    data_ttls: frozenset[int] = frozenset()
    reset_ttls: frozenset[int] = frozenset()
    syn_classes: frozenset[int] = frozenset()
    reset_classes: frozenset[int] = frozenset()
    retransmissions: int = 0
    retransmitted: tuple[Retransmission, ...] = ()
    duplicates: int = 0
    out_of_order: int = 0
    gaps: tuple[Gap, ...] = ()
    unacknowledged: int = 0
    largest_segment: int = 0
    interfaces: frozenset[str] = frozenset()
    counts: tuple[tuple[int, int], ...] = ()
    established: Seen | None = None

    def count(self, kind: MessageType) -> int:
        """How many messages of this type were sent."""
        return dict(self.counts).get(int(kind), 0)


@dataclass(frozen=True, slots=True)
class ArpQuestion:
    """ARP requests (or IPv6 neighbour solicitations) of one address for another.

    `sender` is the asker; `replies` counts answers that the capture holds, `answers` are the
    hardware addresses they gave (two of them: two hosts hold the address).
    """

    sender: IpAddress
    target: IpAddress
    requests: int
    replies: int
    first: Seen
    last: Seen
    answers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BfdFlow:
    """BFD control packets of one direction (RFC 5880; port 3784 single-hop, 4784 multihop).

    `states` are the states announced, changes only; `diagnostics` the diagnostic codes seen.
    """

    src: IpAddress
    dst: IpAddress
    port: int
    packets: int
    states: tuple[tuple[Seen, str], ...]
    diagnostics: tuple[int, ...]
    first: Seen
    last: Seen
