"""Probes of a running lab: one process per node that probes, its journal read as it grows.

The program (`images/shared/probe.py`) goes in by standard input, so any node with a Python can
probe: pods, Calico nodes, the BIG-IP's stand-in, whichever image the lab was deployed with.

The journal stands inside the container: a pod's own directory is bound read-only, and a lab that
containerlab deployed has no other. The process belongs to the container, so it ends with it; it
also ends by itself where nobody asks it to go on (`Probing.go_on`).
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from labgen import images
from labgen.errors import LabError, LabgenError
from labgen.lab.wait import wait_until
from labgen.rehearsal.outages import Sample, parse
from labgen.rehearsal.targets import Address, Places

if TYPE_CHECKING:
    from labgen.runtime.protocol import Completed
    from labgen.spec.stages import Probe

PROGRAM = Path(images.__file__).parent / "shared" / "probe.py"
JOURNAL = "/tmp/labgen-probe-"  # noqa: S108 - in the container, where nobody else is
TICKS = 100  # USER_HZ, in which proc(5) counts CPU time: 100 on every architecture of Linux
ANSWER_SECONDS = 0.5  # a SYN that is lost is sent again after 1 s (RFC 6298): never an answer here
DECIDED_SECONDS = 10.0  # a busy machine may keep the process waiting


class Run(Protocol):
    """Runs a command in a node and waits for its end."""

    def __call__(self, node: str, argv: Sequence[str]) -> Completed: ...


class Start(Protocol):
    """Runs a command inside a node's own container, with something to read."""

    def __call__(
        self, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> Completed: ...


@dataclass(frozen=True, slots=True)
class Flow:
    """A probe of the spec with its target's address. `number` names it in the journal."""

    name: str
    number: int
    node: str
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
    node: str
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
    cost: dict[str, float] = field(default_factory=dict)
    """Per node, once the probes have ended: the share of one core that they took."""

    def go_on(self, seconds: float) -> None:
        """Let the probes run for so long from now on, unless they are asked again or taken away."""
        for journal in self.journals:
            self.run(journal.node, _until(journal.path, seconds)).check()

    def read(self) -> None:
        """What the journals have gained."""
        for journal in self.journals:
            text = self.run(
                journal.node, ("tail", "-c", f"+{journal.octets + 1}", journal.path)
            ).check().stdout  # fmt: skip
            whole = text[: text.rfind("\n") + 1]
            journal.octets += len(whole)
            found = parse(whole, f"{journal.node}: {journal.path}")
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
def probing(flows: Sequence[Flow], start: Start, run: Run, *, seconds: float) -> Iterator[Probing]:
    """The flows probed while the block runs, `seconds` at the most if nobody says `go_on`.

    `start` must put the process into the node's own container (the engine's exec does), `run` may
    be any quick command. Raises LabError when a node cannot probe.
    """
    probes = Probing(tuple(flows), run)
    began = time.monotonic()
    try:
        for node in dict.fromkeys(flow.node for flow in flows):
            own = [flow.argument for flow in flows if flow.node == node]
            # a rehearsal that was killed left its probes: without their journal they end
            start(node, ("sh", "-c", f"rm -f {JOURNAL}*"))
            path = f"{JOURNAL}{secrets.token_hex(4)}"
            start(node, _until(path, seconds)).check()
            argv = ("python3", "-I", "-S", "-", path, f"{ANSWER_SECONDS}", *own)
            done = start(node, argv, stdin=PROGRAM.read_bytes()).check()
            if not done.stdout.strip().isdigit():
                raise LabError(f"node {node} does not probe: {done.stdout or done.stderr}")
            probes.journals.append(_Journal(node, path, done.stdout.strip()))
        yield probes
    finally:
        for journal in probes.journals:
            with contextlib.suppress(LabgenError):  # the node is gone, and its probes with it
                stat = start(journal.node, ("cat", f"/proc/{journal.pid}/stat")).stdout
                probes.cost[journal.node] = _cpu_seconds(stat) / (time.monotonic() - began)
                start(journal.node, ("kill", journal.pid))
                start(journal.node, ("rm", "-f", journal.path, f"{journal.path}.until"))


def _until(path: str, seconds: float) -> tuple[str, ...]:
    """The command that sets the time at which the probes of a journal end by themselves."""
    return ("touch", "-d", f"@{time.time() + seconds:.0f}", f"{path}.until")


def _cpu_seconds(stat: str) -> float:
    """User and system time of /proc/PID/stat (proc(5)): fields 14 and 15."""
    fields = stat.rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:13]) / TICKS
