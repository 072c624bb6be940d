"""Names, labels and annotations (Kubernetes API conventions, "Names" and "Labels")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.calico.problem import Problem, Report

_NAME_TEXT = (
    r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"  # RFC 1123 subdomain
)
_NAME = re.compile(_NAME_TEXT + r"\Z")
_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?\Z")
MAX_NAME = 253
_MAX_PART = 63


def is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and _NAME.match(text) is not None


def metadata(report: Report) -> Iterator[Problem]:
    resource = report.resource
    if len(resource.name) > MAX_NAME:
        over = len(resource.name) - MAX_NAME
        yield report.field(
            ("metadata", "name"),
            "Metadata.Name",
            resource.name,
            f"name is too long by {over} bytes",
        )
    elif _NAME.match(resource.name) is None:
        yield report.field(
            ("metadata", "name"),
            "Metadata.Name",
            resource.name,
            "name must consist of lower case alphanumeric characters, '-' or '.' "
            f"(regex: {_NAME_TEXT})",
        )
    for key, value in resource.labels.items():
        if not _is_key(key) or (value and not _is_part(value)):
            yield report.field(
                ("metadata", "labels", key),
                "Metadata.Labels",
                f"{key}={value}",
                "a label is [prefix/]name and a value, each of at most 63 letters, digits, '-', "
                "'_' or '.', beginning and ending with a letter or digit",
            )
    for key in resource.annotations:
        if not _is_key(key.lower()):
            yield report.field(
                ("metadata", "annotations", key),
                "Metadata.Annotations",
                key,
                "an annotation's key is [prefix/]name, the name of at most 63 letters, digits, "
                "'-', '_' or '.'",
            )


def _is_key(text: str) -> bool:
    prefix, slash, name = text.rpartition("/")
    return _is_part(name) and (not slash or is_name(prefix))


def _is_part(text: str) -> bool:
    return len(text) <= _MAX_PART and _QUALIFIED.match(text) is not None
