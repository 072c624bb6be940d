"""Two network namespaces, a Calico node with real BIRD in one, two BGP peers in the other.

The node n1 (10.0.0.1, AS 64512) runs what labgen renders. Its peers are `ext` (10.0.0.2, AS 65001)
and `int` (10.0.0.3, AS 64512); what n1 exports to either is read there. No address leaves the
namespaces.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from calico_given import config

from labgen.render.bird import adapt, bird_files

SECONDS = 15
# BIRD 1.6 tells incoming connections apart by the neighbor alone, so each peer is its own daemon.
PEERS = {
    "ext": """
router id 10.0.0.2;
listen bgp address 10.0.0.2;
protocol device { scan time 1; }
protocol static {
  route 172.30.0.0/16 blackhole; route 172.31.0.0/16 blackhole; route 172.29.0.0/16 blackhole;
}
protocol bgp node {
  import all; passive; multihop;
  local as 65001; source address 10.0.0.2; neighbor 10.0.0.1 as 64512;
  export filter {
    if source != RTS_STATIC then reject;
    if net = 172.30.0.0/16 then bgp_community.add((65001, 30));
    if net = 172.29.0.0/16 then { bgp_path.prepend(65009); bgp_large_community.add((65001, 2, 9)); }
    accept;
  };
}
""",
    "int": """
router id 10.0.0.3;
listen bgp address 10.0.0.3;
protocol device { scan time 1; }
protocol static { route 172.28.0.0/16 blackhole; }
protocol bgp node {
  import all; passive; multihop; next hop self;
  local as 64512; source address 10.0.0.3; neighbor 10.0.0.1 as 64512;
  export where source = RTS_STATIC;
}
""",
}
SETUP = """
ip link set lo up
ip link set eth0 up
ip addr add 10.0.0.1/24 dev eth0
ip link add vxlan.calico type veth peer name far
ip link set vxlan.calico up
ip link set far up
ip route add 77.0.0.0/16 dev eth0 proto 80 metric 1024
ip route add 77.0.1.0/24 dev eth0 proto 80 metric 1024
ip route add 77.0.2.0/28 dev eth0 proto 80 metric 1024
ip route add 78.0.0.0/16 dev eth0 proto 80 metric 512
ip route add 79.0.0.0/16 dev vxlan.calico proto 80 metric 1024
ip route add 192.168.0.5/32 dev eth0 proto 80 metric 1024
ip route add 192.168.0.6/32 dev eth0 proto 80 metric 512
"""


class Namespace:
    """A network namespace that lives as long as one sleeping process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(["unshare", "-n", "sleep", "600"])
        own = Path("/proc/self/ns/net").readlink()
        wait_until(lambda: Path(f"/proc/{self.process.pid}/ns/net").readlink() != own, "namespace")

    def argv(self, *argv: str) -> list[str]:
        return ["nsenter", "-t", str(self.process.pid), "-n", *argv]

    def run(self, *argv: str) -> str:
        done = subprocess.run(
            self.argv(*argv), capture_output=True, text=True, timeout=20, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout


def wait_until(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not ready():
        assert time.monotonic() < deadline, f"{what}: not within {SECONDS} s"
        threading.Event().wait(0.1)


@dataclass(frozen=True)
class Route:
    """What a peer received: path as text, communities sorted, LOCAL_PREF (None on eBGP)."""

    as_path: str
    communities: tuple[str, ...]
    local_pref: int | None


@dataclass
class Pair:
    """The two ends; `configure` gives n1 other resources, `received` reads what a peer has."""

    directory: Path
    node: Namespace = field(default_factory=Namespace)
    other: Namespace = field(default_factory=Namespace)
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *documents: str) -> None:
        self.node.run(
            "ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0",
            "netns", str(self.other.process.pid),
        )  # fmt: skip
        for line in SETUP.strip().splitlines():
            self.node.run(*line.split())
        for line in ("lo up", "eth0 up"):
            self.other.run("ip", "link", "set", *line.split())
        for address in ("10.0.0.2/24", "10.0.0.3/24"):
            self.other.run("ip", "addr", "add", address, "dev", "eth0")
        self.write(*documents)
        for name, text in PEERS.items():
            (self.directory / f"{name}.cfg").write_text(text)
            self.daemon(self.other, name)
        self.daemon(self.node, "bird")
        wait_until(lambda: self.protocols().count("Established") == 2, "both sessions")

    def write(self, *documents: str) -> None:
        files, _ = adapt(bird_files(config(*documents)))
        for name, text in files.items():
            (self.directory / name).write_text(text)

    def daemon(self, where: Namespace, name: str) -> None:
        socket = str(self.directory / f"{name}.ctl")
        argv = where.argv("bird", "-f", "-s", socket, "-c", str(self.directory / f"{name}.cfg"))
        with (self.directory / f"{name}.log").open("wb") as log:
            self.daemons.append(subprocess.Popen(argv, stdout=log, stderr=log))
        wait_until(lambda: Path(socket).exists(), name)

    def birdc(self, name: str, *command: str) -> str:
        argv = ["birdc", "-s", str(self.directory / f"{name}.ctl"), *command]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def protocols(self) -> str:
        """Both sessions as the peers see them."""
        return "".join(self.birdc(name, "show", "protocols", "node") for name in PEERS)

    def configure(self, *documents: str) -> None:
        """Give n1 another configuration and wait until it is what BIRD runs."""
        self.write(*documents)
        answer = self.birdc("bird", "configure")
        assert "Reconfigured" in answer or "Reconfiguration in progress" in answer, answer

    def received(self, session: str) -> dict[str, Route]:
        """What n1 exports to `ext` or `int`, by prefix."""
        text = self.birdc(session, "show", "route", "protocol", "node", "all")
        found: dict[str, Route] = {}
        for entry in re.split(r"\n(?=\d)", text):
            prefix = re.match(r"\d\S+/\d+", entry)
            if prefix:
                found[prefix[0]] = _route(entry)
        return found

    def expect(self, session: str, check: Callable[[dict[str, Route]], bool]) -> dict[str, Route]:
        """Wait until what a session received passes `check`; it is returned."""
        deadline = time.monotonic() + SECONDS
        while True:
            found = self.received(session)
            if check(found):
                return found
            assert time.monotonic() < deadline, f"{session} has {found}"
            threading.Event().wait(0.2)

    def stop(self) -> None:
        for process in (*self.daemons, self.node.process, self.other.process):
            process.terminate()
        for process in (*self.daemons, self.node.process, self.other.process):
            process.wait(timeout=10)


def _route(entry: str) -> Route:
    def attribute(name: str) -> str:
        match = re.search(rf"BGP\.{name}: (.*)", entry)
        return match[1].strip() if match else ""

    communities = f"{attribute('community')} {attribute('large_community')}"
    preference = attribute("local_pref")
    return Route(
        as_path=attribute("as_path"),
        communities=tuple(sorted(re.findall(r"\([^)]*\)", communities))),
        local_pref=int(preference) if preference else None,
    )


def missing() -> str | None:
    """Why this machine cannot run a pair, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root here"
    for program in ("bird", "birdc", "unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"{program} is not installed here"
    made = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return None if made.returncode == 0 else "this host allows no network namespace"
