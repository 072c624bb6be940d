"""The `spec` of each resource, field for field, as a user writes it.

Sources: projectcalico.org/v3 API (libcalico-go `api/pkg/apis/projectcalico/v3`), Kubernetes core/v1
and discovery.k8s.io/v1, operator.tigera.io/v1. Addresses stay text here because some of them reach
BIRD's configuration verbatim; properties give them as `ipaddress` values.
"""

from __future__ import annotations

import base64
import binascii
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Interface,
    IPv6Network,
    ip_interface,
    ip_network,
)
from typing import Any, Literal

from pydantic import Field

from labgen.calico.gotypes import (
    AsNumber,
    Bool,
    Duration,
    Int,
    Labels,
    Loosely,
    Strictly,
    Text,
    UInt8,
    UInt16,
)
from labgen.secret import Secret


def _interface(text: str | None, version: int) -> IPv4Interface | IPv6Interface | None:
    """`text` as an interface address of that family; None for anything else."""
    if not text:
        return None
    try:
        value = ip_interface(text)
    except ValueError:
        return None
    return value if value.version == version else None


# --- Node -----------------------------------------------------------------------------------


class NodeBGPSpec(Strictly):
    as_number: AsNumber | None = None
    ipv4_address: Text | None = Field(default=None, alias="ipv4Address")
    ipv6_address: Text | None = Field(default=None, alias="ipv6Address")
    ipv4_ipip_tunnel_addr: Text | None = None
    route_reflector_cluster_id: Text | None = None


class WireguardSpec(Strictly):
    interface_ipv4_address: Text | None = Field(default=None, alias="interfaceIPv4Address")
    interface_ipv6_address: Text | None = Field(default=None, alias="interfaceIPv6Address")


class NodeSpec(Strictly):
    bgp: NodeBGPSpec | None = None
    orch_refs: tuple[Any, ...] = ()
    addresses: tuple[Any, ...] = ()
    interfaces: tuple[Any, ...] = ()
    ipv4_vxlan_tunnel_addr: Text | None = None
    vxlan_tunnel_mac_addr: Text | None = None
    ipv6_vxlan_tunnel_addr: Text | None = None
    vxlan_tunnel_mac_addr_v6: Text | None = None
    wireguard: WireguardSpec | None = None

    @property
    def ipv4(self) -> IPv4Interface | None:
        """The node's IPv4 address with its subnet; a bare address is a /32."""
        value = _interface(self.bgp.ipv4_address if self.bgp else None, 4)
        return value if isinstance(value, IPv4Interface) else None

    @property
    def ipv6(self) -> IPv6Interface | None:
        """The node's IPv6 address with its subnet; a bare address is a /128."""
        value = _interface(self.bgp.ipv6_address if self.bgp else None, 6)
        return value if isinstance(value, IPv6Interface) else None

    @property
    def cluster_id(self) -> str | None:
        """Set and not empty: the node is a route reflector."""
        return (self.bgp.route_reflector_cluster_id or None) if self.bgp else None


# --- BGPConfiguration -----------------------------------------------------------------------


class SecretKeyRef(Strictly):
    name: Text = ""
    key: Text
    optional: Bool | None = None


class BGPPassword(Strictly):
    secret_key_ref: SecretKeyRef | None = None


class ServiceBlock(Strictly):
    """An entry of serviceClusterIPs, serviceExternalIPs or serviceLoadBalancerIPs."""

    cidr: Text = ""


class Community(Strictly):
    name: Text = ""
    value: Text = ""


class PrefixAdvertisement(Strictly):
    cidr: Text = ""
    communities: tuple[Text, ...] = ()


class BGPConfigurationSpec(Strictly):
    log_severity_screen: Text | None = None
    node_to_node_mesh_enabled: Bool | None = None
    as_number: AsNumber | None = None
    listen_port: UInt16 | None = None
    bind_mode: Literal["", "None", "NodeIP"] | None = None
    service_cluster_ips: tuple[ServiceBlock, ...] = ()
    service_external_ips: tuple[ServiceBlock, ...] = ()
    service_load_balancer_ips: tuple[ServiceBlock, ...] = ()
    service_load_balancer_aggregation: Literal["", "Enabled", "Disabled"] | None = None
    communities: tuple[Community, ...] = ()
    prefix_advertisements: tuple[PrefixAdvertisement, ...] = ()
    node_mesh_password: BGPPassword | None = None
    node_mesh_max_restart_time: Duration | None = None
    ignored_interfaces: tuple[Text, ...] = ()
    program_cluster_routes: Text | None = None
    ipv4_normal_route_priority: Int | None = None
    ipv6_normal_route_priority: Int | None = None
    local_workload_peering_ipv4: Text | None = None
    local_workload_peering_ipv6: Text | None = None


# --- BGPPeer, BGPFilter ---------------------------------------------------------------------


class BGPPeerSpec(Strictly):
    node: Text | None = None
    node_selector: Text | None = None
    peer_ip: Text | None = None
    as_number: AsNumber | None = None
    local_as_number: AsNumber | None = None
    peer_selector: Text | None = None
    keep_original_next_hop: Bool | None = None
    next_hop_mode: Literal["", "Auto", "Self", "Keep"] | None = None
    password: BGPPassword | None = None
    source_address: Literal["", "UseNodeIP", "None"] | None = None
    max_restart_time: Duration | None = None
    keepalive_time: Duration | None = None
    num_allowed_local_as_numbers: Int | None = None
    ttl_security: UInt8 | None = None
    reachable_by: Text | None = None
    filters: tuple[Text, ...] = ()
    local_workload_selector: Text | None = None
    reverse_peering: Literal["", "Auto", "Manual"] | None = None


class PrefixLength(Strictly):
    min: Int | None = None
    max: Int | None = None


class CommunityMatch(Strictly):
    values: tuple[Text, ...] = ()


class AddCommunity(Strictly):
    value: Text = ""


class PrependASPath(Strictly):
    prefix: tuple[AsNumber, ...] = ()


class SetPriority(Strictly):
    value: Int | None = None


class Operation(Strictly):
    add_community: AddCommunity | None = None
    prepend_as_path: PrependASPath | None = None
    set_priority: SetPriority | None = None


class FilterRule(Strictly):
    """One rule; `prefix_length` set but empty still turns the CIDR into a range."""

    action: Literal["Accept", "Reject"]
    cidr: Text = ""
    match_operator: Literal["", "Equal", "NotEqual", "In", "NotIn"] = ""
    prefix_length: PrefixLength | None = None
    source: Literal["", "RemotePeers"] = ""
    interface: Text = ""
    peer_type: Literal["", "eBGP", "iBGP"] = ""
    communities: CommunityMatch | None = None
    as_path_prefix: tuple[AsNumber, ...] = ()
    priority: Int | None = None
    operations: tuple[Operation, ...] = ()


class BGPFilterSpec(Strictly):
    import_v4: tuple[FilterRule, ...] = ()
    import_v6: tuple[FilterRule, ...] = ()
    export_v4: tuple[FilterRule, ...] = ()
    export_v6: tuple[FilterRule, ...] = ()

    def rules(self, direction: str, version: int) -> tuple[FilterRule, ...]:
        """Rules of a direction (`import` or `export`) and family (4 or 6), in order."""
        rules = {
            ("import", 4): self.import_v4,
            ("import", 6): self.import_v6,
            ("export", 4): self.export_v4,
            ("export", 6): self.export_v6,
        }
        return rules[direction, version]


# --- Addresses ------------------------------------------------------------------------------


Encapsulation = Literal["", "Never", "Always", "CrossSubnet"]
AllowedUse = Literal["Workload", "Tunnel", "LoadBalancer"]


class IPPoolSpec(Strictly):
    cidr: Text = ""
    ipip_mode: Encapsulation | None = None
    vxlan_mode: Encapsulation | None = None
    nat_outgoing: Bool | None = None
    disabled: Bool | None = None
    disable_bgp_export: Bool | None = None
    block_size: Int | None = None
    node_selector: Text | None = None
    namespace_selector: Text | None = None
    allowed_uses: tuple[AllowedUse, ...] = ()
    assignment_mode: Literal["", "Automatic", "Manual"] | None = None

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """The pool, masked. Raises ValueError where the text is no CIDR."""
        return ip_network(self.cidr, strict=False)

    @property
    def effective_block_size(self) -> int:
        """Prefix length of a block: 26 or 122 unless set."""
        return self.block_size or (26 if self.network.version == 4 else 122)


class IPReservationSpec(Strictly):
    reserved_cidrs: tuple[Text, ...] = ()


class BlockAffinitySpec(Strictly):
    node: Text = ""
    cidr: Text = ""
    state: Text = ""
    type: Text = ""
    deleted: Text = "false"  # a string in the CRD, a boolean in v3


class IPAMConfigSpec(Strictly):
    strict_affinity: Bool = False
    auto_allocate_blocks: Bool = True
    max_blocks_per_host: Int = 0
    kube_virt_vm_address_persistence: Text | None = None
    ip_cooldown_seconds: Int | None = None


class WorkloadEndpointSpec(Loosely):
    orchestrator: Text = ""
    workload: Text = ""
    node: Text = ""
    container_id: Text = ""
    pod: Text = ""
    endpoint: Text = ""
    ip_networks: tuple[Text, ...] = ()
    interface_name: Text = ""
    mac: Text = ""
    profiles: tuple[Text, ...] = ()


# --- Kubernetes -----------------------------------------------------------------------------


def decoded(text: str) -> bytes:
    """base64 as Go reads it: line breaks inside do not count. Raises binascii.Error."""
    return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)


class SecretBody(Loosely):
    """core/v1 Secret. `data` is base64; `stringData` wins, as it does in the API server."""

    data: Labels = Field(default_factory=dict, repr=False)
    string_data: Labels = Field(default_factory=dict, repr=False)

    def value(self, key: str) -> Secret | None:
        """The value under `key`, or None where it is absent or not text."""
        if key in self.string_data:
            return Secret(self.string_data[key])
        if key not in self.data:
            return None
        try:
            return Secret(decoded(self.data[key]).decode())
        except (binascii.Error, ValueError):
            return None


class ServiceSpec(Loosely):
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    cluster_ip: Text = ""
    cluster_ips: tuple[Text, ...] = ()
    external_ips: tuple[Text, ...] = ()
    load_balancer_ip: Text = ""
    external_traffic_policy: Literal["", "Cluster", "Local"] = ""
    ip_families: tuple[Literal["IPv4", "IPv6"], ...] = ()


class Ingress(Loosely):
    ip: Text = ""


class LoadBalancerStatus(Loosely):
    ingress: tuple[Ingress, ...] = ()


class ServiceStatus(Loosely):
    load_balancer: LoadBalancerStatus = LoadBalancerStatus()


class ServiceBody(Loosely):
    spec: ServiceSpec = ServiceSpec()
    status: ServiceStatus = ServiceStatus()


class EndpointConditions(Loosely):
    ready: Bool | None = None


class SliceEndpoint(Loosely):
    addresses: tuple[Text, ...] = ()
    node_name: Text = ""
    conditions: EndpointConditions = EndpointConditions()


class EndpointSliceBody(Loosely):
    address_type: Literal["", "IPv4", "IPv6", "FQDN"] = ""
    endpoints: tuple[SliceEndpoint, ...] = ()


class NamespaceBody(Loosely):
    """core/v1 Namespace: its labels are all that IPAM reads."""


class KubernetesNodeBody(Loosely):
    """core/v1 Node: Calico keeps its own values in annotations of this object."""


# --- Operator -------------------------------------------------------------------------------


class InstallationPool(Strictly):
    """operator.tigera.io/v1 `Installation.spec.calicoNetwork.ipPools[]`."""

    name: Text = ""
    cidr: Text = ""
    encapsulation: Text = ""
    nat_outgoing: Literal["", "Enabled", "Disabled"] = ""
    node_selector: Text = ""
    namespace_selector: Text = ""
    block_size: Int | None = None
    disable_bgp_export: Bool | None = None
    disable_new_allocations: Bool | None = None
    allowed_uses: tuple[AllowedUse, ...] = ()
    assignment_mode: Literal["", "Automatic", "Manual"] = ""


class CalicoNetwork(Loosely):
    ip_pools: tuple[InstallationPool, ...] = ()


class InstallationSpec(Loosely):
    calico_network: CalicoNetwork = CalicoNetwork()


class InstallationBody(Loosely):
    spec: InstallationSpec = InstallationSpec()
