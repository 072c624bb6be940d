"""Every kind of action on real daemons; what probes measure, against other witnesses of the same.

The lab is the first guide's, with a node that may join: the BIG-IP's configuration knows it.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP
from scapy.utils import PcapNgReader

from labgen.lab.destroy import destroy
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime

NAME = "reh-small"
BIGIP, NGINX, BLOCK = "10.1.20.5", "192.168.180.10", "192.168.180.0/26"
ECHO = f"ip saddr {BIGIP} ip daddr {NGINX} icmp type echo-request"
CHAIN = (
    "table inet hole {{ chain hole {{ type filter hook prerouting priority -310; {} drop; }}; }}"
)
# The node's own clock says when the filter stood; 28 octets are an echo request without data.
BY_TIME = (
    f"nft -f - <<< '{CHAIN.format(ECHO)}'; date +%s%N > /tmp/hole; sleep 1.3; "
    "date +%s%N >> /tmp/hole; nft delete table inet hole"
)
BY_COUNT = (
    f"nft -f - <<< '{CHAIN.format(ECHO + ' quota until 2800 bytes')}'; sleep 1.5; "
    "nft delete table inet hole"
)
STAGES = f"""
probes:
  into: {{from: bigip-1, to: {{pod: nginx-1}}, kind: icmp}}
  across: {{from: nginx-2, to: {{pod: nginx-1}}, kind: icmp}}
stages:
  - name: as it is
    expect:
      traffic: [{{from: bigip-1, to: {{pod: nginx-1}}, kind: icmp}}]
  - name: a hole of known length
    actions: [{{run: {{node: kube-node1, argv: [bash, -c, {json.dumps(BY_TIME)}]}}}}]
  - name: a hole of a hundred packets
    actions: [{{run: {{node: kube-node1, argv: [bash, -c, {json.dumps(BY_COUNT)}]}}}}]
  - name: a wrong AS
    actions:
      - inject: {{fault: wrong-remote-as, node: kube-node1}}
    expect:
      converged: false
      routes: [{{nodes: [bigip-1], to: {BLOCK}, absent: true}}]
      traffic:
        - {{from: bigip-1, to: {{pod: nginx-1}}, kind: icmp, absent: true}}
        - {{from: nginx-2, to: {{pod: nginx-1}}, kind: icmp}}
  - name: healed
    actions:
      - heal: {{fault: wrong-remote-as}}
    expect:
      traffic: [{{from: bigip-1, to: {{pod: nginx-1}}, kind: icmp}}]
  - name: a node joins
    actions:
      - add_node: {{cluster: k8s, name: kube-node3, address: 10.1.20.23}}
    expect:
      sessions:
        kube-node3: [kube-master, kube-node1, kube-node2, bigip-1]
      routes: [{{nodes: [kube-node3], to: {BLOCK}, via: [kube-node1]}}]
  - name: a node leaves
    actions:
      - remove_node: {{cluster: k8s, name: kube-node3}}
    expect:
      converged: false  # the BIG-IP still waits for it
      sessions:
        kube-node2: [kube-master, kube-node1, bigip-1]
"""
LATE = 0.15  # seconds
NAMES = re.findall(r"- name: (.+)", STAGES)


def command(*argv: str) -> list[str]:
    return [sys.executable, "-m", "labgen", *argv]


def labgen(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*argv), capture_output=True, text=True, check=False, timeout=200
    )  # fmt: skip


@pytest.fixture(scope="module")
def spec(engine: DockerRuntime, copied: Callable[[str, str], Path]) -> Iterator[Path]:
    path = copied("bigip-calico", NAME)
    imish = path.parents[2] / "frr-configs/bigip-1.imish"
    line = "neighbor 10.1.20.22 peer-group calico-k8s\n"
    text = imish.read_text()
    assert line in text
    imish.write_text(text.replace(line, line + line.replace("20.22", "20.23")))
    written = path.read_text()
    path.write_text(written + STAGES)
    try:
        yield path
    finally:
        destroy(NAME, runtime=engine, directory=path.parent / f"clab-{NAME}", cleanup=True)


@pytest.fixture
def original(spec: Path) -> Iterator[str]:
    """The spec's text, which is put back after the test."""
    text = spec.read_text()
    yield text
    spec.write_text(text)


def inside(engine: DockerRuntime, node: str, *argv: str) -> str:
    return engine.run(f"clab-{NAME}-{node}", argv).stdout


def packets(spec: Path) -> list[Any]:
    """Every frame that the lab's captures have of its LAN, by its number less one."""
    (file,) = (spec.parent / f"clab-{NAME}/captures/internal").glob("*.pcapng")
    with PcapNgReader(str(file)) as reader:
        return list(reader)


def unanswered(frames: list[Any], since: float, until: float) -> list[float]:
    """When the echo requests from the BIG-IP to nginx without a reply were on the wire."""
    asked: dict[tuple[int, int], float] = {}
    for frame in frames:
        if ICMP not in frame or not since <= float(frame.time) < until:
            continue
        key = (frame[ICMP].id, frame[ICMP].seq)
        if frame[ICMP].type == 8 and (frame[IP].src, frame[IP].dst) == (BIGIP, NGINX):
            asked.setdefault(key, float(frame.time))
        elif frame[ICMP].type == 0 and (frame[IP].src, frame[IP].dst) == (NGINX, BIGIP):
            asked.pop(key, None)
    return sorted(asked.values())


def flow(result: dict[str, Any], stage: str, name: str = "into") -> dict[str, Any]:
    flows = next(s for s in result["stages"] if s["name"] == stage)["flows"]
    found: dict[str, Any] = next(f for f in flows if f["flow"] == name)
    return found


def test_every_kind_of_action_and_what_it_costs(engine: DockerRuntime, spec: Path) -> None:
    done = labgen("rehearse", str(spec), "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert [s["name"] for s in result["stages"]] == NAMES
    frames = packets(spec)

    # A hole as the node's own clock has it, and as the wire has it: the same clock throughout.
    start, end = (int(t) / 1e9 for t in inside(engine, "kube-node1", "cat", "/tmp/hole").split())
    hole = flow(result, NAMES[1])
    gap = hole["longest-gap"]
    began = gap["start-ns"] / 1e9
    # a busy machine may send its next probe late, never early
    assert start - 0.02 <= began <= start + LATE
    assert end - 0.02 <= began + gap["ms"] / 1000 <= end + LATE
    assert gap["explained-by"] is None  # no BGP event took these packets
    seen = unanswered(frames, start - 0.2, end + 0.2)
    assert len(seen) == hole["lost"] == gap["lost"]
    assert seen[0] == pytest.approx(began, abs=0.005)
    assert flow(result, NAMES[1], "across")["lost"] == 0  # the filter concerns the other flow only

    # A hole of a hundred packets: counted by the kernel's filter, by the probe, and on the wire.
    counted = flow(result, NAMES[2])
    assert counted["lost"] == 100
    began = counted["longest-gap"]["start-ns"] / 1e9
    asked = unanswered(frames, began - 0.1, began + 2.5)
    assert len(asked) == 100
    span = asked[-1] - asked[0]
    assert span <= counted["longest-gap"]["ms"] / 1000 <= span + LATE

    # The event that explains a gap stands on the wire, in the frame that is named.
    event = flow(result, NAMES[3])["longest-gap"]["explained-by"]
    assert "NOTIFICATION" in event["event"]
    frame = frames[int(event["evidence"].rsplit("#", 1)[1]) - 1]
    message = bytes(frame[TCP].payload)
    assert message[:16] == b"\xff" * 16
    assert message[18] == 3  # RFC 4271 section 4.1: NOTIFICATION
    whole = flow(result, NAMES[4])["longest-gap"]  # it began in the stage before, and is one gap
    assert whole["after-action"].startswith("inject wrong-remote-as")
    assert whole["start-ns"] / 1e9 == pytest.approx(
        float(frame.time) + event["before-ms"] / 1000, abs=0.002
    )
    assert whole["ended"]
    assert flow(result, NAMES[3], "across")["lost"] == 0

    assert "kube-node3" not in inside(engine, "kube-node2", "birdc", "show", "protocols")
    assert not list((spec.parent / f"clab-{NAME}/faults").glob("*"))


def spoiled(text: str, *removed: str) -> str:
    for line in removed:
        assert text.count(line) == 1
        text = text.replace(line, "      - run: {node: bigip-1, argv: ['true']}\n")
    return text.replace("    expect:\n", "    expect:\n      deadline: 6s\n")


@pytest.mark.parametrize(
    ("removed", "stage", "told"),
    [
        (
            ["      - inject: {fault: wrong-remote-as, node: kube-node1}\n",
             "      - heal: {fault: wrong-remote-as}\n"],
            "a wrong AS",
            rf"RIB: routes of bigip-1 to {BLOCK} \(RIB\): expected no route; last seen: 1 there",
        ),
        (
            ["      - heal: {fault: wrong-remote-as}\n"],
            "healed",
            r"Established: all sessions of \S+: .*(bigip-1|kube-node1): ",
        ),
        (
            ["      - remove_node: {cluster: k8s, name: kube-node3}\n"],
            "a node leaves",
            r"Established: sessions of kube-node2: .*not expected: kube-node3",
        ),
    ],
    ids=["no fault", "not healed", "does not leave"],
)  # fmt: skip
def test_an_action_left_out_turns_its_stage_red(
    removed: list[str], stage: str, told: str, spec: Path, original: str
) -> None:
    spec.write_text(spoiled(original, *removed))
    done = labgen("rehearse", str(spec), "--fresh", "--output", "json")
    assert done.returncode == 1, done.stdout + done.stderr
    stages = json.loads(done.stdout)["stages"]
    broken = NAMES.index(stage)
    assert [s["outcome"] for s in stages] == [
        *["PASS"] * broken, "FAIL", *["NOT RUN"] * (len(NAMES) - broken - 1)
    ]  # fmt: skip
    assert re.search(told, stages[broken]["story"][0]), stages[broken]["story"]
    # a fault that was still in has been taken out
    assert not list((spec.parent / f"clab-{NAME}/faults").glob("*"))


def test_a_node_that_the_bigip_does_not_know_turns_its_stage_red(spec: Path, original: str) -> None:
    imish = spec.parents[2] / "frr-configs/bigip-1.imish"
    text = imish.read_text()
    try:
        imish.write_text(text.replace("neighbor 10.1.20.23 peer-group calico-k8s\n", ""))
        spec.write_text(spoiled(original))
        done = labgen("rehearse", str(spec), "--fresh", "--output", "json")
    finally:
        imish.write_text(text)
    assert done.returncode == 1, done.stdout + done.stderr
    found = next(s for s in json.loads(done.stdout)["stages"] if s["outcome"] == "FAIL")
    assert found["name"] == "a node joins"
    assert "only one end configures kube-node3 ↔ bigip-1" in found["story"][0]


# --- one at a time, and what is left of one that ends half-way ----------------------------------

LONG = """
probes:
  across: {from: nginx-2, to: {pod: nginx-1}, kind: icmp}
stages:
  - name: long
    actions:
      - inject: {fault: wrong-remote-as, node: kube-node1}
      - run: {node: kube-node2, argv: [sleep, "100"]}
    expect: {converged: false}
"""


@pytest.fixture
def halfway(spec: Path, original: str) -> Iterator[subprocess.Popen[str]]:
    """A rehearsal that has injected a fault and waits for a long command."""
    spec.write_text(original.replace(STAGES, LONG))
    playing = subprocess.Popen(
        command("rehearse", str(spec), "--fresh"), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        wait_until(lambda: sleeping(spec), bool, deadline=90, what="the long command")
        yield playing
    finally:
        playing.kill()
        playing.communicate()


def sleeping(spec: Path) -> bool:
    """Whether the rehearsal has come to its long command."""
    if not list((spec.parent / f"clab-{NAME}/faults").glob("*.json")):
        return False
    return not (spec.parent / f"clab-{NAME}/.labgen.lock").exists()


def probes(engine: DockerRuntime) -> str:
    script = "ls /tmp; pgrep -f labgen-prob[e]"
    return inside(engine, "nginx-2", "sh", "-c", script).strip()


def generation(spec: Path) -> set[tuple[str, int]]:
    """The state of the lab on disk: every file of its datastore with its time."""
    found = (spec.parent / f"clab-{NAME}/datastore").rglob("*")
    return {(str(p), p.stat().st_mtime_ns) for p in found}


def test_who_comes_second_is_refused_and_ctrl_c_leaves_nothing(
    engine: DockerRuntime, spec: Path, halfway: subprocess.Popen[str]
) -> None:
    before = generation(spec)
    lab = str(spec)
    for argv in (
        ("rehearse", lab),
        ("rehearse", lab, "--fresh"),
        ("deploy", lab),
        ("deploy", lab, "--reconfigure"),
        ("destroy", lab),
        ("calicoctl", "--lab", lab, "delete", "bgppeer", "bgppeer-global-bigip1"),
        ("kubectl", "--lab", lab, "cordon", "kube-node1"),
        ("node", "remove", "--lab", lab, "k8s", "kube-node1"),
        ("fault", "heal", lab),
    ):
        done = labgen(*argv)
        said = f"lab {NAME} is busy: rehearsal of {NAME}, process {halfway.pid}"
        assert done.returncode == 3, (argv, done.stdout, done.stderr)
        told = [line for line in done.stderr.splitlines() if not line.startswith("note: ")]
        assert len(told) == 1, (argv, told)
        assert said in told[0], argv
    assert generation(spec) == before
    assert labgen("verify", lab).returncode == 1  # looking is free, and shows the fault
    assert halfway.poll() is None
    halfway.send_signal(signal.SIGINT)
    assert halfway.wait(timeout=30) == 130
    assert probes(engine) == ""
    assert not list((spec.parent / f"clab-{NAME}/faults").glob("*"))
    assert not list(spec.parent.glob(".*rehearsal"))
    assert labgen("kubectl", "--lab", lab, "get", "nodes").returncode == 0


def test_after_a_kill_the_lab_is_to_be_had_and_the_probes_end(
    engine: DockerRuntime, spec: Path, original: str, halfway: subprocess.Popen[str]
) -> None:
    halfway.kill()
    halfway.wait()
    assert "labgen-probe" in probes(engine)
    healed = labgen("fault", "heal", str(spec))
    assert (healed.returncode, healed.stdout) == (0, "healed: wrong-remote-as\n"), healed.stderr
    left = wait_until(lambda: probes(engine).split(), lambda s: not any(w.isdigit() for w in s),
                      deadline=70, what="the end of the probes", interval=1)  # fmt: skip
    assert all(name.startswith("labgen-probe-") for name in left)  # two small files
    healing = "      - heal: {fault: wrong-remote-as}\n"
    short = LONG.replace('"100"', '"0"').replace("      - run", f"{healing}      - run")
    spec.write_text(original.replace(STAGES, short))
    again = labgen("rehearse", str(spec))
    assert again.returncode == 0, again.stdout + again.stderr
    assert probes(engine) == ""
    done = labgen("destroy", str(spec), "--cleanup")
    assert done.returncode == 0, done.stderr
    assert not list(spec.parent.glob("*clab*"))
    assert not list(spec.parent.glob(".*"))
