"""Record one evidence bundle for each fault of the gallery, with real daemons in namespaces.

    sudo .venv/bin/python tests/lab/make_bundles.py [NAME ...]

Writes tests/data/bundles/<name>/: a capture, the daemons' logs, and the outputs a person would
have saved. Takes about ten minutes for all. Lab addresses exist only inside the namespaces.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import bundle_changes  # noqa: F401 - registers its scenarios
import bundle_healthy  # noqa: F401 - registers its scenarios
from bundle_net import Lab, Node, missing_tools
from bundle_scenarios import SCENARIOS

DATA = Path(__file__).parents[1] / "data" / "bundles"
VTYSH = (
    "show ip bgp summary",
    "show ip bgp neighbors",
    "show ip bgp",
    "show ip bgp nexthop",
    "show ip route",
    "show running-config",
)
JSON = ("show ip bgp summary json", "show bgp neighbors json", "show ip bgp json")
BIRDC = ("show status", "show protocols all", "show route all")
KERNEL = (
    (
        "nstat",
        "-az",
        "TcpExtTCPMD5*",
        "TcpExtTCPMinTTLDrop",
        "TcpExtIPReversePathFilter",
        "TcpOutRsts",
        "TcpRetransSegs",
        "TcpExtTCPTimeouts",
        "TcpExtListenDrops",
    ),
    ("ss", "-ltnp"),
    ("ss", "-tin"),
    ("ip", "route"),
    ("ip", "neigh"),
)


def save_bird(node: Node, target: Path) -> None:
    parts = [f"{node.name}# birdc {c}\n{node.birdc(c)}" for c in BIRDC]
    protocols = [
        line.split()[0] for line in node.birdc("show protocols").splitlines() if " BGP " in line
    ]
    for name in protocols:
        command = f"show route noexport {name}"
        parts.append(f"{node.name}# birdc {command}\n{node.birdc(command)}")
    (target / f"{node.name}.birdc.txt").write_text("\n".join(parts))
    shutil.copy(node.work / "bird.cfg", target / f"{node.name}.bird.cfg")


def save_frr(node: Node, target: Path) -> None:
    parts = [f"{node.name}# {c}\n{node.vtysh(c)}" for c in VTYSH]
    (target / f"{node.name}.vtysh.txt").write_text("\n".join(parts))
    for command in JSON:
        name = command.replace(" ", "-").removesuffix("-json")
        (target / f"{node.name}.{name}.json").write_text(node.vtysh(command))


def save_node(node: Node, target: Path) -> None:
    for log, kind in (("bird.log", "bird.log"), ("bgpd.log", "bgpd.log")):
        if (node.work / log).exists():
            shutil.copy(node.work / log, target / f"{node.name}.{kind}")
    if (node.work / "bird.cfg").exists():
        save_bird(node, target)
    if (node.work / "frr.conf").exists():
        save_frr(node, target)
    parts = [f"{node.name}# {' '.join(a)}\n{node.run(*a, check=False)}" for a in KERNEL]
    (target / f"{node.name}.kernel.txt").write_text("\n".join(parts))


def record(name: str, target: Path) -> None:
    """Run one scenario and write its bundle; the namespaces are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="diag-", ignore_cleanup_errors=True) as work:
        Path(work).chmod(0o777)
        lab = Lab(Path(work))
        try:
            SCENARIOS[name](lab)
            shutil.rmtree(target, ignore_errors=True)
            target.mkdir(parents=True)
            for node in lab.nodes.values():
                save_node(node, target)
        finally:
            lab.close()
        for capture in lab.captures:
            shutil.copy(capture, target / capture.name)
        for path in target.glob("*"):
            path.chmod(0o644)
            if path.stat().st_size == 0:
                path.unlink()


def main(names: list[str]) -> int:
    lacking = missing_tools()
    if lacking:
        print(f"skipped: this machine lacks {', '.join(lacking)}", file=sys.stderr)
        return 0
    for name in names or SCENARIOS:
        record(name, DATA / name)
        print(name, sum(p.stat().st_size for p in (DATA / name).glob("*")), "octets", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
