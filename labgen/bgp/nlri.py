"""NLRI: prefixes as UPDATE carries them, with or without path identifiers (RFC 7911)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import TYPE_CHECKING, NamedTuple, overload

from labgen.bgp.vocabulary import Family
from labgen.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

IpNetwork = IPv4Network | IPv6Network

# Families whose NLRI is a plain (length, prefix) list: RFC 4271 section 4.3, RFC 4760 section 5.
_PREFIX_OCTETS = {Family(1, 1): 4, Family(1, 2): 4, Family(2, 1): 16, Family(2, 2): 16}
_MASKS = [(0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF for bits in range(33)]
_TEXT_CACHE_SIZE = 1 << 16


class Nlri(NamedTuple):
    """One route: its prefix and, where add-path is in use, its path identifier."""

    prefix: IpNetwork
    path_id: int | None = None

    def __str__(self) -> str:
        return str(self.prefix) if self.path_id is None else f"{self.prefix} (path {self.path_id})"


class NlriBlock(Sequence[Nlri]):
    """The routes of one field, in wire order; `ipaddress` values are built when asked for.

    `texts` are the prefixes as text (`10.0.0.0/24`); `path_ids` has one identifier for each, or
    is None where the field carries none. `raw` is the field's octets when its family's encoding
    is unknown to labgen: then the block is empty.
    """

    __slots__ = ("path_ids", "raw", "texts")

    def __init__(
        self,
        texts: tuple[str, ...] = (),
        path_ids: tuple[int, ...] | None = None,
        raw: bytes | None = None,
    ) -> None:
        self.texts = texts
        self.path_ids = path_ids
        self.raw = raw

    @classmethod
    def of(cls, routes: Iterable[Nlri | IpNetwork | str]) -> NlriBlock:
        """A block from routes, networks or texts. All or none of them carry a path identifier."""
        pairs = [
            (str(route.prefix), route.path_id)
            if isinstance(route, Nlri)
            else (str(ip_network(route)), None)
            for route in routes
        ]
        ids = [path_id for _, path_id in pairs if path_id is not None]
        if ids and len(ids) != len(pairs):
            raise ValueError("either every route has a path identifier or none has")
        return cls(tuple(text for text, _ in pairs), tuple(ids) if ids else None)

    @property
    def prefixes(self) -> tuple[IpNetwork, ...]:
        """The prefixes alone, in wire order."""
        return tuple(ip_network(text) for text in self.texts)

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Nlri: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Nlri, ...]: ...
    def __getitem__(self, index: int | slice) -> Nlri | tuple[Nlri, ...]:
        if isinstance(index, slice):
            return tuple(self)[index]
        path_id = None if self.path_ids is None else self.path_ids[index]
        return Nlri(ip_network(self.texts[index]), path_id)

    def __iter__(self) -> Iterator[Nlri]:
        return (self[index] for index in range(len(self.texts)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NlriBlock):
            return NotImplemented
        return (self.texts, self.path_ids, self.raw) == (other.texts, other.path_ids, other.raw)

    def __hash__(self) -> int:
        return hash((self.texts, self.path_ids, self.raw))

    def __repr__(self) -> str:
        if self.raw is not None:
            return f"NlriBlock(raw={self.raw.hex()})"
        return f"NlriBlock([{', '.join(str(route) for route in self)}])"


EMPTY = NlriBlock()

_texts6: dict[bytes, str] = {}  # IPv6 prefixes already met, by their octets on the wire


def _text4(bits: int, body: bytes) -> str:
    """An IPv4 prefix as text. Plain formatting: an ipaddress object would cost ten times as much.

    Bits behind the prefix length are irrelevant (RFC 4271 section 4.3): they print as zero.
    """
    if bits & 7:
        number = int.from_bytes(body.ljust(4, b"\0"), "big") & _MASKS[bits]
        return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}/{bits}"
    a, b, c, d = body.ljust(4, b"\0")
    return f"{a}.{b}.{c}.{d}/{bits}"


def _text6(bits: int, body: bytes) -> str:
    key = bytes((bits,)) + body
    text = _texts6.get(key)
    if text is None:
        number = int.from_bytes(body.ljust(16, b"\0"), "big")
        spare = 128 - bits
        text = f"{IPv6Address(number >> spare << spare)}/{bits}"
        if len(_texts6) >= _TEXT_CACHE_SIZE:
            _texts6.clear()
        _texts6[key] = text
    return text


def _decode_plain(field: bytes, octets: int, offset: int) -> tuple[str, ...]:
    texts: list[str] = []
    append = texts.append
    end = len(field)
    limit = octets * 8
    text_of = _text4 if octets == 4 else _text6
    at = 0
    while at < end:
        bits = field[at]
        stop = at + 1 + ((bits + 7) >> 3)
        if bits > limit or stop > end:
            raise _bad_prefix(bits, limit, offset + at)
        if bits == 24 and octets == 4:  # by far the most frequent length
            append(f"{field[at + 1]}.{field[at + 2]}.{field[at + 3]}.0/24")
        else:
            append(text_of(bits, field[at + 1 : stop]))
        at = stop
    return tuple(texts)


def _decode_add_path(
    field: bytes, octets: int, offset: int
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    texts: list[str] = []
    ids: list[int] = []
    end = len(field)
    limit = octets * 8
    text_of = _text4 if octets == 4 else _text6
    at = 0
    while at < end:
        if at + 5 > end:
            raise DecodeError(
                "a path identifier runs past the end of its field",
                offset=offset + at,
                reference="RFC 7911 section 3",
            )
        bits = field[at + 4]
        stop = at + 5 + ((bits + 7) >> 3)
        if bits > limit or stop > end:
            raise _bad_prefix(bits, limit, offset + at + 4)
        texts.append(text_of(bits, field[at + 5 : stop]))
        ids.append(int.from_bytes(field[at : at + 4], "big"))
        at = stop
    return tuple(texts), tuple(ids)


def _bad_prefix(bits: int, limit: int, offset: int) -> DecodeError:
    reason = (
        f"prefix length {bits} is more than {limit}"
        if bits > limit
        else f"a /{bits} prefix runs past the end of its field"
    )
    return DecodeError(
        reason, offset=offset, reference="RFC 4271 section 6.3, RFC 7606 section 5.3"
    )


def decode_nlri(
    field: bytes, family: Family, *, add_path: bool | None, offset: int = 0
) -> NlriBlock:
    """Decode one NLRI field. `offset` is the field's place in its message, for errors.

    `add_path` says whether path identifiers stand before the prefixes; None, when the OPENs were
    not seen, lets the octets decide. Raises DecodeError where a prefix cannot be parsed.
    """
    if not field:
        return EMPTY
    octets = _PREFIX_OCTETS.get(family)
    if octets is None:
        return NlriBlock(raw=bytes(field))
    if add_path is None:
        add_path = looks_like_add_path(field, octets)
    if add_path:
        return NlriBlock(*_decode_add_path(field, octets, offset))
    return NlriBlock(_decode_plain(field, octets, offset))


def looks_like_add_path(field: bytes, octets: int) -> bool:
    """Guess whether a field carries path identifiers, when no OPEN tells.

    Small identifiers read as plain NLRI look like repeated default routes, which no speaker sends;
    a field that is sound as plain NLRI and repeats nothing is taken for plain.
    """
    try:
        plain = _decode_plain(field, octets, 0)
    except DecodeError:
        plain = None
    if plain is not None and len(set(plain)) == len(plain):
        return False
    try:
        _decode_add_path(field, octets, 0)
    except DecodeError:
        return False
    return True


def encode_nlri(block: NlriBlock) -> bytes:
    """The octets of a block; the inverse of `decode_nlri`."""
    if block.raw is not None:
        return block.raw
    out = bytearray()
    for index, prefix in enumerate(block.prefixes):
        if block.path_ids is not None:
            out += block.path_ids[index].to_bytes(4, "big")
        bits = prefix.prefixlen
        out.append(bits)
        out += prefix.network_address.packed[: (bits + 7) >> 3]
    return bytes(out)
