"""How fast captures are read, beside tshark and scapy. Run by hand: `python bench/wire.py`.

Builds three captures (50,000 UPDATEs with one prefix each, in full segments and in one frame
each; the same prefixes in packed UPDATEs) and times the same question put to each program. With
`--gigabyte` it also measures labgen's memory on a capture of 1 GB.
"""

from __future__ import annotations

import argparse
import gc
import resource
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import NamedTuple

from labgen.bgp.attribute_codec import attribute
from labgen.bgp.attributes import (
    AsPath,
    Communities,
    Community,
    LocalPref,
    MultiExitDisc,
    NextHop,
    Origin,
    OriginCode,
    PathAttributes,
)
from labgen.bgp.capabilities import FourOctetAs, Multiprotocol, RouteRefreshCapability
from labgen.bgp.codec import decode, encode
from labgen.bgp.messages import Keepalive, Open, Update
from labgen.bgp.nlri import NlriBlock
from labgen.bgp.vocabulary import IPV4_UNICAST

COUNT = 50_000
MSS = 1448
A, B = IPv4Address("10.1.20.5"), IPv4Address("10.1.20.20")


class Spent(NamedTuple):
    """Seconds of a program's run. On a machine with other work the processor's say more."""

    wall: float
    processor: float


class Pcap:
    """Writes one TCP connection as a nanosecond pcap on Ethernet."""

    def __init__(self, path: Path) -> None:
        self.stream = path.open("wb")
        self.stream.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        self.seq = {A: 1000, B: 2000}
        self.ports = {A: 40000, B: 179}
        self.now = 1_700_000_000_000_000_000

    def send(self, src: IPv4Address, flags: int, data: bytes = b"") -> None:
        dst = B if src == A else A
        seq, ack = self.seq[src], self.seq[dst]
        options = b"\x01\x01\x08\x0a" + bytes(8)
        offset = (20 + len(options)) << 2
        tcp = struct.pack(
            "!HHIIBBHHH", self.ports[src], self.ports[dst], seq, ack, offset, flags, 65535, 0, 0
        )
        tcp += options + data
        ip = struct.pack(
            "!BBHHHBBH4s4s", 69, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0, src.packed, dst.packed
        )
        frame = bytes(6) + bytes(6) + b"\x08\x00" + ip + tcp
        self.now += 10_000
        seconds, fraction = divmod(self.now, 1_000_000_000)
        self.stream.write(struct.pack("<IIII", seconds, fraction, len(frame), len(frame)) + frame)
        self.seq[src] = (seq + len(data) + (flags & 2) // 2) & 0xFFFFFFFF

    def start(self) -> None:
        self.send(A, 2)
        self.send(B, 18)
        self.send(A, 16)
        for src in (A, B):
            self.send(src, 24, encode(_open(src)) + encode(Keepalive()))


def _open(src: IPv4Address) -> Open:
    capabilities = (Multiprotocol(IPV4_UNICAST), RouteRefreshCapability(), FourOctetAs(64512))
    return Open(4, 64512, 90, src, capabilities)


def _attributes(index: int) -> PathAttributes:
    return PathAttributes(
        (
            attribute(Origin(OriginCode.IGP)),
            attribute(AsPath.sequence(65000, 64512 + index % 997)),
            attribute(NextHop(A)),
            attribute(MultiExitDisc(index)),
            attribute(LocalPref(100)),
            attribute(Communities((Community.of(64512, index % 500), Community.of(64512, 7)))),
        )
    )


def _prefix(index: int) -> str:
    return str(IPv4Network((0x0B000000 + index * 256, 24)))


def single(count: int = COUNT) -> Iterator[bytes]:
    """UPDATEs with one prefix each, no two with the same attributes."""
    for index in range(count):
        yield encode(Update(attributes=_attributes(index), nlri=NlriBlock.of([_prefix(index)])))


def packed(count: int = COUNT) -> Iterator[bytes]:
    """UPDATEs with 250 prefixes each."""
    for start in range(0, count, 250):
        nlri = NlriBlock.of(_prefix(i) for i in range(start, start + 250))
        yield encode(Update(attributes=_attributes(start), nlri=nlri))


def write(path: Path, messages: Iterable[bytes], *, one_per_frame: bool = False) -> Path:
    pcap = Pcap(path)
    pcap.start()
    if one_per_frame:
        for message in messages:
            pcap.send(A, 24, message)
    else:
        stream = b"".join(messages)
        for start in range(0, len(stream), MSS):
            pcap.send(A, 16, stream[start : start + MSS])
            if start % (MSS * 2):
                pcap.send(B, 16)
    pcap.stream.close()
    return path


def timed(argv: list[str], runs: int = 5) -> Spent:
    """The least wall-clock and the least processor seconds of a program, output to a file."""
    walls, processors = [], []
    with tempfile.TemporaryFile() as sink:
        for _ in range(runs):
            sink.seek(0)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            begun = time.perf_counter()
            subprocess.run(argv, stdout=sink, stderr=subprocess.DEVNULL, check=True)
            walls.append(time.perf_counter() - begun)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            processors.append(used)
    return Spent(min(walls), min(processors))


def in_process(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def scapy_rate(raws: list[bytes]) -> float:
    """Messages per second of scapy's own dissection of single messages."""
    from scapy.config import conf
    from scapy.contrib.bgp import BGPHeader, bgp_module_conf

    bgp_module_conf.use_2_bytes_asn = False
    conf.max_list_count = 20000
    return len(raws) / in_process(lambda: [BGPHeader(raw) for raw in raws])


def decode_rate(path: Path) -> float:
    """Messages per second from the file to decoded values, every attribute and prefix included."""
    from labgen.capture.assembler import Assembler
    from labgen.capture.read import stream_messages

    # As the command does: messages are free of cycles, which the collector would search for.
    gc.set_threshold(100_000, 50, 100)
    count = 0

    def work() -> None:
        nonlocal count
        for wire in stream_messages([path], Assembler(keep=False)):
            assert wire.message is not None
            count += 1

    seconds = in_process(work)
    return count / seconds


FIELDS = [
    "-T", "fields", "-e", "frame.number", "-e", "ip.src", "-e", "bgp.type",
    "-e", "bgp.nlri_prefix", "-e", "bgp.withdrawn_prefix",
]  # fmt: skip


def compare(name: str, path: Path, raws: list[bytes]) -> None:
    labgen = str(Path(sys.executable).with_name("labgen"))
    count = len(raws)
    print(f"\n{name}: {count} UPDATEs, {path.stat().st_size / 1e6:.1f} MB")
    table = shown("labgen wire --table", timed([labgen, "wire", "--table", str(path)]), count)
    shown("labgen wire", timed([labgen, "wire", str(path)]), count)
    shown("labgen wire --list", timed([labgen, "wire", "--list", str(path)]), count)
    lines = shown("labgen wire --json", timed([labgen, "wire", "--json", str(path)]), count)
    if shutil.which("tshark"):
        fields = shown("tshark -T fields", timed(["tshark", "-r", str(path), *FIELDS]), count)
        tree = ["tshark", "-r", str(path), "-T", "json"]
        whole = shown("tshark -T json", timed(tree, runs=2), count)
        print(f"  table: {ratio(fields, table)} as fast as -T fields")
        print(f"  lines: {ratio(whole, lines)} as fast as -T json")
    ours, theirs = decode_rate(path), scapy_rate(raws[:2000])
    print(f"  to values: {ours:.0f}/s, scapy's BGP {theirs:.0f}/s: {ours / theirs:.1f} times")


def shown(name: str, spent: Spent, count: int) -> Spent:
    rate = count / spent.wall
    print(f"  {name:20} {spent.wall:6.2f} s {spent.processor:6.2f} s of CPU {rate:9.0f}/s")
    return spent


def ratio(theirs: Spent, ours: Spent) -> str:
    wall, processor = theirs.wall / ours.wall, theirs.processor / ours.processor
    return f"{wall:.1f} times (by CPU {processor:.1f})"


def gigabyte(path: Path) -> None:
    """Peak resident memory of the table and of JSON lines on a capture of 1 GB."""
    block = list(single(20_000))
    pcap = Pcap(path)
    pcap.start()
    stream = b"".join(block)
    while pcap.stream.tell() < 1_000_000_000:
        for start in range(0, len(stream), MSS):
            pcap.send(A, 16, stream[start : start + MSS])
    pcap.stream.close()
    labgen = str(Path(sys.executable).with_name("labgen"))
    for options in ([], ["--json"]):
        begun = time.perf_counter()
        process = subprocess.Popen([labgen, "wire", *options, str(path)], stdout=subprocess.DEVNULL)
        peak = 0
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                break
            peaks = [line for line in status.splitlines() if line.startswith("VmHWM")]
            peak = max([peak, *(int(line.split()[1]) for line in peaks)])
            time.sleep(0.05)  # noqa: TID251 - sampling another process's memory
        process.wait()
        seconds = time.perf_counter() - begun
        size = path.stat().st_size
        print(
            f"wire {' '.join(options) or '(table)'} on {size / 1e9:.2f} GB: {seconds:.1f} s, "
            f"{size / seconds / 1e6:.0f} MB/s, peak {peak / 1024:.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabyte", action="store_true")
    parser.add_argument("--keep", type=Path, help="write the captures here and leave them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        place = options.keep or Path(scratch)
        place.mkdir(exist_ok=True)
        if options.gigabyte:
            gigabyte(place / "gigabyte.pcap")
            return
        ones, many = list(single()), list(packed())
        assert decode(ones[0])
        compare("one prefix each", write(place / "single.pcap", ones), ones)
        path = write(place / "frames.pcap", ones, one_per_frame=True)
        compare("one prefix each, one frame each", path, ones)
        compare("packed", write(place / "packed.pcap", many), many)


if __name__ == "__main__":
    main()
