"""What the API server does to a Service before it stores it: fill in, keep, refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.kubernetes import allocation
from labgen.kubernetes.errors import ServerError
from labgen.kubernetes.objects import Service, ServicePort, ServiceType, ref

if TYPE_CHECKING:
    from labgen.kubernetes.allocation import Network
    from labgen.kubernetes.objects import Address
    from labgen.kubernetes.state import ClusterState


def admit(state: ClusterState, service: Service) -> Service:
    """The Service with ClusterIPs, families, node ports and load balancer address.

    What an existing Service of that name has is kept. Raises ServerError in the API server's
    words, or InputError where a range is used up.
    """
    known = state.get(ref(service))
    known = known if isinstance(known, Service) else None
    if known is not None and service.cluster_ips[:1] not in ((), known.cluster_ips[:1]):
        raise _invalid(
            service,
            f'spec.clusterIPs[0]: Invalid value: ["{service.cluster_ips[0]}"]: '
            "may not change once set",
        )
    families = _families(state, service, known)
    addresses = () if service.headless else _cluster_ips(state, service, families, known)
    service = replace(service, families=families, cluster_ips=addresses)
    if service.type is not ServiceType.CLUSTER_IP:
        service = replace(service, ports=_node_ports(state, service, known))
    return _with_ingress(service, known)


def _invalid(service: Service, reason: str) -> ServerError:
    return ServerError(
        "Invalid", f'The Service "{service.meta.name}" is invalid: {reason}', bare=True
    )


def _families(state: ClusterState, service: Service, known: Service | None) -> tuple[int, ...]:
    configured = tuple(network.version for network in state.service_networks)
    families = service.families or (known.families if known else ()) or configured[:1]
    if families[0] not in configured:
        reason = f'Invalid value: "IPv{families[0]}": not configured on this cluster'
        raise _invalid(service, f"spec.ipFamilies[0]: {reason}")
    # PreferDualStack on a single-stack cluster gets the one family there is
    return tuple(version for version in families if version in configured)


def _cluster_ips(
    state: ClusterState, service: Service, families: tuple[int, ...], known: Service | None
) -> tuple[Address, ...]:
    taken = {
        address
        for other in state.services
        if ref(other) != ref(service)
        for address in other.cluster_ips
    }
    asked = {address.version: address for address in (known.cluster_ips if known else ())}
    asked |= {address.version: address for address in service.cluster_ips}
    found = []
    for version in families:
        network = next(n for n in state.service_networks if n.version == version)
        if version in asked:
            _check(service, asked[version], network, taken)
            found.append(asked[version])
        else:
            key = (state.name, service.meta.namespace, service.meta.name)
            found.append(allocation.cluster_ip(network, taken, *key))
    return tuple(found)


def _check(service: Service, address: Address, network: Network, taken: set[Address]) -> None:
    given = f'spec.clusterIPs: Invalid value: ["{address}"]: failed to allocate IP {address}: '
    if address not in network or address == network.network_address:
        raise _invalid(
            service,
            f"{given}the provided IP ({address}) is not in the valid range. "
            f"The range of valid IPs is {network}",
        )
    if address in taken:
        raise _invalid(service, f"{given}provided IP is already allocated")


def _node_ports(
    state: ClusterState, service: Service, known: Service | None
) -> tuple[ServicePort, ...]:
    taken = {
        port.node_port
        for other in state.services
        if ref(other) != ref(service)
        for port in other.ports
    }
    kept = {(port.port, port.protocol): port.node_port for port in known.ports} if known else {}
    ports = []
    for index, port in enumerate(service.ports):
        number = port.node_port or kept.get((port.port, port.protocol), 0)
        if number in taken - {0}:
            raise _invalid(
                service,
                f"spec.ports[{index}].nodePort: Invalid value: {number}: "
                "provided port is already allocated",
            )
        key = (service.meta.namespace, service.meta.name, str(port.port), port.protocol.value)
        number = number or allocation.node_port(taken, *key)
        taken.add(number)
        ports.append(replace(port, node_port=number))
    return tuple(ports)


def _with_ingress(service: Service, known: Service | None) -> Service:
    """A LoadBalancer's address: the one it asks for, or the one that its manifest states.

    A lab has no cloud; `spec.loadBalancerIP` is what MetalLB and Calico's allocator obey too.
    """
    if service.type is not ServiceType.LOAD_BALANCER:
        return replace(service, ingress=())
    if service.load_balancer_ip is not None:
        return replace(service, ingress=(service.load_balancer_ip,))
    return replace(service, ingress=service.ingress or (known.ingress if known else ()))
