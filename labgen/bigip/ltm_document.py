"""`ltm.json`: the virtual servers and pools that the stand-in's `ltm` serves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labgen.bigip.ltm import LocalTraffic, Monitor
    from labgen.bigip.model import Address


def document(traffic: LocalTraffic, floating: Sequence[tuple[str, Address]] = ()) -> str:
    """One JSON object; addresses are texts, times seconds.

    `floating`: the unit's floating self-IPs with their Linux interfaces, which SNAT prefers.
    """
    snat = [{"interface": i, "address": str(a)} for i, a in floating]
    served = {v.address for v in traffic.virtuals}
    value = {
        "pools": {
            pool.name: {
                "members": [
                    {
                        "name": m.name, "address": str(m.address), "port": m.port,
                        "ratio": m.ratio, "enabled": m.enabled, "forced_down": m.forced_down,
                    }
                    for m in pool.members
                ],
                "monitors": [_monitor(monitor) for monitor in pool.monitors],
                "needed": pool.needed,
                "weighted": pool.weighted,
            }
            for pool in traffic.pools
        },
        "virtuals": [
            {
                "name": v.name, "address": str(v.address), "port": v.port,
                "protocol": v.protocol, "pool": v.pool, "automap": v.automap,
                "enabled": v.enabled,
            }
            for v in traffic.virtuals
        ],
        "snat": snat,
        "addresses": {
            str(a.address): {"advertisement": a.advertisement,
                             "floats": a.traffic_group is not None}
            for a in traffic.virtual_addresses
            if a.address in served
        },
    }  # fmt: skip
    return json.dumps(value, indent=2) + "\n"


def _monitor(monitor: Monitor) -> dict[str, str | int]:
    return {"name": monitor.name, "kind": monitor.kind, "interval": monitor.interval,
            "timeout": monitor.timeout, "send": monitor.send, "recv": monitor.recv}  # fmt: skip
