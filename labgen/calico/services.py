"""Which service addresses a node advertises over BGP.

confd's route generator: whole ranges go out from every node, single addresses only from nodes that
serve them (docs.tigera.io, "Advertise Kubernetes service IP addresses").
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Network, IPv6Network

    from labgen.calico.cluster import Cluster, ClusterNode
    from labgen.calico.node_config import Address
    from labgen.calico.resources import EndpointSlice, Service
    from labgen.calico.specs import ServiceBlock

    Network = IPv4Network | IPv6Network

EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
_TYPES = ("ClusterIP", "NodePort", "LoadBalancer")


@dataclass(frozen=True, slots=True)
class Range:
    """A configured CIDR: `text` is what BIRD gets, `network` what it means (None: no CIDR)."""

    text: str
    network: Network | None

    @property
    def version(self) -> int:
        return 6 if ":" in self.text else 4

    @property
    def is_single(self) -> bool:
        network = self.network
        return network is not None and network.prefixlen == network.max_prefixlen

    def __contains__(self, address: Address) -> bool:
        network = self.network
        return network is not None and network.version == address.version and address in network


@dataclass(frozen=True, slots=True)
class ServiceRoutes:
    """CIDRs by family: `static` are advertised, `rejects` never enter the kernel.

    `reflected` are the ranges whose addresses a route reflector passes on, in configured order.
    """

    static: Mapping[int, tuple[str, ...]]
    rejects: Mapping[int, tuple[str, ...]]
    reflected: Mapping[int, tuple[str, ...]]


class ServiceAdvertisement:
    """Service advertisement of a cluster, asked once for each node."""

    def __init__(self, cluster: Cluster) -> None:
        spec = cluster.defaults
        override = cluster.environment.get("CALICO_ADVERTISE_CLUSTER_IPS", "")
        self._reference = cluster.environment.get("CALICO_K8S_NODE_REF", "")
        self._cluster_ips = [_range(override)] if override else _ranges(spec.service_cluster_ips)
        self._external_ips = _ranges(spec.service_external_ips)
        self._load_balancer_ips = _ranges(spec.service_load_balancer_ips)
        self._aggregated = spec.service_load_balancer_aggregation != "Disabled"
        self._services = cluster.resources.services if self._enabled else ()
        self._slices: dict[tuple[str, str], list[EndpointSlice]] = defaultdict(list)
        for item in cluster.resources.endpoint_slices if self._enabled else ():
            name = item.labels.get("kubernetes.io/service-name", "")
            self._slices[item.namespace or "", name].append(item)

    @property
    def _enabled(self) -> bool:
        return bool(self._cluster_ips or self._external_ips or self._load_balancer_ips)

    def routes(self, node: ClusterNode) -> ServiceRoutes:
        """What this node advertises, refuses to the kernel and reflects."""
        excluded = node.labels.get(EXCLUDE_LABEL) == "true"
        aggregates = [
            *self._cluster_ips,
            *(item for item in self._external_ips if not item.is_single),
            *(item for item in self._load_balancer_ips if self._aggregated and not item.is_single),
        ]
        static = [] if excluded else [item.text for item in aggregates]
        if not excluded:
            for service in self._services:
                if self._advertises(service, self._reference or node.name):
                    static += [_host_route(text) for text in self._addresses(service)]
        return ServiceRoutes(
            static=_by_family(sorted(set(static), key=_datastore_order)),
            rejects=_by_family(sorted({item.text for item in aggregates}, key=_datastore_order)),
            reflected=_by_family(
                item.text for item in (*self._load_balancer_ips, *self._external_ips)
            ),
        )

    def _advertises(self, service: Service, node: str) -> bool:
        slices = self._slices.get((service.namespace or "", service.name), ())
        spec = service.spec.spec
        if not slices or spec.type not in _TYPES or spec.cluster_ip in ("", "None"):
            return False
        policy = _traffic_policy(service)
        if policy == "Cluster" and self._has_single_address(service):
            return True
        if policy != "Local" and self._aggregated:
            return False
        families = spec.ip_families or _families(service)
        endpoints = (
            endpoint
            for item in slices
            if item.spec.address_type in families
            for endpoint in item.spec.endpoints
            if endpoint.conditions.ready is not False
        )
        return any(policy != "Local" or endpoint.node_name == node for endpoint in endpoints)

    def _has_single_address(self, service: Service) -> bool:
        """An address of the service is configured as a /32 or /128 of its own."""
        spec = service.spec.spec
        if spec.type == "LoadBalancer":
            texts = (spec.load_balancer_ip, *_ingress(service))
            singles = [item for item in self._load_balancer_ips if item.is_single]
            if any(address in item for address in _addresses(texts) for item in singles):
                return True
        singles = [item for item in self._external_ips if item.is_single]
        return any(address in item for address in _addresses(spec.external_ips) for item in singles)

    def _addresses(self, service: Service) -> Iterable[str]:
        """The service's addresses that the ranges cover, as they are written there."""
        spec = service.spec.spec
        if self._cluster_ips:
            for text in spec.cluster_ips or (spec.cluster_ip,):
                if _addresses((text,)):
                    yield text
        for texts, ranges in (
            (spec.external_ips, self._external_ips),
            (_ingress(service), self._load_balancer_ips),
        ):
            for text in texts:
                if any(address in item for address in _addresses((text,)) for item in ranges):
                    yield text


def _traffic_policy(service: Service) -> str:
    """externalTrafficPolicy as the API server stores it: Cluster for what outsiders can reach.

    Kubernetes API reference, ServiceSpec: the policy concerns NodePorts, externalIPs and load
    balancer addresses.
    """
    spec = service.spec.spec
    external = spec.type in ("NodePort", "LoadBalancer") or bool(spec.external_ips)
    return spec.external_traffic_policy or ("Cluster" if external else "")


def _families(service: Service) -> tuple[str, ...]:
    """ipFamilies as the API server fills it in from the cluster IPs."""
    spec = service.spec.spec
    addresses = _addresses(spec.cluster_ips or (spec.cluster_ip,))
    return tuple(f"IPv{address.version}" for address in addresses)


def _ingress(service: Service) -> tuple[str, ...]:
    return tuple(item.ip for item in service.spec.status.load_balancer.ingress)


def _addresses(texts: Iterable[str]) -> list[Address]:
    """Those of the texts that are addresses."""
    found: list[Address] = []
    for text in texts:
        try:
            found.append(ip_address(text))
        except ValueError:
            continue
    return found


def _range(text: str) -> Range:
    try:
        return Range(text, ip_network(text, strict=False))
    except ValueError:
        return Range(text, None)


def _ranges(blocks: Iterable[ServiceBlock]) -> list[Range]:
    return [_range(block.cidr) for block in blocks if block.cidr]


def _host_route(address: str) -> str:
    return f"{address}/{128 if ':' in address else 32}"


def _datastore_order(cidr: str) -> str:
    """confd sorts routes by their datastore key, `address-length`."""
    return cidr.replace("/", "-")


def _by_family(cidrs: Iterable[str]) -> dict[int, tuple[str, ...]]:
    found: dict[int, list[str]] = {4: [], 6: []}
    for cidr in cidrs:
        found[6 if ":" in cidr else 4].append(cidr)
    return {version: tuple(items) for version, items in found.items()}
