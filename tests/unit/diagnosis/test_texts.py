"""Texts as people save them, without any capture: what is read of them and what is concluded."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from labgen.check.diagnosis.decide import diagnose
from labgen.check.diagnosis.model import Confidence
from labgen.facts import Facts, Said
from labgen.observe.bundle import read_text, read_texts


def first(**texts: str) -> tuple[str, Confidence]:
    causes = diagnose(read_texts(texts)).causes
    assert causes
    return causes[0].fault.name, causes[0].confidence


CALICOCTL = """Calico process is running.

IPv4 BGP status
+--------------+-------------------+-------+----------+--------------------------------+
| PEER ADDRESS |     PEER TYPE     | STATE |  SINCE   |              INFO              |
+--------------+-------------------+-------+----------+--------------------------------+
| 10.1.20.21   | node-to-node mesh | up    | 09:12:40 | Established                    |
| 10.1.20.5    | global            | start | 09:12:39 | {info} |
+--------------+-------------------+-------+----------+--------------------------------+
"""


@pytest.mark.parametrize(
    ("info", "fault", "confidence"),
    [
        ("Active Socket: Connection refused", "tcp-179-refused", Confidence.DECIDED),
        ("Active Socket: No route to host", "host-unreachable", Confidence.DECIDED),
        ("Idle Received: Bad peer AS", "wrong-remote-as", Confidence.DECIDED),
        ("Idle BGP Error: Bad BGP identifier", "duplicate-router-id", Confidence.DECIDED),
        ("Connect", "tcp-179-filtered", Confidence.POSSIBLE),
        ("OpenSent", "ebgp-multihop-missing", Confidence.POSSIBLE),
        ("Active Socket: Connection reset by peer", "neighbor-not-configured", Confidence.POSSIBLE),
    ],
)
def test_calicoctl_node_status_alone(info: str, fault: str, confidence: Confidence) -> None:
    assert first(status=CALICOCTL.format(info=info)) == (fault, confidence)


def test_what_does_not_decide_says_what_would() -> None:
    causes = diagnose(read_texts({"status": CALICOCTL.format(info="Connect")})).causes
    assert {c.fault.name for c in causes} == {
        "tcp-179-filtered",
        "md5-mismatch",
        "reverse-path-filter",
    }
    assert all(c.decides for c in causes)


def test_a_working_status_has_no_cause() -> None:
    text = CALICOCTL.replace("start", "up   ").format(info="Established")
    assert diagnose(read_texts({"status": text})).causes == ()


ZEBOS_SUMMARY = """bigip-1.lab[0]>show ip bgp summary
BGP router identifier 10.1.20.5, local AS number 64512
BGP table version is 2
1 BGP AS-PATH entries
0 BGP community entries

Neighbor        V    AS MsgRcvd MsgSent   TblVer  InQ OutQ Up/Down  State/PfxRcd
10.1.20.20      4 64512       7       6        2    0    0 00:01:08            1
10.1.20.21      4 64512       0       0        0    0    0 never       Active

Total number of neighbors 2
"""


def test_a_zebos_summary_is_read_as_frrs() -> None:
    facts = read_text("imish.txt", ZEBOS_SUMMARY)
    assert [(str(p.address), p.state, p.received) for p in facts.peers] == [
        ("10.1.20.20", "Established", 1),
        ("10.1.20.21", "Active", None),
    ]


def test_a_zebos_notification_in_the_log_decides() -> None:
    log = (
        "Nov 22 10:00:01 bigip-1 err bgpd[7011]: %BGP-3-NOTIFICATION: received from 10.1.20.20 "
        "2/2 (OPEN Message Error/Bad Peer AS.) 2 data-bytes [FC 00]\n"
    )
    assert first(log=log) == ("wrong-remote-as", Confidence.DECIDED)


TMSH = """net self internal-self {
    address 10.1.20.5/24
    allow-service {
        default
    }
    traffic-group traffic-group-local-only
    vlan internal
}
net self external-self {
    address 10.1.10.5/24
    allow-service {
        tcp:bgp
    }
    vlan external
}
net self other-self {
    address 10.1.30.5/24
    traffic-group traffic-group-local-only
    vlan other
}
"""


def test_port_lockdown_lets_bgp_in_only_when_it_says_so() -> None:
    found = {s.name: s.allows_bgp for s in read_text("tmsh", TMSH).self_ips}
    assert found == {"internal-self": False, "external-self": True, "other-self": False}


def test_a_password_never_reaches_a_fact() -> None:
    text = "router bgp 64512\n neighbor 10.1.20.20 remote-as 64512\n"
    text += " neighbor 10.1.20.20 password s3cret-value\n"
    bird = 'protocol bgp x {\n neighbor 10.1.20.5 as 64512;\n password "s3cret-value";\n}\n'
    facts = read_texts({"run": text, "bird.cfg": bird})
    assert all(n.has_password for c in facts.configs for n in c.neighbors)
    assert "s3cret" not in repr(facts)


def test_birds_wait_timer_needs_a_session_that_waits() -> None:
    status = (
        "kube-master# birdc show status\nBIRD 1.6.8 ready.\nRouter ID is 10.1.20.20\n"
        "Graceful restart recovery in progress\n  Waiting for 1 channels to recover\n"
        "  Wait timer is 227/240\n"
    )
    protocols = (
        "kube-master# birdc show protocols\nname     proto    table    state  since       info\n"
        "Mesh_10_1_20_21 BGP master wait 10:00:00 Established\n"
        "Mesh_10_1_20_23 BGP master start 10:00:00 Connect\n"
    )
    assert first(out=status + protocols) == ("graceful-restart-wait", Confidence.DECIDED)


def test_a_time_of_day_is_no_address() -> None:
    line = (
        "2026/11/22 04:11:33 BGP: [RZMGQ-A03CG] 10.1.20.20(Unknown) rcvd UPDATE about "
        "192.168.180.0/26 IPv4 unicast -- DENIED due to: reflected from the same cluster;"
    )
    (event,) = read_text("bgpd.log", line).events
    assert event.said is Said.SAME_CLUSTER
    assert event.peer == ip_address("10.1.20.20")


def test_files_that_say_nothing_are_listed_and_never_fatal() -> None:
    facts = read_texts({"holiday.txt": "dear diary", "empty": "", "x.json": '{"a": [1,'})
    assert facts == Facts(
        unread=(
            ("holiday.txt", "nothing in it that labgen knows"),
            ("empty", "empty"),
            ("x.json", "nothing in it that labgen knows"),
        )
    )


NEIGHBORS = """BGP neighbor is 10.1.20.20, remote AS 64512, local AS 65000, external link
  BGP version 4, remote router ID 0.0.0.0
  BGP state = Active
  Last reset 00:00:14,  Waiting for NHT
"""


def test_waiting_for_a_next_hop_is_only_a_possible_multihop_fault() -> None:
    assert first(n=NEIGHBORS) == ("ebgp-multihop-missing", Confidence.POSSIBLE)
    hop = "Current BGP nexthop cache:\n 10.1.20.20 invalid, #paths 0, peer 10.1.20.20\n"
    hop += "  Must be Connected\n"
    assert first(n=NEIGHBORS, hop=hop) == ("ebgp-multihop-missing", Confidence.DECIDED)
