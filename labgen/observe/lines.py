"""Lines of saved evidence, with where each stands and, as far as it can be told, whose it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_address, ip_network
from pathlib import PurePath

from labgen.evidence import Address, Network
from labgen.facts import Quote

# `kube-master# birdc show status`, `[root@bigip-1:Active:Standalone] config # imish`,
# `bigip-1[0]>show ip bgp`, `$ ip route`: a prompt and one of the commands people save.
_PROMPT = re.compile(
    r"^\s*\[?(?:[\w.-]+@)?(?P<host>[A-Za-z0-9][\w.-]*)?[^#>$]{0,60}?[#>$]\s*"
    r"(?P<command>(?:sudo |kubectl .*-- ?)?(?:birdc6?|birdcl|calicoctl|vtysh|imish|show|sh|ip|ss"
    r"|nstat|netstat|tmsh|cat|zebos|iptables|nft|sysctl|list)\b.*)$"
)
_CODE = re.compile(r"^[0-2]\d{3}-(?!\d\d-\d\d)(?=\S)")  # BIRD's control socket: `1002-name …`
_KIND_WORDS = frozenset(
    [
        "bird",
        "bird6",
        "birdc",
        "birdcl",
        "log",
        "logs",
        "bgpd",
        "zebra",
        "frr",
        "vtysh",
        "imish",
        "zebos",
        "txt",
        "json",
        "out",
        "show",
        "protocols",
        "all",
        "route",
        "routes",
        "status",
        "ip",
        "bgp",
        "summary",
        "neighbors",
        "neighbor",
        "neighbours",
        "running",
        "config",
        "running-config",
        "cfg",
        "conf",
        "nstat",
        "netstat",
        "ss",
        "kernel",
        "tmsh",
        "calicoctl",
        "node",
        "self",
        "yaml",
        "yml",
        "output",
        "current",
        "nexthop",
        "tcp",
        "listen",
        "stderr",
        "stdout",
        "export",
        "noexport",
        "peers",
        "table",
    ]
)


class Line(Quote):
    """A quote that readers cut into facts; `text` is without its line end."""

    __slots__ = ()


def lines_of(file: str, text: str) -> list[Line]:
    """Every line of a file; its node from the prompt above it, else from the file's name."""
    hint = node_hint(file)
    node, result = hint, []
    for number, line in enumerate(text.splitlines(), 1):
        match = _PROMPT.match(line) if any(mark in line for mark in "#>$") else None
        if match:
            node = match["host"] or hint
        result.append(Line(file, number, _CODE.sub("", line), node))
    return result


def command_on(line: Line) -> str | None:
    """The command that a prompt line runs, or None for any other line."""
    match = _PROMPT.match(line.text) if any(mark in line.text for mark in "#>$") else None
    return match["command"].strip() if match else None


def node_hint(file: str) -> str:
    """What a file's name says about its node, without the words for its kind; may be empty."""
    path = PurePath(file)
    stem = re.sub(r"(\.(txt|log|json|out|cfg|conf|ya?ml|gz))+$", "", path.name)
    words = [w for w in re.split(r"[._\s]|-(?=[a-z]+(?:[-.]|$))", stem) if w]
    rest = [w for w in words if w.lower() not in _KIND_WORDS]
    if rest:
        return "-".join(rest) if not stem.startswith(rest[0]) else _prefix(stem, rest)
    return path.parent.name if path.parent.name not in ("", ".") else ""


def _prefix(stem: str, rest: Sequence[str]) -> str:
    """The leading part of the name, spelled as in the file (`kube-node1`, `10.1.20.20`)."""
    end = 0
    for word in rest:
        found = stem.find(word, end)
        if found > end + 1:
            break
        end = found + len(word)
    return stem[:end]


def address(text: str) -> Address | None:
    """An address out of `10.1.20.5%eth0`, `[::1]`, `10.1.20.5,`; None where it is none."""
    try:
        return ip_address(text.strip("[](),;").partition("%")[0])
    except ValueError:
        return None


def network(text: str) -> Network | None:
    """A prefix; a bare address is its host prefix, `default` the default route."""
    if text == "default":
        return ip_network("0.0.0.0/0")
    try:
        return ip_network(text.strip("(),;"), strict=False)
    except ValueError:
        return None


def protocol_peer(name: str) -> Address | None:
    """The peer in a name Calico's confd gives: `Mesh_10_1_20_21`, `Global_fd00__5`."""
    match = re.match(r"(?:Mesh|Global|Node|Local_Workload)_(.+?)(?:_port_\d+)?$", name)
    if not match:
        return None
    text = match[1]
    dotted = address(text.replace("_", "."))
    return dotted or address(text.replace("_", ":"))


def from_lines(lines: Sequence[Line], wanted: str) -> Iterator[tuple[int, Line]]:
    """Lines that contain `wanted`, with their index."""
    return ((i, line) for i, line in enumerate(lines) if wanted in line.text)
