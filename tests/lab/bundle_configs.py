"""The configurations of the scenarios: FRR as the BIG-IP stand-in, BIRD as Calico writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

BIGIP = "10.1.20.5"
MASTER = "10.1.20.20"
NODE1 = "10.1.20.21"
BLOCKS = {MASTER: "192.168.221.192/26", NODE1: "192.168.180.0/26"}


def bigip(
    *lines: str,
    asn: int = 64512,
    neighbors: Sequence[tuple[str, int]] = ((MASTER, 64512),),
    router_id: str = BIGIP,
    timers: str = "30 90",
    top: Sequence[str] = (),
    policy: bool = False,
    family: Sequence[str] = (),
    extra: Sequence[str] = (),
) -> str:
    """`router bgp` with the lines that make FRR 8.4 behave like BIG-IP; `lines` come last."""
    out = [
        *extra,
        f"router bgp {asn}",
        f" bgp router-id {router_id}",
        " bgp log-neighbor-changes",
        f" timers bgp {timers}",
        " no bgp network import-check",
    ]
    if not policy:
        out.append(" no bgp ebgp-requires-policy")
    out += [f" {line}" for line in top]
    for address, remote in neighbors:
        out.append(f" neighbor {address} remote-as {remote}")
        out.append(f" neighbor {address} timers connect 5")
    out += [f" {line}" for line in lines]
    out += [
        " address-family ipv4 unicast",
        *(f"  {line}" for line in family),
        " exit-address-family",
        "exit",
        "",
    ]
    return "\n".join(out)


@dataclass
class Peer:
    """One `protocol bgp` of Calico's bird.cfg; `lines` are added inside its braces."""

    address: str
    asn: int = 64512
    kind: str = "Global"
    lines: Sequence[str] = field(default_factory=tuple)

    @property
    def name(self) -> str:
        return f"{self.kind}_{self.address.replace('.', '_')}"


def bird(
    work: str,
    address: str = MASTER,
    *peers: Peer,
    asn: int = 64512,
    router_id: str | None = None,
    source: str | None = None,
    pools: Sequence[str] = ("192.168.0.0/16",),
    routes: Sequence[str] | None = None,
    top: Sequence[str] = (),
    template: Sequence[str] = (),
    gateway: str = "gateway recursive",
) -> str:
    """bird.cfg as Calico v3.24 renders it, with BIRD's log in `work`."""
    routes = [BLOCKS[address]] if routes is None else routes
    accept = "\n".join(f"    if ( net ~ {pool} ) then accept;" for pool in pools)
    bgp = "\n".join(
        f"protocol bgp {peer.name} from bgp_template {{\n"
        f"  neighbor {peer.address} as {peer.asn};\n"
        f"  source address {source or address};\n"
        + "".join(f"  {line};\n" for line in peer.lines)
        + "}"
        for peer in peers
    )
    return f"""router id {router_id or address};
log "{work}/bird.log" all;
{chr(10).join(top)}
filter calico_export_to_bgp_peers {{
{chr(10).join(f"    if ( net = {route} ) then accept;" for route in routes)}
{accept}
    reject;
}}
protocol kernel {{
  learn; persist; scan time 2;
  import all; export all;
  graceful restart; merge paths on;
}}
protocol device {{ debug {{ states }}; scan time 2; }}
protocol direct {{ debug {{ states }}; interface -"cali*", "*"; }}
protocol static {{
{chr(10).join(f"  route {route} blackhole;" for route in routes)}
}}
template bgp bgp_template {{
  debug {{ states }};
  local as {asn};
  multihop;
  {gateway};
  import all;
  export filter calico_export_to_bgp_peers;
  add paths on;
  graceful restart;
  connect delay time 2;
  connect retry time 5;
  error wait time 5,30;
{chr(10).join(f"  {line};" for line in template)}
}}
{bgp}
"""
