"""The IPPools that Calico's operator makes of an `Installation` resource.

Source: operator.tigera.io/v1 API reference (`CalicoNetworkSpec.ipPools`) and the operator's
defaults: a lone pool, or one pool per family, is `default-ipv4-ippool` / `default-ipv6-ippool`;
among more pools each takes its name from its CIDR. IPv4 pools are IPIP unless they say otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any

from labgen.calico.resources import IPPool, Notice, Resource
from labgen.calico.specs import IPPoolSpec
from labgen.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labgen.calico.specs import InstallationBody, InstallationPool

    Key = tuple[str, str]
    Network = IPv4Network | IPv6Network

# operator.tigera.io/v1 EncapsulationType -> (ipipMode, vxlanMode)
_ENCAPSULATION = {
    "None": ("Never", "Never"),
    "IPIP": ("Always", "Never"),
    "IPIPCrossSubnet": ("CrossSubnet", "Never"),
    "VXLAN": ("Never", "Always"),
    "VXLANCrossSubnet": ("Never", "CrossSubnet"),
}


def pools_of(
    installations: Mapping[Key, Resource[InstallationBody]],
    pools: Mapping[Key, IPPool],
    notices: list[Notice],
    problems: list[InputError],
) -> dict[Key, IPPool]:
    """`pools`, and those of the Installations that are not among them yet.

    An IPPool with the same name or CIDR is what the operator made of the Installation's entry, or
    what somebody changed afterwards; it wins.
    """
    result = dict(pools)
    for installation in installations.values():
        entries = installation.spec.spec.calico_network.ip_pools
        if not entries and not pools:
            notices.append(
                Notice(
                    f"{installation.id} names no ipPools; the operator would then choose one by "
                    "itself, and labgen has none",
                    installation.mark("spec"),
                )
            )
        networks = [_network(installation, i, entry, problems) for i, entry in enumerate(entries)]
        for index, (entry, network) in enumerate(zip(entries, networks, strict=True)):
            if network is None:
                continue
            spec = _spec(installation, index, entry, network, problems)
            name = entry.name or _name(network, networks)
            same_cidr = any(_same(pool, network) for pool in pools.values())
            if spec is None or same_cidr or ("", name) in pools:
                continue
            base = (*installation.source.base, "spec", "calicoNetwork", "ipPools", index)
            result["", name] = Resource(
                api_version="projectcalico.org/v3",
                kind="IPPool",
                name=name,
                namespace=None,
                labels={},
                annotations={},
                spec=spec,
                source=replace(installation.source, base=base),
                raw={
                    "apiVersion": "projectcalico.org/v3",
                    "kind": "IPPool",
                    "metadata": {"name": name},
                    "spec": spec.model_dump(by_alias=True, exclude_none=True),
                },
            )
    return dict(sorted(result.items()))


def _same(pool: IPPool, network: Network) -> bool:
    try:
        return pool.spec.network == network
    except ValueError:
        return False


def _network(
    installation: Resource[InstallationBody],
    index: int,
    entry: InstallationPool,
    problems: list[InputError],
) -> Network | None:
    try:
        return ip_network(entry.cidr)
    except ValueError as error:
        problems.append(
            InputError(
                f"{installation.id}: spec.calicoNetwork.ipPools[{index}].cidr = '{entry.cidr}': "
                f"{error}",
                mark=installation.mark("spec", "calicoNetwork", "ipPools", index, "cidr"),
                hint="write a CIDR such as 10.48.0.0/16",
            )
        )
        return None


def _name(network: Network, networks: Sequence[Network | None]) -> str:
    families = [item.version for item in networks if item is not None]
    if len(families) == 1 or sorted(families) == [4, 6]:
        return f"default-ipv{network.version}-ippool"
    return f"{network.network_address.exploded.replace(':', '.')}-{network.prefixlen}"


def _spec(
    installation: Resource[InstallationBody],
    index: int,
    entry: InstallationPool,
    network: Network,
    problems: list[InputError],
) -> IPPoolSpec | None:
    is_v4 = network.version == 4
    encapsulation = entry.encapsulation or ("IPIP" if is_v4 else "None")
    if encapsulation not in _ENCAPSULATION:
        keys = ("spec", "calicoNetwork", "ipPools", index, "encapsulation")
        problems.append(
            InputError(
                f"{installation.id}: spec.calicoNetwork.ipPools[{index}].encapsulation = "
                f"'{encapsulation}' is not known",
                mark=installation.mark(*keys),
                hint=f"write one of {', '.join(_ENCAPSULATION)}",
            )
        )
        return None
    ipip, vxlan = _ENCAPSULATION[encapsulation]
    nat = entry.nat_outgoing or ("Enabled" if is_v4 else "Disabled")
    values: dict[str, Any] = {
        "cidr": str(network),
        "ipipMode": ipip,
        "vxlanMode": vxlan,
        "natOutgoing": nat == "Enabled",
        "nodeSelector": entry.node_selector or "all()",
        "blockSize": entry.block_size or (26 if is_v4 else 122),
        "disabled": bool(entry.disable_new_allocations),
        "disableBGPExport": bool(entry.disable_bgp_export),
        "allowedUses": entry.allowed_uses or ("Workload", "Tunnel"),
        "assignmentMode": entry.assignment_mode or "Automatic",
    }
    if entry.namespace_selector:
        values["namespaceSelector"] = entry.namespace_selector
    return IPPoolSpec.model_validate(values)
