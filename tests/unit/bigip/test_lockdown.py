"""Port lockdown as nftables rules."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from labgen.bigip.lockdown import PortLockdown, allow, ruleset

ADDRESS = ip_address("10.1.20.5")


def rules(*words: str) -> list[str]:
    text = ruleset({ADDRESS: allow(words)})
    inside = text[text.index("chain self_1") :]
    return [
        line.strip() for line in inside[: inside.index("}\n    chain input")].splitlines()[1:-1]
    ]


@pytest.mark.parametrize(
    ("words", "protocol", "port", "open_"),
    [
        ((), "tcp", 179, False),
        (("none",), "tcp", 22, False),
        (("default",), "tcp", 179, False),
        (("default",), "tcp", 22, True),
        (("default",), "ospf", 0, True),
        (("default", "tcp:179"), "tcp", 179, True),
        (("default", "tcp:bgp"), "tcp", 443, True),
        (("tcp:bgp",), "tcp", 443, False),
        (("tcp:0",), "tcp", 12345, True),
        (("udp:3784",), "udp", 3784, True),
        (("all",), "udp", 9, True),
        ((), "icmp", 0, True),
    ],
)  # fmt: skip
def test_what_is_let_in(words: tuple[str, ...], protocol: str, port: int, open_: bool) -> None:
    assert allow(words).allows(protocol, port) is open_


def test_the_default_of_a_new_self_ip_is_nothing() -> None:
    assert PortLockdown() == allow(()) == allow(("none",))
    assert rules() == ["counter drop"]


def test_rules_of_a_list() -> None:
    assert rules("tcp:bgp", "udp:3784") == [
        "tcp dport { 179 } counter accept",
        "udp dport { 3784 } counter accept",
        "counter drop",
    ]
    assert rules("default")[0] == "meta l4proto { 2, 89, 103 } counter accept"
    assert rules("all") == ["counter accept"]


def test_replies_and_icmp_pass_before_any_self_ip_is_looked_at() -> None:
    text = ruleset({ADDRESS: allow(()), ip_address("fd00::5"): allow(("tcp:179",))})
    order = [
        text.index(part)
        for part in (
            "ct state established,related accept",
            "meta l4proto { 1, 58 } accept",
            "ip daddr 10.1.20.5 jump self_1",
            "ip6 daddr fd00::5 jump self_2",
        )
    ]
    assert order == sorted(order)
