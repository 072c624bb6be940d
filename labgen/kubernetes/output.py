"""Values as YAML and JSON, in the form that kubectl prints them: keys in ascending order."""

from __future__ import annotations

import io
import json
from typing import Any

from ruamel.yaml import YAML


def as_yaml(value: Any) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 10**6  # kubectl breaks no line
    yaml.allow_unicode = True
    text = io.StringIO()
    yaml.dump(_ordered(value), text)
    return text.getvalue()


def as_json(value: Any) -> str:
    return json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False) + "\n"


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    return value
