"""`calico-node -bird-ready`: which sessions count when, and the text to the byte."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgen.calico import readiness
from labgen.calico.calicoctl import node_status
from labgen.calico.readiness import Bird, NotHealthy, judge, main

HEAD = "0001 BIRD 1.6.8 ready.\n2002-name     proto    table    state  since       info\n"
UP, RECOVERING = "0013-Daemon is up and running", "0024-Graceful restart recovery in progress"
NOT_READY = "calico/node is not ready: "


def shown(*rows: str) -> str:
    """`show protocols` as the control socket answers it."""
    return HEAD + "1002-" + "\n ".join(rows) + "\n0000 \n"


def bgp(name: str, info: str = "Established") -> str:
    return f"{name} BGP      master   start  12:00:00    {info}"


def verdict(*rows: str, age: float = 5, version: int = 4, status: str = UP) -> str | None:
    try:
        judge(Bird(version, shown(*rows), age, lambda: status))
    except NotHealthy as reason:
        return str(reason)
    return None


@pytest.mark.parametrize(
    ("rows", "more", "expected"),
    [
        (["kernel1 Kernel   master   up     12:00:00    "], {}, None),  # no peers
        ([bgp("Mesh_10_0_0_3"), bgp("Node_10_0_0_4")], {}, None),
        (
            [
                bgp("Mesh_10_0_0_3", "Active  Socket: Connection refused"),
                bgp("Mesh_10_0_0_4", ""),  # five columns: not counted
                bgp("Node_10_0_0_5", "Connect"),
                bgp("Global_10_0_0_6"),
            ],
            {},
            "BGP not established with 10.0.0.3,10.0.0.5",
        ),
        ([bgp("Mesh_10_0_0_3", "Connect"), bgp("Mesh_10_0_0_4")], {"age": 31}, None),
        (
            [bgp("Mesh_10_0_0_3", "Connect"), bgp("Mesh_10_0_0_4", "Idle")],
            {"age": 31},
            "BGP not established with 10.0.0.3,10.0.0.4",
        ),
        # a port in the name reads as a part of the address, in calico-node too
        (
            [bgp("Global_10_0_0_1_port_1790", "Connect")],
            {},
            "BGP not established with 10.0.0.1.port.1790",
        ),
        ([bgp("Mesh_fd00__2", "Idle")], {"version": 6}, "BGP not established with fd00::2"),
        ([bgp("Local_Workload_10_48_0_7", "Connect")], {}, None),
        ([bgp("Mesh_10_0_0_3")], {"status": RECOVERING}, "graceful restart in progress"),
        ([bgp("Mesh_10_0_0_3")], {"status": RECOVERING, "age": 31}, None),
        (
            [bgp("Mesh_10_0_0_3", "Connect")],
            {"status": RECOVERING},
            "BGP not established with 10.0.0.3",
        ),
    ],
)
def test_who_is_waited_for(rows: list[str], more: dict[str, object], expected: str | None) -> None:
    assert verdict(*rows, **more) == expected  # type: ignore[arg-type]


Serve = Callable[..., None]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Puts a BIRD that answers `show protocols` with given rows behind a control socket."""
    listeners: list[socket.socket] = []
    nodename = tmp_path / "nodename"
    monkeypatch.setattr(readiness, "NODENAME_FILE", nodename)
    paths = {v: (str(tmp_path / f"a{v}.ctl"), str(tmp_path / f"b{v}.ctl")) for v in (4, 6)}
    monkeypatch.setattr(node_status, "SOCKETS", paths)

    def start(version: int, *rows: str, path: int = 0, age: float = 0) -> None:
        nodename.touch()
        os.utime(nodename, (time.time() - age,) * 2)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(paths[version][path])
        listener.listen()
        listeners.append(listener)
        threading.Thread(target=_answer, args=(listener, shown(*rows)), daemon=True).start()

    yield start
    for listener in listeners:
        listener.close()


def _answer(listener: socket.socket, protocols: str) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # the test is over
        with connection:
            asked = connection.recv(1024).decode()
            text = protocols if "protocols" in asked else f"{HEAD[:23]}{UP}\n0000 \n"
            connection.sendall(text.encode())


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    status = main(list(argv))
    return status, capsys.readouterr().out


@pytest.mark.parametrize("form", [("health", "--bird-ready"), ("-bird-ready",)])
def test_a_ready_node_says_nothing(
    form: tuple[str, ...], serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(4, bgp("Mesh_10_0_0_3"))
    assert said(capsys, *form) == (0, "")


def test_the_first_failure_is_told_in_calico_nodes_words(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(4, bgp("Mesh_10_192_0_3", "Connect"), bgp("Mesh_10_192_0_4", "Active"), path=1)
    serve(6, bgp("Mesh_fd00__3", "Connect"))
    reason = f"{NOT_READY}BIRD is not ready: BGP not established with 10.192.0.3,10.192.0.4\n"
    assert said(capsys, "-bird-ready", "-bird6-ready") == (1, reason)
    reason = f"{NOT_READY}BIRD6 is not ready: BGP not established with fd00::3\n"
    assert said(capsys, "-bird6-ready") == (1, reason)


def test_the_threshold_is_an_option(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    serve(4, bgp("Mesh_10_0_0_3", "Connect"), bgp("Mesh_10_0_0_4"), age=40)
    assert said(capsys, "-bird-ready") == (0, "")
    assert said(capsys, "health", "--bird-ready", "--threshold-time=1m30s")[0] == 1


def test_what_cannot_be_asked(
    serve: Serve, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prefix = f"{NOT_READY}BIRD is not ready: "
    reason = f"failed to stat() nodename file: stat {tmp_path}/nodename: no such file or directory"
    assert said(capsys, "-bird-ready") == (1, f"{prefix}{reason}\n")
    serve(6)
    reason = "error querying BIRD: unable to connect to BIRDv4 socket: dial unix "
    reason += f"{tmp_path}/b4.ctl: connect: no such file or directory"
    assert said(capsys, "-bird-ready") == (1, f"{prefix}{reason}\n")
