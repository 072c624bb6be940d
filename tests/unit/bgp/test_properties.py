"""Properties of the codec: what is encoded is decoded, and no octets make it fall over."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labgen.bgp.attribute_codec import DecodeContext
from labgen.bgp.codec import FOUR_OCTET_CONTEXT, UNKNOWN_CONTEXT, Decoder, decode, encode
from labgen.bgp.everyday import is_everyday
from labgen.bgp.messages import Message, Update
from labgen.bgp.vocabulary import IPV4_UNICAST, IPV6_UNICAST, MARKER
from labgen.errors import DecodeError
from tests.unit.capture.packets import generated_messages

BOTH = frozenset({IPV4_UNICAST, IPV6_UNICAST})
CONTEXTS = [
    UNKNOWN_CONTEXT,
    FOUR_OCTET_CONTEXT,
    DecodeContext(False, frozenset(), 4096),
    DecodeContext(True, BOTH),
]


def framed(kind: int, body: bytes) -> bytes:
    return MARKER + (19 + len(body)).to_bytes(2, "big") + bytes((kind,)) + body


def attempt(raw: bytes, context: DecodeContext) -> tuple[Message | None, DecodeError | None]:
    try:
        return decode(raw, context), None
    except DecodeError as error:
        return None, error


def decodes_or_says_why(raw: bytes) -> None:
    for context in CONTEXTS:
        message, error = attempt(raw, context)
        if error is not None:
            assert 0 <= error.offset <= len(raw)
            assert "RFC" in error.reference
        if isinstance(message, Update):
            assert all(0 <= e.offset <= len(raw) for e in message.errors)
            tuple(message.announced), tuple(message.withdrawn)


@pytest.mark.parametrize("four_octet_as", [True, False])
@pytest.mark.parametrize("add_path", [True, False])
def test_generated_messages_come_back(four_octet_as: bool, add_path: bool) -> None:
    context = DecodeContext(four_octet_as, BOTH if add_path else frozenset())
    source = Random(7)
    decoder = Decoder(context)
    for _, raw in generated_messages(
        source, count=400, four_octet_as=four_octet_as, add_path=add_path
    ):
        assert encode(decoder.decode(raw), context) == raw
        assert decoder.decode(raw) == decode(raw, context)


@given(kind=st.integers(0, 6), body=st.binary(max_size=200))
@example(kind=1, body=bytes.fromhex("04fc0000b40a000001ff02"))
def test_random_bodies(kind: int, body: bytes) -> None:
    decodes_or_says_why(framed(kind, body))


@settings(max_examples=200)
@given(
    seed=st.integers(0, 2**32),
    flips=st.lists(st.tuples(st.integers(18, 400), st.integers(0, 255)), max_size=4),
)
def test_sound_messages_with_octets_changed(seed: int, flips: list[tuple[int, int]]) -> None:
    source = Random(seed)
    for _, raw in generated_messages(source, count=2, four_octet_as=True, add_path=False):
        changed = bytearray(raw)
        for at, value in flips:
            if at < len(changed):
                changed[at] = value
        decodes_or_says_why(bytes(changed))


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32), at=st.integers(23, 120), value=st.integers(0, 255))
def test_everyday_updates_are_what_the_decoder_says(seed: int, at: int, value: int) -> None:
    """The cheap proof never calls sound what the decoder does not."""
    for _, raw in generated_messages(Random(seed), count=3, four_octet_as=True, add_path=False):
        changed = bytearray(raw)
        if at < len(changed):
            changed[at] = value
        octets = bytes(changed)
        decoder = Decoder(FOUR_OCTET_CONTEXT)
        try:
            prefixes = decoder.everyday_prefixes(octets) if octets[18] == 2 else None
        except DecodeError:
            prefixes = None
        if prefixes is not None:
            update = decoder.decode(octets)
            assert isinstance(update, Update)
            assert update.errors == ()
            assert update.withdrawn == ()
            assert update.announced == ((IPV4_UNICAST, update.nlri),)
            assert update.nlri.texts == prefixes


def test_an_everyday_update_is_recognised() -> None:
    block = bytes.fromhex("4001010040020602010000fc004003040a00000140050400000064")
    assert is_everyday(block, 0, len(block))
    assert not is_everyday(block + block[:4], 0, len(block) + 4)
    assert not is_everyday(block[:-1], 0, len(block) - 1)
