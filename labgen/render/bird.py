"""The six files that confd writes for a node, and their adaptation to vanilla BIRD 1.6.8.

`bird_files` is Calico's text (comments aside); `adapt` changes what only Calico's fork of BIRD
understands, and says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from labgen.calico.node_config import MAX_PRIORITY, KernelAction, LogLevel
from labgen.render.bird_filters import add_community, rule_statement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labgen.calico.node_config import (
        CommunityRule,
        FamilyConfig,
        FilterFunction,
        NodeConfig,
        PoolRule,
    )

FILES = (
    "bird.cfg",
    "bird_aggr.cfg",
    "bird_ipam.cfg",
    "bird6.cfg",
    "bird6_aggr.cfg",
    "bird6_ipam.cfg",
)
_DEBUG_STATES = {LogLevel.NONE: "", LogLevel.INFO: "{ states }", LogLevel.DEBUG: "all"}
_DEBUG_BGP = {
    LogLevel.NONE: "",
    LogLevel.INFO: "{ states, routes, filters, events }",
    LogLevel.DEBUG: "all",
}
_NEVER_DIRECT = ("cali*", "kube-ipvs*")


@dataclass(frozen=True, slots=True)
class _Function:
    filter_name: str
    symbol: str
    parameters: str
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Communities:
    cidr: str
    statements: tuple[str, ...]


@cache
def _templates() -> Environment:
    # BIRD's files are not HTML: escaping would corrupt them.
    return Environment(
        loader=PackageLoader("labgen.render"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - see above
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def bird_files(config: NodeConfig) -> dict[str, str]:
    """confd's six files for a node, by name. Passwords stand in them in clear, as BIRD needs."""
    files: dict[str, str] = {}
    for family, prefix in ((config.v4, "bird"), (config.v6, "bird6")):
        for name, values in (
            (f"{prefix}.cfg", _main(config, family, prefix)),
            (f"{prefix}_aggr.cfg", _aggregation(config, family)),
            (f"{prefix}_ipam.cfg", _ipam(config, family)),
        ):
            template = name.replace("bird6", "bird") + ".j2"
            files[name] = _templates().get_template(template).render(values)
    return files


def _main(config: NodeConfig, family: FamilyConfig, prefix: str) -> dict[str, Any]:
    excluded = (*config.ignored_interfaces, *_NEVER_DIRECT)
    listen = ""
    if family.listen.address is not None:
        listen += f" address {family.listen.address}"
    if family.listen.port is not None:
        listen += f" port {family.listen.port}"
    return {
        "node": config.node,
        "prefix": prefix,
        "communities": [_communities(rule) for rule in family.communities],
        "debug_states": _DEBUG_STATES[config.log_level],
        "debug_bgp": _DEBUG_BGP[config.log_level],
        "interfaces": ", ".join([*(f'-"{pattern}"' for pattern in excluded), '"*"']),
        "router_id": config.router_id,
        "listen": listen,
        "has_address": family.address is not None,
        "as_number": config.as_number,
        "filters": [_function(function, family.version) for function in family.filters],
        "peers": family.peers,
        "max_priority": MAX_PRIORITY,
        "normal_priority": family.normal_priority,
        "normal_local_pref": MAX_PRIORITY - family.normal_priority,
    }


def _communities(rule: CommunityRule) -> _Communities:
    return _Communities(rule.cidr, tuple(add_community(text) for text in rule.communities))


@cache
def _function(function: FilterFunction, version: int) -> _Function:
    return _Function(
        filter_name=function.filter_name,
        symbol=function.symbol,
        parameters="bool is_same_as" if function.same_as else "",
        statements=tuple(rule_statement(rule, version) for rule in function.rules),
    )


def _aggregation(config: NodeConfig, family: FamilyConfig) -> dict[str, Any]:
    return {
        "node": config.node,
        "blocks": family.blocks,
        "static_routes": family.static_routes,
        "host_routes": (*family.global_host_routes, *family.node_host_routes),
        "host_length": 32 if family.version == 4 else 128,
        "normal_priority": family.normal_priority,
    }


def _ipam(config: NodeConfig, family: FamilyConfig) -> dict[str, Any]:
    tunnels = ["*.cali", "*.calico", *([] if config.bird_owns_ipip else ["tunl0"])]
    return {
        "node": config.node,
        "not_exported": [rule.network for rule in family.pools if not rule.exported],
        "exported": [rule.network for rule in family.pools if rule.exported],
        "tunnel_interfaces": " || ".join(f'(ifname ~ "{pattern}")' for pattern in tunnels),
        "accepted_ranges": (*family.static_routes, *family.reflected_ranges),
        "kernel_rejects": family.kernel_rejects,
        "wireguard_next_hops": family.wireguard_next_hops,
        "pool_statements": [
            _pool_statement(rule, family)
            for rule in family.pools
            if rule.kernel is not KernelAction.NONE
        ],
        "normal_priority": family.normal_priority,
        "max_priority": MAX_PRIORITY,
    }


def _pool_statement(rule: PoolRule, family: FamilyConfig) -> str:
    if rule.kernel is KernelAction.ACCEPT:
        body = "accept;"
    elif rule.kernel is KernelAction.TUNNEL:
        body = 'krt_tunnel="tunl0"; accept;'
    elif rule.kernel is KernelAction.TUNNEL_CROSS_SUBNET:
        assert family.address is not None  # without one there are no kernel statements
        body = (
            f"if (defined(bgp_next_hop)&&(bgp_next_hop ~ {family.address.network})) "
            'then krt_tunnel=""; else krt_tunnel="tunl0"; accept;'
        )
    else:
        body = "reject;"
    return f"if (net ~ {rule.network}) then {{ {body} }}"


# A kernel statement that sets Calico's fork-only attribute, and the pool that it is for.
_TUNNEL_STATEMENT = re.compile(r"if \(net ~ (?P<pool>\S+)\) then \{ [^\n]*krt_tunnel=[^\n]*\}")
_TUNNEL_CONDITION = 'if ((ifname ~ "*.cali") || (ifname ~ "*.calico")) then {'


def adapt(files: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The files as vanilla BIRD 1.6.8 takes them, and what was changed (one line each).

    Only `krt_tunnel` differs: it is an attribute of Calico's fork. Its pools are left to the lab,
    which programs their routes as Felix does when it owns them; so BIRD rejects them, and does not
    pass on routes that leave through tunl0.
    """
    adapted, notes = dict(files), []
    for name, text in files.items():
        changed, count = _TUNNEL_STATEMENT.subn(r"if (net ~ \g<pool>) then { reject; }", text)
        if not count:
            continue
        pools = ", ".join(match["pool"] for match in _TUNNEL_STATEMENT.finditer(text))
        notes.append(
            f"{name}: krt_tunnel exists only in Calico's BIRD; for {pools} BIRD rejects, and the "
            "lab programs the tunnel routes as Felix does"
        )
        if _TUNNEL_CONDITION in changed:
            wider = _TUNNEL_CONDITION.replace(") then {", ' || (ifname ~ "tunl0")) then {')
            changed = changed.replace(_TUNNEL_CONDITION, wider)
            notes.append(f"{name}: routes through tunl0 are not exported to iBGP peers")
        adapted[name] = changed
    return adapted, tuple(notes)
