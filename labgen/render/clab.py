"""The plan as a containerlab topology that containerlab itself can deploy.

Inside the intersection of its parser and its JSON schema (containerlab.md §12.3): extended veth
links, quoted scalars, `$` doubled (environment substitution runs on the text) and no `{{` (a
template engine runs first).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from labgen.plan import LabPlan, LinkPlan, NodePlan, Role

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*\Z")
_NOT_PLAIN = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}

_SHARED = ("image", "cap-add", "sysctls", "healthcheck")  # what nodes of one role inherit

Value = str | bool | int | list["Value"] | dict[str, "Value"]


def topology(plan: LabPlan, *, source: str) -> str:
    """`<lab>.clab.yml`. `source` names the spec it was made from, for the first line."""
    groups = {role.value: _group(plan, role) for role in dict.fromkeys(n.role for n in plan.nodes)}
    nodes: dict[str, Value] = {node.name: _node(node, groups) for node in plan.nodes}
    for bridge in plan.bridges:
        mode = f"container:{bridge.node}"
        nodes[bridge.topology_name] = {"kind": "bridge", "network-mode": mode}
    document: dict[str, Value] = {
        "name": plan.name,
        "mgmt": {
            "network": f"{plan.name}-mgmt",
            "ipv4-subnet": "auto",
            "mtu": 1500,
            "skip-when-unused": True,
        },
        "topology": {
            "kinds": {"linux": {"network-mode": "none", "privileged": False,
                                "restart-policy": "no"}},
            "groups": dict[str, Value](groups),
            "nodes": nodes,
            "links": [_link(link) for link in plan.links],
        },
    }  # fmt: skip
    text = StringIO()
    text.write(f"# Made by labgen from {source}; edits are lost. Deploys with containerlab, too.\n")
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.dump(_quoted(document), text)
    return text.getvalue()


def _group(plan: LabPlan, role: Role) -> dict[str, Value]:
    """What every node of a role has in common: containerlab's nodes inherit it."""
    members = [_own(node) for node in plan.nodes if node.role is role]
    first = members[0]
    return {
        k: first[k] for k in _SHARED if k in first and all(m.get(k) == first[k] for m in members)
    }


def _node(node: NodePlan, groups: dict[str, dict[str, Value]]) -> dict[str, Value]:
    common = groups[node.role.value]
    own = {key: value for key, value in _own(node).items() if key not in common}
    return {"group": node.role.value, **own}


def _own(node: NodePlan) -> dict[str, Value]:
    """Everything about one node."""
    result: dict[str, Value] = {"kind": node.kind, "image": node.image}
    if node.kind == "linux":
        result["cap-add"] = list[Value](node.cap_add)
    if node.startup_config:
        result["startup-config"] = node.startup_config
    if node.binds:
        result["binds"] = [str(bind) for bind in node.binds]
    for key, mapping in (("env", node.env), ("sysctls", node.sysctls), ("labels", _labels(node))):
        if mapping:
            result[key] = dict[str, Value](mapping)
    if node.role is Role.CALICO_NODE:
        result["healthcheck"] = _healthcheck("birdc", "show", "status")
    elif node.role in (Role.BIGIP, Role.ROUTER) and node.kind == "linux":
        result["healthcheck"] = _healthcheck("vtysh", "-c", "show version")
    return result


def _labels(node: NodePlan) -> Mapping[str, str]:
    return {"labgen.role": node.role.value, **node.labels}


def _healthcheck(*argv: str) -> Value:
    return {"test": ["CMD", *argv], "interval": 2, "timeout": 5, "retries": 15, "start-period": 1}


def _link(link: LinkPlan) -> Value:
    ends: list[Value] = [
        {"node": end.node, "interface": end.interface, "mac": end.mac} for end in (link.a, link.b)
    ]
    return {"type": "veth", "mtu": link.mtu, "endpoints": ends}


def _quoted(value: Value) -> Value:
    """Quotes wherever YAML 1.1 and 1.2 could disagree (`22:22` is a number in YAML 1.1)."""
    if isinstance(value, dict):
        return {key.replace("$", "$$"): _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    if not isinstance(value, str):
        return value
    text = value.replace("$", "$$")
    plain = _PLAIN.match(text) and text.lower() not in _NOT_PLAIN
    return text if plain else SingleQuotedScalarString(text)
