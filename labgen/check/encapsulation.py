"""Each node's tunnel devices are what Calico's encapsulation asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from labgen.calico.tunnels import IPIP
from labgen.check.model import Finding, Rung, Status
from labgen.check.state import view_of
from labgen.evidence import Missing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.calico.felix import Tunnel
    from labgen.design.model import Design
    from labgen.evidence import Evidence

SUBSTITUTED = (
    "this kernel has no IPIP: a VXLAN device stands in under the same name, so routes and filters "
    "are Calico's, the octets between the nodes are not"
)


def encapsulation(design: Design, evidence: Evidence) -> Iterator[Finding]:
    """One finding for each tunnel device of each node."""
    for node in design.calico_nodes:
        for tunnel in node.tunnels:
            view = view_of(evidence, node.name)
            found = view if isinstance(view, Missing) else view.tunnels
            status, observed = _judged(tunnel, found)
            yield Finding(
                "tunnel", status, Rung.FIB, f"{node.name} {tunnel.device}",
                f"a device of kind {_kind(tunnel)}", observed,
                (f"{node.name}: ip -d link show {tunnel.device}",),
            )  # fmt: skip


def _kind(tunnel: Tunnel) -> str:
    return "ipip" if tunnel.kind is IPIP else "vxlan"


def _judged(tunnel: Tunnel, found: Mapping[str, str] | Missing) -> tuple[Status, str]:
    if isinstance(found, Missing):
        return Status.ERROR, found.reason
    kind = found.get(tunnel.device)
    if kind is None:
        return Status.FAIL, "it is not there"
    if kind == "vxlan" and tunnel.kind is IPIP:
        return Status.SKIP, SUBSTITUTED
    return (Status.PASS if kind == _kind(tunnel) else Status.FAIL), f"kind {kind}"
