"""Links as `ip -batch` lines."""

from __future__ import annotations

import pytest

from labgen.plan import BridgePlan, Endpoint, LabPlan, LinkPlan, NodePlan, Role
from labgen.runtime import wiring

BIGIP = NodePlan("bigip-1", Role.BIGIP, "i", labels={"labgen.alias.eth1": "1.1"})
NODE = NodePlan("n1", Role.CALICO_NODE, "i")
SEGMENT = NodePlan("net", Role.SEGMENT, "i")
BRIDGE = BridgePlan("br0", "net")
TO_BIGIP = LinkPlan(
    Endpoint("bigip-1", "eth1", "aa:c1:ab:00:00:01"),
    Endpoint("br0|net", "bigip-1", "aa:c1:ab:00:00:02"),
)
DIRECT = LinkPlan(
    Endpoint("bigip-1", "eth2", "aa:c1:ab:00:00:03"),
    Endpoint("n1", "eth2", "aa:c1:ab:00:00:04"),
    mtu=9000,
)
PLAN = LabPlan("demo", (BIGIP, NODE, SEGMENT), (BRIDGE,), (TO_BIGIP, DIRECT))
PIDS = {"bigip-1": 10, "n1": 11, "net": 12}


def test_a_veth_is_made_in_its_final_places_with_one_line():
    made = wiring.batches(PLAN, PIDS, [DIRECT])
    a = "link add name eth2 mtu 9000 address aa:c1:ab:00:00:03 netns 10"
    b = "type veth peer name eth2 mtu 9000 address aa:c1:ab:00:00:04 netns 11"
    assert made.veths == (f"{a} {b}",)


def test_a_port_joins_its_bridge_before_it_comes_up():
    lines = wiring.batches(PLAN, PIDS, [TO_BIGIP], [BRIDGE]).after[12]
    assert lines.index("link set dev bigip-1 master br0") < lines.index("link set dev bigip-1 up")


def test_bridges_come_first_and_flood_multicast():
    made = wiring.batches(PLAN, PIDS, [], [BRIDGE])
    assert made.before.keys() == {12}
    assert "mcast_snooping 0" in made.before[12][0]
    assert made.veths == ()


def test_both_ends_carry_containerlabs_mark():
    made = wiring.batches(PLAN, PIDS, [TO_BIGIP])
    # recomputed by hand: sha1("br0|net" NUL "bigip-1")
    assert TO_BIGIP.b.owner_altname in " ".join(made.after[12])
    assert TO_BIGIP.a.owner_altname in " ".join(made.after[10])


def test_the_name_on_the_device_becomes_alias_and_altname():
    lines = wiring.batches(PLAN, PIDS, [TO_BIGIP, DIRECT]).after[10]
    assert "link set dev eth1 alias 1.1" in lines
    assert "link property add dev eth1 altname 1.1" in lines
    assert not [line for line in lines if "eth2 alias" in line]


def test_containerlabs_own_vectors_for_the_mark():
    assert Endpoint("a", "eth1", "").owner_altname == "clab-o-3f92c612ddc25ab3"
    assert Endpoint("calico1", "eth1", "").owner_altname == "clab-o-19851e24ce6648d3"


@pytest.mark.parametrize(
    ("link", "nodes"), [(TO_BIGIP, ("bigip-1", "net")), (DIRECT, ("bigip-1", "n1"))]
)
def test_a_bridges_port_lives_in_the_bridges_container(link, nodes):
    assert wiring.ends(PLAN, link) == nodes
