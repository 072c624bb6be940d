"""BGP messages and conversations in words: one line for a message, sentences for a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labgen.bgp.attributes import (
    AsPath,
    ClusterList,
    Communities,
    LargeCommunities,
    LocalPref,
    MultiExitDisc,
    OriginatorId,
)
from labgen.bgp.capabilities import (
    AddPath,
    Capability,
    ExtendedMessage,
    FourOctetAs,
    Fqdn,
    GracefulRestart,
    Multiprotocol,
    RoleCapability,
    UnknownCapability,
)
from labgen.bgp.messages import Keepalive, Message, Notification, Open, RouteRefresh, Update

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labgen.bgp.conversation import WireMessage
    from labgen.bgp.nlri import NlriBlock
    from labgen.bgp.vocabulary import Family

_SHOWN_PREFIXES = 3
_REFRESH_SUBTYPES = {0: "", 1: " begin (BoRR)", 2: " end (EoRR)"}  # RFC 7313 section 3.2
_SHORT_NAMES = {2: "route refresh", 70: "enhanced refresh", 71: "LLGR", 5: "extended next hop"}


def describe(wire: WireMessage) -> str:
    """What matters in a message, on one line."""
    if wire.error is not None:
        return f"cannot be decoded: {wire.error.reason} [{wire.error.reference}]"
    assert wire.message is not None
    # A peer chooses host names and shutdown texts: control characters must not reach a terminal.
    text = describe_message(wire.message)
    return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)


def describe_message(message: Message) -> str:
    match message:
        case Open():
            return _open(message)
        case Update():
            return _update(message)
        case Notification():
            return _notification(message)
        case RouteRefresh():
            subtype = _REFRESH_SUBTYPES.get(message.subtype, f" subtype {message.subtype}")
            return f"{message.family}{subtype}"
        case Keepalive():
            return ""


def _open(message: Open) -> str:
    shown = ", ".join(text for c in message.capabilities if (text := _capability(c)))
    return (
        f"AS {message.asn}, hold {message.hold_time} s, id {message.bgp_identifier}"
        f"{': ' if shown else ', no capabilities'}{shown}"
    )


def _capability(capability: Capability) -> str:
    match capability:
        case Multiprotocol(family):
            return str(family)
        case FourOctetAs():
            return "4-octet AS"
        case GracefulRestart():
            kept = [f for f in capability.families if f.forwarding_state]
            more = ", restarting" if capability.restart_state else ""
            role = f"{capability.restart_time} s" if capability.families else "helper only"
            return f"GR {role}{more}{' forwarding kept' if kept else ''}"
        case AddPath(modes):
            # A mode that RFC 7911 does not know is ignored (section 4); FRR 8.4 sends 0.
            shown = (f"{f} {getattr(m, 'name', f'mode {m}')}".lower() for f, m in modes)
            return "add-path " + " ".join(shown)
        case ExtendedMessage():
            return "extended message"
        case Fqdn(hostname, _):
            return f"host {hostname}"
        case RoleCapability(role):
            return f"role {getattr(role, 'name', role)}"
        case UnknownCapability(code, _):
            return f"capability {code}"
    return _SHORT_NAMES.get(capability.CODE, "")


def _update(message: Update) -> str:
    if message.end_of_rib is not None:
        return f"End-of-RIB {message.end_of_rib}"
    parts = [f"− {_routes(family, block)}" for family, block in message.withdrawn]
    parts += [f"+ {_routes(family, block)}" for family, block in message.announced]
    attributes = message.attributes
    if message.announced:
        hops = ", ".join(map(str, attributes.next_hops))
        parts.append(f"via {hops}" if hops else "no next hop")
        parts += _attributes(message)
    parts += [f"{e.reason}: {e.treatment.value} [{e.reference}]" for e in message.errors]
    return "  ".join(parts) or "no route"


def _attributes(message: Update) -> Iterable[str]:
    attributes = message.attributes
    path = attributes.get(AsPath)
    yield f"path [{path}]" if path is not None else "no path"
    if (preference := attributes.get(LocalPref)) is not None:
        yield f"pref {preference.local_pref}"
    if (med := attributes.get(MultiExitDisc)) is not None:
        yield f"med {med.med}"
    if (communities := attributes.get(Communities)) is not None:
        yield "comm " + " ".join(map(str, communities.communities))
    if (large := attributes.get(LargeCommunities)) is not None:
        yield "large " + " ".join(map(str, large.communities))
    if (originator := attributes.get(OriginatorId)) is not None:
        yield f"originator {originator.originator_id}"
    if (clusters := attributes.get(ClusterList)) is not None:
        yield "clusters " + " ".join(map(str, clusters.cluster_ids))


def _routes(family: Family, block: NlriBlock) -> str:
    if block.raw is not None:
        return f"{family}, {len(block.raw)} octets"
    shown = ", ".join(block.texts[:_SHOWN_PREFIXES])
    more = len(block.texts) - _SHOWN_PREFIXES
    return f"{shown} and {more} more" if more > 0 else shown


def _notification(message: Notification) -> str:
    text = f"{message.error} / {message.name} ({message.error_code}/{message.error_subcode})"
    if message.shutdown_communication is not None:
        text += f': "{message.shutdown_communication}"'
    elif message.hard_reset is not None:
        text += f": {_notification(message.hard_reset)}"
    elif message.data:
        text += f", data {message.data.hex()}"
    return text
