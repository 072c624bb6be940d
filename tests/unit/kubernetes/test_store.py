"""What a lab's next command finds is what the last one left."""

from __future__ import annotations

import json

import pytest

from labgen.errors import InputError
from labgen.kubernetes import store
from labgen.kubernetes.shell import Clusters
from labgen.kubernetes.state import changes

from .conftest import Shell

OPERATOR = """\
apiVersion: operator.tigera.io/v1
kind: Installation
metadata: {name: default}
spec: {calicoNetwork: {ipPools: [{cidr: 10.200.0.0/16}]}}
"""


def test_everything_comes_back(shell: Shell) -> None:
    shell.files["operator.yaml"] = OPERATOR
    shell("create -f operator.yaml")
    shell("cordon cluster-a-m03")
    shell("run x --image y --env A=b -- --flag")
    again = store.load(store.dump(shell.clusters), "state.json")
    assert again == shell.clusters
    assert not changes(again.states["cluster-a"], shell.state)
    assert store.dump(again) == store.dump(shell.clusters)


def test_what_comes_back_goes_on_as_before(shell: Shell) -> None:
    other = Shell(shell.state, files=shell.files)
    other.clusters = store.load(store.dump(shell.clusters), "state.json")
    for line in (
        "apply -f echo.yaml",
        "drain --ignore-daemonsets cluster-a",
        "scale deploy echo --replicas 3",
        "get pods -A -o wide",
        "delete ns calico-system",
        "delete node cluster-a",
        "get all -A",
    ):
        assert other(line).out == shell(line).out
    assert other.clusters == shell.clusters


def test_no_cluster_is_a_value_too() -> None:
    assert store.load(store.dump(Clusters()), "state.json") == Clusters()


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"format": 9}', "cut"])
def test_a_damaged_text_is_refused_in_one_line(shell: Shell, damage: str) -> None:
    text = store.dump(shell.clusters)
    value = json.loads(text)
    value["clusters"]["cluster-a"]["objects"]["Pod"][0]["phase"] = "Odd"
    for given in (text[: len(text) // 2] if damage == "cut" else damage, json.dumps(value)):
        with pytest.raises(InputError, match=r"^state\.json: ") as caught:
            store.load(given, "state.json")
        assert "\n" not in str(caught.value)
