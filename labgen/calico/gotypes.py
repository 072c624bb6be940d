"""How Go's JSON decoder turns what a YAML scalar holds into the types of Calico's API.

calicoctl and kubectl convert YAML to JSON and then decode into typed structs: a boolean or number
that lands in a string becomes text, an AS number is a number or `high.low`, a duration is a
string such as `1m30s`.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

_UNIT_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
# Go's digits are those of ASCII; `\d` alone would take every alphabet's.
_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_DURATION = re.compile(rf"[-+]?(?:{_DURATION_PART.pattern})+\Z")
_DOTTED_AS = re.compile(r"([0-9]{1,5})\.([0-9]{1,5})\Z")
# Words that the API spells in capitals; every other word of a field name is camel case.
_CAPITALS = {
    word.lower(): word
    for word in ("IP", "IPs", "AS", "ID", "BGP", "IPIP", "VXLAN", "MAC", "CIDRs", "VM")
} | {"ipv4": "IPV4", "ipv6": "IPV6"}


def api_name(name: str) -> str:
    """The API's spelling of a Python name: `local_as_number` is `localASNumber`."""
    first, *rest = name.split("_")
    return first + "".join(_CAPITALS.get(word, word.capitalize()) for word in rest)


def go_string(value: Any) -> Any:
    """What Go puts into a string field: booleans and numbers become their JSON text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return go_float(value)
    return value


def go_float(value: float) -> str:
    """The shortest text that reads back the same: strconv.FormatFloat(value, 'g', -1, 64)."""
    if not math.isfinite(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    shortest = Decimal(repr(value)).normalize()
    power = shortest.adjusted() if value else 0
    if -4 <= power < 6:
        return f"{shortest:f}"
    mantissa = shortest.scaleb(-power)
    return f"{mantissa:f}e{'-' if power < 0 else '+'}{abs(power):02d}"


def as_number(value: Any) -> Any:
    """An AS number written as a number, as digits or as `high.low` (RFC 5396 asdot+)."""
    if isinstance(value, float):
        raise ValueError("write an AS number in dotted form within quotes, for example '0.64512'")  # noqa: TRY004 - pydantic turns only ValueError into a field error
    if not isinstance(value, str):
        return value
    dotted = _DOTTED_AS.match(value)
    if dotted:
        high, low = (int(part) for part in dotted.groups())
        if max(high, low) > 0xFFFF:
            raise ValueError("each half of a dotted AS number is 0-65535")
        return high << 16 | low
    if not (value.isascii() and value.isdecimal()):
        raise ValueError("an AS number is 0-4294967295, or high.low")
    return int(value)


def duration(value: Any) -> Any:
    """A Go duration string, such as `10s` or `1m30s`."""
    if value == "0":
        return timedelta(0)
    if not isinstance(value, str) or not _DURATION.match(value):
        raise ValueError("a duration is a number with its unit, for example 120s or 1m30s")
    seconds = sum(
        (Decimal(number) * _UNIT_SECONDS[unit] for number, unit in _DURATION_PART.findall(value)),
        Decimal(0),
    )
    if value.startswith("-"):
        raise ValueError("a duration cannot be negative")
    if seconds > 2**31 - 1:
        raise ValueError("a duration is at most 2147483647s")
    return timedelta(seconds=float(seconds))


def whole_seconds(value: timedelta) -> int:
    """Seconds rounded half away from zero, as Go's Duration.Round does."""
    exact = Decimal(value // timedelta(microseconds=1)) / 1_000_000
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


Text = Annotated[str, BeforeValidator(go_string)]
Bool = Annotated[bool, Strict()]
Int = Annotated[int, Strict(), Field(ge=-(2**31), le=2**31 - 1)]  # Go: int32
UInt8 = Annotated[int, Strict(), Field(ge=0, le=0xFF)]
UInt16 = Annotated[int, Strict(), Field(ge=0, le=0xFFFF)]
AsNumber = Annotated[int, BeforeValidator(as_number), Strict(), Field(ge=0, le=0xFFFF_FFFF)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Labels = dict[str, Text]


class Strictly(BaseModel):
    """A Calico struct: a field that the API does not have is an error."""

    model_config = ConfigDict(
        frozen=True, defer_build=True, extra="forbid", alias_generator=api_name
    )


class Loosely(BaseModel):
    """A Kubernetes struct of which we read a part."""

    model_config = ConfigDict(
        frozen=True, defer_build=True, extra="ignore", alias_generator=api_name
    )
