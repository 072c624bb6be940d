"""Tunnel devices and Felix's routes as checks judge them: green, red, and what a kernel lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest

from labgen.check.encapsulation import SUBSTITUTED, encapsulation
from labgen.check.ladder import verify
from labgen.check.model import Status
from labgen.check.state import fib
from labgen.errors import ParseError
from labgen.evidence import Evidence, FibRoute, Missing, NodeView
from labgen.lab.project import open_project
from labgen.observe import kernel
from labgen.report import text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from labgen.design.model import Design

SPEC = """\
name: tunnels
segments: {lan: {subnet: 10.0.0.0/24}}
clusters:
  k:
    resources: [pool.yaml]
    nodes:
      n1: {segment: lan, address: 10.0.0.1}
      n2: {segment: lan, address: 10.0.0.2}
"""
POOL = """\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: p}
spec: {cidr: 10.48.0.0/16, MODE: Always}
"""


def design(root: Path, mode: str) -> Design:
    (root / "lab.yaml").write_text(SPEC)
    (root / "pool.yaml").write_text(POOL.replace("MODE", mode))
    return open_project(root / "lab.yaml").design


def evidence(tunnels: Mapping[str, str] | Missing, *routes: FibRoute) -> Evidence:
    view = NodeView("n1", (), (), routes, {}, tunnels=tunnels)
    nodes = {"n1": view, "n2": replace(view, name="n2")}
    return Evidence(datetime(2026, 1, 1, tzinfo=UTC), Missing("none"), nodes)


@pytest.mark.parametrize(
    ("mode", "found", "status"),
    [
        ("vxlanMode", {"vxlan.calico": "vxlan"}, Status.PASS),
        ("vxlanMode", {}, Status.FAIL),
        ("vxlanMode", Missing("n1 does not run"), Status.ERROR),
        ("ipipMode", {"tunl0": "ipip"}, Status.PASS),
        ("ipipMode", {"tunl0": "vxlan"}, Status.SKIP),
        ("ipipMode", {"tunl0": "wireguard"}, Status.FAIL),
    ],
)
def test_a_device_is_what_the_pool_asks_for(
    tmp_path: Path, mode: str, found: Mapping[str, str] | Missing, status: Status
) -> None:
    findings = tuple(encapsulation(design(tmp_path, mode), evidence(found)))
    assert [(f.subject.partition(" ")[0], f.status) for f in findings] == [
        ("n1", status),
        ("n2", status),
    ]


def test_what_stands_in_is_told_in_one_line(tmp_path: Path) -> None:
    findings = verify(design(tmp_path, "ipipMode"), evidence({"tunl0": "vxlan"}))
    assert text.limits(findings) == [f"SKIP n1 tunl0, n2 tunl0: {SUBSTITUTED}"]


def fib_of(root: Path, **change: object) -> tuple[Status, str]:
    """n1's FIB rung, its table holding Felix's route with that change."""
    made = design(root, "vxlanMode")
    route = next(r for r in made.felix_routes("n1") if not r.is_blackhole)
    assert route.gateway is not None
    there = FibRoute(route.network, "unicast", "80", 0, ((route.gateway, "vxlan.calico"),))
    gone = change.get("protocol") == "none"
    table = () if gone else (replace(there, **change),)  # type: ignore[arg-type]
    (found,) = fib(made, evidence({}, *table), made.sessions[0], "n1")
    return found.status, found.observed


def test_felixs_route_is_the_one_that_packets_take(tmp_path: Path) -> None:
    assert fib_of(tmp_path)[0] is Status.PASS
    status, observed = fib_of(tmp_path, protocol="none")
    assert (status, "is missing" in observed) == (Status.FAIL, True)
    status, observed = fib_of(tmp_path, next_hops=((ip_address("10.0.0.2"), "eth1"),))
    assert (status, "not via 10.48." in observed) == (Status.FAIL, True)


def test_links_are_parsed() -> None:
    shown = '[{},{"ifname":"lo"},{"ifname":"tunl0","linkinfo":{"info_kind":"ipip"}}]'
    assert kernel.parse_tunnels(shown) == {"tunl0": "ipip"}
    with pytest.raises(ParseError, match="ip -j -d link"):
        kernel.parse_tunnels("Device does not exist")
