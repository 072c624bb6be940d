"""What a receiver must know to read a direction of a session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labgen.bgp.vocabulary import Family


@dataclass(frozen=True, slots=True)
class DecodeContext:
    """What a receiver must know to read one direction of a session.

    `four_octet_as` and `add_path` (the families whose NLRI carry path identifiers) come from both
    OPENs; None, when they were not seen, lets the octets decide. `max_length` in octets.
    """

    four_octet_as: bool | None = None
    add_path: frozenset[Family] | None = None
    max_length: int = 65535

    def add_path_for(self, family: Family) -> bool | None:
        return None if self.add_path is None else family in self.add_path


UNKNOWN_CONTEXT = DecodeContext()
FOUR_OCTET_CONTEXT = DecodeContext(four_octet_as=True, add_path=frozenset())
