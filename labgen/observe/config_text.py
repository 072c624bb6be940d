"""Configurations in saved evidence: FRR and ZebOS `router bgp`, BIRD's bird.cfg, Calico's YAML.

Diagnosis needs a few facts of them, not the whole: a line that is not understood is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from labgen.facts import CalicoSetting, Daemon, Facts, NeighborConfig, Pool, SpeakerConfig
from labgen.observe.lines import Line, address, command_on, network

_SETTINGS = {
    "BGPConfiguration": ("listenPort", "nodeToNodeMeshEnabled", "asNumber"),
    "BGPPeer": (
        "peerIP",
        "asNumber",
        "nodeSelector",
        "node",
        "peerSelector",
        "numAllowedLocalASNumbers",
    ),
}


def router(lines: Sequence[Line]) -> Iterator[SpeakerConfig]:
    """`router bgp` of `show running-config`, frr.conf or ZebOS.conf."""
    config: SpeakerConfig | None = None
    peers: dict[str, NeighborConfig] = {}
    groups: dict[str, str] = {}
    # ZebOS prints its lines of access last; FRR never has `line con`.
    zebos = any(line.text.startswith("line con 0") for line in lines)
    for line in lines:
        words = line.text.split()
        if words[:2] == ["router", "bgp"] and len(words) > 2 and words[2].isdigit():
            if config:
                yield _finish(config, peers, groups)
            config = SpeakerConfig(Daemon.FRR, line, asn=int(words[2]), extended_asn=not zebos)
            peers, groups = {}, {}
        elif (
            config is not None
            and words
            and not line.text.startswith(" ")
            and words[0]
            in (
                "end",
                "exit",
                "route-map",
                "ip",
                "interface",
                "line",
                "access-list",
            )
        ):
            yield _finish(config, peers, groups)
            config = None
        elif config is not None:
            config = _router_line(config, peers, groups, words, line)
    if config:
        yield _finish(config, peers, groups)


def _router_line(
    config: SpeakerConfig,
    peers: dict[str, NeighborConfig],
    groups: dict[str, str],
    words: list[str],
    line: Line,
) -> SpeakerConfig:
    no = words[:1] == ["no"]
    words = words[1:] if no else words
    if words[:1] == ["neighbor"] and len(words) >= 3:
        name, rest = words[1], words[2:]
        peer = peers.get(name) or NeighborConfig(address(name), line, name)
        if rest[:1] == ["peer-group"] and len(rest) > 1:
            groups[name] = rest[1]
        peers[name] = _neighbor(peer, rest, no=no)
    elif words[:2] == ["bgp", "router-id"] and len(words) > 2:
        return replace(config, router_id=address(words[2]))
    elif words[:2] == ["bgp", "cluster-id"] and len(words) > 2:
        return replace(config, cluster_id=address(words[2]))
    elif words[:2] == ["bgp", "extended-asn-cap"]:
        return replace(config, extended_asn=not no)
    elif words[:3] == ["bgp", "default", "ipv4-unicast"]:
        return replace(config, default_ipv4_unicast=not no)
    return config


_NUMBERS = {"remote-as": "remote_as", "port": "port", "maximum-prefix": "maximum_prefix"}
_SWITCHES = {
    "passive": "passive",
    "password": "has_password",
    "bfd": "bfd",
    "fall-over": "bfd",
    "ttl-security": "ttl_security",
    "ebgp-multihop": "multihop",
    "disable-connected-check": "multihop",
    "enforce-multihop": "multihop",
    "activate": "activated",
    "route-reflector-client": "reflector_client",
    "dont-capability-negotiate": "no_capabilities",
}


def _neighbor(peer: NeighborConfig, rest: list[str], *, no: bool) -> NeighborConfig:
    word, value = rest[0], rest[1] if len(rest) > 1 else ""
    if word in _NUMBERS and value.isdigit():
        return _set(peer, _NUMBERS[word], int(value))
    if word in _SWITCHES:
        peer = _set(peer, _SWITCHES[word], not no)
    if word in ("bfd", "fall-over"):
        peer = replace(peer, bfd_multihop="multihop" in rest)
    return peer


def _set(peer: NeighborConfig, name: str, value: bool | int) -> NeighborConfig:
    return replace(peer, **{name: value})  # type: ignore[arg-type]


def _finish(
    config: SpeakerConfig, peers: Mapping[str, NeighborConfig], groups: Mapping[str, str]
) -> SpeakerConfig:
    """A member of a peer-group has what the group has, unless it says otherwise itself."""
    result = []
    for name, peer in peers.items():
        group = peers.get(groups.get(name, ""))
        if group is not None:
            peer = replace(  # noqa: PLW2901 - the member as it works, in place of the member as written
                peer,
                remote_as=peer.remote_as or group.remote_as,
                passive=peer.passive or group.passive,
                bfd=peer.bfd or group.bfd,
                has_password=peer.has_password or group.has_password,
                ttl_security=peer.ttl_security or group.ttl_security,
                multihop=peer.multihop or group.multihop,
                activated=group.activated if peer.activated is None else peer.activated,
                reflector_client=peer.reflector_client or group.reflector_client,
            )
        if peer.address is not None:
            result.append(peer)
    return replace(config, neighbors=tuple(result))


_BIRD_BGP = re.compile(
    r"^\s*(?P<kind>protocol|template)\s+bgp\s+(?P<name>\S+)(?:\s+from\s+(?P<base>\S+))?\s*\{"
)


def bird(lines: Sequence[Line]) -> Iterator[SpeakerConfig]:
    """Every bird.cfg of a text: prompts tell where one ends and another command begins."""
    part: list[Line] = []
    for line in lines:
        if part and command_on(line) is not None:
            yield from _one_bird(part)
            part = []
        part.append(line)
    yield from _one_bird(part)


def _one_bird(lines: Sequence[Line]) -> Iterator[SpeakerConfig]:
    """One speaker for the file, with a neighbour for each `protocol bgp`."""
    start = next((ln for ln in lines if _BIRD_BGP.match(ln.text)), None)
    begin = next((ln for ln in lines if re.match(r"\s*router id \S+;", ln.text)), None)
    if start is None and begin is None:
        return
    config = SpeakerConfig(Daemon.BIRD, begin or start or lines[0])
    templates: dict[str, NeighborConfig] = {}
    peers: list[NeighborConfig] = []
    block: NeighborConfig | None = None
    kind, depth = "", 0
    for line in lines:
        text = re.sub(r"#.*", "", line.text)
        match = _BIRD_BGP.match(text)
        if match is not None:
            base = templates.get(match["base"] or "") or NeighborConfig(None, line)
            block, kind, depth = replace(base, name=match["name"], quote=line), match["kind"], 0
        config = _bird_global(config, text)
        if block is None:
            continue
        for statement in text.partition("{")[2].split(";") if match else text.split(";"):
            block = _bird_statement(block, statement.strip(), line)
            config = _bird_as(config, statement.strip())
        depth += text.count("{") - text.count("}")
        if depth <= 0:
            if kind == "template":
                templates[block.name] = block
            else:
                peers.append(block)
            block = None
    yield replace(config, neighbors=tuple(peers))


def _bird_global(config: SpeakerConfig, text: str) -> SpeakerConfig:
    if (match := re.match(r"\s*router id ([\d.]+)\s*;", text)) is not None:
        return replace(config, router_id=address(match[1]))
    if (match := re.match(r"\s*listen bgp\b.*?\bport (\d+)", text)) is not None:
        return replace(config, listen_port=int(match[1]))
    return config


def _bird_as(config: SpeakerConfig, statement: str) -> SpeakerConfig:
    match = re.match(r"local (?:\S+ )?as (\d+)", statement)
    return replace(config, asn=int(match[1])) if match else config


_BIRD_SWITCHES: tuple[tuple[str, Mapping[str, bool]], ...] = (
    (r"passive(?: on| yes)?$", {"passive": True}),
    (r"password ", {"has_password": True}),
    (r"multihop", {"multihop": True}),
    (r"direct$", {"multihop": False, "bfd_multihop": False}),
    (r"ttl security(?!.*(?:off|no)$)", {"ttl_security": True}),
    (r"rr client$", {"reflector_client": True}),
)


def _bird_statement(peer: NeighborConfig, statement: str, line: Line) -> NeighborConfig:
    match = re.match(r"neighbor (\S+)(?: port (\d+))?(?: as (\d+))?", statement)
    if match is not None:
        asn = int(match[3]) if match[3] else peer.remote_as
        port = int(match[2] or 179)
        return replace(peer, address=address(match[1]), quote=line, port=port, remote_as=asn)
    if statement.startswith("source address "):
        return replace(peer, local_address=address(statement.split()[2]))
    if statement.startswith("rr cluster id "):
        return replace(peer, cluster_id=address(statement.rsplit(maxsplit=1)[1]))
    if re.match(r"bfd(?: on| yes| graceful)?$", statement):
        return replace(peer, bfd=True, bfd_multihop=peer.multihop)
    for pattern, fields in _BIRD_SWITCHES:
        if re.match(pattern, statement):
            return replace(peer, **fields)  # type: ignore[arg-type]
    return peer


def calico(lines: Sequence[Line]) -> Facts:
    """IPPool, BGPPeer and BGPConfiguration as `calicoctl get -o yaml` prints them."""
    if not any("projectcalico.org/v" in line.text for line in lines):
        return Facts()
    text = "\n".join(line.text for line in lines)
    try:
        documents = list(YAML(typ="safe", pure=True).load_all(text))
    except YAMLError:
        return Facts()
    pools: list[Pool] = []
    settings: list[CalicoSetting] = []
    for item in _resources(documents):
        spec, kind = item.get("spec") or {}, str(item.get("kind", ""))
        name = str((item.get("metadata") or {}).get("name", ""))
        net = network(str(spec.get("cidr", ""))) if kind == "IPPool" else None
        if net is not None:
            exported = not spec.get("disableBGPExport", False)
            pools.append(Pool(net, exported, _line_of(lines, str(spec["cidr"]))))
        settings += [
            CalicoSetting(kind, name, key, str(spec[key]), _line_of(lines, f"{key}:"))
            for key in _SETTINGS.get(kind, ())
            if key in spec
        ]
    return Facts(pools=tuple(pools), settings=tuple(settings))


def _resources(documents: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
    for document in documents:
        if isinstance(document, dict):
            items = document.get("items")
            yield from (
                (i for i in items if isinstance(i, dict)) if isinstance(items, list) else [document]
            )


def _line_of(lines: Sequence[Line], wanted: str) -> Line:
    return next((line for line in lines if wanted in line.text), lines[0])
