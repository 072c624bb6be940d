"""`calicoctl get`: tables, YAML and JSON to the byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from labgen.calico.calicoctl.kinds import KINDS, Kind
from labgen.calico.datastore import flattened
from tests.unit.calicoctl.conftest import documents

if TYPE_CHECKING:
    from tests.unit.calicoctl.conftest import Calicoctl, Make

PEERS = """\
apiVersion: projectcalico.org/v3
kind: BGPPeerList
items:
- metadata: {name: tor}
  spec: {peerIP: 10.0.0.1, asNumber: 65001}
- metadata: {name: rr}
  spec: {nodeSelector: all(), peerSelector: has(rr)}
- metadata: {name: n1-x}
  spec: {node: node1, peerIP: '10.0.0.9:1790', asNumber: '1.1'}
"""
CONFIGURATIONS = """\
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {nodeToNodeMeshEnabled: true, asNumber: 64512}
---
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: node.node1}
spec: {listenPort: 1790}
"""
ENDPOINTS = """\
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: node1-k8s-web-eth0, namespace: shop}
spec: {orchestrator: k8s, node: node1, pod: web, endpoint: eth0, containerID: abc,
       ipNetworks: [192.168.1.2/32, 'fd00::2/128'], interfaceName: calic440f455693,
       profiles: [kns.shop]}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: node1-k8s-x-eth0}
spec: {orchestrator: k8s, node: node1, workload: x, ipNetworks: [], interfaceName: calix}
"""
OTHERS = """\
apiVersion: projectcalico.org/v3
kind: IPReservation
metadata: {name: r}
spec: {reservedCIDRs: [10.0.0.0/30, 10.1.0.1]}
---
apiVersion: projectcalico.org/v3
kind: IPAMConfiguration
metadata: {name: default}
spec: {strictAffinity: true, maxBlocksPerHost: 4}
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {bpfEnabled: true}
"""
EVERYTHING = f"{PEERS}---\n{CONFIGURATIONS}---\n{ENDPOINTS}---\n{OTHERS}"


def table(*lines: str) -> str:
    """Lines as printed: each ends with its last column's padding, a blank line follows."""
    return "".join(f"{line.rstrip('|')}\n" for line in lines) + "\n"


TABLES = {
    "get nodes": table("NAME    |", "node1   |", "node2   |"),
    "get no -o wide": table(
        "NAME    ASN       IPV4            IPV6           |",
        "node1   (64512)   10.192.0.2/16                  |",
        "node2   64513     10.192.0.3/16   2001::103/64   |",
    ),
    "get BGPPeers": table(
        "NAME   PEERIP          NODE       ASN     |",
        "n1-x   10.0.0.9:1790   node1      65537   |",
        "rr                     all()      0       |",
        "tor    10.0.0.1        (global)   65001   |",
    ),
    "get bgpconfigs -o wide": table(
        "NAME         LOGSEVERITY   MESHENABLED   ASNUMBER   |",
        "default      Info          true          64512      |",
        "node.node1   Info          -             -          |",
    ),
    "get bf": table(
        "NAME        NUMEXPORTV4   NUMIMPORTV4   NUMEXPORTV6   NUMIMPORTV6   |",
        "only-pods   2             0             0             0             |",
    ),
    "get ippool default-ipv4-ippool": table(
        "NAME                  CIDR             SELECTOR   |",
        "default-ipv4-ippool   192.168.0.0/16   all()      |",
    ),
    "get pools --output=wide": table(
        "NAME                  CIDR             NAT     IPIPMODE   VXLANMODE   DISABLED   "
        "DISABLEBGPEXPORT   SELECTOR   ASSIGNMENTMODE   |",
        "default-ipv4-ippool   192.168.0.0/16   false   Never      Never       false      "
        "false              all()      Automatic        |",
    ),
    "get weps": table(
        "WORKLOAD   NODE    NETWORKS   INTERFACE   |",
        "x          node1              calix       |",
    ),
    "get weps -n shop": table(
        "NAMESPACE   WORKLOAD   NODE    NETWORKS                     INTERFACE         |",
        "shop        web        node1   192.168.1.2/32,fd00::2/128   calic440f455693   |",
    ),
    "get wep -A -owide": table(
        "NAMESPACE   NAME                 WORKLOAD   NODE    NETWORKS                     "
        "INTERFACE         PROFILES   NATS   |",
        "default     node1-k8s-x-eth0     x          node1                                "
        "calix                               |",
        "shop        node1-k8s-web-eth0   web        node1   192.168.1.2/32,fd00::2/128   "
        "calic440f455693   kns.shop          |",
    ),
    "get ipreservations -o wide": table(
        "NAME   CIDRS                  |",
        "r      10.0.0.0/30,10.1.0.1   |",
    ),
    "get ipamconfig -o wide": table(
        "NAME      STRICTAFFINITY   AUTOALLOCATEBLOCKS   MAXBLOCKSPERHOST   |",
        "default   true             false                4                  |",
    ),
    "get felixconfigurations": table("NAME      |", "default   |"),
    "get bgppeers -o custom-columns=ASN,NAME": table(
        "ASN     NAME   |", "65537   n1-x   |", "0       rr     |", "65001   tor    |"
    ),
    "get nodes node2 node1": table("NAME    |", "node2   |") + table("NAME    |", "node1   |"),
    "get hostendpoints": table("NAME   NODE   |"),
    "get policy -n x": table("NAMESPACE   NAME   TIER   |"),
    "get clusterinfo": table(
        "NAME      CLUSTERGUID                        CLUSTERTYPE   CALICOVERSION    "
        "DATASTOREREADY   |",
        "default   00000000000040008000000000000001   k8s,bgp       v3.33.0-labgen   "
        "true             |",
    ),
}


@pytest.fixture
def full(calicoctl: Calicoctl) -> Calicoctl:
    for document in documents(EVERYTHING):
        for single in flattened(document):
            if single["kind"] == "WorkloadEndpoint":  # the CNI plugin writes these
                calicoctl.store = calicoctl.store.put(single, calicoctl.stamps)
            else:
                assert calicoctl("apply -f -", json.dumps(single)).status == 0
    return calicoctl


@pytest.mark.parametrize("line", TABLES)
def test_table(full: Calicoctl, line: str) -> None:
    result = full(line)
    assert (result.stdout, result.stderr, result.status) == (TABLES[line], "", 0)


def test_the_global_as_stands_in_parentheses(full: Calicoctl) -> None:
    full('patch bgpconfig default -p {"spec":{"asNumber":65000}}')
    assert "node1   (65000)   10.192.0.2/16" in full("get nodes -o wide").stdout


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_alias_means_its_kind(full: Calicoctl, kind: Kind) -> None:
    for alias in kind.aliases:
        for word in (alias, alias.upper()):
            result = full(f"get {word} -A" if kind.namespaced else f"get {word}")
            assert result.stdout.splitlines()[0].split()[-1] == kind.columns[-1]


POOL_YAML = """\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata:
  creationTimestamp: "2026-11-22T03:30:00Z"
  name: default-ipv4-ippool
  resourceVersion: "4"
  uid: 00000000-0000-4000-8000-000000000005
spec:
  allowedUses:
  - Workload
  - Tunnel
  assignmentMode: Automatic
  blockSize: 26
  cidr: 192.168.0.0/16
  ipipMode: Never
  nodeSelector: all()
  vxlanMode: Never
"""


def test_yaml_of_one_object(calicoctl: Calicoctl) -> None:
    assert calicoctl("get ippool default-ipv4-ippool -o yaml").stdout == POOL_YAML


def test_yaml_of_a_list(calicoctl: Calicoctl) -> None:
    lines = POOL_YAML.splitlines()
    items = "- " + "\n  ".join(lines)
    assert calicoctl("get ippools -o yaml").stdout == (
        f"apiVersion: projectcalico.org/v3\nitems:\n{items}\nkind: IPPoolList\n"
        'metadata:\n  resourceVersion: "5"\n'
    )


def test_several_names_are_an_array(calicoctl: Calicoctl) -> None:
    value = json.loads(calicoctl("get node node1 node2 -o json").stdout)
    assert [item["metadata"]["name"] for item in value] == ["node1", "node2"]
    assert calicoctl("get node node1 node2 -o yaml").stdout.startswith("- apiVersion: ")


def test_json_is_gos(calicoctl: Calicoctl) -> None:
    calicoctl('patch node node1 -p {"metadata":{"annotations":{"note":"<a>&b"}}}')
    text = calicoctl("get node node1 -o json").stdout
    assert text.startswith(
        '{\n  "kind": "Node",\n  "apiVersion": "projectcalico.org/v3",\n  "metadata": {\n'
        '    "name": "node1",\n'
    )
    assert '"note": "\\u003ca\\u003e\\u0026b"' in text
    assert text.endswith("\n}\n")


def test_export_takes_the_clusters_own_fields_away(calicoctl: Calicoctl) -> None:
    text = calicoctl("get ippool default-ipv4-ippool -o yaml --export").stdout
    assert "  creationTimestamp: null\n  name: default-ipv4-ippool\nspec:" in text
    listed = calicoctl("get ippool -o yaml --export").stdout
    assert "uid:" in listed, "a list is printed as it is"


def test_what_is_printed_can_be_applied_again(full: Calicoctl) -> None:
    for kind in ("bgppeers", "bgpconfigs", "bgpfilters", "ippools", "nodes"):
        for form in ("yaml", "json"):
            text = full(f"get {kind} -o {form}").stdout
            result = full("apply -f -", text)
            assert (result.status, result.stderr) == (0, "")


def test_get_by_file(calicoctl: Calicoctl) -> None:
    calicoctl.files["n.yaml"] = (
        "kind: Node\napiVersion: projectcalico.org/v3\nmetadata: {name: node2}\n"
    )
    assert calicoctl("get -f n.yaml").stdout == table("NAME    |", "node2   |")


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_nothing_found_is_gos_nil_slice(calicoctl: Calicoctl, output: str) -> None:
    result = calicoctl(f"get node nope -o {output}")
    assert result.stdout == "null\n"
    assert result.status == 1


def test_strings_that_yaml_would_misread_are_quoted(calicoctl_on: Make) -> None:
    made = calicoctl_on(
        "apiVersion: projectcalico.org/v3\nkind: Node\n"
        "metadata: {name: n, labels: {rr: 'yes', zone: '12', x: a}, annotations: {e: ''}}\n"
    )
    text = made("get node n -o yaml").stdout
    for line in ('rr: "yes"', 'zone: "12"', "x: a", 'e: ""'):
        assert line in text


STAGED = """\
apiVersion: projectcalico.org/v3
kind: StagedKubernetesNetworkPolicy
metadata: {name: s, namespace: shop}
spec:
  podSelector:
    matchLabels: {b: y, a: x}
    matchExpressions: [{key: t, operator: In, values: [u, v]}]
---
apiVersion: projectcalico.org/v3
kind: CalicoNodeStatus
metadata: {name: of-n1}
spec: {node: node1, classes: [Agent, BGP], updatePeriodSeconds: 10}
---
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: g}
spec: {tier: default, selector: all()}
"""


def test_kinds_without_a_part_in_routing_have_their_tables(calicoctl: Calicoctl) -> None:
    said = calicoctl("apply -f -", STAGED)
    assert said.status == 0
    assert "CalicoNodeStatus is kept, but has no effect in a lab" in said.stderr
    assert calicoctl("get sknp -n shop -o wide").stdout == table(
        "NAMESPACE   NAME   PODSELECTOR                     |",
        "shop        s      {map[a:x b:y] [{t In [u v]}]}   |",
    )
    assert calicoctl("get nodestatus -owide").stdout == table(
        "NAME    NODE    CLASSES     |", "of-n1   node1   Agent,BGP   |"
    )
    assert calicoctl("get sgnp -owide").stdout == table(
        "NAME   TIER      ORDER   SELECTOR   |", "g      default   <nil>   all()      |"
    )
