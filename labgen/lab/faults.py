"""The catalogue of faults: each of the gallery's 29 on a running lab of a BIG-IP and Calico nodes.

A lab's kernel and its unprivileged containers set limits: there is no netem and no second hop on
one LAN, so a hop that lets TTL 1 die, or a path with a smaller MTU, is played by a packet filter
that drops exactly what the hop would drop.
"""

from __future__ import annotations

from difflib import get_close_matches

from labgen.design.model import CalicoNode, Daemon, Design, Interface, Router, Speaker
from labgen.errors import InputError
from labgen.lab import fault_routes, fault_sessions
from labgen.lab.fault_blocks import Makers, Target
from labgen.lab.fault_steps import FaultPlan


def target_of(design: Design, node: str | None = None) -> Target:
    """The first router, and `node` or its first Calico peer. Raises InputError where none fits."""
    routers = [s for s in design.speakers if s.daemon is Daemon.FRR and s.outside is None]
    birds = [s for s in design.speakers if s.daemon is Daemon.BIRD]
    for router in routers:
        peers = {end.node for s in design.sessions_of(router.node) for end in s.ends}
        fitting = [s for s in birds if s.node in peers and node in (None, s.node)]
        if fitting:
            return _target(design, router, fitting[0], birds)
    wanted = node or "a Calico node"
    raise InputError(
        f"lab {design.name}: no router peers with {wanted}",
        hint="faults need a router and a Calico node that peer",
    )


def _target(design: Design, router: Speaker, node: Speaker, birds: list[Speaker]) -> Target:
    here = _interface(design, node)
    there = _interface(design, router)
    return Target(
        router.node,
        str(router.addresses[0]),
        router.asn,
        node.node,
        str(node.addresses[0]),
        tuple((s.node, str(s.addresses[0])) for s in birds if s is not node),
        there.name,
        here.name,
        here.mac,
    )


def _interface(design: Design, speaker: Speaker) -> Interface:
    """The interface that has a speaker's first address."""
    nodes: tuple[CalicoNode | Router, ...] = (*design.calico_nodes, *design.routers)
    owned = next(n.interfaces for n in nodes if n.name == speaker.node)
    fitting = (i for i in owned if any(a.ip == speaker.addresses[0] for a in i.addresses))
    return next(fitting, owned[0])


_MAKERS: Makers = {**fault_sessions.MAKERS, **fault_routes.MAKERS}


def names() -> tuple[str, ...]:
    """Every fault's name, in the gallery's order."""
    return tuple(_MAKERS)


def plan_of(name: str, target: Target) -> FaultPlan:
    """The plan of a fault by name or number (`G4`). Raises InputError for an unknown one."""
    for known, maker in _MAKERS.items():
        plan = maker(target)
        if name in (known, plan.code) or name.upper() == plan.code:
            return plan
    near = get_close_matches(name, _MAKERS, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "labgen fault list shows all"
    raise InputError(f"no fault is called {name}", hint=hint)
