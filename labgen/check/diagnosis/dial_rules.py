"""Causes of a connection that never comes about: refused, unanswered, or not even tried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from labgen.bgp.conversation import Conversation
from labgen.check.diagnosis.attempts import Outcome, outcome
from labgen.check.diagnosis.model import Cause, Confidence, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Role, Scene, at
from labgen.evidence import Address
from labgen.facts import Daemon, Said, Socket

_MASKED_SYNS = 3  # fewer unanswered SYNs may be a peer that was not ready yet
_REDIAL_NS = 10_000_000_000  # BIRD dials every 5 s
_BGP = 179


def causes(scene: Scene, pair: Pair) -> Iterator[Cause]:
    """Every cause that the pair's connection attempts show."""
    result = outcome(pair.conversations, pair.capture_end)
    if result.alive is not None:
        if scene.history:
            yield from _masked(scene, pair)
        return
    if _got_further(result):
        return
    yield from _half_open(scene, pair, result)
    yield from _refused(scene, pair, result)
    yield from _unanswered(scene, pair, result)


def _got_further(result: Outcome) -> bool:
    """Some attempt of late was taken by both kernels: what fails is not the dial."""
    attempts = (c for c in result.tail if c is not result.last_established and c.start_seen)
    return any(c.handshake_complete for c in attempts)


# refused.


def _refused(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    causes = list(_each_refusal(scene, pair, result))
    # While it is open why the node refuses, it is open why the pair does not come up.
    unsure = any(c.confidence is Confidence.POSSIBLE for c in causes)
    sure = [c for c in causes if c.rank is Rank.LISTENER]
    if unsure and not sure:
        decides = next(c.decides for c in causes if c.decides)
        causes = [replace(c, confidence=Confidence.POSSIBLE, decides=decides) for c in causes]
    yield from causes


def _each_refusal(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    for server in pair.ends:
        found = result.refused(pair.other(server))
        if not found:
            continue
        yield from _refusing(scene, pair, server, found)


def _rst_lines(server: Address, found: tuple[Conversation, ...]) -> tuple[str, ...]:
    return tuple(
        at(c.from_server.rsts[0], f"{server} answers a SYN to port {c.server.port} with RST")
        for c in found[-3:]
    )


def _own_kernel(found: tuple[Conversation, ...]) -> bool:
    """The RSTs echo the SYNs' traffic class, as Linux does where nothing listens.

    netfilter's `reject with tcp reset` sends class 0 whatever it answers (measured, Linux 6.18);
    BGP speakers send their SYNs with class 0xc0.
    """
    syns = frozenset(x for c in found for x in c.from_client.syn_classes)
    resets = frozenset(x for c in found for x in c.from_server.reset_classes)
    return bool(resets) and 0 not in resets and resets <= syns


def _dials_meanwhile(pair: Pair, server: Address, found: tuple[Conversation, ...]) -> bool:
    """The refusing host's own daemon dialled in vain shortly before it refuses: it runs.

    A refusal before its first dial may be of before its start.
    """
    own = [
        c
        for c in pair.conversations
        if c.client.address == server and c.state.name != "ESTABLISHED"
    ]
    refusals = [c.first.time_ns for c in found]
    return any(0 < at - c.first.time_ns < _REDIAL_NS for c in own for at in refusals)


def _refusing(
    scene: Scene, pair: Pair, server: Address, found: tuple[Conversation, ...]
) -> Iterator[Cause]:
    lines = _rst_lines(server, found)
    subject = pair.subject
    ports = tuple(port_evidence(scene, server))
    if ports:
        yield decided(
            "listen-port-changed",
            subject,
            Rank.LISTENER,
            f"{scene.name(server)} refuses port 179: its BIRD listens elsewhere.",
            (*ports, *lines),
        )
        return
    if scene.role(server) is Role.CALICO and (silent := _runs_without_peers(scene, server)):
        yield decided(
            "bgppeer-missing",
            subject,
            Rank.LISTENER,
            f"{scene.name(server)} runs BIRD without any peer, so that BIRD does not listen at "
            "all: no BGPPeer selects this node.",
            (*silent, *lines),
        )
        return
    calico = scene.role(server) is Role.CALICO
    listening = [
        s
        for s in scene.facts.sockets
        if s.state == "LISTEN" and s.local_port == _BGP and _is_on(scene, s, server)
    ]
    rules = [str(r.quote) for r in scene.facts.rules if r.refuses and r.protocol == "tcp"]
    unheard = calico and not listening and _own_kernel(found)
    if unheard and _dials_meanwhile(pair, server, found):
        yield decided(
            "listen-port-changed",
            subject,
            Rank.LISTENER,
            f"The kernel of {scene.name(server)} itself refuses port 179 (its RST has the SYN's "
            "traffic class, a packet filter's has not), while BIRD there runs and dials: it "
            "listens on another port.",
            lines,
        )
        return
    text = f"{scene.name(server)} refuses connections to port 179."
    if listening:
        text += " A daemon listens there, so a packet filter answers in its place."
    proof = (*lines, *(str(s.quote) for s in listening), *rules)
    if not calico or listening or rules:
        yield decided("tcp-179-refused", subject, Rank.REFUSED, text, proof)
        return
    decides = "ss -ltnp on the node, or calicoctl get bgpconfiguration -o yaml (listenPort)"
    yield possible("tcp-179-refused", subject, Rank.REFUSED, text, proof, decides)
    yield possible(
        "listen-port-changed",
        subject,
        Rank.REFUSED,
        f"BIRD on {server} may listen on another port.",
        lines,
        decides,
    )


def port_evidence(scene: Scene, server: Address) -> Iterator[str]:
    """Lines that show a BIRD that listens on another port than 179."""
    if scene.role(server) is Role.ROUTER:
        return
    facts = scene.facts
    for config in facts.configs:
        if config.daemon is Daemon.BIRD and config.listen_port not in (None, _BGP):
            yield str(config.quote)
    for setting in facts.settings:
        if setting.key == "listenPort" and setting.value != str(_BGP):
            yield str(setting.quote)
    for socket in facts.sockets:
        if (
            socket.state == "LISTEN"
            and socket.process in ("bird", "bird6")
            and socket.local_port != _BGP
        ):
            yield str(socket.quote)
    yield from _dialled_elsewhere(scene)


def _dialled_elsewhere(scene: Scene) -> Iterator[str]:
    """Connections that a node takes on another port: its mesh peers know the port."""
    for pair in scene.pairs:
        for c in pair.conversations:
            calico = scene.role(c.server.address) is Role.CALICO
            if calico and c.server.port != _BGP and c.handshake_complete:
                yield at(c.first, f"{c.client} dials {c.server}: BGP on port {c.server.port}")
                break


def _runs_without_peers(scene: Scene, server: Address) -> tuple[str, ...]:
    """Proof that the node's BIRD runs and has no peer: it dials nobody, its output lists none."""
    facts = scene.facts
    dials = any(c.client.address == server for p in scene.pairs for c in p.conversations)
    if dials or any(
        server in p.ends and p.reports and r.daemon is Daemon.BIRD
        for p in scene.pairs
        for r in p.reports
    ):
        return ()
    configs = [c for c in facts.configs if c.daemon is Daemon.BIRD]
    # One node's files: with several it is not known which BIRD is this one.
    for config in configs:
        mine = config.router_id == server or len(configs) == 1
        if mine and not config.neighbors:
            return (f"{config.quote} (no protocol bgp)",)
    if configs or any(r.daemon is Daemon.BIRD for r in facts.peers):
        return ()
    busy = {
        (e.quote.file, e.quote.node)
        for e in facts.events
        if e.daemon is Daemon.BIRD and (e.protocol or e.peer)
    }
    started = [e for e in facts.events if e.said is Said.STARTED]
    idle = [e for e in started if (e.quote.file, e.quote.node) not in busy]
    return tuple(str(e.quote) for e in idle[:1])


def _is_on(scene: Scene, socket: Socket, address: Address) -> bool:
    known = scene.facts.addresses_of(socket.quote.node)
    if known:
        return address in known
    bird = socket.process.startswith("bird")
    return scene.role(address) is (Role.CALICO if bird else Role.ROUTER)


# unanswered.


def _half_open(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    """SYN-ACKs reach the capture, and the one who sent the SYN does not take them."""
    if result.last_established is not None and _dead(result):
        return
    for client in pair.ends:
        found = result.half_open(client)
        if not found:
            continue
        lines = tuple(
            at(
                c.from_server.syns[-1],
                f"SYN-ACK number {len(c.from_server.syns)} to {client}, which "
                "goes on sending its SYN",
            )
            for c in found[-2:]
        )
        counters = _counters(scene, "TcpExtIPReversePathFilter")
        text = (
            f"What {pair.other(client)} sends arrives at {scene.name(client)} and is dropped "
            "there before "
            "TCP sees it."
        )
        if counters:
            yield decided(
                "reverse-path-filter", pair.subject, Rank.UNANSWERED, text, (*counters, *lines)
            )
        else:
            yield possible(
                "reverse-path-filter",
                pair.subject,
                Rank.UNANSWERED,
                text,
                lines,
                "nstat -az TcpExtIPReversePathFilter on that host, and ip route get "
                f"{pair.other(client)}",
            )
        return


def _dead(result: Outcome) -> bool:
    last = result.last_established
    return last is not None and not (last.from_client.fin or last.from_server.fin or last.resets)


def _counters(scene: Scene, name: str) -> tuple[str, ...]:
    return tuple(str(c.quote) for c in scene.facts.counters if c.name == name and c.value > 0)


def _unanswered(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    found = tuple(chain.from_iterable(result.unanswered(end) for end in pair.ends))
    if (
        not found
        or any(c.icmp_errors for c in found)
        or result.half_open(pair.ends[0])
        or result.half_open(pair.ends[1])
    ):
        return
    if result.last_established is not None and _dead(result):
        return  # the path broke under an established session: that is the cause
    if any(c.from_client.md5_syns for c in found):
        yield from _md5(scene, pair, found)
        return
    counters = _counters(scene, "TcpExtIPReversePathFilter")
    lines = tuple(_syn_lines(found))
    if counters:
        yield decided(
            "reverse-path-filter",
            pair.subject,
            Rank.UNANSWERED,
            "SYNs stay unanswered, and a host counts packets that its reverse-path filter drops.",
            (*counters, *lines),
        )
        return
    yield from _filtered(scene, pair, found, lines)


def _syn_lines(found: tuple[Conversation, ...]) -> Iterator[str]:
    seen: set[Address] = set()
    for c in found:
        if c.client.address not in seen:
            seen.add(c.client.address)
            count = sum(
                len(o.from_client.syns) for o in found if o.client.address == c.client.address
            )
            yield at(
                c.from_client.syns[-1], f"{count} SYNs {c.client.address} > {c.server}, no answer"
            )


def _filtered(
    scene: Scene, pair: Pair, found: tuple[Conversation, ...], lines: tuple[str, ...]
) -> Iterator[Cause]:
    servers = {c.server.address for c in found}
    facts = scene.facts
    shut = [s for s in facts.self_ips if s.address in servers and not s.allows_bgp]
    rules = [r for r in facts.rules if r.protocol == "tcp" and not r.refuses]
    proof = (*(str(s.quote) for s in shut), *(str(r.quote) for r in rules))
    who = " and ".join(scene.name(a) for a in sorted(servers, key=str))
    text = f"SYNs to {who} are dropped: no SYN-ACK, no RST, no ICMP."
    if shut:
        text += f" Port lockdown of self-IP {shut[0].name} does not let tcp/179 in."
    counted = any(c.name == "TcpExtIPReversePathFilter" for c in facts.counters)
    if proof or counted:
        yield decided("tcp-179-filtered", pair.subject, Rank.UNANSWERED, text, (*lines, *proof))
        return
    decides = "nstat -az TcpExtIPReversePathFilter on both hosts, and their packet filters"
    yield possible("tcp-179-filtered", pair.subject, Rank.UNANSWERED, text, lines, decides)
    yield possible(
        "reverse-path-filter",
        pair.subject,
        Rank.UNANSWERED,
        "A strict reverse-path filter drops SYNs as silently as a packet filter.",
        lines,
        decides,
    )


def _md5(scene: Scene, pair: Pair, found: tuple[Conversation, ...]) -> Iterator[Cause]:
    """RFC 2385: which SYNs carry option 19, and which counter moved at the receiver."""
    signing = {c.client.address for c in found if c.from_client.md5_syns}
    plain = {c.client.address for c in found} - signing
    lines = tuple(_syn_lines(found))
    counters = tuple(
        str(c.quote)
        for c in scene.facts.counters
        if c.name.startswith("TcpExtTCPMD5") and c.value > 0
    )
    names = " and ".join(scene.name(a) for a in sorted(signing, key=str))
    if plain:
        other = scene.name(next(iter(plain)))
        yield decided(
            "md5-mismatch",
            pair.subject,
            Rank.UNANSWERED,
            f"{names} signs its SYNs (TCP option 19), {other} does not: only one side has a "
            "password.",
            (*lines, *counters),
        )
        return
    sign = "sign their" if len(signing) > 1 else "signs its"
    text = f"{names} {sign} SYNs (TCP option 19), which stay unanswered"
    if counters or len(signing) == 2:
        how = next(
            (k for k in ("Failure", "NotFound", "Unexpected") if any(k in c for c in counters)), ""
        )
        meaning = {
            "Failure": ": the keys differ.",
            "Unexpected": ": the other side has no password.",
            "NotFound": ": the other side has no password.",
            "": ": the keys differ.",
        }[how]
        yield decided(
            "md5-mismatch", pair.subject, Rank.UNANSWERED, text + meaning, (*lines, *counters)
        )
        return
    decides = "nstat -az 'TcpExtTCPMD5*' on both hosts; tcpdump -M KEY on the capture"
    yield possible("md5-mismatch", pair.subject, Rank.UNANSWERED, text + ".", lines, decides)
    yield possible(
        "tcp-179-filtered",
        pair.subject,
        Rank.UNANSWERED,
        "A packet filter drops signed SYNs as silently.",
        lines,
        decides,
    )


# one direction only.


def _masked(scene: Scene, pair: Pair) -> Iterator[Cause]:
    for client in pair.ends:
        mine = [c for c in pair.conversations if c.client.address == client]
        syns = sum(len(c.from_client.syns) for c in mine if c.unanswered)
        server = pair.other(client)
        shut = [s for s in scene.facts.self_ips if s.address == server and not s.allows_bgp]
        if mine and all(c.unanswered for c in mine) and shut:
            yield decided(
                "tcp-179-filtered",
                pair.subject,
                Rank.MASKED,
                f"Port lockdown of self-IP {shut[0].name} lets no connection in; the session is up "
                f"only because {server} dials itself.",
                (*_syn_lines(tuple(mine)), str(shut[0].quote)),
            )
        elif mine and all(c.unanswered for c in mine) and syns >= _MASKED_SYNS:
            yield possible(
                "tcp-179-filtered",
                pair.subject,
                Rank.MASKED,
                f"{scene.name(server)} takes no connection from {client}; the session is up only "
                f"because {server} dials itself.",
                tuple(_syn_lines(tuple(mine))),
                f"tmsh list net self, or the packet filter of {server}",
            )
        elif (
            mine and all(c.refused for c in mine) and (ports := tuple(port_evidence(scene, server)))
        ):
            yield decided(
                "listen-port-changed",
                pair.subject,
                Rank.MASKED,
                f"BIRD on {server} does not listen on 179; the session is up only because {server} "
                "dials itself.",
                ports,
            )
