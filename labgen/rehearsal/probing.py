"""Probes of a running lab: one process per pod that probes, its journal read as it grows.

The journal stands inside the container: a pod's own directory is bound read-only, and a lab that
containerlab deployed has no other. The process belongs to the container, so it ends with it; it
also ends by itself, soon after the rehearsal's longest possible duration.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from labgen.errors import LabError, LabgenError
from labgen.lab.wait import wait_until
from labgen.rehearsal.outages import Sample, parse
from labgen.rehearsal.targets import Address, Places

if TYPE_CHECKING:
    from labgen.runtime.protocol import Completed
    from labgen.spec.stages import Probe

PROGRAM = "/opt/labgen/probe.py"
ANSWER_SECONDS = 0.5  # a SYN that is lost is sent again after 1 s (RFC 6298): never an answer here
DECIDED_SECONDS = 10.0  # a busy machine may keep the process waiting


class Run(Protocol):
    """Runs a command in a pod and waits for its end."""

    def __call__(self, node: str, argv: Sequence[str]) -> Completed: ...


@dataclass(frozen=True, slots=True)
class Flow:
    """A probe of the spec with its target's address. `number` names it in the journal."""

    name: str
    number: int
    pod: str
    kind: str
    address: Address
    port: int
    rate: int
    shown: str

    @property
    def argument(self) -> str:
        return f"{self.number},{self.kind},{self.address},{self.port},{self.rate}"


def flows_of(probes: Mapping[str, Probe], places: Places) -> tuple[Flow, ...]:
    """The flows of a spec's probes. Raises InputError for a target that is not there."""
    found = []
    for number, (name, probe) in enumerate(probes.items()):
        end = places.endpoint(probe.to)
        found.append(Flow(name, number, probe.from_, probe.kind, end.address, end.port, probe.rate,
                          f"{probe.from_} to {end.shown}, {probe.kind}"))  # fmt: skip
    return tuple(found)


@dataclass(slots=True)
class _Journal:
    pod: str
    path: str
    pid: str
    octets: int = 0
    decided_ns: int = 0


@dataclass(slots=True)
class Probing:
    """Probes that run. `samples` has all that was read so far, by flow number."""

    flows: tuple[Flow, ...]
    run: Run
    journals: list[_Journal] = field(default_factory=list)
    samples: dict[int, list[Sample]] = field(default_factory=dict)

    def read(self) -> None:
        """What the journals have gained."""
        for journal in self.journals:
            text = self.run(
                journal.pod, ("tail", "-c", f"+{journal.octets + 1}", journal.path)
            ).check().stdout  # fmt: skip
            whole = text[: text.rfind("\n") + 1]
            journal.octets += len(whole)
            found = parse(whole, f"{journal.pod}: {journal.path}")
            journal.decided_ns = max(journal.decided_ns, found.decided_ns)
            for sample in found.samples:
                self.samples.setdefault(sample.flow, []).append(sample)

    def read_until(self, time_ns: int) -> None:
        """Read until every probe sent before `time_ns` is decided. Raises NotReady."""
        if not self.journals:
            return

        def decided() -> int:
            self.read()
            return min(journal.decided_ns for journal in self.journals)

        wait_until(
            decided, lambda at: at >= time_ns, deadline=DECIDED_SECONDS, interval=0.1,
            what="the answers to the last probes",
            describe=lambda at: f"{(time_ns - at) / 1e9:.1f} s of probes are undecided",
        )  # fmt: skip

    def of(self, flow: Flow) -> tuple[Sample, ...]:
        return tuple(self.samples.get(flow.number, ()))


@contextlib.contextmanager
def probing(flows: Sequence[Flow], start: Run, run: Run, *, seconds: float) -> Iterator[Probing]:
    """The flows probed while the block runs, `seconds` at the most.

    `start` must put the process into the pod's own container (the engine's exec does), `run` may
    be any quick command. Raises LabError when a pod cannot probe.
    """
    probes = Probing(tuple(flows), run)
    try:
        for pod in dict.fromkeys(flow.pod for flow in flows):
            own = [flow.argument for flow in flows if flow.pod == pod]
            path = f"/tmp/labgen-probe-{secrets.token_hex(4)}"  # noqa: S108 - in the container
            argv = ("python3", "-I", "-S", PROGRAM, path, f"{seconds:.0f}", f"{ANSWER_SECONDS}")
            done = start(pod, (*argv, *own)).check()
            if not done.stdout.strip().isdigit():
                raise LabError(f"pod {pod} does not probe: {done.stdout or done.stderr}")
            probes.journals.append(_Journal(pod, path, done.stdout.strip()))
        yield probes
    finally:
        for journal in probes.journals:
            with contextlib.suppress(LabgenError):  # the pod is gone, and its probes with it
                start(journal.pod, ("kill", journal.pid))
                start(journal.pod, ("rm", "-f", journal.path))
