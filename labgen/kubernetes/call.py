"""One kubectl command line on its way to an answer, and how its words name objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from labgen.errors import InputError
from labgen.kubernetes import kinds, labels
from labgen.kubernetes.errors import KubectlError, not_found
from labgen.kubernetes.flags import Flag, Parsed
from labgen.kubernetes.kinds import KINDS, Kind, Ref
from labgen.kubernetes.manifests import Manifest, decode
from labgen.kubernetes.objects import Object, ref
from labgen.kubernetes.outcome import Outcome
from labgen.kubernetes.shell import Answer, Clusters, Reader
from labgen.kubernetes.state import ClusterState

GLOBAL_FLAGS = (Flag("cluster"), Flag("context"), Flag("namespace", "n"))
SELECTOR = Flag("selector", "l")
FILENAME = Flag("filename", "f")
ALL_KINDS = (
    kinds.POD,
    kinds.SERVICE,
    kinds.DAEMON_SET,
    kinds.DEPLOYMENT,
    kinds.REPLICA_SET,
)  # what `kubectl get all` means, of what there is here


@dataclass(frozen=True, slots=True)
class Call:
    """A command line, parsed. `namespace` is `-n`'s, else `default`."""

    verb: str
    usage: str
    parsed: Parsed
    clusters: Clusters
    state: ClusterState
    namespace: str
    read: Reader
    now: datetime

    @property
    def words(self) -> tuple[str, ...]:
        return self.parsed.words

    def wrong(self, reason: str) -> KubectlError:
        """A command line that lacks something or says too much."""
        return KubectlError(reason, hint=f"write kubectl {self.usage}")

    def done(self, outcome: Outcome) -> Answer:
        """The answer that prints what a verb did."""
        return Answer(
            self.clusters.having(outcome.state),
            out="".join(f"{line}\n" for line in outcome.out),
            err="".join(f"{line}\n" for line in (*outcome.warnings, *map(str, outcome.problems))),
            code=1 if outcome.problems else 0,
        )

    def selected(self, items: Iterable[Object]) -> list[Object]:
        """Those that `-l` selects; all of them without it."""
        text = self.parsed.value("selector")
        wanted = labels.parse(text) if text else None
        return [item for item in items if wanted is None or wanted.matches(item.meta.labels)]

    def refs(self, words: Sequence[str]) -> list[Ref]:
        """What `TYPE NAME…`, `TYPE/NAME…`, or `TYPE` with `-l` or `--all` means."""
        named = self.named(words)
        if any(name for _, name in named):
            return [self.at(kind, name) for kind, name in named]
        if not self.parsed.value("selector") and not self.parsed.on("all"):
            raise KubectlError("resource(s) were provided, but no name was specified")
        return [ref(item) for kind, _ in named for item in self.selected(self.of(kind))]

    def at(self, kind: Kind, name: str) -> Ref:
        return Ref(kind, self.namespace if kind.namespaced else "", name)

    def of(self, kind: Kind, *, everywhere: bool = False) -> tuple[Object, ...]:
        """Objects of a kind in the namespace of the call, or in all."""
        narrow = kind.namespaced and not everywhere
        return self.state.of_kind(kind, self.namespace if narrow else None)

    def named(self, words: Sequence[str]) -> list[tuple[Kind, str]]:
        """Kinds and names of the words; an empty name stands for every object of the kind."""
        if not words:
            raise self.wrong("Required resource not specified.")
        if any("/" in word for word in words):
            pairs = []
            for word in words:
                kind, slash, name = word.partition("/")
                if not slash or not kind or not name:
                    raise KubectlError(
                        "there is no need to specify a resource type as a separate argument when "
                        "passing arguments in resource/name form (e.g. 'kubectl get "
                        "resource/<resource_name>' instead of 'kubectl get resource "
                        "resource/<resource_name>'"
                    )
                pairs.append((self.kind(kind), name))
            return pairs
        given, *names = words
        found = [
            kind
            for word in given.split(",")
            for kind in (ALL_KINDS if word == "all" else (self.kind(word),))
        ]
        return [(kind, name) for kind in found for name in names or [""]]

    def kind(self, word: str) -> Kind:
        found = kinds.kind_of(word)
        if found is None:
            covered = ", ".join(kind.plural for kind in KINDS)
            raise KubectlError(
                f"kubectl {self.verb} {word} is not covered by this lab; covered: {covered}",
                hint="Calico's own resources: calicoctl",
            )
        return found

    def object(self, at: Ref) -> Object:
        found = self.state.get(at)
        if found is None:
            raise not_found(at.kind.resource, at.name)
        return found

    def files(self) -> tuple[str, ...]:
        """What `-f` names: several flags, and commas within one."""
        return tuple(part for text in self.parsed.all("filename") for part in text.split(","))

    def manifests(self, path: str) -> list[Manifest]:
        """The objects of a file. Raises InputError with the place of what is wrong."""
        given = self.parsed.value("namespace")
        found = decode(self.read(path), self.namespace)
        if not found:
            raise KubectlError(f"no objects passed to {self.verb}", hint=f"{path} holds none")
        for item in found:
            own = item.item.meta.namespace
            if given and own and own != given:
                raise KubectlError(
                    f'the namespace from the provided object "{own}" does not match the namespace '
                    f"\"{given}\". You must pass '--namespace={own}' to perform this operation."
                )
        return found


def whole_number(text: str, flag: str, command: str) -> int:
    """The value of a flag that wants a number that is not negative."""
    if not text.isdecimal():
        raise KubectlError(f'invalid argument "{text}" for "--{flag}" flag of {command}')
    return int(text)


def gathered(call: Call, steps: Iterable[Callable[[ClusterState], Outcome]]) -> Answer:
    """Steps one after the other, each on the state that the last one left."""
    state = call.state
    out: list[str] = []
    warnings: list[str] = []
    problems: list[InputError] = []
    for step in steps:
        done = step(state)
        state = done.state
        out += done.out
        warnings += done.warnings
        problems += done.problems
    return call.done(Outcome(state, tuple(out), tuple(warnings), tuple(problems)))
