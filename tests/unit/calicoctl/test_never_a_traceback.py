"""Whatever a user writes, calicoctl answers: no exception leaves `run`, and a refusal says why."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labgen.calico.calicoctl.command import run
from labgen.calico.calicoctl.flags import COMMANDS
from labgen.calico.calicoctl.manifests import Given, Manifest, Unreadable
from labgen.calico.datastore import seeded
from tests.unit.calicoctl.conftest import CLUSTER, documents, stamps

STORE = seeded(documents(CLUSTER), stamps())
SAMPLES = [
    *documents(CLUSTER)[:2],
    {
        "apiVersion": "projectcalico.org/v3", "kind": "IPPool", "metadata": {"name": "x"},
        "spec": {"cidr": "10.0.0.0/16", "blockSize": 26, "allowedUses": ["Workload"]},
    },
    {
        "apiVersion": "projectcalico.org/v3", "kind": "BGPPeer", "metadata": {"name": "x"},
        "spec": {"peerIP": "10.0.0.1", "asNumber": 1, "password": {"secretKeyRef": {"name": "s"}},
                 "filters": ["only-pods"], "maxRestartTime": "1s"},
    },
    {
        "apiVersion": "projectcalico.org/v3", "kind": "BGPConfigurationList",
        "metadata": {"resourceVersion": "1"},
        "items": [{"metadata": {"name": "default"}, "spec": {
            "communities": [],
            "prefixAdvertisements": [{"cidr": "10.0.0.0/8", "communities": ["1:2"]}]}}],
    },
]  # fmt: skip
JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8),
    st.just([]), st.just({}), st.just([None]), st.just({"a": 1}), st.just("0.99999"),
    st.just("300.1.2.3/99"), st.just("999999999999999s"),
)  # fmt: skip


def paths(value: Any, base: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [base] if base else []
    if isinstance(value, dict):
        parts = list(value.items())
    else:
        parts = list(enumerate(value)) if isinstance(value, list) else []
    for key, item in parts:
        found += paths(item, (*base, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    made = copy.deepcopy(value)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = junk
    return made


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    value: dict[str, Any] = draw(st.sampled_from(SAMPLES))
    return replaced(value, draw(st.sampled_from(paths(value))), draw(JUNK))


def calicoctl(argv: list[str], text: str = "") -> tuple[int, str, str]:
    def read(path: str, recursive: bool) -> Given:
        if path != "-":
            raise Unreadable(f"open {path}: no such file or directory")
        return Given((Manifest("-", text),))

    result = run(argv, STORE, read=read, stamps=stamps())
    assert result.status in (0, 1)
    if result.status:
        assert (result.stderr or result.stdout).strip()
    return result.status, result.stdout, result.stderr


@pytest.mark.parametrize("verb", ["apply", "create", "replace", "validate", "delete", "get"])
@settings(max_examples=25, deadline=None)
@given(document=spoilt())
def test_documents(verb: str, document: dict[str, Any]) -> None:
    calicoctl([verb, "-f", "-"], json.dumps(document))


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_patches(data: st.DataObject) -> None:
    node = dict(SAMPLES[0])
    path = data.draw(st.sampled_from(paths(node)))
    patch = data.draw(JUNK)
    for key in reversed(path):
        patch = {key: patch}
    calicoctl(["patch", "node", "node1", "-p", json.dumps(patch)])


WORDS = st.one_of(
    st.sampled_from(
        ["-f", "-", "-o", "yaml", "wide", "-A", "-n", "node", "node1", "ippools", "a=b", "-p", "{}",
         "--ip", "1.2.3.4", "--remove", "--overwrite", "--export", "--", "-h", "show", "status",
         "--show-blocks", "--strictaffinity=true", "custom-columns=NAME", "", "--skip-empty"]
    ),
    st.text(max_size=6),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(command=st.sampled_from(sorted(COMMANDS)), words=st.lists(WORDS, max_size=5))
def test_command_lines(command: str, words: list[str]) -> None:
    calicoctl([*command.split(), *words])
    calicoctl(words)


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=60))
def test_files(text: str) -> None:
    calicoctl(["apply", "-f", "-"], text)
