"""Virtual servers of both IP versions, from tmsh and from AS3, and what `tmsh` says and changes."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgen.lab import running
from labgen.lab.attach import attached
from labgen.lab.project import Project
from labgen.lab.wait import wait_until
from labgen.runtime.docker import DockerRuntime

SOURCE = Path(__file__).parent / "bigip" / "vip"
V4, V6 = "10.99.99.100", "fd99::100"


@pytest.fixture(scope="module")
def project(engine: DockerRuntime, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    spec = tmp_path_factory.mktemp("labs") / "vip"
    shutil.copytree(SOURCE, spec)
    with contextlib.ExitStack() as stack:
        yield stack.enter_context(attached(str(spec), engine))


@pytest.fixture(scope="module")
def commands(project: Project, engine: DockerRuntime) -> running.EngineCommands:
    return running.EngineCommands(engine, running.find(engine, project.name))


@pytest.fixture
def tmsh(commands: running.EngineCommands) -> Iterator[Callable[[str], str]]:
    """`tmsh COMMAND` on the stand-in; what it changed is taken back after the test."""
    commands.run("bigip", ["tmsh", "save", "sys", "config"]).check()
    yield lambda text: commands.run("bigip", ["tmsh", *text.split()]).check().stdout
    commands.run("bigip", ["tmsh", "load", "sys", "config"]).check()


def served(commands: running.EngineCommands, address: str, times: int) -> Counter[str]:
    """How often each pod answered; an empty name where none did."""
    host = f"[{address}]" if ":" in address else address
    loop = f"for i in $(seq {times}); do curl -g -s -m 1 http://{host}/ | head -1; echo; done"
    text = commands.run("client", ["sh", "-c", loop]).stdout
    return Counter(line.removeprefix("Request served by ") for line in text.split("\n\n")[:times])


def wait_for_members(tmsh: Callable[[str], str], up: int) -> None:
    wait_until(
        lambda: tmsh("show ltm pool web"), lambda seen: f"Available Members : {up}" in seen,
        deadline=10, what="the pool", interval=0.2,
    )  # fmt: skip


def test_nothing_is_left_out(project: Project) -> None:
    assert not [note for note in project.design.notes if "ltm" in note or "services.json" in note]


def test_connections_are_spread_by_ratio(
    commands: running.EngineCommands, tmsh: Callable[[str], str]
) -> None:
    wait_for_members(tmsh, 2)
    before = int(re.findall(r"Total Connections +(\d+)", tmsh("show ltm virtual vs_web"))[0])
    assert served(commands, V4, 20) == {"web-1": 15, "web-2": 5}
    shown = tmsh("show ltm virtual vs_web")
    assert int(re.findall(r"Total Connections +(\d+)", shown)[0]) == before + 20


def test_an_ipv6_virtual_server_of_an_as3_declaration(
    commands: running.EngineCommands, tmsh: Callable[[str], str]
) -> None:
    assert served(commands, V6, 10) == {"web-1": 5, "web-2": 5}
    assert f"{V6}.http" in tmsh("list ltm virtual /Shop/Front/serviceMain")
    kernel = commands.run("node1", ["ip", "-6", "route", "show", V6]).check().stdout
    # BIRD takes the link-local one of FRR's two next hops (RFC 2545 section 3)
    assert re.search("via fe80::.* dev eth1 proto bird", kernel), kernel


def test_a_person_takes_a_member_out(
    commands: running.EngineCommands, tmsh: Callable[[str], str]
) -> None:
    wait_for_members(tmsh, 2)
    tmsh("modify ltm pool web members modify { 192.168.180.10:8080 { session user-disabled } }")
    wait_until(
        lambda: served(commands, V4, 4), lambda seen: seen == {"web-2": 4}, deadline=5,
        what="the other member alone", interval=0.2,
    )  # fmt: skip
    assert "session user-disabled" in tmsh("list ltm pool web")
    assert "Current Active Members : 1" in tmsh("show ltm pool web")


def test_a_pool_that_is_down_withdraws_its_virtual_address(
    commands: running.EngineCommands, tmsh: Callable[[str], str]
) -> None:
    wait_for_members(tmsh, 2)
    tmsh("create ltm monitor http never interval 1 timeout 2 recv nothing-says-this")
    tmsh("modify ltm pool web monitor never")
    for there in (False, True):
        wait_until(
            lambda: V4 in commands.run("node1", ["ip", "route", "show", V4]).stdout,
            lambda seen, there=there: seen is there, deadline=12,
            what=f"node1's route to {V4}", interval=0.1,
        )  # fmt: skip
        if not there:
            wait_until(
                lambda: tmsh("show ltm virtual vs_web"),
                lambda seen: "The children pool member(s) are down" in seen,
                deadline=6, what="the monitor's verdict", interval=0.1,
            )  # fmt: skip
            tmsh("modify ltm pool web monitor quick")


def test_always_is_announced_whatever_the_pool_says(
    commands: running.EngineCommands, tmsh: Callable[[str], str]
) -> None:
    tmsh(f"modify ltm virtual-address {V4} route-advertisement always")
    tmsh("create ltm monitor http never interval 1 timeout 2 recv nothing-says-this")
    tmsh("modify ltm pool web monitor never")
    wait_for_members(tmsh, 0)
    assert V4 in commands.run("bigip", ["imish", "-e", "show ip route"]).stdout
    tmsh(f"modify ltm virtual-address {V4} route-advertisement disabled")
    wait_until(
        lambda: V4 in commands.run("bigip", ["imish", "-e", "show ip route"]).stdout,
        lambda seen: not seen, deadline=5, what="no route", interval=0.1,
    )  # fmt: skip


LISTENER = """\
import socket, threading
s = socket.create_server(("::", 443), family=socket.AF_INET6, dualstack_ipv6=True)
def echo(address):  # one socket for each: an answer must come from the address that was asked
    u = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    u.bind((address, 514))
    while True: u.sendto(*u.recvfrom(9))
for address in ("10.1.10.5", "10.1.10.7", "fd10::5"):
    threading.Thread(target=echo, args=(address,), daemon=True).start()
while True: s.accept()[0].close()
"""
KNOCK = """\
import socket, sys
kind = socket.SOCK_DGRAM if sys.argv[1] == "udp" else socket.SOCK_STREAM
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
with socket.socket(family, kind) as s:
    s.settimeout(1)
    try:
        s.connect((sys.argv[2], int(sys.argv[3])))
        if kind == socket.SOCK_DGRAM: s.send(b"x"), s.recv(9)
        print("in")
    except TimeoutError:
        print("silent")
"""


@pytest.fixture(scope="module")
def knock(commands: running.EngineCommands) -> Callable[[str, str, int], str]:
    """From the client to something that listens on the BIG-IP: `in` or `silent`."""
    start = "cat >/tmp/listen.py; timeout 300 python3 /tmp/listen.py >/dev/null 2>&1 &"
    commands.run("bigip", ["sh", "-c", start], stdin=LISTENER).check()
    wait_until(
        lambda: commands.run("bigip", ["ss", "-Hlnt", "sport = 443"]).stdout, bool,
        deadline=5, what="the listener", interval=0.1,
    )  # fmt: skip

    def ask(kind: str, address: str, port: int) -> str:
        argv = ["python3", "-", kind, address, str(port)]
        return commands.run("client", argv, stdin=KNOCK).check().stdout.strip()

    return ask


def test_each_self_ip_has_a_lockdown_of_its_own(knock: Callable[[str, str, int], str]) -> None:
    """F5's default lets nothing in; "default" has 443 and not syslog; floating ones stand apart."""
    found = {
        (address, kind): knock(kind, address, port)
        for address in ("10.1.10.5", "fd10::5", "10.1.10.7")
        for kind, port in (("tcp", 443), ("udp", 514))
    }
    assert found == {
        ("10.1.10.5", "tcp"): "silent", ("10.1.10.5", "udp"): "silent",
        ("fd10::5", "tcp"): "silent", ("fd10::5", "udp"): "silent",
        ("10.1.10.7", "tcp"): "in", ("10.1.10.7", "udp"): "in",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "address"), [("external-self", "10.1.10.5"), ("external-self6", "fd10::5")]
)
def test_port_lockdown_is_changed_by_tmsh(
    name: str, address: str, knock: Callable[[str, str, int], str], tmsh: Callable[[str], str]
) -> None:
    for words, tcp, udp in (
        ("default", "in", "silent"), ("all", "in", "in"), ("none", "silent", "silent"),
        ("replace-all-with { udp:syslog }", "silent", "in"),
    ):  # fmt: skip
        tmsh(f"modify net self {name} allow-service {words}")
        found = knock("tcp", address, 443), knock("udp", address, 514)
        assert (words, *found) == (words, tcp, udp)


def test_routes_and_refusals(commands: running.EngineCommands, tmsh: Callable[[str], str]) -> None:
    rows = [line.split() for line in tmsh("show net route").splitlines()]
    assert ["192.168.180.0/26", "192.168.180.0/26", "gw", "10.1.20.21", "dynamic"] in rows
    assert ["10.1.20.0/24", "10.1.20.0/24", "interface", "/Common/internal", "connected"] in rows
    tmsh("create net route far network 10.50.0.0/16 gw 10.1.20.21")
    assert "10.50.0.0/16 via 10.1.20.21" in commands.run("bigip", ["ip", "route"]).stdout
    done = commands.run("bigip", ["tmsh", "list", "ltm", "pool", "gone"])
    assert (done.code, done.stderr) == (
        1, "01020036:3: The requested Pool (/Common/gone) was not found.\n",
    )  # fmt: skip
