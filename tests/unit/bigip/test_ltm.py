"""`ltm virtual-address`: what is announced, and whose it is."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

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
