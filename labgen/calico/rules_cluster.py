"""Rules of Node and of the Secrets that hold passwords."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING

from labgen.calico.checks import is_address, is_address_or_cidr
from labgen.calico.specs import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgen.calico.problem import Problem, Report
    from labgen.calico.specs import NodeBGPSpec, NodeSpec, SecretBody, WireguardSpec


def node(report: Report, spec: NodeSpec) -> Iterator[Problem]:
    if spec.bgp is not None:
        yield from _bgp(report, spec.bgp)
    if spec.wireguard is not None:
        yield from _wireguard(report, spec.wireguard)


def _bgp(report: Report, bgp: NodeBGPSpec) -> Iterator[Problem]:
    if not bgp.model_dump(exclude_none=True):
        yield report.field(
            ("spec", "bgp"), "BGP", "{}", "Spec.BGP should not be empty", hint="give an address"
        )
    for version, text in ((4, bgp.ipv4_address), (6, bgp.ipv6_address)):
        if text and not is_address_or_cidr(text, version):
            yield report.tag(
                ("spec", "bgp", f"ipv{version}Address"),
                f"IPv{version}Address",
                f"cidrv{version}",
                text,
                f"write an IPv{version} address with its prefix length",
            )
    for key, name, text in (
        ("routeReflectorClusterID", "RouteReflectorClusterID", bgp.route_reflector_cluster_id),
        ("ipv4IPIPTunnelAddr", "IPv4IPIPTunnelAddr", bgp.ipv4_ipip_tunnel_addr),
    ):
        if text and not is_address(text, 4):
            yield report.tag(("spec", "bgp", key), name, "ipv4", text, "write an IPv4 address")


def _wireguard(report: Report, wireguard: WireguardSpec) -> Iterator[Problem]:
    for version, text in (
        (4, wireguard.interface_ipv4_address),
        (6, wireguard.interface_ipv6_address),
    ):
        if text and not is_address(text, version):
            yield report.tag(
                ("spec", "wireguard", f"interfaceIPv{version}Address"),
                f"InterfaceIPv{version}Address",
                f"ipv{version}",
                text,
                f"write an IPv{version} address",
            )


def secret(report: Report, body: SecretBody) -> Iterator[Problem]:
    """`data` is base64. The value is never shown."""
    for key, text in body.data.items():
        try:
            decoded(text)
        except (binascii.Error, ValueError):
            yield report.field(
                ("data", key),
                f"data.{key}",
                None,
                "illegal base64 data",
                hint="encode the text with base64, or write it plainly under stringData",
            )
