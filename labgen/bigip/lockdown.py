"""Port lockdown: what a self-IP lets in, and the nftables rules that do the same.

F5 K17333: a new self-IP allows no service; "default" is a fixed list without BGP. Lockdown
concerns what arrives *for* the self-IP. It drops without an answer, always lets ICMP in, and lets
replies to the BIG-IP's own connections pass: a BIG-IP that dials out may hide that nobody can dial
in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Address, IPv6Address

    from labgen.errors import Mark

REFERENCE = "https://my.f5.com/manage/s/article/K17333"
TABLE = "labgen_lockdown"

ANY_PORT = 0
# IANA protocol numbers: nft then needs no /etc/protocols
_PROTOCOLS: Mapping[str, int] = {
    "icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58,
    "ospf": 89, "pim": 103, "vrrp": 112, "sctp": 132,
}  # fmt: skip
_WITH_PORTS = {"tcp", "udp", "sctp"}
# the names that tmsh prints in place of numbers
_PORTS: Mapping[str, int] = {
    "any": 0, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "ntp": 123,
    "snmp": 161, "snmptrap": 162, "bgp": 179, "ldap": 389, "https": 443, "syslog": 514, "efs": 520,
    "router": 520, "cap": 1026, "ldaps": 636, "radius": 1812, "radius-acct": 1813,
    "bfd-control": 3784, "bfd-echo": 3785, "f5-iquery": 4353, "bfd-multi-ctl": 4784,
    "webcache": 8080, "http-alt": 8080, "pcsync-https": 8443,
}  # fmt: skip


@dataclass(frozen=True, slots=True, order=True)
class Service:
    """One entry of `allow-service`; `port` 0 means any."""

    protocol: str
    port: int

    def __str__(self) -> str:
        return f"{self.protocol}:{self.port}"


# K17333, "Allow Default"
DEFAULT_SERVICES: tuple[Service, ...] = (
    *(Service(protocol, ANY_PORT) for protocol in ("igmp", "ospf", "pim")),
    *(Service("tcp", port) for port in (22, 53, 161, 443, 4353)),
    *(Service("udp", port) for port in (53, 161, 520, 1026, 4353)),
)


@dataclass(frozen=True, slots=True)
class PortLockdown:
    """A self-IP's `allow-service`. Without arguments it is F5's default: nothing."""

    everything: bool = False
    default: bool = False
    services: tuple[Service, ...] = ()

    def __str__(self) -> str:
        """tmsh's words: `none`, `all`, `default`, or a list in braces."""
        if self.everything:
            return "all"
        words = [*(("default",) if self.default else ()), *(str(s) for s in self.services)]
        if not words:
            return "none"
        return "default" if words == ["default"] else f"{{ {' '.join(words)} }}"

    @property
    def allowed(self) -> tuple[Service, ...]:
        """Every service let in; meaningless when `everything` is."""
        return tuple(sorted({*(DEFAULT_SERVICES if self.default else ()), *self.services}))

    def allows(self, protocol: str, port: int) -> bool:
        """Whether a new connection from outside is let in."""
        if self.everything or protocol in {"icmp", "ipv6-icmp"}:
            return True
        wanted = {Service(protocol, port), Service(protocol, ANY_PORT)}
        return bool(wanted & set(self.allowed))


def port_number(text: str) -> int:
    """`http` or `80`. Raises ValueError."""
    number = int(text) if re.fullmatch(r"\d{1,5}", text) else _PORTS.get(text, -1)
    if not 0 <= number <= 65535:
        raise ValueError(f"{text} is no port")
    return number


def port_name(number: int) -> str:
    """A port as tmsh prints it: by name where it has one."""
    return next((name for name, known in _PORTS.items() if known == number), str(number))


def service(text: str, mark: Mark | None = None) -> Service:
    """`tcp:179`, `tcp:bgp`, `udp:3784`, `ospf:0`. Raises InputError."""
    protocol, colon, port = text.lower().partition(":")
    if protocol not in _PROTOCOLS:
        known = ", ".join(_PROTOCOLS)
        raise InputError(f"`{text}`: unknown protocol", mark=mark, hint=f"one of {known}")
    number = int(port) if re.fullmatch(r"\d{1,5}", port) else _PORTS.get(port)
    if not colon or number is None or number > 65535:
        raise InputError(
            f"`{text}` is not PROTOCOL:PORT",
            mark=mark,
            hint="for example tcp:179 or tcp:bgp; 0 means any port",
        )
    if number and protocol not in _WITH_PORTS:
        raise InputError(f"`{text}`: {protocol} has no ports", mark=mark, hint="write 0")
    return Service(protocol, number)


def allow(words: Sequence[str], mark: Mark | None = None) -> PortLockdown:
    """A lockdown from tmsh's words: `none`, `all`, `default` and services. Raises InputError."""
    if "all" in words and len(words) > 1:
        raise InputError("`all` stands alone in allow-service", mark=mark, hint=REFERENCE)
    if "none" in words and len(words) > 1:
        raise InputError("`none` stands alone in allow-service", mark=mark, hint=REFERENCE)
    named = [w for w in words if w not in {"all", "none", "default"}]
    services = dict.fromkeys(service(word, mark) for word in named)
    return PortLockdown("all" in words, "default" in words, tuple(services))


def ruleset(lockdowns: Mapping[IPv4Address | IPv6Address, PortLockdown]) -> str:
    """An nftables file (`nft -f`) for all self-IPs of a stand-in; loading it again replaces it.

    Addresses that are not named, such as a virtual server's, are left alone.
    """
    chains: list[str] = []
    jumps: list[str] = []
    for number, (address, lockdown) in enumerate(sorted(lockdowns.items(), key=_by_address), 1):
        name = f"self_{number}"
        family = "ip" if address.version == 4 else "ip6"
        jumps.append(f"        {family} daddr {address} jump {name}")
        chains += [f"    chain {name} {{", *(f"        {r}" for r in _rules(lockdown)), "    }"]
    return "\n".join(
        [
            f"table inet {TABLE}",  # so that there is one to delete
            f"delete table inet {TABLE}",
            f"table inet {TABLE} {{",
            *chains,
            "    chain input {",
            "        type filter hook input priority filter; policy accept;",
            "        ct state established,related accept",
            "        meta l4proto { 1, 58 } accept",
            *jumps,
            "    }",
            "}",
            "",
        ]
    )


def _by_address(
    item: tuple[IPv4Address | IPv6Address, PortLockdown],
) -> tuple[int, int]:
    return item[0].version, int(item[0])


def _rules(lockdown: PortLockdown) -> list[str]:
    if lockdown.everything:
        return ["counter accept"]
    rules = []
    whole = [s.protocol for s in lockdown.allowed if s.port == ANY_PORT]
    if whole:
        numbers = ", ".join(str(n) for n in sorted(_PROTOCOLS[p] for p in whole))
        rules.append(f"meta l4proto {{ {numbers} }} counter accept")
    for protocol in sorted(_WITH_PORTS - set(whole)):
        ports = [s.port for s in lockdown.allowed if s.protocol == protocol and s.port]
        if ports:
            rules.append(f"{protocol} dport {{ {', '.join(map(str, ports))} }} counter accept")
    # a drop, not a reject: whoever dials in sees its SYN unanswered and stays in Connect
    return [*rules, "counter drop"]
