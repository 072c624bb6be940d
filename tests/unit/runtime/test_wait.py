"""Waiting for a state."""

from __future__ import annotations

import pytest

from labgen.errors import NotReady
from labgen.lab.wait import wait_until


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def test_what_is_so_already_takes_no_pause():
    clock = Clock()
    seen = wait_until(
        lambda: 7, lambda n: n == 7, deadline=0, what="x", clock=clock, pause=clock.pause
    )
    assert (seen, clock.pauses) == (7, [])


def test_it_looks_until_it_is_so():
    clock = Clock()
    values = iter(range(5))
    seen = wait_until(
        lambda: next(values), lambda n: n == 3, deadline=10, what="x", interval=1.0,
        clock=clock, pause=clock.pause,
    )  # fmt: skip
    assert (seen, clock.pauses) == (3, [1.0, 1.0, 1.0])


def test_the_deadline_is_kept_and_the_last_look_is_told():
    clock = Clock()
    values = iter(range(1, 9))
    with pytest.raises(NotReady, match=r"sessions: not reached in 2\.5 s; last seen: state 4") as e:
        wait_until(
            lambda: next(values), lambda n: n > 8, deadline=2.5, what="sessions", interval=1.0,
            describe=lambda n: f"state {n}", clock=clock, pause=clock.pause,
        )  # fmt: skip
    assert clock.pauses == [1.0, 1.0, 0.5]
    assert e.value.waited == 2.5
