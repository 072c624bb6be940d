"""Lines of an FRR configuration and their order in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgen.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labgen.bigip.grammar import Value

FRR_VERSION = "8.4"

# FRR warns about a route map or a list that is used before it is defined, so these come first
_ORDER = (
    "hostname",
    "log",
    "service",
    "ip nht",
    "ipv6 nht",
    "access-list",
    "ipv6 access-list",
    "ip prefix-list",
    "ipv6 prefix-list",
    "bgp as-path",
    "bgp community-list",
    "bgp extcommunity-list",
    "route-map",
    "interface",
    "ip route",
    "ipv6 route",
    "router bgp",
)
# what makes a peer comes before what is said of it
_PEER_ORDER = ("peer-group", "remote-as", "member")


@dataclass(frozen=True, slots=True)
class FrrLine:
    """One line in a section (headers, outermost first); no words: the section's mere existence.

    `identity` says what the line sets, so that two configurations can be compared.
    """

    section: tuple[str, ...]
    words: tuple[Value, ...]
    identity: tuple[object, ...]

    def text(self, *, reveal: bool = False) -> str:
        """The line; for a section's existence its header. Secrets are stars unless `reveal`."""
        if not self.words:
            return self.section[-1]
        return " ".join(
            w.reveal() if reveal and isinstance(w, Secret) else str(w) for w in self.words
        )


def in_order(lines: Iterable[FrrLine]) -> list[FrrLine]:
    """Lines in the order in which FRR takes them without a warning."""
    return sorted(lines, key=_rank)


def lay_out(lines: Sequence[FrrLine]) -> str:
    """A whole frr.conf, passwords in clear: top-level lines, policy, interfaces, then BGP."""
    ordered = in_order(lines)
    text = ["frr defaults traditional"]
    top = dict.fromkeys(line.section[:1] or (line.text(reveal=True),) for line in ordered)
    for (head,) in top:
        inside = [line for line in ordered if line.section[:1] == (head,)]
        text.extend(_stanza(head, inside) if inside else [head])
    return "\n".join(text) + "\n"


def _stanza(head: str, inside: Sequence[FrrLine]) -> list[str]:
    own = sorted((s for s in inside if len(s.section) == 1 and s.words), key=_peer_rank)
    text = ["!", head, *(f" {line.text(reveal=True)}" for line in own)]
    families = dict.fromkeys(line.section[1] for line in inside if len(line.section) > 1)
    for family in sorted(families):
        text += [" !", f" {family}"]
        text += [
            f"  {line.text(reveal=True)}"
            for line in inside
            if line.section[1:] == (family,) and line.words
        ]
        text.append(" exit-address-family")
    return [*text, "exit", "!"]


def _rank(line: FrrLine) -> int:
    text = line.section[0] if line.section else line.text()
    text = text.removeprefix("no ")
    fits = [i for i, head in enumerate(_ORDER) if text.startswith(f"{head} ")]
    return fits[0] if fits else len(_ORDER) - 2


def _peer_rank(line: FrrLine) -> int:
    words = [str(word) for word in line.words]
    if words[0] != "neighbor":
        return 0
    kind = "member" if words[2] == "peer-group" and len(words) == 4 else words[2]
    return 1 + (_PEER_ORDER.index(kind) if kind in _PEER_ORDER else len(_PEER_ORDER))
