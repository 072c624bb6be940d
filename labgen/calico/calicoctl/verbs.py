"""create, apply, replace, validate, delete, patch, get, label: each resource by itself, as the real
calicoctl does it, and the message that sums it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from labgen.calico import admission
from labgen.calico.calicoctl import manifests, printing
from labgen.calico.calicoctl.kinds import KINDS, by_alias
from labgen.calico.calicoctl.manifests import FileRefused, NothingGiven, Read
from labgen.calico.calicoctl.printing import Found
from labgen.calico.calicoctl.results import Result, failed
from labgen.calico.datastore import GROUP, VERSION, Datastore, Key, Stamps, completed
from labgen.calico.datastore_errors import AlreadyExists, DoesNotExist, Refused
from labgen.calico.node_config import DEFAULT_AS

if TYPE_CHECKING:
    from labgen.calico.calicoctl.flags import Arguments

    Document = dict[str, Any]

_KINDS = {kind.name: kind for kind in KINDS}
_PAST = {"create": "created", "apply": "applied", "validate": "validated", "replace": "replaced"}
_WANTS_NAME = "resource name may not be empty"


@dataclass(frozen=True, slots=True)
class Session:
    """What a command works with: the store as it is, the clock, and how to read files."""

    store: Datastore
    stamps: Stamps
    read: Read


@dataclass(slots=True)
class Tally:
    """What has happened to the resources of one command."""

    store: Datastore
    total: int = 0
    handled: int = 0
    errors: list[str] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    single_kind: str = ""

    @property
    def what(self) -> str:
        return f"'{self.single_kind}' " if self.single_kind else ""


# --- which resources --------------------------------------------------------------------------


def _wanted(session: Session, arguments: Arguments) -> list[Document]:
    """From `-f`, or a stub for each name of the command line (one without a name lists).

    Raises FileRefused, NothingGiven, Refused.
    """
    if paths := [path for path in arguments.all("filename") if path]:
        return manifests.load(
            paths,
            session.read,
            recursive=arguments.switch("recursive"),
            skip_empty=arguments.switch("skip-empty"),
        )
    if not arguments.words:
        raise Refused("no resources specified")
    word, *names = arguments.words
    kind = by_alias(word)
    if kind is None:
        raise Refused(f"resource type '{word}' is not supported")
    if "" in names:
        raise Refused(_WANTS_NAME)
    return [
        {"apiVersion": VERSION, "kind": kind.name, "metadata": {"name": name}}
        for name in names or [""]
    ]


def _placed(document: Document, arguments: Arguments) -> Document:
    """The document in the namespace that it and the command line agree on. Raises Refused."""
    kind = _KINDS[document["kind"]]
    everywhere, wanted = arguments.switch("all-namespaces"), arguments.text("namespace")
    own = document["metadata"].get("namespace") or ""
    if not kind.namespaced:
        if own:
            raise Refused(
                "namespace should not be specified for a non-namespaced resource. "
                f"{kind.name} is not a namespaced resource"
            )
        if everywhere or wanted:
            raise Refused(f"{kind.name} is not namespaced")
        return document
    if everywhere and wanted:
        raise Refused("cannot use both --namespace and --all-namespaces flags at the same time")
    if own and wanted and own != wanted:
        raise Refused(f"resource namespace does not match client namespace. {own} != {wanted}")
    namespace = "" if everywhere else own or wanted or "default"
    return {**document, "metadata": {**document["metadata"], "namespace": namespace}}


def _key(document: Mapping[str, Any]) -> Key:
    metadata = document["metadata"]
    return Key(GROUP, document["kind"], metadata.get("namespace") or "", metadata["name"])


def _tally(store: Datastore, documents: list[Document], arguments: Arguments) -> Tally:
    kinds = {document["kind"] for document in documents}
    single = len(kinds) == 1 or not arguments.all("filename")
    name = documents[-1]["kind"] if single and documents else ""
    return Tally(store, total=len(documents), single_kind=name)


# --- changing verbs ---------------------------------------------------------------------------


def _change(
    verb: str, store: Datastore, document: Document, session: Session
) -> tuple[Datastore, Document]:
    if not document["metadata"].get("name"):
        raise Refused(_WANTS_NAME)
    stamps = session.stamps
    if verb == "create":
        return admission.create(store, document, stamps)
    if verb == "apply":
        return admission.apply(store, document, stamps)
    if verb == "replace":
        return admission.update(store, document, stamps)
    if verb == "delete":
        version = document["metadata"].get("resourceVersion")
        return admission.delete(store, _key(document), resource_version=version)
    made = completed(document)
    admission.check(store, made, None, offline=True)
    return store, made


def _skipped(problem: Refused, arguments: Arguments) -> bool:
    return (isinstance(problem, AlreadyExists) and arguments.switch("skip-exists")) or (
        isinstance(problem, DoesNotExist) and arguments.switch("skip-not-exists")
    )


def _run(verb: str, session: Session, documents: list[Document], arguments: Arguments) -> Tally:
    """Each resource in turn; an error does not stop the next one."""
    tally = _tally(session.store, documents, arguments)
    for document in documents:
        try:
            placed = _placed(document, arguments)
            tally.store, _ = _change(verb, tally.store, placed, session)
        except Refused as problem:
            if not _skipped(problem, arguments):
                tally.errors.append(problem.message)
                continue
        tally.handled += 1
    return tally


def _loaded(session: Session, arguments: Arguments) -> tuple[list[Document], Result | None]:
    """The resources, or the result that ends the command."""
    try:
        documents = _wanted(session, arguments)
    except FileRefused as problem:
        return [], failed(session.store, f"failed to execute command: {problem}")
    except NothingGiven as problem:
        return [], failed(session.store, str(problem))
    except Refused as problem:
        return [], failed(session.store, problem.message)
    if not documents:
        return [], Result(session.store, stdout="No resources specified\n")
    return documents, None


def create_apply_validate(verb: str, session: Session, arguments: Arguments) -> Result:
    documents, end = _loaded(session, arguments)
    if end is not None:
        return end
    result = _summed_up(verb, _run(verb, session, documents, arguments))
    return replace(result, stderr=_idle(documents) + result.stderr)


def _idle(documents: list[Document]) -> str:
    """A word on what is kept without an effect: the one thing that the real one does not say."""
    kinds = sorted({d["kind"] for d in documents if _KINDS[d["kind"]].opaque})
    return "".join(f"labgen: {kind} is kept, but has no effect in a lab\n" for kind in kinds)


def _summed_up(verb: str, tally: Tally) -> Result:
    past, errors = _PAST[verb], f"[{' '.join(tally.errors)}]"
    if tally.handled == 0:
        many = "resource" if tally.total == 1 else "resources"
        which = "" if tally.total == 1 else "any "
        return failed(tally.store, f"failed to {verb} {which}{tally.what}{many}: {errors}")
    if not tally.errors:
        return Result(tally.store, f"Successfully {past} {tally.handled} {tally.what}resource(s)\n")
    partial = ""
    if tally.handled > len(tally.errors):
        partial = (
            f"Partial success: {past} the first {tally.handled} out of {tally.total} "
            f"{tally.what}resources:\n"
        )
    return failed(tally.store, f"hit error: {errors}", stdout=partial)


def replace_(session: Session, arguments: Arguments) -> Result:
    """The real one counts a resource that failed among the replaced; so does this."""
    documents, end = _loaded(session, arguments)
    if end is not None:
        return end
    tally = _run("replace", session, documents, arguments)
    if not tally.errors:
        return Result(
            tally.store, f"Successfully replaced {tally.handled} {tally.what}resource(s)\n"
        )
    partial = (
        f"Partial success: replaced the first {tally.total} out of {tally.total} "
        f"{tally.what}resources:\n"
    )
    return failed(tally.store, f"hit error: {tally.errors[-1]}", stdout=partial)


def delete(session: Session, arguments: Arguments) -> Result:
    documents, end = _loaded(session, arguments)
    if end is not None:
        return end
    tally = _run("delete", session, documents, arguments)
    done = (
        f"Successfully deleted {tally.handled} {tally.what}resource(s)\n" if tally.handled else ""
    )
    if not tally.errors:
        return Result(tally.store, done)
    lines = "".join(f"Failed to delete {tally.what}resource: {text}\n" for text in tally.errors)
    return failed(tally.store, lines, stdout=done)


def patch(session: Session, arguments: Arguments) -> Result:
    try:
        (document,) = _wanted(session, arguments)
    except Refused as problem:
        return failed(session.store, problem.message)
    try:
        key = _key(_placed(document, arguments))
        store, _ = admission.patch(session.store, key, arguments.text("patch"), session.stamps)
    except Refused as problem:
        return failed(session.store, f"hit error: {problem.message}")
    return Result(store, f"Successfully patched 1 '{key.kind}' resource\n")


# --- reading ----------------------------------------------------------------------------------


def _found(store: Datastore, document: Document, arguments: Arguments) -> Found:
    """What a get or a list of one resource gives. Raises Refused."""
    kind = _KINDS[document["kind"]]
    metadata = _placed(document, arguments)["metadata"]
    namespace = metadata.get("namespace") or ""
    if not metadata.get("name"):
        return Found(kind, tuple(store.list(kind.name, namespace)), str(store.revision))
    if kind.namespaced and not namespace:
        raise Refused("cannot use --all-namespace flag for getting a single resource")
    key = Key(GROUP, kind.name, namespace, metadata["name"])
    return Found(kind, (admission.existing(store, key),))


def get(session: Session, arguments: Arguments) -> Result:
    store = session.store
    namespaces = arguments.switch("all-namespaces") or bool(arguments.text("namespace"))
    try:
        output = printing.understood(arguments.text("output", "ps"), namespaces=namespaces)
    except printing.FormatError as problem:
        return failed(store, str(problem))
    try:
        documents = _wanted(session, arguments)
    except FileRefused as problem:
        return failed(store, f"failed to execute command: {problem}")
    except (NothingGiven, Refused) as problem:
        reason = problem.message if isinstance(problem, Refused) else problem
        return failed(store, f"failed to get resources: {reason}")
    found, errors = [], []
    for document in documents:
        try:
            found.append(_found(store, document, arguments))
        except Refused as problem:
            errors.append(problem.message)
    if arguments.switch("export") and len(arguments.words) > 1:
        found = [replace(item, objects=tuple(map(_exported, item.objects))) for item in found]
    try:
        text = printing.shown(found, output, cluster_as(store))
    except printing.FormatError as problem:
        return failed(store, str(problem))
    return failed(store, "\n".join(errors), stdout=text) if errors else Result(store, text)


def _exported(document: Mapping[str, Any]) -> Document:
    """Without what only this cluster means; Go prints the zero time as null."""
    metadata = {
        key: value
        for key, value in document["metadata"].items()
        if key not in ("namespace", "uid", "resourceVersion")
    }
    return {**document, "metadata": {**metadata, "creationTimestamp": None}}


def cluster_as(store: Datastore) -> int:
    """The AS number of nodes that have none of their own."""
    default = store.objects.get(Key(GROUP, "BGPConfiguration", "", "default"), {})
    number = (default.get("spec") or {}).get("asNumber")
    return DEFAULT_AS if number is None else int(number)


def label(session: Session, arguments: Arguments) -> Result:
    store = session.store
    word, name, text = arguments.words[:3]
    remove = arguments.switch("remove")
    key, equals, value = (text, "", "") if remove else text.partition("=")
    if not remove and not equals:
        return failed(store, f"invalid label {text}")
    kind = by_alias(word)
    if kind is None:
        reason = f"resource type '{word}' is not supported"
        return failed(store, f"failed to get {word} {name}, error {reason}")
    stub: Document = {"kind": kind.name, "metadata": {"name": name}}
    try:
        document = dict(_found(store, stub, arguments).objects[0])
    except Refused:
        return failed(store, f"{word} {name} not found")
    labels = dict(document["metadata"].get("labels") or {})
    before = labels.get(key)
    if remove:
        if before is None:
            return failed(store, f"cannot remove label of {word} {name}, key {key} does not exist")
        del labels[key]
    elif before is not None and before != value and not arguments.switch("overwrite"):
        return failed(
            store,
            f"failed to update label of {word} {name}, key {key} is already present. "  # noqa: S608 - calicoctl's words, not SQL
            "please use '--overwrite' to set a new value",
        )
    else:
        labels[key] = value
    document["metadata"] = {**document["metadata"], "labels": labels}
    try:
        store, _ = admission.update(store, document, session.stamps)
    except Refused:
        return failed(store, f"failed to update {word} {name}, label not changed")
    if remove:
        return Result(store, f"Successfully removed label {key} from {word} {name}\n")
    done = "set" if before is None else "updated"
    return Result(store, f"Successfully {done} label {key} on {word} {name}\n")
