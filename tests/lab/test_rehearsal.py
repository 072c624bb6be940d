"""The second guide rehearsed on real daemons: green as it is, red where a step is left out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labgen.lab.destroy import destroy
from labgen.runtime.docker import DockerRuntime

LAB = "two-clusters"
STAGES = [
    "mesh",
    "AS of cluster-b, and service CIDRs",
    "route reflectors",
    "mesh off",
    "eBGP between the reflectors",
    "disabled pools, end to end",
]
SECONDS = 45.0

GAP_OF_THE_MESH = (
    r"TRAFFIC: loss of \S+: expected no gap longer than 1000 ms; last seen: \d+ ms, began -?\d+ ms"
    r" after patch bgpconfiguration default on cluster-.; NOTIFICATION Cease"
)


def rehearse(spec: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labgen", "rehearse", str(spec), *options],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@contextmanager
def spec_of(engine: DockerRuntime, copied: Callable[[str, str], Path], name: str) -> Iterator[Path]:
    """A copy of the lab whose containers and files are gone afterwards."""
    spec = copied(LAB, name)
    try:
        yield spec
    finally:
        destroy(name, runtime=engine, directory=spec.parent / f"clab-{name}", cleanup=True)


def played(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_whole_guide(
    engine: DockerRuntime, copied: Callable[[str, str], Path], tmp_path: Path
) -> None:
    with spec_of(engine, copied, "reh-guide") as spec:
        page, junit = tmp_path / "r.html", tmp_path / "r.xml"
        done = rehearse(spec, "--output", "json", "--html", str(page), "--junit", str(junit))
        result = played(done)
        assert done.returncode == 0, [s["story"] for s in result["stages"]]
        assert [s["name"] for s in result["stages"]] == STAGES
        assert result["seconds"] < SECONDS
        stages = {s["name"]: s for s in result["stages"]}
        changed = {f["flow"]: f for f in stages[STAGES[1]]["flows"]}
        assert changed["a-inside"]["lost"] == 0  # cluster-a's AS stays
        gap = changed["b-inside"]["longest-gap"]
        assert gap["ended"]
        assert "NOTIFICATION Cease" in gap["explained-by"]["event"]
        last = stages[STAGES[-1]]
        assert all(flow["reachable"] for flow in last["flows"])
        assert not stages[STAGES[-2]]["flows"][3]["reachable"]  # step 20: not spread yet
        legs = [f["observed"] for f in last["findings"] if f["check"] == "legs"]
        for text in legs:
            shares = [int(count) for count in re.findall(r"cluster-\S+ (\d+)", text)]
            assert sum(shares) == 48
            assert min(shares) > 0
        assert "<svg" in page.read_text()
        assert 'failures="0"' in junit.read_text()
        # every flow sends a hundred a second; the shares are those of all flows of a node
        flows = {"shell-a": 4, "shell-b": 1, "cluster-b": 1}
        assert all(share < 0.05 * flows[node] for node, share in result["probe-cost"].items())
        # nothing of the probes is left in the pods
        for pod in ("shell-a", "shell-b", "cluster-b"):
            left = engine.run(
                f"clab-reh-guide-{pod}", ("sh", "-c", "ls /tmp; pgrep -f labgen-prob[e]")
            )
            assert left.stdout.strip() == ""
        # on a lab that is beyond a stage, that stage does not pass, and the way out is named
        again = rehearse(spec, "--stage", "mesh")
        assert again.returncode in {1, 2}


def without(text: str, stage: str, pattern: str, by: str = "") -> str:
    """The spec with something of one stage replaced."""
    start = text.index(f"- name: {stage}")
    rest, count = re.subn(pattern, by, text[start:], count=1, flags=re.DOTALL)
    assert count == 1
    return text[:start] + rest


def no_disabled_pools(spec: Path) -> None:
    text = spec.read_text()
    spec.write_text(without(text, STAGES[-1], r"    actions:\n.*?(?=    expect:)"))


def equal_cluster_ids(spec: Path) -> None:
    spec.write_text(
        without(spec.read_text(), STAGES[2], "routeReflectorClusterID: 244.0.0.2",
                "routeReflectorClusterID: 244.0.0.1")
    )  # fmt: skip


def mesh_off_first(spec: Path) -> None:
    """The mesh goes before the reflectors have a peering; in the end every session is there."""
    text = spec.read_text()
    start, end = (text.index(f"- name: {name}") for name in (STAGES[2], STAGES[3]))
    body = text[start:end]
    off = re.findall(
        r"      - patch: (?:&mesh-off\n(?: {10}.*\n)+|\{<<: \*mesh-off.*\n)", text[end:]
    )
    assert len(off) == 2
    first = body.index("      - apply: ")
    rest = text[end:].replace(off[0], "").replace(off[1], "")
    spec.write_text(text[:start] + body[:first] + "".join(off) + body[first:] + rest)


def no_reflector_peerings(spec: Path) -> None:
    text = spec.read_text()
    start, end = (text.index(f"- name: {name}") for name in (STAGES[2], STAGES[3]))
    apply = re.compile(r" +- apply: \{cluster: cluster-., file: \S+rr-configuration.yaml\}\n")
    spec.write_text(text[:start] + apply.sub("", text[start:end]) + text[end:])


def equal_as(spec: Path) -> None:
    path = spec.parent / "cluster_b_calicomanifests/bgp-configuration.yaml"
    text = path.read_text()
    assert "asNumber: 64513" in text
    path.write_text(text.replace("asNumber: 64513", "asNumber: 64512"))


def no_patience(spec: Path) -> None:
    """The guide's own claim as the limit."""
    text = spec.read_text()
    assert text.count("max_gap: 5s") == 1
    spec.write_text(text.replace("max_gap: 5s", "max_gap: 1s"))


@pytest.mark.parametrize(
    ("name", "spoil", "stage", "told"),
    [
        ("pools", no_disabled_pools, STAGES[-1], r"FIB: routes of cluster-a\S* to 10.21[01]|RIB: "),
        ("ids", equal_cluster_ids, STAGES[2], r"UPDATE: CLUSTER_LIST at cluster-b.*244\.0\.0\.1$"),
        (
            "mesh",
            mesh_off_first,
            STAGES[2],
            GAP_OF_THE_MESH,
        ),
        ("rrs", no_reflector_peerings, STAGES[2], r"UPDATE: CLUSTER_LIST.*no reflected path$"),
        (
            "gap",
            no_patience,
            STAGES[1],
            r"TRAFFIC: loss of b-\S+: expected no gap longer than 1000 ms",
        ),
        ("as", equal_as, STAGES[1], r"OPEN: AS of cluster-b: expected AS 64513.*64512"),
    ],
)
def test_a_step_left_out_turns_its_stage_red(
    name: str, spoil: Callable[[Path], None], stage: str, told: str,
    engine: DockerRuntime, copied: Callable[[str, str], Path],
) -> None:  # fmt: skip
    with spec_of(engine, copied, f"reh-drill-{name}") as spec:
        spoil(spec)
        soon = "    expect:\n      deadline: 25s\n"
        spec.write_text(
            without(spec.read_text(), stage, r"    expect:\n(      deadline: [^\n]*\n)?", soon)
        )
        done = rehearse(spec, "--output", "json")
        assert done.returncode == 1, done.stderr
        outcomes = {s["name"]: s["outcome"] for s in played(done)["stages"]}
        broken = STAGES.index(stage)
        assert [outcomes[s] for s in STAGES[:broken]] == ["PASS"] * broken
        assert outcomes[stage] == "FAIL"
        assert {outcomes[s] for s in STAGES[broken + 1 :]} <= {"NOT RUN"}
        found = next(s for s in played(done)["stages"] if s["name"] == stage)
        assert re.search(told, found["story"][0]), found["story"]
