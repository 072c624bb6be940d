"""What a rehearsal does and expects, as a user writes it in the lab spec: probes and stages.

An action has exactly one key, the verb; an expectation may say several things, all of which must
hold. Durations are written as `1s`, `250ms` or `2m`, as Calico and Kubernetes write them.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic import model_validator as _model_validator

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)\Z")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


def _seconds(value: Any) -> Any:
    match = _DURATION.match(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("must be a duration such as 1s, 250ms or 2m")
    return float(match[1]) * _UNITS[match[2]]


Duration = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
"""Seconds."""

Name = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.-]*$", max_length=63, strict=True)
]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]
Argv = Annotated[list[str], Field(min_length=1)]


class Strict(BaseModel):
    """A value of the spec: frozen, and a key it does not know is an error, not silence."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class ServiceTarget(Strict):
    """A Service, by its ClusterIP."""

    cluster: Name
    service: Name
    namespace: Name = "default"
    port: Port | None = Field(None, description="default: the Service's first port")


class PodTarget(Strict):
    """A pod, by its name in the lab."""

    pod: Name
    port: Port = Field(8080, description="the echo server's; ICMP needs none")


class WorkloadTarget(Strict):
    """The first running pod that a Deployment (or a bare pod's `app` label) made."""

    cluster: Name
    app: str = Field(description="value of the label `app`")
    namespace: Name = "default"
    port: Port = Field(8080, description="the echo server's; ICMP needs none")


class AddressTarget(Strict):
    """Any address of the lab."""

    address: Address
    port: Port = 8080


Target = ServiceTarget | PodTarget | WorkloadTarget | AddressTarget
Kind = Literal["icmp", "tcp", "http"]


class Thresholds(Strict):
    """What a stage may cost a flow. More is a finding, and the stage is broken."""

    max_gap: Duration | None = Field(None, description="longest time without an answer")
    max_lost: Annotated[int, Field(ge=0, strict=True)] | None = None


class Probe(Thresholds):
    """One flow that is probed through all stages, from inside the lab."""

    from_: Name = Field(alias="from", description="the pod (or node) that probes")
    to: Target
    kind: Kind = "icmp"
    rate: Annotated[int, Field(ge=1, le=1000, strict=True)] = Field(100, description="per second")


class OnCluster(Strict):
    """Something that is done to one cluster."""

    cluster: Name


class Files(OnCluster):
    """`-f FILE`, by calicoctl or kubectl, whichever knows the file's kinds.

    `${CLUSTER_A_M03_IP}` and the like stand for a node's address.
    """

    file: str


class Command(OnCluster):
    """A command line of calicoctl or kubectl, without the program's name."""

    argv: Argv


class Patch(OnCluster):
    """A merge patch of one Calico resource."""

    kind: str
    name: str
    patch: dict[str, Any]


class Delete(OnCluster):
    """One object, by kind and name; Calico's kinds and Kubernetes'."""

    kind: str
    name: str
    namespace: Name | None = None


class Nodes(OnCluster):
    """Nodes of one cluster."""

    nodes: list[Name] = Field(min_length=1)


class Label(Nodes):
    """Labels for nodes; an empty value takes the label away."""

    labels: dict[str, str | None] = Field(min_length=1)


class NodeJoins(OnCluster):
    """One more node."""

    name: Name
    segment: Name | None = None
    address: Address | None = None
    labels: dict[str, str] = Field(default_factory=dict)


class NodeLeaves(OnCluster):
    name: Name


class Run(Strict):
    """A command in a node or pod; it must succeed."""

    node: Name
    argv: Argv


class Failover(Strict):
    """A BIG-IP pair's standby unit takes over."""

    to: Name | None = Field(None, description="the unit that takes over; default: the other one")


class Fault(Strict):
    """A fault of the catalogue, by its name."""

    fault: Name
    node: Name | None = None


class Action(Strict):
    """One verb."""

    apply: Files | None = None
    create: Files | None = None
    calicoctl: Command | None = None
    kubectl: Command | None = None
    patch: Patch | None = None
    delete: Delete | None = None
    label: Label | None = None
    drain: Nodes | None = None
    cordon: Nodes | None = None
    uncordon: Nodes | None = None
    add_node: NodeJoins | None = None
    remove_node: NodeLeaves | None = None
    run: Run | None = None
    failover: Failover | None = None
    inject: Fault | None = None
    heal: Fault | None = None

    @_model_validator(mode="after")
    def _one_verb(self) -> Action:
        if len(self.model_fields_set) != 1 or self.value is None:
            raise ValueError("an action with exactly one verb")
        return self

    @property
    def verb(self) -> str:
        return next(iter(self.model_fields_set))

    @property
    def value(self) -> Strict | None:
        """What the verb is given."""
        found: Strict | None = getattr(self, self.verb)
        return found


class Routes(Strict):
    """Routes to prefixes inside `to`, on nodes.

    `via` is the exact set of next hops (several: ECMP). `as_many` is how many prefixes there must
    be at least. `cluster_list` is RFC 4456's, as the node has it from its reflectors.
    """

    clusters: list[Name] = Field(default_factory=list, description="all nodes of these clusters")
    nodes: list[Name] = Field(default_factory=list, description="these nodes")
    but: list[Name] = Field(default_factory=list, description="nodes to leave out")
    to: Network
    via: list[Name] = Field(default_factory=list, description="nodes; none: whatever next hop")
    as_many: Annotated[int, Field(ge=1, strict=True)] = 1
    absent: bool = False
    cluster_list: list[IPv4Address] = Field(default_factory=list)
    in_: Literal["fib", "rib", "both"] = Field("both", alias="in")

    @_model_validator(mode="after")
    def _somewhere(self) -> Routes:
        if not self.clusters and not self.nodes:
            raise ValueError("`clusters` or `nodes`: where the routes must be")
        return self


class Traffic(Strict):
    """What must get through: an echo request or a GET."""

    from_: Name = Field(alias="from")
    to: Target
    kind: Kind = "http"
    absent: bool = Field(False, description="it must not get through")
    over: list[Name] = Field(
        default_factory=list, description="nodes that must each carry a share of varied flows"
    )


class Expect(Strict):
    """What must hold after a stage's actions, within `deadline`.

    Absence is judged after everything else has been reached, so that it is not mere slowness.
    """

    deadline: Duration = 20.0
    sessions: dict[Name, list[Name]] | None = Field(
        default=None, description="node -> exactly the nodes it has sessions with, all Established"
    )
    converged: bool = Field(
        default=True, description="every session Established and every route as the forecast has it"
    )
    as_numbers: dict[Name, Annotated[int, Field(ge=1, le=4294967295, strict=True)]] = Field(
        default_factory=dict,
        description="cluster (or node) -> AS that its peers negotiated with it",
    )
    routes: list[Routes] = Field(default_factory=list)
    traffic: list[Traffic] = Field(default_factory=list)


class Stage(Thresholds):
    """A step of a change: what is done, what must hold then, and what it may cost each flow."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=60, strict=True)]
    actions: list[Action] = Field(default_factory=list)
    expect: Expect = Expect()
