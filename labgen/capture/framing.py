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

    __slots__ = (
        "_begun_in",
        "_emit",
        "_flow",
        "_frames",
        "_last",
        "_need",
        "_synchronised",
        "_tail",
        "_time_ns",
        "file",
    )

    def __init__(self, flow: Flow, emit: Callable[[WireMessage], None], *, start: bool) -> None:
        self._flow = flow
        self._emit = emit
        self._tail = bytearray()
        self._need = HEADER_LENGTH
        self._frames: list[int] = []
        # From the SYN on, octets begin with a message; in mid-stream a marker must be found.
        self._synchronised = start
        # The highest frame of those that brought the tail, its time and its file.
        self._last = 0
        self._time_ns = 0
        self._begun_in = ""
        self.file = ""

    def feed(self, data: bytes, frame: int, time_ns: int, carriers: tuple[int, ...] = ()) -> None:
        """The next octets in order, and the frame that brought them: the last one of `carriers`
        where they came in IP fragments."""
        own = carriers or (frame,)
        frames, moment = own, time_ns
        tail = self._tail
        if tail:
            self._carry_on(own, time_ns)
            if len(tail) + len(data) < self._need:
                tail += data
                return
            data = bytes(tail) + data
            frames, moment = tuple(sorted(set(self._frames))), self._time_ns
        at = 0
        size = len(data)
        flow = self._flow
        while True:
            if not self._synchronised:
                at = self._synchronise(data, at)
            if not self._synchronised or at + HEADER_LENGTH > size:
                self._need = HEADER_LENGTH
                break
            if data.startswith(MARKER, at):
                length = data[at + 16] << 8 | data[at + 17]
                if HEADER_LENGTH <= length <= self._limit(data[at + 18]):
                    end = at + length
                    if end > size:
                        self._need = length
                        break
                    self._emit(WireMessage(flow, data[at:end], frames, moment, self.file))
                    at = end
                    frames, moment = own, time_ns
                    continue
            self._time_ns = moment
            at = self._lost(data, at, frames)
            frames, moment = own, time_ns
        self._keep(data, at, frames, moment)

    def _keep(self, data: bytes, at: int, frames: tuple[int, ...], moment: int) -> None:
        """What is left is the beginning of the next message."""
        if at < len(data):
            self._tail = bytearray(data[at:])
            self._frames, self._last = list(frames), frames[-1]
            self._time_ns, self._begun_in = moment, self.file
        elif self._tail:
            self._tail = bytearray()
            self._frames = []

    def _carry_on(self, own: tuple[int, ...], time_ns: int) -> None:
        """Further frames bring what the tail began."""
        if self._begun_in != self.file:
            # Frames are numbered anew in each file of a ring: those of the last one count.
            self._frames, self._last, self._begun_in = [], 0, self.file
        self._frames += own
        if own[-1] > self._last:
            self._last, self._time_ns = own[-1], time_ns

    def _limit(self, code: int) -> int:
        return MAX_LENGTH if code in (1, 4) else self._flow.decoder.context.max_length

    def _lost(self, data: bytes, at: int, frames: tuple[int, ...]) -> int:
        """Report octets that are no message; what follows is searched for a marker."""
        if data.startswith(MARKER, at):
            reason = f"length {data[at + 16] << 8 | data[at + 17]} is not allowed"
            start, offset = at + HEADER_LENGTH, 16
        else:
            reason, start, offset = "the marker is not all ones", at + 1, 0
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
            moment = self._time_ns
            self._emit(
                WireMessage(self._flow, raw, frames, moment, self.file, error, incomplete=True)
            )
        self._tail = bytearray()
        self._frames = []
        self._need = HEADER_LENGTH
        self._synchronised = False
