"""What Calico's API client refuses, in its words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

UNKNOWN_FIELD = "field in document is not recognized or is in the wrong location: "


class Refused(InputError):
    """A verb that Calico's client refuses. `message` is its text to the byte, lines included."""

    def __str__(self) -> str:
        return " ".join(self.message.split())


class DoesNotExist(Refused):
    """The object is not there."""


class AlreadyExists(Refused):
    """The object is there already."""


class UpdateConflict(Refused):
    """The resourceVersion given is not the newest."""


class NotSupported(Refused):
    """Kubernetes' datastore does not do this."""


class Undecodable(Refused):
    """The document is no such object: calicoctl refuses the whole file."""


def invalid(fields: Sequence[str]) -> Refused:
    """Calico's ErrorValidation; `fields` as `NAME = 'VALUE' (REASON)`."""
    if len(fields) == 1:
        return Refused(f"error with field {fields[0]}")
    lines = "".join(f"-  {field}\n" for field in fields)
    return Refused(f"error with the following fields:\n{lines}")
