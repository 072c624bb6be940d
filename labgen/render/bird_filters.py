"""BGPFilter rules and communities in BIRD 1.6's filter language (BIRD manual, chapter 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.calico.bgpfilter import prefix_range
from labgen.calico.node_config import MAX_PRIORITY

if TYPE_CHECKING:
    from labgen.calico.specs import FilterRule, Operation

_MATCH_OPERATORS = {"Equal": "=", "NotEqual": "!=", "In": "~", "NotIn": "!~"}


def community_tuple(text: str) -> str:
    """`65000:100` as BIRD writes it: `(65000, 100)`."""
    return f"({', '.join(text.split(':'))})"


def _attribute(text: str) -> str:
    """Three parts make a large community (RFC 8092)."""
    return "bgp_large_community" if text.count(":") == 2 else "bgp_community"


def add_community(text: str) -> str:
    return f"{_attribute(text)}.add({community_tuple(text)});"


def rule_statement(rule: FilterRule, version: int) -> str:
    """The one statement of a BGPFilter rule."""
    conditions = _conditions(rule, version)
    body = " ".join([*(text for item in rule.operations for text in _operation(item)), ""])
    body += "accept;" if rule.action == "Accept" else "reject;"
    statement = f"if ({'&&'.join(conditions)}) then {{ {body} }}" if conditions else body
    if rule.peer_type == "iBGP":
        return f"if (is_same_as) then {{ {statement} }}"
    if rule.peer_type == "eBGP":
        return f"if (!is_same_as) then {{ {statement} }}"
    return statement


def _conditions(rule: FilterRule, version: int) -> list[str]:
    found: list[str] = []
    if rule.cidr and rule.match_operator:
        operator = _MATCH_OPERATORS[rule.match_operator]
        found.append(f"(net {operator} {_prefix(rule, version)})")
    if rule.source == "RemotePeers":
        found.append("((defined(source))&&(source ~ [ RTS_BGP ]))")
    if rule.interface:
        found.append(f'((defined(ifname))&&(ifname ~ "{rule.interface}"))')
    if rule.communities and rule.communities.values:
        text = rule.communities.values[0]  # the API allows exactly one
        found.append(f"({community_tuple(text)} ~ {_attribute(text)})")
    if rule.as_path_prefix:
        path = " ".join(str(number) for number in rule.as_path_prefix)
        found.append(f"(bgp_path ~ [= {path} * =])")
    if rule.priority is not None:
        wanted = MAX_PRIORITY - rule.priority
        found.append(f"(defined(bgp_local_pref)&&(bgp_local_pref = {wanted}))")
    return found


def _prefix(rule: FilterRule, version: int) -> str:
    """The CIDR as written, or a prefix set where prefixLength is there, even empty."""
    bounds = prefix_range(rule, version)
    return rule.cidr if bounds is None else f"[ {rule.cidr}{{{bounds[0]},{bounds[1]}}} ]"


def _operation(operation: Operation) -> list[str]:
    if operation.add_community:
        return [add_community(operation.add_community.value)]
    if operation.prepend_as_path:
        # Each prepend puts its AS in front of the ones before it, so the last comes first.
        return [f"bgp_path.prepend({n});" for n in reversed(operation.prepend_as_path.prefix)]
    if operation.set_priority and operation.set_priority.value is not None:
        return [f"bgp_local_pref = {MAX_PRIORITY - operation.set_priority.value};"]
    return []
