"""`labgen calico`: the fixed form of render, what it writes, and what it must not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from calico_given import THREE, default, given, node, one, peer
from click.testing import CliRunner

from labgen.calico import confd
from labgen.cli.calico import calico
from labgen.errors import HostError, InputError
from labgen.render.bird import FILES, bird_files

MAIN = "from labgen.cli import main; main()"


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    directory = tmp_path / "cluster"
    directory.mkdir()
    (directory / "nodes.yaml").write_text(THREE)
    return directory


def run(*argv: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    command = [sys.executable, "-c", MAIN, "calico", *map(str, argv)]
    environment = {**os.environ, **(env or {})}
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=30, check=False
    )


def invoke(*argv: str | Path, env: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(calico, [str(arg) for arg in argv], env=env)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def test_render_writes_confds_six_files(cluster: Path, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "out"
    invoke("render", "--resources", cluster, "--node", "n1", "--output", output)
    assert sorted(path.name for path in output.iterdir()) == sorted(FILES)
    expected = bird_files(confd.compute(given(THREE), "n1"))
    assert {path.name: path.read_text() for path in output.iterdir()} == expected


def test_resources_may_follow_one_option_or_repeat_it(cluster: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(peer("tor", "{peerIP: 10.9.0.1, asNumber: 65001}"))
    forms = [
        ["--resources", cluster, more, "--node", "n1", "--output"],
        ["--resources", cluster, "--resources", more, "--node", "n1", "--output"],
        [f"--resources={cluster}", "--node=n1", f"--resources={more}", "--output"],
        ["--node", "n1", "--resources", more, cluster, "--output"],
    ]
    texts = set()
    for number, form in enumerate(forms):
        output = tmp_path / str(number)
        invoke("render", *form, output)
        texts.add((output / "bird.cfg").read_text())
    assert len(texts) == 1
    assert "Global_10_9_0_1" in texts.pop()


def test_the_environment_counts(cluster: Path, tmp_path: Path) -> None:
    argv = ["render", "--resources", cluster, "--node", "n1", "--output", tmp_path / "o"]
    invoke(*argv, env={"CALICO_ROUTER_ID": "9.9.9.9"})
    assert "router id 9.9.9.9;" in (tmp_path / "o" / "bird.cfg").read_text()


def test_endpoint_status(cluster: Path, tmp_path: Path) -> None:
    (cluster / "peer.yaml").write_text(
        peer("pods", "{localWorkloadSelector: has(bgp), asNumber: 65200}")
    )
    status = tmp_path / "felix" / "endpoint-status"
    status.mkdir(parents=True)
    value = {
        "ifaceName": "cali1",
        "mac": "ee:ee:ee:ee:ee:ee",
        "ipv4Nets": ["10.48.0.7/32"],
        "ipv6Nets": [],
        "bgpPeerName": "pods",
    }
    (status / "k8s ns.pod eth0").write_text(json.dumps(value))
    argv = ["render", "--resources", cluster, "--node", "n1", "--output", tmp_path / "o"]
    for directory in (status, status.parent):
        invoke(*argv, "--endpoint-status", directory)
        assert "Local_Workload_10_48_0_7" in (tmp_path / "o" / "bird.cfg").read_text()
    (tmp_path / "o" / "bird.cfg").unlink()
    invoke(*argv, env={"CALICO_ENDPOINT_STATUS_PATH_PREFIX": str(status.parent)})
    assert "Local_Workload_10_48_0_7" in (tmp_path / "o" / "bird.cfg").read_text()
    for text, message in (
        ("{", "not valid JSON"),
        ("[]", "a JSON object"),
        ('{"ipv4Nets": ["fd00::1/128"]}', "ipv4Nets is a list of IPv4 CIDRs"),
        ('{"bgpPeerName": 1}', "bgpPeerName is a text"),
    ):
        (status / "bad").write_text(text)
        with pytest.raises(InputError, match=message):
            invoke(*argv, "--endpoint-status", status)
    with pytest.raises(InputError, match="no such directory"):
        invoke(*argv, "--endpoint-status", tmp_path / "nowhere")


def test_an_unknown_node_is_bad_input_and_nothing_is_written(cluster: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    result = run("render", "--resources", cluster, "--node", "n9", "--output", output)
    assert result.returncode == 2
    assert result.stderr.startswith("labgen: node n9 has no Node resource")
    assert "Traceback" not in result.stderr
    assert not output.exists()


def test_an_empty_node_name_is_no_node(cluster: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="node '' has no Node resource"):
        invoke("render", "--resources", cluster, "--node", "", "--output", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bad_input_leaves_the_old_files(cluster: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    argv = ["render", "--resources", cluster, "--node", "n1", "--output", output]
    invoke(*argv)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    (cluster / "bad.yaml").write_text(one("BGPPeer", "bad", "{peerIP: tor}"))
    result = run(*argv)
    assert result.returncode == 2
    assert f"{cluster}/bad.yaml:4:" in result.stderr
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_an_output_that_cannot_be_written(cluster: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    (output / "bird_ipam.cfg").mkdir(parents=True)  # a directory where a file must go
    argv = ["render", "--resources", cluster, "--node", "n1", "--output", output]
    with pytest.raises(HostError, match=r"cannot write .*bird_ipam.cfg: it is a directory"):
        invoke(*argv)
    assert [path.name for path in output.iterdir()] == ["bird_ipam.cfg"]  # nothing else came


def test_only_the_owner_reads_the_files(cluster: Path, tmp_path: Path) -> None:
    invoke("render", "--resources", cluster, "--node", "n1", "--output", tmp_path / "o")
    assert (tmp_path / "o" / "bird.cfg").stat().st_mode & 0o077 == 0


def test_warnings_go_to_stderr_and_no_password_with_them(cluster: Path, tmp_path: Path) -> None:
    (cluster / "s.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: kube-system}\n"
        "stringData: {k: 'hunter\"2'}\n---\n"
        + default("{nodeMeshPassword: {secretKeyRef: {name: s, key: k}}}")
    )
    result = run("render", "--resources", cluster, "--node", "n1", "--output", tmp_path / "o")
    assert result.returncode == 0
    assert "n1: BIRD refuses bird.cfg: the password of Mesh_10_0_0_2" in result.stderr
    assert "hunter" not in result.stderr + result.stdout


def test_diff_shows_the_adaptation_and_only_it(cluster: Path) -> None:
    argv = ["diff", "--resources", cluster, "--node", "n1"]
    assert "nothing to adapt" in invoke(*argv)
    (cluster / "pool.yaml").write_text(
        default("{programClusterRoutes: Enabled}")
        + "---\n"
        + one("IPPool", "p", "{cidr: 10.48.0.0/16, ipipMode: Always}")
    )
    shown = invoke(*argv)
    assert '-  if (net ~ 10.48.0.0/16) then { krt_tunnel="tunl0"; accept; }' in shown
    assert "+  if (net ~ 10.48.0.0/16) then { reject; }" in shown
    assert "--- calico/n1/bird_ipam.cfg" in shown
    assert "bird6_ipam" not in shown


def test_all_nodes_at_once(cluster: Path, tmp_path: Path) -> None:
    output = tmp_path / "all"
    invoke("render", "--resources", cluster, "--all-nodes", "--output", output)
    assert sorted(path.name for path in output.iterdir()) == ["n1", "n2", "n3"]
    one_node = bird_files(confd.compute(given(THREE), "n2"))
    assert {path.name: path.read_text() for path in (output / "n2").iterdir()} == one_node
    assert invoke("diff", "--resources", cluster, "--all-nodes").count("nothing to adapt") == 3


@pytest.mark.parametrize(
    "wrong", [[], ["--node", "n1", "--all-nodes"], ["--all-nodes", "--endpoint-status", "x"]]
)
def test_one_node_or_all(cluster: Path, tmp_path: Path, wrong: list[str]) -> None:
    result = run("render", "--resources", cluster, "--output", tmp_path / "o", *wrong)
    assert result.returncode == 2
    assert "--node" in result.stderr
    assert not (tmp_path / "o").exists()


def test_validate_says_what_it_saw(cluster: Path) -> None:
    (cluster / "other.yaml").write_text(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n"
    )
    assert invoke("validate", cluster) == "3 resources are valid; 1 of other kinds are left out\n"


def test_a_mesh_of_100_nodes_renders_in_less_than_2_seconds() -> None:
    cluster = given(
        *(node(f"n{i}", f"10.0.{i}.1/16", f"fd00::{i + 1:x}/64") for i in range(100)),
        *(
            one("BlockAffinity", f"b{i}", f"{{node: n{i}, cidr: 192.168.{i}.0/26}}")
            for i in range(100)
        ),
        one("IPPool", "p", "{cidr: 192.168.0.0/16}"),
    )
    started = time.process_time()
    whole = confd.Confd(cluster)
    rendered = [bird_files(whole.node(name)) for name in whole.nodes]
    spent = time.process_time() - started
    assert sum(files["bird.cfg"].count("protocol bgp Mesh_") for files in rendered) == 9900
    assert spent < 2
