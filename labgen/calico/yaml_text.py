"""Plain values as the YAML text that Go's tools print: keys sorted, lists not indented.

A text that YAML would read as something else stands in double quotes (`"1234"`, `"yes"`), one that
cannot stand plain in single ones, one of several lines as a literal block: go-yaml's choices.
"""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import SafeRepresenter

from labgen.yaml_source import scalar

_TEXT_TAG = "tag:yaml.org,2002:str"
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?(?:[Tt ].*)?\Z")


class _GoRepresenter(SafeRepresenter):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - Go prints a value as often as it occurs
        return True


def _text(representer: SafeRepresenter, value: str) -> ScalarNode:
    if "\n" in value:
        style: str | None = "|"
    else:
        plain = isinstance(scalar(value), str) and not _DATE.match(value)
        style = None if plain else '"'
    node: ScalarNode = representer.represent_scalar(_TEXT_TAG, value, style=style)
    return node


def _null(representer: SafeRepresenter, _: None) -> ScalarNode:
    node: ScalarNode = representer.represent_scalar("tag:yaml.org,2002:null", "null")
    return node


_GoRepresenter.add_representer(str, _text)
_GoRepresenter.add_representer(type(None), _null)


def dump(value: Any) -> str:
    """`value` (dicts, lists, texts, numbers, booleans, None) as one YAML document."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _GoRepresenter
    yaml.default_flow_style = False
    yaml.width = 1 << 30  # go-yaml folds no line
    stream = StringIO()
    yaml.dump(value, stream)
    return stream.getvalue().removesuffix("...\n")  # ruamel ends a lone scalar so, Go does not
