"""Bring a running lab from the design that it runs to another one: only what differs, or nothing.

Every new BIRD configuration is first checked by BIRD in its own node, as confd does before it
replaces a file (`bird -p`). Then containers that are new start, files are exchanged, BIRD is told
to `configure` (which leaves alone every session whose configuration is the same), and what is gone
is removed last. An error before that puts every file back and takes away what was started.

Called under the lab's lock.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from labgen import images
from labgen.calico.status import SUBDIRECTORY
from labgen.design.plan import CONFD_TARGET, directory, plan
from labgen.errors import LabError, LabgenError, NotReady
from labgen.lab import files, naming
from labgen.lab.deploy import READY_SECONDS
from labgen.lab.destroy import remove_containers
from labgen.lab.dialling import groups, wait_counted
from labgen.lab.progress import Event, Step
from labgen.lab.wait import wait_until
from labgen.observe.bird import SOCKETS
from labgen.plan import Role
from labgen.render.artefacts import artefacts
from labgen.runtime import wiring

if TYPE_CHECKING:
    from labgen.design.model import Design
    from labgen.lab.site import Site
    from labgen.plan import LabPlan, NodePlan
    from labgen.runtime.protocol import Container

WORKERS = 8
END_SECONDS = 3.0
_CANDIDATE = ".next"
_NAT = ("nft", "-f", "/etc/labgen/nat.nft")
_FELIX = ("python3", "-I", "-S", "/opt/labgen/felix.py", "/etc/labgen/felix")
_CONFD = re.compile(r"(?P<node>[^/]+)/confd/(?P<file>(?P<daemon>bird6?)[^/]*\.cfg)\Z")
_POD_BIRD = re.compile(r"(?P<pod>[^/]+)/bird(?P<version>[46])\.conf\Z")
_ACCEPTED = ("Reconfigured", "Reconfiguration in progress", "Reconfiguration already in progress")
_T = TypeVar("_T")
_R = TypeVar("_R")


class Refused(LabError):
    """BIRD does not take the configuration that a change comes to; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a change came to, by node name. `files` are relative to the lab directory."""

    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    reconfigured: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.started or self.stopped or self.files)


def change(site: Site, after: Design) -> Changed:
    """Make the running lab what `after` says.

    Compared is what stands in the lab directory and which containers there are. Raises Refused
    where BIRD would not take a file, LabError for a node that fails; the lab is then as before.
    """
    return _Change(site, after).run()


class _Change:
    """One change: what it is to do, and what it has done so far."""

    def __init__(self, site: Site, after: Design) -> None:
        self.site, self.after = site, after
        self.plan: LabPlan = plan(after)
        self.artefacts = artefacts(after, source=after.source)
        there = site.containers()
        wanted = {node.name: node for node in self.plan.nodes}
        self.new = [node for name, node in wanted.items() if name not in there]
        self.gone: dict[str, Container] = {n: c for n, c in there.items() if n not in wanted}
        self.kept = [name for name in there if name in wanted]
        self.old: dict[Path, bytes | None] = {}
        self.configured: list[tuple[str, str]] = []
        self.started: list[str] = []

    def run(self) -> Changed:
        changed, stale = self._differing(), self._stale()
        if not (changed or stale or self.new or self.gone):
            return Changed()
        new = {node.name for node in self.new}
        confd: dict[str, set[str]] = {}
        for key in changed:
            if (match := _CONFD.match(key)) and match["node"] not in new:
                confd.setdefault(match["node"], set()).add(match["daemon"])
        self._check(confd, changed)
        later = {key for key in changed if (m := _CONFD.match(key)) and m["node"] in confd}
        try:
            self._remove(stale)
            self._write({key: text for key, text in changed.items() if key not in later})
            self._start()
            self._felix(changed, new)
            self._write({key: changed[key] for key in later})
            self._reload(changed, new)
            self._configure(confd)
        except BaseException:
            self._undo()
            raise
        self._stop()
        self._write_topology()
        return Changed(
            tuple(n.name for n in self.new), tuple(self.gone), tuple(confd), tuple(changed)
        )

    def _differing(self) -> dict[str, bytes]:
        """The files that are not what the design makes of them, by path below the lab directory.

        A router's files come from the spec alone; no change of a cluster touches them.
        """
        prefix = f"{directory(self.after)}/"
        routers = tuple(f"{directory(self.after, r.name)}/" for r in self.after.routers)
        found = {}
        for key, content in self.artefacts.items():
            if key.startswith(prefix) and not key.startswith(routers):
                path = self.site.place.directory / key.removeprefix(prefix)
                if not path.is_file() or path.read_bytes() != content:
                    found[key.removeprefix(prefix)] = content
        return found

    def _stale(self) -> list[Path]:
        """What Felix wrote of pods that peer no more, on the nodes that stay."""
        root = self.site.place.root
        return [
            path
            for node in self.kept
            for path in (self.site.place.directory / node / SUBDIRECTORY).glob("*")
            if path.relative_to(root).as_posix() not in self.artefacts
        ]

    # --- checking -----------------------------------------------------------------------------

    def _check(self, confd: Mapping[str, set[str]], changed: Mapping[str, bytes]) -> None:
        """Ask BIRD in each node whether it would take the new files. Raises Refused."""
        with contextlib.ExitStack() as stack:
            for node in confd:
                place = self.site.place.directory / node / "confd"
                stack.callback(shutil.rmtree, place / _CANDIDATE, ignore_errors=True)
                for path in place.glob("*.cfg"):
                    content = changed.get(f"{node}/confd/{path.name}", path.read_bytes())
                    files.write_atomically(place / _CANDIDATE / path.name, content)
            asked = [(node, daemon) for node, daemons in confd.items() for daemon in daemons]
            problems = [text for text in _each(self._refusal, asked) if text]
        if problems:
            raise Refused(
                "; ".join(problems), hint="nothing was changed: the old configuration still runs"
            )

    def _refusal(self, asked: tuple[str, str]) -> str | None:
        node, daemon = asked
        path = f"{CONFD_TARGET}/{_CANDIDATE}/{daemon}.cfg"
        done = self.site.commands.run(node, (daemon, "-p", "-c", path))
        if done.code == 0:
            return None
        said = " ".join((done.stderr or done.stdout).split())
        return f"node {node}: {daemon} refuses {said.replace(f'{CONFD_TARGET}/{_CANDIDATE}/', '')}"

    # --- doing --------------------------------------------------------------------------------

    def _write(self, changed: Mapping[str, bytes]) -> None:
        for key, content in changed.items():
            path = self.site.place.directory / key
            self.old.setdefault(path, path.read_bytes() if path.is_file() else None)
            files.write_atomically(path, content)

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self.old.setdefault(path, path.read_bytes())
            path.unlink()

    def _start(self) -> None:
        """Containers, then their links, then their daemons."""
        if not self.new:
            return
        site, runtime = self.site, self.site.runtime
        runtime.ensure_images([node.image for node in self.new], self._said)
        for node in self.new:
            for bind in node.binds:
                (site.place.root / bind.source).mkdir(parents=True, exist_ok=True)
        pids = dict(zip((n.name for n in self.new), _each(self._started, self.new), strict=True))
        site.joined(pids)
        names = set(pids)
        links = [ln for ln in self.plan.links if names & set(wiring.ends(self.plan, ln))]
        site.wirer.wire(wiring.batches(self.plan, site.pids, links))
        ours = {pids[n.name]: n.name for n in self.new if images.name_of(n.image) is not None}
        pods = {pid for pid, name in ours.items() if self.plan.node(name).role is Role.POD}
        self._until_ready({pid: name for pid, name in ours.items() if pid not in pods})
        self._until_ready({pid: name for pid, name in ours.items() if pid in pods})

    def _said(self, text: str) -> None:
        self.site.tell(Event(Step.IMAGE, text))

    def _started(self, node: NodePlan) -> int:
        site = self.site
        spec = naming.container_spec(site.place, self.plan, node, site.common)
        self.started.append(node.name)
        try:
            pid = site.runtime.start(site.runtime.create(spec))
        except LabgenError as error:
            raise LabError(f"node {node.name}: {error.message}", hint=error.hint) from error
        if pid == 0:
            raise LabError(f"node {node.name} ended at once", hint="`labgen logs` tells why")
        return pid

    def _until_ready(self, names: Mapping[int, str]) -> None:
        if not names:
            return
        waiting, gone = self.site.wirer.wait_ready(names, timeout=READY_SECONDS)
        if waiting or gone:
            bad = sorted(names[pid] for pid in {*waiting, *gone})
            logs = self.site.runtime.logs(self.plan.container(bad[0]), tail=3)
            said = " / ".join(line.strip() for line in logs if line.strip()) or "nothing"
            how = "ended" if gone else f"not ready after {READY_SECONDS:g} s"
            raise LabError(f"{', '.join(bad)}: {how}; {bad[0]} said last: {said}")

    def _reload(self, changed: Iterable[str], new: set[str]) -> None:
        """kube-proxy's rules and Felix's outgoing NAT, each node's in one transaction; then the
        pods' own BIRDs.
        """
        nodes = sorted({k.split("/")[0] for k in changed if k.endswith("/nat.nft")} - new)
        _each(lambda n: self.site.run(n, _NAT), nodes)
        pods = [
            (m["pod"], "bird6" if m["version"] == "6" else "bird")
            for k in changed
            if (m := _POD_BIRD.match(k))
        ]
        _each(self._configured, [asked for asked in pods if asked[0] not in new])

    def _configure(self, confd: Mapping[str, set[str]]) -> None:
        """Each node's confd acts for itself; who is told after whom, `dialling` knows."""
        for nodes in groups(self.after, confd):
            wait_counted(self.after, nodes, self.site.commands)
            _each(self._configured, [(n, d) for n in nodes for d in sorted(confd[n])])

    def _configured(self, asked: tuple[str, str]) -> None:
        """`birdc configure`, and its reply: it answers 0 for a file that it refuses as well."""
        node, daemon = asked
        self.configured.append(asked)
        said = self.site.run(node, reconfigure(daemon))
        if not any(word in said for word in _ACCEPTED):
            last = " ".join(said.split())
            raise LabError(f"node {node}: {daemon} does not take its new configuration: {last}")

    def _felix(self, changed: Iterable[str], new: set[str]) -> None:
        """Felix's part again, where a node's pods are others now; routes of old ones went along."""
        nodes = {k.split("/")[0] for k in changed if k.endswith("/felix")} - new
        _each(lambda n: self.site.run(n, _FELIX), sorted(nodes))

    # --- ending -------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Take away what the design has no more. A node's BIRD says goodbye to its peers first."""
        if not self.gone:
            return
        role = naming.ROLE
        nodes = [n for n, c in self.gone.items() if c.labels.get(role) == Role.CALICO_NODE.value]
        _each(self._ended, [name for name in nodes if self.gone[name].running])
        remove_containers(self.site.runtime, list(self.gone.values()))
        self.site.left(self.gone)
        for name in self.gone:
            shutil.rmtree(self.site.place.directory / name, ignore_errors=True)

    def _ended(self, node: str) -> None:
        for daemon in ("bird", "bird6"):
            with contextlib.suppress(LabgenError):
                self.site.commands.run(node, (*_client(daemon), "down"), timeout=5.0)
        container = self.gone[node].name
        with contextlib.suppress(NotReady):
            wait_until(
                lambda: self.site.runtime.pid(container), lambda pid: pid == 0,
                deadline=END_SECONDS, what=f"the end of {node}",
            )  # fmt: skip

    def _write_topology(self) -> None:
        """The topology file as the lab is now, so that containerlab sees the nodes that joined."""
        place = self.site.place
        content = self.artefacts[place.topology_file.name]
        if files.write_atomically(place.topology_file, content):
            now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
            state = files.state(content, now=now)
            files.write_atomically(place.directory / files.STATE, state)

    def _undo(self) -> None:
        """Every file as it was, every daemon with it; the first error is the one to hear of."""
        for path, content in self.old.items():
            with contextlib.suppress(LabgenError, OSError):
                if content is None:
                    path.unlink(missing_ok=True)
                else:
                    files.write_atomically(path, content)
        for node, daemon in self.configured:
            with contextlib.suppress(LabgenError):
                self.site.commands.run(node, reconfigure(daemon))
        for file, argv in (("nat.nft", _NAT), ("felix", _FELIX)):
            for node in {p.parent.name for p in self.old if p.name == file} & set(self.kept):
                with contextlib.suppress(LabgenError):
                    self.site.commands.run(node, argv)
        containers = self.site.containers()
        with contextlib.suppress(LabgenError):
            mine = [containers[name] for name in self.started if name in containers]
            remove_containers(self.site.runtime, mine)
        self.site.left(self.started)
        for name in self.started:
            shutil.rmtree(self.site.place.directory / name, ignore_errors=True)


def reconfigure(daemon: str) -> tuple[str, ...]:
    """The argv that lets `bird` or `bird6` read its file again."""
    return (*_client(daemon), "configure")


def _client(daemon: str) -> tuple[str, ...]:
    four = ("birdc", "-s", SOCKETS[4])
    return ("birdc6", "-s", SOCKETS[6]) if daemon == "bird6" else four


def _each(function: Callable[[_T], _R], items: Iterable[_T]) -> list[_R]:
    """In parallel; raises the first error after all have ended."""
    given = list(items)
    if not given:
        return []
    with ThreadPoolExecutor(min(WORKERS, len(given)), thread_name_prefix="change") as pool:
        return list(pool.map(function, given))
