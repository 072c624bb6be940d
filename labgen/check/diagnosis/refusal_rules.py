"""Why a SYN is answered with RST: nobody listens, BIRD listens elsewhere, or a rule rejects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from labgen.bgp.conversation import Conversation
from labgen.check.diagnosis.attempts import Outcome
from labgen.check.diagnosis.model import Cause, Confidence, Rank, decided, possible
from labgen.check.diagnosis.pairs import Pair, Role, Scene, at
from labgen.evidence import Address
from labgen.facts import Daemon, Said, Socket

_REDIAL_NS = 10_000_000_000  # BIRD dials every 5 s
_BGP = 179


def causes(scene: Scene, pair: Pair, result: Outcome) -> Iterator[Cause]:
    """Every cause that the pair's refused attempts show."""
    found = list(_each_refusal(scene, pair, result))
    # While it is open why the node refuses, it is open why the pair does not come up.
    unsure = any(c.confidence is Confidence.POSSIBLE for c in found)
    sure = [c for c in found if c.rank is Rank.LISTENER]
    if unsure and not sure:
        decides = next(c.decides for c in found if c.decides)
        found = [replace(c, confidence=Confidence.POSSIBLE, decides=decides) for c in found]
    yield from found


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
