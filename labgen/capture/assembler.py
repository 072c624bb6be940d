"""Frames in, BGP messages and conversations out. One pass; memory follows open connections."""

from __future__ import annotations

import struct
from collections import OrderedDict
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from labgen.bgp.codec import Decoder, decode
from labgen.bgp.conversation import Capture, Seen, WireMessage, WireSession
from labgen.bgp.messages import Open
from labgen.bgp.negotiated import context_from_one
from labgen.bgp.vocabulary import BGP_PORT, MessageType
from labgen.capture.fragments import Datagram, Fragment, Fragments
from labgen.capture.half import Segment
from labgen.capture.headers import behind_extensions, socket_address, tcp_options, traffic_class
from labgen.capture.link import (
    ETHERNET,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    LINK_TYPES,
    network_layer,
)
from labgen.capture.surroundings import BFD_PORTS, Surroundings, quoted4, quoted6
from labgen.capture.tcp import RST, SYN, Connection
from labgen.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labgen.bgp.attribute_codec import DecodeContext
    from labgen.bgp.attributes import IpAddress
    from labgen.capture.files import Record
    from labgen.capture.surroundings import QuotedPacket

_UNTAGGED_IPV4 = b"\x08\x00"
_IPV4_ON_ETHERNET = (ETHERTYPE_IPV4, 14)  # the answer of `network_layer` for nearly every frame
_TCP_HEADER = struct.Struct("!HHIIBB")
_ICMP, _TCP, _UDP, _ICMP6 = 1, 6, 17, 58
_IPV6_FRAGMENT = 44
# Two NOPs and a timestamp: the options of nearly every segment with data on Linux.
_ONLY_TIMESTAMPS = b"\x01\x01\x08\x0a"
_MAX_STRANGERS = 4096  # connections on other ports that may still turn out to be BGP

_Key = tuple[bytes, bytes]


class _Packet(NamedTuple):
    """An IP packet: its transport header is at `at`, its source address of `width` octets at
    `place`."""

    data: bytes
    at: int
    place: int
    width: int
    seen: Seen

    def addresses(self) -> tuple[IpAddress, IpAddress]:
        middle = self.place + self.width
        return (
            ip_address(self.data[self.place : middle]),
            ip_address(self.data[middle : middle + self.width]),
        )


class Assembler:
    """Takes frames, gives messages; afterwards `capture()` is the whole story.

    `ports` are the TCP ports that are BGP whatever they carry; on other ports BGP is recognised by
    its header. With `keep` False the messages are handed out and forgotten.
    """

    def __init__(self, ports: Iterable[int] = (BGP_PORT,), *, keep: bool = True) -> None:
        self.ports = frozenset(ports) | {BGP_PORT}
        self._keep = keep
        self._connections: dict[_Key, tuple[Connection, int]] = {}
        self._known: list[Connection] = []
        self._strangers: OrderedDict[int, tuple[Connection, _Key]] = OrderedDict()
        self._decoders: dict[DecodeContext, Decoder] = {}
        self._out: list[WireMessage] = []
        self._unread_links: dict[int, int] = {}
        self._surroundings = Surroundings()
        self._fragments = 0
        self._datagrams4 = Fragments(overlaps_condemn=False)
        self._datagrams6 = Fragments(overlaps_condemn=True)
        self._frames = 0

    def add(self, record: Record, file: str, interface: str = "") -> list[WireMessage]:
        """Read one frame; the messages that end in it."""
        self._frames += 1
        frame, time_ns, link_type, data, _, _ = record
        if link_type == ETHERNET and data[12:14] == _UNTAGGED_IPV4:
            found: tuple[int, int] | None = _IPV4_ON_ETHERNET
        else:
            found = network_layer(link_type, data)
        if found is None:
            if link_type not in LINK_TYPES:
                self._unread_links[link_type] = self._unread_links.get(link_type, 0) + 1
            return []
        ethertype, at = found
        seen = Seen(time_ns, file, frame)
        if ethertype == ETHERTYPE_IPV4:
            self._ipv4(data, at, seen, interface)
        elif ethertype == ETHERTYPE_IPV6:
            self._ipv6(data, at, seen, interface)
        elif ethertype == ETHERTYPE_ARP:
            self._surroundings.arp(data, at, seen)
        if not self._out:
            return []
        out, self._out = self._out, []
        return out

    def finish(self) -> list[WireMessage]:
        """The capture ends: what can still be said is said."""
        for connection in self._known:
            connection.finish()
        out, self._out = self._out, []
        return out

    def capture(self, notes: Iterable[str] = ()) -> Capture:
        """All that was read, as values."""
        by_pair: dict[tuple[IpAddress, IpAddress], list[Connection]] = {}
        for connection in self._known:
            ends = sorted(
                (half.flow.src.address for half in connection.halves), key=lambda a: a.packed
            )
            by_pair.setdefault((ends[0], ends[1]), []).append(connection)
        sessions = tuple(
            WireSession(pair, tuple(c.freeze(self.ports) for c in connections))
            for pair, connections in by_pair.items()
        )
        unread = tuple(
            f"{count} frames have link type {link}, which labgen does not read"
            for link, count in self._unread_links.items()
        )
        return Capture(
            sessions=sessions,
            arp=self._surroundings.questions(),
            bfd=self._surroundings.bfd_flows(),
            fragments=self._fragments,
            incomplete_datagrams=self._datagrams4.incomplete + self._datagrams6.incomplete,
            frames=self._frames,
            notes=(*notes, *unread),
        )

    def _ipv4(self, data: bytes, at: int, seen: Seen, interface: str) -> None:
        if at + 20 > len(data) or data[at] >> 4 != 4:
            return
        header = (data[at] & 15) * 4
        total = data[at + 2] << 8 | data[at + 3]
        # A total length of 0 is what segmentation offload leaves in a capture.
        end = at + total if total else len(data)
        if header < 20:
            return
        carriers: tuple[int, ...] = ()
        fragment = data[at + 6] << 8 | data[at + 7]
        if fragment & 0x3FFF:
            whole = self._fragment4(data, at, header, end, seen)
            if whole is None:
                return
            data, at, end = whole.header + whole.data, 0, header + whole.length
            carriers = whole.frames
        protocol = data[at + 9]
        if protocol == _TCP:
            identity = data[at + 4] << 8 | data[at + 5]
            place, life = (at + 12, 4), (data[at + 8], identity)
            self._tcp(data, at + header, end, place, life, seen, interface, carriers)
            return
        packet = _Packet(data, at + header, at + 12, 4, seen)
        if protocol == _UDP:
            self._udp(packet)
        elif protocol == _ICMP and at + header + 8 <= len(data):
            self._quoted(quoted4(data, at + header), packet)

    def _ipv6(self, data: bytes, at: int, seen: Seen, interface: str) -> None:
        if at + 40 > len(data) or data[at] >> 4 != 6:
            return
        length = data[at + 4] << 8 | data[at + 5]
        end = at + 40 + length if length else len(data)
        protocol, place = behind_extensions(data, data[at + 6], at + 40)
        carriers: tuple[int, ...] = ()
        if protocol == _IPV6_FRAGMENT and place + 8 <= len(data):
            whole = self._fragment6(data, at, place, end, seen)
            if whole is None:
                return
            data, at, end = whole.header + whole.data, 0, 40 + whole.length
            protocol, place = behind_extensions(data, whole.next_header, 40)
            carriers = whole.frames
        if protocol == _TCP:
            self._tcp(data, place, end, (at + 8, 16), (data[at + 7], 0), seen, interface, carriers)
            return
        packet = _Packet(data, place, at + 8, 16, seen)
        if protocol == _UDP:
            self._udp(packet)
        elif protocol == _ICMP6 and place + 8 <= len(data):
            if data[place] in (135, 136):
                src, dst = packet.addresses()
                self._surroundings.icmp6(data, place, src, dst, seen)
            else:
                self._quoted(quoted6(data, place), packet)

    def _fragment4(
        self, data: bytes, at: int, header: int, end: int, seen: Seen
    ) -> Datagram | None:
        """Keep a fragment; the datagram that it completes. RFC 791 section 3.2."""
        self._fragments += 1
        word, start = data[at + 6] << 8 | data[at + 7], at + header
        if start > len(data) or end < start:
            return None
        key = data[at + 12 : at + 20] + data[at + 4 : at + 6] + data[at + 9 : at + 10]
        return self._datagrams4.add(
            key,
            Fragment(
                start=(word & 0x1FFF) * 8,
                length=end - start,
                more=bool(word & 0x2000),
                data=data[start:end],
                # The flags and the offset are the fragment's, not the datagram's.
                header=data[at : at + 6] + b"\0\0" + data[at + 8 : start],
                next_header=data[at + 9],
                frame=seen.frame,
                time_ns=seen.time_ns,
            ),
        )

    def _fragment6(self, data: bytes, at: int, place: int, end: int, seen: Seen) -> Datagram | None:
        """The same for the fragment header at `place`. RFC 8200 section 4.5."""
        self._fragments += 1
        word, start = data[place + 2] << 8 | data[place + 3], place + 8
        if end < start:
            return None
        header, protocol = data[at : at + 40], data[place]
        if not word & 0xFFF9:
            # RFC 6946: offset 0 and nothing to follow is a datagram by itself.
            return Datagram(header, protocol, data[start:end], end - start, (seen.frame,))
        key = data[at + 8 : at + 40] + data[place + 4 : place + 8]
        return self._datagrams6.add(
            key,
            Fragment(
                start=word & 0xFFF8,
                length=end - start,
                more=bool(word & 1),
                data=data[start:end],
                header=header,
                next_header=protocol,
                frame=seen.frame,
                time_ns=seen.time_ns,
            ),
        )

    def _udp(self, packet: _Packet) -> None:
        data, at = packet.data, packet.at
        if at + 8 <= len(data) and (data[at + 2] << 8 | data[at + 3]) in BFD_PORTS:
            self._surroundings.bfd(data, at, packet.addresses(), packet.seen)

    def _quoted(self, quoted: QuotedPacket | None, packet: _Packet) -> None:
        if quoted is None:
            return
        found = self._connections.get((quoted.src, quoted.dst))
        if found is None:
            ports = {int.from_bytes(end[-2:], "big") for end in (quoted.src, quoted.dst)}
            if not ports & self.ports:
                return
            # The capture missed the packet, but the error that it drew tells about it.
            found = self._connect(quoted.src, quoted.dst, is_bgp=True)
        connection, side = found
        sender, _ = packet.addresses()
        connection.quote(side, packet.seen, sender, quoted)

    def _tcp(
        self,
        data: bytes,
        at: int,
        end: int,
        addresses: tuple[int, int],
        life: tuple[int, int],
        seen: Seen,
        interface: str,
        carriers: tuple[int, ...],
    ) -> None:
        """A segment at `at`: `addresses` are the place and width of the source address, `life` the
        TTL and the IP identification, `carriers` the frames of its fragments."""
        place, width = addresses
        ttl, identity = life
        if at + 20 > len(data):
            return
        sport, dport, seq, ack, offset, flags = _TCP_HEADER.unpack_from(data, at)
        payload = at + (offset >> 4) * 4
        length = end - payload
        if payload < at + 20 or length < 0:
            return
        src = data[place : place + width] + data[at : at + 2]
        dst = data[place + width : place + 2 * width] + data[at + 2 : at + 4]
        found = self._connections.get((src, dst))
        md5, mss = False, None
        if payload > at + 20 and data[at + 20 : at + 24] != _ONLY_TIMESTAMPS:
            md5, mss = tcp_options(data, at + 20, payload)
        octets = data[payload:end] if length else b""
        segment = Segment(
            seen, seq, ack, flags, ttl, md5, mss, octets, length, identity, interface, carriers
        )
        if found is None or (flags & SYN and found[0].begins_anew(found[1], segment)):
            found = self._connect(src, dst, is_bgp=sport in self.ports or dport in self.ports)
        connection, side = found
        was_bgp = connection.is_bgp
        connection.add(side, segment)
        if flags & (SYN | RST):
            connection.note_class(side, flags, traffic_class(data, place, width))
        if not was_bgp and connection.is_bgp:
            self._strangers.pop(id(connection), None)
            self._known.append(connection)

    def _connect(self, src: bytes, dst: bytes, *, is_bgp: bool) -> tuple[Connection, int]:
        ends = socket_address(src), socket_address(dst)
        messages: list[WireMessage] = []

        def emit(message: WireMessage) -> None:
            if message.framed:
                connection.half_of(message).note_message(message)
                if message.type_code == MessageType.OPEN:
                    self._opened(connection, message)
            if self._keep:
                messages.append(message)
            self._out.append(message)

        connection = Connection(
            ends, emit, self._decoder(context_from_one(None, peer=None)), is_bgp=is_bgp
        )
        connection.messages = messages
        self._connections[src, dst] = (connection, 0)
        self._connections[dst, src] = (connection, 1)
        if is_bgp:
            self._known.append(connection)
        else:
            self._remember_stranger(connection, (src, dst))
        return connection, 0

    def _remember_stranger(self, connection: Connection, key: _Key) -> None:
        self._strangers[id(connection)] = (connection, key)
        if len(self._strangers) > _MAX_STRANGERS:
            _, (old, (src, dst)) = self._strangers.popitem(last=False)
            if self._connections.get((src, dst), (None,))[0] is old:
                del self._connections[src, dst]
                del self._connections[dst, src]

    def _decoder(self, context: DecodeContext) -> Decoder:
        decoder = self._decoders.get(context)
        if decoder is None:
            decoder = self._decoders[context] = Decoder(context)
        return decoder

    def _opened(self, connection: Connection, message: WireMessage) -> None:
        """An OPEN: from here on both directions are read as the OPENs say."""
        opens: list[Open | None] = list(connection.opens)
        side = 0 if message.src == connection.halves[0].flow.src else 1
        if opens[side] is None:
            try:
                decoded = decode(message.raw)
            except DecodeError:
                return
            assert isinstance(decoded, Open)
            opens[side] = decoded
            connection.opens = (opens[0], opens[1])
            for i, half in enumerate(connection.halves):
                context = context_from_one(opens[i], peer=opens[1 - i])
                half.flow.decoder = self._decoder(context)
