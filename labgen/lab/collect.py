"""Ask a running lab what a person would have saved: outputs and logs as texts by file name.

The same texts make a bundle (`labgen diagnose --evidence` reads it), so a lab and a production
network are diagnosed alike. Running configurations hold passwords: they are starred out here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from labgen.design.model import Daemon, Design
from labgen.errors import LabgenError
from labgen.lab.fault_steps import BIRD_SOCKET, Completed

_WORKERS = 8
# PID 1 is in the node's network namespace whoever asks.
COUNTERS = ("cat", "/proc/1/net/netstat", "/proc/1/net/snmp")
_KERNEL: tuple[tuple[str, ...], ...] = (
    ("ss", "-ltnp"),
    ("ss", "-tin"),
    ("ip", "route"),
    ("nft", "list", "ruleset"),
)
_VTYSH = (
    "show ip bgp summary json",
    "show bgp neighbors json",
    "show ip bgp json",
    "show ip bgp nexthop",
    "show bfd peers",
    "show running-config",
)
_BIRDC = ("show status", "show protocols all", "show bfd sessions", "show route all")
# FRR and ZebOS put a digit before a password that is encrypted; commands may give it as an option.
# `ss -ti` shows root the keys of RFC 2385: iproute2 6.1 writes them past its own columns, so that
# they stand before everything else, at the front of the header line.
_KEYS_BEFORE = re.compile(r"^[^\n]+?(State\s+Recv-Q\s+Send-Q)", flags=re.MULTILINE)
_SECRET = re.compile(r"(?i)(\bpassword(?:\s+(?:\d\s+)?|=)|\bmd5keys:)(?:\"[^\"]*\"|'[^']*'|\S+)")

Ask = Callable[[str, Sequence[str]], Completed]


def outputs(design: Design, ask: Ask) -> dict[str, str]:
    """What every speaker prints, by `node.command`. A command that fails leaves no text."""
    asked = [s for s in design.speakers if s.outside is None]
    wanted = [(s.node, argv) for s in asked for argv in _commands(s.daemon)]
    with ThreadPoolExecutor(_WORKERS) as pool:
        texts = pool.map(lambda pair: _text(ask, *pair), wanted)
    found = {_name(*pair): text for pair, text in zip(wanted, texts, strict=True) if text}
    return found | _not_exported(design, ask, found)


def counters(design: Design, ask: Ask) -> dict[str, str]:
    """The kernel counters of every speaker, by node."""
    return {s.node: text for s in design.speakers if (text := _text(ask, s.node, COUNTERS))}


def logs(nodes: Iterable[str], read: Callable[[str], Iterable[str]]) -> dict[str, str]:
    """The nodes' logs; a node that has none, or does not run any more, is left out."""
    found = {}
    for node in nodes:
        try:
            found[f"{node}.log"] = _without_secrets("\n".join(read(node)))
        except LabgenError:
            continue
    return found


def grown(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """What the counters counted in between, as nstat would print it."""
    from labgen.observe.kernel import parse_counters  # noqa: PLC0415 - only a second look needs it

    result = {}
    for node, text in after.items():
        first = parse_counters(before[node]) if node in before else {}
        rows = [
            f"{name} {value - first.get(name, 0)} 0.0"
            for name, value in parse_counters(text).items()
        ]
        result[f"{node}.nstat"] = "\n".join(rows)
    return result


def _commands(daemon: Daemon) -> list[tuple[str, ...]]:
    own: list[tuple[str, ...]]
    if daemon is Daemon.FRR:
        own = [("vtysh", "-c", command) for command in _VTYSH]
    else:
        own = [("birdc", "-s", BIRD_SOCKET, *command.split()) for command in _BIRDC]
    return [*own, *_KERNEL]


def _name(node: str, argv: Sequence[str]) -> str:
    words = argv[2:] if argv[0] == "vtysh" else argv[3:] if argv[0] == "birdc" else argv
    return f"{node}.{'-'.join(' '.join(words).split())}.txt"


def _text(ask: Ask, node: str, argv: Sequence[str]) -> str:
    """Prompt and output: the prompt says whose output it is."""
    try:
        done = ask(node, argv)
    except LabgenError:
        return ""
    if done.code:
        return ""
    if argv is COUNTERS:
        return done.stdout
    shown = argv[-1] if argv[0] == "vtysh" else " ".join(a for a in argv if a != BIRD_SOCKET)
    return f"{node}# {shown.replace(' -s ', ' ')}\n{_without_secrets(done.stdout)}"


def _not_exported(design: Design, ask: Ask, found: Mapping[str, str]) -> dict[str, str]:
    """`show route noexport` for each BGP protocol that `show protocols all` names."""
    result = {}
    for speaker in design.speakers:
        shown = found.get(f"{speaker.node}.show-protocols-all.txt", "")
        for name in re.findall(r"^(\S+)\s+BGP\s", shown, flags=re.MULTILINE):
            argv = ("birdc", "-s", BIRD_SOCKET, "show", "route", "noexport", name)
            result[f"{speaker.node}.noexport-{name}.txt"] = _text(ask, speaker.node, argv)
    return {name: text for name, text in result.items() if text}


def _without_secrets(text: str) -> str:
    return _SECRET.sub(r"\1*****", _KEYS_BEFORE.sub(r"*****\1", text))
