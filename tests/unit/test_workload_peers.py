"""Pods that peer with their node: from a BGPPeer and a spec to the files of both ends."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from labgen.calico.confd import compute
from labgen.calico.status import load_endpoint_status
from labgen.design.workloads import WORKLOAD
from labgen.errors import InputError
from labgen.lab.project import open_project
from labgen.observe.bird import parse_routes
from labgen.render.bird import adapt, bird_files

if TYPE_CHECKING:
    from pathlib import Path

    from labgen.lab.project import Project

SPEC = """\
name: vms
segments: {lan: {subnet: 10.0.0.0/24, subnet6: "fd00::/64"}}
clusters:
  k:
    resources: [calico.yaml]
    nodes:
      n1: {segment: lan, address: 10.0.0.1, address6: "fd00::1"}
      n2: {segment: lan, address: 10.0.0.2, address6: "fd00::2"}
    pods:
      vm:
        node: n1
        address: 10.48.0.5
        address6: "fd48::5"
        labels: {role: vm}
        announces: [172.25.1.0/24, "fd99::/64"]
      mute: {node: n2, labels: {role: vm}}
      plain: {node: n1}
"""
CALICO = """\
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata: {name: default}
spec: {localWorkloadPeeringIPV4: 169.254.0.179, localWorkloadPeeringIPV6: "fd77::179"}
---
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: vms}
spec: {localWorkloadSelector: role == 'vm', asNumber: 65100, localASNumber: 65200, node: NODE}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: p}
spec: {cidr: 10.48.0.0/16}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: q}
spec: {cidr: "fd48::/48"}
"""


def lab(
    root: Path, *, spec: str = SPEC, calico: str = CALICO.replace(", node: NODE", "")
) -> Project:
    (root / "lab.yaml").write_text(spec)
    (root / "calico.yaml").write_text(calico)
    return open_project(root / "lab.yaml")


def file(project: Project, node: str, name: str) -> str:
    return project.artefacts[f"clab-vms/{node}/{name}"].decode()


def test_felixs_file_is_felixs(tmp_path: Path) -> None:
    project = lab(tmp_path)
    assert json.loads(file(project, "n1", "endpoint-status/k8s default%2Fvm eth0")) == {
        "ifaceName": next(p.interface for p in project.design.pods if p.name == "vm"),
        "mac": "ee:ee:ee:ee:ee:ee",
        "ipv4Nets": ["10.48.0.5/32"],
        "ipv6Nets": ["fd48::5/128"],
        "bgpPeerName": "vms",
    }
    felix = file(project, "n1", "felix").splitlines()
    assert [line.split()[2] for line in felix if line.startswith("peering")] == [
        "169.254.0.179/32",
        "fd77::179/128",
    ]
    assert not any("plain" in name for name in project.artefacts if "endpoint-status" in name)


def test_render_with_a_nodes_status_files_gives_what_the_node_runs(tmp_path: Path) -> None:
    project = lab(tmp_path)
    place = tmp_path / "endpoint-status"
    place.mkdir()
    (place / "k8s default%2Fvm eth0").write_text(
        file(project, "n1", "endpoint-status/k8s default%2Fvm eth0")
    )
    content = project.design.contents[0]
    config = compute(content.resources, "n1", endpoint_status=load_endpoint_status(tmp_path))
    rendered, _ = adapt(bird_files(config))
    assert rendered["bird.cfg"] == file(project, "n1", "confd/bird.cfg")
    assert "protocol bgp Local_Workload_10_48_0_5 from bgp_template" in rendered["bird.cfg"]
    assert "protocol bgp Local_Workload_fd48__5 from bgp_template" in rendered["bird6.cfg"]


@pytest.mark.parametrize("version", [4, 6])
def test_bird_takes_the_pods_file(tmp_path: Path, version: int) -> None:
    text = file(lab(tmp_path), "vm", f"bird{version}.conf")
    assert "as 65100;" in text
    assert "as 65200;" in text  # localASNumber, not the cluster's AS
    assert "where net ~ [" in text
    daemon = "bird" if version == 4 else "bird6"
    if shutil.which(daemon) is None and not shutil.which(f"/usr/sbin/{daemon}"):
        pytest.skip(f"{daemon} is not installed")
    path = tmp_path / "bird.conf"
    path.write_text(text)
    done = subprocess.run(
        [f"/usr/sbin/{daemon}", "-p", "-c", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_session_is_one_of_the_labs(tmp_path: Path) -> None:
    design = lab(tmp_path).design
    own = {s.name: s for s in design.sessions if s.kind == WORKLOAD}
    session = own["n1 ↔ vm"]
    assert session.conflict is None
    assert str(session.a.address) in ("169.254.0.179", "fd77::179")
    assert [n for n in own if n != "n1 ↔ vm"]  # mute: only its node waits for it
    learned = {str(r.prefix): str(r.next_hops[0]) for r in design.forecast.routes["n1"]}
    assert learned["172.25.1.0/24"] == "10.48.0.5"


def test_without_a_peer_the_pod_waits(tmp_path: Path) -> None:
    design = lab(tmp_path, calico=CALICO.replace("NODE", "n2"))
    assert "protocol bgp" not in file(design, "vm", "bird4.conf")
    assert "endpoint-status" not in " ".join(k for k in design.artefacts if "/n1/" in k)
    assert "endpoint-status" in " ".join(k for k in design.artefacts if "/n2/" in k)


def test_a_bad_annotation_is_one_line(tmp_path: Path) -> None:
    manifest = (
        "apiVersion: v1\nkind: Pod\n"
        "metadata: {name: w, annotations: {labgen/announces: 10.0.0.300/24}}\n"
        "spec: {containers: [{name: c, image: x}]}\n"
    )
    (tmp_path / "pod.yaml").write_text(manifest)
    spec = SPEC.replace(
        "    resources: [calico.yaml]\n",
        "    resources: [calico.yaml]\n    manifests: [pod.yaml]\n",
    )
    with pytest.raises(
        InputError, match=r"pod default/w: annotation labgen/announces: '10.0.0.300"
    ):
        lab(tmp_path, spec=spec)


def test_the_best_path_is_the_best_whether_or_not_the_kernel_took_it() -> None:
    text = (
        "BIRD 1.6.8 ready.\n10.99.1.0/24       via 10.48.0.5 on cali1 [Local_Workload_10_48_0_5 "
        "16:49:44] ! (100/0) [AS65100i]\n\tType: BGP unicast univ\n\tBGP.next_hop: 10.48.0.5\n"
    )
    (route,) = parse_routes(text)
    assert (route.best, route.valid) == (True, True)
