"""Probe other pods: ICMP echo, TCP connect or HTTP GET, many times a second, and note each answer.

    python3 - FILE SECONDS TIMEOUT FLOW... < probe.py      FLOW = NUMBER,KIND,ADDRESS,PORT,RATE

It comes by standard input, so it runs wherever there is a Python. It puts itself into the
background and prints its process id. One process serves every flow of a node; sockets never block.
Lines of FILE, times in nanoseconds of CLOCK_REALTIME (the clock of the lab's captures):

    NUMBER SENT RTT_US     answered, RTT in microseconds
    NUMBER SENT -r         refused; -u unreachable; -t no answer within TIMEOUT seconds; -e other
    = TIME                 every probe sent before TIME stands above this line

It ends at SIGTERM, when FILE is gone, or after SECONDS, so that nothing is left behind by a
labgen that was killed.
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
READ, WRITE = select.EPOLLIN, select.EPOLLOUT
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
        self.path = path
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self.lines: list[str] = []

    def answered(self, flow: int, sent: int) -> None:
        self.lines.append(f"{flow} {sent} {(time.time_ns() - sent) // 1000}\n")

    def failed(self, flow: int, sent: int, why: str) -> None:
        self.lines.append(f"{flow} {sent} -{why}\n")

    def flush(self, decided: int) -> bool:
        """Write; False when the file is gone: nobody will read it."""
        self.lines.append(f"= {decided}\n")
        os.write(self.file, "".join(self.lines).encode())
        self.lines.clear()
        return Path(self.path).exists()


class Flow:
    """One flow: when its next probe is due, and which of them wait for an answer."""

    def __init__(self, text: str, journal: Journal, poll: select.epoll) -> None:
        number, self.kind, address, port, rate = text.split(",")
        self.number = int(number)
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.target = (address, int(port))
        self.every = int(1e9 / float(rate))
        self.due = time.time_ns()
        self.journal, self.poll = journal, poll
        self.open: dict[int, int] = {}  # what identifies a probe -> when it was sent
        self.order: deque[tuple[int, int]] = deque()  # (when, what), oldest first

    def send(self, now: int) -> None:
        """Every probe that is due."""
        late = (now - self.due) // self.every
        if late > MOST_LATE:
            self.due += (late - MOST_LATE) * self.every
        while self.due <= now:
            self.due += self.every
            self.one()

    def one(self) -> None:
        raise NotImplementedError

    def ready(self, what: int) -> None:
        raise NotImplementedError

    def give_up(self, what: int) -> None:
        """An answer that comes later is no answer."""

    def sent(self, what: int, when: int) -> None:
        self.open[what] = when
        self.order.append((when, what))

    def expire(self, before: int) -> None:
        while self.order and self.order[0][0] < before:
            when, what = self.order.popleft()
            if self.open.get(what) == when:
                del self.open[what]
                self.give_up(what)
                self.journal.failed(self.number, when, "t")

    @property
    def oldest(self) -> int | None:
        """When the oldest probe without an answer was sent."""
        while self.order and self.open.get(self.order[0][1]) != self.order[0][0]:
            self.order.popleft()
        return self.order[0][0] if self.order else None


class Icmp(Flow):
    """Echo requests on one raw socket; the identifier is the flow's, the sequence the probe's."""

    def __init__(self, text: str, journal: Journal, poll: select.epoll) -> None:
        super().__init__(text, journal, poll)
        self.version = 6 if self.family == socket.AF_INET6 else 4
        proto = socket.IPPROTO_ICMPV6 if self.version == 6 else socket.IPPROTO_ICMP
        self.socket = socket.socket(self.family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, proto)
        self.identifier = (os.getpid() * 16 + self.number) & 0xFFFF
        self.sequence = 0
        if self.version == 4:  # only replies: not what others ask of this pod (raw(7))
            self.socket.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("I", ~1 & 0xFFFFFFFF))
        self.handles = (self.socket.fileno(),)
        poll.register(self.socket.fileno(), READ)

    def one(self) -> None:
        self.sequence = (self.sequence + 1) & 0xFFFF
        kind = ECHO[self.family][0]
        packet = struct.pack("!BBHHH", kind, 0, 0, self.identifier, self.sequence)
        if self.version == 4:  # the kernel computes ICMPv6's checksum (RFC 3542 section 3.1)
            total = checksum(packet)
            packet = struct.pack("!BBHHH", kind, 0, total, self.identifier, self.sequence)
        now = time.time_ns()
        try:
            self.socket.sendto(packet, (self.target[0], 0))
        except OSError as error:
            self.journal.failed(self.number, now, letter(error.errno or 0))
        else:
            self.sent(self.sequence, now)

    def ready(self, _: int) -> None:
        reply = ECHO[self.family][1]
        while True:
            try:
                data = self.socket.recv(256)
            except OSError:  # nothing more, or an ICMP error: the probe runs into its timeout
                return
            # a raw IPv4 socket brings the IP header along, an IPv6 one does not (RFC 3542)
            start = (data[0] & 15) * 4 if self.version == 4 else 0
            if len(data) < start + 8 or data[start] != reply:
                continue
            identifier, sequence = struct.unpack_from("!HH", data, start + 4)
            when = self.open.pop(sequence, None) if identifier == self.identifier else None
            if when is not None:
                self.journal.answered(self.number, when)


class Tcp(Flow):
    """Connects; each has a source port of its own, so that they spread over equal-cost paths."""

    def __init__(self, text: str, journal: Journal, poll: select.epoll) -> None:
        super().__init__(text, journal, poll)
        self.sockets: dict[int, socket.socket] = {}

    def one(self) -> None:
        now = time.time_ns()
        try:
            made = socket.socket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            code = made.connect_ex(self.target)
        except OSError as error:
            code = error.errno or errno.EIO
        if code not in (0, errno.EINPROGRESS):
            self.journal.failed(self.number, now, letter(code))
            made.close()
            return
        what = made.fileno()
        self.sockets[what] = made
        HANDLES[what] = self
        self.poll.register(what, WRITE)
        self.sent(what, now)

    def ready(self, what: int) -> None:
        code = self.sockets[what].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self.end(what, letter(code))
        else:
            self.connected(what)

    def connected(self, what: int) -> None:
        self.end(what)

    def end(self, what: int, why: str = "") -> None:
        when = self.open.pop(what)
        if why:
            self.journal.failed(self.number, when, why)
        else:
            self.journal.answered(self.number, when)
        self.give_up(what)

    def give_up(self, what: int) -> None:
        del HANDLES[what]
        self.sockets.pop(what).close()  # closing takes it out of the poll as well (epoll(7), Q6)


class Http(Tcp):
    """A GET on a connection of its own; answered is a status line with 2xx or 3xx."""

    def __init__(self, text: str, journal: Journal, poll: select.epoll) -> None:
        super().__init__(text, journal, poll)
        host = f"[{self.target[0]}]" if self.family == socket.AF_INET6 else self.target[0]
        self.request = (
            f"GET / HTTP/1.1\r\nHost: {host}:{self.target[1]}\r\nUser-Agent: labgen-probe\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        self.asked: set[int] = set()

    def ready(self, what: int) -> None:
        if what not in self.asked:
            super().ready(what)
            return
        try:
            data = self.sockets[what].recv(4096)
        except OSError as error:
            self.end(what, letter(error.errno or 0))
            return
        good = data.startswith(b"HTTP/1.") and data[9:10] in (b"2", b"3")
        self.end(what, "" if good else "e")

    def connected(self, what: int) -> None:
        try:
            self.sockets[what].send(self.request)
        except OSError as error:
            self.end(what, letter(error.errno or 0))
            return
        self.asked.add(what)
        self.poll.modify(what, READ)

    def give_up(self, what: int) -> None:
        self.asked.discard(what)
        super().give_up(what)


KINDS = {"icmp": Icmp, "tcp": Tcp, "http": Http}
HANDLES: dict[int, Flow] = {}


STOP: list[int] = []  # signals that came


def probe(flows: list[Flow], journal: Journal, poll: select.epoll, end: int, timeout: int) -> None:
    """Send, take answers, give up, write: until `end` or until nobody reads any more."""
    flushed = 0
    while (now := time.time_ns()) < end and not STOP:
        for flow in flows:
            if flow.due <= now:
                flow.send(now)
        if now - flushed >= FLUSH_NS:
            flushed = now
            if not write(flows, journal, now, timeout):
                return
        wait = min(flow.due for flow in flows) - time.time_ns()
        for handle, _ in poll.poll(max(0, wait / 1e9)):
            if handle in HANDLES:  # an earlier one of this round may have closed it
                HANDLES[handle].ready(handle)


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
    path, seconds, timeout, *texts = argv
    journal = Journal(path)
    detach()
    signal.signal(signal.SIGTERM, lambda number, _: STOP.append(number))
    poll = select.epoll()
    flows = [KINDS[text.split(",")[1]](text, journal, poll) for text in texts]
    start = time.time_ns()
    for flow in flows:
        flow.due = start  # in step: one wake-up serves every flow
        HANDLES.update(dict.fromkeys(getattr(flow, "handles", ()), flow))
    patience = int(float(timeout) * 1e9)
    probe(flows, journal, poll, time.time_ns() + int(float(seconds) * 1e9), patience)
    write(flows, journal, time.time_ns(), patience)


if __name__ == "__main__":
    main(sys.argv[1:])
