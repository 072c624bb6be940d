"""What must hold in every cluster, tried on random ones (`calico_random`)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from calico_random import V3, Maker, parsed

from labgen.calico import confd, validate
from labgen.calico.node_config import NodeConfig, PeerKind
from labgen.calico.refused import refusals
from labgen.render.bird import adapt, bird_files

SEEDS = range(25)


def configs(seed: int) -> list[NodeConfig]:
    given = parsed(Maker(seed).documents())
    validate.check(given)
    whole = confd.Confd(given)
    return [whole.node(name) for name in whole.nodes]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_order_of_documents_means_nothing(seed: int) -> None:
    documents = Maker(seed).documents()
    forwards, backwards = (confd.Confd(parsed(d)) for d in (documents, documents[::-1]))
    for name in forwards.nodes:
        assert bird_files(forwards.node(name)) == bird_files(backwards.node(name))


def as_crd(document: dict[str, Any]) -> dict[str, Any]:
    """As `kubectl get` prints it: the CRD's version, and the server's fields."""
    server = {"uid": "7", "resourceVersion": "9", "generation": 1, "managedFields": [{"f": {}}]}
    version = document["apiVersion"]
    if version == V3:
        version = "crd.projectcalico.org/v1"
    return {**document, "apiVersion": version, "metadata": {**document["metadata"], **server}}


def as_kubernetes_node(document: dict[str, Any]) -> dict[str, Any]:
    """The core/v1 Node that carries a Calico Node in its annotations."""
    bgp = document["spec"]["bgp"]
    values = {
        "IPv4Address": bgp.get("ipv4Address"),
        "IPv6Address": bgp.get("ipv6Address"),
        "ASNumber": bgp.get("asNumber"),
        "RouteReflectorClusterID": bgp.get("routeReflectorClusterID"),
        "IPv4WireguardInterfaceAddr": document["spec"]
        .get("wireguard", {})
        .get("interfaceIPv4Address"),
    }
    found = {f"projectcalico.org/{k}": str(v) for k, v in values.items() if v is not None}
    metadata = {**document["metadata"], "annotations": found}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"podCIDR": "x"}}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_form_of_resources_means_nothing(seed: int) -> None:
    documents = Maker(seed).documents()
    dumped = [as_kubernetes_node(d) if d["kind"] == "Node" else as_crd(d) for d in documents]
    listed = {"apiVersion": "v1", "kind": "List", "items": dumped}
    plain, printed = confd.Confd(parsed(documents)), confd.Confd(parsed([listed]))
    for name in plain.nodes:
        assert bird_files(plain.node(name)) == bird_files(printed.node(name))


@pytest.mark.parametrize("seed", SEEDS)
def test_of_two_nodes_of_the_mesh_exactly_one_waits(seed: int) -> None:
    found = configs(seed)
    at = {(f.version, f.host_part): f for c in found for f in c.families if f.address}
    for family in at.values():
        for peer in family.peers:
            if peer.kind is PeerKind.MESH:
                other = at[family.version, peer.address]
                (back,) = (
                    p
                    for p in other.peers
                    if p.kind is PeerKind.MESH and p.address == family.host_part
                )
                assert back.passive is not peer.passive


@pytest.mark.parametrize("seed", SEEDS)
def test_names_are_symbols_of_bird_and_stand_once(seed: int) -> None:
    for found in configs(seed):
        for family in found.families:
            names = [peer.name for peer in family.peers]
            assert len(set(names)) == len(names)
            assert names == sorted(names)
            assert all(len(name) <= 64 for name in names)
            assert all(len(function.symbol) <= 64 for function in family.filters)


@pytest.mark.skipif(
    not (shutil.which("bird") and shutil.which("bird6")),
    reason="BIRD 1.6.8 (Debian package bird) is not installed here",
)
@pytest.mark.parametrize("seed", SEEDS)
def test_bird_refuses_exactly_what_is_foretold(seed: int, tmp_path: Path) -> None:
    for found in configs(seed):
        files, _ = adapt(bird_files(found))
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        told = refusals(found)
        for daemon in ("bird", "bird6"):
            main = f"{daemon}.cfg"
            argv = [daemon, "-p", "-c", str(tmp_path / main)]
            result = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
            expected = any(text.startswith(f"{main}:") for text in told) or not found.router_id
            assert (result.returncode != 0) is expected, (found.node, result.stderr, told)
