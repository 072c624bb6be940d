"""Read a lab spec: shape first, then everything that one value says about another."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from labgen.errors import InputError, InputErrors, Mark
from labgen.spec.model import BigIp, FrrInterface, Network, RouterInterface, Spec
from labgen.yaml_source import Document, KeyPath, read

SPEC_FILE = "lab.yaml"


@dataclass(frozen=True, slots=True)
class LoadedSpec:
    """A valid spec, the file it came from, and where each value stands in it."""

    spec: Spec
    path: Path
    document: Document

    @property
    def directory(self) -> Path:
        return self.path.parent

    def mark(self, *keys: str | int) -> Mark:
        return self.document.mark(keys)

    def resolve(self, name: str) -> Path:
        """A path as written in the spec, relative to the spec's directory."""
        return Path(os.path.normpath(self.directory / name))


def find(argument: str | Path) -> Path | None:
    """The spec file that LAB names: the file itself or a directory's `lab.yaml`; else None."""
    path = Path(argument)
    if path.is_dir() and (path / SPEC_FILE).is_file():
        return path / SPEC_FILE
    return path if path.is_file() else None


def load(path: Path) -> LoadedSpec:
    """Read and check a spec. Raises InputErrors naming file, line, column, found, expected."""
    documents = read(path)
    if len(documents) != 1:
        raise InputError(f"{path}: expected one YAML document, found {len(documents)}")
    document = documents[0]
    if not isinstance(document.value, dict):
        raise InputError("a lab spec is a mapping with `name`, `segments`, …", mark=document.first)
    try:
        spec = Spec.model_validate(document.value)
    except ValidationError as error:
        problems = [_shape_problem(detail, document) for detail in _details(error)]
        raise InputErrors(list({str(p): p for p in problems}.values())) from None
    loaded = LoadedSpec(spec, path, document)
    problems = list(_cross_check(loaded))
    if problems:
        raise InputErrors(problems)
    return loaded


def _details(error: ValidationError) -> list[ErrorDetails]:
    """Every error, unknown keys first; a key that is only misspelt is not also missing."""
    found = error.errors()
    unknown = [d for d in found if d["type"] == "extra_forbidden"]
    meant = {(d["loc"][:-1], near) for d in unknown if (near := _meant(d["loc"]))}
    others = [d for d in found if d["type"] != "extra_forbidden"]
    return unknown + [
        d for d in others if d["type"] != "missing" or (d["loc"][:-1], d["loc"][-1]) not in meant
    ]


def _meant(location: tuple[int | str, ...]) -> str | None:
    """The known key that an unknown one resembles."""
    near = difflib.get_close_matches(str(location[-1]), _known_keys(location), n=1)
    return near[0] if near else None


def _shape_problem(detail: ErrorDetails, document: Document) -> InputError:
    keys = _real_keys(detail["loc"], document.value)
    name = ".".join(map(str, keys)) or "the spec"
    mark = document.mark(keys)
    match detail["type"]:
        case "extra_forbidden":
            near = _meant(detail["loc"])
            known = ", ".join(_known_keys(detail["loc"]))
            hint = f"did you mean `{near}`?" if near else f"known: {known}"
            return InputError(f"{name}: unknown key `{keys[-1]}`", mark=mark, hint=hint)
        case "missing":
            missing = detail["loc"][-1]
            return InputError(f"{name}: `{missing}` is missing", mark=mark, hint="add it")
        case _:
            found = detail["input"]
            if detail["type"] == "union_tag_invalid":
                keys, found = (*keys, "kind"), found.get("kind")
                name, mark = f"{name}.kind", document.mark(keys)
            shown = repr(found) if isinstance(found, str | int | float | bool) else "that"
            return InputError(f"{name}: found {shown}, expected: {_expected(detail)}", mark=mark)


_EXPECTED = {
    "ip_v4_network": "a network in strict form, such as 10.1.20.0/24 (no host bits set)",
    "ip_v6_network": "a network in strict form, such as 10.1.20.0/24 (no host bits set)",
    "ip_v4_address": "an IP address",
    "ip_v6_address": "an IP address",
    "string_type": "text (quote it)",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "list_type": "a list",
    "too_short": "at least one entry",
}


def _expected(detail: ErrorDetails) -> str:
    if detail["type"] in _EXPECTED:
        return _EXPECTED[detail["type"]]
    context: Mapping[str, Any] = detail.get("ctx", {})
    if detail["type"] == "string_pattern_mismatch":
        return f"a name that matches {context.get('pattern')}"
    if detail["type"] == "union_tag_invalid":
        return f"one of {context.get('expected_tags')}"
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return text[0].lower() + text[1:]


def _real_keys(location: tuple[int | str, ...], value: Any) -> KeyPath:
    """Pydantic's location without the parts it adds itself (union tags, `[key]`)."""
    keys: list[str | int] = []
    here: Any = value
    for part in location:
        match here, part:
            case dict(), _ if part in here:
                here = here[part]
            case list(), int() if part < len(here):
                here = here[part]
            case _:
                continue  # a union's tag, or pydantic's `[key]`
        keys.append(part)
    return tuple(keys)


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the model at `location` knows, from the exported schema."""
    schema: dict[str, Any] = Spec.model_json_schema()
    here = schema
    for part in location[:-1]:
        here = _step(schema, here, str(part))
    return sorted(_follow(schema, here).get("properties", {}))


def _follow(schema: dict[str, Any], here: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in here:
        here = schema["$defs"][here["$ref"].rsplit("/", 1)[1]]
    return here


def _step(schema: dict[str, Any], here: dict[str, Any], part: str) -> dict[str, Any]:
    here = _follow(schema, here)
    if part in here.get("properties", {}):
        found: dict[str, Any] = here["properties"][part]
        return found
    mapping = here.get("discriminator", {}).get("mapping", {})
    if part in mapping:
        return {"$ref": mapping[part]}
    patterns = here.get("patternProperties")
    if isinstance(patterns, dict):
        first: dict[str, Any] = next(iter(patterns.values()))
        return first
    inner = here.get("additionalProperties") or here.get("items")
    return inner if isinstance(inner, dict) else here


def _cross_check(loaded: LoadedSpec) -> Iterator[InputError]:
    yield from _names_are_unique(loaded)
    yield from _segments_do_not_overlap(loaded)
    yield from _self_ips_stand_once(loaded)
    yield from _addresses_fit(loaded)
    yield from _pods_fit(loaded)
    yield from _files_exist(loaded)


def _names_are_unique(loaded: LoadedSpec) -> Iterator[InputError]:
    spec = loaded.spec
    places: list[tuple[str, KeyPath]] = [(s, ("segments", s)) for s in spec.segments]
    places += [(r, ("routers", r)) for r in spec.routers]
    for cluster_name, cluster in spec.clusters.items():
        places += [(n, ("clusters", cluster_name, "nodes", n)) for n in cluster.nodes]
        places += [(p, ("clusters", cluster_name, "pods", p)) for p in cluster.pods]
    seen: dict[str, KeyPath] = {}
    for name, keys in places:
        if name in seen:
            yield InputError(
                f"the name `{name}` stands twice: every node of a lab is a container of its own",
                mark=loaded.mark(*keys),
                hint=f"first at line {loaded.mark(*seen[name]).line}; rename one",
            )
        seen.setdefault(name, keys)


def _segments_do_not_overlap(loaded: LoadedSpec) -> Iterator[InputError]:
    seen: list[tuple[str, Network]] = []
    for name, segment in loaded.spec.segments.items():
        networks = [segment.subnet] + ([segment.subnet6] if segment.subnet6 else [])
        for network in networks:
            for other, known in seen:
                if known.version == network.version and known.overlaps(network):
                    yield InputError(
                        f"segments.{name}: {network} overlaps {known} of segment `{other}`",
                        mark=loaded.mark("segments", name),
                        hint="two LANs of one lab need different subnets",
                    )
        seen += [(name, network) for network in networks]


@dataclass(frozen=True, slots=True)
class _Placed:
    owner: str
    segment: str
    addresses: tuple[IPv4Address | IPv6Address, ...]
    keys: KeyPath


def _placed(spec: Spec) -> Iterator[_Placed]:
    for cluster_name, cluster in spec.clusters.items():
        for name, node in cluster.nodes.items():
            extra = (node.address6,) if node.address6 else ()
            keys: KeyPath = ("clusters", cluster_name, "nodes", name)
            yield _Placed(name, node.segment, (node.address, *extra), keys)
    for name, router in spec.routers.items():
        interfaces: Mapping[str, FrrInterface | RouterInterface] = router.interfaces
        for interface_name, interface in interfaces.items():
            addresses = tuple(a for a in (interface.address, interface.address6) if a is not None)
            keys = ("routers", name, "interfaces", interface_name)
            yield _Placed(name, interface.segment, addresses, keys)


def _self_ips_stand_once(loaded: LoadedSpec) -> Iterator[InputError]:
    """A BIG-IP's self-IPs are in its `tmsh` file or in the spec, never in both."""
    for name, router in loaded.spec.routers.items():
        if not isinstance(router, BigIp):
            continue
        for label, interface in router.interfaces.items():
            keys = ("routers", name, "interfaces", label)
            what = ".".join(keys)
            if router.tmsh is None and interface.address is None:
                yield InputError(
                    f"{what}: `address` is missing",
                    mark=loaded.mark(*keys),
                    hint="add it, or name a `tmsh` file that has the self-IPs",
                )
            stated = interface.model_fields_set & {"address", "address6", "allow_service"}
            for field in sorted(stated) if router.tmsh is not None else ():
                yield InputError(
                    f"{what}: `{field}` stands here and in {router.tmsh}",
                    mark=loaded.mark(*keys, field),
                    hint="self-IPs and their lockdown come from the `tmsh` file; remove it here",
                )


def _addresses_fit(loaded: LoadedSpec) -> Iterator[InputError]:
    segments = loaded.spec.segments
    seen: dict[IPv4Address | IPv6Address, str] = {}
    for place in _placed(loaded.spec):
        name = ".".join(map(str, place.keys))
        segment = segments.get(place.segment)
        if segment is None:
            near = difflib.get_close_matches(place.segment, segments, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(segments)}"
            mark = loaded.mark(*place.keys, "segment")
            yield InputError(f"{name}: no segment `{place.segment}`", mark=mark, hint=hint)
            continue
        networks = [segment.subnet] + ([segment.subnet6] if segment.subnet6 else [])
        for address in place.addresses:
            field = "address6" if address is not place.addresses[0] else "address"
            mark = loaded.mark(*place.keys, field)
            if not any(n.version == address.version and address in n for n in networks):
                yield InputError(
                    f"{name}: {address} is outside segment `{place.segment}`",
                    mark=mark,
                    hint=f"expected an address in {' or '.join(map(str, networks))}",
                )
            if address in seen:
                yield InputError(
                    f"{name}: {address} belongs to `{seen[address]}` already",
                    mark=mark,
                    hint="give every node an address of its own",
                )
            seen.setdefault(address, place.owner)


def _pods_fit(loaded: LoadedSpec) -> Iterator[InputError]:
    underlay = [s.subnet for s in loaded.spec.segments.values()]
    seen: dict[IPv4Address | IPv6Address, str] = {}
    for cluster_name, cluster in loaded.spec.clusters.items():
        for name, pod in cluster.pods.items():
            keys = ("clusters", cluster_name, "pods", name)
            if pod.node not in cluster.nodes:
                near = difflib.get_close_matches(pod.node, cluster.nodes, n=1)
                hint = (
                    f"did you mean `{near[0]}`?" if near else f"known: {', '.join(cluster.nodes)}"
                )
                mark = loaded.mark(*keys, "node")
                yield InputError(f"{'.'.join(keys)}: no node `{pod.node}`", mark=mark, hint=hint)
            for address in (a for a in (pod.address, pod.address6) if a is not None):
                mark = loaded.mark(*keys, "address")
                if address in seen:
                    text = f"{'.'.join(keys)}: {address} belongs to pod `{seen[address]}` already"
                    yield InputError(text, mark=mark)
                seen[address] = name
                if any(n.version == address.version and address in n for n in underlay):
                    text = f"{'.'.join(keys)}: {address} lies in a segment's subnet"
                    yield InputError(text, mark=mark, hint="pods live in an IPPool of their own")


def _files_exist(loaded: LoadedSpec) -> Iterator[InputError]:
    for cluster_name, cluster in loaded.spec.clusters.items():
        for key, names in (("resources", cluster.resources), ("manifests", cluster.manifests)):
            for i, name in enumerate(names):
                if not loaded.resolve(name).exists():
                    mark = loaded.mark("clusters", cluster_name, key, i)
                    yield InputError(
                        f"no such file or directory: {name}", mark=mark, hint=_near(loaded)
                    )
    for router_name, router in loaded.spec.routers.items():
        if not loaded.resolve(router.config).is_file():
            mark = loaded.mark("routers", router_name, "config")
            yield InputError(f"no such file: {router.config}", mark=mark, hint=_near(loaded))
        for key in ("tmsh", "as3") if isinstance(router, BigIp) else ():
            name = getattr(router, key)
            if name is not None and not loaded.resolve(name).is_file():
                mark = loaded.mark("routers", router_name, key)
                yield InputError(f"no such file: {name}", mark=mark, hint=_near(loaded))


def _near(loaded: LoadedSpec) -> str:
    return f"paths are relative to {loaded.directory or Path()}"
