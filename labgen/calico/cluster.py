"""What all nodes of a cluster share, worked out once: addresses, AS numbers, ports, selections."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING

from labgen.calico import selector
from labgen.calico.bgpfilter import functions_of
from labgen.calico.node_config import DEFAULT_AS, DEFAULT_PRIORITY
from labgen.calico.specs import BGPConfigurationSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.calico.node_config import Address, FilterFunction, Interface
    from labgen.calico.resources import BGPConfiguration, Node, Resources
    from labgen.calico.specs import BGPPassword
    from labgen.secret import Secret

# Where calico-node runs, and so reads its Secrets: the manifest's place, and the operator's.
MANIFEST_NAMESPACE, OPERATOR_NAMESPACE = "kube-system", "calico-system"


@dataclass(frozen=True, slots=True, eq=False)
class ClusterNode:
    """A node as its peers see it. `own_as` is None where the global AS applies."""

    name: str
    labels: Mapping[str, str]
    own_as: int | None
    cluster_id: str | None
    own_listen_port: int | None
    port: int
    addresses: Mapping[int, Interface]
    names: Mapping[int, str]  # family -> address with underscores, as in protocol names
    wireguard: Mapping[int, Address]

    def address(self, version: int) -> Address | None:
        interface = self.addresses.get(version)
        return interface.ip if interface is not None else None


def underscored(address: Address) -> str:
    return str(address).replace("." if address.version == 4 else ":", "_")


def with_kubernetes_labels(node: Node) -> dict[str, str]:
    """A node's labels; a kubelet always sets these three on its Node."""
    return {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        **node.labels,
    }


@dataclass
class Cluster:
    """The resources of a cluster and the environment of calico-node, indexed."""

    resources: Resources
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notices: dict[str, None] = {}
        self._selected: dict[str, tuple[ClusterNode, ...]] = {}
        self._configurations = {c.name: c for c in self.resources.bgp_configurations}
        for name in self._configurations:
            if name != "default" and not name.startswith("node."):
                self.notice(
                    f"BGPConfiguration({name}) is ignored: its name is not default or node.*"
                )

    def notice(self, text: str) -> None:
        self.notices.setdefault(text)

    @cached_property
    def defaults(self) -> BGPConfigurationSpec:
        """The BGPConfiguration `default`, or an empty one."""
        found = self._configurations.get("default")
        return found.spec if found is not None else BGPConfigurationSpec()

    def node_configuration(self, node: str) -> BGPConfiguration | None:
        return self._configurations.get(f"node.{node}")

    @property
    def as_number(self) -> int:
        return DEFAULT_AS if self.defaults.as_number is None else self.defaults.as_number

    @property
    def global_port(self) -> int | None:
        return self.defaults.listen_port or None

    def priority(self, version: int) -> int:
        """The normal route priority of a family: the metric of Calico's own routes."""
        spec = self.defaults
        chosen = (
            spec.ipv4_normal_route_priority if version == 4 else spec.ipv6_normal_route_priority
        )
        return chosen or DEFAULT_PRIORITY

    @cached_property
    def nodes(self) -> dict[str, ClusterNode]:
        """By name, in ascending order."""
        return {node.name: self._node(node) for node in self.resources.nodes}

    def _node(self, node: Node) -> ClusterNode:
        configuration = self.node_configuration(node.name)
        own_port = (configuration.spec.listen_port or None) if configuration else None
        found = {4: node.spec.ipv4, 6: node.spec.ipv6}
        addresses: dict[int, Interface] = {v: a for v, a in found.items() if a is not None}
        return ClusterNode(
            name=node.name,
            labels=with_kubernetes_labels(node),
            own_as=node.spec.bgp.as_number if node.spec.bgp else None,
            cluster_id=node.spec.cluster_id,
            own_listen_port=own_port,
            port=own_port or self.global_port or 0,
            addresses=addresses,
            names={version: underscored(a.ip) for version, a in addresses.items()},
            wireguard=_wireguard(node),
        )

    def effective_as(self, node: ClusterNode) -> int:
        return self.as_number if node.own_as is None else node.own_as

    @cached_property
    def by_address(self) -> dict[Address, tuple[ClusterNode, ...]]:
        """Which nodes have an address, in ascending order of name."""
        found: dict[Address, tuple[ClusterNode, ...]] = {}
        for node in self.nodes.values():
            for interface in node.addresses.values():
                found[interface.ip] = (*found.get(interface.ip, ()), node)
        return found

    def selected(self, text: str, where: str) -> tuple[ClusterNode, ...]:
        """Nodes whose labels match; an unparsable selector matches none, as in confd."""
        if text not in self._selected:
            try:
                wanted = selector.parse(text)
            except selector.SelectorError as error:
                self.notice(f"{where}: {error}; it selects nothing")
                self._selected[text] = ()
            else:
                self._selected[text] = tuple(
                    node for node in self.nodes.values() if wanted.matches(node.labels)
                )
        return self._selected[text]

    def password(self, password: BGPPassword | None) -> Secret | None:
        """The referenced Secret value, from calico-node's own namespace (environment NAMESPACE).

        None where the Secret or its key is missing, or empty: that is a notice, since the session
        then goes without a password.
        """
        reference = password.secret_key_ref if password else None
        if reference is None:
            return None
        namespace = self.environment.get("NAMESPACE") or MANIFEST_NAMESPACE
        named = [s for s in self.resources.secrets if s.name == reference.name]
        here = (s.spec.value(reference.key) for s in named if s.namespace == namespace)
        value = next(here, None)
        if value is None or not value.reveal():
            elsewhere = sorted({s.namespace or "default" for s in named} - {namespace})
            there = f" (NAMESPACE says where; there is one in {', '.join(elsewhere)})"
            self.notice(
                f"Secret {reference.name} has no key {reference.key} in {namespace}"
                f"{there if elsewhere else ''}: its peerings have no password"
            )
            return None
        return value

    @cached_property
    def filter_functions(self) -> dict[int, tuple[FilterFunction, ...]]:
        """Family -> every BGPFilter's functions, by name, import before export."""
        return {
            version: tuple(
                function
                for item in self.resources.bgp_filters
                for function in functions_of(item, version)
            )
            for version in (4, 6)
        }


def _wireguard(node: Node) -> dict[int, Address]:
    spec = node.spec.wireguard
    found: dict[int, Address] = {}
    for text in (spec.interface_ipv4_address, spec.interface_ipv6_address) if spec else ():
        try:
            address = ip_address(text) if text else None
        except ValueError:
            continue
        if address is not None:
            found[address.version] = address
    return found
