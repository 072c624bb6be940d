"""From the design to the plan: which containers, bridges and links stand for it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from labgen import images
from labgen.calico.workload import HOST_MAC
from labgen.design.model import CalicoNode, Design, Interface, Pod, Router, Segment
from labgen.plan import (
    MAX_INTERFACE_NAME,
    Bind,
    BridgePlan,
    Endpoint,
    LabPlan,
    LinkPlan,
    NodePlan,
    Role,
)

CONFIG_TARGET = "/etc/labgen"
CONFD_TARGET = "/etc/calico/confd/config"
CAPTURES = "captures"
VE_KIND = "f5_bigip-ve"  # containerlab's spelling; see its manual's page on the kind
VE_STARTUP = "startup.sh"

# Namespaced keys, set when the container is created (per-interface keys cannot be: the interfaces
# do not exist yet). A node forwards between pods and segments; strict rp_filter would drop
# asymmetric flows that BGP designs produce on purpose; layer-4 hashing lets flows use every path.
_IPV6 = {
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
}
_HOST = {**_IPV6, "net.ipv4.ip_forward": "0"}
_FORWARDING = {
    **_IPV6,
    "net.ipv4.ip_forward": "1",
    "net.ipv6.conf.all.forwarding": "1",
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv4.fib_multipath_hash_policy": "1",
}


def mac_of(lab: str, node: str, interface: str) -> str:
    """A stable MAC in containerlab's range, so that generated files never differ by chance."""
    digest = hashlib.sha256(f"{lab}\0{node}\0{interface}".encode()).hexdigest()
    return f"aa:c1:ab:{digest[:2]}:{digest[2:4]}:{digest[4:6]}"


def short(name: str, taken: set[str] | None = None) -> str:
    """`name` as an interface name: cut with a hash where it is too long or already taken."""
    taken = taken if taken is not None else set()
    if len(name) <= MAX_INTERFACE_NAME and name not in taken:
        return name
    for i in range(100):
        digest = hashlib.sha256(f"{name}\0{i}".encode()).hexdigest()[:4]
        cut = f"{name[: MAX_INTERFACE_NAME - 5]}-{digest}"
        if cut not in taken:
            return cut
    raise AssertionError("a hundred names with one prefix")


def plan(design: Design) -> LabPlan:
    """The plan of a whole design. Order follows the design, so output is stable."""
    nodes = [_segment(design, s) for s in design.segments]
    nodes += [_router(design, r) for r in design.routers]
    nodes += [_calico_node(design, n) for n in design.calico_nodes]
    nodes += [_pod(design, p) for p in design.pods]
    spec = {"labgen.spec": design.source}  # a running lab's name leads back to its spec
    return LabPlan(
        name=design.name,
        nodes=tuple(replace(n, labels={**n.labels, **spec}) for n in nodes),
        bridges=tuple(BridgePlan(s.bridge, s.node) for s in design.segments),
        links=(*_segment_links(design), *_pod_links(design)),
    )


def directory(design: Design, node: str = "") -> str:
    """A node's directory (or the lab's), relative to the topology file."""
    return f"clab-{design.name}/{node}".rstrip("/")


def _config(design: Design, node: str) -> Bind:
    return Bind(directory(design, node), CONFIG_TARGET)


def _segment(design: Design, segment: Segment) -> NodePlan:
    return NodePlan(
        segment.node,
        Role.SEGMENT,
        images.reference("segment"),
        binds=(Bind(directory(design, CAPTURES), "/captures", read_only=False),),
        env={"LABGEN_BRIDGE": segment.bridge, "LABGEN_SEGMENT": segment.name},
        sysctls={"net.ipv4.ip_forward": "0"},
    )


def _router(design: Design, router: Router) -> NodePlan:
    labels = {
        f"labgen.alias.{interface.name}": interface.label
        for interface in router.interfaces
        if interface.label
    }
    if router.startup is not None:
        assert router.image is not None
        return NodePlan(
            router.name, router.role, router.image, VE_KIND, labels=labels, cap_add=(),
            startup_config=f"{directory(design, router.name)}/{VE_STARTUP}",
        )  # fmt: skip
    binds = [_config(design, router.name)]
    if router.image is not None:
        binds.append(Bind(f"{directory(design, router.name)}/frr", "/etc/frr", read_only=False))
    env = {"LABGEN_VLANS": ",".join(f"{i.vlan}={i.name}" for i in router.interfaces if i.vlan)}
    if router.fails_over:
        env["LABGEN_FAILOVER_STATE"] = "active" if router.active else "standby"
    return NodePlan(
        router.name,
        router.role,
        router.image or images.reference("bigip"),
        binds=tuple(binds),
        env=env,
        labels=labels,
        sysctls=_FORWARDING,
        cap_add=("NET_ADMIN", "NET_RAW", "SYS_ADMIN"),  # FRR asks for SYS_ADMIN when it starts
    )


def _calico_node(design: Design, node: CalicoNode) -> NodePlan:
    confd = Bind(f"{directory(design, node.name)}/confd", CONFD_TARGET)
    return NodePlan(
        node.name,
        Role.CALICO_NODE,
        images.reference("calico-node"),
        binds=(_config(design, node.name), confd),
        labels={"labgen.cluster": node.cluster},
        sysctls=_FORWARDING,
    )


def _pod(design: Design, pod: Pod) -> NodePlan:
    return NodePlan(
        pod.name,
        Role.POD,
        images.reference("pod"),
        binds=(_config(design, pod.name),),
        labels={"labgen.cluster": pod.cluster, "labgen.namespace": pod.namespace},
        sysctls=_HOST,
    )


def _segment_links(design: Design) -> list[LinkPlan]:
    links = []
    for segment in design.segments:
        taken = {segment.bridge, "lo", "eth0"}
        for node, interface in _attached(design, segment.name):
            port = short(node, taken)
            taken.add(port)
            bridge = f"{segment.bridge}|{segment.node}"
            a = Endpoint(node, interface.name, interface.mac)
            b = Endpoint(bridge, port, mac_of(design.name, bridge, port))
            links.append(LinkPlan(a, b, segment.mtu))
    return links


def _attached(design: Design, segment: str) -> list[tuple[str, Interface]]:
    nodes: tuple[Router | CalicoNode, ...] = (*design.routers, *design.calico_nodes)
    return [(n.name, i) for n in nodes for i in n.interfaces if i.segment == segment]


def _pod_links(design: Design) -> list[LinkPlan]:
    return [
        LinkPlan(
            Endpoint(pod.name, "eth0", mac_of(design.name, pod.name, "eth0")),
            Endpoint(pod.node, pod.interface, HOST_MAC),
            pod.mtu,
        )
        for pod in design.pods
    ]
