"""Waiting for a state, never for a time: the one place that sleeps."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from labgen.errors import NotReady

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def wait_until(
    observe: Callable[[], T],
    until: Callable[[T], bool],
    *,
    deadline: float,
    what: str,
    interval: float = 0.05,
    describe: Callable[[T], str] = str,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> T:
    """Observe until the observation satisfies `until`; returns that observation.

    `deadline` is in seconds from now, `interval` between the end of one look and the start of the
    next. Looks at least once, and once more after the deadline has passed during a pause. Raises
    NotReady with the last observation, as `describe` words it.
    """
    began = clock()
    while True:
        seen = observe()
        if until(seen):
            return seen
        waited = clock() - began
        if waited >= deadline:
            raise NotReady(what, waited=waited, last=describe(seen))
        pause(min(interval, max(0.0, deadline - waited)))


def follow_pause(seconds: float = 0.05) -> bool:
    """Between two looks at something that grows; always true, for loops that a reader ends."""
    time.sleep(seconds)
    return True
