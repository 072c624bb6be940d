"""`ltm virtual-address`: what is announced, and whose it is."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from labgen.bigip import ltm
from labgen.bigip.ltm import virtual_addresses
from labgen.errors import InputErrors

LISTED = """\
ltm virtual-address 10.99.99.100 {
    address 10.99.99.100
    arp enabled
    mask 255.255.255.255
    route-advertisement selective
}
ltm virtual-address /Common/s { address 10.9.9.1%0 route-advertisement always traffic-group none }
tmsh create ltm virtual-address 10.99.99.102
ltm pool web { members { 10.0.0.1:80 { address 10.0.0.1 } } }
net self own { address 10.1.20.5/24 vlan internal }
"""


def test_listed_one_line_and_created() -> None:
    found = virtual_addresses(LISTED, "t.tmsh")
    assert [(str(v.address), v.advertised, v.traffic_group) for v in found] == [
        ("10.99.99.100", True, "traffic-group-1"),
        ("10.9.9.1", True, None),
        ("10.99.99.102", False, "traffic-group-1"),
    ]
    assert found[1].name == "s"
    assert found[0].address == ip_address("10.99.99.100")


@pytest.mark.parametrize(
    ("line", "where"),
    [("    route-advertisement sometimes", 2), ("    address 10.99.99.999", 2)],
)
def test_bad_values_are_told_by_line(line: str, where: int) -> None:
    with pytest.raises(InputErrors, match=f":{where}:") as caught:
        virtual_addresses(f"ltm virtual-address 10.9.9.9 {{\n{line}\n}}\n", "t.tmsh")
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"t.tmsh:{where}:")


TRAFFIC = """\
ltm virtual /Common/vs {
    destination /Common/10.99.99.100:http
    ip-protocol tcp
    pool /Common/web
    source-address-translation { type automap }
}
ltm pool web {
    members {
        /Common/192.168.1.1:8080 { address 192.168.1.1 }
        192.168.1.2:8080 { address 192.168.1.2 }
    }
    monitor /Common/slow
}
ltm monitor http slow {
    defaults-from http
    interval 2
    timeout 7
    recv "200 OK"
}
ltm profile tcp t { }
"""


def test_virtuals_pools_and_monitors_in_any_order() -> None:
    found = ltm.parse(TRAFFIC, "t.tmsh")
    (virtual,) = found.virtuals
    assert (virtual.name, str(virtual.address), virtual.port, virtual.pool, virtual.automap) == (
        "vs", "10.99.99.100", 80, "web", True,
    )  # fmt: skip
    (pool,) = found.pools
    assert [(str(a), p) for a, p in pool.members] == [("192.168.1.1", 8080), ("192.168.1.2", 8080)]
    assert pool.monitor is not None
    assert (pool.monitor.kind, pool.monitor.interval, pool.monitor.timeout) == ("http", 2, 7)
    assert (pool.monitor.recv, pool.monitor.send) == ("200 OK", "GET /\\r\\n")
    assert found.notes == ("t.tmsh:20:1: `ltm profile tcp` is not served",)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("pool /Common/web", "pool gone", r"t\.tmsh:1:1: .*no pool `gone`"),
        ("monitor /Common/slow", "monitor gone", r"t\.tmsh:7:1: .*no monitor `gone`"),
        ("interval 2", "interval soon", r"t\.tmsh:16:14: .*not a number of seconds"),
        ("192.168.1.2:8080", "192.168.1.2", r"t\.tmsh:8:\d+: .*not (ADDRESS:PORT|PROTOCOL)"),
        ("    destination /Common/10.99.99.100:http\n", "", r"t\.tmsh:1:1: .*`destination` is"),
    ],
)
def test_bad_traffic_is_told_by_line(old: str, new: str, error: str) -> None:
    assert old in TRAFFIC
    with pytest.raises(InputErrors, match=error):
        ltm.parse(TRAFFIC.replace(old, new, 1), "t.tmsh")


def test_one_fault_is_one_line() -> None:
    with pytest.raises(InputErrors) as caught:
        ltm.parse(TRAFFIC.replace("interval 2", "interval soon"), "t.tmsh")
    assert len(caught.value.problems) == 1
