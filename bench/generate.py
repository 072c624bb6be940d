"""How fast `labgen generate` is: the guide's lab, 100 nodes, and netlab beside them.

Whole processes, medians, in one run. netlab (PyPI `networklab`) is installed into a temporary
virtual environment; where that fails its row says so.

    python bench/generate.py [ROUNDS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
NODES = 100
SPEC = """name: hundred
segments:
  internal: {{subnet: 10.1.16.0/21}}
clusters:
  k8s:
    resources: [calico]
    nodes:
{nodes}
routers:
  bigip-1:
    kind: bigip
    config: bigip-1.imish
    interfaces:
      "1.1": {{segment: internal, vlan: internal, address: 10.1.16.5, allow_service: ["tcp:179"]}}
"""
AFFINITY = """---
apiVersion: crd.projectcalico.org/v1
kind: BlockAffinity
metadata: {{name: node-{i:03d}-block}}
spec: {{cidr: 192.168.{i}.0/26, node: node-{i:03d}, state: confirmed, deleted: "false"}}
"""


def address(i: int) -> str:
    return f"10.1.{17 + i // 200}.{1 + i % 200}"


def hundred(root: Path) -> Path:
    """The guide's lab with 100 nodes: full mesh, one BIG-IP that peers with all of them."""
    source = ROOT / "topologies" / "bigip-calico" / "calico"
    (root / "calico").mkdir(parents=True)
    for name in ("bgp-configuration.yaml", "ippool.yaml"):
        (root / "calico" / name).write_text((source / name).read_text())
    peer = (source / "bgp-peer.yaml").read_text().replace("10.1.20.5", "10.1.16.5")
    (root / "calico" / "bgp-peer.yaml").write_text(peer)
    blocks = "".join(AFFINITY.format(i=i) for i in range(NODES))
    (root / "calico" / "block-affinities.yaml").write_text(blocks)
    rows = (f"      node-{i:03d}: {{segment: internal, address: {address(i)}}}"
            for i in range(NODES))  # fmt: skip
    (root / "lab.yaml").write_text(SPEC.format(nodes="\n".join(rows)))
    lines = ["router bgp 64512", "neighbor calico-k8s peer-group",
             "neighbor calico-k8s remote-as 64512"]  # fmt: skip
    lines += [f"neighbor {address(i)} peer-group calico-k8s" for i in range(NODES)]
    (root / "bigip-1.imish").write_text("\n".join(lines) + "\n")
    return root


def netlab_topology(root: Path) -> Path:
    """The same shape for netlab: one LAN, iBGP among 101 FRR nodes."""
    root.mkdir()
    names = [f"n{i}" for i in range(NODES + 1)]
    nodes = "".join(f"  {name}:\n" for name in names)
    text = (
        "provider: clab\ndefaults.device: frr\nmodule: [ bgp ]\nbgp.as: 64512\n"
        f"nodes:\n{nodes}links:\n- prefix:\n    ipv4: 10.1.16.0/21\n{nodes}"
    )
    (root / "topology.yml").write_text(text)
    return root


def median(argv: list[str], rounds: int, cwd: Path | None = None) -> float:
    times = []
    for _ in range(rounds):
        began = time.monotonic()
        subprocess.run(argv, check=True, capture_output=True, cwd=cwd)
        times.append(time.monotonic() - began)
    return sorted(times)[rounds // 2]


def install_netlab(root: Path) -> Path | None:
    venv.create(root, with_pip=True)
    argv = [str(root / "bin" / "pip"), "install", "--quiet", "networklab"]
    done = subprocess.run(argv, check=False, capture_output=True)
    return root / "bin" / "netlab" if done.returncode == 0 else None


def main(rounds: int) -> int:
    """Print the three and the ratio; 1 when a limit is missed."""
    with tempfile.TemporaryDirectory(prefix="labgen-bench-") as directory:
        root = Path(directory)
        labgen = [sys.executable, "-m", "labgen", "generate"]
        out = ["--output", str(root / "out")]
        guide = median([*labgen, str(ROOT / "topologies/bigip-calico"), *out], rounds)
        many = median([*labgen, str(hundred(root / "hundred")), *out], rounds)
        print(f"generate: whole processes, median of {rounds}")
        print(f"  guide's lab     {guide:5.2f} s   at most 0.70")
        print(f"  {NODES} nodes       {many:5.2f} s   at most 1.50")
        missed = guide > 0.7 or many > 1.5
        netlab = install_netlab(root / "venv")
        if netlab is None:
            print("  netlab          not measured: networklab cannot be installed here")
            return int(missed)
        where = netlab_topology(root / "netlab")
        other = median([str(netlab), "create"], max(1, rounds // 2), cwd=where)
        print(f"  netlab create   {other:5.2f} s   {other / many:.1f} times as long, at least 8")
        return int(missed or other / many < 8)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
