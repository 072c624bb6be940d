"""A cluster's datastore and a calicoctl that works on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

import pytest

from labgen import yaml_source
from labgen.calico.calicoctl.command import run
from labgen.calico.calicoctl.manifests import Given, Manifest, Unreadable
from labgen.calico.calicoctl.results import Result
from labgen.calico.datastore import Datastore, Stamps, seeded

CLUSTER = """\
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node1, labels: {rack: a}}
spec: {bgp: {ipv4Address: 10.192.0.2/16}}
---
apiVersion: projectcalico.org/v3
kind: Node
metadata: {name: node2}
spec: {bgp: {ipv4Address: 10.192.0.3/16, ipv6Address: '2001::103/64', asNumber: 64513}}
---
apiVersion: crd.projectcalico.org/v1
kind: IPPool
metadata: {name: default-ipv4-ippool}
spec: {cidr: 192.168.0.0/16, nodeSelector: all(), blockSize: 26}
---
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata: {name: only-pods}
spec: {exportV4: [{action: Accept, matchOperator: In, cidr: 192.168.0.0/16}, {action: Reject}]}
"""


def stamps() -> Stamps:
    numbers = count(1)
    return Stamps(
        now=lambda: datetime(2026, 11, 22, 3, 30, tzinfo=UTC),
        uid=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
    )


@cache
def documents(text: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(document.value for document in yaml_source.parse(text, "given.yaml"))


@dataclass
class Calicoctl:
    """Runs command lines one after the other; `files` are what `-f` can name."""

    store: Datastore
    stamps: Stamps
    files: dict[str, str | list[str]] = field(default_factory=dict)

    def read(self, path: str, recursive: bool) -> Given:
        if path not in self.files:
            raise Unreadable(f"open {path}: no such file or directory")
        found = self.files[path]
        if isinstance(found, str):
            return Given((Manifest(path, found),))
        inside = [name for name in found if recursive or "/" not in name]
        return Given(
            tuple(Manifest(f"{path}/{name}", str(self.files[f"{path}/{name}"])) for name in inside),
            directory=True,
        )

    def __call__(self, line: str, text: str = "", **more: Any) -> Result:
        """Run a line, split at blanks; `text` is standard input. The store moves on."""
        self.files["-"] = text
        argv = [word.replace("␣", " ") for word in line.split()]
        result = run(argv, self.store, read=self.read, stamps=self.stamps, **more)
        self.store = result.store
        return result


@pytest.fixture
def calicoctl() -> Calicoctl:
    made = stamps()
    return Calicoctl(seeded(documents(CLUSTER), made), made)


Make = Callable[[str], Calicoctl]


@pytest.fixture
def calicoctl_on() -> Make:
    def make(text: str) -> Calicoctl:
        made = stamps()
        return Calicoctl(seeded(documents(text), made), made)

    return make
