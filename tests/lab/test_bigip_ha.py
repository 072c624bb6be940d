"""An active/standby pair: failover moves the floating self-IP and the virtual address."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from itertools import pairwise

import pytest

from labgen.check.ladder import verify
from labgen.check.model import Status
from labgen.lab import running
from labgen.lab.failover import failover, states
from labgen.lab.project import Project
from labgen.lab.verify import evidence_of
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime
from labgen.runtime.protocol import Completed

NAME = "rtr-bigip-ha"
VIRTUAL, FLOATING = "10.99.99.100", "10.1.20.7"
INTERVAL = 0.02  # seconds between two probes


@pytest.fixture(scope="module")
def project(deployed: Callable[[str, str], Project]) -> Project:
    return deployed("bigip-ha", NAME)


@pytest.fixture(scope="module")
def commands(project: Project, engine: DockerRuntime) -> running.EngineCommands:
    return running.EngineCommands(engine, running.find(engine, project.name))


@pytest.fixture(autouse=True)
def bigip_a_is_active(project: Project, commands: running.EngineCommands) -> None:
    if states(project.design, commands)["bigip-a"] != "active":
        failover(project.design, commands, to="bigip-a")
    wait_for_next_hop(commands, "10.1.20.5")


def next_hop(commands: running.EngineCommands) -> str:
    shown = commands.run("ha-node1", ["ip", "route", "show", VIRTUAL]).check().stdout
    found = re.search(r"via (\S+) .*proto bird", shown)
    return found[1] if found else "none"


def wait_for_next_hop(commands: running.EngineCommands, address: str) -> None:
    wait_until(
        lambda: next_hop(commands), lambda hop: hop == address, deadline=10,
        what=f"ha-node1's route to {VIRTUAL}", interval=0.1,
    )  # fmt: skip


def established(commands: running.EngineCommands, unit: str) -> dict[str, int]:
    """How often each session of a unit has been established."""
    text = commands.run(unit, ["vtysh", "-c", "show bgp neighbors json"]).check().stdout
    return {a: p["connectionsEstablished"] for a, p in json.loads(text).items()}


def mac(commands: running.EngineCommands, unit: str) -> str:
    return commands.run(unit, ["cat", "/sys/class/net/eth1/address"]).check().stdout.strip()


def test_every_session_is_proven_on_every_rung(project: Project, engine: DockerRuntime) -> None:
    findings = verify(project.design, evidence_of(project, engine))
    assert {f.status for f in findings} == {Status.PASS}, [
        f for f in findings if f.status is not Status.PASS
    ]


def test_only_the_active_unit_has_what_floats(commands: running.EngineCommands) -> None:
    for unit, there in (("bigip-a", True), ("bigip-b", False)):
        shown = commands.run(unit, ["ip", "-o", "address", "show", "eth1"]).check().stdout
        assert (f"{FLOATING}/24" in shown) is there
        kernel = commands.run(unit, ["imish", "-e", "show ip route"]).check().stdout
        assert (f"K       {VIRTUAL}/32 [0/0] is directly connected, tmm" in kernel) is there


def test_failover_moves_all_of_it_and_no_session_breaks(
    project: Project, commands: running.EngineCommands
) -> None:
    units = ("bigip-a", "bigip-b")
    before = {unit: established(commands, unit) for unit in units}
    commands.run("ha-node1", ["ping", "-n", "-c", "1", FLOATING]).check()  # its MAC is known
    done = subprocess.run(
        [sys.executable, "-m", "labgen", "bigip", "failover", str(project.loaded.path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "bigip-b is active, bigip-a stands by\n")
    assert states(project.design, commands) == {"bigip-a": "standby", "bigip-b": "active"}
    neighbour = commands.run("ha-node1", ["ip", "neigh", "show", FLOATING]).check().stdout
    assert mac(commands, "bigip-b") in neighbour, "the gratuitous ARP was heard"
    wait_for_next_hop(commands, "10.1.20.6")
    commands.run("ha-node1", ["ping", "-n", "-c", "1", "-W", "1", VIRTUAL]).check()
    assert {unit: established(commands, unit) for unit in units} == before


def probed(
    commands: running.EngineCommands, target: str, action: Callable[[], object]
) -> Completed:
    """Ping a target without pause while something happens; `ping -D` prints the times."""
    result: list[Completed] = []
    argv = ["ping", "-n", "-D", "-i", str(INTERVAL), "-w", "8", target]
    probe = threading.Thread(
        target=lambda: result.append(commands.run("ha-node1", argv, timeout=20))
    )
    probe.start()
    wait_until(
        lambda: commands.run("ha-node1", ["pgrep", "-f", f"^ping .*{target}"]).code,
        lambda code: code == 0, deadline=5, what="the probe", interval=0.05,
    )  # fmt: skip
    action()
    probe.join()
    return result[0]


@pytest.mark.parametrize(("target", "limit"), [(FLOATING, 1.0), (VIRTUAL, 1.0)])
def test_failover_costs_no_more_than_it_must(
    target: str, limit: float, project: Project, commands: running.EngineCommands,
) -> None:  # fmt: skip
    """Both cost about the time between two commands, since the units do not pace iBGP's updates
    (`advertisement-interval 0`): they have just sent some (RFC 4271 §9.2.1.1).
    """
    done = probed(commands, target, lambda: failover(project.design, commands))
    times = [float(t) for t in re.findall(r"^\[([\d.]+)\] \d+ bytes", done.stdout, re.MULTILINE)]
    outage = max(b - a for a, b in pairwise(times))
    print(f"outage of {target}: {outage:.3f} s")  # shown by `pytest -rP`
    assert INTERVAL < outage < limit, f"{outage:.3f} s"


def test_a_standby_cannot_be_failed_over_to_twice(
    project: Project, commands: running.EngineCommands
) -> None:
    failover(project.design, commands, to="bigip-b")
    done = subprocess.run(
        [sys.executable, "-m", "labgen", "bigip", "failover", str(project.loaded.path),
         "--to", "bigip-b"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "bigip-b is active already" in done.stderr
    assert done.stderr.count("\n") == 1


_CHAIN = "type filter hook input priority 0; tcp dport 8080 reject with tcp reset;"
REFUSE = f"table inet drill {{ chain in {{ {_CHAIN} }}; }}"
MONITOR_INTERVAL = 2.0  # frr-configs/bigip-a.tmsh


def fetched(commands: running.EngineCommands, times: int) -> list[str]:
    """Who served each of so many requests to the virtual server; empty where none did."""
    loop = f"for i in $(seq {times}); do curl -s -m 1 http://{VIRTUAL}/ | head -1; echo; done"
    text = commands.run("ha-web-1", ["sh", "-c", loop]).stdout
    return [line.removeprefix("Request served by ") for line in text.split("\n\n")]


def members(commands: running.EngineCommands, unit: str) -> list[bool]:
    shown = json.loads(commands.run(unit, ["cat", "/run/labgen/ltm.json"]).check().stdout)
    return [member["up"] for member in shown["pools"]["web"]]


def wait_for_members(commands: running.EngineCommands, *up: bool) -> None:
    wait_until(
        lambda: members(commands, "bigip-a"), lambda seen: seen == list(up), deadline=10,
        what="the pool's members", interval=0.1,
    )  # fmt: skip


def test_the_virtual_server_spreads_over_its_pods(commands: running.EngineCommands) -> None:
    wait_for_members(commands, True, True)
    served = [name for name in fetched(commands, 10) if name]
    assert served.count("ha-web-1") == served.count("ha-web-2") == 5


def test_a_members_failure_costs_no_more_than_its_monitors_interval(
    commands: running.EngineCommands,
) -> None:
    wait_for_members(commands, True, True)
    commands.run("ha-web-2", ["nft", "-f", "-"], stdin=REFUSE).check()
    try:
        loop = (
            f"end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do "
            f"curl -s -m 1 -o /dev/null http://{VIRTUAL}/; echo $? $(date +%s.%N); done"
        )
        text = commands.run("ha-web-1", ["sh", "-c", loop], timeout=20).check().stdout
        rows = [(int(a), float(b)) for a, b in (line.split() for line in text.splitlines())]
        failed = [at for code, at in rows if code]
        cost = max(failed, default=rows[0][1]) - rows[0][1]
        print(f"a member's failure cost {cost:.3f} s, {len(failed)} of {len(rows)} requests")
        assert failed, "the fault was felt"
        assert cost <= MONITOR_INTERVAL + 0.3
        assert members(commands, "bigip-a") == [True, False]
    finally:
        commands.run("ha-web-2", ["nft", "delete", "table", "inet", "drill"]).check()
    wait_for_members(commands, True, True)


def test_a_pool_that_is_down_withdraws_its_virtual_address(
    commands: running.EngineCommands,
) -> None:
    pods = ("ha-web-1", "ha-web-2")
    for pod in pods:
        commands.run(pod, ["nft", "-f", "-"], stdin=REFUSE).check()
    try:
        wait_for_next_hop(commands, "none")
        assert members(commands, "bigip-a") == [False, False]
    finally:
        for pod in pods:
            commands.run(pod, ["nft", "delete", "table", "inet", "drill"]).check()
    wait_for_next_hop(commands, "10.1.20.5")
