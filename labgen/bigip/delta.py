"""What to tell a running FRR so that it gets from one translation to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bigip.frr_lines import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labgen.bigip.frr_lines import FrrLine


def delta(before: Sequence[FrrLine], after: Sequence[FrrLine]) -> str:
    """Lines for `vtysh -f`, passwords in clear; empty when nothing changes.

    What is gone is taken back first, then what is new or different is said. A line that sets the
    same thing as one before it replaces it without a `no`: `no neighbor X remote-as` would end
    the session.
    """
    kept = {_key(line) for line in before}
    wanted = {line.identity for line in after}
    gone = [line for line in before if line.identity not in wanted]
    new = in_order(line for line in after if _key(line) not in kept)
    return "".join([*_removals(gone), *(_said(line.section, _words(line)) for line in new)])


def _key(line: FrrLine) -> tuple[object, ...]:
    return line.identity, line.section, line.text(reveal=True)


def _words(line: FrrLine) -> str:
    return line.text(reveal=True) if line.words else ""


def _said(section: Sequence[str], line: str) -> str:
    family = len(section) > 1 and section[1].startswith("address-family")
    ends = (["exit-address-family"] if family else []) + (["exit"] if section else [])
    return "".join(f"{text}\n" for text in (*section, *([line] if line else []), *ends))


def _removals(gone: Sequence[FrrLine]) -> Iterator[str]:
    """`no …` for each line, less what another one takes along."""
    sections = {line.section for line in gone if not line.words}
    peers = {(line.section, str(line.words[1])) for line in gone if _makes_peer(line)}
    for section in sections:
        if not section[-1].startswith(("address-family", "interface")):
            yield _said(section[:-1], f"no {section[-1]}")
    ended = {s for s in sections if not s[-1].startswith(("address-family", "interface"))}
    for line in reversed(gone):
        if not line.words or any(line.section[: len(s)] == s for s in ended):
            continue
        if not _makes_peer(line) and _names_peer(line, peers):
            continue
        yield _said(line.section, _negated(line))


def _makes_peer(line: FrrLine) -> bool:
    words = line.words
    if len(words) < 3 or words[0] != "neighbor":
        return False
    return words[2] == "remote-as" or (words[2] == "peer-group" and len(words) == 3)


def _names_peer(line: FrrLine, peers: set[tuple[tuple[str, ...], str]]) -> bool:
    words = [str(word) for word in line.words if word != "no"]
    if words[0] != "neighbor":
        return False
    named = {words[1], *(words[3:4] if words[2] == "peer-group" else ())}
    return any(line.section[:1] == section[:1] and peer in named for section, peer in peers)


def _negated(line: FrrLine) -> str:
    words = line.text(reveal=True).split(" ")
    if words[0] == "no":
        return " ".join(words[1:])
    if "description" in words[:3]:  # FRR's `no … description` takes no text
        words = words[: words.index("description") + 1]
    return " ".join(("no", *words))
