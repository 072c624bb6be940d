"""From a direction's octets, in order, to BGP messages: RFC 4271 section 4.1.

Where octets are missing or make no sense, reading goes on at the next marker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bgp.conversation import Flow, WireMessage
from labgen.bgp.vocabulary import HEADER_LENGTH, MARKER, MAX_LENGTH
from labgen.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER_REFERENCE = "RFC 4271 section 6.1"


def plausible_header(data: bytes, at: int = 0) -> bool:
    """Whether a BGP header could stand at `at`: marker, a possible length, a known type."""
    if not data.startswith(MARKER, at) or len(data) < at + HEADER_LENGTH:
        return False
    length = data[at + 16] << 8 | data[at + 17]
    return length >= HEADER_LENGTH and 1 <= data[at + 18] <= 5


class Framing:
    """Cuts one direction's octets into messages and hands each to `emit`."""

    __slots__ = ("_emit", "_flow", "_frames", "_need", "_synchronised", "_tail", "_time_ns", "file")

    def __init__(self, flow: Flow, emit: Callable[[WireMessage], None], *, start: bool) -> None:
        self._flow = flow
        self._emit = emit
        self._tail = bytearray()
        self._need = HEADER_LENGTH
        self._frames: list[int] = []
        # From the SYN on, octets begin with a message; in mid-stream a marker must be found.
        self._synchronised = start
        self._time_ns = 0
        self.file = ""

    def feed(self, data: bytes, frame: int, time_ns: int) -> None:
        """The next octets in order, and the frame that brought them."""
        self._time_ns = max(self._time_ns, time_ns)
        tail = self._tail
        if tail:
            self._frames.append(frame)
            if len(tail) + len(data) < self._need:
                tail += data
                return
            data = bytes(tail) + data
            frames = tuple(sorted(set(self._frames)))
        else:
            frames = (frame,)
        at = 0
        size = len(data)
        flow = self._flow
        while True:
            if not self._synchronised:
                at = self._synchronise(data, at)
                if not self._synchronised:
                    break
            if at + HEADER_LENGTH > size:
                self._need = HEADER_LENGTH
                break
            if not data.startswith(MARKER, at):
                at = self._lost(data, at, frames, "the marker is not all ones", 0)
                frames = (frame,)
                continue
            length = data[at + 16] << 8 | data[at + 17]
            if length < HEADER_LENGTH or length > self._limit(data[at + 18]):
                at = self._lost(data, at, frames, f"length {length} is not allowed", 16)
                frames = (frame,)
                continue
            end = at + length
            if end > size:
                self._need = length
                break
            self._emit(WireMessage(flow, data[at:end], frames, self._time_ns, self.file))
            at = end
            frames = (frame,)
        self._keep(data, at, frames)

    def _keep(self, data: bytes, at: int, frames: tuple[int, ...]) -> None:
        if at < len(data):
            self._tail = bytearray(data[at:])
            self._frames = list(frames)
        elif self._tail or self._frames:
            self._tail = bytearray()
            self._frames = []
            self._time_ns = 0
        else:
            self._time_ns = 0

    def _limit(self, code: int) -> int:
        return MAX_LENGTH if code in (1, 4) else self._flow.decoder.context.max_length

    def _lost(self, data: bytes, at: int, frames: tuple[int, ...], reason: str, offset: int) -> int:
        """Report octets that are no message; what follows is searched for a marker."""
        start = at + (HEADER_LENGTH if offset else 1)
        found = data.find(MARKER, start)
        stop = found if found >= 0 else len(data)
        error = DecodeError(reason, offset=offset, reference=_HEADER_REFERENCE, frame=frames[-1])
        raw = data[at:stop][:MAX_LENGTH]
        self._emit(WireMessage(self._flow, raw, frames, self._time_ns, self.file, error))
        self._synchronised = False
        return start

    def _synchronise(self, data: bytes, at: int) -> int:
        """The next place where a header can stand; else the place from which to look again."""
        while True:
            found = data.find(MARKER, at)
            if found < 0:
                # A run of ones at the end may be the beginning of a marker.
                rest = len(data) - len(data.rstrip(b"\xff"))
                return max(at, len(data) - min(rest, 15))
            # The ones before a marker (a prefix of 255...) belong to it only from behind: a
            # length's first octet is 0xff only beyond 65,279.
            while data.startswith(b"\xff", found + 16) and found + 16 < len(data):
                found += 1
            if found + HEADER_LENGTH > len(data):
                return found
            if plausible_header(data, found):
                self._synchronised = True
                return found
            at = found + 1

    def gap(self, frame: int) -> None:
        """Octets are missing here: what was begun cannot be finished."""
        if len(self._tail) >= HEADER_LENGTH and self._synchronised:
            raw = bytes(self._tail)
            wanted = raw[16] << 8 | raw[17]
            frames = tuple(sorted(set(self._frames))) or (frame,)
            error = DecodeError(
                f"{len(raw)} of {wanted} octets are in the capture",
                offset=len(raw),
                reference=_HEADER_REFERENCE,
                frame=frames[-1],
            )
            self._emit(WireMessage(self._flow, raw, frames, self._time_ns, self.file, error))
        self._tail = bytearray()
        self._frames = []
        self._need = HEADER_LENGTH
        self._synchronised = False
