"""IPAM: blocks, affinities, borrowing, pool selection, and the names of a pod's ends."""

from __future__ import annotations

import hashlib
from ipaddress import ip_address, ip_network

import pytest

from labgen import yaml_source
from labgen.calico import confd, ipam, resources, workload
from labgen.calico.gorand import GoRandom, fnv1_32
from labgen.calico.ipam import Ipam, NoAddress, Request

NODES = """
apiVersion: projectcalico.org/v3
kind: NodeList
items:
- {metadata: {name: node1, labels: {rack: a}}, spec: {bgp: {ipv4Address: 10.0.0.1/24}}}
- {metadata: {name: node2, labels: {rack: b}}, spec: {bgp: {ipv4Address: 10.0.0.2/24}}}
---
"""
BIG = "{cidr: 192.168.0.0/16}"
SMALL = "{cidr: 10.48.0.0/27, blockSize: 29}"  # four blocks of eight


def cluster(pools: str = f"p: {BIG}", more: str = "") -> resources.Resources:
    text = NODES
    for line in pools.strip().splitlines():
        name, _, spec = line.strip().partition(": ")
        text += (
            "apiVersion: projectcalico.org/v3\nkind: IPPool\n"
            f"metadata: {{name: {name}}}\nspec: {spec}\n---\n"
        )
    return resources.parse(yaml_source.parse(text + more, "given.yaml"))


def want(node: str = "node1", handle: str = "h", **more: object) -> Request:
    return Request(node=node, handle=handle, **more)  # type: ignore[arg-type]


# Computed with Go's own generator (reference vectors), pool 192.168.0.0/16, blocks of 64.
@pytest.mark.parametrize(
    ("node", "block"),
    [
        ("node1", "192.168.166.128/26"),
        ("node2", "192.168.104.0/26"),
        ("node3", "192.168.135.0/26"),
        ("worker1", "192.168.235.128/26"),
        ("worker2", "192.168.189.64/26"),
        ("master", "192.168.219.64/26"),
        ("kind-control-plane", "192.168.82.0/26"),
        ("kind-worker", "192.168.162.128/26"),
    ],
)
def test_the_first_block_is_calicos(node: str, block: str) -> None:
    given = Ipam(cluster())
    first = given.assign(want(node))
    assert [b.network for b in given.blocks] == [ip_network(block)]
    assert first.address == ip_network(block).network_address  # all 64 are handed out


def test_go_random_wide_numbers_stay_below_the_limit() -> None:
    random = GoRandom(fnv1_32("node1"))
    assert all(random.below(2**74) < 2**74 for _ in range(50))
    assert GoRandom(0).below(1024) == GoRandom(89482311).below(1024)  # Go's stand-in for seed 0


def test_a_block_is_first_in_first_out() -> None:
    given = Ipam(cluster(f"p: {SMALL}"))
    first = [given.assign(want()).address for _ in range(8)]
    assert [int(a) - int(first[0]) for a in first] == list(range(8))
    given.release(first[3])
    given.release(first[1])
    assert [given.assign(want()).address for _ in range(2)] == [first[3], first[1]]


def test_a_full_block_makes_the_node_claim_the_next_one_around() -> None:
    given = Ipam(cluster(f"p: {SMALL}"))
    for _ in range(17):
        given.assign(want())
    mine = [block for block in given.blocks if block.owner == "node1"]
    assert len(mine) == 3
    start = int(given.assign(want(handle="x")).address) - int(ip_address("10.48.0.0"))
    assert 0 <= start < 32


def test_borrowing_when_no_block_is_left() -> None:
    given = Ipam(cluster(f"p: {SMALL}"))
    for _ in range(25):
        given.assign(want("node1"))
    lent = given.assign(want("node2", "guest"))
    (block,) = (b for b in given.blocks if lent.address in b.network)
    assert block.owner == "node1"
    assert lent.node == "node2"
    assert {a.spec.node for a in given.block_affinities()} == {"node1"}


def test_strict_affinity_fails_instead_of_borrowing() -> None:
    strict = (
        "apiVersion: projectcalico.org/v3\nkind: IPAMConfiguration\nmetadata: {name: default}\n"
        "spec: {strictAffinity: true}\n"
    )
    given = Ipam(cluster(f"p: {SMALL}", strict))
    for _ in range(25):
        given.assign(want("node1"))
    with pytest.raises(NoAddress, match="strict affinity forbids borrowing"):
        given.assign(want("node2"))
    with pytest.raises(NoAddress, match="strict affinity"):
        given.assign_address(given.blocks[0].network.network_address + 7, want("node2"))


def test_the_block_limit_is_calicos_message() -> None:
    limited = (
        "apiVersion: crd.projectcalico.org/v1\nkind: IPAMConfig\nmetadata: {name: default}\n"
        "spec: {strictAffinity: true, maxBlocksPerHost: 1}\n"
    )
    given = Ipam(cluster(f"p: {SMALL}", limited))
    for _ in range(8):
        given.assign(want())
    with pytest.raises(NoAddress, match="limit of 1 blocks reached for this node"):
        given.assign(want())


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("{cidr: 10.48.0.0/16, disabled: true}", "disabled"),
        ("{cidr: 10.48.0.0/16, nodeSelector: rack == 'b'}", "another node"),
        ("{cidr: 10.48.0.0/16, namespaceSelector: tenant == 'x'}", "another namespace"),
        ("{cidr: 10.48.0.0/16, allowedUses: [Tunnel]}", "another use"),
        ("{cidr: 10.48.0.0/16, assignmentMode: Manual}", "only by name"),
        ("{cidr: 'fd20::/64'}", "another family"),
    ],
)
def test_pools_that_do_not_serve_a_pod(spec: str, why: str) -> None:
    with pytest.raises(NoAddress, match="no configured Calico pools"):
        Ipam(cluster(f"p: {spec}")).assign(want())


def test_a_named_pool_is_taken_whatever_it_selects() -> None:
    pools = "a: {cidr: 10.48.0.0/16, nodeSelector: rack == 'b', assignmentMode: Manual}\nb: " + BIG
    given = Ipam(cluster(pools))
    assert given.assign(want()).address in ip_network("192.168.0.0/16")
    assert given.assign(want(pools=("a",))).address in ip_network("10.48.0.0/16")
    with pytest.raises(NoAddress, match="there is no IPPool c"):
        given.assign(want(pools=("c",)))


def test_namespaces_select_pools() -> None:
    more = "apiVersion: v1\nkind: Namespace\nmetadata: {name: blue, labels: {tenant: x}}\n"
    pools = "a: {cidr: 10.48.0.0/16, namespaceSelector: tenant == 'x'}"
    given = Ipam(cluster(pools, more))
    assert given.assign(want(namespace="blue")).address in ip_network("10.48.0.0/16")


def test_reserved_addresses_are_skipped() -> None:
    more = (
        "apiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: r}\n"
        "spec: {reservedCIDRs: [10.48.0.0/28, 10.48.0.16]}\n"
    )
    given = Ipam(cluster(f"p: {SMALL}", more))
    got = {given.assign(want()).address for _ in range(15)}
    assert got == {ip_address("10.48.0.17") + i for i in range(15)}
    with pytest.raises(NoAddress):
        given.assign(want())


def test_a_certain_address() -> None:
    given = Ipam(cluster())
    address = ip_address("192.168.7.7")
    assert given.assign_address(address, want()).node == "node1"
    assert given.blocks[0].network == ip_network("192.168.7.0/26")
    with pytest.raises(NoAddress, match="already assigned"):
        given.assign_address(address, want("node2", "other"))
    with pytest.raises(NoAddress, match="in no IPPool"):
        given.assign_address(ip_address("172.16.0.1"), want())
    given.release(address)
    with pytest.raises(NoAddress, match="is not assigned"):
        given.release(address)


def test_what_the_resources_already_hold() -> None:
    more = (
        "apiVersion: projectcalico.org/v3\nkind: BlockAffinity\nmetadata: {name: b}\n"
        "spec: {node: node2, cidr: 192.168.1.0/26, state: confirmed, deleted: 'false'}\n---\n"
        "apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\n"
        "metadata: {name: node2-k8s-web-eth0, namespace: shop}\n"
        "spec: {node: node2, pod: web, containerID: abc, ipNetworks: [192.168.1.5/32]}\n"
    )
    given = Ipam(cluster(more=more))
    held = given.allocation(ip_address("192.168.1.5"))
    assert held is not None
    assert (held.handle, held.attributes["pod"]) == ("k8s-pod-network.abc", "web")
    assert given.assign(want("node2")).address == ip_address("192.168.1.0")
    assert [a.address for a in given.release_handle("k8s-pod-network.abc")] == [
        ip_address("192.168.1.5")
    ]


def test_a_nodes_blocks_become_its_routes_and_go_with_it() -> None:
    given = cluster()
    book = Ipam(given)
    book.assign(want("node1"))
    book.assign(want("node2"))
    affinities = resources.Resources(block_affinities=book.block_affinities())
    whole = resources.merged(given, affinities)
    blocks = confd.compute(whole, "node1").v4.blocks
    assert [str(block.network) for block in blocks] == ["192.168.166.128/26"]
    book.release_node("node1")
    assert [block.owner for block in book.blocks] == ["node2"]


def test_an_old_empty_block_of_another_node_changes_hands() -> None:
    given = Ipam(cluster(f"p: {SMALL}"))
    empty = given.claim(want("node1"))
    assert empty is not None
    for _ in range(3):  # node3 takes all that is left
        for _ in range(8):
            given.assign(want("node3"))
    assert given.assign(want("node2", "guest")).address in empty.network  # too young: borrowed
    assert empty.owner == "node1"
    given.release_handle("guest")
    given.reclaimable = {b.network for b in given.blocks}
    assert given.assign(want("node2", "guest")).address in empty.network
    assert {b.network: b.owner for b in given.blocks}[empty.network] == "node2"
    assert [a.spec.node for a in given.block_affinities()].count("node1") == 0


def test_a_block_of_nobody_goes_with_its_last_address() -> None:
    given = Ipam(cluster(f"p: {SMALL}"))
    for _ in range(32):
        given.assign(want("node1"))
    given.release(given.blocks[0].network[0])
    lent = given.assign(want("node2", "guest"))
    given.release_node("node1")
    assert [(b.owner, len(b.allocations)) for b in given.blocks] == [(None, 1)]
    given.release(lent.address)
    assert given.blocks == ()


def test_names_of_a_pods_ends() -> None:
    assert workload.host_interface("default", "pod1") == "calice0906292e2"
    assert workload.host_interface("default", "nginx") == "calic440f455693"
    assert workload.tunnel_handle("ipip", "node1") == (
        "ipip-tunnel-addr-node1",
        {"node": "node1", "type": "ipipTunnelAddress"},
    )
    assert workload.tunnel_handle("vxlan-v6", "node1") == (
        "vxlan-v6-tunnel-addr-node1",
        {"node": "node1", "type": "vxlanV6TunnelAddress"},
    )
    # printf %s node1 | sha1sum; Felix's VTEPs begin with 66
    assert workload.vtep_mac("node1", 4) == "66:" + hashlib.sha1(b"node1").digest()[:5].hex(":")
    assert ipam.DEFAULT_MAX_BLOCKS == 20
