"""Rules of BGPFilter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.calico.checks import community_fault, is_interface_pattern, is_network
from labgen.calico.node_config import MAX_PRIORITY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.calico.problem import Problem, Report
    from labgen.calico.specs import BGPFilterSpec, FilterRule, Operation

    Keys = tuple[str | int, ...]

MAX_OPERATIONS = 10
MAX_PREPENDS = 10


def bgp_filter(report: Report, spec: BGPFilterSpec) -> Iterator[Problem]:
    for version in (4, 6):
        for direction in ("import", "export"):
            for index, rule in enumerate(spec.rules(direction, version)):
                keys: Keys = ("spec", f"{direction}V{version}", index)
                yield from _prefix(report, keys, rule, version)
                yield from _matches(report, keys, rule)
                yield from _operations(report, keys, rule)


def _prefix(report: Report, keys: Keys, rule: FilterRule, version: int) -> Iterator[Problem]:
    if bool(rule.cidr) != bool(rule.match_operator):
        yield report.crd("cidr and matchOperator must both be set or both be empty", *keys)
    if rule.cidr and not is_network(rule.cidr, version):
        hint = f"write an IPv{version} CIDR without host bits"
        yield report.tag((*keys, "cidr"), "CIDR", f"netv{version}", rule.cidr, hint)
    if rule.prefix_length is None:
        return
    if not rule.cidr:
        yield report.crd("cidr is required when prefixLength is set", *keys)
    longest = 32 if version == 4 else 128
    for key, name, length in (
        ("min", "Min", rule.prefix_length.min),
        ("max", "Max", rule.prefix_length.max),
    ):
        if length is not None and not 0 <= length <= longest:
            yield report.tag(
                (*keys, "prefixLength", key),
                name,
                f"bgpFilterPrefixLengthV{version}",
                length,
                f"write 0-{longest}",
            )


def _matches(report: Report, keys: Keys, rule: FilterRule) -> Iterator[Problem]:
    if rule.interface and not is_interface_pattern(rule.interface):
        hint = "write 1-15 letters, digits, '_', '.', '-' or '*'"
        tag = "bgpFilterInterface"
        yield report.tag((*keys, "interface"), "Interface", tag, rule.interface, hint)
    if rule.communities is not None:
        values = rule.communities.values
        place = (*keys, "communities", "values")
        if len(values) != 1:
            yield report.crd(f"must have exactly 1 item, has {len(values)}", *place)
        for index, text in enumerate(values):
            if fault := community_fault(text):
                yield report.field((*place, index), "Values", text, fault)
    yield from _priority(report, (*keys, "priority"), "Priority", rule.priority)


def _priority(report: Report, keys: Keys, name: str, value: int | None) -> Iterator[Problem]:
    if value is not None and not 1 <= value < MAX_PRIORITY:
        tag = "gte=1" if value < 1 else f"lte={MAX_PRIORITY - 1}"
        yield report.tag(keys, name, tag, value, f"write 1-{MAX_PRIORITY - 1}")


def _operations(report: Report, keys: Keys, rule: FilterRule) -> Iterator[Problem]:
    place = (*keys, "operations")
    count = len(rule.operations)
    if "operations" in rule.model_fields_set and not 1 <= count <= MAX_OPERATIONS:
        yield report.crd(f"must have 1-{MAX_OPERATIONS} items, has {count}", *place)
    if rule.operations and rule.action != "Accept":
        yield report.crd("operations may only be used with action Accept", *keys)
    for index, operation in enumerate(rule.operations):
        yield from _operation(report, (*place, index), operation)


def _operation(report: Report, keys: Keys, operation: Operation) -> Iterator[Problem]:
    given = (operation.add_community, operation.prepend_as_path, operation.set_priority)
    if sum(item is not None for item in given) != 1:
        wanted = "exactly one of addCommunity, prependASPath and setPriority must be set"
        yield report.crd(wanted, *keys)
    if operation.add_community and (fault := community_fault(operation.add_community.value)):
        text = operation.add_community.value
        yield report.field((*keys, "addCommunity", "value"), "Value", text, fault)
    if operation.prepend_as_path is not None:
        count = len(operation.prepend_as_path.prefix)
        if not 1 <= count <= MAX_PREPENDS:
            message = f"must have 1-{MAX_PREPENDS} items, has {count}"
            yield report.crd(message, *keys, "prependASPath", "prefix")
    if operation.set_priority is not None:
        value = operation.set_priority.value
        place = (*keys, "setPriority", "value")
        if value is None:
            yield report.crd("value is required", *place)
        yield from _priority(report, place, "Value", value)
