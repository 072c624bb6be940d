"""The first guide's lab, end to end: green as it is, red for real faults, sealed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labgen.check.ladder import verify
from labgen.check.model import Finding, Rung, Status
from labgen.lab import running
from labgen.lab.operate import wait_converged
from labgen.lab.project import Project
from labgen.lab.verify import evidence_of
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime

NAME = "test-bigip-calico"
BIGIP_MASTER = "bigip-1 ↔ kube-master"


@pytest.fixture(scope="module")
def project(deployed: Callable[[str, str], Project]) -> Project:
    return deployed("bigip-calico", NAME)


@pytest.fixture(scope="module")
def commands(project: Project, engine: DockerRuntime) -> running.EngineCommands:
    return running.EngineCommands(engine, running.find(engine, project.name))


def labgen(*argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labgen", *argv], capture_output=True, text=True, check=False,
        input=stdin,
    )  # fmt: skip


def judged(project: Project, engine: DockerRuntime) -> tuple[Finding, ...]:
    return verify(project.design, evidence_of(project, engine))


def test_every_session_is_proven_on_every_rung(project: Project) -> None:
    done = labgen("verify", str(project.loaded.path), "--output", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    findings = json.loads(done.stdout)
    assert {f["status"] for f in findings} == {"PASS"}
    assert {f["rung"] for f in findings} == {rung.title for rung in Rung}
    opened = [f["observed"] for f in findings if f["check"] == "tcp"]
    assert len(opened) == 6
    assert all(" opened it: " in text for text in opened)
    pings = [f for f in findings if f["check"] == "ping" and f["subject"].startswith("bigip-1")]
    assert len(pings) == 3
    assert all("TTL 63" in f["observed"] for f in pings)


def test_the_second_deploy_changes_nothing(project: Project) -> None:
    done = labgen("deploy", str(project.loaded.path))
    assert done.returncode == 0, done.stderr
    assert "runs already" in done.stdout
    assert "building" not in done.stderr


def test_the_guides_routes_and_interface(
    project: Project, commands: running.EngineCommands
) -> None:
    routes = json.loads(commands.run("bigip-1", ["ip", "-j", "route"]).check().stdout)
    learnt = {r["dst"]: r["gateway"] for r in routes if r.get("protocol") == "bgp"}
    assert learnt == {
        "192.168.127.0/26": "10.1.20.22",
        "192.168.180.0/26": "10.1.20.21",
        "192.168.221.192/26": "10.1.20.20",
    }
    argv = ["ip", "-j", "-d", "link", "show", "cali430463d79fe"]
    (link,) = json.loads(commands.run("kube-master", argv).check().stdout)
    assert (link["address"], link["mtu"]) == ("ee:ee:ee:ee:ee:ee", 1440)
    proxy = "/proc/sys/net/ipv4/conf/cali430463d79fe/proxy_arp"
    assert commands.run("kube-master", ["cat", proxy]).stdout.strip() == "1"
    argv = ["ip", "-j", "route", "show", "192.168.221.198"]
    (route,) = json.loads(commands.run("kube-master", argv).check().stdout)
    assert (route["dev"], route["metric"]) == ("cali430463d79fe", 1024)
    pod = "calico-kube-controllers-7567d8d9dd-x7dz9"
    default = commands.run(pod, ["ip", "route", "show", "default"]).stdout
    assert default.strip() == "default via 169.254.1.1 dev eth0"


def test_no_packet_can_leave_the_lab(project: Project, commands: running.EngineCommands) -> None:
    """No management network, no default route but a pod's own, no interface that is not a link."""
    links = {node.name: set(project.plan.interfaces_of(node.name)) for node in project.plan.nodes}
    for bridge in project.plan.bridges:
        ports = {
            end.interface for link in project.plan.links for end in (link.a, link.b)
            if end.node == bridge.topology_name
        }  # fmt: skip
        links[bridge.node] |= {bridge.name, *ports}
    for node in project.plan.nodes:
        shown = json.loads(commands.run(node.name, ["ip", "-j", "link"]).check().stdout)
        present = {link["ifname"] for link in shown if link["ifname"] != "lo"}
        # the kernel makes fallback tunnel devices in every namespace; they stay down
        up = {link["ifname"] for link in shown if "UP" in link["flags"]} - {"lo"}
        assert links[node.name] <= present
        assert up == links[node.name], node.name
        if node.role.value != "pod":
            routes = commands.run(node.name, ["ip", "route", "show", "default"]).stdout
            assert routes == "", node.name


LAB_MARKS = ("aa:c1:ab", "ee:ee:ee", "cali", "clab", "internal", "10.1.20.", "192.168.180.")


def host_state() -> list[str]:
    """Whatever of a lab stands in the host's own links, addresses, routes and rules."""
    shown = ""
    for argv in (["link"], ["address"], ["route", "show", "table", "all"], ["rule"]):
        shown += subprocess.run(
            ["ip", "-o", *argv], capture_output=True, text=True, check=True
        ).stdout
    return [line for line in shown.splitlines() if any(mark in line for mark in LAB_MARKS)]


def test_the_host_gets_no_interface_bridge_or_route(
    engine: DockerRuntime, copied: Callable[[str, str], Path]
) -> None:
    spec = copied("bigip-calico", "test-host-state")
    networks = {n["Name"] for n in engine.api.networks()}
    assert host_state() == []
    try:
        assert labgen("deploy", str(spec)).returncode == 0
        assert host_state() == []
        assert {n["Name"] for n in engine.api.networks()} <= networks
    finally:
        assert labgen("destroy", str(spec), "--cleanup").returncode == 0
    assert host_state() == []
    assert not (spec.parent / "clab-test-host-state").exists()


def red(findings: tuple[Finding, ...], session: str) -> list[Finding]:
    return [f for f in findings if f.session == session and f.status is Status.FAIL]


def headline(findings: tuple[Finding, ...], session: str) -> Rung | None:
    return min((f.rung for f in red(findings, session)), default=None)


@contextmanager
def broken(
    commands: running.EngineCommands, node: str, inject: list[str], heal: list[str]
) -> Iterator[None]:
    commands.run(node, inject).check()
    try:
        yield
    finally:
        commands.run(node, heal).check()


@pytest.fixture
def healed(project: Project, commands: running.EngineCommands) -> Iterator[None]:
    """Whatever a test broke, the lab is whole again before the next one."""
    yield
    wait_converged(project.design, commands, deadline=60)


@pytest.mark.usefixtures("healed")
def test_a_route_that_the_kernel_does_not_use_is_the_fib_rung(
    project: Project, engine: DockerRuntime, commands: running.EngineCommands
) -> None:
    block = "192.168.221.192/26"
    # somebody's route with a better metric: a disagreement between RIB and FIB
    route = [block, "via", "10.1.20.21", "dev", "eth1", "proto", "static", "metric", "5"]
    inject, heal = ["ip", "route", "add", *route], ["ip", "route", "del", *route]
    with broken(commands, "bigip-1", inject, heal):
        findings = judged(project, engine)
        assert headline(findings, BIGIP_MASTER) is Rung.FIB
        assert block in red(findings, BIGIP_MASTER)[0].observed


@pytest.mark.usefixtures("healed")
def test_a_pod_that_does_not_answer_is_the_traffic_rung(
    project: Project, engine: DockerRuntime, commands: running.EngineCommands
) -> None:
    pod = "calico-kube-controllers-7567d8d9dd-x7dz9"
    chain = "type filter hook input priority 0; icmp type echo-request drop;"
    quiet = f"table ip drill {{ chain in {{ {chain} }}; }}"
    commands.run(pod, ["nft", "-f", "-"], stdin=quiet).check()
    try:
        findings = judged(project, engine)
        assert headline(findings, BIGIP_MASTER) is Rung.TRAFFIC
    finally:
        commands.run(pod, ["nft", "delete", "table", "ip", "drill"]).check()


@pytest.mark.usefixtures("healed")
def test_a_wrong_as_is_the_open_rung(
    project: Project, engine: DockerRuntime, commands: running.EngineCommands
) -> None:
    def vtysh(*lines: str) -> list[str]:
        text = ["configure terminal", "router bgp 64512", *lines]
        return ["vtysh", *(word for line in text for word in ("-c", line))]

    wrong = vtysh("neighbor calico-k8s remote-as 65000")
    right = vtysh("neighbor calico-k8s remote-as 64512")
    with broken(commands, "bigip-1", wrong, right):
        commands.run("bigip-1", ["vtysh", "-c", "clear bgp *"])

        def seen() -> tuple[Finding, ...]:
            return judged(project, engine)

        findings = wait_until(
            seen,
            lambda fs: headline(fs, BIGIP_MASTER) in (Rung.OPEN, Rung.ESTABLISHED),
            deadline=30, what="the fault on the ladder", interval=0.5, describe=lambda _: "green",
        )  # fmt: skip
        assert any(f.status is Status.SKIP and f.rung is Rung.FIB for f in findings
                   if f.session == BIGIP_MASTER)  # fmt: skip
        mesh = [f for f in findings if f.session == "kube-node1 ↔ kube-node2"]
        assert {f.status for f in mesh} == {Status.PASS}, "the mesh is not concerned"


def test_a_dead_container_is_error_not_fail(
    engine: DockerRuntime, copied: Callable[[str, str], Path]
) -> None:
    spec = copied("bigip-calico", "test-dead-node")
    try:
        assert labgen("deploy", str(spec)).returncode == 0
        victim = running.find(engine, "test-dead-node").nodes["kube-node1"]
        engine.api.kill(victim.id)
        wait_until(
            lambda: running.find(engine, "test-dead-node").nodes["kube-node1"].running,
            lambda alive: not alive, deadline=10, what="the container's end",
        )  # fmt: skip
        done = labgen("verify", str(spec), "--output", "json")
        assert "Traceback" not in done.stderr
        errors = [f for f in json.loads(done.stdout) if f["status"] == "ERROR"]
        assert errors
        assert any("kube-node1" in f["observed"] for f in errors)
    finally:
        labgen("destroy", str(spec), "--cleanup")


def test_an_unreadable_capture_is_error(project: Project, engine: DockerRuntime) -> None:
    captures = project.lab_directory / "captures" / "internal"
    (file,) = captures.glob("default.*.pcapng")
    aside = file.with_suffix(".aside")
    file.rename(aside)  # the sniffer goes on writing into it, wherever it stands
    try:
        file.write_bytes(b"this is no capture")
        done = labgen("verify", str(project.loaded.path))
        assert done.returncode == 4, done.stdout
        assert "not a capture file" in done.stdout
        assert "Traceback" not in done.stderr
    finally:
        aside.replace(file)


def test_a_lab_that_does_not_run_is_one_line(copied: Callable[[str, str], Path]) -> None:
    spec = copied("bigip-calico", "test-never-deployed")
    done = labgen("verify", str(spec))
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "no lab named test-never-deployed runs" in done.stderr


def test_the_daemons_accept_every_rendered_file(
    project: Project, commands: running.EngineCommands
) -> None:
    for node in project.design.calico_nodes:
        for daemon in ("bird", "bird6"):
            argv = [daemon, "-p", "-c", f"/etc/calico/confd/config/{daemon}.cfg"]
            commands.run(node.name, argv).check()
    done = commands.run("bigip-1", ["vtysh", "-C", "-f", "/etc/frr/frr.conf"])
    assert (done.code, done.stderr) == (0, "")


def test_exec_passes_on_output_and_exit_code(project: Project) -> None:
    done = labgen("exec", project.name, "kube-node1", "--", "sh", "-c", "echo out; exit 7")
    assert (done.returncode, done.stdout) == (7, "out\n")
    done = labgen("exec", project.name, "nobody", "--", "true")
    assert done.returncode == 2
    assert "has no node nobody" in done.stderr


def test_the_capture_streams_and_saves(project: Project, tmp_path: Path) -> None:
    target = tmp_path / "all.pcapng"
    done = labgen("capture", project.name, "-w", str(target))
    assert done.returncode == 0, done.stderr
    assert target.read_bytes()[:4] == b"\x0a\x0d\x0d\x0a"  # pcapng's section header block
    rows = json.loads(labgen("capture", "list", project.name, "--output", "json").stdout)
    assert [(r["name"], r["segment"], r["running"]) for r in rows] == [
        ("default", "internal", True)
    ]


def test_imish_answers_as_the_guide_shows(commands: running.EngineCommands) -> None:
    done = commands.run("bigip-1", ["imish", "-e", "sh ip route bgp"]).check()
    routes = [line.rsplit(",", 1)[0] for line in done.stdout.splitlines() if line.startswith("B ")]
    assert routes == [
        "B       192.168.127.0/26 [200/0] via 10.1.20.22, internal",
        "B       192.168.180.0/26 [200/0] via 10.1.20.21, internal",
        "B       192.168.221.192/26 [200/0] via 10.1.20.20, internal",
    ]
    assert done.stdout.rstrip().endswith("Gateway of last resort is not set")
    neighbors = commands.run("bigip-1", ["imish", "-e", "show ip bgp neighbors"]).check().stdout
    lines = neighbors.splitlines()
    assert lines[:3] == [
        "BGP neighbor is 10.1.20.20, remote AS 64512, local AS 64512, internal link",
        " Member of peer-group calico-k8s for session parameters",
        "  BGP version 4, remote router ID 10.1.20.20",
    ]
    assert lines[3].startswith("  BGP state = Established, up for ")
    assert "hold time is 90, keepalive interval is 30 seconds" in lines[4]
    shown = commands.run("bigip-1", ["imish", "-e", "show running-config"]).check().stdout
    assert " neighbor 10.1.20.21 peer-group calico-k8s\n" in shown


def test_a_lab_that_does_not_converge_stays_to_be_looked_at(
    engine: DockerRuntime, copied: Callable[[str, str], Path]
) -> None:
    """A mesh peer that nothing answers: deploy says what is missing, and the evidence is there."""
    spec = copied("bigip-calico", "test-not-ready")
    lockdown = spec.read_text().replace('[default, "tcp:179"]', "[none]")
    spec.write_text(lockdown)
    imish = spec.parents[2] / "frr-configs" / "bigip-1.imish"
    passive = "neighbor calico-k8s remote-as 64512\nneighbor calico-k8s passive"
    imish.write_text(imish.read_text().replace("neighbor calico-k8s remote-as 64512", passive))
    try:
        done = labgen("deploy", str(spec), "--timeout", "4")
        assert done.returncode == 3, done.stderr
        last = done.stderr.splitlines()[-1]
        assert "not reached in" in last
        assert "no session with 10.1.20" in last
        findings = json.loads(labgen("verify", str(spec), "--output", "json").stdout)
        broken = [f for f in findings if f["status"] == "FAIL"]
        assert {f["rung"] for f in broken} == {"TCP"}
        assert all("unanswered" in f["observed"] for f in broken)
    finally:
        assert labgen("destroy", str(spec), "--cleanup").returncode == 0
    assert not list(spec.parent.glob("*clab*"))
