"""Captures as files: what the sniffer writes, what a reader makes of it."""

from __future__ import annotations

import fcntl
import importlib.util
import io
import struct
import subprocess
from pathlib import Path

import pytest
from scapy.utils import PcapNgReader

from labgen import images
from labgen.capture import merging, sniffing
from labgen.errors import CaptureError, InputError, LabError
from labgen.runtime.protocol import Completed

FRAME = bytes(range(60))


def load(relative):
    """A script of an image, as a module."""
    path = Path(images.__file__).parent / relative
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sniffer = load("segment/sniffer.py")


def begin(path, *ports):
    """A capture file with its header and ports, as the sniffer begins one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        sniffer.section_header("test")
        + b"".join(sniffer.interface_description(p, f"port {p}", "tcp port 179") for p in ports)
    )


def add(path, *packets):
    """Append (interface, stamp in ns, frame) records."""
    with path.open("ab") as file:
        for interface, stamp, frame in packets:
            file.write(sniffer.enhanced_packet(interface, stamp, frame))


def read(path):
    with PcapNgReader(str(path)) as reader:
        return [(str(p.sniffed_on), p.time, bytes(p)) for p in reader]


def name_of(port):
    return port if isinstance(port, str) else port.decode()


@pytest.fixture
def lab(tmp_path):
    """Two segments, two files on the first."""
    first, second = tmp_path / "captures/a", tmp_path / "captures/b"
    begin(first / "default.00001.pcapng", "n1", "n2")
    add(first / "default.00001.pcapng", (0, 1_000, FRAME), (1, 3_000, FRAME))
    begin(first / "default.00002.pcapng", "n2")
    add(first / "default.00002.pcapng", (0, 5_000, FRAME))
    begin(second / "default.00001.pcapng", "n1")
    add(second / "default.00001.pcapng", (0, 2_000, FRAME), (0, 4_000_000_000_123, FRAME))
    return tmp_path


def test_another_reader_understands_the_sniffers_files(lab):
    seen = read(lab / "captures/b/default.00001.pcapng")
    assert [frame for _, _, frame in seen] == [FRAME, FRAME]
    assert [f"{float(time):.9f}" for _, time, _ in seen] == ["0.000002000", "4000.000000123"]


def test_a_merge_is_in_order_of_time_with_every_port_told_apart(lab, tmp_path):
    assert sniffing.save(lab, tmp_path / "all.pcapng") == 5
    stamps = [float(time) for _, time, _ in read(tmp_path / "all.pcapng")]
    assert stamps == sorted(stamps)
    interfaces = 0
    with (tmp_path / "all.pcapng").open("rb") as file:
        while (block := merging._next_block(file, tmp_path)) is not None:
            interfaces += block[0] == merging.INTERFACE
    assert interfaces == 2  # n1 on both segments is described alike, n2 is one port of two files


def test_statistics_survive_a_merge(lab, tmp_path):
    with (lab / "captures/b/default.00001.pcapng").open("ab") as file:
        file.write(sniffer.interface_statistics(0, 9_000, 2, 7))
    sniffing.save(lab, tmp_path / "all.pcapng")
    assert struct.pack("<HHQ", 5, 8, 7) in (tmp_path / "all.pcapng").read_bytes()


def test_one_segment_may_be_asked_for(lab, tmp_path):
    assert sniffing.save(lab, tmp_path / "a.pcapng", segments=["a"]) == 3


def test_a_half_written_record_is_left_for_the_next_look(lab):
    path = lab / "captures/b/default.00001.pcapng"
    row = merging.Row(path.parent, "default")
    assert len(list(row.records())) == 2
    record = sniffer.enhanced_packet(0, 9_000, FRAME)
    for end in (3, 9, 40):
        with path.open("ab") as file:
            file.write(record[:end])
        assert list(row.records()) == []
        path.write_bytes(path.read_bytes()[:-end])
    add(path, (0, 9_000, FRAME))
    assert [r.stamp for r in row.records()] == [9_000]
    assert list(row.records()) == []


def test_a_row_goes_on_into_the_next_file_after_the_rest_of_the_last(lab):
    directory = lab / "captures/a"
    row = merging.Row(directory, "default")
    assert len(list(row.records())) == 3
    add(directory / "default.00002.pcapng", (0, 6_000, FRAME))
    begin(directory / "default.00003.pcapng", "n1")
    add(directory / "default.00003.pcapng", (0, 7_000, FRAME))
    assert [r.stamp for r in row.records()] == [6_000, 7_000]


def test_a_file_rotated_away_is_no_error(lab):
    row = merging.Row(lab / "captures/a", "default")
    (lab / "captures/a/default.00001.pcapng").unlink()
    assert [r.stamp for r in row.records()] == [5_000]


@pytest.mark.parametrize(
    "rubbish", [b"\x06\x00\x00\x00\x03\x00\x00\x00", struct.pack("<II", 6, 1 << 30)]
)
def test_a_broken_file_is_told_by_name(lab, tmp_path, rubbish):
    path = lab / "captures/a/default.00002.pcapng"
    with path.open("ab") as file:
        file.write(rubbish)
    with pytest.raises(CaptureError, match=r"default\.00002\.pcapng: not a capture of labgen's"):
        sniffing.save(lab, tmp_path / "all.pcapng")
    assert not (tmp_path / "all.pcapng").exists()
    assert not list(tmp_path.glob(".labgen*"))


def test_a_record_of_an_unknown_interface_is_told_by_name(lab, tmp_path):
    add(lab / "captures/b/default.00001.pcapng", (9, 1, FRAME))
    with pytest.raises(CaptureError, match="interface 9, unknown so far"):
        sniffing.save(lab, tmp_path / "all.pcapng")


def test_a_stream_ends_when_nobody_reads(lab):
    class Gone(io.BytesIO):
        def flush(self):
            raise BrokenPipeError

    sniffing.stream(lab, Gone(), lambda: pytest.fail("nobody reads"))


def test_a_stream_goes_on(lab, tmp_path):
    path = lab / "captures/b/default.00001.pcapng"
    looks = iter((True, False))

    def more():
        add(path, (0, 8_000, FRAME))
        return next(looks)

    with (tmp_path / "s.pcapng").open("wb") as out:
        sniffing.stream(lab, out, more)
    assert len(read(tmp_path / "s.pcapng")) == 6


def test_a_list_tells_what_runs(lab):
    with (lab / "captures/a/.default.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (lab / "captures/b/.default.lock").write_text("12")  # of a sniffer that was killed
        listed = sniffing.captures(lab)
        assert [(c.name, c.segment, c.running, len(c.files)) for c in listed] == [
            ("default", "a", True, 2),
            ("default", "b", False, 1),
        ]
        assert listed[0].octets == sum(path.stat().st_size for path in listed[0].files)


def test_a_lab_without_captures_says_so(tmp_path):
    assert sniffing.captures(tmp_path) == ()
    with pytest.raises(CaptureError, match=r"no capture default in .*there is: none"):
        sniffing.rows(tmp_path)


class Refusing:
    """Commands whose second segment refuses."""

    def __init__(self, said):
        self.said, self.ran = said, []

    def run(self, node, argv, *, stdin=None, timeout=30.0):
        self.ran.append((node, tuple(argv[4:])))
        refused = node == "b" and "--stop" not in argv
        return Completed(node, tuple(argv), int(refused), "", self.said if refused else "")


def test_a_capture_starts_on_all_segments_or_on_none():
    commands = Refusing("sniffer: the capture x is already running\n")
    with pytest.raises(LabError, match="segment b: the capture x is already running"):
        sniffing.start(commands, ["a", "b"], "x")
    assert commands.ran[-1] == ("a", ("--name=x", "--stop"))


def test_a_filter_that_does_not_compile_is_the_users_mistake():
    commands = Refusing("sniffer: the filter is not understood: tcpdump: syntax error\n")
    with pytest.raises(InputError, match="the filter is not understood"):
        sniffing.start(commands, ["b"], "x", capture_filter="tcp porrt")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-x", "a b", "a.b", "x" * 41])
def test_names_that_would_leave_the_directory_are_refused(name):
    with pytest.raises(InputError, match="a capture cannot be named"):
        sniffing.start(Refusing(""), ["a"], name)


@pytest.mark.parametrize("limits", [(0, 1 << 20), (1, 100)])
def test_limits_are_sane(limits):
    with pytest.raises(InputError):
        sniffing.Limits(*limits)


def test_a_ring_keeps_the_newest_files_and_never_shows_half_a_header(tmp_path):
    ring = sniffer.Ring(tmp_path, "r", files=2, size=200, header=sniffer.section_header("r"))
    ring.describe(sniffer.interface_description("n1", "port", ""))
    for stamp in range(6):
        ring.file.write(sniffer.enhanced_packet(0, stamp, FRAME))
        if ring.full:
            ring.rotate(b"")
    ring.file.close()
    kept = merging.numbered(tmp_path, "r")
    assert len(kept) == 2
    assert kept[0][0] > 1
    assert [r.stamp for r in merging.Row(tmp_path, "r").records()][-1:] == [5]
    assert not list(tmp_path.glob(".*"))


def test_a_ring_goes_on_after_the_files_of_an_earlier_run(tmp_path):
    for _ in range(2):
        ring = sniffer.Ring(tmp_path, "r", files=8, size=1 << 20, header=b"")
        ring.file.close()
    assert [number for number, _ in merging.numbered(tmp_path, "r")] == [1, 2]


felix = load("calico-node/felix.py")
echo = load("pod/echo_server.py")


def test_felix_reads_its_file():
    text = """\
# of n1
underlay eth1

workload cali1 10.0.0.1/32 # a pod
workload cali2 fd00::1/128
peering cali1 169.254.0.179/32
tunnel vxlan.calico 10.1.0.1 10.48.0.0 66:01 1450 vxlan 4096 4789
end vxlan.calico 10.1.0.2 10.48.0.64 66:02
route 10.48.0.64/26 10.48.0.64 vxlan.calico
route 10.48.0.128/26 10.1.0.3 -
blackhole 10.48.0.0/26
"""
    found = felix.parse(text)
    assert found.underlay == "eth1"
    assert found.workloads == [("cali1", "10.0.0.1/32"), ("cali2", "fd00::1/128")]
    assert found.peerings == [("cali1", "169.254.0.179/32")]
    tunnel = found.tunnels["vxlan.calico"]
    assert (tunnel.mtu, tunnel.kind) == (1450, ("vxlan", "4096", "4789"))
    assert tunnel.ends == [("10.1.0.2", "10.48.0.64", "66:02")]
    assert found.routes == {
        "10.48.0.64/26": ["via", "10.48.0.64", "dev", "vxlan.calico", "onlink"],
        "10.48.0.128/26": ["via", "10.1.0.3"],
        "10.48.0.0/26": [],
    }


@pytest.mark.parametrize("module", [True, False])
def test_ipip_is_real_where_the_kernel_has_it(module, monkeypatch, capsys):
    """`ip` as kernels with and without the module answer it; the device that comes of it."""
    done = []

    def answered(argv, **_):
        done.append(" ".join(argv))
        kind = "ipip" if module else "vxlan" if any("type vxlan" in text for text in done) else ""
        if "add tunl0 type ipip" in done[-1] and not module:
            return subprocess.CompletedProcess(argv, 2, "", "Error: Unknown device type.\n")
        if argv[:4] == ["ip", "-j", "-d", "link"] and kind:
            return subprocess.CompletedProcess(
                argv, 0, f'[{{"linkinfo":{{"info_kind":"{kind}"}}}}]'
            )
        return subprocess.CompletedProcess(argv, 0, "", "")

    monkeypatch.setattr(felix.subprocess, "run", answered)
    text = "tunnel tunl0 10.1.0.1 10.48.0.0 66:01 1480 ipip\nend tunl0 10.1.0.2 10.1.0.2 66:02\n"
    felix.raise_tunnel("tunl0", felix.parse(text).tunnels["tunl0"], "eth1")
    assert (
        any(text.startswith("ip link add tunl0 address 66:01 type vxlan id 4097") for text in done)
        is not module
    )
    assert ("ip link set dev tunl0 mtu 1480 up" in done) is module
    assert ("ip link set dev tunl0 mtu 1450 up" in done) is not module
    assert any("fdb append 66:02" in text for text in done) is not module
    assert ("no IPIP" in capsys.readouterr().err) is not module


def test_felix_tells_the_line_it_does_not_understand():
    with pytest.raises(SystemExit, match="line 2 is not understood: workload cali1"):
        felix.parse("underlay eth1\nworkload cali1\n")


def test_the_echo_answers_as_its_model_does():
    request = b"POST /a?b HTTP/1.1\r\nX-B: 1\r\nHost: pod:8080\r\nAccept: */*\r\n\r\nbody"
    head, _, body = echo.answer(request, "pod1").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert body.decode() == (
        "Request served by pod1\n\nHTTP/1.1 POST /a?b\n\n"
        "Host: pod:8080\nAccept: */*\nX-B: 1\n\nbody"
    )
