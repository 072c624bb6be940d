"""A bundle of evidence: a directory of files by any name. Files are told apart by what they hold.

Captures by their magic number, text by its lines: one file may hold the outputs of several
commands, with or without prompts between them. A file that says nothing is listed, never fatal.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from labgen.errors import EvidenceError, InputError
from labgen.facts import Facts, Quote
from labgen.observe import (
    calico_text,
    config_text,
    json_text,
    kernel_text,
    logs,
    router_text,
)
from labgen.observe.lines import Line, lines_of

# pcap (micro- and nanoseconds, both byte orders), Kuznetzov's pcap, pcapng
_CAPTURES = {
    b"\xa1\xb2\xc3\xd4",
    b"\xd4\xc3\xb2\xa1",
    b"\xa1\xb2\x3c\x4d",
    b"\x4d\x3c\xb2\xa1",
    b"\xa1\xb2\xcd\x34",
    b"\x34\xcd\xb2\xa1",
    b"\x0a\x0d\x0d\x0a",
}
_GZIP = b"\x1f\x8b"
MAX_TEXT = 256 << 20  # a log beyond this is not read whole: its end is where the trouble is
_SECRET = re.compile(
    r"(?i)(\bpassword(?:\s+(?:\d\s+)?|=)|\bmd5keys:)(\"[^\"]*\"|'[^']*'|\S+)|(\bsecret\s+)\S+"
)


@dataclass(frozen=True, slots=True)
class BundleFiles:
    """What a directory holds: captures to read, texts by relative name, and what is neither."""

    captures: tuple[Path, ...]
    texts: Mapping[str, str]
    unread: tuple[tuple[str, str], ...]


def open_bundle(directory: Path) -> BundleFiles:
    """Sort a directory's files by content. Raises InputError or EvidenceError for the directory."""
    if not directory.is_dir():
        raise InputError(
            f"{directory}: no such directory",
            hint="name a directory with a pcap, logs or saved outputs",
        )
    captures: list[Path] = []
    texts: dict[str, str] = {}
    unread: list[tuple[str, str]] = []
    try:
        files = sorted(p for p in directory.rglob("*") if p.is_file())
    except OSError as error:
        raise EvidenceError(f"{directory}: {error.strerror}") from None
    for path in files:
        name = str(path.relative_to(directory))
        try:
            content = _head(path)
            if content[:4] in _CAPTURES:
                captures.append(path)
                continue
            text = _text(path)
        except (OSError, EOFError) as error:
            unread.append((name, str(error)))
            continue
        if text is None:
            unread.append((name, "neither a capture nor text"))
        else:
            texts[name] = text
    return BundleFiles(tuple(captures), texts, tuple(unread))


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        head = stream.read(4)
    if head[:2] == _GZIP:
        with gzip.open(path) as unpacked:
            return unpacked.read(4)
    return head


def _text(path: Path) -> str | None:
    opener = gzip.open if path.read_bytes()[:2] == _GZIP else Path.open
    with opener(path, "rb") as stream:
        data = stream.read(MAX_TEXT)
    if b"\0" in data[:4096] and data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    return None if b"\0" in data[:4096] else data.decode("utf-8", "replace")


def read_texts(texts: Mapping[str, str]) -> Facts:
    """Every fact in the texts. A text without any is listed in `unread`."""
    facts = Facts()
    for name, text in texts.items():
        found = read_text(name, text)
        if found == Facts():
            reason = "empty" if not text.strip() else "nothing in it that labgen knows"
            found = Facts(unread=((name, reason),))
        else:
            found = replace(found, files=((name, _kind(found)),))
        facts += found
    return facts


def read_text(name: str, text: str) -> Facts:
    """Every fact in one text, whatever commands it holds."""
    lines = [_without_secret(line) for line in lines_of(name, text)]
    events = (*logs.read(lines), *calico_text.waiting(lines))
    facts = Facts(
        events=events,
        peers=(
            *calico_text.peers(lines),
            *router_text.peers(lines),
            *router_text.policy_peers(lines),
        ),
        routes=(
            *router_text.table(lines),
            *router_text.inaccessible(lines),
            *router_text.installed(lines),
            *kernel_text.routes(lines),
        ),
        next_hops=tuple(router_text.next_hops(lines)),
        bfd=(*calico_text.bfd(lines), *router_text.bfd(lines)),
        counters=tuple(kernel_text.counters(lines)),
        sockets=tuple(kernel_text.sockets(lines)),
        configs=(*config_text.router(lines), *config_text.bird(lines)),
        self_ips=tuple(kernel_text.self_ips(lines)),
        rules=tuple(kernel_text.rules(lines)),
        unresolved=tuple(kernel_text.unresolved(lines)),
        identities=(
            *calico_text.identities(lines),
            *router_text.identities(lines),
            *kernel_text.identities(lines),
        ),
    )
    return facts + calico_text.routes(lines) + json_text.read(lines) + config_text.calico(lines)


def _without_secret(line: Line) -> Line:
    """A password never reaches a fact: quotes are printed."""
    if not any(word in line.text for word in ("assword", "ecret", "md5keys")):
        return line
    text = _SECRET.sub(lambda m: f"{m[1] or m[3]}*****", line.text)
    return Line(line.file, line.line, text, line.node)


def _kind(facts: Facts) -> str:
    """What a file holds, for the list of files."""
    names = (
        "events",
        "peers",
        "routes",
        "not_exported",
        "next_hops",
        "bfd",
        "counters",
        "sockets",
        "configs",
        "pools",
        "settings",
        "self_ips",
        "rules",
        "unresolved",
    )
    return (
        ", ".join(name.replace("_", " ") for name in names if getattr(facts, name)) or "identities"
    )


__all__ = ["BundleFiles", "Quote", "open_bundle", "read_text", "read_texts"]
