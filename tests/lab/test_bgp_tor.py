"""A plain FRR as top-of-rack switch: eBGP, green as it is, red when FRR's own default strikes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from labgen.check.ladder import verify
from labgen.check.model import Finding, Rung, Status
from labgen.lab import running
from labgen.lab.project import Project
from labgen.lab.verify import evidence_of
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime

NAME = "rtr-bgp-tor"
ROUTER = ("router bgp 65001",)


@pytest.fixture(scope="module")
def project(deployed: Callable[[str, str], Project]) -> Project:
    return deployed("bgp-tor", NAME)


@pytest.fixture(scope="module")
def commands(project: Project, engine: DockerRuntime) -> running.EngineCommands:
    return running.EngineCommands(engine, running.find(engine, project.name))


def judged(project: Project, engine: DockerRuntime) -> tuple[Finding, ...]:
    return verify(project.design, evidence_of(project, engine))


def failed(findings: tuple[Finding, ...]) -> set[Rung]:
    return {f.rung for f in findings if f.status is Status.FAIL}


def vtysh(*lines: str) -> list[str]:
    return ["vtysh", *(word for line in lines for word in ("-c", line))]


def test_every_session_is_proven_on_every_rung(project: Project, engine: DockerRuntime) -> None:
    findings = judged(project, engine)
    assert {f.status for f in findings} == {Status.PASS}, [
        f for f in findings if f.status is not Status.PASS
    ]
    assert {f.rung for f in findings} == set(Rung)


def test_frr_accepts_the_file_and_has_its_own_defaults(
    project: Project, commands: running.EngineCommands
) -> None:
    done = commands.run("tor-1", ["vtysh", "-C", "-f", "/etc/frr/frr.conf"])
    assert (done.code, done.stderr) == (0, "")
    shown = commands.run("tor-1", vtysh("show bgp neighbors 10.1.30.11")).check().stdout
    assert "Configured hold time is 180 seconds" in shown
    assert "IPv4 Unicast: RX advertised and received" in shown  # what BIRD was offered (RFC 7911)


def test_nodes_reach_each_other_through_what_the_tor_reflects(
    project: Project, commands: running.EngineCommands
) -> None:
    routes = commands.run("tor-node1", ["ip", "route", "show", "192.168.12.0/26"]).check().stdout
    assert "via 10.1.30.12" in routes  # RFC 4271 §5.1.3: the third party's own next hop
    commands.run("web-1", ["ping", "-n", "-c", "1", "-W", "2", "192.168.12.10"]).check()


def subjects(findings: tuple[Finding, ...]) -> set[str]:
    return {f.subject for f in findings if f.status is Status.FAIL}


def test_ebgp_without_policy_is_the_update_rung(
    project: Project, engine: DockerRuntime, commands: running.EngineCommands
) -> None:
    """FRR's default (RFC 8212): the sessions stand and carry nothing."""
    config = ("configure terminal", *ROUTER)
    commands.run("tor-1", vtysh(*config, "bgp ebgp-requires-policy")).check()
    try:
        commands.run("tor-1", vtysh("clear bgp *")).check()
        findings = wait_until(
            lambda: judged(project, engine),
            lambda fs: min(failed(fs), default=None) is Rung.UPDATE and len(subjects(fs)) == 2,
            deadline=30, what="the fault on the ladder", interval=0.5, describe=lambda _: "green",
        )  # fmt: skip
        assert min(failed(findings)) is Rung.UPDATE
        red = [f for f in findings if f.status is Status.FAIL]
        assert subjects(findings) == {"tor-1 to tor-node1", "tor-1 to tor-node2"}
        assert "198.51.100.0/24 was not announced" in red[0].observed
    finally:
        commands.run("tor-1", vtysh(*config, "no bgp ebgp-requires-policy")).check()
        commands.run("tor-1", vtysh("clear bgp *")).check()
