"""Calico and Kubernetes resources as values, each with the place in the file that it came from.

`load` reads files and directories; `parse` takes documents that are already read. What a document
says is kept as it stands (`Resource.raw`), so that calicoctl can print it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from labgen import yaml_source
from labgen.calico import specs
from labgen.errors import InputError, InputErrors, Mark

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labgen.yaml_source import Document, KeyPath

Body_co = TypeVar("Body_co", covariant=True)
SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Source:
    """The part of a document that is one resource: `base` is () or the place in a List's items."""

    document: Document = field(repr=False)
    base: KeyPath = ()

    def mark(self, *keys: str | int) -> Mark:
        """Where `keys` of the resource stands, or the nearest part that the file really has."""
        return self.document.mark((*self.base, *keys))


@dataclass(frozen=True, slots=True)
class Notice:
    """Something odd that is not an error: labgen goes on as Calico would."""

    message: str
    mark: Mark

    def __str__(self) -> str:
        return f"{self.mark}: {self.message}"


@dataclass(frozen=True, slots=True)
class Resource(Generic[Body_co]):
    """One resource. `spec` is its typed content; `namespace` is None for cluster-scoped kinds."""

    api_version: str
    kind: str
    name: str
    namespace: str | None
    labels: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str] = field(repr=False)
    spec: Body_co
    source: Source = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def id(self) -> str:
        """How Calico's messages name a resource: `IPPool(foo)`, `Service(ns/foo)`."""
        return f"{self.kind}({self.namespace + '/' if self.namespace else ''}{self.name})"

    @property
    def from_server(self) -> bool:
        """Printed by an API server, which has validated it."""
        metadata = self.raw.get("metadata")
        return isinstance(metadata, dict) and bool({"uid", "resourceVersion"} & metadata.keys())

    def mark(self, *keys: str | int) -> Mark:
        return self.source.mark(*keys)


Node = Resource[specs.NodeSpec]
BGPConfiguration = Resource[specs.BGPConfigurationSpec]
BGPPeer = Resource[specs.BGPPeerSpec]
BGPFilter = Resource[specs.BGPFilterSpec]
IPPool = Resource[specs.IPPoolSpec]
IPReservation = Resource[specs.IPReservationSpec]
BlockAffinity = Resource[specs.BlockAffinitySpec]
IPAMConfig = Resource[specs.IPAMConfigSpec]
WorkloadEndpoint = Resource[specs.WorkloadEndpointSpec]
KubernetesSecret = Resource[specs.SecretBody]
Service = Resource[specs.ServiceBody]
EndpointSlice = Resource[specs.EndpointSliceBody]
Namespace = Resource[specs.NamespaceBody]


@dataclass(frozen=True, slots=True)
class Resources:
    """Everything that was read, by kind, each kind in ascending order of namespace and name.

    `ignored` are documents of kinds that do not concern BGP or IPAM. `notices` is what a reader
    should know about the input.
    """

    nodes: tuple[Node, ...] = ()
    bgp_configurations: tuple[BGPConfiguration, ...] = ()
    bgp_peers: tuple[BGPPeer, ...] = ()
    bgp_filters: tuple[BGPFilter, ...] = ()
    ip_pools: tuple[IPPool, ...] = ()
    ip_reservations: tuple[IPReservation, ...] = ()
    block_affinities: tuple[BlockAffinity, ...] = ()
    ipam_configs: tuple[IPAMConfig, ...] = ()
    workload_endpoints: tuple[WorkloadEndpoint, ...] = ()
    secrets: tuple[KubernetesSecret, ...] = ()
    services: tuple[Service, ...] = ()
    endpoint_slices: tuple[EndpointSlice, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    ignored: tuple[Resource[None], ...] = ()
    notices: tuple[Notice, ...] = ()

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)

    def bgp_configuration(self, name: str = "default") -> BGPConfiguration | None:
        return next((item for item in self.bgp_configurations if item.name == name), None)

    def every(self) -> tuple[Resource[Any], ...]:
        """Every resource that labgen understands, kind by kind."""
        return (
            *self.nodes,
            *self.bgp_configurations,
            *self.bgp_peers,
            *self.bgp_filters,
            *self.ip_pools,
            *self.ip_reservations,
            *self.block_affinities,
            *self.ipam_configs,
            *self.workload_endpoints,
            *self.secrets,
            *self.services,
            *self.endpoint_slices,
            *self.namespaces,
        )


def load(paths: Sequence[Path]) -> Resources:
    """Read files and directories (every `*.yaml`, `*.yml`, `*.json` below them, by name).

    A directory may hold other YAML too: what has neither apiVersion nor kind is left out there,
    with a notice; a file that is named must hold resources. Raises InputError for a missing path, a
    directory without such files, and all that `parse` refuses.
    """
    found, strays = documents(paths)
    resources = parse(found)
    return replace(resources, notices=(*strays, *resources.notices))


def documents(paths: Sequence[Path]) -> tuple[list[Document], list[Notice]]:
    """Every object of these files and directories, and notices of what was left out.

    Raises InputError as `load` does, `parse` apart.
    """
    kept: list[Document] = []
    strays: list[Notice] = []
    problems: list[InputError] = []
    named = set(paths)
    for path in dict.fromkeys(file for given in paths for file in _files(given)):
        try:
            found = yaml_source.read(path)
        except InputError as problem:
            problems.append(problem)
            continue
        for document in found:
            if path in named or _is_resource(document.value):
                kept.append(document)
            else:
                strays.append(Notice("no Kubernetes resource; left out", document.first))
    raise_all(problems)
    return kept, strays


def _is_resource(value: object) -> bool:
    return not isinstance(value, dict) or bool({"apiVersion", "kind"} & value.keys())


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
    if not found:
        raise InputError(
            f"{path}: no resources in this directory", hint="it holds no *.yaml, *.yml or *.json"
        )
    return found


def raise_all(problems: Sequence[InputError]) -> None:
    """Raise what was collected: one error as itself, several as one."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise InputErrors(problems)


def parse(documents: Iterable[Document]) -> Resources:
    """Typed resources of these documents. Raises InputError(s), every problem in one pass."""
    from labgen.calico.decode import Decoder  # noqa: PLC0415 - decode needs the types above

    decoder = Decoder()
    for document in documents:
        decoder.document(document)
    return decoder.finish()


def merged(resources: Resources, other: Resources) -> Resources:
    """Both together; an object of `other` replaces one of the same kind, namespace and name."""
    changes: dict[str, Any] = {}
    for name in Resources.__slots__:
        mine, theirs = getattr(resources, name), getattr(other, name)
        if name == "notices":
            changes[name] = (*mine, *theirs)
        else:
            by_key = {(item.namespace or "", item.name, item.kind): item for item in mine}
            by_key |= {(item.namespace or "", item.name, item.kind): item for item in theirs}
            changes[name] = tuple(by_key[key] for key in sorted(by_key))
    return replace(resources, **changes)
