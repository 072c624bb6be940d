"""Traffic through the stand-in's virtual server against the same nftables set up by hand.

Both run the same traffic on the same containers and links of bench/vip/lab.yaml. One is what
`labgen deploy` makes; the other are bare containers whose addresses, routes and DNAT rules are
typed here. Alternating; medians, and the median of the pairs' ratios, of one run. Then members fail
under load: one whose process ends, and one that falls silent.

    python bench/vip.py [ROUNDS]
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from labgen.lab import files, naming, running
from labgen.lab.attach import attached
from labgen.lab.destroy import destroy
from labgen.lab.project import Project, open_project
from labgen.lab.wait import wait_until
from labgen.runtime import wiring
from labgen.runtime.docker import DockerRuntime
from labgen.runtime.protocol import Commands
from labgen.runtime.wirer import Wirer

HERE = Path(__file__).parent
TRAFFIC = (HERE / "vip" / "traffic.py").read_text()
FLOOR = 0.60
SECONDS = 2.0  # of one measurement
VIRTUAL, PORT = "10.99.99.100", 80
PODS = {"web-1": "192.168.180.10", "web-2": "192.168.127.10"}
INTERVAL, TIMEOUT = 1.0, 4.0  # of the monitor in bench/vip/bigip.tmsh
STEADY = 50
REACTION = 0.1  # seconds: one probe of the client's own, and the loading of a rule

# Everything that the path needs, as one would type it.
BY_HAND = {
    "bigip": """\
ip addr add 10.1.20.5/24 dev eth1; ip link set eth1 up
ip addr add 10.1.10.5/24 dev eth2; ip link set eth2 up
ip route add 192.168.180.0/26 via 10.1.20.21; ip route add 192.168.127.0/26 via 10.1.20.22
nft 'table ip byhand {
 chain pre { type nat hook prerouting priority dstnat;
  ip daddr 10.99.99.100 tcp dport 80 dnat ip to numgen inc mod 2 map {
   0 : 192.168.180.10 . 5001, 1 : 192.168.127.10 . 5001 }
 }
 chain post { type nat hook postrouting priority srcnat; oifname eth1 masquerade; }
}'
""",
    "client": """\
ip addr add 10.1.10.100/24 dev eth1; ip link set eth1 up
ip route add 10.99.99.100/32 via 10.1.10.5
""",
    **{
        f"node{n}": f"""\
ip addr add 10.1.20.2{n}/24 dev eth1; ip link set eth1 up
for i in $(ls /sys/class/net); do case $i in lo|eth1) ;; *)
 ip link set $i up; ip addr add 169.254.1.1/32 dev $i; ip route add {address}/32 dev $i;; esac
done
"""
        for n, address in enumerate(PODS.values(), 1)
    },
    **{
        pod: f"""\
ip addr add {address}/32 dev eth0; ip link set eth0 up
ip route add 169.254.1.1 dev eth0 scope link; ip route add default via 169.254.1.1
"""
        for pod, address in PODS.items()
    },
}


@dataclass(frozen=True)
class Rates:
    """`bulk` in octets per second, `requests` in connections per second."""

    bulk: float
    requests: float


def copied(root: Path, name: str) -> Project:
    """The bench's lab under a name of its own."""
    target = root / name
    shutil.copytree(HERE / "vip", target)
    spec = target / "lab.yaml"
    spec.write_text(spec.read_text().replace("name: bench-vip", f"name: {name}", 1))
    return open_project(spec)


@contextmanager
def by_hand(runtime: DockerRuntime, project: Project) -> Iterator[Commands]:
    """The lab's containers and links with nothing in them but what `BY_HAND` types."""
    plan, place = project.plan, naming.Place(project.name, project.topology_file)
    files.write_all(project.directory, {project.topology_file.name: b""})
    common = naming.lab_labels(place, plan_digest="", deployment="by-hand")

    def one(spec: naming.ContainerSpec) -> int:
        bare = replace(spec, entrypoint=("sleep", "3600"), binds=())
        return runtime.start(runtime.create(bare))

    specs = [naming.container_spec(place, plan, node, common) for node in plan.nodes]
    try:
        with ThreadPoolExecutor(4) as pool:
            pids = dict(zip((n.name for n in plan.nodes), pool.map(one, specs), strict=True))
        wirer = Wirer(runtime, project.name, common, {"SYS_ADMIN"})
        wirer.wire(wiring.batches(plan, pids, plan.links, plan.bridges))
        wirer.close()
        commands = running.EngineCommands(runtime, running.find(runtime, project.name))
        for node, typed in BY_HAND.items():
            commands.run(node, ("sh", "-ec", typed)).check()
        yield commands
    finally:
        destroy(project.name, runtime=runtime, directory=place.directory, cleanup=True)


@contextmanager
def by_labgen(runtime: DockerRuntime, project: Project) -> Iterator[Commands]:
    """The lab as `labgen deploy` makes it."""
    try:
        with attached(str(project.loaded.path), runtime):
            yield running.EngineCommands(runtime, running.find(runtime, project.name))
    finally:
        destroy(project.name, runtime=runtime, directory=project.lab_directory, cleanup=True)


def start_servers(commands: Commands, pods: tuple[str, ...] = tuple(PODS)) -> None:
    for pod in pods:
        script = "cat > /tmp/traffic.py; setsid python3 /tmp/traffic.py serve >/tmp/said 2>&1 &"
        commands.run(pod, ("sh", "-c", script), stdin=TRAFFIC).check()
        wait_until(
            lambda pod=pod: commands.run(pod, ("cat", "/tmp/said")).stdout,
            lambda said: "serving" in said, deadline=10, what=f"{pod}'s server", interval=0.1,
        )  # fmt: skip


def client(commands: Commands, verb: str, seconds: float, address: str = VIRTUAL) -> str:
    argv = ("python3", "-", verb, address, str(PORT), str(seconds))
    return commands.run("client", argv, stdin=TRAFFIC, timeout=seconds + 30).check().stdout


def measured(commands: Commands) -> Rates:
    return Rates(*(float(client(commands, verb, SECONDS)) for verb in ("bulk", "requests")))


def wait_members(commands: Commands) -> None:
    """Until the stand-in's monitor has every member up: one that is down is not missed."""
    wait_until(
        lambda: json.loads(commands.run("bigip", ("cat", "/run/labgen/ltm.json")).check().stdout),
        lambda seen: all(member["up"] for member in seen["pools"]["web"]),
        deadline=30, what="the pool's members", interval=0.05,
    )  # fmt: skip
    wait_served(commands)


def wait_served(commands: Commands) -> None:
    """Until the virtual server answers: sixteen requests in a row, from whatever members are up."""

    def all_good() -> bool:
        seen = json.loads(client(commands, "watch", 0.2))
        return len(seen) >= 16 and all(good for _, _, good in seen)

    wait_until(all_good, bool, deadline=30, what="the virtual server", interval=0.2)


def failure_seconds(commands: Commands, argv: tuple[str, ...], watched: float) -> float:
    """How long requests failed after a command in web-2 took the member away."""
    seen: list[str] = []
    watcher = threading.Thread(target=lambda: seen.append(client(commands, "watch", watched)))
    watcher.start()
    wait_until(
        lambda: commands.run("client", ("pgrep", "-f", "watch")).code, lambda code: code == 0,
        deadline=10, what="the watching client", interval=0.05,
    )  # fmt: skip
    commands.run("web-2", argv).check()
    watcher.join()
    return outage(json.loads(seen[0]))


def outage(requests: list[tuple[float, float, bool]]) -> float:
    """From the first request that failed to the last before `STEADY` good ones in a row.

    No request takes a port that an earlier one left half open (bench/vip/traffic.py): connection
    tracking would send it to the member that is gone, which says nothing about the pool.
    """
    first, last, good_ones = None, 0.0, 0
    for start, _, good in requests:
        if not good:
            first, last, good_ones = start if first is None else first, start, 0
        elif first is not None and (good_ones := good_ones + 1) == STEADY:
            return last - first
    raise SystemExit("vip: the member's failure was not seen, or never ended")


def failures(commands: Commands, rounds: int) -> tuple[list[float], float]:
    """Seconds that a member whose process ends costs, per round; and one that falls silent."""
    refused = []
    for _ in range(rounds):
        wait_members(commands)
        refused.append(failure_seconds(commands, ("pkill", "-f", "traffic.py"), 2 * INTERVAL + 2))
        start_servers(commands, ("web-2",))
    wait_members(commands)
    silent = failure_seconds(commands, ("ip", "link", "set", "eth0", "down"), TIMEOUT + 4)
    return refused, silent


def report(hand: list[Rates], lab: list[Rates]) -> bool:
    """Print both and their ratios; whether each reaches the floor."""
    good = True
    for what, unit, scale in (("bulk", "MB/s", 1e6), ("requests", "/s", 1.0)):
        a, b = ([getattr(r, what) / scale for r in rates] for rates in (hand, lab))
        ratio = statistics.median(y / x for x, y in zip(a, b, strict=True))  # of each pair
        print(f"  {what:<9} by hand {statistics.median(a):8.1f} {unit:<5} "
              f"labgen {statistics.median(b):8.1f} {unit:<5} ratio {ratio:4.2f}   "
              f"at least {FLOOR}")  # fmt: skip
        good &= ratio >= FLOOR
    return good


def main(rounds: int) -> int:
    """Print everything; 1 when a ratio or a member's failure misses its limit."""
    runtime = DockerRuntime()
    with tempfile.TemporaryDirectory(prefix="labgen-bench-") as directory:
        bare, project = (copied(Path(directory), f"bench-vip-{n}") for n in ("hand", "lab"))
        runtime.ensure_images([node.image for node in project.plan.nodes], print)
        with by_hand(runtime, bare) as hand, by_labgen(runtime, project) as lab:
            for commands in (hand, lab):
                start_servers(commands)
                wait_served(commands)
            pairs = [(measured(hand), measured(lab)) for _ in range(rounds)]
            refused, silent = failures(lab, 3)
    runtime.close()
    print(f"vip: one virtual server, two members, median of {rounds}")
    good = report([h for h, _ in pairs], [b for _, b in pairs])
    worst = max(refused)
    each = " ".join(f"{seconds:.2f}" for seconds in refused)
    print(f"  member's process ends   {worst:5.2f} s   the monitor's interval is {INTERVAL:.0f} s; "
          f"{each}")  # fmt: skip
    print(f"  member falls silent     {silent:5.2f} s   the monitor's timeout is {TIMEOUT:.0f} s")
    good &= worst <= INTERVAL + REACTION and silent <= TIMEOUT + INTERVAL
    return int(not good)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
