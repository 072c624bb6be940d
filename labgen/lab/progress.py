"""What a deploy or destroy tells while it works: small events; whoever wants prints them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """What has just happened (IMAGE and WAITING: what has just begun)."""

    IMAGE = "image"
    STARTED = "started"
    WIRED = "wired"
    READY = "ready"
    WAITING = "waiting"
    REMOVED = "removed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Event:
    """`done` of `total` for steps that are counted; `text` is one line for people."""

    step: Step
    text: str
    node: str | None = None
    done: int = 0
    total: int = 0


Progress = Callable[[Event], None]


def silent(_: Event) -> None:
    """Nobody listens."""
