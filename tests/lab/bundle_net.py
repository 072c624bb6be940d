"""Namespaces, real daemons and recordings for make_bundles.py. Linux, root, frr, bird, tcpdump.

Everything lives in network namespaces whose names start with `diag-`; no interface of the host is
joined to them, so a lab address cannot leave. `Lab.close` ends every process this module started,
by process id, and deletes the namespaces.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

FRR = Path("/usr/lib/frr")
TOOLS = ("ip", "bird", "birdc", "vtysh", "tcpdump", "iptables", "nstat", "ss")


def missing_tools() -> list[str]:
    """What this machine lacks to record bundles; empty where it can."""
    lacking = [tool for tool in TOOLS if shutil.which(tool) is None]
    lacking += [] if (FRR / "bgpd").exists() else ["frr"]
    return lacking + ([] if os.geteuid() == 0 else ["root"])


def sh(*argv: str, check: bool = True, stdin: str | None = None) -> str:
    done = subprocess.run(argv, text=True, capture_output=True, input=stdin, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout + (done.stderr if not done.stdout else "")


def watch(seconds: float) -> None:
    """An observation window: evidence is what happens meanwhile, there is no state to wait for."""
    time.sleep(seconds)  # noqa: TID251 - a window of observation, not a wait for a state


@dataclass
class Node:
    name: str
    address: str
    lab: Lab
    processes: dict[str, int] = field(default_factory=dict)

    @property
    def netns(self) -> str:
        return f"diag-{self.name}"

    @property
    def work(self) -> Path:
        return self.lab.work / self.name

    def run(self, *argv: str, check: bool = True, stdin: str | None = None) -> str:
        return sh("ip", "netns", "exec", self.netns, *argv, check=check, stdin=stdin)

    def drop(self, *match: str, chain: str = "INPUT", target: str = "DROP") -> None:
        self.run("iptables", "-A", chain, *match, "-j", *target.split())

    def spawn(self, name: str, *argv: str) -> int:
        log = (self.work / f"{name}.out").open("w")
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.netns, *argv],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.lab.children.append(process)
        self.processes[name] = process.pid
        return process.pid

    def kill(self, name: str, sig: int = signal.SIGKILL) -> None:
        os.kill(self.processes.pop(name), sig)

    # BIRD -----------------------------------------------------------------------------------

    def bird(self, config: str, *options: str) -> None:
        (self.work / "bird.cfg").write_text(config)
        self.spawn(
            "bird",
            "bird",
            "-f",
            "-c",
            str(self.work / "bird.cfg"),
            "-s",
            str(self.work / "bird.ctl"),
            "-P",
            str(self.work / "bird.pid"),
            *options,
        )

    def birdc(self, command: str) -> str:
        return self.run("birdc", "-s", str(self.work / "bird.ctl"), *command.split(), check=False)

    # FRR ------------------------------------------------------------------------------------

    def frr(self, config: str, *, zebra: bool = True) -> None:
        space = self.netns
        for base in ("/var/run/frr", "/etc/frr"):
            Path(base, space).mkdir(parents=True, exist_ok=True)
            shutil.chown(Path(base, space), "frr", "frr")
        log = self.work / "bgpd.log"
        conf = self.work / "frr.conf"
        conf.write_text(f"hostname {self.name}\nlog file {log}\n{config}")
        conf.chmod(0o644)
        if zebra:
            plain = self.work / "zebra.conf"
            plain.write_text(f"hostname {self.name}\n")
            self.spawn("zebra", str(FRR / "zebra"), "-N", space, "-f", str(plain))
            self.until(lambda: Path("/var/run/frr", space, "zserv.api").exists())
        self.spawn("bgpd", str(FRR / "bgpd"), "-N", space, "-f", str(conf))
        self.until(lambda: Path("/var/run/frr", space, "bgpd.vty").exists())

    def vtysh(self, *commands: str) -> str:
        argv = [part for command in commands for part in ("-c", command)]
        return self.run("vtysh", "-N", self.netns, *argv, check=False)

    def until(self, done: object, seconds: float = 15) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if done():  # type: ignore[operator]
                return
            watch(0.05)
        raise RuntimeError(f"{self.name}: state not reached in {seconds} s")

    def established(self, peer: str, seconds: float = 20) -> None:
        self.until(
            lambda: (
                '"bgpState":"Established"'
                in self.vtysh(f"show bgp neighbors {peer} json").replace(" ", "")
            ),
            seconds,
        )


@dataclass
class Lab:
    """One scenario's namespaces. `record` writes what a person would have saved."""

    work: Path
    nodes: dict[str, Node] = field(default_factory=dict)
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)
    spaces: list[str] = field(default_factory=list)
    captures: list[Path] = field(default_factory=list)

    def space(self, name: str) -> str:
        sh("ip", "netns", "add", name)
        self.spaces.append(name)
        sh("ip", "-n", name, "link", "set", "lo", "up")
        return name

    def node(self, name: str, address: str) -> Node:
        self.space(f"diag-{name}")
        node = self.nodes[name] = Node(name, address.partition("/")[0], self)
        node.work.mkdir(parents=True)
        node.work.chmod(0o777)
        return node

    def lan(self, name: str, *members: tuple[str, str], mtu: int = 1500) -> str:
        """A segment: a bridge in its own namespace; each member gets `internal` with an address."""
        space = self.space(f"diag-{name}")
        sh("ip", "-n", space, "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        sh("ip", "-n", space, "link", "set", "br0", "up", "mtu", str(mtu))
        for index, (member, address) in enumerate(members):
            self.join(space, f"p{index}", member, name, address)
        return space

    def join(self, space: str, port: str, member: str, interface: str, address: str) -> None:
        target = f"diag-{member}"
        sh(
            "ip",
            "link",
            "add",
            port,
            "netns",
            space,
            "type",
            "veth",
            "peer",
            "name",
            interface,
            "netns",
            target,
        )
        sh("ip", "-n", space, "link", "set", port, "master", "br0", "up")
        sh("ip", "-n", target, "addr", "add", address, "dev", interface)
        sh("ip", "-n", target, "link", "set", interface, "up")

    def sniff(self, space: str, interface: str = "br0", name: str = "capture.pcap") -> None:
        path = self.work / name
        log = (self.work / f"{name}.err").open("w")
        self.children.append(
            subprocess.Popen(
                [
                    "ip",
                    "netns",
                    "exec",
                    space,
                    "tcpdump",
                    "-i",
                    interface,
                    "-U",
                    "-s",
                    "0",
                    "-Z",
                    "root",
                    "-w",
                    str(path),
                    "tcp or udp or icmp or arp or icmp6",
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        )
        deadline = time.monotonic() + 10
        while not (path.exists() and path.stat().st_size >= 24) and time.monotonic() < deadline:
            watch(0.02)
        self.captures.append(path)

    def close(self) -> None:
        for child in reversed(self.children):
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
        for child in self.children:
            try:
                child.wait(3)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(3)
        for space in self.spaces:
            sh("ip", "netns", "del", space, check=False)
            for base in ("/var/run/frr", "/etc/frr"):
                shutil.rmtree(Path(base, space), ignore_errors=True)
        self.spaces.clear()
