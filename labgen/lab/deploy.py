"""Bring a planned lab up: files, images, containers, links, readiness. All of it or nothing."""

from __future__ import annotations

import contextlib
import datetime as dt
import getpass
import os
import secrets
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labgen import images
from labgen.capture import sniffing
from labgen.errors import HostError, LabError, LabgenError
from labgen.lab import content_files, files, naming
from labgen.lab.destroy import remove_containers
from labgen.lab.lock import locked, refuse_rehearsed
from labgen.lab.progress import Event, Step, silent
from labgen.plan import Role
from labgen.runtime import wiring
from labgen.runtime.wirer import NamespaceCommands, Wirer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from labgen.lab.progress import Progress
    from labgen.plan import LabPlan, LinkPlan, NodePlan
    from labgen.runtime.protocol import Commands, Container, Runtime

    Wait = Callable[[Commands], None]

WORKERS = 8
READY_SECONDS = 60.0
LOG_LINES = 3
_WAVES = ((Role.SEGMENT, Role.CALICO_NODE), (Role.BIGIP, Role.ROUTER), (Role.POD,))


@dataclass(frozen=True, slots=True)
class Deployment:
    """A lab that runs. `changed` is False when an equal one ran already."""

    lab: str
    directory: Path
    topology_file: Path
    containers: Mapping[str, str]
    changed: bool


def deploy(
    plan: LabPlan,
    artefacts: Mapping[str, bytes],
    directory: Path,
    *,
    topology_file: Path,
    runtime: Runtime,
    wait: Wait | None = None,
    progress: Progress = silent,
    reconfigure: bool = False,
) -> Deployment:
    """Deploy a lab, or leave an equal running one alone.

    `directory` holds the topology file; the keys of `artefacts` and the sources of binds are
    relative to it. `wait` is called when every node is ready, with a cheap way to run commands;
    what it raises is passed on, and the lab keeps running for whoever wants to look. Everything
    else that goes wrong, Ctrl-C included, first removes what this call made.

    Raises InputError (an image that cannot be had), HostError, and LabError with the node, the
    reason and the node's last log lines. A lab of this name that runs elsewhere, or differently,
    is an error; `reconfigure` replaces the latter.
    """
    _require_containers(plan)
    place = naming.Place(plan.name, directory.resolve() / topology_file.name, _owner())
    work = _Deploy(plan, artefacts, place, runtime, progress)
    refuse_rehearsed(place.directory)
    refused = work.elsewhere(work.existing())  # before anything is written or built
    if refused is not None:
        raise refused
    runtime.ensure_images(
        [node.image for node in plan.nodes] + [images.reference("segment")],
        lambda text: progress(Event(Step.IMAGE, text)),
    )
    with files.made(place.directory) as made, locked(place.directory, f"deploy of {plan.name}"):
        return work.run(wait, reconfigure=reconfigure, stands=made.keep)


def _require_containers(plan: LabPlan) -> None:
    """labgen's nodes are unprivileged containers; a machine that boots is containerlab's to run."""
    machine = next((node for node in plan.nodes if node.kind != "linux"), None)
    if machine is None:
        return
    lacking = "" if Path("/dev/kvm").exists() else "; this host has no /dev/kvm either"
    raise HostError(
        f"node {machine.name} is a virtual machine ({machine.kind}, image {machine.image}), which "
        f"labgen does not run{lacking}",
        hint=f"`labgen generate`, then `containerlab deploy -t {plan.name}.clab.yml` on a host "
        "with KVM and that image; `labgen verify` judges that lab too",
    )


def _owner() -> str:
    with contextlib.suppress(OSError, KeyError):
        return os.environ.get("SUDO_USER") or getpass.getuser()
    return str(os.getuid())


class _Deploy:
    """One deploy: its inputs, and what it has brought up so far."""

    def __init__(
        self,
        plan: LabPlan,
        artefacts: Mapping[str, bytes],
        place: naming.Place,
        runtime: Runtime,
        progress: Progress,
    ) -> None:
        self.plan, self.artefacts, self.place = plan, artefacts, place
        self.runtime, self.progress = runtime, progress
        self.digest = naming.digest(plan, artefacts)
        self.deployment = secrets.token_hex(8)
        self.common = naming.lab_labels(place, plan_digest=self.digest, deployment=self.deployment)
        self.pids: dict[str, int] = {}
        self.wired: set[LinkPlan] = set()
        self.bridged = False
        self.new_files: tuple[Path, ...] = ()

    def existing(self) -> tuple[Container, ...]:
        """The lab's nodes as they are now, whoever made them, left-overs of a kill included."""
        return self.runtime.containers({"containerlab": self.plan.name})

    def elsewhere(self, there: Sequence[Container]) -> LabError | None:
        """A lab of this name that stands at another place: never ours to touch."""
        name = self.plan.name
        for container in there:
            topology = container.labels.get("clab-topo-file", str(self.place.topology_file))
            if topology != str(self.place.topology_file):
                return LabError(
                    f"a lab named {name} runs already, from {topology}",
                    hint=f"`labgen destroy {name}` removes it, or give this one another name",
                )
        return None

    def different(self, there: Sequence[Container]) -> LabError:
        """A lab of this name and place that is not the one to deploy."""
        name, total = self.plan.name, len(self.plan.nodes)
        running = sum(container.running for container in there)
        what = (
            f"is only partly there ({running} of {total} nodes run)"
            if running < total
            else "runs with another configuration"
        )
        return LabError(
            f"lab {name} {what}", hint="`--reconfigure` replaces it, `labgen destroy` removes it"
        )

    def is_running(self, there: Sequence[Container]) -> bool:
        """Every node runs, from this very plan and these very artefacts.

        Nodes and pods that came and went by a change of the running lab do not matter here.
        """
        nodes = {c.labels.get(naming.NODE) for c in there if c.running}
        same = all(c.labels.get(naming.PLAN) == self.digest for c in there)
        if same and there and content_files.exists(self.place.directory):
            return len(nodes) == len(there)
        return same and nodes == {node.name for node in self.plan.nodes}

    def run(
        self, wait: Wait | None, *, reconfigure: bool, stands: Callable[[], None]
    ) -> Deployment:
        """Under the lock: look once more, then act. Calls `stands` once the lab is up: what comes
        after (the wait) may fail, and the lab with its captures stays to be looked at.
        """
        there = self.existing()
        refused = self.elsewhere(there)
        if refused is not None:
            raise refused
        if self.is_running(there):
            self.progress(Event(Step.UNCHANGED, f"lab {self.plan.name} runs already, unchanged"))
            return self._result(changed=False)
        if there and not reconfigure:
            raise self.different(there)
        if there:
            remove_containers(self.runtime, there)
        files.remove_temporaries(self.place.directory)
        content_files.forget(self.place.directory)
        sniffing.forget(self.place.directory)
        try:
            place = self.place
            self.new_files = files.write_all(place.root, self.artefacts, place.directory)
            self._make_bind_sources()
            wirer = self._bring_up()
        except BaseException:
            self._roll_back()
            raise
        stands()
        try:
            self._write_state()
            if wait is not None:
                self.progress(Event(Step.WAITING, "waiting for the lab's state"))
                self._wait(wait, wirer)
        finally:
            wirer.close()
        return self._result(changed=True)

    def _result(self, *, changed: bool) -> Deployment:
        containers = {node.name: self.plan.container(node.name) for node in self.plan.nodes}
        place = self.place
        return Deployment(place.lab, place.directory, place.topology_file, containers, changed)

    def _make_bind_sources(self) -> None:
        """What nodes write to must exist as ours; Docker would make it as root's."""
        for node in self.plan.nodes:
            for bind in node.binds:
                source = self.place.root / bind.source
                if not source.exists():
                    source.mkdir(parents=True)

    def _bring_up(self) -> Wirer:
        """Containers in parallel; links as soon as their ends run; then readiness.

        What takes longest from its links to its sessions comes first: BIRD waits two seconds
        before it first connects, FRR one; pods only need to be there in the end.
        """
        nodes = self.plan.nodes
        capabilities = {cap for node in nodes for cap in node.cap_add}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="deploy") as pool:
            try:
                made = pool.submit(Wirer, self.runtime, self.plan.name, self.common, capabilities)
                first, *later = ([node for node in nodes if node.role in roles] for roles in _WAVES)
                self._collect({pool.submit(self._start, node): node for node in first})
                waves = [{pool.submit(self._start, node): node for node in w} for w in later]
                self._wire(made.result())
                for wave in waves:
                    self._collect(wave)
                    self._wire(made.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        wirer = made.result()
        # A foreign image says nothing of its readiness, so it is not asked.
        ours = {self.pids[n.name]: n.name for n in nodes if images.name_of(n.image) is not None}
        self._until_ready(wirer, ours)
        self._tell(Step.READY, None, len(ours), len(ours))
        return wirer

    def _collect(self, starting: Mapping[Future[int], NodePlan]) -> None:
        """Note process ids as nodes start. Raises the first failure."""
        for future in as_completed(starting):
            node = starting[future]
            self.pids[node.name] = future.result()
            self._tell(Step.STARTED, node.name, len(self.pids), len(self.plan.nodes))

    def _start(self, node: NodePlan) -> int:
        spec = naming.container_spec(self.place, self.plan, node, self.common)
        try:
            pid = self.runtime.start(self.runtime.create(spec))
        except LabgenError as error:
            raise LabError(f"node {node.name}: {error.message}", hint=error.hint) from error
        if pid == 0:
            raise self._dead(node.name)
        return pid

    def _wire(self, wirer: Wirer) -> None:
        """Make every link whose two ends run, and the bridges when it is the first time."""
        plan, pids = self.plan, self.pids
        links = [
            link
            for link in plan.links
            if link not in self.wired and all(end in pids for end in wiring.ends(plan, link))
        ]
        if not links and (self.bridged or not plan.bridges):
            return
        bridges = () if self.bridged else plan.bridges
        sniffers = {pids[bridge.node]: bridge.node for bridge in bridges}
        self._until_ready(wirer, sniffers)  # they listen before there is anything to hear
        try:
            wirer.wire(wiring.batches(plan, pids, links, bridges))
        except LabError as error:
            _, gone = wirer.wait_ready(pids.values(), timeout=0)
            if not gone:
                raise
            raise self._dead(next(n for n, pid in pids.items() if pid in gone)) from error
        self.bridged = True
        self.wired.update(links)
        self.progress(Event(Step.WIRED, "links made", done=len(self.wired), total=len(plan.links)))

    def _until_ready(self, wirer: Wirer, names: Mapping[int, str]) -> None:
        """Until the daemons of these nodes (by process id) answer."""
        waiting, gone = wirer.wait_ready(names, timeout=READY_SECONDS)
        if gone:
            raise self._dead(names[min(gone)])
        if waiting:
            late = ", ".join(sorted(names[pid] for pid in waiting))
            first = names[min(waiting)]
            raise LabError(
                f"not ready after {READY_SECONDS:g} s: {late}; {first} said last: "
                f"{self._last_words(first)}"
            )

    def _wait(self, wait: Wait, wirer: Wirer) -> None:
        """The caller's own wait. A node that died meanwhile is the better explanation."""
        try:
            wait(NamespaceCommands(wirer, self.pids))
        except LabgenError as error:
            dead = self._any_dead()
            if dead is None:
                raise
            self._roll_back()
            raise dead from error

    def _tell(self, step: Step, node: str | None, done: int, total: int) -> None:
        text = f"{node or 'nodes'} {step.value}"
        self.progress(Event(step, text, node=node, done=done, total=total))

    def _any_dead(self) -> LabError | None:
        """The first node that should run and does not."""
        for container in self.runtime.containers({naming.DEPLOYMENT: self.deployment}):
            node = container.labels.get(naming.NODE)
            if node is not None and container.state in ("exited", "dead"):
                return self._dead(node)
        return None

    def _dead(self, node: str) -> LabError:
        status = next(
            (
                container.status
                for container in self.runtime.containers({naming.DEPLOYMENT: self.deployment})
                if container.labels.get(naming.NODE) == node
            ),
            "",
        )
        # the engine may not have noticed yet
        how = f" ({status})" if status and not status.startswith("Up") else ""
        return LabError(f"node {node} ended{how}; it said last: {self._last_words(node)}")

    def _last_words(self, node: str) -> str:
        try:
            lines = list(self.runtime.logs(self.plan.container(node), tail=LOG_LINES))
        except LabgenError as error:
            return error.message
        return " / ".join(line.strip() for line in lines if line.strip()) or "nothing"

    def _roll_back(self) -> None:
        """Remove exactly what this deploy made; the first error is the one to hear of."""
        with contextlib.suppress(LabgenError):
            mine = self.runtime.containers({naming.DEPLOYMENT: self.deployment})
            remove_containers(self.runtime, mine)
        for path in self.new_files:
            path.unlink(missing_ok=True)

    def _write_state(self) -> None:
        topology = self.artefacts.get(self.place.topology_file.name)
        if topology is None and self.place.topology_file.is_file():
            topology = self.place.topology_file.read_bytes()
        if topology is not None:
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            content = files.state(topology, now=now)
            files.write_atomically(self.place.directory / files.STATE, content)
