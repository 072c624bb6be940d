"""A BIG-IP's files: ZebOS as plain text or in a ConfigMap's `ZebOS.conf` key, and tmsh text.

Apart from the rest of the room because it reads files and YAML; the stand-in's own shell does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen import yaml_source
from labgen.bigip import tmsh, zebos
from labgen.bigip.objects import Objects, is_tmsh, of_as3, of_tmsh
from labgen.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_KEY = "ZebOS.conf"
_YAML_SUFFIXES = {".yaml", ".yml"}


def read(path: Path, *, shown: str | None = None) -> zebos.Config:
    """Read and parse one file. Raises InputError (missing, unreadable) and InputErrors (lines).

    A file named `.yaml` or `.yml` holds one ConfigMap with the key `ZebOS.conf`; marks then count
    lines of that file.
    """
    name = shown or str(path)
    text = _text(path, name)
    if path.suffix.lower() not in _YAML_SUFFIXES:
        return zebos.parse(text, name)
    return _from_configmap(text, name)


def read_tmsh(path: Path, *, shown: str | None = None) -> tmsh.TmshConfig:
    """Read and parse `tmsh list net …` output or a tmsh script. Raises InputError, InputErrors."""
    name = shown or str(path)
    return tmsh.parse(_text(path, name), name)


def objects(path: Path, *, shown: str | None = None) -> Objects | None:
    """tmsh text or an AS3 declaration (`.json`), object by object; None for anything else.

    Raises InputError (missing, unreadable).
    """
    name = shown or str(path)
    suffix = path.suffix.lower()
    if suffix in _YAML_SUFFIXES:
        return None
    text = _text(path, name)
    if suffix == ".json":
        return of_as3(text, name)
    return of_tmsh(text, name) if is_tmsh(text) else None


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{name}: no such file", hint="check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: not a text file: octet {error.start} is not UTF-8",
            hint="save the BIG-IP's output as plain text",
        ) from None
    except OSError as error:
        raise InputError(f"{name}: cannot be read: {error.strerror}") from None


def _from_configmap(text: str, name: str) -> zebos.Config:
    for document in yaml_source.parse(text, name):
        data = document.value.get("data") if isinstance(document.value, dict) else None
        if not isinstance(data, dict) or _KEY not in data:
            continue
        mark = document.mark(("data", _KEY))
        value = data[_KEY]
        if not isinstance(value, str):
            raise InputError(f"`{_KEY}` must be text", mark=mark, hint="write it as a `|` block")
        header = text.splitlines()[mark.line - 1]
        first = mark.line + 1 if header.rstrip().endswith(("|", "|-", "|+")) else mark.line
        column = _indent(text, first) + 1 if first > mark.line else 1
        return zebos.parse(value, name, first_line=first, first_column=column)
    raise InputError(f"{name}: no ConfigMap with the key `{_KEY}`", hint="is this the right file?")


def _indent(text: str, line: int) -> int:
    lines = text.splitlines()
    content = lines[line - 1] if line <= len(lines) else ""
    return len(content) - len(content.lstrip(" "))
