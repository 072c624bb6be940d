"""What a command gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgen.calico.datastore_errors import UNKNOWN_FIELD

if TYPE_CHECKING:
    from labgen.calico.datastore import Datastore


@dataclass(frozen=True, slots=True)
class Result:
    """Both outputs to the byte, the exit status, and the store after the command."""

    store: Datastore
    stdout: str = ""
    stderr: str = ""
    status: int = 0


def failed(store: Datastore, message: str, *, stdout: str = "") -> Result:
    """A command that ends with an error. An unknown field replaces all that is said around it."""
    if UNKNOWN_FIELD in message:
        name = message.partition(UNKNOWN_FIELD)[2].split("]")[0].split("\n")[0]
        message = UNKNOWN_FIELD + name
    return Result(store, stdout, message + "\n", 1)
