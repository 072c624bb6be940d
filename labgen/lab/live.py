"""`LiveLab`: a running lab that takes calicoctl, kubectl and minikube commands, and changes.

Every change is one transaction under the lab's lock: the clusters as kept in `clab-<lab>/datastore`
are read, the command is answered on them, the design that follows is computed, the nodes are
brought there (`change`), and only then the new state is written. Whatever fails leaves the old
state on disk and in the nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from labgen.calico.calicoctl import command as calicoctl_front
from labgen.calico.calicoctl.manifests import Unreadable
from labgen.calico.resources import Resources
from labgen.design.calico_nodes import with_nodes
from labgen.design.content import lab_node, renamed
from labgen.errors import InputError, LabError, LabgenError, Mark
from labgen.kubernetes import kubectl as kubectl_front
from labgen.kubernetes import minikube as minikube_front
from labgen.kubernetes import system
from labgen.kubernetes.controllers import settle
from labgen.kubernetes.kinds import NODE, Ref
from labgen.kubernetes.minikube import Profile
from labgen.kubernetes.shell import AddNode, Clusters, DeleteClusters, StartCluster
from labgen.lab import clusters, content_files, node_info, placing
from labgen.lab import failover as units
from labgen.lab.change import Changed, change
from labgen.lab.clusters import ClusterStore, LiveState
from labgen.lab.current import current_design, design_of
from labgen.lab.datastore_files import manifests, real_stamps
from labgen.lab.lock import locked
from labgen.lab.operate import CONVERGED_SECONDS, wait_converged
from labgen.lab.progress import Event, silent
from labgen.lab.project import Project, marks_of, open_project
from labgen.lab.running import EngineCommands
from labgen.lab.site import Site
from labgen.spec.model import CalicoNode
from labgen.yaml_source import Document, parse

if TYPE_CHECKING:
    from labgen.calico.calicoctl.manifests import Read
    from labgen.calico.datastore import Stamps
    from labgen.calico.resources import Resource
    from labgen.design.model import Address, Design
    from labgen.kubernetes.shell import Action, Answer, Attach, Reader
    from labgen.kubernetes.state import ClusterState
    from labgen.runtime.protocol import Completed, Runtime


@dataclass(frozen=True, slots=True)
class Answered:
    """What a command printed and exited with, and what it changed in the lab.

    `action` is what is left to the caller: something that runs in a pod or a node, perhaps on a
    terminal (`live_actions` carries it out).
    """

    out: str = ""
    err: str = ""
    code: int = 0
    changed: Changed = field(default_factory=Changed)
    action: Action | None = None


class LiveLab:
    """One running lab. Open it with `live`; its methods may be called from one thread at a time."""

    def __init__(self, project: Project, site: Site, stamps: Stamps | None = None) -> None:
        self.project, self.site = project, site
        self._stamps = stamps or real_stamps()

    # --- asking -------------------------------------------------------------------------------

    @property
    def state(self) -> LiveState:
        """The clusters as they are now."""
        kept = content_files.load(self.project.lab_directory)
        if kept is not None:
            return kept
        return clusters.beginning(self.project.loaded.spec, self.project.design, self._stamps)

    def design(self) -> Design:
        """The lab's design after all changes: for checks and forecasts."""
        return current_design(self.project)

    def run(self, node: str, argv: Sequence[str], *, timeout: float = 30.0) -> Completed:
        """A command in a node or pod (by its name in the lab), whatever it exits with."""
        return self.site.completed(node, argv, timeout=timeout)

    def wait(self, *, deadline: float = CONVERGED_SECONDS) -> None:
        """Until every session stands and every forecast route is in its kernel; seconds.

        Raises NotReady with what is missing.
        """
        wait_converged(self.design(), self.site.commands, deadline=deadline)

    def node_of(self, pod: Ref, cluster: str) -> str:
        """The lab's node that runs a pod's processes. Raises InputError where there is none."""
        found = self.state.clusters[cluster].kubernetes.pod(pod.name, pod.namespace)
        if found is None:
            raise InputError(f"cluster {cluster} has no pod {pod.namespace}/{pod.name}")
        return lab_node(found)

    # --- commands -----------------------------------------------------------------------------

    def calicoctl(
        self, cluster: str, argv: Sequence[str], *, node: str | None = None,
        read: Read | None = None,
    ) -> Answered:  # fmt: skip
        """`calicoctl ARGV` on a cluster; `node status` is answered by `node`.

        `read` reads what `-f` names (standard input included). Raises InputError for an unknown
        cluster, and LabError where the nodes cannot be brought to what the command asks for:
        neither datastore nor nodes are changed then.
        """
        if list(argv[:2]) == ["node", "status"]:
            return self._node_status(cluster, node, argv)
        with self._transaction(f"calicoctl on {cluster}") as now:
            before = self._cluster(now, cluster)
            result = calicoctl_front.run(
                argv, before.calico, read=read or manifests(), stamps=self._stamps
            )
            after = before
            if result.store is not before.calico:
                after = clusters.after_calicoctl(before, result.store, self._stamps)
            changed = self._bring(now, now.having(after))
        return Answered(result.stdout, result.stderr, result.status, changed)

    def kubectl(
        self, cluster: str | None, argv: Sequence[str], *, read: Reader | None = None
    ) -> Answered:
        """`kubectl ARGV`; `cluster` None means the one that the arguments or the context name.

        Pods that are gone are stopped before those that take their place start, as with a
        Deployment that is drained. Raises as `calicoctl` does.
        """
        chosen = list(argv) if cluster is None else ["--cluster", cluster, *argv]
        with self._transaction("kubectl") as kept:
            now = kept
            if node_info.wanted(argv):
                commands = EngineCommands(self.site.runtime, self.site.found)
                now = node_info.told(kept, commands, self.site.runtime)
            answer = kubectl_front.kubectl(
                chosen, _clusters(now), read=read or documents, now=self._stamps.now()
            )
            return self._answered(now, answer)

    def minikube(self, argv: Sequence[str]) -> Answered:
        """`minikube ARGV` over the clusters of the spec, which it starts, extends and deletes."""
        with self._transaction("minikube") as now:
            answer = minikube_front.minikube(argv, _clusters(now), self._profiles)
            answered = self._answered(now, answer)
            match answer.action:
                case StartCluster() | AddNode() | DeleteClusters() as action:
                    changed = self._carried_out(
                        replace(now, current=answer.clusters.current), action
                    )
                    text = "".join(f"{line}\n" for line in (*action.before, *action.after))
                    return Answered(answered.out + text, answered.err, answered.code, changed)
            return answered

    def session_ended(self, attach: Attach, *, code: int = 0) -> Answered:
        """The process that `kubectl run -i` was attached to ended."""
        with self._transaction("kubectl run") as now:
            answer = kubectl_front.session_ended(
                _clusters(now), attach, exit_code=code, now=self._stamps.now()
            )
            return self._answered(now, answer)

    # --- nodes --------------------------------------------------------------------------------

    def add_node(
        self, cluster: str, name: str, *, segment: str | None = None,
        address: Address | None = None, labels: Mapping[str, str] | None = None,
    ) -> Changed:  # fmt: skip
        """One more node: container, link, Node objects, first blocks; its peers are told.

        Without `segment` and `address` it stands where the spec says, else on the segment of the
        cluster's first node at the next free address. Raises InputError, LabError.
        """
        with self._transaction(f"node {name} joins {cluster}") as now:
            before = self._cluster(now, cluster)
            spec = self.project.loaded.spec
            place = placing.place(spec, now, cluster, name, segment, address, labels or {})
            return self._bring(now, now.having(self._joined(before, name, place)))

    def remove_node(self, cluster: str, name: str) -> Changed:
        """A node leaves: its pods go elsewhere, its blocks and addresses are free again."""
        with self._transaction(f"node {name} leaves {cluster}") as now:
            before = self._cluster(now, cluster)
            if name not in before.nodes:
                known = ", ".join(before.nodes)
                raise InputError(f"cluster {cluster} has no node {name}", hint=f"it has {known}")
            state = before.kubernetes.without([Ref(NODE, "", name)])
            after = settle(state, self._stamps.now())
            return self._bring_with_pods(now, {cluster: after})[0]

    def failover(self, to: str | None = None) -> tuple[str, str]:
        """A BIG-IP pair's other unit (or `to`) takes over; returns (old, new) active unit.

        Raises InputError where there is nowhere to go.
        """
        with locked(self.project.lab_directory, "failover"):
            done = units.failover(self.project.design, self.site.commands, to=to)
            units.remember(self.project.lab_directory, done[1])
        return done

    # --- transactions -------------------------------------------------------------------------

    @contextmanager
    def _transaction(self, what: str) -> Iterator[LiveState]:
        with locked(self.project.lab_directory, what):
            yield self.state

    def _bring(self, before: LiveState, after: LiveState) -> Changed:
        """The nodes brought to `after`, then `after` written: or neither."""
        if after == before and content_files.load(self.project.lab_directory) is not None:
            return Changed()
        changed = change(self.site, design_of(self.project.loaded, after))
        try:
            content_files.save(self.project.lab_directory, after, before)
        except LabgenError:
            change(self.site, design_of(self.project.loaded, before))
            raise
        return changed

    def _bring_with_pods(
        self, before: LiveState, states: Mapping[str, ClusterState], current: str | None = None
    ) -> tuple[Changed, str]:
        """Kubernetes' objects changed: first what is gone goes, then new pods start.

        Returns what changed, and what to tell about pods that have no address: they wait, as a
        pod does in Kubernetes.
        """
        stopped = replace(before, current=current or before.current)
        for name, state in states.items():
            cluster = clusters.after_kubectl(before.clusters[name], state, self._stamps)
            gone = {n for n in cluster.nodes if state.node(n) is None}
            if gone:
                cluster = clusters.without_nodes(cluster, gone, self._stamps)
            stopped = stopped.having(cluster)
        first = self._bring(before, stopped)
        started, told = stopped, ""
        for name in states:
            try:
                cluster = clusters.with_pods_started(stopped.clusters[name], self._stamps)
            except InputError as error:
                told += f"labgen: {error}\n"
                continue
            cluster = replace(
                cluster,
                kubernetes=renamed(
                    cluster.kubernetes, placing.names(self.project.loaded.spec, started, but=name)
                ),
            )
            started = started.having(cluster)
        return _joined(first, self._bring(stopped, started)), told

    def _answered(self, now: LiveState, answer: Answer) -> Answered:
        """A front's answer, with what it changed carried over to the lab."""
        differing = {
            name: state
            for name, state in answer.clusters.states.items()
            if state != now.clusters[name].kubernetes
        }
        changed, told = Changed(), ""
        if differing or answer.clusters.current != now.current:
            changed, told = self._bring_with_pods(now, differing, answer.clusters.current)
        return Answered(answer.out, answer.err + told, answer.code, changed, answer.action)

    def _carried_out(
        self, now: LiveState, action: StartCluster | AddNode | DeleteClusters
    ) -> Changed:
        """Nodes that minikube starts and stops."""
        if isinstance(action, DeleteClusters):
            left = {n: c for n, c in now.clusters.items() if n not in action.profiles}
            current = now.current if now.current in left else next(iter(left), None)
            return self._bring(now, replace(now, clusters=left, current=current))
        if isinstance(action, StartCluster):
            written = self.project.loaded.spec.clusters[action.profile].nodes
            nodes = {name: written[name] for name in action.nodes}
            found = {name: self._resource(action.profile, name, nodes[name]) for name in nodes}
            like = self._written(action.profile)
            cluster = clusters.started_anew(action.profile, like, nodes, found, self._stamps)
            return self._bring(now, replace(now.having(cluster), current=action.profile))
        cluster = now.clusters[action.profile]
        place = self.project.loaded.spec.clusters[action.profile].nodes[action.node]
        cluster = self._joined(cluster, action.node, place)
        state = system.with_kindnet(cluster.kubernetes, self._stamps.now())
        return self._bring(now, now.having(replace(cluster, kubernetes=state)))

    # --- values -------------------------------------------------------------------------------

    @cached_property
    def _profiles(self) -> dict[str, Profile]:
        """What minikube may start: the clusters of the spec, as it was written."""
        found = {}
        for name, cluster in self.project.loaded.spec.clusters.items():
            like = self._written(name)
            segment = next(iter(cluster.nodes.values())).segment
            found[name] = Profile(
                name, tuple(cluster.nodes), like.service_networks, like.pod_networks, segment
            )
        return found

    def _written(self, cluster: str) -> ClusterState:
        """A cluster with the networks that it has, or would have as the spec is written."""
        there = self.state.clusters.get(cluster)
        if there is not None:
            return there.kubernetes
        design = open_project(self.project.loaded.path).design
        return next(c.state for c in design.contents if c.name == cluster)

    def _cluster(self, now: LiveState, name: str) -> ClusterStore:
        if name not in now.clusters:
            known = ", ".join(now.clusters) or "none"
            raise InputError(
                f"lab {self.project.name} has no cluster {name}", hint=f"it has {known}"
            )
        return now.clusters[name]

    def _joined(self, cluster: ClusterStore, name: str, place: CalicoNode) -> ClusterStore:
        resource = self._resource(cluster.name, name, place)
        joined = clusters.with_node(cluster, name, place, resource, self._stamps)
        return clusters.with_pods_started(joined, self._stamps)

    def _resource(self, cluster: str, name: str, place: CalicoNode) -> Resource[object]:
        """The Calico Node that calico-node makes of itself when it starts."""
        spec = self.project.loaded.spec
        one = spec.clusters[cluster].model_copy(update={"nodes": {name: place}})
        marks = {name: Mark(str(self.project.loaded.path), 1, 1)} | marks_of(self.project.loaded)
        found = with_nodes(spec, one, Resources(), marks).node(name)
        assert found is not None  # it was made just above
        return found

    def _node_status(self, cluster: str, node: str | None, argv: Sequence[str]) -> Answered:
        nodes = self._cluster(self.state, cluster).nodes
        if node is None and len(nodes) > 1:
            raise InputError(
                "calicoctl node status tells about the node that it runs on",
                hint=f"name one with --node: {', '.join(nodes)}",
            )
        name = node or next(iter(nodes))
        if name not in nodes:
            raise InputError(
                f"cluster {cluster} has no node {name}", hint=f"it has {', '.join(nodes)}"
            )
        done = self.run(name, ("calicoctl", *argv))
        return Answered(done.stdout, done.stderr, done.code)


@contextmanager
def live(
    project: Project, runtime: Runtime, *, tell: Callable[[Event], object] = silent
) -> Iterator[LiveLab]:
    """The project's lab, which must run. Raises LabError where it does not."""
    site = Site(runtime, project.name, tell=tell)
    if site.place.topology_file.parent != project.directory:
        raise LabError(
            f"lab {project.name} runs from {site.place.root}, not from {project.directory}",
            hint="name the spec that it was deployed from",
        )
    try:
        yield LiveLab(project, site)
    finally:
        site.close()


def documents(path: str) -> list[Document]:
    """What kubectl's `-f` names. Raises InputError in kubectl's words."""
    try:
        given = manifests()(path, False)
    except Unreadable:
        raise InputError(f'the path "{path}" does not exist') from None
    return [d for manifest in given.manifests for d in parse(manifest.text, manifest.path)]


def _clusters(now: LiveState) -> Clusters:
    return Clusters({n: c.kubernetes for n, c in now.clusters.items()}, now.current)


def _joined(one: Changed, other: Changed) -> Changed:
    return Changed(
        (*one.started, *other.started),
        (*one.stopped, *other.stopped),
        tuple(dict.fromkeys((*one.reconfigured, *other.reconfigured))),
        (*one.files, *other.files),
    )
