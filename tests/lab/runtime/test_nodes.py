"""A deployed lab: real sessions, real forwarding, nothing outside its namespaces."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import sample

from labgen import images
from labgen.lab import running
from labgen.lab.deploy import deploy
from labgen.lab.wait import wait_until
from labgen.plan import Endpoint

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("runtime-nodes")]


def in_node(lab, node, *argv):
    return lab.commands.run(node, argv).check().stdout


def test_ping_from_the_stand_in_to_a_pod_has_one_hop_between(lab):
    said = in_node(lab, "bigip-1", "ping", "-c", "2", "-i", "0.2", "192.168.221.198")
    assert said.count("ttl=63") == 2


def test_a_pod_reaches_a_pod_of_another_node_and_its_echo_names_it(lab):
    said = in_node(lab, "pod2", "curl", "-s", "-m", "5", "http://192.168.221.198:8080/where")
    assert said.startswith("Request served by pod1\n\nHTTP/1.1 GET /where\n\nHost: 192.168.221.198")


def test_felix_programs_what_calico_has(lab):
    interface = sample.cali("pod1")
    route = json.loads(in_node(lab, "n1", "ip", "-j", "route", "show", "192.168.221.198"))[0]
    assert (route["dev"], route["metric"], route["scope"]) == (interface, 1024, "link")
    link = json.loads(in_node(lab, "n1", "ip", "-j", "link", "show", interface))[0]
    assert (link["address"], link["mtu"]) == ("ee:ee:ee:ee:ee:ee", 1440)
    settings = in_node(
        lab, "n1", "sh", "-c",
        f"cd /proc/sys/net/ipv4; cat conf/{interface}/proxy_arp neigh/{interface}/proxy_delay",
    )  # fmt: skip
    assert settings.split() == ["1", "0"]


def test_bird_learns_neither_the_pod_route_nor_the_gateway_route_as_a_foreign_one(lab):
    said = in_node(lab, "n1", "birdc", "show", "route", "protocol", "kernel1")
    assert "169.254.1.1" not in said
    assert "192.168.221.198/32" in said  # learnt with metric 1024, which Calico's filters know


def test_interfaces_carry_both_tools_marks(lab):
    link = json.loads(in_node(lab, "bigip-1", "ip", "-j", "link", "show", "eth1"))[0]
    expected = Endpoint("bigip-1", "eth1", "").owner_altname
    assert {expected, "1.1"} <= set(link["altnames"])
    assert link["ifalias"] == "1.1"
    port = json.loads(in_node(lab, "net", "ip", "-j", "link", "show", "bigip-1"))[0]
    assert Endpoint("br0|net", "bigip-1", "").owner_altname in port["altnames"]
    assert port["master"] == "br0"


@pytest.mark.parametrize("node", ["bigip-1", "n1", "pod1", "net"])
def test_no_node_has_a_way_out(lab, node):
    """Every interface but loopback is a link of the plan, and no default leaves the lab."""
    links = json.loads(in_node(lab, node, "ip", "-j", "link"))
    plan = sample.plan(lab.deployment.lab)
    ends = [e for link in plan.links for e in (link.a, link.b)]
    ours = {e.interface for e in ends if e.node in (node, f"br0|{node}")}
    bridges = {b.name for b in plan.bridges if b.node == node}
    assert {item["ifname"] for item in links} - {"lo"} == ours | bridges
    routes = json.loads(in_node(lab, node, "ip", "-j", "route", "show", "default"))
    allowed = {"169.254.1.1"} if node.startswith("pod") else set()  # to its own node only
    assert {route.get("gateway") for route in routes} <= allowed


@pytest.mark.parametrize("node", ["bigip-1", "n1", "pod1"])
def test_the_outside_is_unreachable(lab, node):
    """Neither the host's own gateway nor, where it has none, any other address answers."""
    routes = json.loads(subprocess.check_output(["ip", "-j", "route", "show", "default"]))
    outside = routes[0]["gateway"] if routes else "192.0.2.1"
    done = lab.commands.run(node, ["ping", "-c", "1", "-W", "1", outside])
    assert done.code != 0
    assert "bytes from" not in done.stdout


def test_nodes_are_unprivileged_and_never_restarted_by_the_engine(lab):
    for container in lab.deployment.containers.values():
        host = lab.runtime.api.inspect_container(container)["HostConfig"]
        assert host["Privileged"] is False
        assert host["NetworkMode"] == "none"
        assert host["RestartPolicy"]["Name"] == "no"


def test_the_wiring_container_goes_by_itself(lab):
    wiring = {"labgen.lab": lab.deployment.lab, "labgen.role": "wiring"}
    wait_until(
        lambda: lab.runtime.containers(wiring), lambda left: not left,
        deadline=10, what="the end of the wiring container",
    )  # fmt: skip


def test_pid_1_stops_at_once_and_reaps(lab):
    done = in_node(lab, "pod1", "sh", "-c", "(sleep 0.01 &) ; sleep 0.1; ps -eo stat,comm")
    assert not [line for line in done.splitlines() if line.startswith("Z")]


def test_quick_commands_ask_every_node(lab):
    with running.quick_commands(lab.runtime, lab.running) as commands:
        for node in ("bigip-1", "n1", "n2", "pod1"):
            assert commands.run(node, ["hostname"]).check().stdout.strip() == node
        assert commands.run("n1", ["false"]).code == 1
        assert commands.run("n1", ["cat"], stdin="said").stdout == "said"


def test_a_second_deploy_changes_and_builds_nothing(lab):
    name = lab.deployment.lab
    before = {c.name: c.id for c in lab.running.nodes.values()}
    said: list[str] = []
    again = deploy(
        sample.plan(name), sample.artefacts(name), lab.root,
        topology_file=lab.root / f"{name}.clab.yml", runtime=lab.runtime,
        progress=lambda event: said.append(event.step.value),
    )  # fmt: skip
    assert not again.changed
    assert said == ["unchanged"]
    assert {c.name: c.id for c in lab.running.nodes.values()} == before


def test_labels_are_containerlabs(lab):
    container = lab.running.nodes["bigip-1"]
    expected = {
        "containerlab": lab.deployment.lab,
        "clab-node-name": "bigip-1",
        "clab-node-longname": container.name,
        "clab-node-kind": "linux",
        "clab-node-lab-dir": f"{lab.deployment.directory}/bigip-1",
        "clab-topo-file": str(lab.deployment.topology_file),
    }
    assert expected.items() <= container.labels.items()
    said = in_node(lab, "bigip-1", "printenv", "CLAB_INTFS", "CLAB_LABEL_CLAB_NODE_NAME")
    assert said.split() == ["1", "bigip-1"]


def test_images_carry_no_trace_of_a_proxy(lab):
    for name in images.NAMES:
        config = lab.runtime.api.inspect_image(images.reference(name))["Config"]
        assert not [entry for entry in config["Env"] or [] if "proxy" in entry.lower()]


def host_state(api) -> set[str]:
    """Interfaces, routes, named namespaces and Docker networks of the host, a line each.

    Other containers of the machine may come and go on Docker's own bridge meanwhile: their veths
    and that bridge's routes are left out.
    """
    names = [item["ifname"] for item in json.loads(subprocess.check_output(["ip", "-j", "link"]))]
    routes = subprocess.check_output(["ip", "route", "show", "table", "all"], text=True)
    return {
        *(n for n in names if not re.fullmatch("veth[0-9a-f]{7}", n)),
        *(r for r in routes.splitlines() if not re.search("dev (docker0|veth)", r)),
        *(path.name for path in Path("/run/netns").glob("*")),
        *(network["Id"] for network in api.networks()),
    }


def test_deploying_leaves_no_trace_on_the_host(bring_up, runtime):
    before = host_state(runtime.api)
    bring_up("rt-sealed")
    assert host_state(runtime.api) == before
