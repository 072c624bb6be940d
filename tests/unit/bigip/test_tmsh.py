"""tmsh's network objects, as `list` prints them and as scripts change them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from labgen.bigip import source, tmsh
from labgen.errors import InputError, InputErrors

LISTED = """\
net self internal-self {
    address 10.1.20.5/24
    allow-service {
        default
        tcp:bgp
    }
    traffic-group traffic-group-local-only
    vlan internal
}
net self internal-float {
    address 10.1.20.7%101/24
    allow-service all
    floating enabled
    traffic-group traffic-group-1
    unit 1
    vlan /Common/internal
}
net self external-self {
    address fd00:20::5/64
    vlan external
}
net vlan internal {
    interfaces {
        1.2 {
            tagged
        }
        1.3 { }
    }
    tag 4093
}
net route default {
    gw 10.1.20.1
    network default
}
net route pods {
    blackhole
    network 192.168.0.0/16
}
net route-domain 0 {
    id 0
    routing-protocol {
        BFD
        BGP
    }
    vlans {
        http-tunnel
        internal
    }
}
"""


def one_line(text: str) -> str:
    """The same as `list … one-line` prints it."""
    objects = text.replace("\nnet ", "\n\0net ").split("\0")
    return "\n".join(" ".join(o.split()) for o in objects)


@pytest.mark.parametrize("text", [LISTED, one_line(LISTED), LISTED.replace("\n", "\r\n")])
def test_what_list_prints(text: str) -> None:
    config = tmsh.parse(text, "t")
    first, floating, external = config.self_ips
    assert (first.address, first.prefix_length, first.vlan) == (
        ip_address("10.1.20.5"),
        24,
        "internal",
    )
    assert str(first.port_lockdown) == "{ default tcp:179 }"
    assert (first.floating, first.traffic_group) == (False, "traffic-group-local-only")
    assert (floating.floating, floating.route_domain, floating.vlan) == (True, 101, "internal")
    assert floating.port_lockdown.everything
    assert str(external.port_lockdown) == "none"
    assert external.network == ip_network("fd00:20::/64")
    assert dict(config.vlans[0].interfaces) == {"1.2": True, "1.3": False}
    assert config.vlans[0].tag == 4093
    default, pods = config.routes
    assert (default.network, default.gateway) == (ip_network("0.0.0.0/0"), ip_address("10.1.20.1"))
    assert pods.blackhole
    assert config.route_domains[0].routing_protocols == ("BFD", "BGP")
    assert [r.text for r in config.remarks] == ["unit"]


@pytest.mark.parametrize(
    ("command", "lockdown"),
    [
        ("modify net self s allow-service add { tcp:179 }", "{ default tcp:179 }"),
        ("modify net self s allow-service delete { default }", "none"),
        ("modify net self s allow-service replace-all-with { tcp:bgp udp:3784 }", None),
        ("modify net self s allow-service none", "none"),
        ("tmsh modify net self s allow-service all", "all"),
        ("[root@bigip-1:Active:Standalone] config # tmsh modify net self s allow-service all",
         "all"),
        ("root@(b)(cfg-sync Standalone)(Active)(tmos)# modify net self s allow-service all", "all"),
    ],
)  # fmt: skip
def test_scripts_change_the_lockdown(command: str, lockdown: str | None) -> None:
    create = "create net self s address 10.0.0.5/24 vlan internal allow-service default\n"
    config = tmsh.parse(create + command + "\nsave sys config\n", "t")
    assert str(config.self_ips[0].port_lockdown) == (lockdown or "{ tcp:179 udp:3784 }")


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "self.tmsh"
    path.write_text(LISTED)
    assert len(source.read_tmsh(path).self_ips) == 3
    with pytest.raises(InputError, match="no such file"):
        source.read_tmsh(tmp_path / "absent")


def test_bgp_is_turned_on_in_a_route_domain() -> None:
    config = tmsh.parse("modify net route-domain 0 routing-protocol add { BGP }\n", "t")
    assert config.route_domains[0].routing_protocols == ("BGP",)


def test_other_modules_are_remarks() -> None:
    config = tmsh.parse("ltm pool p { members { 10.0.0.1:80 { address 10.0.0.1 } } }\n", "t")
    assert [r.text for r in config.remarks] == ["ltm pool p"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (LISTED[:60], "t:1:24: `{` is not closed (is the text cut off?)"),
        ("net self s {\n    vlan internal\n}\n", "t:1:1: net self s: `address` is missing"),
        ("net self s { address 10.0.0/24 vlan v }", "t:1:22: `10.0.0` is not an IP address"),
        ("net self s { address 10.0.0.5 vlan v }", "not an address with its length"),
        ("net self s { address 10.0.0.5/40 vlan v }", "a length of 40 is too long"),
        ("net self s { address 10.0.0.5/24 vlan v allow-service { tcp:x } }", "tcp:179 or tcp:bgp"),
        ("net self s { address 10.0.0.5/24 vlan v allow-service { ospf:9 } }", "has no ports"),
        ("net self s { address 10.0.0.5/24 vlan v allow-service { all tcp:1 } }", "stands alone"),
        ("net vlan v { tag 5000 }", "not a VLAN tag"),
        ("net route r { network 10.0.0.0/99 }", "is not a network"),
        ("net route-domain x { id 99999 }", "not a route domain"),
        ("modify net self s allow-service all", "no such object in this text"),
        ("}\n", "t:1:1: `}` closes nothing"),
        ('net self s { description "half }', "the quote is not closed"),
    ],
)  # fmt: skip
def test_bad_text_is_reported_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(InputErrors) as error:
        tmsh.parse(text, "t")
    assert complaint in str(error.value)
