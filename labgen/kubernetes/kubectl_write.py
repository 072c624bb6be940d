"""The kubectl commands that change objects: apply, create, delete, label, scale, cordon, drain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from labgen.kubernetes import kinds, nodes, verbs
from labgen.kubernetes.call import FILENAME, SELECTOR, Call, gathered, whole_number
from labgen.kubernetes.errors import KubectlError
from labgen.kubernetes.flags import Flag, switch
from labgen.kubernetes.kinds import Ref
from labgen.kubernetes.manifests import Manifest
from labgen.kubernetes.objects import ref
from labgen.kubernetes.outcome import Outcome
from labgen.kubernetes.provided import Provided, is_address, provided
from labgen.kubernetes.shell import Answer
from labgen.kubernetes.state import ClusterState

APPLY = (FILENAME, switch("wait"), Flag("validate", aside="true"))
CREATE = (FILENAME, switch("save-config"), Flag("validate", aside="true"))
DELETE = (
    FILENAME, SELECTOR, switch("all"), switch("ignore-not-found"), switch("wait"), switch("now"),
    switch("force"), Flag("grace-period"), Flag("timeout"),
)  # fmt: skip
LABEL = (SELECTOR, switch("all"), switch("overwrite"))
SCALE = (SELECTOR, switch("all"), Flag("replicas"), Flag("current-replicas"), Flag("timeout"))
CORDON = (SELECTOR,)
DRAIN = (
    SELECTOR, switch("ignore-daemonsets"), switch("force"), switch("delete-emptydir-data"),
    switch("delete-local-data"), Flag("grace-period"), Flag("timeout"),
)  # fmt: skip
_FORCED = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been "
    "terminated. The resource may continue to run on the cluster indefinitely."
)

Step = Callable[[ClusterState], Outcome]


def apply(call: Call) -> Answer:
    """`kubectl apply -f`. Every file is read before the first object changes."""
    return gathered(call, _from_files(call, verbs.apply))


def create(call: Call) -> Answer:
    """`kubectl create -f`, and `kubectl create namespace NAME`."""
    if call.words[:1] in (("namespace",), ("ns",)):
        return _create_namespace(call)
    verb = partial(verbs.create, save_config=call.parsed.on("save-config"))
    return gathered(call, _from_files(call, verb))


def _create_namespace(call: Call) -> Answer:
    if len(call.words) != 2 or call.files():
        raise call.wrong("exactly one NAME is required")
    name = call.words[1]
    return call.done(verbs.create_namespace(call.state, name, now=call.now))


def _from_files(call: Call, verb: Callable[..., Outcome]) -> list[Step]:
    if call.words:
        raise call.wrong(f"kubectl {call.verb} {call.words[0]} is not covered by this lab")
    if not call.files():
        raise KubectlError("must specify one of -f and -k", hint="-k is not covered by this lab")
    steps: list[Step] = []
    for path in call.files():
        given = _content(call, path)
        if isinstance(given, Provided):
            steps.append(partial(_install, given=given, path=path, call=call))
        else:
            steps.append(partial(verb, manifests=given, source=path, now=call.now))
    return steps


def _content(call: Call, path: str) -> Provided | list[Manifest]:
    given = provided(path)
    if given is not None:
        return given
    if is_address(path):
        raise KubectlError(
            f"{path}: this lab is sealed and fetches nothing",
            hint="save the file and name it with -f",
        )
    return call.manifests(path)


def _install(state: ClusterState, *, given: Provided, path: str, call: Call) -> Outcome:
    name = path.rpartition("/")[2]
    line = f"{name}: not read, this lab provides it by itself: {given.why}"
    return Outcome(given.install(state, call.now), (line,))


def delete(call: Call) -> Answer:
    """`kubectl delete`: by name, by selector, or what a file names."""
    if call.files() and call.words:
        raise KubectlError(
            "when paths, URLs, or stdin is provided as input, you may not specify resource "
            "arguments as well"
        )
    groups: list[tuple[str | None, list[Ref]]] = [
        (path, _named(call, path)) for path in call.files()
    ]
    groups = groups or [(None, call.refs(call.words))]
    if call.parsed.on("ignore-not-found"):
        groups = [(path, [at for at in refs if call.state.get(at)]) for path, refs in groups]
    elif not any(refs for _, refs in groups):
        return Answer(call.clusters, out="No resources found\n")
    answer = gathered(
        call, [partial(verbs.delete, refs=refs, source=path, now=call.now) for path, refs in groups]
    )
    if not call.parsed.on("force"):
        return answer
    lines = (line.removesuffix(" deleted") for line in answer.out.splitlines())
    out = "".join(f"{line} force deleted\n" for line in lines)
    return replace(answer, out=out, err=f"{_FORCED}\n{answer.err}")


def _named(call: Call, path: str) -> list[Ref]:
    given = _content(call, path)
    if isinstance(given, Provided):
        raise KubectlError(f"{path}: this lab provides it by itself and cannot do without")
    return [ref(item.item) for item in given]


def label(call: Call) -> Answer:
    """`kubectl label TYPE NAME KEY=VALUE… KEY-…`."""
    words = list(call.words)
    first = next((i for i, word in enumerate(words) if _is_change(word)), len(words))
    changes: dict[str, str | None] = {}
    for word in words[first:]:
        if not _is_change(word):
            raise KubectlError("all resources must be specified before label changes: " + word)
        key, sign, value = word.partition("=")
        key = key if sign else word.removesuffix("-")
        if key in changes:
            raise KubectlError("can not both modify and remove a label in the same command")
        changes[key] = value if sign else None
    if not changes:
        raise KubectlError("at least one label update is required")
    refs = call.refs(words[:first])
    overwrite = call.parsed.on("overwrite")
    return call.done(verbs.label(call.state, refs, changes, overwrite=overwrite, now=call.now))


def _is_change(word: str) -> bool:
    return "=" in word or word.endswith("-")


def scale(call: Call) -> Answer:
    """`kubectl scale deployment NAME --replicas N`."""
    if not call.parsed.all("replicas"):
        raise KubectlError('required flag(s) "replicas" not set')
    replicas = whole_number(call.parsed.value("replicas"), "replicas", "kubectl scale")
    refs = call.refs(call.words)
    expected = call.parsed.value("current-replicas")
    for at in refs if expected else ():
        found = getattr(call.object(at), "replicas", None)
        if found != whole_number(expected, "current-replicas", "kubectl scale"):
            raise KubectlError(f"Expected replicas to be {expected}, was {found}")
    return call.done(verbs.scale(call.state, refs, replicas, now=call.now))


def _node_names(call: Call) -> list[str]:
    """Names, `node/NAME`, or those that `-l` selects."""
    if call.words and call.parsed.value("selector"):
        raise KubectlError("cannot specify both a node name and a --selector option")
    if not call.words and not call.parsed.value("selector"):
        raise call.wrong(f"kubectl {call.verb} wants a node")
    if not call.words:
        return [item.meta.name for item in call.selected(call.of(kinds.NODE))]
    names = []
    for word in call.words:
        kind, slash, name = word.rpartition("/")
        if slash and kinds.kind_of(kind) is not kinds.NODE:
            raise KubectlError(f'expected resource of type node, got "{kind}"')
        names.append(name)
    return names


def cordon(call: Call) -> Answer:
    """`kubectl cordon` and `kubectl uncordon`."""
    desired = call.verb == "cordon"
    return call.done(nodes.cordon(call.state, _node_names(call), desired=desired, now=call.now))


def drain(call: Call) -> Answer:
    """`kubectl drain`."""
    options = nodes.Drain(
        ignore_daemonsets=call.parsed.on("ignore-daemonsets"), force=call.parsed.on("force")
    )
    return call.done(nodes.drain(call.state, _node_names(call), options, now=call.now))
