"""Causes read from peer tables and logs alone, for pairs that no capture shows."""

from __future__ import annotations

from collections.abc import Iterator

from labgen.check.diagnosis.attempts import end_of, outcome
from labgen.check.diagnosis.model import Cause, Confidence, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Role, Scene
from labgen.check.diagnosis.standing import is_up, lives, subject_of
from labgen.evidence import Address
from labgen.facts import Daemon, LogEvent, PeerReport, Said

_BY_CODE = {
    (2, 2): "wrong-remote-as",
    (2, 3): "duplicate-router-id",
    (2, 6): "unacceptable-hold-time",
    (2, 7): "address-family-not-activated",
    (4, 0): "hold-timer-expired",
    (6, 1): "maximum-prefix",
}
_STRONG = {*_BY_CODE.values(), "port-179-taken", "bfd-mismatch"}
_BY_INFO = (
    ("Bad peer AS", "wrong-remote-as"),
    ("Bad BGP identifier", "duplicate-router-id"),
    ("Unacceptable hold time", "unacceptable-hold-time"),
    ("Hold timer expired", "hold-timer-expired"),
    ("Maximum number of prefixes", "maximum-prefix"),
    ("BFD session down", "bfd-mismatch"),
    ("No listening socket", "port-179-taken"),
)
_BY_SAID = {
    Said.BAD_AS: "wrong-remote-as",
    Said.BAD_IDENTIFIER: "duplicate-router-id",
    Said.BAD_HOLD_TIME: "unacceptable-hold-time",
    Said.HOLD_EXPIRED: "hold-timer-expired",
    Said.MAXIMUM_PREFIX: "maximum-prefix",
}
_SETTLED_SECONDS = 10  # a session that was cleared by hand is up again by then
_SAYS_NOTHING = {
    Said.STARTED,
    Said.SESSION_STARTED,
    Said.UP,
    Said.DOWN,
    Said.WAITING_FOR_NEXT_HOP,
}


def causes(scene: Scene) -> Iterator[Cause]:
    """Causes for sessions that are down, from what the daemons print of them."""
    for event in scene.facts.events:
        if lives(scene, event):
            continue
        if not _seen_on_wire(scene, event):
            yield from _event(scene, event)
    yield from _stale(scene)
    for report in scene.facts.peers:
        if not report.established and not _seen_on_wire(scene, report):
            yield from _report(scene, report)


def before_capture(scene: Scene, found: list[Cause]) -> Iterator[Cause]:
    """What the daemons say of a session whose packets do not decide.

    It failed before the capture began. Without any cause yet, every word of them counts.
    """
    settled = {c.subject for c in found if c.confidence is Confidence.DECIDED}
    named = {c.subject for c in found}
    for pair in scene.pairs:
        if not pair.conversations or is_up(pair) or pair.subject in settled:
            continue
        for report in pair.reports:
            where = subject_of(scene, report.address, report.quote.node)
            for cause in _report(scene, report):
                strong = cause.fault.name in _STRONG or pair.subject not in named
                if strong and cause.subject == where:
                    yield cause
        for event in _last_words(pair):
            yield from _event(scene, event)


def _last_words(pair: Pair) -> Iterator[LogEvent]:
    """Each log's last NOTIFICATION of a session that did not come up again after it."""
    last: dict[str, LogEvent] = {}
    for event in pair.events:
        if event.said is Said.UP and "End-of-RIB" not in event.quote.text:
            last.pop(event.quote.file, None)
        elif event.error in _BY_CODE or event.said in _BY_SAID:
            last[event.quote.file] = event
    yield from last.values()


def _seen_on_wire(scene: Scene, said: LogEvent | PeerReport) -> bool:
    """The capture tells more of this pair than its daemon's last words (evidence priority)."""
    pair = scene.pair_of(said)
    if pair is not None:
        return bool(pair.conversations)
    peer = said.peer if isinstance(said, LogEvent) else said.address
    wanted = Role.CALICO if said.daemon.is_calico else Role.ROUTER
    return any(
        p.conversations
        and (
            peer is None or (peer in p.ends and scene.role(p.other(peer)) in (wanted, Role.UNKNOWN))
        )
        for p in scene.pairs
    )


def _event(scene: Scene, event: LogEvent) -> Iterator[Cause]:
    where = subject_of(scene, event.peer, event.quote.node)
    line = (str(event.quote),)
    name = _BY_CODE.get(event.error) if event.error else _BY_SAID.get(event.said)
    if name == "wrong-remote-as" and "23456" in event.quote.text:
        name = "four-octet-as"
    if name:
        # Who saw AS_TRANS in the OPEN tells more than who was told `Bad Peer AS`.
        rank = Rank.DAEMON_SAYS if name == "four-octet-as" else Rank.NOTIFICATION
        yield decided(name, where, rank, f"{event.daemon.value} logs: {event.said.value}.", line)
    elif event.error in ((6, 0), (6, 10)):
        yield possible(
            "bfd-mismatch",
            where,
            Rank.NOTIFICATION,
            "The session ended with Cease without a reason, as BIRD does when BFD goes down.",
            line,
            "the other daemon's log",
        )
    elif event.said is Said.CONNECT_REFUSED:
        yield decided(
            "tcp-179-refused",
            where,
            Rank.REFUSED,
            f"{event.peer or 'The peer'} refuses the connection.",
            line,
        )
    elif event.said is Said.UNREACHABLE:
        yield decided(
            "host-unreachable", where, Rank.UNANSWERED, f"There is no way to {event.peer}.", line
        )
    elif event.said is Said.RESET:
        yield from _rejected(event.daemon, event.peer, where, line)


def _rejected(
    daemon: Daemon, peer: Address | None, where: str, line: tuple[str, ...]
) -> Iterator[Cause]:
    """The peer took the connection and reset it: it does not want us."""
    if daemon.is_calico:
        yield possible(
            "neighbor-not-configured",
            where,
            Rank.RESET,
            f"{peer} takes the connection and resets it: it does not know this node, or has no "
            "address family for it.",
            line,
            "the router's `show running-config`",
        )
    else:
        yield possible(
            "bgppeer-missing",
            where,
            Rank.RESET,
            f"{peer} takes the connection and resets it: it has no peer with the router's address.",
            line,
            "BIRD's log on that node, or calicoctl get bgppeer",
        )


def _report(scene: Scene, report: PeerReport) -> Iterator[Cause]:
    where = subject_of(scene, report.address, report.quote.node)
    line = (str(report.quote),)
    text = f"{report.daemon.value} says of {report.address}: {report.state} {report.info}".rstrip()
    for words, name in _BY_INFO:
        if words in report.info:
            yield decided(name, where, Rank.NOTIFICATION, f"{text}.", line)
            return
    if report.error in _BY_CODE and not report.daemon.is_calico:
        yield decided(
            _BY_CODE[report.error], where, Rank.NOTIFICATION, f"{text}: {report.last_reset}.", line
        )
        return
    yield from (_stated(report, where, text, line) or _silent(scene, report, where, text, line))


def _stated(report: PeerReport, where: str, text: str, line: tuple[str, ...]) -> tuple[Cause, ...]:
    """What the daemon says plainly of a peer that is down."""
    info = report.info
    if "PfxCt" in (report.peer_state, report.last_reset):
        why = f"The router keeps {report.address} down: prefix limit exceeded."
        return (decided("maximum-prefix", where, Rank.NOTIFICATION, why, line),)
    if report.peer_state == "Admin":
        why = f"{report.address} is shut down."
        return (decided("administrative-shutdown", where, Rank.MASKED, why, line),)
    if "Connection refused" in info:
        return (decided("tcp-179-refused", where, Rank.REFUSED, f"{text}.", line),)
    if "No route to host" in info or "Network is unreachable" in info:
        return (decided("host-unreachable", where, Rank.UNANSWERED, f"{text}.", line),)
    if "Connection reset" in info or "Connection closed" in info:
        return tuple(_rejected(report.daemon, report.address, where, line))
    return ()


def _silent(
    scene: Scene, report: PeerReport, where: str, text: str, line: tuple[str, ...]
) -> Iterator[Cause]:
    """A peer that is down without a word: its state says how far it came."""
    if report.daemon.is_calico and report.state == "Connect":
        yield from _no_answer(scene, report, where, text, line)
    elif report.daemon.is_calico and report.state in ("OpenSent", "OpenConfirm"):
        told = list(_counted(scene, report, where, text, line))
        yield from told or _answers_lost(where, text, line)
    elif not report.daemon.is_calico and _unexplained(scene, report):
        yield from _no_answer(scene, report, where, text, line)


def _unexplained(scene: Scene, report: PeerReport) -> bool:
    """A router's peer that is down for no reason it knows of: neither waiting nor stale."""
    routers = [r for r in scene.facts.peers if not r.daemon.is_calico]
    same = [r for r in routers if r.address == report.address]
    explained = any(
        r.peer_state
        or r.last_reset == "Waiting for NHT"
        or (r.last_reset == "User reset" and (r.reset_ago or 0) < _SETTLED_SECONDS)
        for r in same
    )
    logged = any(
        e.peer == report.address and e.said not in _SAYS_NOTHING for e in scene.facts.events
    )
    stale = any(r.stale for r in scene.facts.routes)
    # A capture that does not show the pair shows that nobody dials: a filter is not the cause.
    return not (explained or logged or stale or scene.facts.captures)


def _no_answer(
    scene: Scene, report: PeerReport, where: str, text: str, line: tuple[str, ...]
) -> Iterator[Cause]:
    """A peer that does not come up, and its daemon gives no reason: counters may."""
    told = list(_counted(scene, report, where, text, line))
    if told:
        yield from told
        return
    decides = (
        "a capture of tcp port 179 at both ends, the other end's log, and "
        "nstat -az 'TcpExtTCPMD5*' TcpExtIPReversePathFilter"
    )
    for name, why in (
        ("tcp-179-filtered", "its SYNs are not answered."),
        ("md5-mismatch", "a password at one end only, or two different ones, looks the same."),
        ("reverse-path-filter", "so does a strict reverse-path filter."),
    ):
        yield possible(name, where, Rank.UNANSWERED, f"{text}: {why}", line, decides)


def _counted(
    scene: Scene, report: PeerReport, where: str, text: str, line: tuple[str, ...]
) -> Iterator[Cause]:
    """What the kernel of the daemon's own host counted, or could not resolve."""
    facts = scene.facts
    gone = [u for u in facts.unresolved if u.address == report.address]
    if gone:
        yield decided(
            "host-unreachable",
            where,
            Rank.UNANSWERED,
            f"{text}: nobody answers ARP for {report.address}.",
            (*line, str(gone[0].quote)),
        )
        return
    for name, prefix, why in (
        ("md5-mismatch", "TcpExtTCPMD5", "segments are dropped for their MD5 signature."),
        (
            "reverse-path-filter",
            "TcpExtIPReversePathFilter",
            "the reverse-path filter drops packets.",
        ),
        ("ttl-security-one-sided", "TcpExtTCPMinTTLDrop", "segments are dropped for their TTL."),
    ):
        moved = [c for c in facts.counters if c.name.startswith(prefix) and c.value > 0]
        if moved:
            proof = tuple(str(c.quote) for c in moved[:3])
            yield decided(name, where, Rank.UNANSWERED, f"{text}: {why}", (*line, *proof))
            return


def _answers_lost(where: str, text: str, line: tuple[str, ...]) -> Iterator[Cause]:
    decides = "a capture at both ends: the TTL of the router's segments, and ICMP time exceeded"
    yield possible(
        "ebgp-multihop-missing",
        where,
        Rank.SILENT,
        f"{text}: the router's data does not arrive.",
        line,
        decides,
    )
    yield possible(
        "ttl-security-one-sided",
        where,
        Rank.SILENT,
        f"{text}: the router may drop what the node sends.",
        line,
        decides,
    )


def _stale(scene: Scene) -> Iterator[Cause]:
    """Routes kept for a peer that is gone (RFC 4724), as the table or the peer's state shows."""
    routes = [r for r in scene.facts.routes if r.stale]
    gone = [p for p in scene.facts.peers if "NSF" in p.peer_state and not p.established]
    for peer in sorted({p.address for p in gone if p.address}, key=str):
        mine = [p for p in gone if p.address == peer]
        lines = tuple(str(p.quote) for p in mine)[:3]
        yield decided(
            "graceful-restart-stale",
            subject_of(scene, peer, mine[0].quote.node),
            _stale_rank(scene, peer),
            f"{peer} is gone, and its routes are kept until its restart time is over.",
            (*lines, *(str(r.quote) for r in routes[:3])),
        )
    if routes and not gone:
        hop = next((r.peer or r.next_hop for r in routes if r.peer or r.next_hop), None)
        yield decided(
            "graceful-restart-stale",
            subject_of(scene, hop, routes[0].quote.node),
            _stale_rank(scene, hop),
            "The table keeps stale routes of a peer that is gone.",
            tuple(str(r.quote) for r in routes[:4]),
        )
    closed = [
        e for e in scene.facts.events if e.said is Said.DOWN and "NSF peer closed" in e.quote.text
    ]
    for event in closed:
        if not gone and not routes and not lives(scene, event):
            yield decided(
                "graceful-restart-stale",
                subject_of(scene, event.peer, event.quote.node),
                _stale_rank(scene, event.peer),
                f"{event.peer} went without a NOTIFICATION, and its routes are kept as stale.",
                (str(event.quote),),
            )


def _stale_rank(scene: Scene, peer: Address | None) -> Rank:
    """A peer whose daemon goes on dialling did not die: why it does not come back is the cause."""
    pairs = [p for p in scene.pairs if peer in p.ends and peer is not None]
    for pair in pairs:
        last = outcome(pair.conversations, pair.capture_end).last_established
        since = end_of(last) if last is not None else 0
        dials = any(
            c.client.address == peer and c.first.time_ns > since for c in pair.conversations
        )
        trying = any(r.address != peer and _tries(r) for r in pair.reports)
        if dials or trying:
            return Rank.CONSEQUENCE
    return Rank.SILENT


def _tries(report: PeerReport) -> bool:
    """The peer's own daemon is there and says why it does not come up."""
    return not report.established and report.info.startswith(("Socket:", "Error:", "Received:"))
