"""A recorded session of real daemons, read whole."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from labgen.bgp.vocabulary import IPV6_UNICAST, FsmState, MessageType
from labgen.capture.read import read_capture

CAPTURES = Path(__file__).parents[2] / "data" / "captures"
BIGIP, NODE = ip_address("10.1.20.5"), ip_address("10.1.20.20")


def test_frr_and_bird_tell_their_story() -> None:
    capture = read_capture(CAPTURES / "frr-bird-ibgp.pcapng")
    session = capture.session(BIGIP, NODE)
    assert session is not None
    first, second = session.established
    assert first.client.address == BIGIP
    assert second.client.address == NODE
    negotiated = first.negotiated
    assert negotiated is not None
    assert (negotiated.hold_time, negotiated.internal) == (9, True)
    assert IPV6_UNICAST not in negotiated.families
    assert {str(e.prefix) for e in session.routes(NODE)} >= {"192.168.1.0/26"}
    assert session.end_of_rib(BIGIP) is not None
    assert session.notifications[0].message.shutdown_communication == "maintenance window"  # type: ignore[union-attr]
    assert first.state is FsmState.ESTABLISHED
    assert not any(m.error for m in session.messages)
    assert [m.frame for m in session.messages if m.type is MessageType.OPEN] == [13, 15, 68, 70]
