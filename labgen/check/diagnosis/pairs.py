"""Two addresses that talk, or should: what the wire, both daemons and both logs say of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath

from labgen.bgp.capabilities import Fqdn
from labgen.bgp.conversation import Capture, Conversation, Seen, WireSession
from labgen.bgp.messages import Open
from labgen.evidence import Address
from labgen.facts import Daemon, Facts, LogEvent, PeerReport, Quote


class Role(Enum):
    """What an end is. ROUTER is the BIG-IP, its stand-in, or a top-of-rack router."""

    CALICO = "Calico node"
    ROUTER = "BIG-IP"
    UNKNOWN = "speaker"


@dataclass(slots=True)
class Pair:
    """`ends` is sorted. `sessions` has one element for each capture that saw the pair.

    `capture_end` is when the last conversation of that capture ended, whoever's, in nanoseconds.
    """

    ends: tuple[Address, Address]
    sessions: list[WireSession] = field(default_factory=list)
    reports: list[PeerReport] = field(default_factory=list)
    events: list[LogEvent] = field(default_factory=list)
    conversations: tuple[Conversation, ...] = ()
    capture_end: int = 0

    @property
    def subject(self) -> str:
        return f"{self.ends[0]} ↔ {self.ends[1]}"

    def other(self, address: Address) -> Address:
        return self.ends[1] if address == self.ends[0] else self.ends[0]

    def add(self, session: WireSession, end: int) -> None:
        """Another capture's view of the pair; `conversations` are those of the fullest view."""
        self.sessions.append(session)
        if _messages(session.conversations) >= _messages(self.conversations):
            self.conversations, self.capture_end = session.conversations, end


def _messages(conversations: tuple[Conversation, ...]) -> int:
    return sum(len(c.messages) for c in conversations)


@dataclass(slots=True)
class Scene:
    """All pairs of a bundle, and who is who."""

    facts: Facts
    pairs: list[Pair]
    roles: dict[Address, Role]
    history: bool = True

    def role(self, address: Address) -> Role:
        return self.roles.get(address, Role.UNKNOWN)

    def name(self, address: Address) -> str:
        """`BIG-IP 10.1.20.5`: an end as explanations call it."""
        return f"{self.role(address).value} {address}"

    def pair_of(self, said: LogEvent | PeerReport) -> Pair | None:
        """The pair that a daemon's words were found to be about."""
        for pair in self.pairs:
            if any(said is one for one in (*pair.reports, *pair.events)):
                return pair
        return None

    def pair(self, one: Address, two: Address) -> Pair | None:
        return next((p for p in self.pairs if set(p.ends) == {one, two}), None)


def at(seen: Seen, what: str) -> str:
    """A frame as evidence."""
    return f"{PurePath(seen.file).name} frame {seen.frame}: {what}"


def build(facts: Facts, *, history: bool = True) -> Scene:
    """Gather the pairs from captures first, then from what the daemons say."""
    pairs: dict[frozenset[Address], Pair] = {}

    def pair(one: Address, two: Address) -> Pair:
        key = frozenset((one, two))
        if key not in pairs:
            low, high = sorted((one, two), key=lambda a: (a.version, a.packed))
            pairs[key] = Pair((low, high))
        return pairs[key]

    for capture in facts.captures:
        end = max((c.last.time_ns for s in capture.sessions for c in s.conversations), default=0)
        for session in capture.sessions:
            # A capture that still runs has no end that could be a teardown.
            pair(*session.addresses).add(session, end if history else 0)
    roles = _roles(facts)
    locals_ = _Locals(facts, roles)
    for report in facts.peers:
        local = report.local or locals_.of(report.quote.node, report.address, report.daemon)
        if report.address is not None and local is not None and local != report.address:
            pair(local, report.address).reports.append(report)
    for event in facts.events:
        local = locals_.of(event.quote.node, event.peer, event.daemon)
        if event.peer is not None and local is not None and local != event.peer:
            pair(local, event.peer).events.append(event)
    return Scene(facts, list(pairs.values()), roles, history)


class _Locals:
    """Whose words a file is: by what it says of itself, else by who is on the wire."""

    def __init__(self, facts: Facts, roles: dict[Address, Role]) -> None:
        self._facts, self._roles = facts, roles
        self._known: dict[str, list[Address]] = {}
        # A kernel's own address is surer than a router id, which may be anything.
        for identity in sorted(facts.identities, key=lambda i: i.daemon is not None):
            self._known.setdefault(identity.node, []).append(identity.address)
        for report in facts.peers:
            if report.local is not None and report.quote.node:
                self._known.setdefault(report.quote.node, []).append(report.local)
        self._sure = {i.address for i in facts.identities if i.daemon is None}
        self._ends = [s.addresses for c in facts.captures for s in c.sessions]

    def _contested(self, node: str, peer: Address | None, daemon: Daemon) -> bool:
        """Several nodes' files speak of this peer: which of them is on the wire is not known."""
        events = self._facts.events
        return any(
            e.peer == peer and e.quote.node != node and e.daemon.is_calico == daemon.is_calico
            for e in events
        )

    def of(self, node: str, peer: Address | None, daemon: Daemon) -> Address | None:
        """The address of the end that speaks, given whom it speaks of."""
        wanted = Role.CALICO if daemon.is_calico else Role.ROUTER
        talking = [a for ends in self._ends if peer in ends for a in ends if a != peer]
        version = peer.version if peer is not None else 4
        known = [a for a in self._known.get(node, ()) if a != peer and a.version == version]
        for address in known:
            if address in talking or not talking:
                return address
        if known and known[0] in self._sure:
            return known[0]  # the capture shows the peer with others, not this session
        named = [a for a in talking if str(a) in node]
        if named:
            return named[0]
        fitting = [a for a in talking if self._roles.get(a) in (wanted, None)]
        if len(set(fitting)) == 1 and not self._contested(node, peer, daemon):
            return fitting[0]
        return known[0] if known else None


def _roles(facts: Facts) -> dict[Address, Role]:
    """Who is Calico and who is the router. The OPEN tells them apart, else what the texts say."""
    roles: dict[Address, Role] = {}
    weak: dict[Address, Role] = {}
    for message in _opens(facts.captures):
        role = _style(message[1])
        if role is not Role.UNKNOWN:
            roles.setdefault(message[0], role)
    bird = {q.node for q in _bird_quotes(facts)}
    frr = {i.node for i in facts.identities if i.daemon is Daemon.FRR}
    for identity in facts.identities:
        if identity.node in bird or identity.node in frr:
            role = Role.CALICO if identity.node in bird else Role.ROUTER
            weak.setdefault(identity.address, role)
    for report in facts.peers:
        _from_report(report, weak)
    _from_events(facts.events, weak)
    for address, role in (*weak.items(), *_by_ttl(facts.captures)):
        roles.setdefault(address, role)
    for capture in facts.captures:
        for session in capture.sessions:
            _opposite(session.addresses, roles)
    return roles


def _from_events(events: Iterable[LogEvent], weak: dict[Address, Role]) -> None:
    for event in events:
        if event.peer is not None:
            mesh = event.protocol.startswith("Mesh_")
            calico = event.daemon.is_calico and not mesh
            weak.setdefault(event.peer, Role.ROUTER if calico else Role.CALICO)


def _by_ttl(captures: Iterable[Capture]) -> Iterator[tuple[Address, Role]]:
    """The weakest hint: FRR dials iBGP with TTL 255, Calico's BIRD with the host's 64."""
    for capture in captures:
        for session in capture.sessions:
            for conversation in session.conversations:
                ttls = conversation.from_client.handshake_ttls
                if ttls and min(ttls) > 200:
                    yield conversation.client.address, Role.ROUTER
                elif ttls and 32 < max(ttls) <= 64:
                    yield conversation.client.address, Role.CALICO


def _bird_quotes(facts: Facts) -> Iterator[Quote]:
    yield from (r.quote for r in facts.peers if r.daemon is Daemon.BIRD)
    yield from (c.quote for c in facts.configs if c.daemon is Daemon.BIRD)
    yield from (Quote("", 0, "", i.node) for i in facts.identities if i.daemon is Daemon.BIRD)


def _opposite(ends: tuple[Address, Address], roles: dict[Address, Role]) -> None:
    """An end that nothing is known of is what its peer is not."""
    for one, two in (ends, ends[::-1]):
        if one not in roles and two in roles:
            roles[one] = Role.ROUTER if roles[two] is Role.CALICO else Role.CALICO


def _from_report(report: PeerReport, weak: dict[Address, Role]) -> None:
    if report.local is not None:
        weak.setdefault(report.local, Role.CALICO if report.daemon.is_calico else Role.ROUTER)
    if report.address is not None:
        mesh = "esh" in report.name
        weak.setdefault(
            report.address, Role.ROUTER if report.daemon.is_calico and not mesh else Role.CALICO
        )


def _opens(captures: Iterable[Capture]) -> Iterator[tuple[Address, Open]]:
    for capture in captures:
        for session in capture.sessions:
            for message in session.messages:
                if isinstance(message.message, Open):
                    yield message.src.address, message.message


def _style(message: Open) -> Role:
    """BIRD puts all capabilities in one optional parameter, FRR and ZebOS one in each."""
    if message.has(Fqdn):
        return Role.ROUTER
    if any(count >= 3 for count in message.parameters):
        return Role.CALICO
    if len(message.parameters) >= 2 and all(count == 1 for count in message.parameters):
        return Role.ROUTER
    return Role.UNKNOWN
