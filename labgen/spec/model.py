"""The lab spec as a user writes it: nodes, segments, clusters, routers, pods.

The spec never restates BGP. It points at Calico YAML and at the BIG-IP's configuration, and says
only what those files cannot know: which container stands where, and on which segment.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from labgen.spec.stages import Probe, Stage
from labgen.spec.wire import WireStatement

Name = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9.-]*$", max_length=63, strict=True)
]
LabName = Annotated[
    str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9-]*$", max_length=40, strict=True)
]
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Mtu = Annotated[int, Field(ge=576, le=9500, strict=True)]
BigIpInterface = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]?\.[1-9][0-9]?$")]
LinuxInterface = Annotated[str, StringConstraints(pattern=r"^eth[1-9][0-9]?$")]


def _service(value: str) -> str:
    protocol, _, port = value.partition(":")
    plain = {"default", "all", "none"}
    named = protocol in {"tcp", "udp", "sctp", "any"} and port != ""
    if value not in plain and not named:
        raise ValueError("must be `default`, `all`, `none` or like `tcp:179`")
    return value


AllowService = Annotated[str, AfterValidator(_service)]


class Strict(BaseModel):
    """A spec value: frozen, and a key it does not know is an error, not silence."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class Segment(Strict):
    """A LAN: one bridge inside a container's network namespace."""

    subnet: Network = Field(description="IPv4 (or IPv6) network of the LAN, such as 10.1.20.0/24")
    subnet6: IPv6Network | None = Field(None, description="IPv6 network beside an IPv4 one")
    mtu: Mtu = Field(1500, description="octets")


class CalicoNode(Strict):
    """A Kubernetes node that runs Calico's BIRD."""

    segment: Name = Field(description="the segment that carries the node's address")
    address: Address = Field(description="the node's address on that segment")
    address6: IPv6Address | None = None
    labels: dict[str, str] = Field(default_factory=dict, description="Kubernetes node labels")


class Pod(Strict):
    """A pod: a container behind a `cali…` interface of its node."""

    node: Name
    namespace: Name = "default"
    address: IPv4Address | None = Field(None, description="omitted: Calico's IPAM chooses")
    address6: IPv6Address | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    announces: list[Network] | None = Field(
        None,
        description="networks that the pod itself announces over BGP to its node, which a BGPPeer "
        "with a localWorkloadSelector must let it; the pod answers for their addresses",
    )


class Cluster(Strict):
    """A Calico cluster: its resource files, its nodes and its pods."""

    resources: list[str] = Field(
        min_length=1, description="Calico/Kubernetes YAML: files or directories, beside the spec"
    )
    nodes: dict[Name, CalicoNode] = Field(min_length=1)
    pods: dict[Name, Pod] = Field(default_factory=dict)
    manifests: list[str] = Field(
        default_factory=list,
        description="Deployments, Services, … to create: files or directories, beside the spec",
    )
    service_network: Network | None = Field(
        None, description="--service-cluster-ip-range; omitted: 10.96.0.0/12, as kubeadm's"
    )
    pod_network: Network | None = Field(
        None, description="kubeadm's pod-network-cidr; omitted: the first enabled IPPool"
    )
    pod_mtu: Mtu = Field(1440, description="MTU of the pods' interfaces, octets")


class FrrInterface(Strict):
    """One interface of a plain FRR."""

    segment: Name
    address: Address
    address6: IPv6Address | None = None


class RouterInterface(Strict):
    """One interface of a BIG-IP. With a `tmsh` file, address and lockdown stand there."""

    segment: Name
    address: Address | None = Field(
        None, description="the self-IP on that segment; omitted where a `tmsh` file has it"
    )
    address6: IPv6Address | None = None
    vlan: Name | None = Field(None, description="TMOS VLAN name; default: the segment's name")
    allow_service: list[AllowService] = Field(
        default_factory=lambda: ["none"],
        description="self-IP port lockdown, as tmsh prints it; TMOS's default is none",
    )


class BigIp(Strict):
    """The BIG-IP: `bigip` is an FRR stand-in that reads BIG-IP configuration, `f5_bigip-ve` the
    real thing, for containerlab to run, from the very same input.
    """

    kind: Literal["bigip", "f5_bigip-ve"]
    config: str = Field(description="ZebOS configuration: imish session, running-config, ConfigMap")
    tmsh: str | None = Field(
        None,
        description="`tmsh list net self vlan route route-domain`: self-IPs, VLANs, port lockdown "
        "and routes, instead of `address` and `allow_service` of each interface; also `ltm`",
    )
    as3: str | None = Field(
        None, description="an AS3 declaration (JSON): services, pools, monitors, addresses"
    )
    interfaces: dict[BigIpInterface, RouterInterface] = Field(min_length=1)
    failover_state: Literal["active", "standby"] = Field(
        "active", description="of its traffic groups: who has the floating self-IPs at first"
    )
    image: str | None = Field(
        None,
        description="stand-in: another FRR image; f5_bigip-ve: vrnetlab's build, by default "
        "vrnetlab/f5_bigip-ve:latest",
    )


class Frr(Strict):
    """A router that is plain FRR, such as a top-of-rack switch."""

    kind: Literal["frr"]
    config: str = Field(description="frr.conf, used as it is")
    interfaces: dict[LinuxInterface, FrrInterface] = Field(min_length=1)
    image: str | None = Field(
        None, description="such as quay.io/frrouting/frr:8.4.4; default: labgen's own, FRR 8.4.4"
    )


Router = Annotated[BigIp | Frr, Field(discriminator="kind")]


class Spec(Strict):
    """A lab."""

    name: LabName
    description: str = ""
    segments: dict[Name, Segment] = Field(min_length=1)
    clusters: dict[Name, Cluster] = Field(default_factory=dict)
    routers: dict[Name, Router] = Field(default_factory=dict)
    probes: dict[Name, Probe] = Field(
        default_factory=dict, description="flows that `labgen rehearse` probes through all stages"
    )
    stages: list[Stage] = Field(default_factory=list, description="what `labgen rehearse` does")
    wire: list[WireStatement] = Field(
        default_factory=list, description="what the wire must show; `labgen verify` judges it"
    )
