"""`kubectl`, as much of it as a lab can answer truly, over the clusters of the lab.

`kubectl` takes the words behind the program's name and returns an `Answer`. Columns and messages
are those of kubectl 1.32. What this lab does not cover is refused by name; nothing is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from labgen.errors import InputError, InputErrors
from labgen.kubernetes import (
    kubectl_config,
    kubectl_patch,
    kubectl_pods,
    kubectl_read,
    kubectl_write,
)
from labgen.kubernetes.call import GLOBAL_FLAGS, Call
from labgen.kubernetes.errors import KubectlError
from labgen.kubernetes.flags import Flag, Parsed, parse
from labgen.kubernetes.manifests import DEFAULT_NAMESPACE
from labgen.kubernetes.shell import Answer, Clusters, Reader
from labgen.kubernetes.state import ClusterState


@dataclass(frozen=True, slots=True)
class Verb:
    """A subcommand: its own flags, and the function that answers it."""

    flags: tuple[Flag, ...]
    answer: Callable[[Call], Answer]
    usage: str


VERBS: Mapping[str, Verb] = {
    "get": Verb(kubectl_read.GET, kubectl_read.get, "get TYPE[,TYPE] [NAME] [-A] [-o FORMAT]"),
    "describe": Verb(kubectl_read.DESCRIBE, kubectl_read.describe, "describe TYPE NAME"),
    "apply": Verb(kubectl_write.APPLY, kubectl_write.apply, "apply -f FILE"),
    "create": Verb(kubectl_write.CREATE, kubectl_write.create, "create -f FILE"),
    "delete": Verb(kubectl_write.DELETE, kubectl_write.delete, "delete TYPE NAME | -f FILE"),
    "label": Verb(kubectl_write.LABEL, kubectl_write.label, "label TYPE NAME KEY=VALUE | KEY-"),
    "patch": Verb(kubectl_patch.PATCH, kubectl_patch.patch, "patch TYPE NAME -p JSON"),
    "scale": Verb(kubectl_write.SCALE, kubectl_write.scale, "scale deployment NAME --replicas N"),
    "cordon": Verb(kubectl_write.CORDON, kubectl_write.cordon, "cordon NODE"),
    "uncordon": Verb(kubectl_write.CORDON, kubectl_write.cordon, "uncordon NODE"),
    "drain": Verb(kubectl_write.DRAIN, kubectl_write.drain, "drain NODE [--ignore-daemonsets]"),
    "run": Verb(kubectl_pods.RUN, kubectl_pods.run, "run NAME --image IMAGE [-it --rm] -- CMD"),
    "exec": Verb(kubectl_pods.EXEC, kubectl_pods.exec_, "exec [-it] POD -- CMD"),
    "logs": Verb(kubectl_pods.LOGS, kubectl_pods.logs, "logs POD [-f] [--tail N]"),
}
COVERED = (*VERBS, "config")
_NO_CLUSTER = {
    "cluster": 'error: no server found for cluster "{}"',
    "context": "Error in configuration: context was not found for specified context: {}",
}

session_ended = kubectl_pods.session_ended


def kubectl(argv: Sequence[str], clusters: Clusters, *, read: Reader, now: datetime) -> Answer:
    """Answer `kubectl ARGV`. `read` reads the files that it names; `now` is for ages.

    Never raises for what a user may write: a refusal is an Answer with `code` 1 and `err`. The
    clusters of a refusal are as they were, but for objects that kubectl had dealt with before.
    """
    try:
        return _answer(argv, clusters, read, now)
    except InputErrors as errors:
        return Answer(clusters, err="".join(f"{_line(e)}\n" for e in errors.problems), code=1)
    except InputError as error:
        return Answer(clusters, err=f"{_line(error)}\n", code=1)


def _line(error: InputError) -> str:
    """kubectl starts every refusal of its own with `error: `; the server's have their own start."""
    text = str(error)
    return text if text.startswith(("error: ", "Error ", "The ")) else f"error: {text}"


def _answer(argv: Sequence[str], clusters: Clusters, read: Reader, now: datetime) -> Answer:
    name, words = _verb(argv)
    if name == "config":
        return kubectl_config.config(words, clusters)
    verb = VERBS.get(name)
    if verb is None:
        raise KubectlError(
            f"kubectl {name} is not covered by this lab; covered: {', '.join(COVERED)}"
        )
    parsed = parse(words, (*verb.flags, *GLOBAL_FLAGS), f"kubectl {name}")
    state = cluster_of(parsed, clusters)
    namespace = parsed.value("namespace") or DEFAULT_NAMESPACE
    return verb.answer(Call(name, verb.usage, parsed, clusters, state, namespace, read, now))


def _verb(argv: Sequence[str]) -> tuple[str, list[str]]:
    """The first word that is no flag, and all others: global flags may stand before the verb."""
    takes_next = {f"--{flag.name}" for flag in GLOBAL_FLAGS}
    takes_next |= {f"-{flag.short}" for flag in GLOBAL_FLAGS if flag.short}
    words = list(argv)
    index = 0
    while index < len(words):
        word = words[index]
        if not word.startswith("-"):
            return word, [*words[:index], *words[index + 1 :]]
        index += 2 if word in takes_next else 1
    raise KubectlError(f"kubectl wants a command; covered by this lab: {', '.join(COVERED)}")


def cluster_of(parsed: Parsed, clusters: Clusters) -> ClusterState:
    """The cluster that `--cluster`, `--context` or the current context means."""
    running = "running: " + (", ".join(sorted(clusters.states)) or "none")
    for flag, reason in _NO_CLUSTER.items():
        name = parsed.value(flag)
        if name and name not in clusters.states:
            raise InputError(reason.format(name), hint=running)
    name = parsed.value("cluster") or parsed.value("context") or clusters.current or ""
    if name not in clusters.states:
        raise KubectlError(
            "no cluster is chosen",
            hint=f"write --cluster NAME, or kubectl config use-context NAME; {running}",
        )
    return clusters.states[name]
