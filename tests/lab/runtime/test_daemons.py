"""A router's daemons: ends that are noticed, crashes and restarts that keep the links."""

from __future__ import annotations

import json

import pytest

from labgen.lab.wait import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("runtime-daemons")]


def daemon(lab, node, *argv):
    return lab.commands.run(node, ["/opt/labgen/daemon", *argv])


def peer(lab, address):
    said = lab.commands.run("bigip-1", ["vtysh", "-c", "show bgp neighbors json"]).check().stdout
    return json.loads(said).get(address, {"bgpState": "not configured yet"})


def until_established(lab, address, established):
    wait_until(
        lambda: peer(lab, address), lambda p: (p["bgpState"] == "Established") == established,
        deadline=30, what=f"the session with {address}", describe=lambda p: p["bgpState"],
    )  # fmt: skip


def route_there(lab):
    text = lab.commands.run("bigip-1", ["ip", "route", "show", "192.168.221.192/26"]).check().stdout
    return "192.168.221.192" in text


def test_bird_that_takes_leave_withdraws_and_comes_back_over_the_same_links(lab):
    links = lab.commands.run("n1", ["ip", "-j", "link"]).check().stdout
    daemon(lab, "n1", "bird", "stop").check()
    until_established(lab, "10.1.20.20", False)
    wait_until(
        lambda: route_there(lab), lambda there: not there, deadline=10, what="the withdrawal"
    )
    assert lab.running.nodes["n1"].running
    assert daemon(lab, "n1", "bird", "stop").code == 0  # twice is no harm
    daemon(lab, "n1", "bird", "start").check()
    until_established(lab, "10.1.20.20", True)
    ifindexes = [item["ifindex"] for item in json.loads(links)]
    after = json.loads(lab.commands.run("n1", ["ip", "-j", "link"]).check().stdout)
    assert [item["ifindex"] for item in after] == ifindexes


def test_bird_that_crashes_leaves_its_routes_for_the_graceful_restart_time(lab):
    until_established(lab, "10.1.20.20", True)
    wait_until(lambda: route_there(lab), bool, deadline=10, what="the route")
    daemon(lab, "n1", "bird", "stop", "KILL").check()
    until_established(lab, "10.1.20.20", False)
    assert route_there(lab)
    daemon(lab, "n1", "bird", "start", "-R").check()
    until_established(lab, "10.1.20.20", True)
    argv = lab.commands.run("n1", ["ps", "-C", "bird", "-o", "args="]).check().stdout
    assert argv.split()[-1] == "-R"
    assert route_there(lab)


def test_bgpd_comes_back_with_its_configuration(lab):
    daemon(lab, "bigip-1", "bgpd", "restart").check()
    until_established(lab, "10.1.20.21", True)


def test_unknown_daemons_and_actions_are_refused_in_one_line(lab):
    for argv in (("named", "stop"), ("bird", "dance"), ()):
        done = daemon(lab, "n1", *argv)
        assert done.code == 2
        assert len(done.stderr.splitlines()) == 1


def test_a_daemon_that_ends_by_itself_ends_its_node_and_says_so(lab):
    pid = lab.commands.run("n3", ["cat", "/run/labgen/daemons/bird.pid"]).check().stdout.strip()
    lab.commands.run("n3", ["kill", "-9", pid]).check()
    wait_until(
        lambda: lab.running.nodes["n3"].state, lambda state: state == "exited",
        deadline=10, what="the end of n3",
    )  # fmt: skip
    assert "labgen: bird ended with exit code 137" in list(lab.runtime.logs("clab-rt-daemons-n3"))
