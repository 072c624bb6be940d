"""Felix's endpoint-status files: which local workloads peer over BGP."""

from __future__ import annotations

import json
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

from labgen.calico import selector
from labgen.calico.cluster import Cluster
from labgen.calico.peers import EndpointStatus
from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from labgen.calico.resources import Resources

SUBDIRECTORY = "endpoint-status"


def load_endpoint_status(directory: Path) -> tuple[EndpointStatus, ...]:
    """Read every file of `directory`, or of its `endpoint-status` (Felix's place), by name.

    Raises InputError for a missing directory and for a file that is not one of Felix's.
    """
    place = directory / SUBDIRECTORY if (directory / SUBDIRECTORY).is_dir() else directory
    if not place.is_dir():
        raise InputError(f"{place}: no such directory", hint="Felix writes endpoint-status there")
    files = sorted(p for p in place.iterdir() if p.is_file() and not p.name.startswith("."))
    return tuple(_read(path) for path in files)


def _read(path: Path) -> EndpointStatus:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}", hint="one object per file") from None
    return parse_endpoint_status(value, str(path))


def parse_endpoint_status(value: Any, shown: str) -> EndpointStatus:
    """One file's JSON value. Raises InputError, naming `shown` and the field."""
    if not isinstance(value, dict):
        raise InputError(f"{shown}: an endpoint status is a JSON object")

    def text(name: str) -> str:
        found = value.get(name) or ""
        if not isinstance(found, str):
            raise InputError(f"{shown}: {name} is a text")
        return found

    def nets(name: str, version: int) -> tuple[str, ...]:
        found = value.get(name) or []
        if not isinstance(found, list) or not all(_is_net(item, version) for item in found):
            raise InputError(f"{shown}: {name} is a list of IPv{version} CIDRs")
        return tuple(found)

    return EndpointStatus(
        interface_name=text("ifaceName"),
        mac=text("mac"),
        ipv4_nets=nets("ipv4Nets", 4),
        ipv6_nets=nets("ipv6Nets", 6),
        bgp_peer_name=text("bgpPeerName"),
    )


def _is_net(item: Any, version: int) -> bool:
    try:
        return isinstance(item, str) and ip_interface(item).version == version
    except ValueError:
        return False


def peering_of(resources: Resources, node_name: str, pod_labels: Mapping[str, str]) -> str | None:
    """The BGPPeer that Felix writes into a pod's status file: the first by name that selects both.

    A BGPPeer selects the node by `node`, by `nodeSelector`, or by naming neither, and the pod by
    `localWorkloadSelector`. None: the pod does not peer.
    """
    cluster = Cluster(resources)
    for peer in resources.bgp_peers:
        spec = peer.spec
        if not spec.local_workload_selector:
            continue
        if spec.node_selector:
            chosen = cluster.selected(spec.node_selector, f"{peer.id} nodeSelector")
            here = any(node.name == node_name for node in chosen)
        else:
            here = spec.node in (None, "", node_name)
        if here and _matches(spec.local_workload_selector, pod_labels):
            return peer.name
    return None


def _matches(text: str, labels: Mapping[str, str]) -> bool:
    try:
        return selector.parse(text).matches(labels)
    except selector.SelectorError:
        return False
