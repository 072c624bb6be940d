"""A container engine in memory: the public double of `labgen.runtime.protocol.Runtime`.

It keeps what it is told, answers commands from a function, and plays the wiring container's part,
so that everything above the runtime can be tested without Docker. Faults are set beforehand.
"""

from __future__ import annotations

import itertools
import json
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from labgen.errors import LabError
from labgen.runtime.protocol import Completed, Container

if TYPE_CHECKING:
    from labgen.runtime.protocol import ContainerSpec

Answer = Callable[[str, Sequence[str], str], tuple[int, str, str]]


def silence(_container: str, _argv: Sequence[str], _stdin: str) -> tuple[int, str, str]:
    """Every command succeeds and says nothing."""
    return 0, "", ""


@dataclass
class MemoryRuntime:
    """What a test arranges and what it can look at afterwards.

    `answer` gets a container's name, the argv and standard input; it returns exit code, output
    and error output. `failing` maps container names to the error that their start raises;
    `dying` names containers that end as soon as they are started; `unwireable` is what the wiring
    container says instead of making links.
    """

    answer: Answer = silence
    failing: dict[str, str] = field(default_factory=dict)
    dying: set[str] = field(default_factory=set)
    unwireable: str | None = None
    log_lines: dict[str, list[str]] = field(default_factory=dict)

    specs: dict[str, ContainerSpec] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    wired: list[dict[str, Any]] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)

    _pids: dict[str, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1000))
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def ensure_images(
        self, references: Iterable[str], say: Callable[[str], None]
    ) -> tuple[str, ...]:
        missing = tuple(sorted({*references} - {*self.images}))
        for reference in missing:
            say(f"building {reference}")
            self.images.append(reference)
        return missing

    def create(self, spec: ContainerSpec) -> str:
        with self._lock:
            if spec.name in self.specs:
                raise LabError(f"create {spec.name}: a container of this name exists already")
            self.specs[spec.name] = spec
            self.states[spec.name] = "created"
            self.calls.append(("create", spec.name))
        return spec.name

    def start(self, container: str) -> int:
        with self._lock:
            self.calls.append(("start", container))
            if container in self.failing:
                raise LabError(f"start {container}: {self.failing[container]}")
            self.states[container] = "exited" if container in self.dying else "running"
            self._pids[container] = next(self._numbers)
            return self._pids[container]

    def engine(self) -> str:
        return "memory://0"

    def pid(self, container: str) -> int:
        return self._pids[container] if self.states.get(container) == "running" else 0

    def open(self, container: str) -> MemoryChannel:
        return MemoryChannel(self, container)

    def remove(self, container: str) -> None:
        with self._lock:
            self.calls.append(("remove", container))
            self.specs.pop(container, None)
            self.states.pop(container, None)

    def containers(self, labels: Mapping[str, str | None]) -> tuple[Container, ...]:
        with self._lock:
            found = [
                Container(name, name, spec.image, self.states[name], self.states[name], spec.labels)
                for name, spec in self.specs.items()
                if all(
                    key in spec.labels and value in (None, spec.labels[key])
                    for key, value in labels.items()
                )
            ]
        return tuple(sorted(found, key=lambda container: container.name))

    def run(
        self,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 30.0,
    ) -> Completed:
        if self.states.get(container) != "running":
            raise LabError(f"{container} does not run, so nothing answers within {timeout:g} s")
        code, out, err = self.answer(container, argv, (stdin or b"").decode())
        return Completed(container, tuple(argv), code, out, err)

    def logs(
        self, container: str, *, tail: int | None = None, follow: bool = False
    ) -> Iterator[str]:
        lines = self.log_lines.get(container, [])
        return iter(lines if follow or tail is None else lines[-tail:])

    def die(self, container: str) -> None:
        """Let a running container end."""
        self.states[container] = "exited"

    def relabel(self, container: str, labels: Mapping[str, str]) -> None:
        """Change a container's labels, as another deploy would have set them."""
        spec = self.specs[container]
        self.specs[container] = replace(spec, labels={**spec.labels, **labels})

    def play_wiring(self, request: dict[str, Any]) -> dict[str, Any]:
        """What `wire.py` would reply."""
        by_pid = {pid: name for name, pid in self._pids.items()}
        match request["op"]:
            case "wire" if self.unwireable is not None:
                return {"error": self.unwireable}
            case "wire":
                self.wired.append(request)
                return {}
            case "ready":
                gone = [p for p in request["pids"] if self.states.get(by_pid[p]) != "running"]
                return {"waiting": gone, "gone": gone}
            case _:
                name = by_pid[request["pid"]]
                code, out, err = self.answer(name, request["argv"], request["stdin"])
                return {"code": code, "stdout": out, "stderr": err}


class MemoryChannel:
    """The wiring container's standard input and output."""

    def __init__(self, runtime: MemoryRuntime, container: str) -> None:
        self._runtime, self._container = runtime, container
        self._output: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def send(self, line: str) -> None:
        request = json.loads(line)
        reply = {"id": request["id"], **self._runtime.play_wiring(request)}
        self._output.put(json.dumps(reply))

    def lines(self) -> Iterator[str]:
        while (line := self._output.get()) is not None:
            yield line

    def close(self) -> None:
        """It removes itself, as `auto_remove` containers do."""
        self._output.put(None)
        self._runtime.remove(self._container)
