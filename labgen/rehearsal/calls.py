"""From a stage's action to the commands that carry it out, and the files that they read. Pure but
for `Texts`, which reads the files that the actions name, once: what is checked is what is applied.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labgen.calico.calicoctl.kinds import by_alias
from labgen.calico.calicoctl.manifests import Given, Manifest
from labgen.errors import InputError, Mark
from labgen.spec.stages import Action, Command, Delete, Files, Label, Nodes, Patch
from labgen.yaml_source import Document, parse

if TYPE_CHECKING:
    from labgen.spec.load import LoadedSpec
    from labgen.spec.model import FrrInterface, RouterInterface, Spec

_VARIABLE = re.compile(r"\$\{([A-Za-z0-9_]+)\}")
_CALICO = ("projectcalico.org/", "crd.projectcalico.org/")


@dataclass(frozen=True, slots=True)
class Call:
    """One command line of calicoctl or kubectl, without the program's name."""

    program: str
    cluster: str
    argv: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.program} {' '.join(self.argv)}"


def variables(spec: Spec) -> dict[str, str]:
    """`CLUSTER_A_M03_IP` and the like: each node's and router's first address in the spec."""
    addresses = {
        name: node.address for cluster in spec.clusters.values()
        for name, node in cluster.nodes.items()
    }  # fmt: skip
    for name, router in spec.routers.items():
        interfaces: Mapping[str, FrrInterface | RouterInterface] = router.interfaces
        address = next(iter(interfaces.values())).address
        if address is not None:  # else it stands in the router's tmsh file
            addresses[name] = address
    return {f"{re.sub('[-.]', '_', n).upper()}_IP": str(a) for n, a in addresses.items()}


@dataclass(frozen=True, slots=True)
class Texts:
    """The files that actions name, by the name that the spec gives them, addresses filled in."""

    loaded: LoadedSpec
    known: dict[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A file's text. Raises InputError for one that cannot be read or names no node."""
        if name not in self.known:
            path = self.loaded.resolve(name)
            try:
                written = path.read_text(encoding="utf-8-sig")
            except FileNotFoundError:
                raise InputError(
                    f"no such file: {name}", hint=f"paths are relative to {self.loaded.directory}"
                ) from None
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"{path}: cannot be read: {error}") from error
            self.known[name] = substituted(written, str(path), variables(self.loaded.spec))
        return self.known[name]

    def documents(self, name: str) -> list[Document]:
        """kubectl's reader."""
        return parse(self.text(name), name)

    def given(self, name: str, _: bool = False) -> Given:
        """calicoctl's reader; a rehearsal names files, not directories."""
        return Given((Manifest(name, self.text(name)),))


def substituted(text: str, path: str, values: Mapping[str, str]) -> str:
    """`text` with every `${NAME}` replaced. Raises InputError where there is no such name."""
    for match in _VARIABLE.finditer(text):
        if match[1] not in values:
            before = text[: match.start()]
            mark = Mark(path, before.count("\n") + 1, match.start() - before.rfind("\n"))
            raise InputError(f"no node's address is called ${{{match[1]}}}", mark=mark,
                             hint=f"known: {', '.join(sorted(values))}")  # fmt: skip
    return _VARIABLE.sub(lambda match: values[match[1]], text)


def calls(action: Action, texts: Texts) -> Iterator[Call]:
    """The command lines of an action; none for those that are no command of the two programs."""
    verb, value = action.verb, action.value
    match value:
        case Files():
            argv = (verb, "-f", value.file)
            yield Call(_program(texts, value.file), value.cluster, argv)
        case Command():
            yield Call(verb, value.cluster, tuple(value.argv))
        case Patch():
            patch = json.dumps(value.patch)
            yield Call("calicoctl", value.cluster, ("patch", value.kind, value.name, "-p", patch))
        case Delete():
            space = ("-n", value.namespace) if value.namespace else ()
            kind = by_alias(value.kind)
            of_calico = kind is not None and kind.name not in {"Node", "Namespace", "Pod"}
            program = "calicoctl" if of_calico else "kubectl"
            yield Call(program, value.cluster, ("delete", value.kind, value.name, *space))
        case Label():
            pairs = [f"{k}={v}" if v else f"{k}-" for k, v in value.labels.items()]
            for node in value.nodes:
                yield Call("kubectl", value.cluster,
                           ("label", "node", node, *pairs, "--overwrite"))  # fmt: skip
        case Nodes():
            more = ("--ignore-daemonsets",) if verb == "drain" else ()
            yield Call("kubectl", value.cluster, (verb, *more, *value.nodes))


def _program(texts: Texts, name: str) -> str:
    """Who knows the kinds of a file: its first document decides, as a person would."""
    for document in texts.documents(name):
        if isinstance(document.value, dict):
            version = str(document.value.get("apiVersion", ""))
            return "calicoctl" if version.startswith(_CALICO) else "kubectl"
    raise InputError(f"{name}: it holds no resource", hint="name a file with YAML documents")


def words(action: Action) -> str:
    """An action on one line, for progress and reports."""
    value = action.value
    match value:
        case Files():
            return f"{action.verb} {value.file} on {value.cluster}"
        case Command():
            return f"{action.verb} {' '.join(value.argv)} on {value.cluster}"
        case Patch() | Delete():
            return f"{action.verb} {value.kind} {value.name} on {value.cluster}"
        case Label():
            pairs = " ".join(f"{k}={v}" if v else f"{k}-" for k, v in value.labels.items())
            return f"label {', '.join(value.nodes)} {pairs}"
        case Nodes():
            return f"{action.verb} {', '.join(value.nodes)}"
    given = value.model_dump(exclude_none=True) if value is not None else {}
    shown = (" ".join(v) if isinstance(v, list) else str(v) for v in given.values() if v)
    return f"{action.verb.replace('_', ' ')} {' '.join(shown)}"
