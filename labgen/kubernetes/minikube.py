"""`minikube`, as far as the guides use it, over the nodes that the lab's spec has.

A profile is a cluster of the spec. `start` brings up its first node, `node add` the next one, so
that the machines which appear are those that the spec describes. The lab carries out the `Action`
and prints its lines before and after; the lines are minikube's own where it has some.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

from labgen.errors import InputError
from labgen.kubernetes.flags import Flag, Parsed, parse, switch
from labgen.kubernetes.provided import installs_calicoctl
from labgen.kubernetes.shell import (
    AddNode,
    Answer,
    Clusters,
    DeleteClusters,
    NodeCalicoctl,
    NodeShell,
    StartCluster,
)
from labgen.kubernetes.tables import status

if TYPE_CHECKING:
    from labgen.kubernetes.allocation import Network

_GLOBAL = (Flag("profile", "p"),)
_START = (
    Flag("network-plugin"), Flag("cni"), Flag("extra-config"), Flag("service-cluster-ip-range"),
    Flag("network"), Flag("nodes", "n"), Flag("driver"),
)  # fmt: skip
_ADD = (switch("worker"), switch("control-plane"))
_SSH = (Flag("node", "n"),)
_DELETE = (switch("all"), switch("purge"))
_STATUS = (Flag("node", "n"), Flag("output", "o"))
_COVERED = "start, node add|list, ssh, delete, profile [list|NAME], status, ip"
_POD_CIDR = "kubeadm.pod-network-cidr"
_SUDO_CALICOCTL = re.compile(r"(?P<sudo>sudo\s+)?(?:\S*/)?calicoctl(?P<rest>\s.*)?\Z", re.DOTALL)
_SHELL_SYNTAX = re.compile(r"[|&;<>`$()\n]")


@dataclass(frozen=True, slots=True)
class Profile:
    """A cluster of the lab's spec: what `minikube start` may bring up.

    `nodes` are in the order in which minikube adds them. `network` is the segment's name.
    """

    name: str
    nodes: tuple[str, ...]
    service_networks: tuple[Network, ...]
    pod_networks: tuple[Network, ...]
    network: str = ""


@dataclass(frozen=True, slots=True)
class _Call:
    parsed: Parsed
    profiles: Mapping[str, Profile]
    clusters: Clusters

    @property
    def words(self) -> tuple[str, ...]:
        return self.parsed.words

    @property
    def profile(self) -> Profile:
        """The profile of `-p`; minikube's own default is `minikube`."""
        name = self.parsed.value("profile", "minikube")
        found = self.profiles.get(name)
        if found is None:
            raise InputError(
                f'Profile "{name}" not found',
                hint=f"the lab's spec has {', '.join(sorted(self.profiles)) or 'no cluster'}",
            )
        return found

    def running(self, profile: Profile) -> tuple[str, ...]:
        """The profile's nodes that its cluster has, in the profile's order."""
        state = self.clusters.states.get(profile.name)
        return tuple(n for n in profile.nodes if state is not None and state.node(n) is not None)

    def started(self) -> tuple[Profile, tuple[str, ...]]:
        """The profile and its nodes. Raises InputError where it does not run."""
        profile = self.profile
        nodes = self.running(profile)
        if not nodes:
            raise InputError(
                f'Profile "{profile.name}" not found. Run "minikube profile list" to view all '
                f'profiles. To start a cluster, run: "minikube start -p {profile.name}"'
            )
        return profile, nodes


def minikube(argv: Sequence[str], clusters: Clusters, profiles: Mapping[str, Profile]) -> Answer:
    """Answer `minikube ARGV`. Never raises for what a user may write: a refusal has `code` 1."""
    try:
        return _answer(argv, clusters, profiles)
    except InputError as error:
        return Answer(clusters, err=f"{error}\n", code=1)


def _answer(argv: Sequence[str], clusters: Clusters, profiles: Mapping[str, Profile]) -> Answer:
    verb, words = _split(argv)
    answers = {
        "start": (_START, _start),
        "node": (_ADD, _node),
        "ssh": (_SSH, _ssh),
        "delete": (_DELETE, _delete),
        "profile": ((), _profile),
        "status": (_STATUS, _status),
        "ip": (_SSH, _ip),
    }
    if verb not in answers:
        shown = f"minikube {verb}".rstrip()
        raise InputError(f"{shown} is not covered by this lab; covered: {_COVERED}")
    flags, answer = answers[verb]
    parsed = parse(words, (*flags, *_GLOBAL), f"minikube {verb}")
    return answer(_Call(parsed, profiles, clusters))


def _split(argv: Sequence[str]) -> tuple[str, list[str]]:
    """The verb, and all other words: `-p NAME` may stand before it."""
    words = list(argv)
    index = 0
    while index < len(words):
        if not words[index].startswith("-"):
            return words[index], [*words[:index], *words[index + 1 :]]
        index += 2 if words[index] in ("-p", "--profile") else 1
    return "", words


def _start(call: _Call) -> Answer:
    """`minikube start`: the networks that it names must be those of the spec."""
    profile = call.profile
    flags = call.parsed
    if call.words:
        raise InputError(f"minikube start takes no argument, found {call.words[0]}")
    wanted = flags.value("nodes", "1")
    if not wanted.isdecimal() or not 1 <= int(wanted) <= len(profile.nodes):
        raise InputError(
            f"--nodes={wanted}: cluster {profile.name} of the lab's spec has "
            f"{len(profile.nodes)} nodes"
        )
    _agree(flags.value("service-cluster-ip-range"), profile.service_networks, profile, "service")
    for text in flags.all("extra-config"):
        key, _, value = text.partition("=")
        if key != _POD_CIDR:
            raise InputError(
                f"--extra-config={key} is not covered by this lab; covered: {_POD_CIDR}"
            )
        _agree(value, profile.pod_networks, profile, "pod")
    for flag, allowed in (("network-plugin", ("cni",)), ("cni", ("", "false", "calico"))):
        if flags.all(flag) and flags.value(flag) not in allowed:
            raise InputError(
                f"--{flag}={flags.value(flag)} is not covered by this lab: it has Calico"
            )
    if call.running(profile):
        return Answer(
            replace(call.clusters, current=profile.name),
            out=f'* Cluster "{profile.name}" is running already\n{_ready(profile)}\n',
        )
    nodes = profile.nodes[: int(wanted)]
    before = (
        f"* [{profile.name}] a lab of labgen: the nodes of the lab's spec, without Kubernetes",
        f"* Starting control plane node {nodes[0]} in cluster {profile.name}",
        *(f"* Starting worker node {node} in cluster {profile.name}" for node in nodes[1:]),
    )
    return Answer(
        call.clusters, action=StartCluster(profile.name, nodes, before, (_ready(profile),))
    )


def _ready(profile: Profile) -> str:
    return (
        f'* Done! kubectl is now configured to use "{profile.name}" cluster and "default" '
        "namespace by default"
    )


def _agree(text: str, networks: Sequence[Network], profile: Profile, what: str) -> None:
    if not text:
        return
    try:
        given = {ip_network(part) for part in text.split(",")}
    except ValueError as error:
        raise InputError(f"{what} network: {error}") from None
    if given != set(networks):
        shown = ",".join(map(str, networks))
        raise InputError(
            f"the {what} network {text} is not that of cluster {profile.name}, {shown}",
            hint="change the lab's spec, or the command",
        )


def _node(call: _Call) -> Answer:
    profile, nodes = call.started()
    verb = call.words[0] if call.words else ""
    if verb == "list":
        state = call.clusters.states[profile.name]
        found = ((name, state.node(name)) for name in nodes)
        lines = (f"{name}\t{node.addresses[0]}\n" for name, node in found if node)
        return Answer(call.clusters, "".join(lines))
    if verb != "add":
        shown = f"minikube node {verb}".rstrip()
        raise InputError(f"{shown} is not covered by this lab; covered: add, list")
    if call.parsed.on("control-plane"):
        raise InputError("minikube node add --control-plane is not covered by this lab")
    left = [name for name in profile.nodes if name not in nodes]
    if not left:
        raise InputError(
            f"cluster {profile.name} has all {len(nodes)} nodes of the lab's spec",
            hint="add a node to the spec first",
        )
    name = left[0]
    short = name.removeprefix(f"{profile.name}-")
    action = AddNode(
        profile.name,
        name,
        (
            f"* Adding node {short} to cluster {profile.name}",
            f"* Starting worker node {name} in cluster {profile.name}",
        ),
        (f"* Successfully added {short} to {profile.name}!",),
    )
    return Answer(call.clusters, action=action)


def _ssh(call: _Call) -> Answer:
    """`minikube ssh -n NODE "COMMAND"`: calicoctl is answered by the lab, the rest runs there."""
    profile, nodes = call.started()
    name = call.parsed.value("node") or nodes[0]
    full = name if name in nodes else f"{profile.name}-{name}"  # minikube takes `m02` too
    if full not in nodes:
        raise InputError(
            f"node {name} does not exist in cluster {profile.name}",
            hint=f"it has {', '.join(nodes)}",
        )
    words = [*call.words, *(call.parsed.rest or ())]
    command = " ".join(words)
    if not command:
        return Answer(call.clusters, action=NodeShell(profile.name, full, None))
    if installs_calicoctl(command):
        line = f"{full}: calicoctl: not fetched, this lab provides it by itself on every node\n"
        return Answer(call.clusters, line)
    found = _SUDO_CALICOCTL.match(command)
    if found and not _SHELL_SYNTAX.search(command):
        argv = _words(found["rest"] or "")
        action = NodeCalicoctl(profile.name, full, argv, sudo=bool(found["sudo"]))
        return Answer(call.clusters, action=action)
    return Answer(call.clusters, action=NodeShell(profile.name, full, command))


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise InputError(f"{text.strip()}: {error}") from None


def _delete(call: _Call) -> Answer:
    """`minikube delete [-p NAME | --all]`."""
    if call.words:
        raise InputError("Usage: minikube delete")
    everything = call.parsed.on("all")
    if everything:
        names = tuple(n for n, profile in call.profiles.items() if call.running(profile))
    else:
        names = (call.started()[0].name,)
    before = tuple(f'* Deleting "{name}" ...' for name in names)
    after = [f'* Removed all traces of the "{name}" cluster.' for name in names]
    after += ["* Successfully deleted all profiles"] if everything else []
    return Answer(call.clusters, action=DeleteClusters(names, before, tuple(after)))


def _profile(call: _Call) -> Answer:
    """`minikube profile`, `minikube profile NAME`, `minikube profile list`."""
    if not call.words:
        return Answer(call.clusters, f"{call.clusters.current or 'minikube'}\n")
    if call.words == ("list",):
        return Answer(call.clusters, _profiles(call))
    name = call.words[0]
    if len(call.words) > 1 or name not in call.profiles:
        raise InputError(f'Profile "{name}" not found')
    if name not in call.clusters.states:
        raise InputError(f'Profile "{name}" does not run yet', hint=f"minikube start -p {name}")
    changed = replace(call.clusters, current=name)
    return Answer(changed, f"* minikube profile was successfully set to {name}\n")


def _profiles(call: _Call) -> str:
    rows = [("Profile", "IP", "Status", "Nodes", "Active Kubecontext")]
    for profile in call.profiles.values():
        nodes = call.running(profile)
        if nodes:
            first = call.clusters.states[profile.name].node(nodes[0])
            address = str(first.addresses[0]) if first and first.addresses else ""
            active = "*" if call.clusters.current == profile.name else ""
            rows.append((profile.name, address, "Running", str(len(nodes)), active))
    if len(rows) == 1:
        raise InputError("No minikube profile was found.", hint="minikube start -p NAME")
    return boxed(rows)


def boxed(rows: Sequence[Sequence[str]]) -> str:
    """A table with a frame, its first row centred, as minikube draws them."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    head, *body = rows
    centred = "| " + " | ".join(c.center(w) for c, w in zip(head, widths, strict=True)) + " |"
    lines = [rule, centred, rule]
    lines += [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in body
    ]
    return "".join(f"{line}\n" for line in (*lines, rule))


def _status(call: _Call) -> Answer:
    """`minikube status`: what there is of it in a lab, node by node."""
    if call.parsed.value("output"):
        raise InputError("minikube status -o is not covered by this lab")
    profile, nodes = call.started()
    state = call.clusters.states[profile.name]
    blocks = []
    for index, name in enumerate(nodes):
        node = state.node(name)
        lines = [name, f"type: {'Worker' if index else 'Control Plane'}"]
        ready = node is not None and node.ready
        lines.append(f"host: {'Running' if ready else 'Stopped'}")
        lines.append(f"node: {status(node) if node else 'Nonexistent'}")
        blocks.append("".join(f"{line}\n" for line in lines))
    return Answer(call.clusters, "\n".join(blocks))


def _ip(call: _Call) -> Answer:
    profile, nodes = call.started()
    name = call.parsed.value("node") or nodes[0]
    node = call.clusters.states[profile.name].node(name)
    if node is None or not node.addresses:
        raise InputError(f"node {name} does not exist in cluster {profile.name}")
    return Answer(call.clusters, f"{node.addresses[0]}\n")
