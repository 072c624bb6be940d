"""A change concerns the nodes whose files differ, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labgen.lab.affected import affected

if TYPE_CHECKING:
    from tests.unit.calicoctl.conftest import Calicoctl

NODES = ("node2", "node1")


def changed(calicoctl: Calicoctl, *lines: str, text: str = "") -> tuple[str, ...]:
    before = calicoctl.store.resources()
    for line in lines:
        result = calicoctl(line, text)
        assert result.status == 0, result.stderr
    return affected(before, calicoctl.store.resources(), NODES)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('patch node node1 -p {"metadata":{"annotations":{"a":"b"}}}', ()),
        ("label node node1 unused=yes", ()),
        ('patch node node2 -p {"spec":{"bgp":{"ipv6Address":null}}}', ("node2",)),
        ('patch node node1 -p {"spec":{"bgp":{"asNumber":64999}}}', ("node2", "node1")),
        ('patch pool default-ipv4-ippool -p {"spec":{"natOutgoing":true}}', ()),
        (
            'patch pool default-ipv4-ippool -p {"spec":{"disableBGPExport":true}}',
            ("node2", "node1"),
        ),
        ("delete pool default-ipv4-ippool", ("node2", "node1")),
    ],
)
def test_affected(calicoctl: Calicoctl, line: str, wanted: tuple[str, ...]) -> None:
    assert changed(calicoctl, line) == wanted


def test_a_peer_of_one_node(calicoctl: Calicoctl) -> None:
    peer = (
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: tor}\n"
        "spec: {node: node1, peerIP: 10.0.0.1, asNumber: 65001}\n"
    )
    assert changed(calicoctl, "apply -f -", text=peer) == ("node1",)
    assert changed(calicoctl, "delete bgppeer tor") == ("node1",)


def test_nodes_that_come_and_go(calicoctl: Calicoctl) -> None:
    before = calicoctl.store.resources()
    node = {
        "apiVersion": "projectcalico.org/v3", "kind": "Node", "metadata": {"name": "node3"},
        "spec": {"bgp": {"ipv4Address": "10.192.0.4/16"}},
    }  # fmt: skip
    with_it = calicoctl.store.put(node, calicoctl.stamps).resources()
    three = (*NODES, "node3")
    assert affected(before, with_it, three) == three
    assert affected(with_it, before, three) == NODES, "node3 has no files any more"


def test_a_pool_under_another_name_renders_the_same(calicoctl: Calicoctl) -> None:
    text = calicoctl("get pool default-ipv4-ippool -o yaml --export").stdout
    again = text.replace("default-ipv4-ippool", "renamed").replace(
        "  creationTimestamp: null\n", ""
    )
    before = calicoctl.store.resources()
    calicoctl("delete pool default-ipv4-ippool")
    assert calicoctl("create -f -", again).status == 0
    after = calicoctl.store.resources()
    assert before.ip_pools[0].name != after.ip_pools[0].name
    assert affected(before, after, NODES) == ()
