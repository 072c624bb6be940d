"""Messages as JSON: every decoded field under the names that docs/wire.md lists."""

from __future__ import annotations

import json
from dataclasses import fields as dataclass_fields
from enum import Enum, IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any

from labgen.bgp.attributes import (
    AsSegment,
    AtomicAggregate,
    Communities,
    Community,
    ExtendedCommunity,
    LargeCommunity,
    MpReachNlri,
    MpUnreachNlri,
    PathAttribute,
    PathAttributes,
    UnknownAttribute,
)
from labgen.bgp.capabilities import (
    CAPABILITY_NAMES,
    AddPath,
    Capability,
    ExtendedNextHop,
    UnknownCapability,
    code_of,
)
from labgen.bgp.messages import Keepalive, Message, Notification, Open, RouteRefresh, Update
from labgen.bgp.vocabulary import Family

if TYPE_CHECKING:
    from labgen.bgp.conversation import Flow, WireMessage
    from labgen.bgp.nlri import NlriBlock

_CACHE_SIZE = 8192
_dumps = json.JSONEncoder(separators=(",", ":")).encode
_names: dict[type, tuple[str, ...]] = {}


def _fields(value: Any) -> tuple[str, ...]:
    """The field names of a value's class, looked up once."""
    kind = type(value)
    names = _names.get(kind)
    if names is None:
        names = _names[kind] = tuple(f.name for f in dataclass_fields(kind))
    return names


def _texts(texts: tuple[str, ...]) -> str:
    """A JSON list of prefixes, which hold nothing that JSON escapes."""
    return '["' + '","'.join(texts) + '"]' if texts else "[]"


def _plain(value: object) -> Any:
    """A value's JSON form."""
    if value is None or type(value) in (int, str, bool):
        return value
    match value:
        case Family() | Community() | LargeCommunity() | IPv4Address() | IPv6Address():
            return str(value)
        case ExtendedCommunity():
            return str(value)
        case AsSegment(kind, asns):
            return {"type": kind.name, "asns": list(asns)}
        case IntEnum() | Enum():
            return value.name
        case bytes():
            return value.hex()
        case tuple():
            return [_plain(item) for item in value]
    return {name: _plain(getattr(value, name)) for name in _fields(value)}


def _routes(name: str, block: NlriBlock) -> dict[str, Any]:
    if block.raw is not None:
        return {f"{name}_octets": block.raw.hex()}
    found: dict[str, Any] = {name: list(block.texts)}
    if block.path_ids is not None:
        found[f"{name}_path_ids"] = list(block.path_ids)
    return found


def attribute_fields(attribute: PathAttribute) -> dict[str, Any]:
    """Flags, length and value of one attribute."""
    value = attribute.value
    head = {"code": attribute.code, "flags": attribute.flags, "length": attribute.length}
    match value:
        case MpReachNlri():
            hops = {"next_hops": [str(hop) for hop in value.next_hops]}
            if value.next_hop is not None:
                hops["next_hop_octets"] = value.next_hop.hex()  # type: ignore[assignment]
            return head | {"family": str(value.family)} | hops | _routes("nlri", value.nlri)
        case MpUnreachNlri():
            family = {"family": str(value.family)}
            return head | family | _routes("withdrawn_routes", value.withdrawn_routes)
        case AtomicAggregate():
            return head
        case UnknownAttribute():
            return head | {"octets": value.octets.hex()}
        case Communities():
            numbers = [f"{c >> 16}:{c & 0xFFFF}" for c in value.communities]
            return head | {"value": numbers, "names": [str(c) for c in value.communities]}
    values = {name: _plain(getattr(value, name)) for name in _fields(value)}
    if len(values) == 1:
        return head | {"value": next(iter(values.values()))}
    return head | values


def capability_fields(capability: Capability) -> dict[str, Any]:
    """One capability: its code, its name and its fields."""
    code = code_of(capability)
    head = {"code": code, "name": CAPABILITY_NAMES.get(code, f"capability_{code}")}
    match capability:
        case UnknownCapability():
            return head | {"octets": capability.octets.hex()}
        case AddPath():
            return head | {
                "families": [{"family": str(f), "mode": _plain(m)} for f, m in capability.modes]
            }
        case ExtendedNextHop():
            return head | {
                "encodings": [
                    {"family": str(f), "next_hop_afi": afi} for f, afi in capability.encodings
                ]
            }
    return head | {
        f.name: _plain(getattr(capability, f.name)) for f in dataclass_fields(capability)
    }


def message_fields(message: Message) -> dict[str, Any]:
    """Every field of a message, ready for JSON."""
    match message:
        case Open():
            return _open_fields(message)
        case Update():
            return _update_fields(message)
        case Notification():
            return _notification_fields(message)
        case RouteRefresh():
            found = {"family": str(message.family), "subtype": message.subtype}
            return found | ({"data": message.data.hex()} if message.data else {})
        case Keepalive():
            return {}


def _open_fields(message: Open) -> dict[str, Any]:
    found = {
        "version": message.version,
        "my_as": message.my_as,
        "asn": message.asn,
        "hold_time": message.hold_time,
        "bgp_identifier": str(message.bgp_identifier),
        "parameters": list(message.parameters),
        "capabilities": [capability_fields(c) for c in message.capabilities],
    }
    if message.extended:
        found["extended"] = True
    if message.other_parameters:
        found["other_parameters"] = _plain(message.other_parameters)
    return found


def _update_fields(message: Update) -> dict[str, Any]:
    found = _routes("withdrawn_routes", message.withdrawn_routes)
    found["path_attributes"] = {a.name.lower(): attribute_fields(a) for a in message.attributes}
    found |= _routes("nlri", message.nlri)
    return found | _update_remarks(message)


def _update_remarks(message: Update) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if message.end_of_rib is not None:
        found["end_of_rib"] = str(message.end_of_rib)
    if message.errors:
        found["errors"] = [
            {
                "reason": e.reason,
                "offset": e.offset,
                "reference": e.reference,
                "treatment": e.treatment.value,
                "notification": list(e.notification),
            }
            for e in message.errors
        ]
    return found


def _notification_fields(message: Notification) -> dict[str, Any]:
    found: dict[str, Any] = {
        "error_code": message.error_code,
        "error_subcode": message.error_subcode,
        "error": message.error,
        "error_name": message.name,
        "data": message.data.hex(),
    }
    if message.shutdown_communication is not None:
        found["shutdown_communication"] = message.shutdown_communication
    if message.hard_reset is not None:
        found["hard_reset"] = _notification_fields(message.hard_reset)
    return found


def _one_value(attribute: PathAttribute) -> str | None:
    """The JSON of an attribute that is one number or address, as those are that hardly repeat;
    None for any other: `attribute_fields` knows it."""
    value = attribute.value
    names = _fields(value)
    if len(names) != 1:
        return None
    found = getattr(value, names[0])
    if type(found) is IPv4Address:
        shown = f'"{found}"'
    elif type(found) is int:
        shown = str(found)
    else:
        return None
    head = f'"code":{attribute.code},"flags":{attribute.flags},"length":{attribute.length}'
    return f'"{attribute.name.lower()}":{{{head},"value":{shown}}}'


class JsonLines:
    """Writes messages as JSON, one line each. Attribute sets repeat: each is written once.

    `name_files` adds the field `file`, for frames of several files.
    """

    def __init__(self, *, name_files: bool = False) -> None:
        self._name_files = name_files
        self._sets: dict[int, tuple[PathAttributes, str]] = {}
        self._attributes: dict[int, tuple[PathAttribute, str]] = {}
        self._ends: dict[Flow, str] = {}

    def line(self, wire: WireMessage) -> str:
        """One object, without the newline."""
        head = self._head(wire)
        message = wire.message
        if isinstance(message, Update):
            return head + self._update(message)
        if message is None:
            error = wire.error
            assert error is not None
            rest: dict[str, Any] = {
                "error": {
                    "reason": error.reason,
                    "offset": error.offset,
                    "reference": error.reference,
                    "treatment": None if wire.incomplete else "session-reset",
                },
                "octets": wire.raw.hex(),
            }
        else:
            rest = message_fields(message)
        return f"{head},{_dumps(rest)[1:]}" if rest else head + "}"

    def _head(self, wire: WireMessage) -> str:
        flow = wire.flow
        ends = self._ends.get(flow)
        if ends is None:
            src, dst = flow.src, flow.dst
            ends = (
                f'"src":"{src.address}","dst":"{dst.address}",'
                f'"src_port":{src.port},"dst_port":{dst.port}'
            )
            self._ends[flow] = ends
        seconds, fraction = divmod(wire.time_ns, 1_000_000_000)
        kind = wire.type
        label = kind.label if kind is not None else f"TYPE-{wire.type_code}"
        frames = wire.frames
        more = f'"frames":{_dumps(frames)},' if len(frames) > 1 else ""
        if self._name_files:
            more += f'"file":{_dumps(wire.file)},'
        return (
            f'{{"frame":{frames[-1]},{more}"time":{seconds}.{fraction:09d},{ends},'
            f'"type":"{label}","length":{wire.length}'
        )

    def _update(self, message: Update) -> str:
        withdrawn, nlri = message.withdrawn_routes, message.nlri
        text = (
            f',"withdrawn_routes":{_texts(withdrawn.texts)}'
            f',"path_attributes":{self._set(message.attributes)}'
            f',"nlri":{_texts(nlri.texts)}'
        )
        if withdrawn.path_ids is not None:
            text += f',"withdrawn_routes_path_ids":{_dumps(withdrawn.path_ids)}'
        if nlri.path_ids is not None:
            text += f',"nlri_path_ids":{_dumps(nlri.path_ids)}'
        remarks = _update_remarks(message)
        return f"{text},{_dumps(remarks)[1:]}" if remarks else text + "}"

    def _set(self, attributes: PathAttributes) -> str:
        known = self._sets.get(id(attributes))
        if known is not None and known[0] is attributes:
            return known[1]
        text = "{" + ",".join(map(self._attribute, attributes.attributes)) + "}"
        if len(self._sets) >= _CACHE_SIZE:
            self._sets.clear()
        self._sets[id(attributes)] = (attributes, text)
        return text

    def _attribute(self, attribute: PathAttribute) -> str:
        known = self._attributes.get(id(attribute))
        if known is not None and known[0] is attribute:
            return known[1]
        text = _one_value(attribute)
        if text is None:
            text = f'"{attribute.name.lower()}":{_dumps(attribute_fields(attribute))}'
        if len(self._attributes) >= _CACHE_SIZE:
            self._attributes.clear()
        self._attributes[id(attribute)] = (attribute, text)
        return text
