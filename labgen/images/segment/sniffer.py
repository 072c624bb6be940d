"""Records what enters the ports of a segment's bridge, each frame once, as pcapng.

One AF_PACKET socket hears every interface of the namespace, present and future, so it listens
before any link exists. The kernel filters (classic BPF, compiled by tcpdump) and stamps frames.
A frame is kept where it *enters* a bridge port: the copies that leave other ports, and the one
that the bridge device itself shows, are the same frame again.

The file is pcapng (draft-ietf-opsawg-pcapng): one Interface Description Block per port, named as
the port (the node behind it), nanosecond timestamps of the kernel's CLOCK_REALTIME. A file
appears under its name only with its header written, and every batch of frames is flushed, so a
reader may follow it, and a killed sniffer leaves a readable file. Files rotate by size; the
oldest goes when there are too many.
"""

from __future__ import annotations

import argparse
import array
import fcntl
import os
import select
import signal
import socket
import struct
import sys
import time
from pathlib import Path

ETH_P_ALL = 3
SOL_PACKET, PACKET_STATISTICS, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 6, 8, 23
SO_ATTACH_FILTER, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 26, 35, 33
PACKET_OUTGOING = 4
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6

DEFAULT_FILTER = "tcp port 179 or arp or icmp or icmp6 or udp port 3784 or udp port 4784"
COMPILED = Path("/opt/labgen/default.bpf")  # of DEFAULT_FILTER, made when the image is built
SNAPLEN = 262144
RECEIVE_BUFFER = 32 << 20
STATISTICS_SECONDS = 5.0

SHB, IDB, EPB, ISB = 0x0A0D0D0A, 1, 6, 5
LINKTYPE_ETHERNET = 1
OPT_COMMENT, IF_NAME, IF_DESCRIPTION, IF_TSRESOL, IF_FILTER = 1, 2, 3, 9, 11
ISB_IFRECV, ISB_IFDROP = 4, 5
SHB_USERAPPL, SHB_OS = 4, 3


def option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def block(kind: int, body: bytes) -> bytes:
    body += b"\0" * (-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def section_header(comment: str) -> bytes:
    options = option(OPT_COMMENT, comment.encode()) + option(SHB_USERAPPL, b"labgen sniffer")
    body = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
    return block(SHB, body + options + option(0, b""))


def interface_description(name: str, description: str, capture_filter: str) -> bytes:
    options = option(IF_NAME, name.encode()) + option(IF_DESCRIPTION, description.encode())
    options += option(IF_TSRESOL, b"\x09")
    if capture_filter:
        options += option(IF_FILTER, b"\0" + capture_filter.encode())
    body = struct.pack("<HHI", LINKTYPE_ETHERNET, 0, SNAPLEN)
    return block(IDB, body + options + option(0, b""))


def enhanced_packet(interface: int, stamp: int, frame: bytes) -> bytes:
    high, low = stamp >> 32, stamp & 0xFFFFFFFF
    body = struct.pack("<IIIII", interface, high, low, len(frame), len(frame))
    return block(EPB, body + frame + b"\0" * (-len(frame) % 4))


def interface_statistics(interface: int, stamp: int, received: int, dropped: int) -> bytes:
    options = option(ISB_IFRECV, struct.pack("<Q", received))
    options += option(ISB_IFDROP, struct.pack("<Q", dropped))
    body = struct.pack("<III", interface, stamp >> 32, stamp & 0xFFFFFFFF)
    return block(ISB, body + options + option(0, b""))


class Ring:
    """The files of one capture: `<name>.<n>.pcapng`, at most `files` of about `size` octets."""

    def __init__(self, directory: Path, name: str, *, files: int, size: int, header: bytes) -> None:
        self._directory, self._name, self._header = directory, name, header
        self._files, self._size = files, size
        self._owner = directory.stat()
        self._numbers = self._existing()
        self._preamble = b""
        self.file = self._open()

    def _existing(self) -> list[int]:
        found = (p.name.split(".") for p in self._directory.glob(f"{self._name}.*.pcapng"))
        return sorted(int(parts[-2]) for parts in found if parts[-2].isdigit())

    def path(self, number: int) -> Path:
        return self._directory / f"{self._name}.{number:05d}.pcapng"

    def _open(self):
        """The next file, under its name only once its header is in it."""
        number = self._numbers[-1] + 1 if self._numbers else 1
        part = self._directory / f".{self._name}.{number:05d}.part"
        file = part.open("wb", buffering=1 << 20)
        # The directory belongs to whoever deployed; the container's root must not keep the files.
        os.chown(part, self._owner.st_uid, self._owner.st_gid)
        file.write(self._header + self._preamble)
        file.flush()
        part.rename(self.path(number))
        self._numbers.append(number)
        while len(self._numbers) > self._files:
            self.path(self._numbers.pop(0)).unlink(missing_ok=True)
        return file

    def describe(self, description: bytes) -> None:
        """An Interface Description Block, repeated in each later file: each stands alone."""
        self._preamble += description
        self.file.write(description)

    @property
    def full(self) -> bool:
        return self.file.tell() >= self._size

    def rotate(self, statistics: bytes) -> None:
        """Close this file with its statistics and begin the next."""
        self.file.write(statistics)
        self.file.close()
        self.file = self._open()


class Ports:
    """Which interface is a port of a bridge, and its number in the file."""

    def __init__(self, ring: Ring, segment: str, capture_filter: str) -> None:
        self._ring, self._segment, self._filter = ring, segment, capture_filter
        self._numbers: dict[str, int | None] = {}
        self.received: list[int] = []

    def number(self, name: str) -> int | None:
        """The file's interface number of a port; None for whatever is no port of a bridge.

        A port that was removed and made again keeps its number: it is the same place.
        """
        if name not in self._numbers:
            base = Path("/sys/class/net") / name
            if not (base / "brport").exists():
                if name == "lo" or (base / "bridge").exists():
                    self._numbers[name] = None
                return None  # it may be on its way into the bridge: ask again
            self._ring.describe(
                interface_description(name, f"port {name} of {self._segment}", self._filter)
            )
            self._numbers[name] = len(self.received)
            self.received.append(0)
        number = self._numbers[name]
        if number is not None:
            self.received[number] += 1
        return number


def compile_filter(expression: str) -> bytes:
    """Classic BPF instructions of a filter; an empty expression takes everything."""
    if not expression:
        return struct.pack("HBBI", 0x06, 0, 0, SNAPLEN)  # ret SNAPLEN
    if expression == DEFAULT_FILTER and COMPILED.exists():
        return COMPILED.read_bytes()
    import subprocess

    done = subprocess.run(
        ["tcpdump", "-y", "EN10MB", "-s", str(SNAPLEN), "-ddd", expression],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"sniffer: the filter is not understood: {done.stderr.strip().splitlines()[-1]}")
    _, *lines = done.stdout.split("\n")
    rows = (tuple(map(int, line.split())) for line in lines if line)
    return b"".join(struct.pack("HBBI", *row) for row in rows)


def attach_filter(sock: socket.socket, program: bytes) -> None:
    """Let the kernel run a program on every frame of a socket (`struct sock_fprog`)."""
    instructions = array.array("B", program)
    pointer = struct.pack("HL", len(program) // 8, instructions.buffer_info()[0])
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


def open_socket(expression: str) -> socket.socket:
    """A socket on every interface. What came before its filter was in place is dropped."""
    program = compile_filter(expression)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    attach_filter(sock, struct.pack("HBBI", 0x06, 0, 0, 0))  # ret 0: nothing passes
    sock.setblocking(False)
    try:
        while True:
            sock.recv(1)
    except BlockingIOError:
        attach_filter(sock, program)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except PermissionError:  # without NET_ADMIN the host's rmem_max is the limit
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return sock


def ancillary(messages: list) -> tuple[int, bytes | None]:
    """(timestamp in ns, VLAN tag that the kernel had taken out of the frame)."""
    stamp, tag = time.time_ns(), None
    for level, kind, data in messages:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            stamp = seconds * 1_000_000_000 + nanoseconds
        elif level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
            if status & TP_STATUS_VLAN_VALID:
                protocol = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                tag = struct.pack(">HH", protocol, tci)
    return stamp, tag


class Sniffer:
    """One capture, from its start to SIGTERM."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._socket = open_socket(options.filter)
        header = section_header(f"labgen capture {options.name} of {options.directory.name}")
        self._ring = Ring(
            options.directory, options.name,
            files=options.files, size=options.size, header=header,
        )  # fmt: skip
        self._ports = Ports(self._ring, options.directory.name, options.filter)
        self._dropped = 0
        self._stop = False

    def stop(self, *_: object) -> None:
        self._stop = True

    def _statistics(self) -> bytes:
        """The socket's drops stand in each block: the kernel counts them per socket."""
        _, drops = struct.unpack("II", self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self._dropped += drops
        now = time.time_ns()
        counts = enumerate(self._ports.received)
        return b"".join(interface_statistics(i, now, n, self._dropped) for i, n in counts)

    def _receive(self) -> bool:
        """Record what waits in the socket (a bounded batch). False if nothing did."""
        for i in range(1024):
            try:
                frame, messages, _, address = self._socket.recvmsg(SNAPLEN, 256)
            except BlockingIOError:
                return i > 0
            except OSError:  # an interface went down under us (ENETDOWN): others go on
                continue
            if address[2] == PACKET_OUTGOING:
                continue
            number = self._ports.number(address[0]) if address[0] else None
            if number is None:
                continue
            stamp, tag = ancillary(messages)
            if tag is not None:
                frame = frame[:12] + tag + frame[12:]
            self._ring.file.write(enhanced_packet(number, stamp, frame))
            if self._ring.full:
                self._ring.rotate(self._statistics())
        return True

    def record(self) -> None:
        """Record until told to stop; then what is still in the socket, and the statistics."""
        waker, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes)
        due = time.monotonic() + STATISTICS_SECONDS
        while not self._stop:
            select.select([self._socket, waker], [], [], STATISTICS_SECONDS)
            received = self._receive()
            if received and time.monotonic() >= due:
                self._ring.file.write(self._statistics())
                due = time.monotonic() + STATISTICS_SECONDS
            if received:
                self._ring.file.flush()
        while self._receive():
            pass
        self._ring.file.write(self._statistics())
        self._ring.file.close()


def inherit_owner(path: Path) -> None:
    """What the container's root made belongs to whoever owns the directory it stands in."""
    owner = path.parent.stat()
    if path.stat().st_uid != owner.st_uid:
        os.chown(path, owner.st_uid, owner.st_gid)


def lock_of(directory: Path, name: str) -> Path:
    """Locked while the capture runs; holds the process id to stop it by."""
    return directory / f".{name}.lock"


def try_lock(lock, attempts: int) -> bool:
    """Take the lock within some attempts of 20 ms: who lists captures holds it for a moment."""
    for _ in range(attempts):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            select.select([], [], [], 0.02)
        else:
            return True
    return False


def claim(directory: Path, name: str):
    """Take a capture's lock, or end: two writers would spoil each other's files."""
    path = lock_of(directory, name)
    lock = path.open("a+")
    if not try_lock(lock, 10):
        sys.exit(f"sniffer: the capture {name} is already running")
    inherit_owner(path)
    return lock


def into_background() -> None:
    """Go on as a child without a terminal; the caller's wait ends, as the socket listens now."""
    sys.stdout.flush()
    if os.fork():
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def stop(directory: Path, name: str) -> None:
    """End a running capture and wait until its file is complete."""
    try:
        lock = lock_of(directory, name).open()
    except FileNotFoundError:
        sys.exit(f"sniffer: no capture {name} is running")
    with lock:
        if try_lock(lock, 1):
            sys.exit(f"sniffer: no capture {name} is running")
        os.kill(int(lock.read()), signal.SIGTERM)
        if not try_lock(lock, 250):
            sys.exit(f"sniffer: the capture {name} does not end")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Record what enters the ports of a bridge.")
    # The entrypoint's link names the segment's own directory; later captures follow it.
    parser.add_argument("--directory", type=Path, default=Path("/run/labgen/captures"))
    parser.add_argument("--name", default="default")
    parser.add_argument("--filter", default=DEFAULT_FILTER)
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--size", type=int, default=16 << 20, help="octets per file")
    parser.add_argument("--background", action="store_true", help="return once it listens")
    parser.add_argument("--compile", action="store_true", help="print the filter's program, end")
    parser.add_argument("--stop", action="store_true", help="end a running capture instead")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.stop:
        stop(options.directory, options.name)
        return
    if options.compile:
        sys.stdout.buffer.write(compile_filter(options.filter))
        return
    options.directory = options.directory.resolve()
    options.directory.mkdir(parents=True, exist_ok=True)
    inherit_owner(options.directory)
    with claim(options.directory, options.name) as lock:
        sniffer = Sniffer(options)
        signal.signal(signal.SIGTERM, sniffer.stop)
        signal.signal(signal.SIGINT, sniffer.stop)
        if options.background:
            into_background()
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        sniffer.record()
        Path(lock.name).unlink(missing_ok=True)


if __name__ == "__main__":
    main()
