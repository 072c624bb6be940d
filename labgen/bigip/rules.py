"""What one ZebOS command is: its pattern, where it may stand, and what FRR 8.4 makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

from labgen.bigip import grammar

FRR_BGP = "https://docs.frrouting.org/en/stable-8.4/bgp.html"
FRR_ZEBRA = "https://docs.frrouting.org/en/stable-8.4/zebra.html"
FRR_STATIC = "https://docs.frrouting.org/en/stable-8.4/static.html"
FRR_ROUTE_MAP = "https://docs.frrouting.org/en/stable-8.4/routemap.html"
FRR_BFD = "https://docs.frrouting.org/en/stable-8.4/bfd.html"
F5_ROUTE_DOMAIN = "https://my.f5.com/manage/s/article/K16122"


class Context(Enum):
    """The modes of imish in which a statement may stand; `value` is the prompt's word."""

    SESSION = "exec"
    GLOBAL = "config"
    ROUTER_BGP = "config-router"
    ADDRESS_FAMILY = "config-router-af"
    ROUTE_MAP = "config-route-map"
    INTERFACE = "config-if"
    LINE = "config-line"
    FOREIGN = "config-other"  # `router ospf` and the like: sections that are not BGP


class Verdict(Enum):
    """How FRR honours a statement."""

    SAME = "same"
    RENAMED = "renamed"
    ADDED = "added"  # FRR lines with no ZebOS line: a BIG-IP default that FRR must be told
    UNSUPPORTED = "unsupported"


class Severity(Enum):
    """Whether an unsupported statement would have changed routes or sessions (ERROR) or not."""

    NONE = "none"
    WARNING = "warning"
    ERROR = "error"


class Place(Enum):
    """Where the FRR lines of a statement go."""

    HERE = "here"  # the FRR section that equals the statement's own
    ROUTER = "router"  # `router bgp`, also when the statement stands in an address family
    NOWHERE = "nowhere"


@dataclass(frozen=True)
class Rule:
    """One command. `frr` and `frr_negated` are templates (see `grammar.render`).

    `frr` is None when the statement's own words are FRR's; an empty tuple says that FRR has no
    equal. `states_negation`: `no …` configures something (the command is on by default), where
    otherwise `no …` takes an earlier statement back. `repeats`: several such lines stand side by
    side, as in an access list. `only_negated`: exists as `no …` alone. `opens`: the mode that the
    statement enters.
    """

    contexts: tuple[Context, ...]
    pattern: str
    verdict: Verdict = Verdict.SAME
    frr: tuple[str, ...] | None = None
    frr_negated: tuple[str, ...] | None = None
    states_negation: bool = False
    negated_verdict: Verdict | None = None
    negated_reason: str = ""
    repeats: bool = False
    only_negated: bool = False
    place: Place = Place.HERE
    opens: Context | None = None
    severity: Severity = Severity.NONE
    reason: str = ""
    reference: str = ""

    @cached_property
    def command(self) -> str:
        """The command's keywords: `neighbor remote-as`."""
        return grammar.keywords(self.pattern)

    @cached_property
    def identifiers(self) -> tuple[str, ...]:
        return grammar.identifiers(self.pattern)

    @property
    def is_family(self) -> bool:
        """Whether it belongs to an address family rather than to the session."""
        return Context.ADDRESS_FAMILY in self.contexts and self.place is not Place.ROUTER

    @cached_property
    def first(self) -> str:
        """The first keyword, in lower case, for a quick choice of rules."""
        return self.pattern.split()[0].lower()
