"""Probe other pods: ICMP echo, TCP connect or HTTP GET, many times a second, and note each answer.

    python3 - FILE TIMEOUT FLOW... < probe.py      FLOW = NUMBER,KIND,ADDRESS,PORT,RATE

It comes by standard input, so it runs wherever there is a Python. It puts itself into the
background and prints its process id. One process serves every flow of a node; sockets never block.
Lines of FILE, times in nanoseconds of CLOCK_REALTIME (the clock of the lab's captures):

    NUMBER SENT RTT_US     answered, RTT in microseconds
    NUMBER SENT -r         refused; -u unreachable; -t no answer within TIMEOUT seconds; -e other
    = TIME                 every probe sent before TIME stands above this line

It ends at SIGTERM, when FILE or FILE.until is gone, and at the time that FILE.until was last
changed (it lies ahead; whoever reads FILE puts it off): a labgen that was killed leaves nothing.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import sys
import time
from collections import deque
from pathlib import Path

FLUSH_NS = 100_000_000
MOST_LATE = 3  # ticks that are made up for at once; more would be a burst, not a rate
ECHO = {socket.AF_INET: (8, 0), socket.AF_INET6: (128, 129)}  # RFC 792, RFC 4443: request, reply
SOL_RAW, ICMP_FILTER = 255, 1  # linux/socket.h, linux/icmp.h
READ, WRITE, BROKEN = select.EPOLLIN, select.EPOLLOUT, select.EPOLLERR | select.EPOLLHUP
# SO_LINGER with 0 s: close sends RST, so that a hundred connects a second leave no TIME_WAIT
ABORT = struct.pack("ii", 1, 0)
LETTERS = {
    errno.ECONNREFUSED: "r",
    errno.EHOSTUNREACH: "u",
    errno.ENETUNREACH: "u",
    errno.EADDRNOTAVAIL: "u",
    errno.ETIMEDOUT: "t",
}


def letter(code: int) -> str:
    return LETTERS.get(code, "e")


def checksum(data: bytes) -> int:
    """RFC 1071, over an even number of octets."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


class Journal:
    """The lines, written some times a second."""

    def __init__(self, path: str) -> None:
        self.path, self.until = Path(path), Path(f"{path}.until")
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self.lines: list[str] = []

    def answered(self, flow: int, sent: int) -> None:
        self.lines.append(f"{flow} {sent} {(time.time_ns() - sent) // 1000}\n")

    def failed(self, flow: int, sent: int, why: str) -> None:
        self.lines.append(f"{flow} {sent} -{why}\n")

    def flush(self, decided: int) -> bool:
        """Write; False when nobody will read it: it is gone, or was not asked for any longer."""
        self.lines.append(f"= {decided}\n")
        os.write(self.file, "".join(self.lines).encode())
        self.lines.clear()
        try:
            self.path.stat()
            return self.until.stat().st_mtime > time.time()
        except OSError:
            return False


class Flow:
    """One flow: when its next probe is due, and which of them wait for an answer.

    `probe` is what sends and receives: an `Icmp`, `Tcp` or `Http`.
    """

    def __init__(self, text: str, journal: Journal, poll: select.epoll) -> None:
        number, kind, address, port, rate = text.split(",")
        self.number = int(number)
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.target = (address, int(port))
        self.every = int(1e9 / float(rate))
        self.due = time.time_ns()
        self.journal, self.poll = journal, poll
        self.open: dict[int, int] = {}  # what identifies a probe -> when it was sent
        self.order: deque[tuple[int, int]] = deque()  # (when, what), oldest first
        self.probe = KINDS[kind](self)

    def send(self, now: int) -> None:
        """Every probe that is due."""
        late = (now - self.due) // self.every
        if late > MOST_LATE:
            self.due += (late - MOST_LATE) * self.every
        while self.due <= now:
            self.due += self.every
            self.probe.send()

    def sent(self, what: int, when: int) -> None:
        self.open[what] = when
        self.order.append((when, what))

    def failed(self, when: int, code: int | None) -> None:
        """A probe that could not even be sent."""
        self.journal.failed(self.number, when, letter(code or 0))

    def answered(self, what: int) -> None:
        """An answer to a probe; one that comes twice or too late is none."""
        when = self.open.pop(what, None)
        if when is not None:
            self.journal.answered(self.number, when)

    def lost(self, what: int, why: str) -> None:
        self.journal.failed(self.number, self.open.pop(what), why)

    def expire(self, before: int) -> None:
        while self.order and self.order[0][0] < before:
            when, what = self.order.popleft()
            if self.open.get(what) == when:
                self.lost(what, "t")
                self.probe.give_up(what)

    @property
    def oldest(self) -> int | None:
        """When the oldest probe without an answer was sent."""
        while self.order and self.open.get(self.order[0][1]) != self.order[0][0]:
            self.order.popleft()
        return self.order[0][0] if self.order else None


class Icmp:
    """Echo requests on one raw socket; the identifier is the flow's, the sequence the probe's."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.version = 6 if flow.family == socket.AF_INET6 else 4
        self.request, self.reply = ECHO[flow.family]
        proto = socket.IPPROTO_ICMPV6 if self.version == 6 else socket.IPPROTO_ICMP
        self.socket = socket.socket(flow.family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, proto)
        self.identifier = (os.getpid() * 16 + flow.number) & 0xFFFF
        self.sequence = 0
        if self.version == 4:  # only replies: not what others ask of this pod (raw(7))
            self.socket.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", ~1 & 0xFFFFFFFF))
        WATCHED[self.socket.fileno()] = self
        flow.poll.register(self.socket.fileno(), READ)

    def send(self) -> None:
        self.sequence = (self.sequence + 1) & 0xFFFF
        echo = (self.request, 0, 0, self.identifier, self.sequence)
        packet = struct.pack("!BBHHH", *echo)
        if self.version == 4:  # the kernel computes ICMPv6's checksum (RFC 3542 section 3.1)
            packet = struct.pack("!BBHHH", *echo[:2], checksum(packet), *echo[3:])
        now = time.time_ns()
        try:
            self.socket.sendto(packet, (self.flow.target[0], 0))
        except OSError as error:
            self.flow.failed(now, error.errno)
        else:
            self.flow.sent(self.sequence, now)

    def ready(self, _handle: int, _events: int) -> None:
        try:
            data = self.socket.recv(256)
        except OSError:  # an ICMP error: the probe runs into its timeout
            return
        # a raw IPv4 socket brings the IP header along, an IPv6 one does not (RFC 3542)
        start = (data[0] & 15) * 4 if self.version == 4 else 0
        if len(data) < start + 8 or data[start] != self.reply:
            return
        identifier, sequence = struct.unpack_from("!HH", data, start + 4)
        if identifier == self.identifier:
            self.flow.answered(sequence)

    def give_up(self, _sequence: int) -> None:
        """There is nothing to give back."""


class Tcp:
    """Connects; each has a source port of its own, so that they spread over equal-cost paths."""

    events = WRITE

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.sockets: dict[int, socket.socket] = {}

    def send(self) -> None:
        now = time.time_ns()
        try:
            made = socket.socket(self.flow.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            self.flow.failed(now, error.errno)
            return
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        code = made.connect_ex(self.flow.target)
        if code not in (0, errno.EINPROGRESS):
            self.flow.failed(now, code)
            made.close()
            return
        handle = made.fileno()
        self.sockets[handle] = made
        WATCHED[handle] = self
        self.flow.poll.register(handle, self.events)
        self.flow.sent(handle, now)

    def ready(self, handle: int, events: int) -> None:
        if events & BROKEN:
            code = self.sockets[handle].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.lost(handle, letter(code))
        else:
            self.connected(handle)

    def connected(self, handle: int) -> None:
        self.answered(handle)

    def answered(self, handle: int) -> None:
        self.flow.answered(handle)
        self.give_up(handle)

    def lost(self, handle: int, why: str) -> None:
        self.flow.lost(handle, why)
        self.give_up(handle)

    def give_up(self, handle: int) -> None:
        del WATCHED[handle]
        self.sockets.pop(handle).close()  # closing takes it out of the poll, too (epoll(7), Q6)


class Http(Tcp):
    """A GET on a connection of its own; answered is a status line with 2xx or 3xx."""

    events = READ | WRITE | select.EPOLLET  # first it can be written, and then there is an answer

    def __init__(self, flow: Flow) -> None:
        super().__init__(flow)
        address, port = flow.target
        host = f"[{address}]" if flow.family == socket.AF_INET6 else address
        self.request = (
            f"GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: labgen-probe\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        self.asked: set[int] = set()

    def ready(self, handle: int, events: int) -> None:
        if handle not in self.asked:
            super().ready(handle, events)
            return
        try:
            data = self.sockets[handle].recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self.lost(handle, letter(error.errno or 0))
            return
        if data.startswith(b"HTTP/1.") and data[9:10] in (b"2", b"3"):
            self.answered(handle)
        else:
            self.lost(handle, "e")

    def connected(self, handle: int) -> None:
        try:
            self.sockets[handle].send(self.request)
        except OSError as error:
            self.lost(handle, letter(error.errno or 0))
            return
        self.asked.add(handle)

    def give_up(self, handle: int) -> None:
        self.asked.discard(handle)
        super().give_up(handle)


KINDS: dict[str, type[Icmp | Tcp]] = {"icmp": Icmp, "tcp": Tcp, "http": Http}
WATCHED: dict[int, Icmp | Tcp] = {}  # who waits for what of a descriptor
STOP: list[int] = []  # signals that came


def probe(flows: list[Flow], journal: Journal, poll: select.epoll, timeout: int) -> None:
    """Send, take answers, give up, write: until nobody reads any more."""
    due = flushed = 0
    while not STOP:
        now = time.time_ns()
        if due <= now:
            for flow in flows:
                flow.send(now)
            due = min(flow.due for flow in flows)
        if now - flushed >= FLUSH_NS:
            flushed = now
            if not write(flows, journal, now, timeout):
                return
        for handle, events in poll.poll(max(0, due - time.time_ns()) / 1e9):
            if handle in WATCHED:  # an earlier one of this round may have closed it
                WATCHED[handle].ready(handle, events)


def write(flows: list[Flow], journal: Journal, now: int, timeout: int) -> bool:
    for flow in flows:
        flow.expire(now - timeout)
    return journal.flush(min((o for o in (f.oldest for f in flows) if o is not None), default=now))


def detach() -> None:
    """The parent tells the process id and ends; the child keeps no terminal and no pipe."""
    child = os.fork()
    if child:
        print(child)
        sys.stdout.flush()
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)


def main(argv: list[str]) -> None:
    """Probe as the arguments say."""
    path, timeout, *texts = argv
    journal = Journal(path)
    detach()
    signal.signal(signal.SIGTERM, lambda number, _: STOP.append(number))
    poll = select.epoll()
    flows = [Flow(text, journal, poll) for text in texts]
    start = time.time_ns()
    for flow in flows:
        flow.due = start  # in step: one wake-up serves every flow
    patience = int(float(timeout) * 1e9)
    probe(flows, journal, poll, patience)
    write(flows, journal, time.time_ns(), patience)


if __name__ == "__main__":
    main(sys.argv[1:])
