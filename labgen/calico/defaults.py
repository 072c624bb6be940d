"""The form in which Calico keeps what a user wrote: defaults filled in, values in Go's spelling."""

from __future__ import annotations

import copy
import re
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from labgen.calico.gotypes import as_number, duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

_AS_NUMBERS = frozenset({"asNumber", "localASNumber"})
_DURATIONS = frozenset({"maxRestartTime", "keepaliveTime", "nodeMeshMaxRestartTime"})
_NUMBER = re.compile(r"(?:\d+\.)?\d+\Z")
# libcalico-go `lib/clientv3/ippool.go` and the CRD's defaults
_POOL = {
    "vxlanMode": "Never",
    "ipipMode": "Never",
    "nodeSelector": "all()",
    "allowedUses": ["Workload", "Tunnel"],
    "assignmentMode": "Automatic",
}


def with_defaults(document: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a decodable object as the store keeps it."""
    made = copy.deepcopy(dict(document))
    spec = _spelled(made.get("spec") or {})
    if made["kind"] == "IPPool":
        spec = _pool(spec)
    elif made["kind"] == "BGPConfiguration" and not spec.get("logSeverityScreen"):
        spec["logSeverityScreen"] = "Info"
    made["spec"] = spec
    return made


def _pool(spec: dict[str, Any]) -> dict[str, Any]:
    for key, value in _POOL.items():
        if not spec.get(key):
            spec[key] = copy.copy(value)
    try:
        version = ip_network(spec.get("cidr", ""), strict=False).version
    except ValueError:
        return spec  # validation names the field
    if not spec.get("blockSize"):
        spec["blockSize"] = 26 if version == 4 else 122
    return spec


def _spelled(value: Any, key: str = "") -> Any:
    """Without nulls; AS numbers as numbers; durations as Go prints them."""
    if isinstance(value, dict):
        return {k: _spelled(item, k) for k, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_spelled(item, key) for item in value]
    if key in _AS_NUMBERS and isinstance(value, str) and _NUMBER.match(value):
        return as_number(value)
    if key in _DURATIONS and isinstance(value, str):
        return go_duration(duration(value))
    return value


def go_duration(value: timedelta) -> str:
    """A duration of whole milliseconds as Go's Duration.String: `1m30s`, `2m0s`, `1.5s`, `0s`."""
    seconds = value.total_seconds()
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    if 0 < seconds < 1:
        return f"{seconds * 1000:g}ms"
    text = f"{rest:.9g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
