"""`labgen generate`: stable bytes, a topology that containerlab takes, and refusals."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from labgen.lab.project import open_project

REPO = Path(__file__).parents[2]
LAB = REPO / "topologies" / "bigip-calico"
SCHEMA = REPO.parent / "shared" / "reference" / "clab.schema.json"

_module = importlib.util.spec_from_file_location("rewrite", REPO / "tests/golden/rewrite.py")
assert _module is not None
assert _module.loader is not None
rewrite = importlib.util.module_from_spec(_module)
_module.loader.exec_module(rewrite)


@pytest.mark.parametrize("lab", rewrite.LABS)
def test_output_is_what_was_reviewed(lab: str) -> None:
    assert rewrite.rendered(lab) == rewrite.golden(lab), "`make golden` rewrites; review the diff"


@pytest.mark.parametrize("page", ["checks.md", "faults.md"])
def test_the_reference_pages_say_what_the_code_says(page: str) -> None:
    text = (REPO / "docs" / page).read_text()
    assert text == rewrite.pages()[page], "`make golden` rewrites; review the diff"


def labgen(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labgen", *argv], capture_output=True, text=True, check=False,
        env={**os.environ, **env},
    )  # fmt: skip


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        done = labgen("generate", str(LAB), "--output", str(tmp_path / seed), PYTHONHASHSEED=seed)
        assert done.returncode == 0, done.stderr
    one, two = (
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}
        for root in (tmp_path / "1", tmp_path / "2")
    )
    assert one == two
    assert Path("bigip-calico.clab.yml") in one


def topology() -> str:
    return open_project(LAB / "lab.yaml").artefacts["bigip-calico.clab.yml"].decode()


def parsed(version: str) -> Any:
    yaml = YAML(typ="safe", pure=True)
    yaml.version = version  # type: ignore[assignment]
    return yaml.load(topology())


def test_yaml_1_1_and_1_2_read_the_same() -> None:
    assert parsed("1.1") == parsed("1.2")


def test_the_topology_is_valid_by_containerlabs_schema() -> None:
    if not SCHEMA.is_file():
        pytest.skip("containerlab's JSON schema is not beside the checkout")
    import jsonschema

    # Python's re has no \p{…}; the pattern's letters and digits are \w
    text = SCHEMA.read_text().replace(r"[\\p{N}\\p{L}]", r"\\w")
    validator = jsonschema.Draft7Validator(json.loads(text))
    assert [e.message for e in validator.iter_errors(parsed("1.2"))] == []


def test_the_topology_stays_inside_the_parsers_rules() -> None:
    text = topology()
    assert "{{" not in text, "a template engine runs over the text first"
    assert not re.search(r"(?<!\$)\$(?!\$)", text), "environment substitution runs over the text"
    data = parsed("1.2")
    nodes, ends = data["topology"]["nodes"], []
    for link in data["topology"]["links"]:
        assert set(link) == {"type", "mtu", "endpoints"}
        assert len(link["endpoints"]) == 2
        for end in link["endpoints"]:
            assert end["node"] in nodes
            assert len(end["interface"]) <= 15
            ends.append((end["node"], end["interface"]))
    assert len(ends) == len(set(ends)), "an endpoint may be used once"
    for name, node in nodes.items():
        if node["kind"] == "bridge":
            bridge, _, parent = name.partition("|")
            assert node["network-mode"] == f"container:{parent}"
            assert parent in nodes
            assert len(bridge) <= 15
    assert data["topology"]["kinds"]["linux"]["network-mode"] == "none"
    assert data["topology"]["kinds"]["linux"]["privileged"] is False


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(REPO / "topologies", tmp_path / "topologies",
                    ignore=shutil.ignore_patterns("clab-*", "*.clab.yml"))  # fmt: skip
    shutil.copytree(REPO / "frr-configs", tmp_path / "frr-configs")
    return tmp_path


SPEC, PEER = "topologies/bigip-calico/lab.yaml", "topologies/bigip-calico/calico/bgp-peer.yaml"
IMISH = "frr-configs/bigip-1.imish"

# file, old text, new text, how the one line on stderr must look
BAD = {
    "unknown key": (SPEC, "segments:", "segment:", r"lab\.yaml:\d+:1: .*unknown key `segment`"),
    "duplicate address": (SPEC, "10.1.20.21", "10.1.20.5", r":\d+:\d+: .* belongs to `"),
    "outside its segment": (SPEC, "10.1.20.21", "10.1.99.21", r":\d+:\d+: .* outside segment"),
    "overlapping segments": (SPEC, "    subnet: 10.1.20.0/24\n",
                             "    subnet: 10.1.20.0/24\n  b:\n    subnet: 10.1.20.0/25\n",
                             r":9:3: .* overlaps"),
    "two nodes of one name": (SPEC, "nginx-2:", "bigip-1:", r":\d+:\d+: .* stands twice"),
    "missing file": (SPEC, "bigip-1.imish", "gone.imish", r":\d+:\d+: no such file"),
    "not YAML": (SPEC, "segments:", "segments: [", r":\d+:\d+: not valid YAML"),
    "BGPPeer with AS 0": (PEER, "asNumber: 64512", "asNumber: 0",
                          r"bgp-peer\.yaml:7:3: BGPPeer bgppeer-global-bigip1: spec\.asNumber"),
    "unknown field": (PEER, "peerIP", "peerIp", r"bgp-peer\.yaml:6:3: .*peerIp"),
    "ZebOS not understood": (IMISH, "remote-as 64512", "remot-as 64512",
                             r"bigip-1\.imish:6:\d+: unknown command .*remot-as"),
    "ZebOS twice": (IMISH, "write", "router bgp 65000", r"bigip-1\.imish:\d+:\d+: "),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=list(BAD))
@pytest.mark.parametrize("command", ["generate", "deploy"])
def test_bad_input_is_one_line_and_creates_nothing(command: str, case: str, copy: Path) -> None:
    name, old, new, pattern = BAD[case]
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new, 1))
    before = set(copy.rglob("*"))
    more = ["--output", str(copy / "out")] if command == "generate" else []
    done = labgen(command, str(copy / "topologies/bigip-calico"), *more, DOCKER_HOST="unix:///none")
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert re.search(pattern, first), first
    assert "Traceback" not in done.stderr
    assert len(rest) <= 1, done.stderr
    assert set(copy.rglob("*")) == before


def test_no_engine_is_one_line(copy: Path) -> None:
    done = labgen("deploy", str(copy / "topologies/bigip-calico"), DOCKER_HOST="unix:///none")
    assert done.returncode == 3
    assert done.stderr == (
        "labgen: no Docker engine answers at unix:///none (start it, or run `labgen doctor`)\n"
    )


def test_an_unknown_lab_names_what_there_is() -> None:
    done = labgen("generate", "./nowhere", "--output", "/tmp/never-made")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no such lab spec" in done.stderr


def test_the_schema_is_json_schema_and_accepts_the_lab() -> None:
    import jsonschema

    done = labgen("schema")
    schema = json.loads(done.stdout)
    spec = YAML(typ="safe", pure=True).load((LAB / "lab.yaml").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(spec)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**spec, "segmnts": {}})
