"""`ltm.json`: the virtual servers and pools that the stand-in's `ltm` serves."""

from __future__ import annotations

import json

from labgen.bigip.ltm import LocalTraffic, Monitor
from labgen.design.model import Router


def document(router: Router, traffic: LocalTraffic) -> str:
    """One JSON object; addresses are texts, times seconds."""
    floating = next((str(f.address.ip) for f in router.floating), None)
    value = {
        "pools": {
            pool.name: {
                "members": [[str(address), port] for address, port in pool.members],
                "monitor": _monitor(pool.monitor),
            }
            for pool in traffic.pools
        },
        "virtuals": [
            {
                "name": v.name, "address": str(v.address), "port": v.port,
                "protocol": v.protocol, "pool": v.pool, "automap": v.automap, "snat": floating,
            }
            for v in traffic.virtuals
        ],
        "advertised": [str(a) for a in router.virtual_addresses],
    }  # fmt: skip
    return json.dumps(value, indent=2) + "\n"


def _monitor(monitor: Monitor | None) -> dict[str, str | int] | None:
    if monitor is None:
        return None
    return {"kind": monitor.kind, "interval": monitor.interval, "timeout": monitor.timeout,
            "send": monitor.send, "recv": monitor.recv}  # fmt: skip
