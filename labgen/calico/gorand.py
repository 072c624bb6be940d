"""Go's `math/rand` source for a given seed, as far as Calico's choice of a first block needs it.

The generator is an additive lagged Fibonacci one (Mitchell and Moore; Knuth, TAOCP volume 2,
3.2.2): x(n) = x(n-273) + x(n-607) modulo 2^64. Go mixes a seed's Lehmer sequence into the state
that the same recurrence reaches from seed 1 after 7.8e12 steps. Go ships that state as a table;
here a power of z modulo the recurrence's polynomial jumps there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH = 607
_TAP = 273
_STEPS = 7_800_000_000_000
_MASK = 2**64 - 1
_LEHMER = 2**31 - 1
_SLOT = 144  # bits: a product's coefficient is below 607 * 2^128


def _lehmer(seed: int) -> Iterator[int]:
    """Park and Miller's generator with Go's multiplier, without its first 20 values."""
    x = seed % _LEHMER or 89482311
    count = 0
    while True:
        x = 48271 * x % _LEHMER
        count += 1
        if count > 20:
            yield x


def _mixed(values: Iterator[int], shift: int) -> int:
    """Three values, spread `shift` bits apart, in one word."""
    return (next(values) << 2 * shift ^ next(values) << shift ^ next(values)) & _MASK


def _times(a: list[int], b: list[int]) -> list[int]:
    """Product of two polynomials modulo z^607 - z^334 - 1, coefficients modulo 2^64."""

    def packed(polynomial: list[int]) -> int:
        size = _SLOT // 8
        return int.from_bytes(b"".join(c.to_bytes(size, "little") for c in polynomial), "little")

    product = packed(a) * packed(b)
    raw = product.to_bytes(2 * _LENGTH * _SLOT // 8, "little")
    size = _SLOT // 8
    long = [int.from_bytes(raw[i : i + size], "little") & _MASK for i in range(0, len(raw), size)]
    for degree in range(2 * _LENGTH - 1, _LENGTH - 1, -1):
        carried = long[degree]
        long[degree - _TAP] = (long[degree - _TAP] + carried) & _MASK
        long[degree - _LENGTH] = (long[degree - _LENGTH] + carried) & _MASK
    return long[:_LENGTH]


@cache
def _cooked() -> tuple[int, ...]:
    """The state vector after 7.8e12 steps from seed 1 (Go: `rngCooked`)."""
    values = _lehmer(1)
    vector = [_mixed(values, 10) for _ in range(_LENGTH)]
    # The generator walks down from index 333; x[0] is the oldest value, x[606] the newest.
    x = [vector[(_LENGTH - _TAP + 606 - i) % _LENGTH] for i in range(_LENGTH)]
    for i in range(_LENGTH, 2 * _LENGTH):
        x.append((x[i - _LENGTH] + x[i - _TAP]) & _MASK)
    power, square, steps = [1] + [0] * (_LENGTH - 1), [0, 1] + [0] * (_LENGTH - 2), _STEPS
    while steps:
        if steps & 1:
            power = _times(power, square)
        square = _times(square, square)
        steps >>= 1
    after = [
        sum(c * value for c, value in zip(power, x[i : i + _LENGTH], strict=True)) & _MASK
        for i in range(_LENGTH)
    ]
    newest = (_LENGTH - _TAP - _STEPS) % _LENGTH
    cooked = [0] * _LENGTH
    for age in range(_LENGTH):
        cooked[(newest + age) % _LENGTH] = after[_LENGTH - 1 - age]
    return tuple(cooked)


class GoRandom:
    """`rand.New(rand.NewSource(seed))`."""

    def __init__(self, seed: int) -> None:
        values = _lehmer(seed)
        self._vector = [_mixed(values, 20) ^ cooked for cooked in _cooked()]
        self._tap, self._feed = 0, _LENGTH - _TAP

    def uint32(self) -> int:
        self._tap = (self._tap - 1) % _LENGTH
        self._feed = (self._feed - 1) % _LENGTH
        value = (self._vector[self._feed] + self._vector[self._tap]) & _MASK
        self._vector[self._feed] = value
        return (value & (2**63 - 1)) >> 31

    def below(self, limit: int) -> int:
        """A number in [0, limit), drawn as `big.Int.Rand` does on a 64-bit machine."""
        bits = limit.bit_length()
        words = -(-bits // 64)
        while True:
            drawn = 0
            for word in range(words):
                drawn |= (self.uint32() | self.uint32() << 32) << 64 * word
            drawn &= (1 << bits) - 1
            if drawn < limit:
                return drawn


def fnv1_32(text: str) -> int:
    """FNV-1, 32 bits: Calico's seed for a node's name."""
    value = 0x811C9DC5
    for octet in text.encode():
        value = value * 0x01000193 % 2**32 ^ octet
    return value
