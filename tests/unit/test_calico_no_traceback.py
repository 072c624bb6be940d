"""Whatever a user writes: a result or an error of ours, never another exception."""

from __future__ import annotations

import copy
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from calico_given import THREE, given, one
from ruamel.yaml import YAML

from labgen.calico import confd, resources, validate
from labgen.calico.ipam import Ipam, Request
from labgen.calico.refused import refusals
from labgen.errors import InputError, LabgenError, Mark
from labgen.render.bird import bird_files
from labgen.yaml_source import Document

DATA = Path(__file__).parents[1] / "data" / "calico"
DOCUMENTS = [
    document
    for name in ("everything.yaml", "others.yaml")
    for document in YAML(typ="safe").load_all((DATA / name).read_text())
]
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 2**40, "", "x", "1:2", "64512:", "10.0.0.0/8", "fd00::/8", "::1%eth0",
    "1.2.3.4/255.0.0.0", " 10.0.0.1", "\u0660", "9" * 400, [], {}, [1], {"a": 1}, ["x", None], [[]],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, list):
        value = dict(enumerate(value))
    if isinstance(value, dict):
        for key, item in value.items():
            found += places(item, (*path, key))
    return found


def spoiled(seed: int) -> list[Document]:
    """The documents with one field replaced by something odd, or taken away."""
    chance = random.Random(seed)
    documents = copy.deepcopy(DOCUMENTS)
    target = chance.choice(documents)
    *way, last = chance.choice(places(target))
    for key in way:
        target = target[key]
    if chance.random() < 0.2:
        del target[last]
    else:
        target[last] = copy.deepcopy(chance.choice(ODD))
    return [Document(d, "odd.yaml", Mark("odd.yaml", 1, 1), {}) for d in documents]


@pytest.mark.parametrize("seed", range(160))
def test_one_odd_field(seed: int) -> None:
    with suppress(LabgenError):
        cluster = resources.parse(spoiled(seed))
        assert all(problem.message for problem in validate.problems(cluster))
        # what validation would refuse may still come from an API server's dump
        whole = confd.Confd(cluster)
        for name in whole.nodes:
            node_config = whole.node(name)
            refusals(node_config)
            assert len(bird_files(node_config)) == 6
        Ipam(cluster).assign(Request("n1", "h"))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (one("BlockAffinity", "b", "{node: n1, cidr: 'fd00::/8'}"), "is no IPAM block"),
        (one("BlockAffinity", "b", "{node: n1, cidr: pods}"), "spec.cidr = 'pods' is no CIDR"),
        (one("IPReservation", "r", "{reservedCIDRs: [x]}"), "spec.reservedCIDRs = 'x' is no CIDR"),
        (one("IPPool", "p", "{cidr: pods}"), "spec.cidr = 'pods' is no CIDR"),
        (one("WorkloadEndpoint", "w", "{ipNetworks: [x]}"), "ipNetworks = 'x' is no IP address"),
    ],
)
def test_ipam_names_the_field(document: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Ipam(given(THREE, document))
