"""What a capture holds beside TCP that explains BGP: ARP, neighbour discovery, ICMP, BFD."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, NamedTuple

from labgen.bgp.conversation import ArpQuestion, BfdFlow, Seen

if TYPE_CHECKING:
    from labgen.bgp.attributes import IpAddress

BFD_PORTS = frozenset({3784, 4784})  # RFC 5881 section 4, RFC 5883 section 5
_MAX_PAIRS = 4096  # a scan of a large network must not fill the memory
_MAX_STATES = 64
_BFD_STATES = ("AdminDown", "Down", "Init", "Up")  # RFC 5880 section 4.1

_UNREACHABLE = {  # RFC 792, RFC 1812 section 5.2.7.1
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    4: "fragmentation needed",
    5: "source route failed",
    6: "network unknown",
    7: "host unknown",
    9: "network prohibited",
    10: "host prohibited",
    11: "network unreachable for this service",
    12: "host unreachable for this service",
    13: "communication prohibited",
}
_UNREACHABLE6 = {  # RFC 4443 section 3.1
    0: "no route",
    1: "communication prohibited",
    2: "beyond scope",
    3: "address unreachable",
    4: "port unreachable",
    5: "source address failed policy",
    6: "route rejected",
}


class QuotedPacket(NamedTuple):
    """The packet inside an ICMP error: its ends (address and port octets) and the error."""

    src: bytes
    dst: bytes
    type: int
    code: int
    name: str
    mtu: int | None


@dataclass(slots=True)
class _Question:
    requests: int
    first: Seen
    last: Seen
    replies: int = 0
    answers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Bfd:
    first: Seen
    last: Seen
    packets: int = 0
    states: list[tuple[Seen, str]] = field(default_factory=list)
    diagnostics: list[int] = field(default_factory=list)


class Surroundings:
    """Gathers facts; memory follows the number of address pairs."""

    def __init__(self) -> None:
        self._questions: dict[tuple[IpAddress, IpAddress], _Question] = {}
        self._bfd: dict[tuple[IpAddress, IpAddress, int], _Bfd] = {}

    def arp(self, data: bytes, at: int, seen: Seen) -> None:
        """RFC 826, Ethernet and IPv4 only."""
        if data[at : at + 6] != b"\x00\x01\x08\x00\x06\x04" or at + 28 > len(data):
            return
        operation = data[at + 7]
        sender = IPv4Address(data[at + 14 : at + 18])
        target = IPv4Address(data[at + 24 : at + 28])
        if operation == 1 and sender != target and int(sender):
            self._asked(sender, target, seen)
        elif operation == 2:
            self._answered(target, sender, data[at + 8 : at + 14])

    def icmp6(
        self, data: bytes, at: int, sender: IpAddress, target_of_reply: IpAddress, seen: Seen
    ) -> None:
        """Neighbour solicitation and advertisement (RFC 4861 sections 4.3 and 4.4)."""
        if at + 24 > len(data):
            return
        target = IPv6Address(data[at + 8 : at + 24])
        if data[at] == 135 and int(sender):
            self._asked(sender, target, seen)
        elif data[at] == 136:
            option = data[at + 24 : at + 32]
            self._answered(target_of_reply, target, option[2:8] if option[:1] == b"\x02" else b"")

    def _asked(self, sender: IpAddress, target: IpAddress, seen: Seen) -> None:
        question = self._questions.get((sender, target))
        if question is not None:
            question.requests += 1
            question.last = seen
        elif len(self._questions) < _MAX_PAIRS:
            self._questions[sender, target] = _Question(1, seen, seen)

    def _answered(self, asker: IpAddress, target: IpAddress, hardware: bytes) -> None:
        question = self._questions.get((asker, target))
        if question is not None:
            question.replies += 1
            if hardware:
                question.answers.add(hardware.hex(":"))

    def bfd(self, data: bytes, at: int, ends: tuple[IpAddress, IpAddress], seen: Seen) -> None:
        """A UDP datagram to a BFD port; `at` is its UDP header."""
        port = data[at + 2] << 8 | data[at + 3]
        if at + 32 > len(data) or data[at + 8] >> 5 != 1:  # version 1, 24 octets at least
            return
        key = (*ends, port)
        flow = self._bfd.get(key)
        if flow is None:
            if len(self._bfd) >= _MAX_PAIRS:
                return
            flow = self._bfd[key] = _Bfd(seen, seen)
        flow.packets += 1
        flow.last = seen
        state, diagnostic = _BFD_STATES[data[at + 9] >> 6], data[at + 8] & 0x1F
        if (not flow.states or flow.states[-1][1] != state) and len(flow.states) < _MAX_STATES:
            flow.states.append((seen, state))
        if diagnostic not in flow.diagnostics:
            flow.diagnostics.append(diagnostic)

    def questions(self) -> tuple[ArpQuestion, ...]:
        return tuple(
            ArpQuestion(*pair, q.requests, q.replies, q.first, q.last, frozenset(q.answers))
            for pair, q in self._questions.items()
        )

    def bfd_flows(self) -> tuple[BfdFlow, ...]:
        return tuple(
            BfdFlow(*key, b.packets, tuple(b.states), tuple(b.diagnostics), b.first, b.last)
            for key, b in self._bfd.items()
        )


def quoted4(data: bytes, at: int) -> QuotedPacket | None:
    """The TCP packet that an ICMP error quotes (RFC 792: header and eight octets of data)."""
    kind, code = data[at], data[at + 1]
    inner = at + 8
    if kind not in (3, 4, 11, 12) or inner + 20 > len(data) or data[inner + 9] != 6:
        return None
    ports = inner + (data[inner] & 15) * 4
    if ports + 4 > len(data):
        return None
    name = {4: "source quench", 11: "time to live exceeded", 12: "parameter problem"}.get(kind)
    mtu = None
    if kind == 3:
        name = _UNREACHABLE.get(code, f"unreachable, code {code}")
        mtu = (data[at + 6] << 8 | data[at + 7]) or None if code == 4 else None  # RFC 1191
    src, dst = data[inner + 12 : inner + 16], data[inner + 16 : inner + 20]
    sport, dport = data[ports : ports + 2], data[ports + 2 : ports + 4]
    return QuotedPacket(src + sport, dst + dport, kind, code, name or "", mtu)


def quoted6(data: bytes, at: int) -> QuotedPacket | None:
    """The TCP packet that an ICMPv6 error quotes (RFC 4443 section 3)."""
    kind, code = data[at], data[at + 1]
    inner = at + 8
    if kind not in (1, 2, 3, 4) or inner + 44 > len(data) or data[inner + 6] != 6:
        return None
    name = {2: "packet too big", 3: "hop limit exceeded", 4: "parameter problem"}.get(kind)
    if kind == 1:
        name = _UNREACHABLE6.get(code, f"unreachable, code {code}")
    mtu = int.from_bytes(data[at + 4 : at + 8], "big") if kind == 2 else None
    src, dst = data[inner + 8 : inner + 24], data[inner + 24 : inner + 40]
    sport, dport = data[inner + 40 : inner + 42], data[inner + 42 : inner + 44]
    return QuotedPacket(src + sport, dst + dport, kind, code, name or "", mtu)
