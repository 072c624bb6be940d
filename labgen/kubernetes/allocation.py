"""ClusterIPs and node ports, chosen as the API server would be allowed to, and repeatably.

The API server picks at random; here the Service's name decides, so that the same manifest has the
same address in every run of a lab.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from labgen.errors import InputError
from labgen.kubernetes import naming
from labgen.kubernetes.builders import NODE_PORTS

if TYPE_CHECKING:
    from collections.abc import Collection

    from labgen.kubernetes.objects import Address

Network = IPv4Network | IPv6Network


def static_band(size: int) -> int:
    """How many low addresses of a service range stay for hand-picked ClusterIPs.

    Kubernetes docs, "Service ClusterIP allocation": min(max(16, size / 16), 256).
    """
    return min(max(16, size // 16), 256)


def cluster_ip(network: Network, taken: Collection[Address], *key: str) -> Address:
    """A free address of the dynamic band, else of the static one; `key` decides where to begin.

    The network's first address, and IPv4's broadcast address, are never given out; the second is
    left to the API server's own Service and the tenth to cluster DNS, as kubeadm does.
    """
    size = min(network.num_addresses, 2**20)  # the API server's bitmap is no larger either
    last = size - (1 if network.version == 4 and size == network.num_addresses else 0)
    band = min(static_band(size), last)
    reserved = {0, 1, 10}
    for low, high in ((band, last), (0, band)):
        count = high - low
        start = naming.digest(str(network), *key) % count if count else 0
        for step in range(count):
            offset = low + (start + step) % count
            address = network[offset]
            if offset not in reserved and address not in taken:
                return address
    raise InputError(
        f"no free ClusterIP in {network}", hint="delete a Service or widen the service range"
    )


def node_port(taken: Collection[int], *key: str) -> int:
    """A free port of 30000-32767."""
    start = naming.digest("nodePort", *key) % len(NODE_PORTS)
    for step in range(len(NODE_PORTS)):
        port = NODE_PORTS[(start + step) % len(NODE_PORTS)]
        if port not in taken:
            return port
    raise InputError("no free node port in 30000-32767", hint="delete a NodePort Service")
