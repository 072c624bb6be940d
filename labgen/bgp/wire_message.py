"""A BGP message as a capture shows it: who sent it, where it stands, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bgp.facts import Seen, SocketAddress
from labgen.bgp.vocabulary import MessageType
from labgen.errors import DecodeError

if TYPE_CHECKING:
    from labgen.bgp.codec import Decoder
    from labgen.bgp.messages import Message


class Flow:
    """One direction of a connection: who sends to whom, and how what it says must be read.

    `decoder` follows what the OPENs negotiate.
    """

    __slots__ = ("decoder", "dst", "src")

    def __init__(self, src: SocketAddress, dst: SocketAddress, decoder: Decoder) -> None:
        self.src = src
        self.dst = dst
        self.decoder = decoder


class WireMessage:
    """One BGP message of a capture. Its body is decoded when first asked for.

    `frames` are the frames whose segments carry it, `frame` the one where it ends, `time_ns` that
    frame's time. `raw` are the octets present. Exactly one of `message` and `error` is not None.
    `incomplete` says that the error is the capture's alone: it lacks octets of the message.
    """

    __slots__ = (
        "_error",
        "_framed",
        "_message",
        "file",
        "flow",
        "frames",
        "incomplete",
        "raw",
        "time_ns",
    )

    def __init__(
        self,
        flow: Flow,
        raw: bytes,
        frames: tuple[int, ...],
        time_ns: int,
        file: str,
        error: DecodeError | None = None,
        *,
        incomplete: bool = False,
    ) -> None:
        self.flow = flow
        self.raw = raw
        self.frames = frames
        self.time_ns = time_ns
        self.file = file
        self.incomplete = incomplete
        self._error = error
        self._framed = error is None
        self._message: Message | None = None

    @property
    def frame(self) -> int:
        return self.frames[-1]

    @property
    def length(self) -> int:
        """What the header says, in octets, the header included."""
        raw = self.raw
        return (raw[16] << 8 | raw[17]) if len(raw) >= 18 else len(raw)

    @property
    def seen(self) -> Seen:
        return Seen(self.time_ns, self.file, self.frames[-1])

    @property
    def time(self) -> float:
        """Seconds since the epoch; `time_ns` has the full precision."""
        return self.time_ns / 1e9

    @property
    def src(self) -> SocketAddress:
        return self.flow.src

    @property
    def dst(self) -> SocketAddress:
        return self.flow.dst

    @property
    def type_code(self) -> int:
        """The header's type field, or 0 where the capture cut it off."""
        return self.raw[18] if len(self.raw) >= 19 else 0

    @property
    def type(self) -> MessageType | None:
        """The message's type; None where the header names none that exists."""
        code = self.type_code
        return MessageType(code) if 1 <= code <= 5 else None

    @property
    def framed(self) -> bool:
        """Whether marker and length are sound and every octet is present."""
        return self._framed

    @property
    def message(self) -> Message | None:
        """The decoded message, or None where `error` says why not."""
        if self._message is None and self._error is None:
            try:
                self._message = self.flow.decoder.decode(self.raw)
            except DecodeError as error:
                self._error = DecodeError(
                    error.reason, offset=error.offset, reference=error.reference, frame=self.frame
                )
        return self._message

    def everyday_prefixes(self) -> tuple[str, ...] | None:
        """The prefixes of an UPDATE that only announces IPv4 routes with everyday attributes;
        None for any other message: ask `message`. Much cheaper than `message`, for counting."""
        if self._error is not None or self._message is not None or self.type_code != 2:
            return None
        try:
            return self.flow.decoder.everyday_prefixes(self.raw)
        except DecodeError:
            return None

    @property
    def error(self) -> DecodeError | None:
        """Why the message cannot be decoded. Unless it is `incomplete`, a receiver would reset the
        session (RFC 7606)."""
        return self._error if self.message is None else None

    def __repr__(self) -> str:
        kind = self.type.label if self.type else "?"
        return f"WireMessage({self.file}#{self.frame} {self.src} > {self.dst} {kind})"
