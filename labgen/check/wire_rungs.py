"""The rungs that the wire decides: TCP, OPEN, UPDATE. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from labgen.bgp.attributes import AsPath, LocalPref, MpReachNlri, NextHop, Origin, PathAttributes
from labgen.bgp.capabilities import FourOctetAs
from labgen.bgp.conversation import Conversation, RouteEvent, Seen, WireMessage, WireSession
from labgen.bgp.messages import Open
from labgen.bgp.vocabulary import IPV4_UNICAST, IPV6_UNICAST, Family
from labgen.check.model import Finding, Rung, Status
from labgen.check.state import peer_view, view_of
from labgen.design.model import Announcement, Design, Session, SessionEnd
from labgen.evidence import Evidence, Missing, Network

_UNANSWERED = "check the path and port lockdown (allow-service tcp:179)"


def session_on_wire(evidence: Evidence, session: Session) -> WireSession | Missing:
    """The captured conversations of a session."""
    if isinstance(evidence.wire, Missing):
        return evidence.wire
    found = evidence.wire.session(session.a.address, session.b.address)
    return found or WireSession((session.a.address, session.b.address), ())


def frame(seen: Seen | WireMessage) -> str:
    """`file frame N`, as evidence names it; of a lab's capture the part below the lab directory."""
    parts = PurePosixPath(seen.file).parts
    inside = parts[parts.index("captures") :] if "captures" in parts else parts
    return f"{PurePosixPath(*inside)} frame {seen.frame}"


def tcp(design: Design, evidence: Evidence, session: Session) -> Iterator[Finding]:
    """A TCP connection to the BGP port stands, and who opened it."""
    port = design.speaker(session.b.node or session.a.node or "").listen_port
    expected = f"a TCP connection to port {port}"
    make = _Maker(session, Rung.TCP, "RFC 4271 §8.2.1")
    wire = session_on_wire(evidence, session)
    if isinstance(wire, Missing):
        yield make.finding("tcp", Status.ERROR, session.name, expected, wire.reason)
        return
    now = wire.current
    if now is None:
        observed = "not one packet of this session is in the capture"
        yield make.finding("tcp", Status.FAIL, session.name, expected, observed)
        return
    seen = [frame(now.first)]
    if now.handshake_complete and now.start_seen:
        seen = [frame(s) for s in (*now.from_client.syns[-1:], *now.from_server.syns[-1:])]
        who = _owner(session, now)
        observed = f"{who} opened it: {now.client} to {now.server}"
        yield make.finding("tcp", Status.PASS, session.name, expected, observed, seen)
    elif now.messages:
        observed = f"open before the capture began: {now.client} to {now.server}"
        yield make.finding("tcp", Status.PASS, session.name, expected, observed, seen)
    else:
        yield make.finding("tcp", Status.FAIL, session.name, expected, _failed(wire), seen)


def _owner(session: Session, conversation: Conversation) -> str:
    end = session.a if conversation.client.address == session.a.address else session.b
    return end.node or str(end.address)


def _failed(wire: WireSession) -> str:
    """Why no attempt of a session got through, counted over all of them."""
    reasons = []
    for client in wire.addresses:
        tries = [c for c in wire.conversations if c.client.address == client]
        if not tries:
            continue
        server = tries[0].server
        syns = sum(len(c.from_client.syns) for c in tries)
        icmp = [e for c in tries for e in c.icmp_errors]
        if any(c.refused for c in tries):
            answer = "answered by RST: nothing listens there"
        elif icmp:
            answer = f"answered by ICMP {icmp[0].name} from {icmp[0].sender}"
        elif all(c.unanswered for c in tries):
            answer = f"unanswered: {_UNANSWERED}"
        else:
            answer = "answered, but no BGP followed"
        reasons.append(f"{syns} SYN from {client} to {server}, {answer}")
    return "; ".join(reasons) or "no SYN from either end"


class _Maker:
    """Findings of one session and rung."""

    def __init__(self, session: Session, rung: Rung, reference: str) -> None:
        self._session, self._rung, self._reference = session, rung, reference

    def finding(
        self, check: str, status: Status, subject: str, expected: str, observed: str,
        seen: Iterable[str] = (),
    ) -> Finding:  # fmt: skip
        return Finding(check, status, self._rung, subject, expected, observed, tuple(seen),
                       self._reference, self._session.name)  # fmt: skip


def opens(design: Design, evidence: Evidence, session: Session) -> Iterator[Finding]:
    """Both OPENs say what the configurations say, and the daemons use what was negotiated."""
    make = _Maker(session, Rung.OPEN, "RFC 4271 §4.2; RFC 5492")
    wire = session_on_wire(evidence, session)
    if isinstance(wire, Missing):
        yield make.finding("open", Status.ERROR, session.name, "two OPENs", wire.reason)
        return
    now = wire.current
    if now is not None and now.messages and not now.start_seen and now.negotiated is None:
        observed = "the session was up before the capture began, so its OPENs are not in it"
        yield make.finding("open", Status.ERROR, session.name, "two OPENs", observed,
                           [frame(now.first)])  # fmt: skip
        return
    for end, other in (session.ends, session.ends[::-1]):
        yield _open_of(design, make, wire, end, other)
    if now is not None and now.negotiated is not None:
        yield from _negotiated(evidence, make, session, now)


def _open_of(
    design: Design, make: _Maker, wire: WireSession, end: SessionEnd, other: SessionEnd
) -> Finding:
    subject = f"OPEN of {end.node or end.address} to {other.node or other.address}"
    wanted = _expected_open(design, end, other)
    expected = ", ".join(f"{key} {value}" for key, value in wanted.items())
    found = wire.opens(end.address)
    if not found:
        notes = [f"{m.message.name} from {m.src.address}" for m in wire.notifications
                 if m.message is not None and hasattr(m.message, "name")]  # fmt: skip
        observed = "no OPEN" + (f"; NOTIFICATION {notes[-1]}" if notes else "")
        return make.finding("open", Status.FAIL, subject, expected, observed)
    current = [m for m in found if wire.current and m in wire.current.messages]
    message = (current or list(found))[-1]
    body = message.message
    assert isinstance(body, Open)
    observed_values = _open_values(body, end.address.version)
    wrong = {k: v for k, v in wanted.items() if observed_values.get(k) != v}
    observed = ", ".join(f"{k} {observed_values.get(k)}" for k in wanted)
    if wrong:
        observed = ", ".join(f"{k} {observed_values.get(k)}" for k in wrong)
    capabilities = ", ".join(type(c).__name__ for c in body.capabilities)
    status = Status.FAIL if wrong else Status.PASS
    evidence = [f"{frame(message)} (capabilities: {capabilities})"]
    return make.finding("open", status, subject, expected, observed, evidence)


def _expected_open(design: Design, end: SessionEnd, other: SessionEnd) -> dict[str, str]:
    """What an end's OPEN must say: from its own configuration, and what the other end expects."""
    wanted: dict[str, str] = {}
    asn = end.peer.local_as if end.peer else other.peer.remote_as if other.peer else None
    if other.peer is not None and other.peer.remote_as is not None:
        asn = other.peer.remote_as
    if asn is not None:
        wanted["AS"] = str(asn)
    if end.peer is not None:
        wanted["hold time"] = str(end.peer.hold_time)
    speaker = design.speaker(end.node) if end.node else None
    if speaker is not None and speaker.bgp_identifier is not None:
        wanted["identifier"] = str(speaker.bgp_identifier)
    wanted["family"] = f"ipv{end.address.version}/unicast"
    offers = speaker.four_octet_as if speaker is not None else True
    if offers is not None:
        wanted["four-octet AS"] = "yes" if offers else "no"
    return wanted


def _open_values(body: Open, version: int) -> dict[str, str]:
    family = IPV4_UNICAST if version == 4 else IPV6_UNICAST
    return {
        "AS": str(body.asn),
        "hold time": str(body.hold_time),
        "identifier": str(body.bgp_identifier),
        "family": str(family) if family in body.families else "not offered",
        "four-octet AS": "yes" if body.has(FourOctetAs) else "no",
    }


def _negotiated(
    evidence: Evidence, make: _Maker, session: Session, now: Conversation
) -> Iterator[Finding]:
    """The hold time that the OPENs imply is the one that both daemons run."""
    agreed = now.negotiated
    assert agreed is not None
    families = ", ".join(sorted(map(str, agreed.families)))
    features = [name for name, on in (
        ("four-octet AS", agreed.four_octet_as),
        ("route refresh", agreed.route_refresh),
        ("graceful restart", agreed.graceful_restart),
        ("ADD-PATH", bool(agreed.add_path_from_first or agreed.add_path_from_second)),
    ) if on]  # fmt: skip
    said = f"hold time {agreed.hold_time} s, {families}, {', '.join(features)}"
    expected = f"both daemons run hold time {agreed.hold_time} s"
    frames = [frame(m) for m in now.messages if isinstance(m.message, Open)]
    disagree = []
    for end, other in (session.ends, session.ends[::-1]):
        peer = peer_view(view_of(evidence, end.node), other)
        if isinstance(peer, Missing) or peer.state != "Established" or peer.hold_time is None:
            continue
        if peer.hold_time != agreed.hold_time:
            disagree.append(f"{end.node} runs {peer.hold_time} s")
    status = Status.FAIL if disagree else Status.PASS
    observed = "; ".join(disagree) if disagree else said
    yield make.finding("negotiated", status, session.name, expected, observed, frames)


def updates(design: Design, evidence: Evidence, session: Session, sender: str) -> Iterator[Finding]:
    """One end announced exactly the forecast's prefixes, with the forecast's attributes."""
    make = _Maker(session, Rung.UPDATE, "RFC 4271 §4.3")
    end, receiver = session.end(sender), session.other(sender)
    subject = f"{sender} to {receiver.node}"
    forecast = design.forecast
    wanted = {a.prefix: a for a in forecast.announcements.get((sender, receiver.node or ""), ())}
    expected = "; ".join(map(_wanted, wanted.values())) or "no prefix"
    wire = session_on_wire(evidence, session)
    if isinstance(wire, Missing) or wire.current is None or not wire.current.messages:
        reason = wire.reason if isinstance(wire, Missing) else "no BGP message was captured"
        yield make.finding("update", Status.ERROR, subject, expected, reason)
        return
    if sender in forecast.unforeseen:
        yield make.finding("update", Status.SKIP, subject, "a policy's own outcome",
                           forecast.unforeseen[sender])  # fmt: skip
        return
    held = list(wire.adj_rib_in(end.address).values())
    if not wire.current.start_seen and not held and wanted:
        observed = "the session was up before the capture began, so its UPDATEs are not in it"
        yield make.finding("update", Status.ERROR, subject, expected, observed)
        return
    problems = list(_update_problems(wire, end, wanted, held, receiver))
    observed = "; ".join(problems) or "; ".join(map(_observed, held)) or "no prefix"
    marker = wire.end_of_rib(end.address, _family(end))
    seen = [frame(m) for m in dict.fromkeys(event.message for event in held)]
    seen += [f"{frame(marker)} (End-of-RIB)"] if marker else []
    status = Status.FAIL if problems else Status.PASS
    yield make.finding("update", status, subject, expected, observed, seen)


def _family(end: SessionEnd) -> Family:
    return IPV4_UNICAST if end.address.version == 4 else IPV6_UNICAST


def _update_problems(
    wire: WireSession,
    end: SessionEnd,
    wanted: Mapping[Network, Announcement],
    held: list[RouteEvent],
    to: SessionEnd,
) -> Iterator[str]:
    announced = {event.prefix for event in held}
    complete = wire.end_of_rib(end.address, _family(end)) is not None
    for prefix in wanted:
        if prefix not in announced:
            yield f"{prefix} was not announced" + ("" if complete else " (and no End-of-RIB came)")
    for event in held:
        announcement = wanted.get(event.prefix)
        if announcement is None and _sent_back(event, to):
            continue
        if announcement is None:
            yield f"{event.prefix} was announced, and should not be (frame {event.message.frame})"
            continue
        found = _attributes(event.attributes)
        for key, value in _wanted_attributes(announcement).items():
            if found.get(key) != value and not _same_prefix_elsewhere(event, held, key, value):
                yield f"{event.prefix} has {key} {found.get(key)}, not {value}"


def _sent_back(event: RouteEvent, to: SessionEnd) -> bool:
    """Whether it is a route with the receiver's own AS in its path, which the receiver drops
    (RFC 4271 §9.1.2). FRR sends such routes, or not, by how its update groups came about.
    """
    path = event.attributes.get(AsPath) if event.attributes else None
    asns = [asn for segment in path.segments for asn in segment.asns] if path else []
    return to.peer is not None and asns.count(to.peer.local_as) > to.peer.allow_local_as


def _same_prefix_elsewhere(event: RouteEvent, held: list[RouteEvent], key: str, value: str) -> bool:
    """With ADD-PATH a prefix has several paths; the forecast's must be among them."""
    return any(
        other.prefix == event.prefix and _attributes(other.attributes).get(key) == value
        for other in held
        if other is not event
    )


def _wanted_attributes(announcement: Announcement) -> dict[str, str]:
    path = " ".join(map(str, announcement.as_path)) or "empty"
    pref = announcement.local_pref
    return {
        "ORIGIN": announcement.origin,
        "AS_PATH": path,
        "NEXT_HOP": str(announcement.next_hop),
        "LOCAL_PREF": str(pref) if pref is not None else "absent",
    }


def _wanted(announcement: Announcement) -> str:
    values = _wanted_attributes(announcement)
    return f"{announcement.prefix} " + ", ".join(f"{k} {v}" for k, v in values.items())


def _observed(event: RouteEvent) -> str:
    values = _attributes(event.attributes)
    return f"{event.prefix} " + ", ".join(f"{k} {v}" for k, v in values.items())


def _attributes(attributes: PathAttributes | None) -> dict[str, str]:
    if attributes is None:
        return {}
    origin, path = attributes.get(Origin), attributes.get(AsPath)
    hop, pref = attributes.get(NextHop), attributes.get(LocalPref)
    reach = attributes.get(MpReachNlri)
    hops = [str(hop.next_hop)] if hop else [str(h) for h in reach.next_hops[:1]] if reach else []
    asns = [str(n) for segment in path.segments for n in segment.asns] if path else []
    return {
        "ORIGIN": origin.origin.name if origin else "absent",
        "AS_PATH": " ".join(asns) or "empty",
        "NEXT_HOP": hops[0] if hops else "absent",
        "LOCAL_PREF": str(pref.local_pref) if pref else "absent",
    }
