"""The wiring container: a short-lived helper that makes links and reads readiness from outside.

It shares the host's process and network namespaces, so it reaches every node's namespaces; it is
not privileged. It ends when this process does, in whatever way: its standard input ends then.
The program inside is `labgen/images/shared/wire.py`.
"""

from __future__ import annotations

import itertools
import json
import secrets
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from labgen import images
from labgen.errors import LabError
from labgen.runtime.protocol import Completed, ContainerSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from labgen.runtime.protocol import Runtime
    from labgen.runtime.wiring import Batches

ROLE = "wiring"
LIFETIME_SECONDS = 3600
REPLY_SECONDS = 120.0
# NET_ADMIN to make links, SYS_ADMIN to enter namespaces. Opening /proc/<pid>/ns of a node needs
# every capability that the node has (ptrace(2), "caller's capabilities are a superset").
CAPABILITIES = ("NET_ADMIN", "SYS_ADMIN", "NET_RAW")


class Wirer:
    """One wiring container and the conversation with it. Safe to use from threads."""

    def __init__(
        self, runtime: Runtime, lab: str, labels: Mapping[str, str], cap_add: Iterable[str] = ()
    ) -> None:
        """Create and start it. Raises LabError or HostError."""
        self._runtime = runtime
        self._replies: dict[int, Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._ended: str | None = None
        self.id = runtime.create(
            ContainerSpec(
                name=f"labgen-wiring-{lab}-{secrets.token_hex(4)}",
                image=images.reference("segment"),
                entrypoint=("python3", "-I", "-S", "/opt/labgen/wire.py", str(LIFETIME_SECONDS)),
                labels={**labels, "labgen.role": ROLE},
                cap_add=tuple(sorted({*CAPABILITIES, *cap_add})),
                network_mode="host",
                pid_mode="host",
                auto_remove=True,
                interactive=True,
            )
        )
        self._channel = runtime.open(self.id)
        threading.Thread(target=self._listen, name="wiring", daemon=True).start()
        runtime.start(self.id)

    def _listen(self) -> None:
        """Hand each reply to whoever waits for it; at the end, tell all who still wait."""
        try:
            for line in self._channel.lines():
                reply = json.loads(line)
                with self._lock:
                    waiting = self._replies.pop(reply["id"], None)
                if waiting is not None:
                    waiting.set_result(reply)
        except (OSError, ValueError) as error:
            self._ended = str(error)
        with self._lock:
            self._ended = self._ended or "it ended"
            left, self._replies = list(self._replies.values()), {}
        for waiting in left:
            waiting.set_exception(LabError(f"the wiring container: {self._ended}"))

    def _ask(self, request: dict[str, Any], timeout: float = REPLY_SECONDS) -> dict[str, Any]:
        number = next(self._numbers)
        reply: Future[dict[str, Any]] = Future()
        with self._lock:
            if self._ended is not None:
                raise LabError(f"the wiring container: {self._ended}")
            self._replies[number] = reply
            try:
                self._channel.send(json.dumps({"id": number, **request}))
            except OSError as error:
                raise LabError(f"the wiring container: {error}") from error
        try:
            answer = reply.result(timeout)
        except TimeoutError:
            raise LabError(f"the wiring container gave no answer in {timeout:g} s") from None
        if "error" in answer:
            raise LabError(f"wiring: {answer['error']}")
        return answer

    def wire(self, batches: Batches) -> None:
        """Make links. Raises LabError with what `ip` said."""
        self._ask(
            {
                "op": "wire",
                "before": list(batches.before.items()),
                "veths": batches.veths,
                "after": list(batches.after.items()),
            }
        )

    def wait_ready(
        self, pids: Iterable[int], *, timeout: float
    ) -> tuple[frozenset[int], frozenset[int]]:
        """Wait for nodes' ready files; returns (still waiting, ended) process ids."""
        request = {"op": "ready", "pids": list(pids), "timeout": timeout}
        answer = self._ask(request, timeout + REPLY_SECONDS)
        return frozenset(answer["waiting"]), frozenset(answer["gone"])

    def run(
        self, node: str, pid: int, argv: Sequence[str], *, stdin: str | None, timeout: float
    ) -> Completed:
        """A command in a node's namespaces, some twenty times cheaper than by the engine."""
        request = {
            "op": "run", "pid": pid, "argv": list(argv), "stdin": stdin or "", "timeout": timeout,
        }  # fmt: skip
        try:
            answer = self._ask(request, timeout + REPLY_SECONDS)
        except LabError as error:
            why = error.message.removeprefix("wiring: ")
            raise LabError(f"{node}: `{' '.join(argv)}`: {why}") from error
        return Completed(node, tuple(argv), answer["code"], answer["stdout"], answer["stderr"])

    def close(self) -> None:
        """End it. The engine removes it by itself, a moment later."""
        self._channel.close()


class NamespaceCommands:
    """`Commands` by way of the wiring container, while a deploy still runs."""

    def __init__(self, wirer: Wirer, pids: Mapping[str, int]) -> None:
        self._wirer, self._pids = wirer, pids

    def run(
        self,
        node: str,
        argv: Sequence[str],
        *,
        stdin: str | None = None,
        timeout: float = 30.0,
    ) -> Completed:
        if node not in self._pids:
            raise LabError(f"{node}: no such node", hint=f"there are {', '.join(self._pids)}")
        return self._wirer.run(node, self._pids[node], argv, stdin=stdin, timeout=timeout)
