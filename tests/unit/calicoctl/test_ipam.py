"""`calicoctl ipam`: the tables, addresses, and what changes."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from labgen.calico.calicoctl.ipam_blocks import block_document, blocks, with_blocks
from labgen.calico.datastore import GROUP, Key, seeded
from labgen.calico.ipam import Ipam
from labgen.calico.ipam_values import Allocation, BlockRecord, Request
from labgen.errors import InputError
from tests.unit.calicoctl.conftest import stamps

if TYPE_CHECKING:
    from tests.unit.calicoctl.conftest import Calicoctl


def pod(ipam: Ipam, node: str, name: str) -> Allocation:
    attributes = {"namespace": "default", "node": node, "pod": name}
    return ipam.assign(Request(node, f"k8s-pod-network.{name}", attributes=attributes))


def endpoint(allocation: Allocation) -> dict[str, object]:
    name = allocation.attributes["pod"]
    return {
        "apiVersion": "projectcalico.org/v3", "kind": "WorkloadEndpoint",
        "metadata": {"name": f"{allocation.node}-k8s-{name}-eth0"},
        "spec": {"node": allocation.node, "pod": name, "ipNetworks": [f"{allocation.address}/32"]},
    }  # fmt: skip


@pytest.fixture
def used(calicoctl: Calicoctl) -> Calicoctl:
    """Three pods on node1, one on node2 that borrows from node1, and a block without a pool."""
    ipam = Ipam(calicoctl.store.resources())
    found = [pod(ipam, "node1", f"p{n}") for n in range(3)]
    lent = found[0].address + 10
    attributes = {"namespace": "shop", "node": "node2", "pod": "web"}
    found.append(ipam.assign_address(lent, Request("node2", "k8s-pod-network.web", 4, attributes)))
    store = with_blocks(calicoctl.store, ipam.blocks, calicoctl.stamps)
    stray = BlockRecord(ip_network("10.9.0.0/26"), "", None)
    stray.allocations[3] = Allocation(ip_address("10.9.0.3"), "", "", {})
    stray.free.remove(3)
    store = store.put(block_document(stray), calicoctl.stamps)
    for allocation in found:
        store = store.put(endpoint(allocation), calicoctl.stamps)
    calicoctl.store = store
    return calicoctl


def test_show_lists_pools(used: Calicoctl) -> None:
    assert used("ipam show").stdout == (
        "+----------+----------------+-----------+------------+--------------+--------------+\n"
        "| GROUPING | CIDR           | IPS TOTAL | IPS IN USE | IPS RESERVED | IPS FREE     |\n"
        "+----------+----------------+-----------+------------+--------------+--------------+\n"
        "| IP Pool  | 192.168.0.0/16 |     65536 |     4 (0%) |       0 (0%) | 65532 (100%) |\n"
        "+----------+----------------+-----------+------------+--------------+--------------+\n"
    )


def test_show_blocks_and_those_without_a_pool_last(used: Calicoctl) -> None:
    rows = used("ipam show --show-blocks").stdout.splitlines()[3:-1]
    assert rows == [
        "| IP Pool  | 192.168.0.0/16     |     65536 |     4 (0%) |       0 (0%) | 65532 (100%) |",
        "| Block    | 192.168.166.128/26 |        64 |     4 (6%) |       0 (0%) |     60 (94%) |",
        "| Block    | 10.9.0.0/26        |        64 |     1 (2%) |       0 (0%) |     63 (98%) |",
    ]


def test_reserved_addresses_are_not_free(used: Calicoctl) -> None:
    used(
        "apply -f -",
        "apiVersion: projectcalico.org/v3\nkind: IPReservation\nmetadata: {name: r}\n"
        "spec: {reservedCIDRs: [192.168.166.128/30, 192.168.166.128/31, 10.0.0.0/8]}\n",
    )
    # 4 reserved; 192.168.166.128-130 are in use as well and count in both
    assert "|     4 (0%) |       4 (0%) | 65531 (100%) |" in used("ipam show").stdout


def test_big_pools_have_gos_numbers(calicoctl: Calicoctl) -> None:
    calicoctl(
        "apply -f -",
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: big}\n"
        "spec: {cidr: 10.0.0.0/8}\n",
    )
    row = calicoctl("ipam show").stdout.splitlines()[3]
    assert row.split("|")[3].strip() == "1.6777e+07"
    assert row.split("|")[6].strip() == "1.6777e+07 (100%)"


def test_borrowed(used: Calicoctl) -> None:
    lines = used("ipam show --show-borrowed").stdout.splitlines()
    assert [cell.strip() for cell in lines[1].split("|")[1:-1]] == [
        "IP", "BORROWING-NODE", "BLOCK", "BLOCK OWNER", "TYPE", "ALLOCATED-TO",
    ]  # fmt: skip
    assert [cell.strip() for cell in lines[3].split("|")[1:-1]] == [
        "192.168.166.138", "node2", "192.168.166.128/26", "node1", "pod", "shop/web",
    ]  # fmt: skip
    assert lines[-1] == (
        "Note: found 1 IP allocations without an explicit node association. "
        "Unable to determine if they are borrowed."
    )


def test_one_address(used: Calicoctl) -> None:
    assert used("ipam show --ip=192.168.166.138").stdout == (
        "IP 192.168.166.138 is in use\nHandle ID: k8s-pod-network.web\n"
        "Active Owner Attributes:\n  namespace: shop\n  node: node2\n  pod: web\n"
    )
    assert used("ipam show --ip=10.9.0.3").stdout == (
        "IP 10.9.0.3 is in use\nHandle ID: <none>\nNo Active Owner attributes defined\n"
    )
    assert used("ipam show --ip 10.9.0.4").stdout == "10.9.0.4 is not assigned\n"


@pytest.mark.parametrize("verb", ["show", "release"])
def test_a_bad_address(used: Calicoctl, verb: str) -> None:
    result = used(f"ipam {verb} --ip=1.2.3")
    assert result.stdout == "Error executing command: invalid IP address specified: 1.2.3\n"
    assert (result.stderr, result.status) == ("", 1)


def test_release_puts_the_address_at_the_end_of_the_line(used: Calicoctl) -> None:
    line = "ipam release --ip=192.168.166.129"
    assert used(line).stdout == "Successfully released IP address 192.168.166.129\n"
    assert used("ipam show --ip=192.168.166.129").stdout == "192.168.166.129 is not assigned\n"
    (block,) = (b for b in blocks(used.store) if b.owner == "node1")
    assert block.free[-1] == 1
    result = used(line)
    assert (result.stderr, result.status) == ("IP address 192.168.166.129 is not assigned\n", 1)


def test_release_without_blocks_in_the_store(calicoctl: Calicoctl) -> None:
    """A lab's endpoints imply the blocks until one changes."""
    allocation = pod(Ipam(calicoctl.store.resources()), "node1", "p")
    calicoctl.store = calicoctl.store.put(endpoint(allocation), calicoctl.stamps)
    assert calicoctl(f"ipam release --ip={allocation.address}").status == 0
    assert len(calicoctl.store.keys("IPAMBlock")) == 1
    assert "not assigned" in calicoctl(f"ipam show --ip={allocation.address}").stdout


def test_a_block_survives_its_document(used: Calicoctl) -> None:
    for block in blocks(used.store):
        document = block_document(block)
        key = Key(GROUP, "IPAMBlock", "", document["metadata"]["name"])
        assert used.store.objects[key]["spec"] == document["spec"]


def test_configuration(calicoctl: Calicoctl) -> None:
    assert calicoctl("ipam configure --strictaffinity=true --max-blocks-per-host=7").stdout == (
        "Successfully set StrictAffinity to: true\nSuccessfully set MaxBlocksPerHost to: 7\n"
    )
    rows = calicoctl("ipam show --show-configuration").stdout.splitlines()[3:-1]
    assert [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows] == [
        ["StrictAffinity", "true"],
        ["AutoAllocateBlocks", "true"],
        ["MaxBlocksPerHost", "7"],
        ["KubeVirtVMAddressPersistence", "(*ipam.VMAddressPersistence)(nil)"],
        ["IPCooldownSeconds", "0"],
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("", "at least one configuration option must be specified"),
        ("--strictaffinity=maybe", "invalid value. Use true or false to set strictaffinity"),
        ("--max-blocks-per-host=x", "invalid value for maxblockhost. Use a valid number"),
        (
            "--kubevirt-ip-persistence=on",
            "invalid value for --kubevirt-ip-persistence. Use Enabled or Disabled",
        ),
        (
            "--ip-cooldown-seconds=x",
            (
                'invalid argument "x" for "--ip-cooldown-seconds" flag: strconv.ParseInt: '
                'parsing "x": invalid syntax'
            ),
        ),
        (
            "--max-blocks-per-host=4",
            (
                "error: error with field IPAMConfig.Spec.MaxBlocksPerHost = '4' "
                "(MaxBlocksPerHost requires StrictAffinity to be enabled)"
            ),
        ),
    ],
)
def test_settings_that_are_refused(calicoctl: Calicoctl, flags: str, message: str) -> None:
    before = calicoctl.store
    result = calicoctl(f"ipam configure {flags}")
    assert (result.stdout, result.stderr, result.status) == ("", message + "\n", 1)
    assert calicoctl.store is before


def test_check_finds_leaks_and_strangers(used: Calicoctl) -> None:
    used.store = used.store.remove(Key(GROUP, "WorkloadEndpoint", "default", "node1-k8s-p0-eth0"))
    used('patch node node1 -p {"spec":{"bgp":{"ipv4IPIPTunnelAddr":"192.168.5.5"}}}')
    used('patch node node2 -p {"spec":{"ipv4VXLANTunnelAddr":"172.16.0.1"}}')
    text = used("ipam check --show-problem-ips").stdout
    for line in (
        "Found 2 IPAM blocks.",
        " IPAM block 192.168.166.128/26 affinity=host:node1:",
        " IPAM block 10.9.0.0/26 affinity=<none>:",
        "IPAM blocks record 5 allocations.",
        "Found 2 node tunnel IPs.",
        "Found 3 workload IPs.",
        ("  192.168.166.128 leaked; attrs Main:k8s-pod-network.p0 "
        "Extra:namespace=default,node=node1,pod=p0"),
        "Found 2 IPs that are allocated in IPAM but not actually in use.",
        "  172.16.0.1 in use by Node(node2) is not in any active IP pool.",
        "  192.168.5.5 in use by Node(node1) and in active IPAM pool but has no IPAM allocation.",
        "Check complete; found 4 problems.",
    ):  # fmt: skip
        assert line + "\n" in text


def test_check_of_a_sound_cluster(calicoctl: Calicoctl) -> None:
    result = calicoctl("ipam check")
    assert result.stdout.endswith("Check complete; found 0 problems.\n")
    assert result.status == 0


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        {"cidr": "10.0.0.0/33", "allocations": [], "attributes": []},
        {"cidr": "10.0.0.0/30", "allocations": [0], "attributes": []},
        {"cidr": "10.0.0.0/30", "allocations": ["x"], "attributes": []},
        {"cidr": "10.0.0.0/30", "allocations": [None] * 5, "attributes": []},
        {"cidr": "10.0.0.0/30", "allocations": [0], "attributes": [{}]},
    ],
)
def test_a_block_that_is_none_is_refused_at_the_door(spec: object) -> None:
    block = {
        "apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMBlock",
        "metadata": {"name": "b"}, "spec": spec,
    }  # fmt: skip
    with pytest.raises(InputError, match=r"IPAMBlock\(b\): spec wants"):
        seeded([block], stamps())
