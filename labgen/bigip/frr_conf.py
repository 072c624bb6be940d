"""A plain FRR's own frr.conf, read for its BGP: which sessions and routes it implies.

FRR takes the file as it is, so a line that is not understood here is a note, not an error. What
counts is that nothing is attributed to the wrong section: a VRF's neighbors are not the default
instance's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from labgen.bigip.resolve import resolve
from labgen.bigip.rules import Context
from labgen.bigip.zebos import Config, parse, split, understand
from labgen.errors import InputError, InputErrors, Mark
from labgen.secret import STARS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.bigip.model import Routing
    from labgen.bigip.zebos import Statement

# FRR 8.4's defaults ("frr defaults traditional"), where a BIG-IP's differ
KEEPALIVE, HOLD = 60, 180  # https://docs.frrouting.org/en/stable-8.4/bgp.html, `timers bgp`
DATACENTER_KEEPALIVE, DATACENTER_HOLD = 3, 9  # `frr defaults datacenter`
MULTIPATH = 256  # paths, as Debian builds FRR (`--enable-multipath`); it uses all equal ones

# what FRR calls otherwise than ZebOS
_RENAMED = (
    (re.compile(r"^maximum-paths ibgp (\d+).*"), r"max-paths ibgp \1"),
    (re.compile(r"^maximum-paths (\d+)"), r"max-paths ebgp \1"),
    (re.compile(r"^(neighbor \S+) bfd\b.*"), r"\1 fall-over bfd"),
    (re.compile(r"^(neighbor \S+ remote-as) internal$"), r"\1 {asn}"),
)
_OF_BGP = re.compile(r"(no )?(bgp|neighbor|network|aggregate-address|redistribute)\b")
_UNNUMBERED = re.compile(r"neighbor (\S+) interface\b")  # its other end has no known address
_BGP = re.compile(r"router bgp (?P<asn>[\d.]+)(?P<more>\s+\S.*)?$")
_FAMILY = re.compile(r"address-family ipv[46]( unicast| multicast)?$")
# lines that stand at the top of a frr.conf: one of them, not indented, ends what was open
_TOP = re.compile(
    r"(router|vrf|interface|route-map|bfd|line|segment-routing|pbr-map|nexthop-group|key chain|"
    r"rpki|ip|ipv6|bgp (as-path|community-list|large-community-list|extcommunity-list)|"
    r"access-list|hostname|log|service|debug|frr|agentx)\b"
)
# sections whose lines would mean something else outside them
_FOREIGN = re.compile(r"(vrf|bfd|segment-routing|nexthop-group|key chain|rpki|pbr-map)\b")
_ENDS = {
    "section": re.compile(r"(exit|exit-vrf|end)$"),
    "family": re.compile(r"(exit-address-family|exit|end)$"),
}
# FRR daemons that the sections of a configuration ask for, besides those that always run
_DAEMONS = (
    (re.compile(r"^router ospf( |$)", re.MULTILINE), "ospfd"),
    (re.compile(r"^router ospf6", re.MULTILINE), "ospf6d"),
    (re.compile(r"^router isis", re.MULTILINE), "isisd"),
    (re.compile(r"^router rip( |$)", re.MULTILINE), "ripd"),
    (re.compile(r"^router ripng", re.MULTILINE), "ripngd"),
    (re.compile(r"^pbr-map", re.MULTILINE), "pbrd"),
    (re.compile(r"^\s*ip pim", re.MULTILINE), "pimd"),
    (re.compile(r"^\s*vrrp \d", re.MULTILINE), "vrrpd"),
)


@dataclass(frozen=True, slots=True)
class FrrConf:
    """A frr.conf's BGP. `notes` name the BGP lines that were not understood.

    `requires_policy`: an eBGP neighbor without a policy exchanges nothing (RFC 8212), FRR's
    default. `add_path_receive`: FRR offers to take several paths for a prefix (RFC 7911), its
    default, unless every neighbor has `disable-addpath-rx`.
    """

    routing: Routing
    notes: tuple[str, ...]
    daemons: tuple[str, ...]
    requires_policy: bool = True
    multipath_relax: bool = False
    add_path_receive: bool = True


def read(text: str, path: str) -> FrrConf:
    """Read a frr.conf. Raises InputErrors where its BGP contradicts itself."""
    kept, notes = _leniently("\n".join(_known_sections(text)), path)
    lines = [line.strip() for line in text.splitlines()]
    routing = resolve(_with_frr_timers(kept, text))
    if routing.bgp is not None:
        paths = {k: _max_paths(kept, k) for k in ("ebgp", "ibgp")}
        routing = replace(
            routing,
            bgp=replace(routing.bgp, max_paths_ebgp=paths["ebgp"], max_paths_ibgp=paths["ibgp"]),
        )
    return FrrConf(
        routing,
        tuple(notes),
        tuple(name for pattern, name in _DAEMONS if pattern.search(text)),
        requires_policy="no bgp ebgp-requires-policy" not in lines
        and not any(line.startswith("frr defaults datacenter") for line in lines),
        multipath_relax=any(li.startswith("bgp bestpath as-path multipath-relax") for li in lines)
        or any(line.startswith("frr defaults datacenter") for line in lines),
        add_path_receive=not any(line.endswith(" disable-addpath-rx") for line in lines),
    )


def _known_sections(text: str) -> Iterator[str]:
    """The lines, those of foreign sections blanked so that line numbers stay."""
    asn, inside = "", ""
    for raw in text.removeprefix("\ufeff").splitlines():
        line = " ".join(raw.split())
        top = not raw[:1].isspace() and _TOP.match(line) is not None
        if top or (inside == "family" and line.startswith("address-family ")):
            inside = ""
        opened = inside or _foreign(line)
        closed = _ENDS[opened].match(line) if opened else None
        inside = "" if closed else opened
        if opened:
            yield ""
            continue
        if bgp := _BGP.match(line):
            asn = bgp["asn"]
        for pattern, ours in _RENAMED:
            line = pattern.sub(ours.replace("{asn}", asn or "0"), line)
        yield line


def _foreign(line: str) -> str:
    """What a line opens that says nothing of the default instance's IP routes."""
    bgp = _BGP.match(line)
    if (bgp and bgp["more"]) or _FOREIGN.match(line):  # `more`: a VRF or a view
        return "section"
    return "family" if line.startswith("address-family ") and not _FAMILY.match(line) else ""


def _leniently(text: str, path: str) -> tuple[Config, list[str]]:
    """Parse what is understood; the rest become notes, where they concern BGP."""
    notes: list[str] = []
    lines = text.splitlines()
    unnumbered = {m[1] for line in lines if (m := _UNNUMBERED.match(line))}
    for number, line in enumerate(lines, 1):
        words = line.removeprefix("no ").split()
        if words[:1] == ["neighbor"] and words[1:2] and words[1] in unnumbered:
            notes.append(_note(Mark(path, number, 1), line))
            lines[number - 1] = ""
    while True:
        try:
            return parse("\n".join(lines), path), notes
        except InputErrors as errors:
            for problem in errors.problems:
                mark = problem.mark
                assert mark is not None
                line = lines[mark.line - 1]
                if line.endswith("remote-as external"):
                    raise InputError(
                        f"`{line}` names no AS: the session's other end cannot be told by it",
                        mark=Mark(path, mark.line, 1),
                        hint="write the AS number",
                    ) from None
                if _OF_BGP.match(line) and not _without_effect(line):
                    notes.append(_note(Mark(path, mark.line, 1), line))
                lines[mark.line - 1] = ""


def _note(mark: Mark, line: str) -> str:
    shown = re.sub(r"(\bpassword\s+)\S.*", rf"\1{STARS}", line)
    return f"{mark}: FRR takes `{shown}`, but no session or route is derived from it"


def _without_effect(line: str) -> bool:
    """FRR's own words that `FrrConf` has fields for, or that change no session and no route."""
    return bool(
        re.search(
            r"ebgp-requires-policy|network import-check|multipath-relax|disable-addpath-rx|"
            r"bgp suppress-duplicates|bgp default show-|bgp disable-ebgp-connected-route-check",
            line,
        )
    )


def _with_frr_timers(config: Config, text: str) -> Config:
    """The same, with FRR's default timers stated where none are."""
    stated = any(s.command == "timers bgp" for s in config.statements)
    at = next(
        (i for i, s in enumerate(config.statements) if s.rule.opens is Context.ROUTER_BGP), None
    )
    if stated or at is None:
        return config
    datacenter = re.search(r"^frr defaults datacenter", text, re.MULTILINE)
    keepalive, hold = (DATACENTER_KEEPALIVE, DATACENTER_HOLD) if datacenter else (KEEPALIVE, HOLD)
    opener = config.statements[at]
    timers = understand(split(f"timers bgp {keepalive} {hold}"), (opener,), opener.mark)
    before, after = config.statements[: at + 1], config.statements[at + 1 :]
    return Config((*before, timers, *after), config.remarks)


def _max_paths(config: Config, kind: str) -> int:
    """For IPv4 unicast, whether it stands in its address family (as FRR prints it) or not."""
    found = [
        int(s.value("paths"))
        for s in config.statements
        if s.command == "max-paths" and s.value("type") == kind and not _of_ipv6(s)
    ]
    return found[-1] if found else MULTIPATH


def _of_ipv6(statement: Statement) -> bool:
    return any(o.value("afi") == "ipv6" for o in statement.scope)
