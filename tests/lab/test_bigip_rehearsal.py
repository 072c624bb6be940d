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
from labgen.lab import running
from labgen.lab.destroy import destroy
from labgen.runtime.docker import DockerRuntime

NAME = "reh-bigip-ha"
TAKES_OVER = "bigip-b takes over"
VIRTUAL = "10.99.99.100"


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


@pytest.fixture(autouse=True)
def bigip_a_is_active(spec: Path, engine: DockerRuntime) -> None:
    """Each test begins as the spec says, whatever the one before it did to a lab that runs."""
    if not any(lab.name == NAME for lab in running.labs(engine)):
        return
    done = labgen("bigip", "failover", str(spec), "--to", "bigip-a")
    assert done.returncode == 0 or "bigip-a is active already" in done.stderr, done.stderr


def deployed(spec: Path) -> None:
    done = labgen("deploy", str(spec))
    assert done.returncode == 0, done.stderr


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
    gap = flows["virtual-server"]["longest-gap"]
    assert f"withdraw {VIRTUAL}/32" in gap["explained-by"]["event"]
    assert f"announce {VIRTUAL}/32" in gap["ended-by"]["event"]


def test_after_a_failover_the_lab_is_verified_as_it_is(spec: Path) -> None:
    deployed(spec)
    over = labgen("bigip", "failover", str(spec), "--to", "bigip-b")
    assert over.stdout.startswith("bigip-b is active"), over.stderr
    done = labgen("verify", str(spec))
    assert done.returncode == 0, done.stdout


def test_a_failover_that_costs_too_much_is_red(spec: Path) -> None:
    deployed(spec)
    text = spec.read_text()
    spec.write_text(text.replace("max_gap: 1s", "max_gap: 1ms", 1))
    try:
        done = labgen("rehearse", str(spec), "--stage", TAKES_OVER, "--output", "json")
    finally:
        spec.write_text(text)
    assert done.returncode == ExitCode.CHECK_FAILED
    failed = [f for f in stages(done)[TAKES_OVER]["findings"] if f["status"] == "FAIL"]
    assert {f["check"] for f in failed} == {"max-gap"}
    assert "loss of virtual-server" in {f["subject"] for f in failed}


def test_the_pace_of_ibgp_is_felt_and_named(spec: Path, engine: DockerRuntime) -> None:
    """The drill: nobody said `advertisement-interval 0`. One of two failovers in a row waits, since
    the unit that takes over has just sent an UPDATE; the story names what began and ended it.
    """
    destroy(NAME, runtime=engine, directory=spec.parent / f"clab-{NAME}", cleanup=True)
    configs = [spec.parents[2] / "frr-configs" / f"bigip-{unit}.imish" for unit in "ab"]
    texts = [config.read_text() for config in configs]
    line = "neighbor calico-k8s advertisement-interval 0\n"
    for config, text in zip(configs, texts, strict=True):
        assert line in text
        config.write_text(text.replace(line, ""))
    try:
        done = labgen("rehearse", str(spec), "--output", "json")
    finally:
        for config, text in zip(configs, texts, strict=True):
            config.write_text(text)
        destroy(NAME, runtime=engine, directory=spec.parent / f"clab-{NAME}", cleanup=True)
    assert done.returncode == ExitCode.CHECK_FAILED
    flows = [flow for stage in stages(done).values() for flow in stage["flows"]]
    gaps = [f["longest-gap"] for f in flows if f["flow"] == "virtual-server" and f["longest-gap"]]
    longest = max(gaps, key=lambda gap: gap["ms"])
    assert 1000 < longest["ms"] < 7000
    assert f"withdraw {VIRTUAL}/32" in longest["explained-by"]["event"]
    assert f"announce {VIRTUAL}/32" in longest["ended-by"]["event"]


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
        destroy(NAME, runtime=engine, directory=spec.parent / f"clab-{NAME}", cleanup=True)
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
