"""A container with real FRR, in which translations are loaded and imish is run."""

from __future__ import annotations

import io
import tarfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("stand_in.sh")
IMAGES = ("labgen/bigip", "labgen-bigip-test")  # the latter: any Debian with frr, python3, nftables


class StandIn:
    """Run and put, in one container with no network of its own."""

    def __init__(self, container: docker.models.containers.Container) -> None:
        self._container = container

    def run(self, *argv: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        code, output = self._container.exec_run(list(argv), environment=dict(env or {}))
        return code, output.decode("utf-8", "replace")

    def script(self, function: str, *arguments: str) -> str:
        """A function of stand_in.sh; its output. Fails the test when it fails."""
        code, output = self.run("bash", "/tmp/stand_in.sh", function, *arguments)
        assert code == 0, output
        return output

    def imish(self, *commands: str) -> str:
        argv = [word for command in commands for word in ("-e", command)]
        code, output = self.run(
            "python3", "-S", "-m", "labgen.bigip.imish", *argv, env={"PYTHONPATH": "/opt/test"}
        )
        assert code == 0, output
        return output

    def put(self, files: Mapping[str, str]) -> None:
        """Absolute path -> content."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, text in files.items():
                content = text.encode()
                info = tarfile.TarInfo(name.lstrip("/"))
                info.size, info.mode = len(content), 0o644
                tar.addfile(info, io.BytesIO(content))
        assert self._container.put_archive("/", archive.getvalue())


def _package() -> dict[str, str]:
    """What the image's build copies: the part of labgen that needs the standard library only."""
    package = ROOT / "labgen"
    modules = [package / name for name in ("__init__.py", "errors.py", "secret.py")]
    modules += (package / "bigip").glob("*.py")
    return {f"/opt/test/{p.relative_to(ROOT)}": p.read_text(encoding="utf-8") for p in modules}


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    try:
        client = docker.from_env()
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    images = [image for name in IMAGES for image in client.images.list(name)]
    if not images:
        client.close()
        pytest.skip(f"no image {IMAGES[0]}: deploy a lab once, which builds it")
    container = client.containers.run(
        images[0].id,
        ["infinity"],
        entrypoint=["sleep"],
        name=f"bigiptest-{uuid.uuid4().hex[:8]}",
        network_mode="none",
        init=True,
        detach=True,
        cap_add=["NET_ADMIN", "NET_RAW", "SYS_ADMIN"],
        # the peer lives in a second network namespace of this container
        security_opt=["apparmor=unconfined"],
    )
    try:
        found = StandIn(container)
        found.put({"/tmp/stand_in.sh": SCRIPT.read_text(encoding="utf-8"), **_package()})
        found.script("prepare")
        yield found
    finally:
        container.remove(force=True)
        client.close()
