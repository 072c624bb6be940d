"""`ltm virtual-address`: what is announced, and whose it is."""

from __future__ import annotations

import shutil
from ipaddress import ip_address
from pathlib import Path

import pytest

from labgen.bigip import ltm
from labgen.errors import InputErrors
from labgen.lab.project import open_project

ROOT = Path(__file__).parents[3]

LISTED = """\
ltm virtual-address 10.99.99.100 {
    address 10.99.99.100
    arp enabled
    mask 255.255.255.255
    route-advertisement selective
}
ltm virtual-address /Common/s { address 10.9.9.1%0 route-advertisement always traffic-group none }
tmsh create ltm virtual-address 10.99.99.102
ltm pool web { members { 10.0.0.1:80 { address 10.0.0.1 } } }
net self own { address 10.1.20.5/24 vlan internal }
"""


def test_listed_one_line_and_created() -> None:
    found = ltm.parse(LISTED, "t.tmsh").virtual_addresses
    assert [(str(v.address), v.advertised, v.traffic_group) for v in found] == [
        ("10.99.99.100", True, "traffic-group-1"),
        ("10.9.9.1", True, None),
        ("10.99.99.102", False, "traffic-group-1"),
    ]
    assert found[1].name == "s"
    assert found[0].address == ip_address("10.99.99.100")


@pytest.mark.parametrize(
    ("line", "where"),
    [("    route-advertisement sometimes", 2), ("    address 10.99.99.999", 2)],
)
def test_bad_values_are_told_by_line(line: str, where: int) -> None:
    with pytest.raises(InputErrors, match=f":{where}:") as caught:
        ltm.parse(f"ltm virtual-address 10.9.9.9 {{\n{line}\n}}\n", "t.tmsh")
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"t.tmsh:{where}:")


TRAFFIC = """\
ltm virtual /Common/vs {
    destination /Common/10.99.99.100:http
    ip-protocol tcp
    pool /Common/web
    source-address-translation { type automap }
}
ltm pool web {
    members {
        /Common/192.168.1.1:8080 { address 192.168.1.1 }
        192.168.1.2:8080 { address 192.168.1.2 }
    }
    monitor /Common/slow
}
ltm monitor http slow {
    defaults-from http
    interval 2
    timeout 7
    recv "200 OK"
}
ltm profile tcp t { }
"""


def test_virtuals_pools_and_monitors_in_any_order() -> None:
    found = ltm.parse(TRAFFIC, "t.tmsh")
    (virtual,) = found.virtuals
    assert (virtual.name, str(virtual.address), virtual.port, virtual.pool, virtual.automap) == (
        "vs", "10.99.99.100", 80, "web", True,
    )  # fmt: skip
    (pool,) = found.pools
    assert [(m.name, str(m.address), m.port) for m in pool.members] == [
        ("192.168.1.1:8080", "192.168.1.1", 8080), ("192.168.1.2:8080", "192.168.1.2", 8080),
    ]  # fmt: skip
    (monitor,) = pool.monitors
    assert (monitor.kind, monitor.interval, monitor.timeout) == ("http", 2, 7)
    assert (monitor.recv, monitor.send) == ("200 OK", "GET /\\r\\n")
    assert found.notes == ("t.tmsh:20:1: `ltm profile tcp t` is not served",)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("pool /Common/web", "pool gone", r"t\.tmsh:4:5: .*no pool `gone`"),
        ("monitor /Common/slow", "monitor gone", r"t\.tmsh:7:1: .*no monitor `gone`"),
        ("interval 2", "interval soon", r"t\.tmsh:16:5: .*not a number of seconds"),
        ("192.168.1.2:8080", "192.168.1.2", r"t\.tmsh:10:9: .*not ADDRESS:PORT"),
        ("    destination /Common/10.99.99.100:http\n", "", r"t\.tmsh:1:1: .*`destination` is"),
    ],
)
def test_bad_traffic_is_told_by_line(old: str, new: str, error: str) -> None:
    assert old in TRAFFIC
    with pytest.raises(InputErrors, match=error):
        ltm.parse(TRAFFIC.replace(old, new, 1), "t.tmsh")


def test_one_fault_is_one_line() -> None:
    with pytest.raises(InputErrors) as caught:
        ltm.parse(TRAFFIC.replace("interval 2", "interval soon"), "t.tmsh")
    assert len(caught.value.problems) == 1


def changed(old: str, new: str) -> ltm.LocalTraffic:
    assert old in TRAFFIC
    return ltm.parse(TRAFFIC.replace(old, new, 1), "t.tmsh")


@pytest.mark.parametrize(
    ("old", "new", "note"),
    [
        ("    monitor /Common/slow", "    load-balancing-mode least-connections-member",
         "t.tmsh:12:5: `ltm pool web`: `load-balancing-mode least-connections-member` is served"),
        ("    ip-protocol tcp", "    rules { redirect }",
         "t.tmsh:3:5: `ltm virtual vs`: `rules redirect` without effect: iRules do not run"),
        ("    ip-protocol tcp", "    profiles { tcp { } http { } }",
         "t.tmsh:3:5: `ltm virtual vs`: `profiles http` without effect: "),
        ("    ip-protocol tcp", "    persist { cookie { default yes } }",
         "t.tmsh:3:5: `ltm virtual vs`: `persist cookie` without effect: no persistence"),
        ("{ type automap }", "{ type snat pool sp }",
         "t.tmsh:5:5: `ltm virtual vs`: `snat` is not served: the client's address is kept"),
        ("{ address 192.168.1.2 }", "{ address 192.168.1.2 priority-group 5 }",
         "t.tmsh:10:48: `ltm pool web`, 192.168.1.2:8080: `priority-group 5` without effect: no"),
        ("10.99.99.100:http", "10.99.99.100:any",
         "t.tmsh:1:1: `ltm virtual vs` is not served: a virtual for every port"),
        ("    ip-protocol tcp", "    ip-forward",
         "t.tmsh:1:1: `ltm virtual vs` is not served: `ip-forward` virtuals are not served"),
        ("    ip-protocol tcp", "    ip-protocol sctp",
         "t.tmsh:1:1: `ltm virtual vs` is not served: `ip-protocol sctp`: tcp and udp are"),
        ("    timeout 7", "    ssl-profile none",
         "t.tmsh:17:5: `ltm monitor http slow`: `ssl-profile none` without effect"),
        ("ltm profile tcp t { }", "ltm snatpool sp { members { 10.1.1.1 } }",
         "t.tmsh:20:1: `ltm snatpool sp` is not served"),
    ],
)  # fmt: skip
def test_what_is_not_served_is_a_note_with_its_line(old: str, new: str, note: str) -> None:
    notes = changed(old, new).notes
    assert any(found.startswith(note) for found in notes), notes


def test_what_tmsh_prints_of_defaults_needs_no_note() -> None:
    quiet = """    ip-protocol tcp
    creation-time 2024-01-01:00:00:00
    mask 255.255.255.255
    profiles { tcp { } fastL4 { } }
    serverssl-use-sni disabled
    source 0.0.0.0/0
    translate-address enabled
    translate-port enabled
    vs-index 2"""
    assert changed("    ip-protocol tcp", quiet).notes == (
        "t.tmsh:28:1: `ltm profile tcp t` is not served",
    )


def test_ratios_and_what_people_take_out() -> None:
    text = TRAFFIC.replace("        /Common/192.168.1.1:8080 { address 192.168.1.1 }\n",
                           "        a:80 { address 10.0.0.1 ratio 3 session user-disabled }\n"
                           "        b:80 { ratio 2 state user-down }\n"
                           "        fd00::7.80 { address fd00::7 }\n")  # fmt: skip
    text = text.replace("    monitor /Common/slow", "    load-balancing-mode ratio-member")
    (pool,) = ltm.parse(f"{text}ltm node b {{ address 10.0.0.2 }}\n", "t.tmsh").pools
    assert pool.weighted
    assert [(m.name, str(m.address), m.ratio, m.enabled, m.forced_down) for m in pool.members] == [
        ("a:80", "10.0.0.1", 3, False, False),
        ("b:80", "10.0.0.2", 2, True, True),
        ("fd00::7.80", "fd00::7", 1, True, False),
        ("192.168.1.2:8080", "192.168.1.2", 1, True, False),
    ]


@pytest.mark.parametrize(
    ("rule", "names", "needed"),
    [
        ("slow and tcp", ["slow", "tcp"], 2),
        ("min 1 of { slow tcp icmp }", ["slow", "tcp", "icmp"], 1),
        ("none", [], 0),
    ],
)
def test_monitor_rules(rule: str, names: list[str], needed: int) -> None:
    (pool,) = changed("/Common/slow", rule).pools
    assert ([m.name for m in pool.monitors], pool.needed) == (names, needed)


def test_commands_edit_what_stands() -> None:
    text = TRAFFIC + (
        "modify ltm pool web members add { 10.0.0.9:80 { ratio 2 } }\n"
        "tmsh modify ltm pool web members modify { 192.168.1.1:8080 { session user-disabled } } "
        "monitor none\n"
        "create ltm pool other members add { 10.0.0.1:80 } monitor tcp\n"
        "modify ltm virtual vs pool other disabled\n"
        "delete ltm profile tcp t\n"
    )
    text = text.replace("/Common/192.168.1.1", "192.168.1.1")
    found = ltm.parse(text, "t.tmsh")
    web, other = found.pools
    assert [(m.name, m.enabled) for m in web.members] == [
        ("192.168.1.1:8080", False), ("192.168.1.2:8080", True), ("10.0.0.9:80", True),
    ]  # fmt: skip
    assert web.monitors == ()
    assert [m.name for m in other.members] == ["10.0.0.1:80"]
    assert (found.virtuals[0].pool, found.virtuals[0].enabled) == ("other", False)
    assert found.notes == ()


def test_a_receive_string_is_a_regular_expression() -> None:
    with pytest.raises(InputErrors, match=r"t\.tmsh:18:5: .*no regular expression"):
        changed('recv "200 OK"', 'recv "(200"')


def test_members_of_the_other_ip_version_get_nothing_and_a_note_says_so() -> None:
    notes = changed("/Common/10.99.99.100:http", "fd99::1.80").notes
    assert notes[-1] == (
        "t.tmsh:1:1: `ltm virtual vs`: 192.168.1.2:8080 of pool web gets nothing: "
        "no IPv4/IPv6 translation"
    )


def test_an_ipv6_virtual_on_a_self_ips_network_is_told(tmp_path: Path) -> None:
    lab = tmp_path / "vip"
    shutil.copytree(ROOT / "tests" / "lab" / "bigip" / "vip", lab)
    assert open_project(lab / "lab.yaml").design.notes == ()
    services = lab / "services.json"
    services.write_text(services.read_text().replace("fd99::100", "fd20::100"))
    (note,) = open_project(lab / "lab.yaml").design.notes
    assert note.startswith(f"{services}:")
    assert "answers no neighbor discovery" in note


RULE = """\
ltm rule redirect {
when HTTP_REQUEST {
  if { [HTTP::uri] starts_with "/a } { pool a }
    HTTP::redirect "https://[HTTP::host]"
}
}
"""


def test_an_irule_is_tcl_and_no_list_of_properties() -> None:
    found = ltm.parse(f"{RULE}{TRAFFIC}", "t.tmsh")
    assert [virtual.name for virtual in found.virtuals] == ["vs"]
    assert found.notes[0] == "t.tmsh:1:1: `ltm rule redirect` is not served"
    one_line = "ltm rule r { when HTTP_REQUEST { if { 1 } { reject } } }\n"
    assert len(ltm.parse(f"{one_line}{TRAFFIC}", "t.tmsh").virtuals) == 1
    with pytest.raises(InputErrors, match=r"t\.tmsh:1:1: the iRule is not closed"):
        ltm.parse(RULE.removesuffix("}\n"), "t.tmsh")


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ("w:80 { fqdn { name w.example.com } }", "a lab has no DNS"),
        ("10.0.0.1:any { address 10.0.0.1 }", "every port"),
    ],
)
def test_members_that_cannot_be_had_are_told(member: str, why: str) -> None:
    found = changed("        192.168.1.2:8080 { address 192.168.1.2 }", f"        {member}")
    assert len(found.pools[0].members) == 1
    assert found.notes[0].startswith("t.tmsh:10:9: `ltm pool web`, ")
    assert why in found.notes[0]


@pytest.mark.parametrize("line", ["ltm", "ltm pool", "ltm monitor http", "create ltm virtual"])
def test_an_object_without_a_name_is_told(line: str) -> None:
    with pytest.raises(InputErrors, match=r"t\.tmsh:1:\d+: an `ltm` object without a name"):
        ltm.parse(f"{line} {{ }}\n" if line.startswith("ltm") else f"{line}\n", "t.tmsh")


def test_a_shell_script_with_tmsh_commands() -> None:
    text = "tmsh -c 'create ltm pool p members add { 10.0.0.1:80 }'\n"
    text += "tmsh modify ltm pool p \\\n  monitor http\n"
    (pool,) = ltm.parse(text, "t.sh").pools
    assert ([m.port for m in pool.members], [m.name for m in pool.monitors]) == ([80], ["http"])
