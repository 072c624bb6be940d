"""The datastore: verbs, revisions, patches, and its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from labgen import yaml_source
from labgen.calico import admission, datastore, datastore_errors, resources
from labgen.calico.confd import compute
from labgen.calico.datastore import GROUP, VERSION, Key
from labgen.calico.defaults import go_duration
from labgen.calico.gotypes import duration
from labgen.errors import InputError
from labgen.render.bird import bird_files
from tests.unit.calicoctl.conftest import stamps

if TYPE_CHECKING:
    from tests.unit.calicoctl.conftest import Calicoctl

POOL = Key(GROUP, "IPPool", "", "default-ipv4-ippool")
NODE = Key(GROUP, "Node", "", "node1")


def pool(name: str, cidr: str, **spec: object) -> dict[str, object]:
    return {
        "apiVersion": VERSION, "kind": "IPPool", "metadata": {"name": name},
        "spec": {"cidr": cidr, **spec},
    }  # fmt: skip


def test_a_change_is_a_new_value(calicoctl: Calicoctl) -> None:
    before = calicoctl.store
    after, stored = admission.create(before, pool("x", "10.0.0.0/16"), calicoctl.stamps)
    assert before.get(Key(GROUP, "IPPool", "", "x")) is None
    assert after.revision == before.revision + 1
    assert stored["metadata"]["resourceVersion"] == str(after.revision)
    assert stored["metadata"]["creationTimestamp"] == "2026-11-22T03:30:00Z"


def test_what_is_taken_out_is_a_copy(calicoctl: Calicoctl) -> None:
    taken = calicoctl.store.get(POOL)
    assert taken is not None
    taken["spec"]["cidr"] = "1.0.0.0/8"
    calicoctl.store.list("IPPool")[0]["spec"].clear()
    assert calicoctl.store.objects[POOL]["spec"]["cidr"] == "192.168.0.0/16"


def test_an_update_keeps_identity_and_moves_the_version(calicoctl: Calicoctl) -> None:
    old = calicoctl.store.get(POOL)
    assert old is not None
    store, new = admission.update(
        calicoctl.store, pool(POOL.name, "192.168.0.0/16", natOutgoing=True), calicoctl.stamps
    )
    assert {k: new["metadata"][k] for k in ("uid", "creationTimestamp")} == {
        k: old["metadata"][k] for k in ("uid", "creationTimestamp")
    }
    assert new["metadata"]["resourceVersion"] == str(store.revision)


def test_the_newest_version_may_be_named(calicoctl: Calicoctl) -> None:
    current = calicoctl.store.get(POOL)
    assert current is not None
    current["spec"]["natOutgoing"] = True
    store, _ = admission.update(calicoctl.store, current, calicoctl.stamps)
    with pytest.raises(datastore_errors.UpdateConflict):
        admission.update(store, current, calicoctl.stamps)


def test_a_refusal_is_one_line_of_our_tree(calicoctl: Calicoctl) -> None:
    wrong = pool("x", "10.0.0.1/16", ipipMode="Always", vxlanMode="Always")
    with pytest.raises(InputError) as caught:
        admission.create(calicoctl.store, wrong, calicoctl.stamps)
    assert "\n" not in str(caught.value)
    assert "ipipMode and vxlanMode cannot both be enabled" in str(caught.value)


def test_defaults_are_filled_in() -> None:
    spec = datastore.completed(pool("x", "fd00::/64", blockSize=None))["spec"]
    assert spec == {
        "cidr": "fd00::/64", "blockSize": 122, "ipipMode": "Never", "vxlanMode": "Never",
        "nodeSelector": "all()", "allowedUses": ["Workload", "Tunnel"],
        "assignmentMode": "Automatic",
    }  # fmt: skip


def test_scalars_are_kept_as_go_decodes_them() -> None:
    spec = {
        "peerIP": "10.0.0.1", "asNumber": "1.1", "localASNumber": "7", "maxRestartTime": "120s",
        "nodeSelector": None, "node": 12, "filters": [1, True],
    }  # fmt: skip
    peer = {"apiVersion": VERSION, "kind": "BGPPeer", "metadata": {"name": "x"}, "spec": spec}
    assert datastore.completed(peer)["spec"] == {
        "peerIP": "10.0.0.1", "asNumber": 65537, "localASNumber": 7, "maxRestartTime": "2m0s",
        "node": "12", "filters": ["1", "true"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "go"),
    [
        ("0", "0s"), ("10s", "10s"), ("120s", "2m0s"), ("1m30s", "1m30s"), ("3600s", "1h0m0s"),
        ("1.5s", "1.5s"), ("250ms", "250ms"), ("90m", "1h30m0s"),
    ],
)  # fmt: skip
def test_durations_are_spelled_as_go_does(text: str, go: str) -> None:
    assert go_duration(duration(text)) == go


@pytest.mark.parametrize(
    ("value", "changes", "wanted"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}, {"a": {"b": 3, "c": 2}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1, "b": 2}, {"a": None}, {"b": 2}),
        ({}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"a": 1}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 1}}, {"a": {"c": 1}}),
        ({"a": {"b": 1}}, {"a": {"$patch": "delete"}}, {"a": {}}),
    ],
)
def test_strategic_merge(
    value: dict[str, object], changes: dict[str, object], wanted: dict[str, object]
) -> None:
    assert admission.merge_patch(value, changes) == wanted


def test_a_patch_can_take_a_field_away(calicoctl: Calicoctl) -> None:
    line = 'patch node node2 -p {"spec":{"bgp":{"asNumber":null}},"metadata":{"labels":{"x":"y"}}}'
    assert calicoctl(line).status == 0
    node = calicoctl.store.get(Key(GROUP, "Node", "", "node2"))
    assert node is not None
    assert "asNumber" not in node["spec"]["bgp"]
    assert node["metadata"]["labels"] == {"x": "y"}


def test_deleting_a_pool_releases_its_affinities(calicoctl: Calicoctl) -> None:
    def crd(kind: str, name: str, spec: dict[str, object]) -> dict[str, object]:
        version = "crd.projectcalico.org/v1"
        return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}

    empty = {"cidr": "192.168.0.64/26", "affinity": "host:node2", "allocations": [None] * 64}
    used = {"cidr": "192.168.0.0/26", "affinity": "host:node1", "allocations": [0]}
    foreign = {"cidr": "10.0.0.0/26", "affinity": "host:node1", "allocations": [None]}
    affinity = {"cidr": "192.168.0.0/26", "node": "node1", "state": "confirmed"}
    for document in (
        crd("IPAMBlock", "empty", empty), crd("IPAMBlock", "used", used),
        crd("IPAMBlock", "foreign", foreign), crd("BlockAffinity", "node1-192", affinity),
    ):  # fmt: skip
        calicoctl.store = calicoctl.store.put(document, calicoctl.stamps)
    assert calicoctl("delete pool default-ipv4-ippool").status == 0
    left = {d["metadata"]["name"]: d["spec"] for d in calicoctl.store.list("IPAMBlock")}
    assert left.keys() == {"used", "foreign"}
    assert "affinity" not in left["used"]
    assert left["foreign"] == foreign
    assert not calicoctl.store.keys("BlockAffinity")


def test_a_pool_must_fit_the_blocks_that_are_there(calicoctl: Calicoctl) -> None:
    block = {
        "apiVersion": "crd.projectcalico.org/v1", "kind": "IPAMBlock",
        "metadata": {"name": "b"}, "spec": {"cidr": "10.0.0.0/26", "allocations": [0]},
    }  # fmt: skip
    store = calicoctl.store.put(block, calicoctl.stamps)
    admission.create(store, pool("x", "10.0.0.0/16"), calicoctl.stamps)
    with pytest.raises(datastore_errors.Refused, match="blocksSize conflicts"):
        admission.create(store, pool("x", "10.0.0.0/16", blockSize=28), calicoctl.stamps)


def test_seeds_may_be_what_a_server_printed() -> None:
    given = {
        "apiVersion": "v1", "kind": "List",
        "items": [
            {
                "apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool",
                "metadata": {"name": "p", "uid": "u", "creationTimestamp": "2020-01-01T00:00:00Z",
                             "resourceVersion": "77", "managedFields": [{}], "namespace": "x"},
                "spec": {"cidr": "10.0.0.0/16"},
            },
            {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}},
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}},
        ],
    }  # fmt: skip
    store = datastore.seeded([given], stamps())
    made = store.get(Key(GROUP, "IPPool", "", "p"))
    assert made is not None
    assert made["apiVersion"] == VERSION
    assert made["metadata"] == {
        "name": "p", "uid": "u", "creationTimestamp": "2020-01-01T00:00:00Z",
        "resourceVersion": "2",
    }  # fmt: skip
    assert Key("", "Node", "", "n") in store.objects, "Kubernetes' Node is not Calico's"
    assert Key("", "Service", "default", "s") in store.objects
    assert [p.name for p in store.resources().ip_pools] == ["p"]


MIXED = """\
apiVersion: v1
kind: Node
metadata:
  name: worker
  labels: {rack: a}
  annotations:
    projectcalico.org/IPv4Address: 10.0.0.2/24
    projectcalico.org/ASNumber: '64999'
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: other, uid: its-own}
spec: {bgp: {ipv4Address: 10.0.0.3/24}, addresses: [{address: 10.0.0.3}]}
---
apiVersion: operator.tigera.io/v1
kind: Installation
metadata: {name: default}
spec: {calicoNetwork: {ipPools: [{cidr: 10.244.0.0/16, encapsulation: None}]}}
---
apiVersion: v1
kind: Secret
metadata: {name: bgp, namespace: kube-system}
stringData: {rr: pw}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: tor}
spec: {peerIP: 10.0.0.1, asNumber: 65001, keepaliveTime: 90s,
       password: {secretKeyRef: {name: bgp, key: rr}}}
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
"""


def test_what_was_loaded_can_be_seeded() -> None:
    given = resources.parse(yaml_source.parse(MIXED, "given.yaml"))
    store = datastore.seeded(datastore.documents_of(given), stamps())
    made = store.resources()
    assert [(n.name, n.spec, dict(n.labels)) for n in made.nodes] == [
        (n.name, n.spec, dict(n.labels)) for n in given.nodes
    ]
    assert [p.spec for p in made.bgp_peers] == [p.spec for p in given.bgp_peers]
    assert [p.spec.network for p in made.ip_pools] == [p.spec.network for p in given.ip_pools]
    for name in ("worker", "other"):
        assert bird_files(compute(made, name)) == bird_files(compute(given, name))
    other = store.get(Key(GROUP, "Node", "", "other"))
    assert other is not None
    assert other["metadata"]["uid"] == "its-own"
    assert store.keys("FelixConfiguration")
    assert not [key for key in store.objects if key.kind == "Deployment"]


def test_text_holds_everything(calicoctl: Calicoctl) -> None:
    text = datastore.to_text(calicoctl.store)
    assert datastore.from_text(text, "store") == calicoctl.store
    assert text.startswith('{"format": "labgen/datastore/v1", "revision": 5')


@pytest.mark.parametrize(
    "text",
    ["", "[]", "a: b", '{"format": "labgen/datastore/v2"}', '{"format": "labgen/datastore/v1", "it',
     '{"format": "labgen/datastore/v1", "revision": 1, "items": [3]}',
     '{"format": "labgen/datastore/v1", "revision": 1, "items": [{"kind": "Node"}]}',
     '{"format": "labgen/datastore/v1", "items": []}'],
)  # fmt: skip
def test_other_text_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        datastore.from_text(text, "store")
    assert "\n" not in str(caught.value)


def test_secrets_do_not_show_in_a_repr(calicoctl: Calicoctl) -> None:
    secret = {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"p": "hunter2"},
    }  # fmt: skip
    store = calicoctl.store.put(secret, calicoctl.stamps)
    assert "hunter2" not in repr(store)
