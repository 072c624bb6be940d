"""What `kubectl get nodes -o wide` tells of a node's machine: asked of the lab, not made up.

Every node of a lab is a container of one engine, from one image, on one kernel: the first that runs
answers for all. The kubelet's version is `labgen.kubernetes.objects.KUBELET`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.errors import LabgenError
from labgen.kubernetes.objects import NodeInfo

if TYPE_CHECKING:
    from labgen.lab.clusters import LiveState
    from labgen.runtime.protocol import Commands, Runtime

ASK = ("sh", "-c", '. /etc/os-release; echo "$PRETTY_NAME"; uname -r')
_NODES = {"node", "nodes", "no"}
_FULL = ("wide", "yaml", "json")


def wanted(argv: Sequence[str]) -> bool:
    """Whether a kubectl command shows nodes with all that is known of them."""
    words = {part for word in argv for part in word.split("/")[0].split(",")}
    full = "describe" in words or any(word.endswith(_FULL) for word in argv)
    return full and bool(_NODES & words) and bool({"get", "describe"} & words)


def parse(text: str) -> NodeInfo:
    """What `ASK` printed: the system's name, and the kernel's release."""
    system, _, kernel = text.strip().partition("\n")
    return NodeInfo(os_image=system, kernel_version=kernel.strip())


def told(state: LiveState, commands: Commands, runtime: Runtime) -> LiveState:
    """The clusters with what their nodes say; as they were where none answers."""
    first = next((name for cluster in state.clusters.values() for name in cluster.nodes), None)
    if first is None:
        return state
    try:
        info = parse(commands.run(first, ASK).check().stdout)
        info = replace(info, container_runtime=runtime.engine())
    except LabgenError:
        return state
    for cluster in state.clusters.values():
        nodes = [replace(node, info=info) for node in cluster.kubernetes.nodes]
        state = state.having(replace(cluster, kubernetes=cluster.kubernetes.having(*nodes)))
    return state
