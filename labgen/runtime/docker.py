"""The Docker Engine through its SDK: the only module that imports docker, and only when used."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from labgen.errors import HostError, LabError
from labgen.runtime.protocol import Completed, Container

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from docker import APIClient

    from labgen.errors import LabgenError
    from labgen.runtime.protocol import ContainerSpec

API_TIMEOUT = 120  # seconds; containerlab's default for one engine operation
_STDOUT, _STDERR = 1, 2


def client(*, timeout: float = API_TIMEOUT, host: str | None = None) -> APIClient:
    """A client of the engine at `host`, or where DOCKER_HOST or the default socket is.

    Raises HostError, in one line, when no engine answers there or it may not be used.
    """
    _probe(host or address())
    import docker  # noqa: PLC0415 -- 0.1 s that only commands with a lab should pay
    from docker.utils import kwargs_from_env  # noqa: PLC0415

    where: Any = kwargs_from_env() if host is None else {"base_url": host}
    with translated("connect"):
        return docker.APIClient(
            version="auto", timeout=cast("int", timeout), max_pool_size=16, **where
        )


def _probe(where: str) -> None:
    """Say in a millisecond that nobody listens (the SDK would take long, and leak its socket)."""
    if not where.startswith("unix://"):
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(where.removeprefix("unix://"))
        except PermissionError:
            raise _no_right(where) from None
        except OSError:
            raise _no_engine(where) from None


def _no_right(where: str) -> HostError:
    return HostError(
        f"no right to use the Docker engine at {where}",
        hint="join the group docker, then log in anew",
    )


def _no_engine(where: str) -> HostError:
    return HostError(
        f"no Docker engine answers at {where}", hint="start it, or run `labgen doctor`"
    )


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turns what docker and requests raise into labgen's errors."""
    import requests.exceptions  # noqa: PLC0415
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        yield
    except (DockerException, requests.exceptions.RequestException, OSError) as error:
        raise translate(error, what) from error


def translate(error: Exception, what: str) -> LabgenError:
    """One line for a foreign exception: what was tried, what happened, what to do next."""
    from docker.errors import APIError  # noqa: PLC0415

    text = " ".join(str(getattr(error, "explanation", None) or error).split())
    low = f"{text} {error!r}".lower()
    if "permission denied" in low and not isinstance(error, APIError):
        return _no_right(address())
    if "no space left" in low:
        return HostError(f"{what}: no space left on the engine's disk", hint="docker system df")
    if not isinstance(error, APIError):
        if "timed out" in low or "timeout" in low:
            return HostError(f"{what}: the Docker engine at {address()} did not answer in time")
        return _no_engine(address())
    if "no such image" in low or "manifest unknown" in low or "pull access denied" in low:
        return HostError(f"{what}: {text}", hint="check the image's name; it cannot be had")
    if "is already in use by container" in low:
        return LabError(
            f"{what}: a container of this name exists already",
            hint="another lab of this name? `labgen inspect --all` lists them",
        )
    return LabError(f"{what}: {text}")


def address() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


class DockerRuntime:
    """`labgen.runtime.protocol.Runtime` on a Docker engine."""

    def __init__(self, api: APIClient | None = None) -> None:
        self.api = api if api is not None else client()

    def close(self) -> None:
        """Give up the connections to the engine."""
        self.api.close()

    def engine(self) -> str:
        with translated("the engine's version"):
            return f"docker://{self.api.version()['Version']}"

    def create(self, spec: ContainerSpec) -> str:
        api = self.api
        with translated(f"create {spec.name}"):
            host = api.create_host_config(
                binds=list(spec.binds),
                network_mode=spec.network_mode,
                pid_mode=spec.pid_mode,
                cap_add=list(spec.cap_add),
                sysctls=dict(spec.sysctls),
                privileged=False,
                auto_remove=spec.auto_remove,
                restart_policy={"Name": "no"},
            )
            config = api.create_container_config(
                image=spec.image,
                command=[],  # the image's own
                hostname=spec.hostname,
                entrypoint=list(spec.entrypoint) if spec.entrypoint else None,
                environment=[f"{key}={value}" for key, value in spec.env.items()],
                labels=dict(spec.labels),
                stdin_open=spec.interactive,
                tty=False,
                host_config=host,
            )
            config["StdinOnce"] = spec.interactive
            return self._create(config, spec.name)

    def _create(self, config: dict[str, Any], name: str) -> str:
        made = self.api.create_container_from_config(config, name)  # type: ignore[no-untyped-call]
        return str(made["Id"])

    def start(self, container: str) -> int:
        with translated(f"start {container}"):
            self.api.start(container)
        return self.pid(container)

    def pid(self, container: str) -> int:
        with translated(f"inspect {container}"):
            return int(self.api.inspect_container(container)["State"]["Pid"])

    def open(self, container: str) -> DockerChannel:
        with translated(f"attach to {container}"):
            params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            return DockerChannel(self.api.attach_socket(container, params=params))

    def ensure_images(
        self, references: Iterable[str], say: Callable[[str], None]
    ) -> tuple[str, ...]:
        from labgen.runtime.build import ensure_images  # noqa: PLC0415 -- it imports this module

        return ensure_images(self.api, references, say)

    def remove(self, container: str) -> None:
        from docker.errors import APIError  # noqa: PLC0415

        with translated(f"remove {container}"):
            try:
                self.api.remove_container(container, force=True, v=True)
            except APIError as error:
                # 404: gone. 409: its removal is already under way (auto_remove, or another hand).
                if error.response is None or error.response.status_code not in (404, 409):
                    raise

    def containers(self, labels: Mapping[str, str | None]) -> tuple[Container, ...]:
        wanted = [key if value is None else f"{key}={value}" for key, value in labels.items()]
        with translated("list containers"):
            listed = self.api.containers(all=True, filters={"label": wanted})
        found = (
            Container(
                id=item["Id"],
                name=item["Names"][0].lstrip("/") if item["Names"] else item["Id"][:12],
                image=item["Image"],
                state=item["State"],
                status=item["Status"],
                labels=item["Labels"] or {},
            )
            for item in listed
        )
        return tuple(sorted(found, key=lambda c: c.name))

    def run(
        self,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 30.0,
    ) -> Completed:
        with translated(f"{container}: `{argv[0]}`"):
            made = self.api.exec_create(container, list(argv), stdin=stdin is not None)
            keep = self.api.exec_start(made["Id"], socket=True)
            try:
                out, err = _converse(keep, stdin, timeout)
            except TimeoutError:
                raise LabError(
                    f"{container}: `{' '.join(argv)}` did not end within {timeout:g} s"
                ) from None
            finally:
                _close(keep)
            code = int(self.api.exec_inspect(made["Id"])["ExitCode"])
        return Completed(
            container, tuple(argv), code, out.decode(errors="replace"), err.decode(errors="replace")
        )

    def logs(
        self, container: str, *, tail: int | None = None, follow: bool = False
    ) -> Iterator[str]:
        with translated(f"logs of {container}"):
            stream = self.api.logs(
                container, stdout=True, stderr=True, stream=True, follow=follow,
                tail="all" if tail is None else tail,
            )  # fmt: skip
            pending = b""
            for part in stream:
                *whole, pending = (pending + part).split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace")
            if pending:
                yield pending.decode(errors="replace")


class DockerChannel:
    """The multiplexed stream of an attached container (no TTY), as lines."""

    def __init__(self, stream: Any) -> None:
        self._keep = stream
        self._stream = raw_socket(stream)
        self._stream.settimeout(None)

    def send(self, line: str) -> None:
        self._stream.sendall(line.encode() + b"\n")

    def lines(self) -> Iterator[str]:
        pending = b""
        try:
            for kind, part in _frames(_reader(self._keep)):
                if kind != _STDOUT:
                    continue
                *whole, pending = (pending + part).split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace")
        finally:
            _close(self._keep)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # wakes whoever reads lines; that one closes
            self._stream.shutdown(socket.SHUT_RDWR)


def raw_socket(stream: Any) -> socket.socket:
    """The socket under what the SDK hands out (a SocketIO on Unix and TCP endpoints).

    The caller keeps the SDK's object: the connection closes when that is collected.
    """
    return cast("socket.socket", getattr(stream, "_sock", stream))


def _reader(stream: Any) -> Any:
    """Where to read what the engine streams: never the socket itself.

    `http.client` reads the response's headers through a buffer, and a quick command's output may
    come in the same piece: those octets are in the buffer, and the socket has them no more.
    """
    response = getattr(stream, "_response", None)
    return stream if response is None else response.raw._fp.fp  # noqa: SLF001 - no public way


def _close(stream: Any) -> None:
    """Close all three layers that the SDK leaves open around one connection."""
    for layer in (getattr(stream, "_response", None), stream, raw_socket(stream)):
        if layer is not None:
            with contextlib.suppress(OSError, ValueError):  # ValueError: closed by another layer
                layer.close()


def _converse(keep: Any, stdin: bytes | None, timeout: float) -> tuple[bytes, bytes]:
    """Give a command its input, collect its output and error output to their end."""
    stream = raw_socket(keep)
    stream.settimeout(timeout)
    if stdin is not None:  # beside the reading: either side may fill its buffer first
        threading.Thread(target=_feed, args=(stream, stdin), daemon=True).start()
    parts: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: []}
    for kind, part in _frames(_reader(keep)):
        parts.setdefault(kind, []).append(part)
    return b"".join(parts[_STDOUT]), b"".join(parts[_STDERR])


def _feed(stream: socket.socket, stdin: bytes) -> None:
    with contextlib.suppress(OSError):  # a command need not read all that it is given
        stream.sendall(stdin)
        stream.shutdown(socket.SHUT_WR)


def _frames(stream: Any) -> Iterator[tuple[int, bytes]]:
    """The engine's stream format: one octet of kind, three of nothing, four of length."""
    while True:
        header = _exactly(stream, 8)
        if header is None:
            return
        kind, length = struct.unpack(">BxxxI", header)
        part = _exactly(stream, length)
        if part is None:
            return
        yield kind, part


def _exactly(stream: Any, count: int) -> bytes | None:
    data = b""
    while len(data) < count:
        try:
            part = stream.read(count - len(data))
        except ConnectionError:
            return None
        if not part:
            return None
        data += part
    return data
