"""How far a deploy is from the floor that the engine and the kernel set.

The floor: the same containers, created and started by the bare SDK with eight workers, and the
same links in one `ip -batch` run per namespace. The deploy: a whole process, from its start to
every block in every kernel. Both in one run, alternating; the best of each is compared.

The wiring container counts for both: through the engine alone, nobody makes a link without one.

    python bench/deploy.py [ROUNDS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests/lab/runtime"))

import sample  # noqa: E402 -- a lab made by hand, shared with the runtime's tests

from labgen.lab import files, naming  # noqa: E402
from labgen.lab.destroy import destroy  # noqa: E402
from labgen.runtime import wiring  # noqa: E402
from labgen.runtime.docker import DockerRuntime  # noqa: E402
from labgen.runtime.wirer import Wirer  # noqa: E402

WORKERS = 8
LIMIT = 2.5

DEPLOY = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import sample
from conftest import until_routes
from labgen.lab.deploy import deploy
from labgen.runtime.docker import DockerRuntime
root = Path({root!r})
deploy(sample.plan({name!r}), sample.artefacts({name!r}), root,
       topology_file=root / "{name}.clab.yml", runtime=DockerRuntime(), wait=until_routes)
"""


def deploy_seconds(runtime: DockerRuntime, root: Path) -> float:
    """A deploy in a process of its own, to the last route."""
    name = "rt-bench"
    code = DEPLOY.format(tests=str(ROOT / "tests/lab/runtime"), root=str(root), name=name)
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    seconds = time.monotonic() - began
    destroy(name, runtime=runtime, cleanup=True)
    return seconds


def floor_seconds(runtime: DockerRuntime, root: Path) -> float:
    """Bare containers and links; no files, no checks, no waiting."""
    name = "rt-floor"
    plan = sample.plan(name)
    place = naming.Place(name, root / f"{name}.clab.yml")
    place.directory.mkdir()
    files.write_all(root, sample.artefacts(name), place.directory)
    common = naming.lab_labels(place, plan_digest="", deployment="floor")
    specs = [naming.container_spec(place, plan, node, common) for node in plan.nodes]
    api = runtime.api

    def one(spec: object) -> int:
        identifier = runtime.create(spec)  # type: ignore[arg-type]
        api.start(identifier)
        return int(api.inspect_container(identifier)["State"]["Pid"])

    began = time.monotonic()
    with ThreadPoolExecutor(WORKERS) as pool:
        made = pool.submit(Wirer, runtime, name, common, {"SYS_ADMIN"})
        pids = dict(zip((n.name for n in plan.nodes), pool.map(one, specs), strict=True))
    wirer = made.result()
    wirer.wire(wiring.batches(plan, pids, plan.links, plan.bridges))
    seconds = time.monotonic() - began
    wirer.close()
    destroy(name, runtime=runtime, directory=place.directory, cleanup=True)
    return seconds


def main(rounds: int) -> int:
    """Print both and their ratio; exit 1 when the ratio is above the limit."""
    runtime = DockerRuntime()
    plan = sample.plan("rt-bench")
    runtime.ensure_images([node.image for node in plan.nodes], print)
    floors, deploys = [], []
    with tempfile.TemporaryDirectory(prefix="labgen-bench-") as directory:
        for _ in range(rounds):
            floors.append(floor_seconds(runtime, Path(directory)))
            deploys.append(deploy_seconds(runtime, Path(directory)))
    floor, deploy = sorted(floors)[rounds // 2], sorted(deploys)[rounds // 2]
    print(f"{len(plan.nodes)} containers, {len(plan.links)} links, median of {rounds}")
    print(f"floor   {floor:5.2f} s   {' '.join(f'{value:.2f}' for value in floors)}")
    print(f"deploy  {deploy:5.2f} s   {' '.join(f'{value:.2f}' for value in deploys)}")
    print(f"ratio   {deploy / floor:5.2f}     at most {LIMIT}")
    return int(deploy / floor > LIMIT)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 5))
