"""A Debian base image without any registry: mmdebstrap (or debootstrap) into `docker import`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.errors import HostError
from labgen.runtime.docker import translated

if TYPE_CHECKING:
    from docker import APIClient

SUITE = "bookworm"
LOCAL_ORIGIN = f"labgen/debian:{SUITE}"
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy")
_LEAN = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")


def proxies() -> dict[str, str]:
    """The machine's proxy settings, apt's included.

    Given to builds as the predefined build arguments, which leave no trace in an image: a proxy
    may carry a password.
    """
    found = {name: os.environ.get(name) or os.environ.get(name.upper(), "") for name in _PROXIES}
    for scheme in ("http", "https"):
        found[f"{scheme}_proxy"] = found[f"{scheme}_proxy"] or _apt(f"Acquire::{scheme}::Proxy")
    return {name: value for name, value in found.items() if value}


def _apt(key: str) -> str:
    """One value of apt's configuration; empty where there is no apt."""
    if shutil.which("apt-config") is None:
        return ""
    done = subprocess.run(
        ["apt-config", "dump", "--format", "%v", key], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def make_origin(api: APIClient, *, reason: str) -> None:
    """Import `LOCAL_ORIGIN`. Needs root on Debian or a derivative; `reason` says why it is needed.

    Raises HostError, saying what to do, wherever that is not given.
    """
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise HostError(
            f"the Debian base image cannot be had: {reason}",
            hint="pull debian:bookworm-slim once, or run once as root on Debian, where labgen "
            "makes it with mmdebstrap",
        )
    if shutil.which("mmdebstrap") is None:
        install("mmdebstrap")
    with tempfile.TemporaryDirectory(prefix="labgen-") as directory:
        tar = Path(directory) / "base.tar"
        _mmdebstrap(tar)
        with translated("import the Debian base"):
            api.import_image_from_file(str(tar), *LOCAL_ORIGIN.split(":"))


def _mmdebstrap(tar: Path) -> None:
    argv = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar"]
    argv += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAN]
    for key in ("Acquire::Check-Valid-Until", "Acquire::Check-Date"):
        if value := _apt(key):  # a machine on a snapshot of the archive needs them, its image too
            argv.append(f'--aptopt={key} "{value}"')
    sources = _machine_sources()
    _quietly([*argv, SUITE, str(tar), *sources], "mmdebstrap")


def _machine_sources() -> list[str]:
    """The machine's own Debian sources where they are the suite's, so that a mirror is kept."""
    paths = [Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")]
    for path in paths:
        if path.is_file() and SUITE in path.read_text(errors="replace"):
            return [str(path)]
    return []  # mmdebstrap knows Debian's archive


def install(package: str) -> None:
    """Install a Debian package. Needs root; raises HostError with apt's last line."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _quietly(["apt-get", "update", "-qq"], "apt-get update", environment)
    argv = ["apt-get", "install", "--yes", "-qq", "--no-install-recommends", package]
    _quietly(argv, f"installing {package}", environment)


def _quietly(argv: list[str], what: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        argv, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        last = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()][-1:]
        raise HostError(f"{what} failed: {' '.join(last) or 'no output'}")
