"""How Calico wires a pod: names, handles and the fixed addresses (CNI plugin and Felix)."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address

HOST_MAC = "ee:ee:ee:ee:ee:ee"
GATEWAY = IPv4Address("169.254.1.1")  # answered by proxy ARP on the host's end of the veth
ROUTE_METRIC = 1024  # of a pod's host route; with another one BIRD leaks the /32 to its peers
ROUTE_PROTOCOL = 80  # Felix's, of cluster routes and tunnels


def host_interface(namespace: str, pod: str) -> str:
    """The host's end of a pod's veth: `cali` and 11 hex digits of SHA-1."""
    text = f"{namespace}.{pod}".encode()
    return f"cali{hashlib.sha1(text, usedforsecurity=False).hexdigest()[:11]}"


def pod_handle(container_id: str) -> str:
    """The IPAM handle of a pod's addresses."""
    return f"k8s-pod-network.{container_id}"


def tunnel_handle(kind: str, node: str) -> tuple[str, dict[str, str]]:
    """Handle and attributes of a node's tunnel address; `kind` is ipip, vxlan or wireguard."""
    return f"{kind}-tunnel-addr-{node}", {"node": node, "type": f"{kind}TunnelAddress"}
