#!/usr/bin/env python3
"""`calicoctl node status`: BIRD's sessions in calicoctl's table.

Standard library only, in one file: a node image installs it as `calicoctl`, where nothing else of
labgen exists. What is asked of BIRD and how its answer is read follows calico's
`calicoctl/commands/node/status.go`; the table is go-pretty's default style.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

SOCKETS = {
    4: ("/var/run/calico/bird.ctl", "/var/run/bird/bird.ctl"),
    6: ("/var/run/calico/bird6.ctl", "/var/run/bird/bird6.ctl"),
}
TIMEOUT_SECONDS = 2.0
# labgen's images have no calico-node process: their entrypoint does its work.
NODE_PROCESSES = frozenset({"calico-felix", "calico-node", "/opt/labgen/entrypoint"})

_PEER_NAME = re.compile(r"(Global|Node|Mesh)_(.+)\Z")
_PEER_TYPES = {"Global": "global", "Node": "node specific", "Mesh": "node-to-node mesh"}
_HEADINGS = ["name", "proto", "table", "state", "since", "info"]
_END = re.compile(r"(?!0001)\d{4} ")  # a reply's last line has a blank after its code
_REPLY = re.compile(r"\d{4}[ -]")


class BirdError(Exception):
    """BIRD cannot be asked, or its answer has an unknown form; the text is calicoctl's."""


class BirdUnreachable(BirdError):
    """There is no socket, or nobody listens on it."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One BGP protocol of BIRD. `state` is the protocol's, `bgp_state` the session's."""

    address: str
    kind: str
    state: str
    since: str
    bgp_state: str
    error: str

    @property
    def info(self) -> str:
        return f"{self.bgp_state} {self.error}".rstrip()


@dataclass(frozen=True, slots=True)
class Daemon:
    """What is known of one BIRD: not running, or its answer, or why it did not answer."""

    running: bool
    answer: str = ""
    failure: str = ""


def table(header: list[str], rows: list[list[str]], right: frozenset[int] = frozenset()) -> str:
    """go-pretty's default style; `right` are the columns whose cells (not headers) align right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+\n"

    def line(cells: list[str], aligned: frozenset[int]) -> str:
        padded = (
            cell.rjust(width) if index in aligned else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |\n"

    body = "".join(line(row, right) for row in rows)
    return rule + line(header, frozenset()) + rule + body + rule


def peers(answer: str, version: int) -> list[Peer]:
    """The peers in BIRD's `show protocols`: the control socket's form, or what birdc prints.

    Sessions with local workloads are not shown, nor protocols that are down without an error
    (they have fewer than six columns). Raises BirdError for any other text.
    """
    found = (_peer(row, version) for row in _rows(answer))
    return [peer for peer in found if peer is not None]


def _rows(answer: str) -> list[str]:
    lines = answer.splitlines()
    return _socket_rows(lines) if _REPLY.match(answer) else _birdc_rows(lines)


def _socket_rows(lines: list[str]) -> list[str]:
    rows: list[str] = []
    for line in lines:
        code = line[:4]
        if code == "0000":
            break
        if code == "0001":
            continue
        if code == "2002":
            if line[5:].split() != _HEADINGS:
                raise BirdError("unknown BIRD table output format")
        elif code == "1002":
            rows.append(line[5:])
        elif line.startswith(" "):
            rows.append(line[1:])
        else:
            raise BirdError(f"unexpected output line from BIRD: '{line}'")
    return rows


def _birdc_rows(lines: list[str]) -> list[str]:
    for index, line in enumerate(lines):
        if line.split() == _HEADINGS:
            return lines[index + 1 :]
    raise BirdError("unknown BIRD table output format")


def _peer(row: str, version: int) -> Peer | None:
    columns = row.split()
    if len(columns) < 6 or columns[1] != "BGP":
        return None
    name = _PEER_NAME.match(columns[0])
    if name is None:
        return None
    # As calicoctl does it: a port in the name becomes a part of the address.
    address = name[2].replace("_", "." if version == 4 else ":")
    kind, error = _PEER_TYPES[name[1]], " ".join(columns[6:])
    return Peer(address, kind, columns[3], columns[4], columns[5], error)


def report(daemons: dict[int, Daemon]) -> str:
    """Standard output for a running node. `daemons` has the keys 4 and 6. Raises BirdError."""
    text = "Calico process is running.\n"
    if not any(daemon.running for daemon in daemons.values()):
        return text + "\nThe BGP backend process (BIRD) is not running.\n\n"
    for version, daemon in sorted(daemons.items()):
        text += "\n" + _family(version, daemon)
    return text + "\n"


def _family(version: int, daemon: Daemon) -> str:
    if not daemon.running:
        process = "bird" if version == 4 else "bird6"
        return f"INFO: BIRDv{version} process: '{process}' is not running.\n"
    title = f"IPv{version} BGP status\n"
    if daemon.failure:
        return title + daemon.failure  # calicoctl ends no line here
    found = peers(daemon.answer, version)
    if not found:
        return f"{title}No IPv{version} peers found.\n"
    rows = [[peer.address, peer.kind, peer.state, peer.since, peer.info] for peer in found]
    return title + table(["PEER ADDRESS", "PEER TYPE", "STATE", "SINCE", "INFO"], rows)


# --- the edge: a node's processes and sockets -----------------------------------------------


def ask(version: int, command: str, *, by_existence: bool = False) -> str:
    """BIRD's answer to `command`, as its control socket gives it (reply codes included).

    The second socket path counts where the first cannot be reached, or, `by_existence`, where it
    does not exist (the two programs of Calico differ in that). Raises BirdError.
    """
    paths: tuple[str, ...] = SOCKETS[version]
    if by_existence:
        paths = paths[:1] if Path(paths[0]).exists() else paths[1:]
    for path in paths:
        try:
            connection = _connect(path)
            break
        except OSError as error:
            reason = f"dial unix {path}: connect: {_go_error(error)}"
    else:
        raise BirdUnreachable(f"unable to connect to BIRDv{version} socket: {reason}")
    with connection:
        try:
            connection.sendall(command.encode() + b"\n")
            return _read(connection)
        except TimeoutError:
            raise BirdError(f"read unix @->{path}: i/o timeout") from None
        except OSError as error:
            raise BirdError(f"unable to write to BIRD socket: {_go_error(error)}") from None


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT_SECONDS)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _read(connection: socket.socket) -> str:
    """Up to the reply's last line: a code followed by a blank, after the greeting."""
    text = ""
    while True:
        block = connection.recv(65536)
        text += block.decode("utf-8", "replace")
        whole = text[: text.rfind("\n") + 1].splitlines()
        if not block or any(_END.match(line) for line in whole):
            return text


def _go_error(error: OSError) -> str:
    """Go prints errno texts in lower case."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def processes() -> list[list[str]]:
    """The argument vectors of every process in this PID namespace."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            argv = path.read_bytes().decode("utf-8", "replace").split("\0")[:-1]
        except OSError:
            continue  # it has ended meanwhile
        if argv:
            found.append(argv)
    return found


def _runs(name: str, running: list[list[str]]) -> bool:
    return any(Path(argv[0]).name == name for argv in running)


def _daemon(version: int, running: list[list[str]]) -> Daemon:
    if not _runs("bird" if version == 4 else "bird6", running):
        return Daemon(running=False)
    try:
        return Daemon(running=True, answer=ask(version, "show protocols"))
    except BirdUnreachable as error:
        return Daemon(running=True, failure=f"Error querying BIRD: {error}")


def node_status() -> int:
    """Print the status of the node that this process runs in; the exit status."""
    if os.geteuid() != 0:
        sys.stdout.write("Need super user privileges: Operation not permitted\n")
        return 1
    running = processes()
    if not any(not NODE_PROCESSES.isdisjoint(argv) for argv in running):
        sys.stderr.write("Calico process is not running.\n")
        return 1
    try:
        text = report({version: _daemon(version, running) for version in (4, 6)})
    except BirdError as error:
        sys.stderr.write(f"error executing command: {error}\n")
        return 1
    sys.stdout.write(text)
    return 0


def main(argv: list[str]) -> int:
    """What `calicoctl` does inside a node; the other verbs work on the host."""
    if argv[:2] == ["node", "status"] and set(argv[2:]) <= {"--allow-version-mismatch"}:
        return node_status()
    sys.stderr.write(
        f"calicoctl {' '.join(argv)}: inside a lab node only `calicoctl node status` works; "
        "on the host, run `labgen calicoctl --cluster CLUSTER ...` for everything else\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
