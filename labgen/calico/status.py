"""Felix's endpoint-status files: which local workloads peer over BGP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from labgen.calico.peers import EndpointStatus
from labgen.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

SUBDIRECTORY = "endpoint-status"


def load_endpoint_status(directory: Path) -> tuple[EndpointStatus, ...]:
    """Read every file of `directory`, or of its `endpoint-status` (Felix's place), by name.

    Raises InputError for a missing directory and for a file that is not one of Felix's.
    """
    place = directory / SUBDIRECTORY if (directory / SUBDIRECTORY).is_dir() else directory
    if not place.is_dir():
        raise InputError(f"{place}: no such directory", hint="Felix writes endpoint-status there")
    files = sorted(p for p in place.iterdir() if p.is_file() and not p.name.startswith("."))
    return tuple(_read(path) for path in files)


def _read(path: Path) -> EndpointStatus:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON: {error}", hint="one object per file") from None
    return parse_endpoint_status(value, str(path))


def parse_endpoint_status(value: Any, shown: str) -> EndpointStatus:
    """One file's JSON value. Raises InputError, naming `shown` and the field."""
    if not isinstance(value, dict):
        raise InputError(f"{shown}: an endpoint status is a JSON object")

    def text(name: str) -> str:
        found = value.get(name) or ""
        if not isinstance(found, str):
            raise InputError(f"{shown}: {name} is a text")
        return found

    def texts(name: str) -> tuple[str, ...]:
        found = value.get(name) or []
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise InputError(f"{shown}: {name} is a list of CIDRs")
        return tuple(found)

    return EndpointStatus(
        interface_name=text("ifaceName"),
        mac=text("mac"),
        ipv4_nets=texts("ipv4Nets"),
        ipv6_nets=texts("ipv6Nets"),
        bgp_peer_name=text("bgpPeerName"),
    )
