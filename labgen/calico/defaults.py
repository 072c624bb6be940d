"""The form in which Calico keeps what a user wrote: defaults filled in, values in Go's spelling."""

from __future__ import annotations

import copy
from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Mapping

# libcalico-go `lib/clientv3/ippool.go` and the CRD's defaults
_POOL = {
    "vxlanMode": "Never",
    "ipipMode": "Never",
    "nodeSelector": "all()",
    "allowedUses": ["Workload", "Tunnel"],
    "assignmentMode": "Automatic",
}


def with_defaults(document: Mapping[str, Any], typed: BaseModel | None) -> dict[str, Any]:
    """A copy of an object as the store keeps it; `typed` is its decoded spec, if it has one."""
    made = copy.deepcopy(dict(document))
    spec = _spelled(made.get("spec") or {}, typed)
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


def _spelled(value: Any, typed: Any) -> Any:
    """`value` without nulls, its scalars as Go decoded them and would print them again.

    So `asNumber: '1.1'` is kept as 65537, `maxRestartTime: 120s` as 2m0s, `cidr: 12` as "12".
    """
    if isinstance(value, dict):
        parts = _parts(typed)
        return {k: _spelled(v, parts.get(k)) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        items = typed if isinstance(typed, tuple) and len(typed) == len(value) else ()
        return [_spelled(v, items[i] if items else None) for i, v in enumerate(value)]
    if isinstance(typed, timedelta):
        return go_duration(typed)
    return typed if isinstance(typed, str | int) else value


def _parts(typed: Any) -> dict[str, Any]:
    """A model's values by the API's names of its fields."""
    if not isinstance(typed, BaseModel):
        return {}
    return {
        field.alias or name: getattr(typed, name)
        for name, field in type(typed).model_fields.items()
    }


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
