"""The configuration that the guide has people paste into a BIG-IP."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from labgen.bigip import zebos
from labgen.bigip.model import Family
from labgen.bigip.resolve import resolve
from labgen.bigip.rules import Verdict
from labgen.bigip.translate import translate
from labgen.errors import InputErrors

GUIDE = """\
imish
enable
config terminal
router bgp 64512
neighbor calico-k8s peer-group
neighbor calico-k8s remote-as 64512
neighbor 10.1.20.20 peer-group calico-k8s
neighbor 10.1.20.21 peer-group calico-k8s
neighbor 10.1.20.22 peer-group calico-k8s
write
end
"""


def test_neighbors_take_what_their_peer_group_says() -> None:
    bgp = resolve(zebos.parse(GUIDE, "bigip-1.imish")).bgp
    assert bgp is not None
    assert bgp.asn == 64512
    assert [str(n.address) for n in bgp.neighbors] == ["10.1.20.20", "10.1.20.21", "10.1.20.22"]
    first = bgp.neighbor(ip_address("10.1.20.20"))
    assert first is not None
    assert (first.remote_as, first.peer_group) == (64512, "calico-k8s")
    assert (first.keepalive, first.hold) == (30, 90)
    assert first.families[Family.IPV4_UNICAST].active


def test_every_line_has_a_row_and_the_defaults_are_shown() -> None:
    translation = translate(zebos.parse(GUIDE, "bigip-1.imish")).require()
    told = [row.mark.line for row in translation.rows if row.mark and row.zebos]
    assert told == list(range(1, 12))
    added = {line for row in translation.rows if row.verdict is Verdict.ADDED for line in row.frr}
    assert added >= {
        "timers bgp 30 90",
        "no bgp ebgp-requires-policy",
        "no bgp network import-check",
        "maximum-paths 1",
        "maximum-paths ibgp 1",
        "ip nht resolve-via-default",
    }
    assert " neighbor 10.1.20.22 peer-group calico-k8s\n" in translation.frr_conf


@pytest.mark.parametrize(
    ("cut", "complaint"),
    [
        ("neighbor 10.1.20.22 peer-group calico-k", "the peer group `calico-k` is not defined"),
        ("neighbor 10.1.20.22 pee", "the neighbor 10.1.20.22 has no remote-as"),
        ("neighbor 10.1.20", "`10.1.20` is not understood"),
        ("neighbor", "`neighbor` is not complete"),
    ],
)
def test_a_truncated_file_is_reported_at_its_last_line(cut: str, complaint: str) -> None:
    text = GUIDE[: GUIDE.index("neighbor 10.1.20.22")] + cut
    with pytest.raises(InputErrors) as error:
        resolve(zebos.parse(text, "bigip-1.imish"))
    assert complaint in str(error.value)
    assert str(error.value).startswith("bigip-1.imish:9:")
