"""Names and addresses that Calico makes of other names (CNI plugin, calico-node, Felix)."""

from __future__ import annotations

import hashlib

HOST_MAC = "ee:ee:ee:ee:ee:ee"


def host_interface(namespace: str, pod: str) -> str:
    """The host's end of a pod's veth: `cali` and 11 hex digits of SHA-1."""
    text = f"{namespace}.{pod}".encode()
    return f"cali{hashlib.sha1(text, usedforsecurity=False).hexdigest()[:11]}"


def tunnel_handle(kind: str, node: str) -> tuple[str, dict[str, str]]:
    """Handle and attributes of a node's tunnel address; `kind` is ipip, vxlan, vxlan-v6 or
    wireguard.
    """
    first, _, family = kind.partition("-")
    attributes = {"node": node, "type": f"{first}{family.upper()}TunnelAddress"}
    return f"{kind}-tunnel-addr-{node}", attributes


def vtep_mac(node: str, version: int) -> str:
    """The MAC address of a node's VXLAN device: `f` and five octets of SHA-1 (felix/calc)."""
    text = node if version == 4 else f"{node}-v6"
    return (b"f" + hashlib.sha1(text.encode(), usedforsecurity=False).digest()[:5]).hex(":")
