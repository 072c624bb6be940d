"""The pair's failover as a rehearsal: green as it is, red where it costs more or goes nowhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labgen.errors import ExitCode
from labgen.lab.destroy import destroy
from labgen.runtime.docker import DockerRuntime

NAME = "reh-bigip-ha"
TAKES_OVER = "bigip-b takes over"


@pytest.fixture(scope="module")
def spec(engine: DockerRuntime, copied: Callable[[str, str], Path]) -> Iterator[Path]:
    found = copied("bigip-ha", NAME)
    yield found
    destroy(NAME, runtime=engine, directory=found.parent / f"clab-{NAME}", cleanup=True)


def labgen(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labgen", *argv],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip


def stages(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.stdout, done.stderr
    return {stage["name"]: stage for stage in json.loads(done.stdout)["stages"]}


def test_a_failover_is_measured_and_judged(spec: Path) -> None:
    done = labgen("rehearse", str(spec), "--output", "json")
    played = stages(done)
    assert done.returncode == 0, [stage["story"] for stage in played.values()]
    flows = {flow["flow"]: flow for flow in played[TAKES_OVER]["flows"]}
    assert flows["virtual-server"]["sent"] > 20
    judged = {f["check"] for f in played[TAKES_OVER]["findings"]}
    assert {"max-gap", "forecast", "sessions", "fib"} <= judged


def test_after_a_failover_the_lab_is_verified_as_it_is(spec: Path) -> None:
    assert labgen("bigip", "failover", str(spec)).stdout.startswith("bigip-b is active")
    done = labgen("verify", str(spec))
    assert done.returncode == 0, done.stdout
    assert labgen("bigip", "failover", str(spec)).stdout.startswith("bigip-a is active")


def test_a_failover_that_costs_too_much_is_red(spec: Path) -> None:
    text = spec.read_text()
    spec.write_text(text.replace("max_gap: 1s", "max_gap: 1ms", 1))
    try:
        done = labgen("rehearse", str(spec), "--stage", TAKES_OVER, "--output", "json")
    finally:
        spec.write_text(text)
        labgen("bigip", "failover", str(spec), "--to", "bigip-a")
    assert done.returncode == ExitCode.CHECK_FAILED
    failed = [f for f in stages(done)[TAKES_OVER]["findings"] if f["status"] == "FAIL"]
    assert {f["check"] for f in failed} == {"max-gap"}
    assert "loss of virtual-server" in {f["subject"] for f in failed}


def test_a_unit_that_does_not_redistribute_turns_it_red(spec: Path, engine: DockerRuntime) -> None:
    """The drill: somebody forgot `redistribute kernel` on the standby unit."""
    destroy(NAME, runtime=engine, directory=spec.parent / f"clab-{NAME}", cleanup=True)
    forgotten = spec.parents[2] / "frr-configs" / "bigip-b.imish"
    text = forgotten.read_text()
    assert "redistribute kernel\n" in text
    forgotten.write_text(text.replace("redistribute kernel\n", ""))
    try:
        done = labgen("rehearse", str(spec), "--output", "json")
    finally:
        forgotten.write_text(text)
    assert done.returncode == ExitCode.CHECK_FAILED
    played = stages(done)
    assert played["bigip-a is active"]["outcome"] == "PASS"
    broken = {f["subject"] for f in played[TAKES_OVER]["findings"] if f["status"] == "FAIL"}
    assert "routes of ha-node1 to 10.99.99.100/32 (RIB)" in broken


def test_there_must_be_a_unit_to_take_over(spec: Path) -> None:
    text = spec.read_text()
    spec.write_text(text.replace("failover: {to: bigip-b}", "failover: {to: bigip-c}", 1))
    try:
        done = labgen("rehearse", str(spec))
    finally:
        spec.write_text(text)
    assert done.returncode == ExitCode.BAD_INPUT
    assert "no unit of a pair `bigip-c` (did you mean `bigip-" in done.stderr
