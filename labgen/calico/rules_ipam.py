"""Rules of IPPool, IPReservation, BlockAffinity and IPAMConfig."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING

from labgen.calico.checks import is_network
from labgen.calico.problem import Report, Scope
from labgen.calico.rules_bgp import selector_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labgen.calico.problem import Problem
    from labgen.calico.resources import IPPool
    from labgen.calico.specs import (
        BlockAffinitySpec,
        IPAMConfigSpec,
        IPPoolSpec,
        IPReservationSpec,
    )

    Network = IPv4Network | IPv6Network

_LINK_LOCAL = (IPv4Network("169.254.0.0/16"), IPv6Network("fe80::/10"))
_TOO_SMALL = (
    "IP pool size is too small for use with Calico IPAM. It must be equal to or greater than the "
    "block size."
)
_GLOBAL = re.compile(r"\bglobal\s*\(")
_CIDR = ("spec", "cidr")
_CIDR_NAME = "IPPool.Spec.CIDR"


def pool(report: Report, spec: IPPoolSpec) -> Iterator[Problem]:
    network = None
    if not spec.cidr:
        yield report.field(_CIDR, _CIDR_NAME, "", "IPPool CIDR must be specified")
    else:
        network = _network(spec.cidr)
        if network is None:
            yield report.field(_CIDR, _CIDR_NAME, spec.cidr, "IPPool CIDR must be a valid subnet")
        elif not is_network(spec.cidr):
            # Calico shows the masked value, which is what to write.
            reason = "IPPool CIDR is not strictly masked"
            yield report.field(_CIDR, _CIDR_NAME, network, reason, hint=f"write {network}")
    for key, name, text in (
        ("nodeSelector", "NodeSelector", spec.node_selector),
        ("namespaceSelector", "NamespaceSelector", spec.namespace_selector),
    ):
        yield from selector_problems(report, ("spec", key), name, text)
        if text and _GLOBAL.search(text):
            yield report.field(("spec", key), "spec", None, f"global() cannot be used in {key}")
    if network is not None:
        yield from _encapsulation(report, spec, network)
        yield from _size(report, spec, network)
    yield from _uses(report, spec)


def _network(text: str) -> Network | None:
    """A CIDR with its length, host bits allowed."""
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    return network if text.partition("/")[2].isdigit() else None


def _encapsulated(spec: IPPoolSpec) -> tuple[bool, bool]:
    enabled = ("Always", "CrossSubnet")
    return spec.ipip_mode in enabled, spec.vxlan_mode in enabled


def _encapsulation(report: Report, spec: IPPoolSpec, network: Network) -> Iterator[Problem]:
    ipip, vxlan = _encapsulated(spec)
    if ipip and vxlan:
        message = "ipipMode and vxlanMode cannot both be enabled"
        yield report.field(("spec", "ipipMode"), "spec", None, message)
    if ipip and network.version == 6:
        message = "IPIP is not supported on IPv6 pools"
        yield report.field(("spec", "ipipMode"), "spec", None, message)
    for reserved in _LINK_LOCAL:
        if reserved.version == network.version and reserved.overlaps(network):
            message = f"IPPool CIDR overlaps with the link-local range {reserved}"
            yield report.field(_CIDR, _CIDR_NAME, network, message)


def _size(report: Report, spec: IPPoolSpec, network: Network) -> Iterator[Problem]:
    low, high = (20, 32) if network.version == 4 else (116, 128)
    size = spec.effective_block_size
    if not low <= size <= high:
        message = (
            "blockSize must be between 20 and 32 for IPv4 pools, and between 116 and 128 for IPv6 "
            "pools"
        )
        yield report.field(("spec", "blockSize"), "spec", None, message)
    elif not spec.disabled and network.prefixlen > size:
        yield report.field(_CIDR, _CIDR_NAME, network, _TOO_SMALL)


def _uses(report: Report, spec: IPPoolSpec) -> Iterator[Problem]:
    uses = spec.allowed_uses or ("Workload", "Tunnel")
    rules: list[tuple[object, str, str]] = [
        (
            "Tunnel" in uses and "Workload" not in uses and spec.namespace_selector,
            "namespaceSelector",
            "namespaceSelector cannot be used with allowedUses Tunnel",
        )
    ]
    if "LoadBalancer" in uses:
        rules += [
            (
                len(set(uses)) > 1,
                "allowedUses",
                "LoadBalancer cannot be combined with Workload or Tunnel in allowedUses",
            ),
            (
                any(_encapsulated(spec)),
                "allowedUses",
                "an encapsulation cannot be used with allowedUses LoadBalancer",
            ),
            (
                spec.disable_bgp_export,
                "disableBGPExport",
                "disableBGPExport cannot be used with allowedUses LoadBalancer",
            ),
            (
                spec.node_selector not in (None, "", "all()"),
                "nodeSelector",
                "nodeSelector must be all() with allowedUses LoadBalancer",
            ),
        ]
    for broken, key, message in rules:
        if broken:
            yield report.field(("spec", key), "spec", None, message)


def overlaps(pools: Iterable[IPPool]) -> Iterator[Problem]:
    """Pools may not overlap; Calico checks it when one is written."""
    earlier: list[tuple[Network, IPPool]] = []
    for item in pools:
        network = _network(item.spec.cidr)
        if network is None:
            continue
        for other, old in earlier:
            if other.version == network.version and other.overlaps(network):
                yield Report(item).field(
                    _CIDR,
                    _CIDR_NAME,
                    network,
                    f"IPPool({item.name}) CIDR overlaps with IPPool({old.name}) CIDR {other}",
                    scope=Scope.WRITE,
                )
        earlier.append((network, item))


def reservation(report: Report, spec: IPReservationSpec) -> Iterator[Problem]:
    for index, text in enumerate(spec.reserved_cidrs):
        if not is_network(text):
            keys = ("spec", "reservedCIDRs", index)
            hint = "write an address, or a CIDR without host bits"
            yield report.tag(keys, f"ReservedCIDRs[{index}]", "net", text, hint)


def affinity(report: Report, spec: BlockAffinitySpec) -> Iterator[Problem]:
    if not is_network(spec.cidr):
        hint = "write the block's CIDR"
        yield report.tag(_CIDR, "CIDR", "net", spec.cidr, hint)
    if not spec.node:
        yield report.tag(("spec", "node"), "Node", "required", "", "name the node that owns it")
    if spec.deleted.lower() == "true":
        yield report.field(
            ("spec", "deleted"),
            "spec.Deleted",
            None,
            'spec.Deleted cannot be set to "true"',
            scope=Scope.WRITE,  # a cluster holds such an object while a block is being released
        )


def config(report: Report, spec: IPAMConfigSpec) -> Iterator[Problem]:
    if spec.max_blocks_per_host < 0:
        keys = ("spec", "maxBlocksPerHost")
        hint = "write 0 for no limit, or a number of blocks"
        yield report.tag(keys, "MaxBlocksPerHost", "gte=0", spec.max_blocks_per_host, hint)
    if spec.max_blocks_per_host and not spec.strict_affinity:
        yield report.field(
            ("spec", "maxBlocksPerHost"),
            "IPAMConfig.Spec.MaxBlocksPerHost",
            spec.max_blocks_per_host,
            "MaxBlocksPerHost requires StrictAffinity to be enabled",
        )
    if not spec.strict_affinity and not spec.auto_allocate_blocks:
        yield report.field(
            ("spec", "autoAllocateBlocks"),
            "IPAMConfig.Spec.AutoAllocateBlocks",
            spec.auto_allocate_blocks,
            "StrictAffinity and AutoAllocateBlocks cannot both be off",
        )
