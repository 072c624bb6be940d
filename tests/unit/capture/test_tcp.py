"""Reassembly: what the network and the capture do to segments must not change what BGP said."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labgen.bgp.codec import encode
from labgen.bgp.conversation import Capture
from labgen.bgp.messages import Keepalive, Notification, Update
from labgen.bgp.nlri import NlriBlock
from labgen.bgp.vocabulary import FsmState, MessageType
from labgen.capture.read import read_capture
from tests.unit.capture.packets import (
    ACK,
    CLIENT,
    FIN,
    PSH,
    RST,
    SERVER,
    SYN,
    Connection,
    an_open,
    ethernet,
    ip,
    on_ethernet,
    pcap,
    tcp,
)

Packets = list[tuple[int, bytes]]


def read(tmp_path: Path, packets: Packets, **options: object) -> Capture:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap(on_ethernet(packets)))
    return read_capture(path, **options)  # type: ignore[arg-type]


def withdrawal(index: int) -> bytes:
    block = NlriBlock.of([f"10.{index >> 8 & 255}.{index & 255}.0/24"])
    return encode(Update(withdrawn_routes=block))


def prefixes(capture: Capture) -> list[str]:
    (session,) = capture.sessions
    return [
        text
        for wire in session.messages
        if isinstance(wire.message, Update)
        for text in wire.message.withdrawn_routes.texts
    ]


def start(connection: Connection) -> Packets:
    packets = connection.handshake()
    packets.append(connection.packet(0, PSH | ACK, encode(an_open()) + encode(Keepalive())))
    reply = encode(an_open(identifier="10.1.20.20")) + encode(Keepalive())
    packets.append(connection.packet(1, PSH | ACK, reply))
    return packets


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), wrap=st.booleans())
def test_any_mix_of_splits_repeats_overlaps_and_reordering(
    tmp_path_factory: pytest.TempPathFactory, seed: int, wrap: bool
) -> None:
    source = Random(seed)
    isn = (0xFFFFFFFF - source.randint(0, 500), 7) if wrap else (1000, 2000)
    connection = Connection(isn=isn)
    packets = start(connection)
    count = source.randint(1, 60)
    stream = b"".join(withdrawal(i) for i in range(count))
    base, pieces = connection.seq[0], []
    at = 0
    while at < len(stream):
        size = source.randint(1, 120)
        early = source.randint(0, min(at, 40)) if source.random() < 0.3 else 0
        pieces.append((at - early, stream[at - early : at + size]))
        at += size
    for index in range(len(pieces)):
        other = min(len(pieces) - 1, index + source.randint(0, 3))
        pieces[index], pieces[other] = pieces[other], pieces[index]
        if source.random() < 0.2:
            pieces.insert(index, pieces[source.randint(0, index)])
    for offset, data in pieces:
        packets.append(connection.packet(0, ACK, data, seq=base + offset, step_ns=100_000))
    capture = read(tmp_path_factory.mktemp("mix"), packets)
    expected = [f"10.{i >> 8 & 255}.{i & 255}.0/24" for i in range(count)]
    assert sorted(prefixes(capture)) == sorted(expected)
    assert not any(w.error for w in capture.sessions[0].messages)


def test_a_frame_is_where_the_message_ends(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    raw = withdrawal(1)
    packets += [connection.packet(0, ACK, raw[:10]), connection.packet(0, ACK, raw[10:])]
    message = read(tmp_path, packets).sessions[0].messages[-1]
    assert message.frames == (6, 7)
    assert message.frame == 7


def test_a_loss_is_reported_and_the_next_message_is_read(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    sent = [connection.packet(0, ACK, withdrawal(i)) for i in range(40)]
    packets += [p for i, p in enumerate(sent) if i not in (5, 6)]
    packets.append(connection.packet(1, ACK))  # the other end did receive them
    capture = read(tmp_path, packets)
    (conversation,) = capture.sessions[0].conversations
    assert [gap.octets for gap in conversation.from_client.gaps] == [2 * len(withdrawal(0))]
    assert len(prefixes(capture)) == 38
    assert prefixes(capture)[5] == "10.0.7.0/24"


def test_a_loss_inside_a_message_costs_only_that_message(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    stream = b"".join(withdrawal(i) for i in range(100))
    sent = [connection.packet(0, ACK, stream[i : i + 50]) for i in range(0, len(stream), 50)]
    del sent[7]
    capture = read(tmp_path, packets + sent)
    errors = [w for w in capture.sessions[0].messages if w.error]
    assert len(errors) == 1
    assert "octets are in the capture" in errors[0].error.reason  # type: ignore[union-attr]
    assert len(prefixes(capture)) == 97


@pytest.mark.parametrize("side", [0, 1])
def test_one_direction_alone_is_enough(tmp_path: Path, side: int) -> None:
    connection = Connection()
    packets = start(connection)
    packets += [connection.packet(side, ACK, withdrawal(i)) for i in range(3)]
    source = (CLIENT, SERVER)[side].packed
    capture = read(tmp_path, [p for p in packets if p[1][12:16] == source])
    assert prefixes(capture) == ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"]
    (conversation,) = capture.sessions[0].conversations
    assert conversation.client.address == CLIENT
    assert conversation.server.port == 179


def test_a_capture_may_begin_in_the_middle_of_a_message(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    stream = b"".join(withdrawal(i) for i in range(10))
    packets += [connection.packet(0, ACK, stream[i : i + 40]) for i in range(0, len(stream), 40)]
    capture = read(tmp_path, packets[6:])
    (conversation,) = capture.sessions[0].conversations
    assert not conversation.start_seen
    assert prefixes(capture)[-1] == "10.0.9.0/24"
    assert conversation.client.port == 40000
    assert not any(w.error for w in conversation.messages)


def test_a_snaplen_cuts_messages_without_inventing_any(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    big = encode(Update(withdrawn_routes=NlriBlock.of(f"10.{i}.0.0/16" for i in range(200))))
    packets += [connection.packet(0, ACK, big), connection.packet(0, ACK, withdrawal(1))]
    path = tmp_path / "cut.pcap"
    path.write_bytes(pcap(on_ethernet(packets), snaplen=200))
    capture = read_capture(path)
    errors = [w for w in capture.sessions[0].messages if w.error]
    assert [e.length for e in errors] == [len(big)]
    assert prefixes(capture) == ["10.0.1.0/24"]


def test_the_same_ports_used_again_are_another_conversation(tmp_path: Path) -> None:
    first = Connection()
    packets = start(first)
    packets += [first.packet(0, ACK | FIN), first.packet(1, ACK | FIN)]
    second = Connection(isn=(900_000, 5), start_ns=first.now + 10**9)
    packets += start(second)
    (session,) = read(tmp_path, packets).sessions
    assert len(session.conversations) == 2
    assert [len(c.messages) for c in session.conversations] == [4, 4]
    assert session.current is session.conversations[1]


def test_a_collision_is_seen_as_one(tmp_path: Path) -> None:
    ours = Connection()
    theirs = Connection(SERVER, CLIENT, ports=(41000, 179), start_ns=ours.now + 1000)
    packets = [*ours.handshake(), *theirs.handshake()]
    for connection in (ours, theirs):
        packets.append(connection.packet(0, PSH | ACK, encode(an_open())))
        packets.append(connection.packet(1, PSH | ACK, encode(an_open())))
    packets.append(theirs.packet(0, PSH | ACK, encode(Notification(6, 7))))
    packets.sort()
    (session,) = read(tmp_path, packets).sessions
    assert len(session.collisions) == 1


def test_bgp_on_another_port_is_recognised_by_its_header(tmp_path: Path) -> None:
    connection = Connection(ports=(40000, 1790))
    packets = start(connection)
    web = Connection(SERVER, ip_address("10.1.20.9"), ports=(5000, 80))
    packets += [*web.handshake(), web.packet(0, PSH | ACK, b"GET / HTTP/1.0\r\n\r\n")]
    (session,) = read(tmp_path, packets).sessions
    assert session.addresses == (CLIENT, SERVER)
    (conversation,) = session.conversations
    assert conversation.server.port == 1790
    assert len(conversation.from_client.syns) == 1
    assert conversation.state is FsmState.ESTABLISHED


def test_a_port_given_by_hand_shows_even_an_unanswered_syn(tmp_path: Path) -> None:
    connection = Connection(ports=(40000, 1790))
    packets = [connection.packet(0, SYN, seq=1000) for _ in range(3)]
    assert read(tmp_path, packets).sessions == ()
    (session,) = read(tmp_path, packets, ports=[1790]).sessions
    (conversation,) = session.conversations
    assert conversation.unanswered
    assert len(conversation.from_client.syns) == 3


def test_facts_of_the_handshake(tmp_path: Path) -> None:
    connection = Connection()
    md5 = b"\x13\x12" + bytes(16)
    packets = [
        connection.packet(0, SYN, options=b"\x02\x04\x05\xb4" + md5, ttl=255),
        connection.packet(1, RST | ACK, ttl=62),
    ]
    (conversation,) = read(tmp_path, packets).sessions[0].conversations
    client, server = conversation.from_client, conversation.from_server
    assert (client.md5_syns, client.mss, client.handshake_ttls) == (1, 1460, {255})
    assert (conversation.refused, server.reset_ttls) == (True, {62})
    assert conversation.state is FsmState.CONNECT


def test_a_retransmission_is_counted_and_a_packet_met_twice_is_not(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    segment = connection.packet(0, ACK, withdrawal(1))
    packets += [segment, segment]
    again = connection.packet(0, ACK, withdrawal(1), seq=connection.seq[0] - len(withdrawal(1)))
    packets.append(again)
    (conversation,) = read(tmp_path, packets).sessions[0].conversations
    facts = conversation.from_client
    assert (facts.duplicates, facts.retransmissions) == (1, 1)
    assert [r.length for r in facts.retransmitted] == [len(withdrawal(1))]


def test_a_broken_marker_is_an_error_and_reading_goes_on(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    broken = b"\0" + withdrawal(1)[1:]
    packets.append(connection.packet(0, ACK, withdrawal(0) + broken + withdrawal(2)))
    capture = read(tmp_path, packets)
    assert prefixes(capture) == ["10.0.0.0/24", "10.0.2.0/24"]
    (wrong,) = [w for w in capture.sessions[0].messages if w.error]
    assert "marker" in wrong.error.reason  # type: ignore[union-attr]
    assert wrong.error.frame == wrong.frame == 6  # type: ignore[union-attr]


def test_a_length_beyond_what_was_negotiated_is_an_error(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    bad = bytearray(withdrawal(1))
    bad[16:18] = struct.pack("!H", 18)
    packets.append(connection.packet(0, ACK, bytes(bad) + withdrawal(2)))
    capture = read(tmp_path, packets)
    assert prefixes(capture) == ["10.0.2.0/24"]
    assert [w.error.offset for w in capture.sessions[0].messages if w.error] == [16]  # type: ignore[union-attr]


def test_a_prefix_of_ones_before_a_marker_does_not_hide_it(tmp_path: Path) -> None:
    connection = Connection()
    packets = start(connection)
    ones = encode(Update(withdrawn_routes=NlriBlock.of(["255.255.255.255/32"])))
    stream = ones + withdrawal(3)
    packets.append(connection.packet(0, ACK, stream[: len(ones) - 8]))
    lost = connection.packet(0, ACK, stream[len(ones) - 8 : len(ones) - 4])
    assert lost
    packets += [connection.packet(0, ACK, stream[len(ones) - 4 :]), connection.packet(1, ACK)]
    assert prefixes(read(tmp_path, packets)) == ["10.0.3.0/24"]


def test_an_icmp_error_is_a_fact_of_the_connection_it_quotes(tmp_path: Path) -> None:
    connection = Connection()
    packets = [connection.packet(0, SYN)]
    quoted = packets[0][1][:28]
    error = struct.pack("!BBHI", 11, 0, 0, 0) + quoted
    router = ip_address("10.1.20.1")
    packets.append((packets[0][0] + 5, ip(router, CLIENT, error, protocol=1)))
    (conversation,) = read(tmp_path, packets).sessions[0].conversations
    (seen,) = conversation.icmp_errors
    assert (seen.sender, seen.name, seen.quotes_client) == (router, "time to live exceeded", True)


def test_unanswered_arp_and_bfd_are_facts_of_the_capture(tmp_path: Path) -> None:
    who = b"\x00\x01\x08\x00\x06\x04\x00\x01" + bytes(6) + CLIENT.packed + bytes(6) + SERVER.packed
    frame = b"\xff" * 6 + bytes(6) + b"\x08\x06" + who
    control = bytes((0x21, 0x40, 3, 24)) + bytes(20)
    udp = struct.pack("!HHHH", 49152, 3784, 8 + len(control), 0) + control
    path = tmp_path / "facts.pcap"
    bfd = ethernet(ip(CLIENT, SERVER, udp, protocol=17, ttl=255))
    path.write_bytes(pcap([(1, frame), (2, frame), (3, bfd)]))
    capture = read_capture(path)
    (question,) = capture.arp
    assert (question.requests, question.replies, question.target) == (2, 0, SERVER)
    (flow,) = capture.bfd
    assert (flow.packets, flow.diagnostics) == (1, (1,))
    assert [state for _, state in flow.states] == ["Down"]


def test_ipv6_behind_extension_headers(tmp_path: Path) -> None:
    src, dst = ip_address("fd00::1"), ip_address("fd00::2")
    segment = tcp(40000, 179, 1, 1, PSH | ACK, encode(Keepalive()))
    hop_by_hop = bytes((6, 0)) + bytes(6)
    path = tmp_path / "six.pcap"
    frame = ethernet(ip(src, dst, hop_by_hop + segment, protocol=0))
    path.write_bytes(pcap([(1, frame)]))
    (session,) = read_capture(path).sessions
    assert [m.type for m in session.messages] == [MessageType.KEEPALIVE]


def test_octets_that_are_no_message_prove_no_state(tmp_path: Path) -> None:
    connection = Connection()
    packets = connection.handshake()
    packets.append(connection.packet(0, ACK, b"\0" + withdrawal(1)[1:]))
    (conversation,) = read(tmp_path, packets).sessions[0].conversations
    assert conversation.state is FsmState.OPEN_SENT
    assert conversation.from_client.counts == ()


def test_keepalives_of_the_only_direction_prove_established(tmp_path: Path) -> None:
    connection = Connection()
    packets = [connection.packet(0, ACK, encode(Keepalive())) for _ in range(3)]
    (conversation,) = read(tmp_path, packets).sessions[0].conversations
    assert conversation.state is FsmState.ESTABLISHED
    (early,) = read(tmp_path, packets[:1]).sessions[0].conversations
    assert early.state is FsmState.OPEN_CONFIRM


def test_a_message_behind_lost_octets_is_given_at_once(tmp_path: Path) -> None:
    """It ends in its own frame, however long the message before the loss was."""
    connection = Connection()
    packets = connection.handshake()
    long = encode(Update(withdrawn_routes=NlriBlock.of(f"10.{n}.0.0/16" for n in range(256))))
    for piece in (long[:300], long[300:] + bytes(30) + b"\xff" * 9, withdrawal(1), withdrawal(2)):
        packets.append(connection.packet(0, PSH | ACK, piece))
    (session,) = read(tmp_path, packets).sessions
    assert [m.frame for m in session.messages if not m.error] == [5, 6, 7]


def test_the_time_is_that_of_the_frame_where_the_message_ends(tmp_path: Path) -> None:
    """Frames of several interfaces need not stand in the order of their times."""
    connection = Connection()
    packets = connection.handshake()
    octets = withdrawal(1)
    for piece in (octets[:10], octets[10:] + octets[:10], octets[10:]):
        packets.append(connection.packet(0, PSH | ACK, piece))
    packets[-3:] = [(now - 5_000_000 * n, packet) for n, (now, packet) in enumerate(packets[-3:])]
    (session,) = read(tmp_path, packets).sessions
    found = sorted(session.messages, key=lambda m: m.frame)
    assert [(m.frame, m.time_ns) for m in found] == [(n, packets[n - 1][0]) for n in (5, 6)]


def test_a_message_over_two_files_ends_in_the_second(tmp_path: Path) -> None:
    connection = Connection()
    packets = connection.handshake()
    octets = withdrawal(1)
    packets += [connection.packet(0, PSH | ACK, piece) for piece in (octets[:20], octets[20:])]
    paths = [tmp_path / "a.pcap", tmp_path / "b.pcap"]
    paths[0].write_bytes(pcap(on_ethernet(packets[:-1])))
    paths[1].write_bytes(pcap(on_ethernet(packets[-1:])))
    (session,) = read_capture(paths).sessions
    (message,) = session.messages
    assert (message.file, message.frames) == (str(paths[1]), (1,))
    assert message.time_ns == packets[-1][0]
