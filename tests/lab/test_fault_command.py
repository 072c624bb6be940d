"""`labgen fault` and `labgen collect` as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from labgen.lab.operate import wait_converged
from labgen.lab.project import Project
from labgen.lab.running import EngineCommands, find
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime


def labgen(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labgen", *argv], capture_output=True, text=True, check=False
    )


def first_cause(*argv: str) -> str | None:
    done = labgen("diagnose", *argv, "--json")
    causes = json.loads(done.stdout)
    return causes[0]["name"] if causes else None


def test_inject_diagnose_collect_heal(
    deployed: Callable[[str, str], Project], engine: DockerRuntime, tmp_path: Path
) -> None:
    project = deployed("bigip-calico", "test-fault")
    assert labgen("fault", "heal", project.name).stdout == "no fault is in the lab\n"
    done = labgen("fault", "inject", project.name, "G4", "--node", "kube-node2")
    assert done.returncode == 0, done.stderr
    again = labgen("fault", "inject", project.name, "wrong-remote-as")
    assert again.returncode == 3
    assert "in the lab already" in again.stderr
    (record,) = (project.lab_directory / "faults").iterdir()
    assert record.stat().st_mode & 0o077 == 0, "a record may hold a password"
    rows = json.loads(labgen("fault", "list", project.name, "--output", "json").stdout)
    assert [r["fault"] for r in rows if r["injected"]] == ["G4"]
    assert len(rows) == 29
    wait_until(
        lambda: first_cause(project.name), lambda name: name == "wrong-remote-as", deadline=45,
        what="the diagnosis", interval=1.0,
    )  # fmt: skip
    way = labgen("diagnose", project.name, "--prefix", "192.168.127.1", "--json")
    assert way.returncode == 1
    ends = [(s["from"], s["to"], s["rung"]) for s in json.loads(way.stdout)["stops"]]
    assert ends == [("kube-node2", "bigip-1", "Established")]
    bundle = tmp_path / "bundle"
    assert labgen("collect", project.name, "--output", str(bundle)).returncode == 0
    assert first_cause("--evidence", str(bundle)) == "wrong-remote-as"
    done = labgen("fault", "heal", project.name, "--node", "kube-node2")
    assert done.stdout == "healed: wrong-remote-as\n", done.stderr
    commands = EngineCommands(engine, find(engine, project.name))
    wait_converged(project.design, commands, deadline=60)
    assert labgen("diagnose", project.name).returncode == 0


def test_an_unknown_fault_is_bad_input(deployed: Callable[[str, str], Project]) -> None:
    project = deployed("bigip-calico", "test-fault-name")
    done = labgen("fault", "inject", project.name, "G99")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert not (project.lab_directory / "faults").exists()
