"""Ages, as kubectl writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

_UNITS = {"y": 365 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
# below so many seconds: the larger unit, and the smaller one if it is shown and not zero
_STEPS = (
    (120, "s", ""),
    (600, "m", "s"),
    (3 * 3600, "m", ""),
    (8 * 3600, "h", "m"),
    (48 * 3600, "h", ""),
    (8 * 86400, "d", "h"),
    (2 * 365 * 86400, "d", ""),
    (8 * 365 * 86400, "y", "d"),
)


def human(duration: timedelta) -> str:
    """apimachinery's `duration.HumanDuration`: two units at most, and fewer as it grows."""
    seconds = int(duration.total_seconds())
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    large, small = next(
        ((large, small) for limit, large, small in _STEPS if seconds < limit), ("y", "")
    )
    whole, rest = divmod(seconds, _UNITS[large])
    part = rest // _UNITS[small] if small else 0
    return f"{whole}{large}" + (f"{part}{small}" if part else "")


def age(since: datetime, now: datetime) -> str:
    return human(now - since)
