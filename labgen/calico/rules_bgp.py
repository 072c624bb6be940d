"""Rules of BGPPeer and BGPConfiguration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.calico.checks import (
    community_fault,
    is_address,
    is_interface_pattern,
    is_network,
    is_peer_ip,
    selector_fault,
)
from labgen.calico.node_config import MAX_PRIORITY
from labgen.calico.peers import split_peer_ip
from labgen.calico.problem import Scope
from labgen.calico.rules_metadata import is_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from labgen.calico.problem import Problem, Report
    from labgen.calico.specs import BGPConfigurationSpec, BGPPeerSpec

LOG_LEVELS = ("trace", "debug", "info", "warning", "error", "fatal")
MAX_SELECTOR = 1024
_NEXT_HOP_TWICE = (
    "keepOriginalNextHop and nextHopMode cannot both be set; keepOriginalNextHop is deprecated, "
    "use nextHopMode instead"
)
_ROUTE_MODES = ("", "Disabled", "EnabledNoEncapOnly", "EnabledIPIPOnly", "Enabled")


# --- BGPPeer --------------------------------------------------------------------------------


def peer(report: Report, spec: BGPPeerSpec, filters: Collection[str]) -> Iterator[Problem]:
    yield from _peer_fields(report, spec)
    yield from _peer_combinations(report, spec)
    missing = [name for name in spec.filters if name not in filters]
    if missing:
        yield report.field(
            ("spec", "filters"),
            "BGPPeer.Spec.Filters",
            missing,
            "BGPFilter(s) not found",
            scope=Scope.WRITE,
        )


def _peer_fields(report: Report, spec: BGPPeerSpec) -> Iterator[Problem]:
    if spec.node and not is_name(spec.node):
        yield report.tag(("spec", "node"), "Node", "name", spec.node, "write a node's name")
    for index, name in enumerate(spec.filters):
        if not is_name(name):
            hint = "write a BGPFilter's name"
            yield report.tag(("spec", "filters", index), f"Filters[{index}]", "name", name, hint)
    for key, go_name, text in (
        ("nodeSelector", "NodeSelector", spec.node_selector),
        ("peerSelector", "PeerSelector", spec.peer_selector),
        ("localWorkloadSelector", "LocalWorkloadSelector", spec.local_workload_selector),
    ):
        yield from selector_problems(report, ("spec", key), go_name, text)
    if spec.peer_ip and len(spec.peer_ip) > 64:
        yield report.crd("Too long: may not be more than 64 bytes", "spec", "peerIP")
    elif spec.peer_ip and not is_peer_ip(spec.peer_ip):
        hint = "write IP, IPv4:port or [IPv6]:port, the port 1-65535"
        yield report.tag(("spec", "peerIP"), "PeerIP", "IP:port", spec.peer_ip, hint)
    if spec.reachable_by and not is_address(spec.reachable_by):
        hint = "write the gateway's IP address"
        keys = ("spec", "reachableBy")
        yield report.tag(keys, "ReachableBy", "reachableBy", spec.reachable_by, hint)


def selector_problems(
    report: Report, keys: tuple[str | int, ...], name: str, text: str | None
) -> Iterator[Problem]:
    if text and len(text) > MAX_SELECTOR:
        yield report.crd(f"Too long: may not be more than {MAX_SELECTOR} bytes", *keys)
    elif text and (fault := selector_fault(text)):
        yield report.tag(keys, name, "selector", text, fault)


def _peer_combinations(report: Report, spec: BGPPeerSpec) -> Iterator[Problem]:
    workload = bool(spec.local_workload_selector)
    rules = (
        (spec.node and spec.node_selector, "node and nodeSelector cannot both be set", "node"),
        (
            spec.peer_ip and spec.peer_selector,
            "peerIP and peerSelector cannot both be set",
            "peerIP",
        ),
        (
            spec.peer_selector and spec.as_number,
            "asNumber must be empty when peerSelector is set",
            "asNumber",
        ),
        (
            workload and spec.peer_ip,
            "peerIP must be empty when localWorkloadSelector is set",
            "peerIP",
        ),
        (
            workload and spec.peer_selector,
            "peerSelector must be empty when localWorkloadSelector is set",
            "peerSelector",
        ),
        (
            workload and not spec.as_number,
            "asNumber is required when localWorkloadSelector is set",
            "localWorkloadSelector",
        ),
        (
            spec.reachable_by and not spec.peer_ip,
            "reachableBy must be empty when peerIP is empty",
            "reachableBy",
        ),
        (
            spec.keep_original_next_hop and spec.next_hop_mode,
            _NEXT_HOP_TWICE,
            "keepOriginalNextHop",
        ),
    )
    for broken, message, key in rules:
        if broken:
            yield report.field(("spec", key), "spec", None, message)
    if spec.peer_ip and spec.reachable_by and is_peer_ip(spec.peer_ip):
        version = split_peer_ip(spec.peer_ip)[0].version
        if is_address(spec.reachable_by) and not is_address(spec.reachable_by, version):
            yield report.field(
                ("spec", "reachableBy"),
                "ReachableBy",
                spec.reachable_by,
                "ReachableBy and PeerIP address family mismatched",
            )


# --- BGPConfiguration -----------------------------------------------------------------------


def configuration(report: Report, spec: BGPConfigurationSpec) -> Iterator[Problem]:
    yield from _configuration_fields(report, spec)
    yield from _addresses(report, spec)
    yield from _communities(report, spec)
    yield from _advertisements(report, spec)
    if report.resource.name != "default":
        yield from _only_default(report, spec)
    if spec.node_to_node_mesh_enabled is False:
        for key, value in (
            ("nodeMeshPassword", spec.node_mesh_password),
            ("nodeMeshMaxRestartTime", spec.node_mesh_max_restart_time),
        ):
            if value is not None:
                message = f"{key} cannot be set when nodeToNodeMeshEnabled is false"
                yield report.field(("spec", key), "spec", None, message)


def _configuration_fields(report: Report, spec: BGPConfigurationSpec) -> Iterator[Problem]:
    level = spec.log_severity_screen
    if level and level.lower() not in LOG_LEVELS:
        yield report.tag(
            ("spec", "logSeverityScreen"),
            "LogSeverityScreen",
            "logLevel",
            level,
            "write Trace, Debug, Info, Warning, Error or Fatal",
        )
    if spec.listen_port == 0:
        yield report.tag(("spec", "listenPort"), "ListenPort", "gt=0", 0, "write 1-65535")
    for index, pattern in enumerate(spec.ignored_interfaces):
        if pattern == "*" or not is_interface_pattern(pattern):
            yield report.tag(
                ("spec", "ignoredInterfaces", index),
                f"IgnoredInterfaces[{index}]",
                "ignoredInterface",
                pattern,
                "write 1-15 letters, digits, '_', '.', '-' or '*', and more than a lone '*'",
            )
    for version, priority in (
        (4, spec.ipv4_normal_route_priority),
        (6, spec.ipv6_normal_route_priority),
    ):
        if priority is not None and not 1 <= priority < MAX_PRIORITY:
            yield report.tag(
                ("spec", f"ipv{version}NormalRoutePriority"),
                f"IPv{version}NormalRoutePriority",
                "gte=1" if priority < 1 else f"lte={MAX_PRIORITY - 1}",
                priority,
                f"write 1-{MAX_PRIORITY - 1}",
            )
    if spec.program_cluster_routes and spec.program_cluster_routes not in _ROUTE_MODES:
        yield report.field(
            ("spec", "programClusterRoutes"),
            "ProgramClusterRoutes",
            spec.program_cluster_routes,
            f"supported values: {', '.join(_ROUTE_MODES[1:])}",
            hint="confd would take EnabledNoEncapOnly",
            scope=Scope.WRITE,
        )


def _addresses(report: Report, spec: BGPConfigurationSpec) -> Iterator[Problem]:
    for key, name, blocks in (
        ("serviceClusterIPs", "ServiceClusterIPs", spec.service_cluster_ips),
        ("serviceExternalIPs", "ServiceExternalIPs", spec.service_external_ips),
        ("serviceLoadBalancerIPs", "ServiceLoadBalancerIPs", spec.service_load_balancer_ips),
    ):
        for index, block in enumerate(blocks):
            if block.cidr and not is_network(block.cidr):
                keys = ("spec", key, index, "cidr")
                hint = "write an address, or a CIDR without host bits"
                yield report.tag(keys, f"{name}[{index}].CIDR", "net", block.cidr, hint)
    for version, text in (
        (4, spec.local_workload_peering_ipv4),
        (6, spec.local_workload_peering_ipv6),
    ):
        if text and not is_address(text, version):
            yield report.tag(
                ("spec", f"localWorkloadPeeringIPV{version}"),
                f"LocalWorkloadPeeringIPV{version}",
                f"ipv{version}",
                text,
                f"write an IPv{version} address",
            )


def _communities(report: Report, spec: BGPConfigurationSpec) -> Iterator[Problem]:
    for key, count, limit in (
        ("communities", len(spec.communities), 500),
        ("prefixAdvertisements", len(spec.prefix_advertisements), 500),
    ):
        if count > limit:
            yield report.crd(f"Too many: {count}: must have at most {limit} items", "spec", key)
    for index, community in enumerate(spec.communities):
        if not community.name:
            keys = ("spec", "communities", index, "name")
            hint = "name it, or write its value in prefixAdvertisements"
            yield report.tag(keys, f"Communities[{index}].Name", "required", "", hint)
        fault = community_fault(community.value)
        if fault:
            keys = ("spec", "communities", index, "value")
            yield report.field(keys, "Spec.Communities[].Value", community.value, fault)
    if spec.communities and not spec.prefix_advertisements:
        message = "communities are defined but not used in prefixAdvertisements"
        yield report.field(("spec", "communities"), "spec", None, message)


def _advertisements(report: Report, spec: BGPConfigurationSpec) -> Iterator[Problem]:
    defined = {community.name for community in spec.communities}
    for index, advertised in enumerate(spec.prefix_advertisements):
        base = ("spec", "prefixAdvertisements", index)
        if not is_network(advertised.cidr):
            name = "Spec.PrefixAdvertisements[].CIDR"
            yield report.field((*base, "cidr"), name, advertised.cidr, "invalid CIDR value.")
        if len(advertised.communities) > 50:
            count = len(advertised.communities)
            message = f"Too many: {count}: must have at most 50 items"
            yield report.crd(message, *base, "communities")
        for place, text in enumerate(advertised.communities):
            fault = None if text in defined else community_fault(text)
            if fault:
                undefined = "community used is invalid or not defined."
                yield report.field(
                    (*base, "communities", place),
                    "Spec.PrefixAdvertisements[].Communities[]",
                    text,
                    undefined if "format" in fault else fault,
                )


def _only_default(report: Report, spec: BGPConfigurationSpec) -> Iterator[Problem]:
    """Fields that mean the whole cluster; per node they would be ignored."""
    for key, name, label, value in (
        (
            "nodeToNodeMeshEnabled",
            "NodeToNodeMeshEnabled",
            "nodeToNodeMeshEnabled",
            spec.node_to_node_mesh_enabled,
        ),
        ("asNumber", "ASNumber", "ASNumber", spec.as_number),
        (
            "serviceLoadBalancerIPs",
            "ServiceLoadBalancerIPs",
            "ServiceLoadBalancerIPs",
            spec.service_load_balancer_ips or None,
        ),
        (
            "serviceExternalIPs",
            "ServiceExternalIPs",
            "ServiceExternalIPs",
            spec.service_external_ips or None,
        ),
        (
            "serviceClusterIPs",
            "ServiceClusterIPs",
            "ServiceClusterIPs",
            spec.service_cluster_ips or None,
        ),
        ("nodeMeshPassword", "NodeMeshPassword", "nodeMeshPassword", spec.node_mesh_password),
        (
            "nodeMeshMaxRestartTime",
            "NodeMeshMaxRestartTime",
            "nodeMeshMaxRestartTime",
            spec.node_mesh_max_restart_time,
        ),
    ):
        if value is not None:
            yield report.field(
                ("spec", key),
                f"BGPConfiguration.Spec.{name}",
                None,
                f"Cannot set {label} on a non default BGP Configuration.",
                hint="put it into BGPConfiguration(default)",
            )
