"""A pod's own BIRD, and what Felix writes of a pod that peers (`endpoint-status`)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from labgen.design.workloads import speaker

if TYPE_CHECKING:
    from labgen.design.model import PeerConfig, Pod


def bird_conf(pod: Pod, version: int) -> str:
    """The `bird.conf` of one family (4 or 6) of a pod that announces; without a peer it waits."""
    identifier = next((a for a in pod.addresses if a.version == 4), "127.0.0.1")
    routes = [n for n in pod.announces or () if n.version == version]
    found = speaker(pod)
    peers = [p for p in found.peers if p.address.version == version] if found else []
    length = 32 if version == 4 else 128
    lines = [
        f"router id {identifier};",
        "protocol device { scan time 2; }",
        "protocol static {",
        *(f"  route {network} blackhole;" for network in routes),
        # behind the pod's default route stands its node: next hops are resolved by this
        *(f'  route {p.address}/{length} via "eth0";' for p in peers),
        "}",
    ]
    networks = ", ".join(map(str, routes))
    export = f"where net ~ [ {networks} ]" if routes else "none"
    for peer in peers:
        lines += _session(peer, export)
    return "\n".join(lines) + "\n"


def _session(peer: PeerConfig, export: str) -> list[str]:
    return [
        f"protocol bgp {peer.name} {{",
        f"  local {peer.local_address} as {peer.local_as};",
        f"  neighbor {peer.address} as {peer.remote_as};",
        "  multihop; connect delay time 1; connect retry time 2; error wait time 1, 5;",
        f"  import all; export {export};",
        "}",
    ]


def endpoint_status(pod: Pod) -> tuple[str, str]:
    """Name and content of Felix's file (felix/statusrep): the endpoint's ids, escaped as in a URL
    path, with a blank between them; and one JSON object.
    """
    status = pod.status
    assert status is not None  # asked only for pods that peer
    name = f"k8s {quote(f'{pod.namespace}/{pod.in_cluster}', safe='')} eth0"
    value = {
        "ifaceName": status.interface_name,
        "mac": status.mac,
        "ipv4Nets": list(status.ipv4_nets),
        "ipv6Nets": list(status.ipv6_nets),
        "bgpPeerName": status.bgp_peer_name,
    }
    return name, json.dumps(value)
