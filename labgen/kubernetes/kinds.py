"""The kinds that this room keeps, under the names by which kubectl and the API know them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of the Kubernetes API. `group` is empty for the core group."""

    name: str
    group: str
    version: str
    plural: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        return self.name.lower()

    @property
    def resource(self) -> str:
        """How errors of the API server name it: `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified(self) -> str:
        """How kubectl's messages name one: `deployment.apps`."""
        return f"{self.singular}.{self.group}" if self.group else self.singular


class Ref(NamedTuple):
    """What names an object within a cluster; `namespace` is empty for cluster-scoped kinds."""

    kind: Kind
    namespace: str
    name: str

    def __str__(self) -> str:
        """As kubectl prints it: `deployment.apps/echoserver`."""
        return f"{self.kind.qualified}/{self.name}"


NAMESPACE = Kind("Namespace", "", "v1", "namespaces", ("ns",), namespaced=False)
NODE = Kind("Node", "", "v1", "nodes", ("no",), namespaced=False)
POD = Kind("Pod", "", "v1", "pods", ("po",))
SERVICE = Kind("Service", "", "v1", "services", ("svc",))
DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments", ("deploy",))
REPLICA_SET = Kind("ReplicaSet", "apps", "v1", "replicasets", ("rs",))
DAEMON_SET = Kind("DaemonSet", "apps", "v1", "daemonsets", ("ds",))
ENDPOINT_SLICE = Kind("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices")
INSTALLATION = Kind("Installation", "operator.tigera.io", "v1", "installations", namespaced=False)
API_SERVER = Kind("APIServer", "operator.tigera.io", "v1", "apiservers", namespaced=False)

KINDS = (
    NAMESPACE,
    NODE,
    POD,
    SERVICE,
    DEPLOYMENT,
    REPLICA_SET,
    DAEMON_SET,
    ENDPOINT_SLICE,
    INSTALLATION,
    API_SERVER,
)
BY_VERSION = {(kind.api_version, kind.name): kind for kind in KINDS}
_BY_WORD = {
    word: kind
    for kind in KINDS
    for word in (kind.plural, kind.singular, kind.resource, kind.qualified, *kind.short_names)
}


def kind_of(word: str) -> Kind | None:
    """The kind that a kubectl argument means: `po`, `pod`, `pods`, `deployments.apps`, …"""
    return _BY_WORD.get(word.lower())
