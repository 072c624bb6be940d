"""Manifests and programs that a lab provides by itself, so that a guide's line for them is met.

Each is recognised by its file name or address and never read: what they would install is already
there in another form. The line that is printed says which.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from labgen.kubernetes.state import ClusterState
from labgen.kubernetes.system import KUBE_SYSTEM, with_calico_node

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Provided:
    """What stands in the lab for a manifest. `install` is what changes in the cluster's objects."""

    why: str
    install: Callable[[ClusterState, datetime], ClusterState]


def _nothing(state: ClusterState, _: datetime) -> ClusterState:
    return state


def _calico(state: ClusterState, now: datetime) -> ClusterState:
    return with_calico_node(state, now, namespace=KUBE_SYSTEM)


_BY_NAME = {
    "tigera-operator.yaml": Provided(
        "an Installation is enough; calico-node then is BIRD and Calico's configuration on "
        "every node",
        _nothing,
    ),
    "operator-crds.yaml": Provided("Calico's resource types are known without it", _nothing),
    "crds.yaml": Provided("Calico's resource types are known without it", _nothing),
    "calico.yaml": Provided(
        "calico-node is BIRD and Calico's configuration on every node", _calico
    ),
}


def provided(path: str) -> Provided | None:
    """What the lab has in place of this manifest; None for any other file."""
    return _BY_NAME.get(path.rpartition("/")[2].partition("?")[0])


def is_address(path: str) -> bool:
    """A URL, which a sealed lab cannot fetch."""
    return _ADDRESS.match(path) is not None


# the guide installs calicoctl on every node with curl; `mv` and `chmod` belong to that line
_CALICOCTL_DOWNLOAD = re.compile(
    r"(?:sudo\s+)?(?:curl|wget)\s[^|;&]*"
    r"https?://github\.com/projectcalico/(?:calicoctl|calico)/releases/\S*calicoctl\S*[^|;&]*"
    r"(?:&&\s*(?:sudo\s+)?(?:mv|chmod|install)\s[^|;&]*calicoctl[^|;&]*)*\Z"
)


def installs_calicoctl(command: str) -> bool:
    """The command does nothing but fetch calicoctl and put it where it can be run."""
    return _CALICOCTL_DOWNLOAD.match(command.strip()) is not None
