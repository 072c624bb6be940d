"""Captures on real segments: from the first SYN, each frame once, under the port's name."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import PcapNgReader

from labgen.capture import sniffing
from labgen.errors import CaptureError, InputError, LabError
from labgen.lab.wait import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("runtime-capture")]
SEGMENT = ("net",)


def frames(path):
    with PcapNgReader(str(path)) as reader:
        return [Ether(bytes(packet)) for packet in reader]


def sniffed_port(path):
    with PcapNgReader(str(path)) as reader:
        return {packet.sniffed_on for packet in reader}


def ping(lab, address="10.1.20.20", *options):
    return lab.commands.run("bigip-1", ["ping", "-c", "3", "-i", "0.05", *options, address]).check()


def test_the_default_capture_holds_every_session_from_its_first_syn(lab, tmp_path):
    sniffing.save(lab.deployment.directory, tmp_path / "all.pcapng")
    segments = [f[TCP] for f in frames(tmp_path / "all.pcapng") if TCP in f]
    first: dict[frozenset[int], str] = {}
    for segment in segments:
        first.setdefault(frozenset((segment.sport, segment.dport)), str(segment.flags))
    assert len(first) >= 6  # three sessions with the stand-in, three of the mesh
    assert set(first.values()) == {"S"}


def test_ports_are_named_after_the_node_behind_them(lab, tmp_path):
    sniffing.save(lab.deployment.directory, tmp_path / "all.pcapng")
    ports = {
        p.decode() if isinstance(p, bytes) else p for p in sniffed_port(tmp_path / "all.pcapng")
    }
    assert ports == {"bigip-1", "n1", "n2", "n3"}


def test_a_named_capture_holds_each_frame_once_and_only_what_passes_its_filter(lab, tmp_path):
    sniffing.start(lab.commands, SEGMENT, "pings", capture_filter="icmp")
    ping(lab)
    sniffing.stop(lab.commands, SEGMENT, "pings")
    count = sniffing.save(lab.deployment.directory, tmp_path / "pings.pcapng", "pings")
    seen = Counter((f[IP].src, f[ICMP].seq) for f in frames(tmp_path / "pings.pcapng"))
    assert count == len(frames(tmp_path / "pings.pcapng")) == 6
    assert set(seen.values()) == {1}


def test_an_empty_filter_records_everything(lab, tmp_path):
    sniffing.start(lab.commands, SEGMENT, "all-of-it", capture_filter="")
    lab.commands.run("bigip-1", ["ip", "neigh", "flush", "all"]).check()
    ping(lab)
    sniffing.stop(lab.commands, SEGMENT, "all-of-it")
    sniffing.save(lab.deployment.directory, tmp_path / "a.pcapng", "all-of-it")
    seen = frames(tmp_path / "a.pcapng")
    assert any(ARP in f for f in seen)
    assert sum(ICMP in f for f in seen) == 6


def test_a_running_capture_cannot_be_started_twice_and_a_stopped_one_not_stopped(lab):
    sniffing.start(lab.commands, SEGMENT, "twice")
    with pytest.raises(LabError, match="net: the capture twice is already running"):
        sniffing.start(lab.commands, SEGMENT, "twice")
    sniffing.stop(lab.commands, SEGMENT, "twice")
    with pytest.raises(LabError, match="no capture twice is running"):
        sniffing.stop(lab.commands, SEGMENT, "twice")


def test_a_bad_filter_is_the_users_and_starts_nothing(lab):
    with pytest.raises(InputError, match=r"the filter is not understood: .*syntax error"):
        sniffing.start(lab.commands, SEGMENT, "bad", capture_filter="tcp porrt")
    assert "bad" not in {c.name for c in sniffing.captures(lab.deployment.directory)}


def test_captures_are_listed_with_their_state(lab):
    sniffing.start(lab.commands, SEGMENT, "listed")
    listed = {c.name: c for c in sniffing.captures(lab.deployment.directory)}
    assert listed["default"].running
    assert listed["default"].octets > 0
    assert listed["listed"].running
    sniffing.stop(lab.commands, SEGMENT, "listed")
    listed = {c.name: c for c in sniffing.captures(lab.deployment.directory)}
    assert not listed["listed"].running
    assert listed["default"].running


def test_a_forgotten_capture_keeps_within_its_cap(lab):
    limits = sniffing.Limits(files=3, octets=8192)
    sniffing.start(lab.commands, SEGMENT, "ring", capture_filter="icmp", limits=limits)
    lab.commands.run(
        "bigip-1", ["ping", "-q", "-c", "80", "-i", "0.002", "-s", "1000", "10.1.20.20"]
    )
    sniffing.stop(lab.commands, SEGMENT, "ring")
    ring = next(c for c in sniffing.captures(lab.deployment.directory) if c.name == "ring")
    assert len(ring.files) == 3
    assert ring.octets < 3 * (8192 + 2048)
    assert ring.files[0].name != "ring.00001.pcapng"
    for path in ring.files[:-1]:  # the last may have been begun by the last frame
        assert frames(path)  # each file stands alone


def test_a_killed_sniffer_leaves_a_readable_file_and_another_may_follow(lab, tmp_path):
    sniffing.start(lab.commands, SEGMENT, "killed", capture_filter="icmp")
    ping(lab)
    directory = lab.deployment.directory / "captures" / "net"
    pid = (directory / ".killed.lock").read_text().strip()
    wait_until(
        lambda: len(frames(directory / "killed.00001.pcapng")), lambda n: n == 6,
        deadline=5, what="frames on disk",
    )  # fmt: skip
    lab.commands.run("net", ["kill", "-9", pid]).check()
    wait_until(
        lambda: {c.name: c.running for c in sniffing.captures(lab.deployment.directory)},
        lambda running: not running["killed"], deadline=5, what="the end of the sniffer",
    )  # fmt: skip
    sniffing.start(lab.commands, SEGMENT, "killed", capture_filter="icmp")
    ping(lab)
    sniffing.stop(lab.commands, SEGMENT, "killed")
    assert sniffing.save(lab.deployment.directory, tmp_path / "k.pcapng", "killed") == 12


def test_a_stream_begins_at_the_beginning_and_goes_on(lab, tmp_path):
    out = io.BytesIO()
    looks = iter((True, True, False))

    def more():
        ping(lab)
        return next(looks)

    sniffing.stream(lab.deployment.directory, out, more)
    (tmp_path / "s.pcapng").write_bytes(out.getvalue())
    seen = frames(tmp_path / "s.pcapng")
    assert sum(ICMP in f for f in seen) >= 12
    assert any(TCP in f and f[TCP].flags == "S" for f in seen)


def test_no_such_capture_names_those_there_are(lab, tmp_path):
    with pytest.raises(CaptureError, match=r"no capture nope .*default on net"):
        sniffing.save(lab.deployment.directory, tmp_path / "x.pcapng", "nope")
    assert not (tmp_path / "x.pcapng").exists()
