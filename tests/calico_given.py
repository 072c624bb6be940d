"""Short ways to write a cluster in a test."""

from __future__ import annotations

import re

from labgen import yaml_source
from labgen.calico import confd, resources
from labgen.calico.node_config import BirdPeer, NodeConfig
from labgen.calico.peers import EndpointStatus
from labgen.render.bird import bird_files


def one(kind: str, name: str, spec: str = "{}", labels: str = "{}") -> str:
    return (
        f"apiVersion: projectcalico.org/v3\nkind: {kind}\n"
        f"metadata: {{name: {name}, labels: {labels}}}\nspec: {spec}\n"
    )


def node(name: str, v4: str = "", v6: str = "", more: str = "", labels: str = "{}") -> str:
    parts = [f"ipv4Address: {v4}" if v4 else "", f"ipv6Address: '{v6}'" if v6 else "", more]
    spec = ", ".join(part for part in parts if part)
    return one("Node", name, f"{{bgp: {{{spec}}}}}" if spec else "{}", labels)


def peer(name: str, spec: str) -> str:
    return one("BGPPeer", name, spec)


def default(spec: str) -> str:
    return one("BGPConfiguration", "default", spec)


NO_MESH = default("{nodeToNodeMeshEnabled: false}")
THREE = (
    node("n1", "10.0.0.1/24", "fd00::1/64", labels="{rack: a}")
    + "---\n"
    + node("n2", "10.0.0.2/24", "fd00::2/64", labels="{rack: a}")
    + "---\n"
    + node("n3", "10.0.0.3/24", "fd00::3/64", labels="{rack: b}")
)


def given(*documents: str) -> resources.Resources:
    return resources.parse(yaml_source.parse("---\n".join(documents), "given.yaml"))


def config(
    *documents: str,
    at: str = "n1",
    environment: dict[str, str] | None = None,
    status: tuple[EndpointStatus, ...] = (),
) -> NodeConfig:
    return confd.compute(given(*documents), at, environment=environment, endpoint_status=status)


def names(node_config: NodeConfig, version: int = 4) -> list[str]:
    return [item.name for item in (node_config.v4 if version == 4 else node_config.v6).peers]


def session(node_config: NodeConfig, name: str) -> BirdPeer:
    return next(item for item in node_config.peers if item.name == name)


def text(node_config: NodeConfig, file: str = "bird.cfg") -> str:
    """A rendered file without comments, runs of blanks folded to one."""
    rendered = bird_files(node_config)[file]
    return " ".join(re.sub(r"#[^\n]*", "", rendered).split())


def protocol(node_config: NodeConfig, name: str, file: str = "bird.cfg") -> str:
    """The body of one `protocol bgp`."""
    found = re.search(
        rf"protocol bgp {name} from bgp_template \{{ (.*?) \}}(?= protocol|$)",
        text(node_config, file),
    )
    assert found, f"no {name}"
    return found[1]
