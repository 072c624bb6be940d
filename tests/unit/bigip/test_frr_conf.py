"""A plain FRR's frr.conf: what is read from it, and what must not be."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from labgen.bigip.frr_conf import MULTIPATH, FrrConf, read
from labgen.errors import InputError

TOR = """\
frr defaults traditional
hostname tor
ip nht resolve-via-default
!
router bgp 65001
 neighbor nodes peer-group
 neighbor nodes remote-as 64512
 neighbor 10.1.30.11 peer-group nodes
{more}
exit
"""


def tor(*more: str) -> FrrConf:
    return read(TOR.format(more="\n".join(f" {line}" for line in more)), "tor.conf")


def test_frrs_own_defaults_hold_where_nothing_is_said() -> None:
    conf = tor()
    bgp = conf.routing.bgp
    assert bgp is not None
    assert [(str(n.address), n.remote_as, n.hold) for n in bgp.neighbors] == [
        ("10.1.30.11", 64512, 180)
    ]
    assert (bgp.max_paths_ebgp, bgp.max_paths_ibgp) == (MULTIPATH, MULTIPATH)
    assert (conf.requires_policy, conf.multipath_relax, conf.add_path_receive) == (
        True, False, True,
    )  # fmt: skip
    assert conf.notes == ()


def test_what_is_said_holds() -> None:
    conf = tor(
        "timers bgp 10 30", "no bgp ebgp-requires-policy",
        "bgp bestpath as-path multipath-relax", "neighbor 10.1.30.12 remote-as internal",
        "neighbor nodes bfd", "address-family ipv4 unicast", " maximum-paths 4",
        " maximum-paths ibgp 2", " network 10.9.0.0/16", " neighbor nodes disable-addpath-rx",
        "exit-address-family",
    )  # fmt: skip
    bgp = conf.routing.bgp
    assert bgp is not None
    assert [(n.remote_as, n.hold, n.bfd) for n in bgp.neighbors] == [
        (64512, 30, True), (65001, 30, False),
    ]  # fmt: skip
    assert (bgp.max_paths_ebgp, bgp.max_paths_ibgp) == (4, 2)
    assert [own.prefix for own in bgp.networks] == [IPv4Network("10.9.0.0/16")]
    assert (conf.requires_policy, conf.multipath_relax, conf.add_path_receive) == (
        False, True, False,
    )  # fmt: skip


FOREIGN = {
    "a VRF's instance": "router bgp 65001 vrf RED\n neighbor 1.1.1.1 remote-as 5\n"
    " address-family ipv4 unicast\n  network 9.9.9.0/24\n exit-address-family\nexit\n",
    "a VRF's instance, not indented": "router bgp 65001 vrf RED\nneighbor 1.1.1.1 remote-as 5\n"
    "no bgp default ipv4-unicast\naddress-family ipv4 unicast\nnetwork 9.9.9.0/24\n"
    "exit-address-family\nexit\n",
    "a VRF's static route": "vrf RED\n ip route 9.9.9.0/24 10.1.1.1\nexit-vrf\n",
    "BFD's peers": "bfd\n peer 1.1.1.1\n exit\nexit\n",
}


@pytest.mark.parametrize("section", FOREIGN.values(), ids=FOREIGN)
def test_another_sections_lines_are_not_the_default_instances(section: str) -> None:
    conf = read(TOR.format(more="") + section + "ip prefix-list P permit 10.0.0.0/8\n", "t")
    bgp = conf.routing.bgp
    assert bgp is not None
    assert [str(n.address) for n in bgp.neighbors] == ["10.1.30.11"]
    assert bgp.networks == ()
    assert conf.routing.static_routes == ()
    assert bgp.default_ipv4_unicast
    assert "P" in conf.routing.prefix_lists, "what follows is read again"


def test_evpn_does_not_activate_ipv4() -> None:
    conf = tor(
        "no bgp default ipv4-unicast", "address-family l2vpn evpn", " neighbor nodes activate",
        "exit-address-family",
    )  # fmt: skip
    assert conf.routing.bgp is not None
    assert conf.routing.bgp.neighbors[0].families == {}


def test_what_the_forecast_does_not_know_is_noted_by_line() -> None:
    conf = tor(
        "bgp listen range 10.0.0.0/8 peer-group nodes", "neighbor eth2 interface remote-as 5",
        "neighbor eth2 password s3cret",
    )  # fmt: skip
    assert len(conf.notes) == 3
    assert any(n.startswith("tor.conf:9:1: FRR takes `bgp listen range") for n in conf.notes)
    assert "s3cret" not in "".join(conf.notes)


def test_other_protocols_ask_for_their_daemons() -> None:
    conf = read(TOR.format(more="") + "router ospf\n network 10.0.0.0/8 area 0\nexit\n", "t")
    assert conf.daemons == ("ospfd",)
    assert conf.routing.bgp is not None
    assert conf.routing.bgp.networks == ()


@pytest.mark.parametrize("line", ["neighbor 10.1.30.12 remote-as external",
                                  "neighbor 10.1.30.12 peer-group gone"])  # fmt: skip
def test_a_session_that_cannot_be_told_is_an_error_by_line(line: str) -> None:
    with pytest.raises(InputError, match=r"tor\.conf:9:\d+: "):
        tor(line)
