"""Every message of calicoctl's verbs: both outputs and the exit status to the byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from labgen.calico.calicoctl.flags import ABSENT, COMMANDS

if TYPE_CHECKING:
    from tests.unit.calicoctl.conftest import Calicoctl


def resource(kind: str, name: str, spec: str = "{}", metadata: str = "") -> str:
    extra = f", {metadata}" if metadata else ""
    return (
        f"apiVersion: projectcalico.org/v3\nkind: {kind}\n"
        f"metadata: {{name: {name}{extra}}}\nspec: {spec}\n---\n"
    )


TOR = resource("BGPPeer", "tor", "{peerIP: 10.0.0.1, asNumber: 65001}")
TOR2 = resource("BGPPeer", "tor2", "{peerIP: 10.0.0.2, asNumber: 65001}")
POOL = resource("IPPool", "extra", "{cidr: 10.10.0.0/16, disabled: true}")
UNMASKED = resource("IPPool", "wrong", "{cidr: 10.0.0.1/24}")
UNMASKED2 = resource("IPPool", "wrong2", "{cidr: 10.0.1.1/24}")
NODE = resource("Node", "node1", "{bgp: {ipv4Address: 10.192.0.2/16, asNumber: 64600}}")
NODE9 = resource("Node", "node9", "{bgp: {ipv4Address: 10.192.0.9/16}}")
STALE = resource("IPPool", "default-ipv4-ippool", "{cidr: 192.168.0.0/16}", "resourceVersion: '1'")
NO_CIDR_ERROR = (
    "error with field IPPool.Spec.CIDR = '10.0.0.0/24' (IPPool CIDR is not strictly masked)"
)
NO_CIDR_ERROR2 = NO_CIDR_ERROR.replace("10.0.0.0", "10.0.1.0")
NOT_FOUND = (
    'resource does not exist: {0}({1}) with error: {2}.crd.projectcalico.org "{1}" not found'
)
NO_FILTER_B = NOT_FOUND.format("BGPFilter", "b", "bgpfilters")
EXISTS = (
    "resource already exists: IPPool(default-ipv4-ippool) with error: "
    'ippools.crd.projectcalico.org "default-ipv4-ippool" already exists'
)
POOL_AGAIN = resource("IPPool", "default-ipv4-ippool", "{cidr: 192.168.0.0/16}")
NO_NODE9 = 'resource does not exist: Node(node9) with error: nodes "node9" not found'


@dataclass
class Case:
    line: str
    text: str = ""
    out: str = ""
    err: str = ""


def ok(line: str, text: str, out: str) -> Case:
    return Case(line, text, out + "\n")


def bad(line: str, text: str, err: str, out: str = "") -> Case:
    return Case(line, text, out, err + "\n")


CASES = {
    # all well
    "one kind": ok("apply -f -", TOR + TOR2, "Successfully applied 2 'BGPPeer' resource(s)"),
    "mixed kinds": ok("apply -f -", TOR + POOL + NODE, "Successfully applied 3 resource(s)"),
    "created": ok("create -f -", TOR, "Successfully created 1 'BGPPeer' resource(s)"),
    "replaced": ok("replace -f -", POOL_AGAIN, "Successfully replaced 1 'IPPool' resource(s)"),
    "replaced mixed": ok("replace -f -", POOL_AGAIN + NODE, "Successfully replaced 2 resource(s)"),
    "validated": ok("validate -f -", TOR, "Successfully validated 1 'BGPPeer' resource(s)"),
    "deleted": ok(
        "delete bgpfilter only-pods", "", "Successfully deleted 1 'BGPFilter' resource(s)"
    ),
    "deleted by file": ok("delete -f -", POOL_AGAIN, "Successfully deleted 1 'IPPool' resource(s)"),
    "patched": ok(
        'patch node node1 --patch={"spec":{"bgp":{"asNumber":64600}}}',
        "",
        "Successfully patched 1 'Node' resource",
    ),
    "patch --type is not looked at": ok(
        'patch node node1 -t json -p {"spec":{"bgp":{"asNumber":64600}}}',
        "",
        "Successfully patched 1 'Node' resource",
    ),
    "skip exists": ok(
        "create -f - --skip-exists", POOL_AGAIN, "Successfully created 1 'IPPool' resource(s)"
    ),
    "skip not exists": ok(
        "delete ippool nope -s", "", "Successfully deleted 1 'IPPool' resource(s)"
    ),
    "skip empty": ok("apply -f - --skip-empty", "# nothing\n", "No resources specified"),
    "apply updates a Node": ok("apply -f -", NODE, "Successfully applied 1 'Node' resource(s)"),
    # one failed
    "apply one": bad(
        "apply -f -", UNMASKED, f"failed to apply 'IPPool' resource: [{NO_CIDR_ERROR}]"
    ),
    "create one": bad("create -f -", POOL_AGAIN, f"failed to create 'IPPool' resource: [{EXISTS}]"),
    "validate one": bad(
        "validate -f -", UNMASKED, f"failed to validate 'IPPool' resource: [{NO_CIDR_ERROR}]"
    ),
    "create a Node": bad(
        "create -f -",
        NODE9,
        "failed to create 'Node' resource: [operation Create is not supported on Node(node9)]",
    ),
    "apply a Node that is not there": bad(
        "apply -f -", NODE9, f"failed to apply 'Node' resource: [{NO_NODE9}]"
    ),
    # all failed
    "apply several of one kind": bad(
        "apply -f -",
        UNMASKED + UNMASKED2,
        f"failed to apply any 'IPPool' resources: [{NO_CIDR_ERROR} {NO_CIDR_ERROR2}]",
    ),
    "apply several of mixed kinds": bad(
        "apply -f -",
        UNMASKED + NODE9,
        f"failed to apply any resources: [{NO_CIDR_ERROR} {NO_NODE9}]",
    ),
    # some failed
    "some failed": bad(
        "apply -f -",
        POOL + POOL_AGAIN + UNMASKED,
        f"hit error: [{NO_CIDR_ERROR}]",
        "Partial success: applied the first 2 out of 3 'IPPool' resources:\n",
    ),
    "some failed, mixed": bad(
        "create -f -",
        TOR + POOL + NODE9,
        "hit error: [operation Create is not supported on Node(node9)]",
        "Partial success: created the first 2 out of 3 resources:\n",
    ),
    "no more succeeded than failed": bad(
        "apply -f -", POOL + UNMASKED, f"hit error: [{NO_CIDR_ERROR}]"
    ),
    "validate some": bad(
        "validate -f -",
        POOL + TOR + UNMASKED,
        f"hit error: [{NO_CIDR_ERROR}]",
        "Partial success: validated the first 2 out of 3 resources:\n",
    ),
    "replace failed": bad(
        "replace -f -",
        POOL,
        "hit error: " + NOT_FOUND.format("IPPool", "extra", "ippools"),
        "Partial success: replaced the first 1 out of 1 'IPPool' resources:\n",
    ),
    "replace some": bad(
        "replace -f -",
        NODE + POOL,
        "hit error: " + NOT_FOUND.format("IPPool", "extra", "ippools"),
        "Partial success: replaced the first 2 out of 2 resources:\n",
    ),
    "delete failed": bad(
        "delete ippool a b",
        "",
        f"Failed to delete 'IPPool' resource: {NOT_FOUND.format('IPPool', 'a', 'ippools')}\n"
        f"Failed to delete 'IPPool' resource: {NOT_FOUND.format('IPPool', 'b', 'ippools')}\n",
    ),
    "delete some": bad(
        "delete bgpfilters only-pods b",
        "",
        f"Failed to delete 'BGPFilter' resource: {NO_FILTER_B}\n",
        "Successfully deleted 1 'BGPFilter' resource(s)\n",
    ),
    "delete mixed": bad(
        "delete -f -",
        TOR + POOL,
        f"Failed to delete resource: {NOT_FOUND.format('BGPPeer', 'tor', 'bgppeers')}\n"
        f"Failed to delete resource: {NOT_FOUND.format('IPPool', 'extra', 'ippools')}\n",
    ),
    "delete a Node": bad(
        "delete node node1",
        "",
        "Failed to delete 'Node' resource: operation Delete is not supported on Node(node1)\n",
    ),
    "delete without a name": bad(
        "delete ippool", "", "Failed to delete 'IPPool' resource: resource name may not be empty\n"
    ),
    "patch what is not there": bad(
        "patch bgpp tor -p {}", "", "hit error: " + NOT_FOUND.format("BGPPeer", "tor", "bgppeers")
    ),
    "patch that is no JSON": bad(
        "patch node node1 -p spec",
        "",
        "hit error: permorming strategic merge patch: invalid JSON document",
    ),
    "patch that makes it invalid": bad(
        'patch ippool default-ipv4-ippool -p {"spec":{"cidr":"192.168.0.1/16"}}',
        "",
        "hit error: updating existing resource: error with field IPPool.Spec.CIDR = "
        "'192.168.0.0/16' (IPPool CIDR is not strictly masked)",
    ),
    "patch with an unknown field": bad(
        'patch node node1 -p {"spec":{"bgp":{"asnumber":64600}}}',
        "",
        "field in document is not recognized or is in the wrong location: asnumber",
    ),
    # get
    "get what is not there": bad(
        "get ippool nope",
        "",
        NOT_FOUND.format("IPPool", "nope", "ippools"),
    ),
    "get some": bad(
        "get bgpfilters x only-pods y",
        "",
        f"{NOT_FOUND.format('BGPFilter', 'x', 'bgpfilters')}\n"
        f"{NOT_FOUND.format('BGPFilter', 'y', 'bgpfilters')}",
        "NAME        NUMEXPORTV4   NUMIMPORTV4   NUMEXPORTV6   NUMIMPORTV6   \n"
        "only-pods   2             0             0             0             \n\n",
    ),
    "get a kind that is none": bad(
        "get foo", "", "failed to get resources: resource type 'foo' is not supported"
    ),
    "delete a kind that is none": bad("delete Foo x", "", "resource type 'Foo' is not supported"),
    "patch a kind that is none": bad(
        "patch foo x -p {}", "", "resource type 'foo' is not supported"
    ),
    "unknown format": bad("get nodes -o xml", "", "unrecognized output format 'xml'"),
    "no column": bad("get nodes -o custom-columns=", "", "need to specify at least one column"),
    "unknown column": bad(
        "get nodes -o custom-columns=NAME,FOO",
        "",
        "unknown heading FOO, valid values are: ASN, IPV4, IPV6, NAME",
    ),
    "no template": bad("get nodes -o go-template", "", "need to specify a template"),
    "no template file": bad(
        "get nodes -o go-template-file=", "", "need to specify a template file"
    ),
    "template": bad(
        "get nodes -o go-template={{.}}",
        "",
        "output format 'go-template' runs Go templates, which labgen cannot; use -o json",
    ),
    # files
    "no such file": bad(
        "apply -f nope.yaml",
        "",
        "failed to execute command: open nope.yaml: no such file or directory",
    ),
    "unknown kind": bad(
        "apply -f -",
        resource("Foo", "x"),
        "failed to execute command: unknown resource type (Foo) and/or version "
        "(projectcalico.org/v3)",
    ),
    "the CRD's version": bad(
        "apply -f -",
        POOL.replace("projectcalico.org/v3", "crd.projectcalico.org/v1"),
        "failed to execute command: unknown resource type (IPPool) and/or version "
        "(crd.projectcalico.org/v1)",
    ),
    "no kind": bad(
        "apply -f -",
        "metadata: {name: x}\n",
        "failed to execute command: Object 'Kind' is missing in "
        """'{"metadata":{"name":"x"}}'""",
    ),
    "not YAML": bad(
        "apply -f -",
        "a: b: c\n",
        "failed to execute command: error converting YAML to JSON: yaml: line 1: "
        "mapping values are not allowed here",
    ),
    "unknown field": bad(
        "apply -f -",
        TOR.replace("asNumber", "asNum"),
        "field in document is not recognized or is in the wrong location: asNum",
    ),
    "unknown field of metadata": bad(
        "apply -f -",
        resource("IPPool", "x", "{cidr: 10.1.0.0/16}", "lables: {a: b}"),
        "field in document is not recognized or is in the wrong location: lables",
    ),
    "unknown field at the top": bad(
        "validate -f -",
        TOR.replace("spec:", "specs:"),
        "field in document is not recognized or is in the wrong location: specs",
    ),
    "wrong type": bad(
        "apply -f -",
        TOR.replace("65001", "many"),
        "failed to execute command: error with field spec.asNumber (an AS number is "
        "0-4294967295, or high.low)",
    ),
    "empty file": bad("apply -f -", "# nothing\n", "no resources specified in file -"),
    "no file": bad("apply", "", "no resources specified"),
    # the datastore's errors
    "stale apply": bad(
        "apply -f -",
        STALE,
        "failed to apply 'IPPool' resource: [update conflict: IPPool(default-ipv4-ippool)]",
    ),
    "stale replace": bad(
        "replace -f -",
        STALE,
        "hit error: update conflict: IPPool(default-ipv4-ippool)",
        "Partial success: replaced the first 1 out of 1 'IPPool' resources:\n",
    ),
    "stale delete": bad(
        "delete -f -",
        STALE,
        "Failed to delete 'IPPool' resource: update conflict: IPPool(default-ipv4-ippool)\n",
    ),
    "create with a version": bad(
        "create -f -",
        STALE.replace("default-ipv4-ippool", "x").replace("192.168", "10.9"),
        "failed to create 'IPPool' resource: [error with field Metadata.ResourceVersion = '1' "
        "(field must not be set for a Create request)]",
    ),
    "several fields": bad(
        "apply -f -",
        resource("BGPConfiguration", "node.node1", "{asNumber: 1, nodeToNodeMeshEnabled: true}"),
        "failed to apply 'BGPConfiguration' resource: [error with the following fields:\n"
        "-  BGPConfiguration.Spec.NodeToNodeMeshEnabled (Cannot set "
        "nodeToNodeMeshEnabled on a non default BGP Configuration.)\n"
        "-  BGPConfiguration.Spec.ASNumber (Cannot set ASNumber on a non default BGP "
        "Configuration.)\n]",
    ),
    # pools
    "pools overlap": bad(
        "apply -f -",
        resource("IPPool", "a", "{cidr: 192.168.4.0/24}"),
        "failed to apply 'IPPool' resource: [error with field IPPool.Spec.CIDR = "
        "'192.168.4.0/24' (IPPool(a) CIDR overlaps with IPPool(default-ipv4-ippool) CIDR "
        "192.168.0.0/16)]",
    ),
    "a pool's CIDR stays": bad(
        'patch pool default-ipv4-ippool -p {"spec":{"cidr":"192.0.0.0/16"}}',
        "",
        "hit error: updating existing resource: error with field IPPool.Spec.CIDR = "
        "'192.0.0.0/16' (IPPool CIDR cannot be modified)",
    ),
    "a pool's block size stays": bad(
        'patch pool default-ipv4-ippool -p {"spec":{"blockSize":27}}',
        "",
        "hit error: updating existing resource: error with field IPPool.Spec.BlockSize = "
        "'27' (IPPool BlockSize cannot be modified)",
    ),
    "a filter that is not there": bad(
        "apply -f -",
        resource("BGPPeer", "x", "{peerIP: 10.0.0.1, asNumber: 1, filters: [a, only-pods, b]}"),
        "failed to apply 'BGPPeer' resource: [error with field BGPPeer.Spec.Filters = '[a b]' "
        "(BGPFilter(s) not found)]",
    ),
    # namespaces
    "a namespace where there is none": bad("get nodes -n x", "", "Node is not namespaced"),
    "a namespace in the file": bad(
        "apply -f -",
        resource("IPPool", "x", "{cidr: 10.9.0.0/16}", "namespace: y"),
        "failed to apply 'IPPool' resource: [namespace should not be specified for a "
        "non-namespaced resource. IPPool is not a namespaced resource]",
    ),
    "both ways": bad(
        "get weps -A -n x",
        "",
        "cannot use both --namespace and --all-namespaces flags at the same time",
    ),
    "one of all namespaces": bad(
        "get wep x -A", "", "cannot use --all-namespace flag for getting a single resource"
    ),
    "two namespaces": bad(
        "get -f - -n x",
        resource("WorkloadEndpoint", "w", "{}", "namespace: y"),
        "resource namespace does not match client namespace. y != x",
    ),
    # what calico-node alone writes
    "apply the ClusterInformation": bad(
        "apply -f -",
        resource("ClusterInformation", "default"),
        "failed to apply 'ClusterInformation' resource: [operation apply is not supported on "
        "ClusterInformation: resource is readonly]",
    ),
    "create the ClusterInformation": bad(
        "create -f -",
        resource("ClusterInformation", "default"),
        "failed to create 'ClusterInformation' resource: [operation create or apply is not "
        "supported on ClusterInformation]",
    ),
    "delete the ClusterInformation": bad(
        "delete clusterinfo default",
        "",
        "Failed to delete 'ClusterInformation' resource: operation delete is not supported on "
        "ClusterInformation\n",
    ),
    # labels
    "label": ok("label node node2 rack=b", "", "Successfully set label rack on node node2"),
    "label again": ok(
        "label nodes node1 rack=a", "", "Successfully updated label rack on nodes node1"
    ),
    "label overwritten": ok(
        "label node node1 rack=b --overwrite", "", "Successfully updated label rack on node node1"
    ),
    "label removed": ok(
        "label node node1 rack --remove", "", "Successfully removed label rack from node node1"
    ),
    "label present": bad(
        "label node node1 rack=b",
        "",
        "failed to update label of node node1, key rack is already present. please use "
        "'--overwrite' to set a new value",
    ),
    "label absent": bad(
        "label node node1 row --remove",
        "",
        "cannot remove label of node node1, key row does not exist",
    ),
    "label without a value": bad("label node node1 rack", "", "invalid label rack"),
    "label on nothing": bad("label node node9 a=b", "", "node node9 not found"),
    "label on no kind": bad(
        "label foo x a=b", "", "failed to get foo x, error resource type 'foo' is not supported"
    ),
    "label that is none": bad(
        "label node node1 a=-", "", "failed to update node node1, label not changed"
    ),
    # the command line
    "unknown command": bad("foo", "", 'unknown command "foo" for "calicoctl"'),
    "unknown flag": bad("get nodes --wide", "", "unknown flag: --wide"),
    "unknown letter": bad("get nodes -x", "", "unknown shorthand flag: 'x' in -x"),
    "flag without its value": bad("apply --filename", "", "flag needs an argument: --filename"),
    "letter without its value": bad("apply -f", "", "flag needs an argument: 'f' in -f"),
    "not a boolean": bad(
        "get nodes --export=maybe",
        "",
        'invalid argument "maybe" for "--export" flag: strconv.ParseBool: parsing "maybe": '
        "invalid syntax",
    ),
    "too few words for patch": bad("patch node", "", "accepts 2 arg(s), received 1"),
    "too few words for label": bad(
        "label node node1", "", "requires at least 3 arg(s), only received 2"
    ),
    # version, node
    "version": ok(
        "version",
        "",
        "Client Version:    v3.33.0-labgen\nGit commit:        87c15906f20c\n"
        "Cluster Version:   v3.33.0-labgen\nCluster Type:      k8s,bgp",
    ),
    "client version": ok(
        "version --client",
        "",
        "Client Version:    v3.33.0-labgen\nGit commit:        87c15906f20c",
    ),
    "not on a node": bad("node status", "", "Calico process is not running."),
}


@pytest.mark.parametrize("name", CASES)
def test_message(calicoctl: Calicoctl, name: str) -> None:
    case = CASES[name]
    result = calicoctl(case.line, case.text)
    assert result.stdout == case.out
    assert result.stderr == case.err
    assert result.status == (1 if case.err else 0)


REFUSED = [name for name, case in CASES.items() if case.err and not case.out]


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_changes_nothing(calicoctl: Calicoctl, name: str) -> None:
    before = calicoctl.store
    case = CASES[name]
    after = calicoctl(case.line, case.text).store
    if name == "no more succeeded than failed":
        assert after.revision == before.revision + 1, "one was applied, only not counted aloud"
    else:
        assert after.objects == before.objects


def test_one_bad_document_refuses_the_whole_file(calicoctl: Calicoctl) -> None:
    before = calicoctl.store
    assert calicoctl("apply -f -", POOL + TOR.replace("peerIP", "peerIp")).status == 1
    assert calicoctl.store is before


def test_directories(calicoctl: Calicoctl) -> None:
    calicoctl.files |= {
        "d": ["a.yaml", "b.json", "sub/c.yml"],
        "d/a.yaml": TOR,
        "d/b.json": '{"apiVersion":"projectcalico.org/v3","kind":"IPPool",'
        '"metadata":{"name":"x"},"spec":{"cidr":"10.9.0.0/16"}}',
        "d/sub/c.yml": TOR2,
        "empty": [],
    }
    assert calicoctl("apply -f d").stdout == "Successfully applied 2 resource(s)\n"
    assert calicoctl("apply -R -f d").stdout == "Successfully applied 3 resource(s)\n"
    result = calicoctl("apply -f empty")
    assert (result.stderr, result.status) == (
        "no resources specified in directory empty\n",
        1,
    )
    assert calicoctl("apply -f empty --skip-empty").stdout == "No resources specified\n"


def test_several_files(calicoctl: Calicoctl) -> None:
    calicoctl.files |= {"a.yaml": TOR, "b.yaml": TOR2}
    assert calicoctl("apply -f a.yaml --filename=b.yaml").stdout == (
        "Successfully applied 2 'BGPPeer' resource(s)\n"
    )


def test_an_array_is_a_list_of_resources(calicoctl: Calicoctl) -> None:
    text = "".join(f"- {t.strip().removesuffix('---').strip()}\n".replace("\n", "\n  ")[:-2]
                   for t in (TOR, TOR2))  # fmt: skip
    assert calicoctl("apply -f -", text).stdout == "Successfully applied 2 'BGPPeer' resource(s)\n"


def test_what_has_no_effect_says_so(calicoctl: Calicoctl) -> None:
    result = calicoctl(
        "apply -f -", resource("FelixConfiguration", "default", "{bpfEnabled: true}")
    )
    assert result.stdout == "Successfully applied 1 'FelixConfiguration' resource(s)\n"
    assert result.stderr == "labgen: FelixConfiguration is kept, but has no effect in a lab\n"
    assert result.status == 0


def test_apply_replaces_labels_and_keeps_the_rest(calicoctl: Calicoctl) -> None:
    calicoctl("label node node1 row=1")
    before = calicoctl("get node node1 -o yaml").stdout
    calicoctl("apply -f -", resource("Node", "node1", "{bgp: {ipv4Address: 10.192.0.2/16}}",
                                     "labels: {new: true}, uid: mine"))  # fmt: skip
    text = calicoctl("get node node1 -o yaml").stdout
    assert '  labels:\n    new: "true"\n  name: node1\n' in text
    for line in before.splitlines():
        if "uid" in line or "creationTimestamp" in line:
            assert line in text


@pytest.mark.parametrize("name", ["", *COMMANDS, "node", "ipam"])
def test_help(calicoctl: Calicoctl, name: str) -> None:
    result = calicoctl(f"{name} --help" if name in COMMANDS else name)
    assert result.status == 0
    assert "Usage:\n  calicoctl " in result.stdout


@pytest.mark.parametrize(
    ("line", "usage"),
    [
        ("help", "calicoctl COMMAND"),
        ("--help", "calicoctl COMMAND"),
        ("help get", "calicoctl get [KIND [NAME...]] [flags]"),
        ("help ipam", "calicoctl ipam COMMAND"),
        ("help ipam show", "calicoctl ipam show [flags]"),
        ("ipam nothing", "calicoctl ipam COMMAND"),
        ("ipam show -h", "calicoctl ipam show [flags]"),
    ],
)
def test_help_is_about_what_was_asked(calicoctl: Calicoctl, line: str, usage: str) -> None:
    result = calicoctl(line)
    assert result.status == 0
    assert f"Usage:\n  {usage}\n" in result.stdout


def test_an_empty_filename_is_none(calicoctl: Calicoctl) -> None:
    assert calicoctl("get --filename= nodes").stdout.startswith("NAME    \nnode1")


@pytest.mark.parametrize("name", ABSENT)
def test_what_labgen_leaves_out_says_what_to_do(calicoctl: Calicoctl, name: str) -> None:
    result = calicoctl(name)
    assert result.status == 1
    assert ABSENT[name] in result.stderr


def test_global_flags_before_the_command(calicoctl: Calicoctl) -> None:
    for line in ("-l info get nodes", "--log-level=debug --allow-version-mismatch get nodes"):
        assert calicoctl(line).stdout.startswith("NAME    \nnode1")
