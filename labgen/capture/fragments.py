"""IP fragments put together: RFC 791 section 3.2, RFC 8200 section 4.5, RFC 5722.

Memory is bounded: by the number of datagrams that wait, by their octets, and by capture time.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

_TIMEOUT_NS = 60_000_000_000  # RFC 8200 section 4.5; RFC 1122 section 3.3.2 says 60 to 120 s
_MAX_DATAGRAMS = 1024
_MAX_OCTETS = 1 << 24
_MAX_LENGTH = 65535
_COST = 200  # octets of memory that a waiting fragment takes beside its own


class Fragment(NamedTuple):
    """One fragment: `start` and `length` in octets of the datagram's payload.

    `data` is what the capture holds of it; `header` the IP header in front and `next_header` the
    payload's protocol, which count where `start` is 0.
    """

    start: int
    length: int
    more: bool
    data: bytes
    header: bytes
    next_header: int
    frame: int
    time_ns: int


class Datagram(NamedTuple):
    """A whole payload of `length` octets, behind the header of its first fragment.

    `data` is shorter where a snap length cut a fragment: what follows the cut is not there.
    `frames` are those of its fragments.
    """

    header: bytes
    next_header: int
    data: bytes
    length: int
    frames: tuple[int, ...]


@dataclass(slots=True)
class _Waiting:
    since_ns: int
    starts: list[int] = field(default_factory=list)
    pieces: list[Fragment] = field(default_factory=list)
    held: int = 0
    received: int = 0
    length: int | None = None
    # RFC 5722 section 4: overlapping fragments condemn the datagram, those to come included.
    condemned: bool = False


class Fragments:
    """Takes fragments and gives the datagrams that they complete.

    `overlaps_condemn` is what a receiver does with overlapping fragments: for IPv6 it must drop
    the datagram (RFC 5722); for IPv4 the first copy of an octet counts here, as it does for TCP.
    """

    def __init__(self, *, overlaps_condemn: bool) -> None:
        self._strict = overlaps_condemn
        self._waiting: OrderedDict[bytes, _Waiting] = OrderedDict()
        self._held = 0
        self.lost = 0  # datagrams given up: overlapping, too old, or too many at once

    @property
    def incomplete(self) -> int:
        """Datagrams of which the capture lacks fragments, by now."""
        return self.lost + sum(not w.condemned for w in self._waiting.values())

    def add(self, key: bytes, fragment: Fragment) -> Datagram | None:
        """`key` names the datagram: addresses, identification and for IPv4 the protocol."""
        self._expire(fragment.time_ns)
        waiting = self._waiting.get(key)
        if waiting is None:
            waiting = self._waiting[key] = _Waiting(fragment.time_ns)
        if not waiting.condemned and not self._take(waiting, fragment):
            self._condemn(waiting)
        if waiting.condemned or waiting.received != waiting.length:
            self._shrink()
            return None
        self._forget(key)
        return _join(waiting)

    def _take(self, waiting: _Waiting, fragment: Fragment) -> bool:
        """Put a fragment in its place; False where it makes the datagram unsound."""
        start, end = fragment.start, fragment.start + fragment.length
        place = bisect_right(waiting.starts, start)
        before = waiting.pieces[place - 1] if place else None
        if before is not None and (before.start, before.length) == (start, fragment.length):
            return True  # a repeated fragment, as a copy on another interface is
        if not fragment.length or end > _MAX_LENGTH or (fragment.more and fragment.length % 8):
            return False
        after = waiting.pieces[place] if place < len(waiting.pieces) else None
        low = max(start, before.start + before.length if before else 0)
        high = min(end, after.start if after else end)
        if (low, high) != (start, end):
            if self._strict:
                return False
            if low >= high:
                return True
            # What fills several holes at once fills the first; a sound sender has none such.
            fragment = fragment._replace(
                start=low, length=high - low, data=fragment.data[low - start : high - start]
            )
            place = bisect_right(waiting.starts, low)
        if not fragment.more and high == end:
            waiting.length = end
        waiting.starts.insert(place, fragment.start)
        waiting.pieces.insert(place, fragment)
        waiting.received += fragment.length
        cost = len(fragment.data) + len(fragment.header) + _COST
        waiting.held += cost
        self._held += cost
        last = waiting.pieces[-1]
        return waiting.length is None or last.start + last.length <= waiting.length

    def _condemn(self, waiting: _Waiting) -> None:
        self.lost += 1
        self._held -= waiting.held
        waiting.held = 0
        waiting.pieces, waiting.starts, waiting.condemned = [], [], True

    def _expire(self, now_ns: int) -> None:
        while self._waiting:
            key, oldest = next(iter(self._waiting.items()))
            if now_ns - oldest.since_ns < _TIMEOUT_NS:
                return
            self._drop(key)

    def _shrink(self) -> None:
        while len(self._waiting) > _MAX_DATAGRAMS or self._held > _MAX_OCTETS:
            self._drop(next(iter(self._waiting)))

    def _drop(self, key: bytes) -> None:
        if not self._forget(key).condemned:
            self.lost += 1

    def _forget(self, key: bytes) -> _Waiting:
        waiting = self._waiting.pop(key)
        self._held -= waiting.held
        return waiting


def _join(waiting: _Waiting) -> Datagram:
    first = waiting.pieces[0]
    found = bytearray()
    for piece in waiting.pieces:
        found += piece.data
        if len(piece.data) < piece.length:
            break
    frames = tuple(sorted({piece.frame for piece in waiting.pieces}))
    assert waiting.length is not None
    return Datagram(first.header, first.next_header, bytes(found), waiting.length, frames)
