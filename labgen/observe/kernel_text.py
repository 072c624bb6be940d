"""What people save of the kernel: counters, sockets, routes, packet-filter rules; and tmsh."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from labgen.facts import BlockingRule, Counter, Identity, RouteFact, SelfIp, Socket, Unresolved
from labgen.observe.lines import Line, address, network

_NSTAT = re.compile(r"^(?P<name>(?:Tcp|Ip|Udp|Icmp)\w+)\s+(?P<value>\d+)(?:\s+[\d.]+)?\s*$")
_TCP_STATES = (
    "LISTEN|ESTABLISHED|ESTAB|SYN-SENT|SYN_SENT|SYN-RECV|SYN_RECV|FIN-WAIT-[12]|FIN_WAIT[12]|LAST-ACK"
    "|LAST_ACK"
)
_SS = re.compile(
    rf"^(?:tcp6?\s+)?(?P<state>{_TCP_STATES})\s+(?P<rq>\d+)\s+(?P<sq>\d+)\s+"
    r"(?P<local>\S+):(?P<port>\d+|bgp)\s+(?P<peer>\S+):(?P<pport>\d+|\*|bgp)\s*(?P<rest>.*)$"
)
_NETSTAT = re.compile(
    r"^tcp6?\s+(?P<rq>\d+)\s+(?P<sq>\d+)\s+(?P<local>\S+):(?P<port>\d+|bgp)\s+(?P<peer>\S+):(?P<pport>\d+|\*)\s+"
    rf"(?P<state>{_TCP_STATES})\s*(?P<rest>.*)$"
)
_ROUTE = re.compile(
    r"^(?P<kind>blackhole |unreachable |prohibit )?(?P<prefix>default|[0-9a-fA-F.:]+(?:/\d+)?)"
    r"(?: nhid \d+)?(?: via (?P<via>[0-9a-fA-F.:]+))?(?: dev (?P<dev>\S+))?.*\bproto (?P<proto>\w+)"
)
_RULE = re.compile(r"-j (?P<target>DROP|REJECT)\b|\b(?P<verdict>drop|reject)\b")
_RULE_PORT = re.compile(
    r"(?P<protocol>tcp|udp).*?(?:--dports? |dport (?:\{ ?)?)(?P<port>bgp|179|3784|4784)\b"
)


def counters(lines: Sequence[Line]) -> Iterator[Counter]:
    """`nstat`, or the pairs of lines of /proc/net/netstat and /proc/net/snmp."""
    names: list[str] = []
    group = ""
    for line in lines:
        if (match := _NSTAT.match(line.text)) is not None:
            yield Counter(match["name"], int(match["value"]), line)
        elif line.text.startswith(("TcpExt: ", "Tcp: ", "IpExt: ", "Ip: ")):
            head, _, rest = line.text.partition(": ")
            words = rest.split()
            if head == group and names and len(words) == len(names):
                for name, value in zip(names, words, strict=True):
                    if value.isdigit():
                        yield Counter(f"{head}{name}", int(value), line)
                names, group = [], ""
            else:
                names, group = words, head


def sockets(lines: Iterable[Line]) -> Iterator[Socket]:
    """`ss -ltnp`, `ss -tin` (whose second line holds the timers), `netstat -ltnp`."""
    socket: Socket | None = None
    for line in lines:
        match = _SS.match(line.text) or _NETSTAT.match(line.text)
        if match is None:
            backoff = re.search(r"^\s.*\bbackoff:(\d+)", line.text)
            if socket is not None and backoff is not None:
                socket = replace(socket, backoff=int(backoff[1]))
            continue
        if socket is not None:
            yield socket
        process = re.search(r'\(\("([^"]+)"', match["rest"]) or re.search(
            r"\d+/(\S+)", match["rest"]
        )
        port, far = match["port"], match["pport"]
        socket = Socket(
            state="LISTEN" if match["state"] == "LISTEN" else match["state"].replace("_", "-"),
            local_port=179 if port == "bgp" else int(port),
            quote=line,
            peer=address(match["peer"]),
            queued=int(match["sq"]) if match["state"] != "LISTEN" else 0,
            process=process[1] if process else "",
            peer_port=179 if far == "bgp" else int(far) if far.isdigit() else 0,
        )
    if socket is not None:
        yield socket


def routes(lines: Iterable[Line]) -> Iterator[RouteFact]:
    """`ip route`: only lines that say which protocol set them."""
    for line in lines:
        match = _ROUTE.match(line.text)
        net = network(match["prefix"]) if match else None
        if match is not None and net is not None:
            yield RouteFact(None, line, net, address(match["via"] or ""), protocol=match["proto"])


def rules(lines: Iterable[Line]) -> Iterator[BlockingRule]:
    """Rules of iptables or nft that drop or refuse tcp/179, udp/3784 or udp/4784."""
    for line in lines:
        if "dport" not in line.text:
            continue
        verdict, port = _RULE.search(line.text), _RULE_PORT.search(line.text)
        if verdict is not None and port is not None:
            word = (verdict["target"] or verdict["verdict"]).lower()
            yield BlockingRule(line, port["protocol"], refuses=word == "reject")


def self_ips(lines: Sequence[Line]) -> Iterator[SelfIp]:
    """`tmsh list net self`: each self-IP with its port lockdown; no list printed means `none`.

    F5 K17333: a self-IP's default is `none`.
    """
    start: Line | None = None
    found, services, depth, listing = None, set[str](), 0, False
    for line in lines:
        text = line.text.strip()
        if re.match(r"net self (\S+) \{", text):
            start, found, services, depth, listing = line, None, set(), 1, False
            continue
        if start is None:
            continue
        if text.startswith("address "):
            found = address(text.split()[1].partition("/")[0].partition("%")[0])
        if text.startswith("allow-service"):
            listing = text.endswith("{")
            rest = text.removeprefix("allow-service").strip(" {}").split()
            services |= set(rest)
        elif listing and text not in ("}", ""):
            services |= set(text.split())
        depth += text.count("{") - text.count("}")
        if text == "}":
            listing = False
        if depth <= 0:
            name = start.text.split()[2]
            yield SelfIp(name, found, frozenset(services or {"none"}), start)
            start = None


def identities(lines: Iterable[Line]) -> Iterator[Identity]:
    """The host's own addresses, from `ip route` (`src`) and `ip addr`."""
    for line in lines:
        match = re.search(
            r"\bscope link src ([0-9a-fA-F.:]+)|^\s+inet6? ([0-9a-fA-F.:]+)/", line.text
        )
        found = address(match[1] or match[2]) if match else None
        if found is not None and line.node and not found.is_loopback:
            yield Identity(line.node, found)


def unresolved(lines: Iterable[Line]) -> Iterator[Unresolved]:
    """`ip neigh`, and `arp -n`'s `(incomplete)`."""
    for line in lines:
        match = re.match(r"^([0-9a-fA-F.:]+)\s.*\b(?:FAILED|INCOMPLETE|\(incomplete\))", line.text)
        found = address(match[1]) if match else None
        if found is not None:
            yield Unresolved(found, line)
