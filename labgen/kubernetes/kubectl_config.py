"""`kubectl config`: which cluster the next command means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labgen.kubernetes.errors import KubectlError
from labgen.kubernetes.flags import parse
from labgen.kubernetes.shell import Answer, Clusters
from labgen.kubernetes.tables import aligned

_COVERED = ("use-context", "current-context", "get-contexts", "get-clusters")


def config(argv: Sequence[str], clusters: Clusters) -> Answer:
    """`kubectl config …`. Context, cluster and user of a cluster bear its name (minikube)."""
    words = parse(argv, (), "kubectl config").words
    verb, names = (words[0], words[1:]) if words else ("", ())
    if verb in ("use-context", "use"):
        return _use(names, clusters)
    if verb == "current-context":
        if clusters.current is None:
            raise KubectlError("current-context is not set")
        return Answer(clusters, out=f"{clusters.current}\n")
    if verb == "get-contexts":
        return _contexts(names, clusters)
    if verb == "get-clusters":
        return Answer(clusters, out="".join(f"{n}\n" for n in ("NAME", *sorted(clusters.states))))
    shown = f"kubectl config {verb}".rstrip()
    raise KubectlError(f"{shown} is not covered by this lab; covered: {', '.join(_COVERED)}")


def _use(names: Sequence[str], clusters: Clusters) -> Answer:
    if len(names) != 1:
        raise KubectlError("use-context wants the name of one context")
    (name,) = names
    if name not in clusters.states:
        raise KubectlError(f'no context exists with the name: "{name}"')
    return Answer(replace(clusters, current=name), out=f'Switched to context "{name}".\n')


def _contexts(names: Sequence[str], clusters: Clusters) -> Answer:
    """A row for each context asked for; kubectl prints the others, and then what it missed."""
    missing = [name for name in names if name not in clusters.states]
    shown = [name for name in names or clusters.states if name in clusters.states]
    rows = [("CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE")]
    rows += [
        ("*" if name == clusters.current else "", name, name, name, "") for name in sorted(shown)
    ]
    err = "".join(f"error: context {name} not found\n" for name in missing)
    return Answer(clusters, aligned(rows), err, code=1 if missing else 0)
