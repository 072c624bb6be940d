"""How far `labgen deploy` is from the floor that the engine and the kernel set.

The floor: the same containers, created and started by the bare SDK with eight workers, and the
same links in one batch. The deploy: the whole process `labgen deploy`, from its start until every
session is Established and every block is in every kernel. Both in one run, alternating, medians.

The wiring container counts for both: through the engine alone, nobody makes a link without one.

    python bench/deploy.py [ROUNDS]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from labgen.lab import files, naming
from labgen.lab.destroy import destroy
from labgen.lab.project import Project, open_project
from labgen.runtime import wiring
from labgen.runtime.docker import DockerRuntime
from labgen.runtime.wirer import Wirer

ROOT = Path(__file__).parents[1]
WORKERS = 8
LIMIT = 2.5


def copied(root: Path, name: str) -> Path:
    """The guide's lab under another name, so that a running one is left alone."""
    target = root / name / "topologies" / "bigip-calico"
    ignore = shutil.ignore_patterns("clab-*", "*.clab.yml")
    shutil.copytree(ROOT / "topologies" / "bigip-calico", target, ignore=ignore)
    shutil.copytree(ROOT / "frr-configs", root / name / "frr-configs")
    spec = target / "lab.yaml"
    spec.write_text(spec.read_text().replace("name: bigip-calico", f"name: {name}", 1))
    return spec


def deploy_seconds(runtime: DockerRuntime, spec: Path, name: str) -> float:
    """The command as a user runs it, to its last word."""
    argv = [sys.executable, "-m", "labgen", "deploy", str(spec)]
    began = time.monotonic()
    subprocess.run(argv, check=True, capture_output=True)
    seconds = time.monotonic() - began
    destroy(name, runtime=runtime, cleanup=True)
    return seconds


def floor_seconds(runtime: DockerRuntime, project: Project) -> float:
    """Bare containers and links; no files, no checks, no waiting."""
    plan, place = project.plan, naming.Place(project.name, project.topology_file)
    files.write_all(project.directory, project.artefacts)
    common = naming.lab_labels(place, plan_digest="", deployment="floor")
    specs = [naming.container_spec(place, plan, node, common) for node in plan.nodes]

    def one(spec: object) -> int:
        return runtime.start(runtime.create(spec))  # type: ignore[arg-type]

    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        made = pool.submit(Wirer, runtime, project.name, common, {"SYS_ADMIN"})
        pids = dict(zip((n.name for n in plan.nodes), pool.map(one, specs), strict=True))
    wirer = made.result()
    wirer.wire(wiring.batches(plan, pids, plan.links, plan.bridges))
    seconds = time.monotonic() - began
    wirer.close()
    destroy(project.name, runtime=runtime, directory=place.directory, cleanup=True)
    return seconds


def main(rounds: int) -> int:
    """Print both and their ratio; 1 when the ratio is above the limit."""
    runtime = DockerRuntime()
    floors, deploys = [], []
    with tempfile.TemporaryDirectory(prefix="labgen-bench-") as directory:
        project = open_project(copied(Path(directory), "bench-floor"))
        spec = copied(Path(directory), "bench-deploy")
        runtime.ensure_images([node.image for node in project.plan.nodes], print)
        for _ in range(rounds):
            floors.append(floor_seconds(runtime, project))
            deploys.append(deploy_seconds(runtime, spec, "bench-deploy"))
    floor, deploy = sorted(floors)[rounds // 2], sorted(deploys)[rounds // 2]
    nodes, links = len(project.plan.nodes), len(project.plan.links)
    print(f"deploy: {nodes} containers, {links} links, median of {rounds}")
    print(f"  floor   {floor:5.2f} s   {' '.join(f'{value:.2f}' for value in floors)}")
    print(f"  deploy  {deploy:5.2f} s   {' '.join(f'{value:.2f}' for value in deploys)}")
    print(f"  ratio   {deploy / floor:5.2f}     at most {LIMIT}")
    runtime.close()
    return int(deploy / floor > LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
