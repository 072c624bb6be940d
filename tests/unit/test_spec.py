"""A lab spec: what is refused, where the error points, and what it says to do."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from labgen.errors import ExitCode, InputError
from labgen.spec.load import find, load

REPO = Path(__file__).parents[2]
LAB = REPO / "topologies" / "bigip-calico"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    shutil.copytree(REPO / "topologies", tmp_path / "topologies", ignore=lambda *_: ["clab-*"])
    shutil.copytree(REPO / "frr-configs", tmp_path / "frr-configs")
    return tmp_path / "topologies" / "bigip-calico"


def test_the_guides_lab_is_valid() -> None:
    loaded = load(LAB / "lab.yaml")
    assert loaded.spec.name == "bigip-calico"
    assert list(loaded.spec.clusters["k8s"].nodes) == ["kube-master", "kube-node1", "kube-node2"]


def test_a_lab_is_found_by_file_and_by_directory(tmp_path: Path) -> None:
    assert find(LAB) == LAB / "lab.yaml"
    assert find(LAB / "lab.yaml") == LAB / "lab.yaml"
    assert find(tmp_path) is None
    assert find("bigip-calico-running") is None


# old text, new text, (line that holds the new text), words the error must have
BAD = {
    "unknown key": ("resources: [calico]", "resourcs: [calico]", "did you mean `resources`"),
    "unknown top key": ("description:", "descripton:", "did you mean `description`"),
    "missing key": ("vlan: internal\n        address: 10.1.20.5", "vlan: internal", "`address`"),
    "duplicate address": ("10.1.20.21}", "10.1.20.20}", "belongs to `kube-master`"),
    "duplicate address of a router": ("address: 10.1.20.5", "address: 10.1.20.22", "kube-node2"),
    "outside its segment": ("10.1.20.22}", "10.1.21.22}", "outside segment `internal`"),
    "unknown segment": ("kube-node2: {segment: internal", "kube-node2: {segment: intrnal",
                        "did you mean `internal`"),
    "two nodes of one name": ("nginx-2:", "kube-node2:", "stands twice"),
    "same key twice": ("kube-node2:", "kube-node1:", "stands twice"),
    "missing resources": ("[calico]", "[calicoo]", "no such file or directory: calicoo"),
    "missing configuration": ("bigip-1.imish", "bigip-9.imish", "no such file"),
    "bad address": ("10.1.20.21}", "10.1.20.300}", "expected: an IP address"),
    "host bits": ("10.1.20.0/24", "10.1.20.1/24", "no host bits set"),
    "bad kind": ("kind: bigip", "kind: bigpi", "'bigip', 'f5_bigip-ve', 'frr'"),
    "bad service": ("default, \"tcp:179\"", "tcp179", "like `tcp:179`"),
    "bad interface": ('"1.1":', '"eth1":', "matches"),
    "bad name": ("name: bigip-calico", "name: bigip calico", "matches"),
    "unknown node of a pod": ("node: kube-node1,", "node: kube-node7,", "no node `kube-node7`"),
    "pod in the underlay": ("192.168.180.10", "10.1.20.99", "lies in a segment's subnet"),
    "two pods, one address": ("192.168.180.10", "192.168.127.10", "belongs to pod"),
    "mtu as text": ("resources: [calico]", "resources: [calico]\n    pod_mtu: big", "integer"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=list(BAD))
def test_bad_input_names_file_line_column_and_the_way_out(case: str, lab: Path) -> None:
    old, new, words = BAD[case]
    spec = lab / "lab.yaml"
    text = spec.read_text()
    assert old in text
    spec.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load(spec)
    assert caught.value.exit_code is ExitCode.BAD_INPUT
    message = str(caught.value)
    assert words in message
    for line in message.splitlines():
        assert re.match(re.escape(str(spec)) + r":\d+:\d+: ", line), line


def test_overlapping_segments(lab: Path) -> None:
    spec = lab / "lab.yaml"
    text = spec.read_text().replace(
        "    subnet: 10.1.20.0/24\n",
        "    subnet: 10.1.20.0/24\n  other:\n    subnet: 10.1.0.0/16\n",
    )
    spec.write_text(text)
    with pytest.raises(
        InputError, match=r"lab\.yaml:9:3: .*10\.1\.0\.0/16 overlaps 10\.1\.20\.0/24"
    ):
        load(spec)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [x", "not valid YAML"),
        ("", "expected one YAML document, found 0"),
        ("a: 1\n---\nb: 2\n", "found 2"),
        ("- a\n", "a lab spec is a mapping"),
        ("name: x\n\tsegments: {}\n", "not valid YAML"),
    ],
)
def test_not_a_spec_at_all(text: str, words: str, tmp_path: Path) -> None:
    spec = tmp_path / "lab.yaml"
    spec.write_text(text)
    with pytest.raises(InputError, match=re.escape(words)):
        load(spec)


def test_a_missing_spec(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "lab.yaml")
