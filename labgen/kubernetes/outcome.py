"""What a verb did: the new state, and the lines that kubectl prints about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgen.errors import InputError, InputErrors

if TYPE_CHECKING:
    from labgen.kubernetes.state import ClusterState


@dataclass(frozen=True, slots=True)
class Outcome:
    """`out` goes to standard output, `warnings` and then `problems` to standard error.

    Objects that a problem concerns are as they were; the others have been dealt with, as kubectl
    goes on with the next object.
    """

    state: ClusterState
    out: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    problems: tuple[InputError, ...] = ()

    def checked(self) -> ClusterState:
        """The state, or the problems as one InputError: for callers that want all or nothing."""
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            raise InputErrors(self.problems)
        return self.state
