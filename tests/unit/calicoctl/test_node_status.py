"""`calicoctl node status` and calico-node's readiness, from BIRD's recorded answers."""

from __future__ import annotations

import ast
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labgen.calico import readiness
from labgen.calico.calicoctl import node_status
from labgen.calico.calicoctl.node_status import BirdError, Daemon

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[2] / "data" / "bird-1.6.8"
HEADER = "0001 BIRD 1.6.8 ready.\n2002-name     proto    table    state  since       info\n"


def recorded(name: str) -> str:
    return (DATA / name).read_text()


def answer(*rows: str) -> str:
    return HEADER + "1002-" + "\n ".join(rows) + "\n0000 \n"


EXAMPLE = """\
Calico process is running.

IPv4 BGP status
+--------------+-------------------+-------+----------+-----------------------------------+
| PEER ADDRESS | PEER TYPE         | STATE | SINCE    | INFO                              |
+--------------+-------------------+-------+----------+-----------------------------------+
| 172.17.8.102 | node-to-node mesh | up    | 23:30:04 | Established                       |
| 10.20.30.40  | global            | start | 23:30:05 | Active Socket: Connection refused |
+--------------+-------------------+-------+----------+-----------------------------------+

IPv6 BGP status
No IPv6 peers found.

"""


def test_the_table_is_calicoctls() -> None:
    v4 = answer(
        "kernel1  Kernel   master   up     23:30:04",
        "Mesh_172_17_8_102 BGP      master   up     23:30:04    Established   ",
        "Global_10_20_30_40 BGP  master  start  23:30:05   Active   Socket: Connection refused",
    )
    daemons = {4: Daemon(True, v4), 6: Daemon(True, answer("device1  Device   master   up  x"))}
    assert node_status.report(daemons) == EXAMPLE


@pytest.mark.parametrize("name", ["show-protocols.socket", "show-protocols.birdc"])
def test_what_bird_says_and_what_birdc_prints_read_the_same(name: str) -> None:
    peers = node_status.peers(recorded(name), 4)
    assert [(p.address, p.kind, p.state, p.info) for p in peers] == [
        ("10.0.0.2", "node-to-node mesh", "start", "Passive"),
        ("127.0.0.3", "node-to-node mesh", "up", "Established"),
        ("127.0.0.9.port.1790", "global", "start", "Active Socket: Connection refused"),
        ("127.0.0.2", "node specific", "start", "Active Socket: Connection refused"),
    ]


def test_an_ipv6_peer_has_colons() -> None:
    (peer,) = node_status.peers(recorded("show-protocols6.socket"), 6)
    assert peer.address == "fd80:24e2:f998:72d7::2"


def test_a_session_that_waits_for_recovery_shows_so() -> None:
    peers = node_status.peers(recorded("show-protocols-recovery.socket"), 4)
    assert [(p.state, p.info) for p in peers if p.address == "127.0.0.3"] == [
        ("wait", "Established")
    ]


@pytest.mark.parametrize(
    ("daemons", "wanted"),
    [
        (
            {4: Daemon(False), 6: Daemon(False)},
            "\nThe BGP backend process (BIRD) is not running.\n\n",
        ),
        (
            {4: Daemon(True, answer("x")), 6: Daemon(False)},
            (
                "\nIPv4 BGP status\nNo IPv4 peers found.\n"
                "\nINFO: BIRDv6 process: 'bird6' is not running.\n\n"
            ),
        ),
        (
            {4: Daemon(False), 6: Daemon(True, answer("x"))},
            (
                "\nINFO: BIRDv4 process: 'bird' is not running.\n"
                "\nIPv6 BGP status\nNo IPv6 peers found.\n\n"
            ),
        ),
        (
            {
                4: Daemon(True, failure="Error querying BIRD: unable to connect"),
                6: Daemon(True, answer("x")),
            },
            (
                "\nIPv4 BGP status\nError querying BIRD: unable to connect"
                "\nIPv6 BGP status\nNo IPv6 peers found.\n\n"
            ),
        ),
    ],
    ids=["no BIRD", "no bird6", "no bird", "no socket"],
)
def test_other_blocks(daemons: dict[int, Daemon], wanted: str) -> None:
    assert node_status.report(daemons) == "Calico process is running.\n" + wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unknown BIRD table output format"),
        ("No such command. Press `?' for help.\n", "unknown BIRD table output format"),
        ("2002-name proto state\n", "unknown BIRD table output format"),
        ("9001 syntax error\n", "unexpected output line from BIRD: '9001 syntax error'"),
    ],
)
def test_other_text_is_refused(text: str, words: str) -> None:
    with pytest.raises(BirdError, match=words):
        node_status.peers(text, 4)


@pytest.fixture
def bird(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str | None]]:
    """A control socket; the dict holds its answers (None: it never answers)."""
    path = str(tmp_path / "bird.ctl")
    monkeypatch.setattr(node_status, "SOCKETS", {4: (path, str(tmp_path / "other.ctl"))})
    monkeypatch.setattr(node_status, "TIMEOUT_SECONDS", 0.2)
    answers: dict[str, str | None] = {}
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                text = answers[connection.recv(100).decode().strip()]
                for part in (text or "").splitlines(keepends=True):
                    connection.sendall(part.encode())  # in pieces, as a busy BIRD does
                if text is None:
                    connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    yield answers
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def test_asking_the_socket(bird: dict[str, str | None]) -> None:
    bird["show protocols"] = recorded("show-protocols.socket")
    assert node_status.ask(4, "show protocols") == recorded("show-protocols.socket")


def test_a_silent_bird_times_out(bird: dict[str, str | None]) -> None:
    bird["show protocols"] = None
    with pytest.raises(BirdError, match="i/o timeout"):
        node_status.ask(4, "show protocols")


def test_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "a.ctl", tmp_path / "b.ctl"
    monkeypatch.setattr(node_status, "SOCKETS", {4: (str(first), str(second))})
    with pytest.raises(BirdError) as caught:
        node_status.ask(4, "show protocols")
    assert str(caught.value) == (
        f"unable to connect to BIRDv4 socket: dial unix {second}: connect: "
        "no such file or directory"
    )


# --- readiness --------------------------------------------------------------------------------

UP, DOWN = "Established", "Active  Socket: Connection refused"


def sessions(*states: str) -> str:
    return answer(*(f"Mesh_10_192_0_{n} BGP master up 1 {s}" for n, s in enumerate(states, 3)))


@pytest.mark.parametrize(
    ("age", "protocols", "status", "wanted"),
    [
        (5, sessions(), "", None),
        (5, sessions(UP, UP), "show-status.socket", None),
        (5, sessions(UP, DOWN), "", "BGP not established with 10.192.0.4"),
        (5, sessions(DOWN, DOWN), "", "BGP not established with 10.192.0.3,10.192.0.4"),
        (5, sessions(UP), "show-status-recovery.socket", "graceful restart in progress"),
        (60, sessions(UP, DOWN), "", None),
        (60, sessions(UP), "show-status-recovery.socket", None),
        (60, sessions(DOWN, DOWN), "", "BGP not established with 10.192.0.3,10.192.0.4"),
        (60, answer("Local_Workload_10_9_9_9 BGP master start 1 Active"), "", None),
    ],
)
def test_readiness(age: float, protocols: str, status: str, wanted: str | None) -> None:
    bird = readiness.Bird(4, protocols, age, lambda: recorded(status))
    if wanted is None:
        readiness.judge(bird)
        return
    with pytest.raises(readiness.NotHealthy) as caught:
        readiness.judge(bird)
    assert str(caught.value) == wanted


@pytest.fixture
def nodename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "nodename"
    monkeypatch.setattr(readiness, "NODENAME_FILE", path)
    return path


def test_probe_messages(
    bird: dict[str, str | None], nodename: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert readiness.main(["-bird-ready"]) == 1
    assert capsys.readouterr().out == (
        "calico/node is not ready: BIRD is not ready: failed to stat() nodename file: "
        f"stat {nodename}: no such file or directory\n"
    )
    nodename.touch()
    bird["show protocols"] = sessions(DOWN, DOWN)
    assert readiness.main(["health", "--bird-ready"]) == 1
    assert capsys.readouterr().out == (
        "calico/node is not ready: BIRD is not ready: "
        "BGP not established with 10.192.0.3,10.192.0.4\n"
    )
    bird["show protocols"] = sessions(UP, DOWN)
    os.utime(nodename, (time.time() - 40,) * 2)
    assert readiness.main(["-bird-ready"]) == 0
    assert readiness.main(["-bird-ready", "--threshold-time=1m"]) == 1
    assert readiness.main(["-bird-ready", "-threshold-time", "35s"]) == 0
    assert "10.192.0.4" in capsys.readouterr().out


def test_no_socket_is_an_error_of_its_own(
    tmp_path: Path, nodename: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    nodename.touch()
    gone = str(tmp_path / "gone.ctl")
    monkeypatch.setattr(node_status, "SOCKETS", {6: ("/nowhere", gone)})
    assert readiness.main(["-bird6-ready"]) == 1
    assert capsys.readouterr().out == (
        "calico/node is not ready: BIRD6 is not ready: error querying BIRD: unable to connect to "
        f"BIRDv6 socket: dial unix {gone}: connect: no such file or directory\n"
    )


@pytest.mark.parametrize(("code", "status"), [(200, 0), (503, 1)])
def test_felix_answers_over_http(
    code: int, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Felix(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code if self.path == "/readiness" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The test's output is the probe's."""

    with HTTPServer(("127.0.0.1", 0), Felix) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(readiness, "FELIX", f"http://127.0.0.1:{server.server_port}")
        assert readiness.main(["-felix-ready"]) == status
        server.shutdown()
        thread.join()
    wanted = "calico/node is not ready: felix is not ready: readiness probe reporting 503\n"
    assert capsys.readouterr().out == (wanted if status else "")


def test_in_a_lab_the_entrypoint_is_felix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(readiness, "FELIX", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setattr(readiness, "LAB_DIRECTORY", tmp_path / "no")
        assert readiness.main(["-felix-ready"]) == 1
        assert "connection refused" in capsys.readouterr().out
        monkeypatch.setattr(readiness, "LAB_DIRECTORY", tmp_path)
        monkeypatch.setattr(readiness, "LAB_READY", tmp_path / "ready")
        assert readiness.main(["-felix-ready"]) == 1
        assert "readiness probe reporting 503" in capsys.readouterr().out
        (tmp_path / "ready").touch()
        assert readiness.main(["-felix-ready"]) == 0


@pytest.mark.parametrize("argv", [[], ["-bird"], ["-bird-ready", "--threshold-time", "soon"]])
def test_wrong_flags(argv: list[str]) -> None:
    assert readiness.main(argv) == 1


# --- as an image installs them ----------------------------------------------------------------


@pytest.mark.parametrize("module", [node_status, readiness])
def test_scripts_need_the_standard_library_only(module: object) -> None:
    tree = ast.parse(Path(module.__file__).read_text())  # type: ignore[attr-defined]
    names = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [a.name for a in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    own = {"labgen", "node_status"} if module is readiness else set()
    assert names - own <= sys.stdlib_module_names


def test_they_run_from_one_directory_without_labgen(tmp_path: Path) -> None:
    for module in (node_status, readiness):
        source = Path(module.__file__)
        (tmp_path / source.name).write_text(source.read_text())
    for script, argv, words in (
        ("node_status.py", ["get", "nodes"], "on the host"),
        ("readiness.py", [], "must specify at least one"),
    ):
        done = subprocess.run(
            [sys.executable, "-E", "-S", str(tmp_path / script), *argv],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert words in done.stdout + done.stderr
