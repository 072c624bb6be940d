"""Values as YAML and JSON, in the form that kubectl prints them: keys in ascending order."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from labgen.yaml_source import scalar


class _Representer(SafeRepresenter):
    """Text as Go's YAML writes it: in double quotes if it would read as something else."""

    def represent_str(self, data: str) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=_style(data))


_Representer.add_representer(str, _Representer.represent_str)
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?\Z")


def _style(text: str) -> str | None:
    if "\n" in text:
        return "|"
    other = not isinstance(scalar(text), str) or text.lower() in ("y", "n")
    return '"' if other or _SEXAGESIMAL.match(text) or _DATE.match(text) else None


def as_yaml(value: Any) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
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
