"""kind: f5_bigip-ve: the same input for the real thing, and what can be judged from outside."""

from __future__ import annotations

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

from labgen.bigip import ltm
from labgen.capture.read import read_capture
from labgen.check.ladder import verify
from labgen.check.model import Finding, Rung, Status
from labgen.lab.observe import ping_pairs, take
from labgen.lab.project import Project, open_project
from labgen.runtime.protocol import Completed

REPO = Path(__file__).parents[2]
DATA = REPO / "tests" / "data" / "bigip-calico"
SCHEMA = REPO.parent / "shared" / "reference" / "clab.schema.json"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """The guide's lab with one line changed."""
    for name in ("topologies", "frr-configs"):
        shutil.copytree(REPO / name, tmp_path / name,
                        ignore=shutil.ignore_patterns("clab-*", "*.clab.yml"))  # fmt: skip
    spec = tmp_path / "topologies" / "bigip-calico" / "lab.yaml"
    text = spec.read_text()
    assert "kind: bigip\n" in text
    spec.write_text(text.replace("kind: bigip\n", "kind: f5_bigip-ve\n"))
    return spec


@pytest.fixture
def project(lab: Path) -> Project:
    return open_project(lab)


def topology(project: Project) -> Any:
    return YAML(typ="safe", pure=True).load(project.artefacts["bigip-calico.clab.yml"].decode())


def test_one_line_makes_it_containerlabs_own_kind(project: Project) -> None:
    data = topology(project)["topology"]
    node = data["nodes"]["bigip-1"]
    group = data["groups"]["bigip"]
    assert {**group, **node}["kind"] == "f5_bigip-ve"
    assert {**group, **node}["image"] == "vrnetlab/f5_bigip-ve:latest"
    assert node["startup-config"] == "clab-bigip-calico/bigip-1/startup.sh"
    assert node["labels"]["labgen.alias.eth1"] == "1.1"
    # what makes sense for a container of FRR alone
    assert not {"binds", "cap-add", "healthcheck", "sysctls"} & {*node, *group}
    ends = [end for link in data["links"] for end in link["endpoints"]]
    assert [e["interface"] for e in ends if e["node"] == "bigip-1"] == ["eth1"]


def test_the_topology_is_valid_by_containerlabs_schema(project: Project) -> None:
    if not SCHEMA.is_file():
        pytest.skip("containerlab's JSON schema is not beside the checkout")
    import jsonschema

    # Python's re has no \p{…}; the pattern's letters and digits are \w
    text = SCHEMA.read_text().replace(r"[\\p{N}\\p{L}]", r"\\w")
    validator = jsonschema.Draft7Validator(json.loads(text))
    assert [e.message for e in validator.iter_errors(topology(project))] == []


def test_it_is_told_what_the_stand_in_is_told(project: Project) -> None:
    files = [p for p in project.artefacts if "/bigip-1/" in p]
    assert files == ["clab-bigip-calico/bigip-1/startup.sh"]
    script = project.artefacts[files[0]].decode()
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    commands = [line for line in script.splitlines() if line.startswith("tmsh ")]
    assert commands == [
        "tmsh create net vlan internal interfaces add { 1.1 } mtu 1500",
        (
            "tmsh create net self internal-self address 10.1.20.5/24 vlan internal "
            "allow-service replace-all-with { default tcp:179 } "
            "traffic-group traffic-group-local-only"
        ),
        "tmsh modify net route-domain 0 routing-protocol add { BGP }",
        "tmsh restart sys service tmrouted",
        "tmsh save sys config",
    ]
    zebos = re.search(
        r"<<'END_OF_ZEBOS_CONF'\n(.*?)^END_OF_ZEBOS_CONF$", script, re.DOTALL | re.MULTILINE
    )
    assert zebos is not None
    assert "router bgp 64512\n" in zebos[1]
    assert " neighbor 10.1.20.22 peer-group calico-k8s\n" in zebos[1]
    assert "imish" not in zebos[1], "the session around it is not configuration"


def test_floating_addresses_and_routes_reach_it_from_tmsh(lab: Path) -> None:
    tmsh = (
        "net self own {\n address 10.1.20.5/24\n vlan internal\n allow-service all\n}\n"
        "net self shared {\n address 10.1.20.7/24\n vlan internal\n"
        " traffic-group traffic-group-1\n}\n"
        "net vlan internal {\n interfaces {\n 1.1 { }\n }\n}\n"
        "net route default {\n gw 10.1.20.1\n network default\n}\n"
    )
    (lab.parent / "bigip-1.tmsh").write_text(tmsh)
    text = lab.read_text().replace("        address: 10.1.20.5\n", "")
    text = text.replace('        allow_service: [default, "tcp:179"]\n', "")
    lab.write_text(text.replace("    kind: f5", "    tmsh: bigip-1.tmsh\n    kind: f5"))
    script = open_project(lab).artefacts["clab-bigip-calico/bigip-1/startup.sh"].decode()
    assert (
        "net self shared address 10.1.20.7/24 vlan internal allow-service none "
        "traffic-group traffic-group-1\n"
    ) in script
    assert "tmsh create net route default network 0.0.0.0/0 gw 10.1.20.1\n" in script


def test_deploy_refuses_it_in_one_line(lab: Path) -> None:
    before = set(lab.parent.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-m", "labgen", "deploy", str(lab)], capture_output=True, text=True,
        check=False, env={**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9"},
    )  # fmt: skip
    error = done.stderr.splitlines()[-1]
    assert done.returncode == 3
    if "virtual machine" not in error:  # no engine, which is asked first, is one line, too
        assert "no Docker engine" in error
    assert "Traceback" not in done.stderr
    assert set(lab.parent.rglob("*")) == before


class Recorded:
    """The Calico side as the recorded lab answered; asking the BIG-IP is an error."""

    def __init__(self) -> None:
        rows = json.loads((DATA / "commands.json").read_text())
        self._answers = {(row["node"], tuple(row["argv"])): row for row in rows}

    def run(self, node, argv, *, stdin=None, timeout=30.0):  # type: ignore[no-untyped-def]
        assert node != "bigip-1", f"a VE was asked {argv}"
        found = self._answers[node, tuple(argv)]
        return Completed(node, tuple(argv), found["code"], found["stdout"], found["stderr"])


def judged(project: Project) -> tuple[Finding, ...]:
    capture = read_capture(DATA / "internal.pcapng")
    return verify(project.design, take(project.design, Recorded(), lambda: capture))


def test_what_shows_from_outside_is_judged_and_the_rest_says_why(project: Project) -> None:
    findings = judged(project)
    assert {f.status for f in findings} == {Status.PASS, Status.SKIP}
    skipped = [f for f in findings if f.status is Status.SKIP]
    assert {f.rung for f in skipped} == {Rung.ESTABLISHED, Rung.RIB, Rung.FIB, Rung.TRAFFIC}
    for finding in skipped:
        assert finding.subject.startswith("bigip-1 ")
        assert (
            finding.observed == "a BIG-IP VE is not asked: labgen asks BIRD, FRR and their kernels"
        )
    passed = {f.rung for f in findings if f.status is Status.PASS and "bigip-1" in f.session}
    assert passed >= {Rung.TCP, Rung.OPEN, Rung.ESTABLISHED, Rung.UPDATE, Rung.RIB, Rung.FIB}
    mesh = [f for f in findings if "bigip-1" not in f.session]
    assert {f.status for f in mesh} == {Status.PASS}
    assert all(source != "bigip-1" for source, _ in ping_pairs(project.design))


def test_a_wrong_as_of_the_ve_is_still_red(lab: Path) -> None:
    peer = lab.parent / "calico" / "bgp-peer.yaml"
    peer.write_text(peer.read_text().replace("asNumber: 64512", "asNumber: 64999"))
    red = [f for f in judged(open_project(lab)) if f.status is Status.FAIL]
    assert {f.rung for f in red} == {Rung.OPEN}
    assert {f.subject.split(" to ")[0] for f in red} == {"OPEN of bigip-1"}


def test_capability_65_is_expected_only_where_it_is_configured(lab: Path) -> None:
    config = lab.parents[2] / "frr-configs" / "bigip-1.imish"
    assert open_project(lab).design.speaker("bigip-1").four_octet_as is None
    config.write_text(
        config.read_text().replace("router bgp", "bgp extended-asn-cap\nrouter bgp", 1)
    )
    project = open_project(lab)
    assert project.design.speaker("bigip-1").four_octet_as is True
    assert Status.FAIL not in {f.status for f in judged(project)}


def test_local_traffic_reaches_it_from_tmsh_and_from_as3(lab: Path) -> None:
    (lab.parent / "services.json").write_text(json.dumps({
        "class": "ADC",
        "T": {"class": "Tenant", "A": {
            "class": "Application",
            "s": {"class": "Service_L4", "virtualAddresses": ["10.99.99.101"], "virtualPort": 80,
                  "pool": "p"},
            "p": {"class": "Pool", "members": [
                {"servicePort": 80, "serverAddresses": ["192.168.221.199"]}]},
        }},
    }))  # fmt: skip
    lab.write_text(lab.read_text().replace("    kind: f5", "    as3: services.json\n    kind: f5"))
    script = open_project(lab).artefacts["clab-bigip-calico/bigip-1/startup.sh"].decode()
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    found = re.search(
        r"^tmsh create auth partition T\ntmsh create sys folder /T/A\n"
        r"cat > (\S+) <<'END_OF_LTM_CONF'\n(.*?)^END_OF_LTM_CONF\n"
        r"tmsh load sys config merge file \1$", script, re.DOTALL | re.MULTILINE,
    )  # fmt: skip
    assert found is not None, script
    read = ltm.parse(found[2], "ltm.conf")
    assert [(v.name, v.pool) for v in read.virtuals] == [("/T/A/s", "/T/A/p")]
