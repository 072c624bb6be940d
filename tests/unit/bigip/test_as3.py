"""AS3 declarations: what they come to as tmsh objects, and what is reported by JSON path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from labgen.bigip import as3, ltm, tmsh_tree
from labgen.errors import InputError

DECLARATION: dict[str, Any] = {
    "class": "AS3",
    "action": "deploy",
    "persist": True,
    "declaration": {
        "class": "ADC",
        "schemaVersion": "3.0.0",
        "id": "1",
        "T": {
            "class": "Tenant",
            "A": {
                "class": "Application",
                "template": "http",
                "serviceMain": {
                    "class": "Service_HTTP",
                    "virtualAddresses": [{"use": "vip"}, "10.99.99.101"],
                    "pool": "web",
                    "profileMultiplex": {"bigip": "/Common/oneconnect"},
                },
                "vip": {
                    "class": "Service_Address",
                    "virtualAddress": "10.99.99.100",
                    "routeAdvertisement": "selective",
                    "icmpEcho": "disable",
                },
                "web": {
                    "class": "Pool",
                    "monitors": ["tcp", {"use": "probe"}],
                    "loadBalancingMode": "ratio-member",
                    "members": [
                        {"servicePort": 8080, "serverAddresses": ["192.168.1.1", "192.168.1.2"]},
                        {"servicePort": 81, "serverAddresses": ["192.168.1.3"], "ratio": 3,
                         "adminState": "disable", "priorityGroup": 2},
                    ],
                },
                "probe": {
                    "class": "Monitor", "monitorType": "http", "interval": 2, "timeout": 7,
                    "send": "GET / HTTP/1.1\r\nHost: \"x\"\r\n\r\n", "receive": "200",
                },
                "l4": {
                    "class": "Service_L4", "layer4": "udp", "virtualAddresses": ["10.99.99.102"],
                    "virtualPort": 53, "pool": "web", "snat": "none", "enable": False,
                },
                "tls": {"class": "TLS_Server", "certificates": []},
            },
        },
    },
}  # fmt: skip


def read(declaration: dict[str, Any]) -> tuple[as3.Declared, ltm.LocalTraffic]:
    declared = as3.read(json.dumps(declaration, indent=2), "d.json")
    tree = tmsh_tree.Tree({(i.component, i.name): i for i in declared.items})
    return declared, ltm.made(tree)


def test_a_declaration_becomes_the_objects_that_tmsh_lists() -> None:
    _, traffic = read(DECLARATION)
    assert [
        (v.name, str(v.address), v.port, v.protocol, v.pool, v.automap, v.enabled)
        for v in traffic.virtuals
    ] == [
        ("/T/A/serviceMain", "10.99.99.100", 80, "tcp", "/T/A/web", True, True),
        ("/T/A/serviceMain-1", "10.99.99.101", 80, "tcp", "/T/A/web", True, True),
        ("/T/A/l4", "10.99.99.102", 53, "udp", "/T/A/web", False, False),
    ]
    (pool,) = traffic.pools
    assert (pool.weighted, pool.needed) == (True, 1)  # AS3: minimumMonitors is 1
    assert [m.name for m in pool.monitors] == ["tcp", "/T/A/probe"]
    assert pool.monitors[1].send == 'GET / HTTP/1.1\\r\\nHost: \\"x\\"\\r\\n\\r\\n'
    assert [(m.name, m.ratio, m.enabled) for m in pool.members] == [
        ("192.168.1.1:8080", 1, True), ("192.168.1.2:8080", 1, True), ("192.168.1.3:81", 3, False),
    ]  # fmt: skip
    assert {str(a.address): a.advertisement for a in traffic.virtual_addresses} == {
        "10.99.99.100": "selective", "10.99.99.101": "disabled", "10.99.99.102": "disabled",
    }  # fmt: skip


def test_everything_else_is_reported_by_json_path() -> None:
    declared, _ = read(DECLARATION)
    told = {note.split(": ")[1] for note in declared.notes}
    assert told == {
        "/persist",
        "/declaration/T/A/serviceMain/profileMultiplex",
        "/declaration/T/A/serviceMain",  # cookie persistence by default
        "/declaration/T/A/vip/icmpEcho",
        "/declaration/T/A/web/members/1/priorityGroup",
        "/declaration/T/A/tls",
    }
    (line,) = [n for n in declared.notes if "/tls" in n]
    assert line.endswith("class `TLS_Server` is not served")
    assert line.startswith("d.json:")


def test_what_it_comes_to_reads_back_as_the_same() -> None:
    declared, traffic = read(DECLARATION)
    tree = tmsh_tree.Tree({(i.component, i.name): i for i in declared.items})
    again = ltm.parse(tree.text(), "again")
    assert [(p.name, p.members, p.monitors) for p in again.pools] == [
        (p.name, p.members, p.monitors) for p in traffic.pools
    ]
    assert [v.name for v in again.virtuals] == [v.name for v in traffic.virtuals]


@pytest.mark.parametrize(
    ("path", "value", "error"),
    [
        (("serviceMain", "pool"), "gone", "/declaration/T/A/serviceMain/pool: no Pool `gone`"),
        (("serviceMain", "virtualAddresses"), [], "`virtualAddresses` is missing"),
        (("serviceMain", "virtualAddresses"), "10.0.0.1", "must be a list"),
        (("serviceMain", "virtualAddresses"), ["10.0.0.999"], "not ADDRESS:PORT"),
        (("web", "members"), [{"serverAddresses": ["10.0.0.1"]}], "`servicePort` is missing"),
        (("web", "monitors"), ["gone"], "no Monitor `gone`"),
        (("probe", "interval"), "2", "must be a whole number"),
        (("probe", "interval"), 0, "not a number of seconds"),
        (("vip", "routeAdvertisement"), "sometimes", "is unknown"),
    ],
)
def test_mistakes_are_told_by_place(path: tuple[str, str], value: object, error: str) -> None:
    changed = json.loads(json.dumps(DECLARATION))
    changed["declaration"]["T"]["A"][path[0]][path[1]] = value
    with pytest.raises(InputError) as caught:
        read(changed)
    lines = str(caught.value).splitlines()
    assert any(error in line and line.startswith("d.json:") for line in lines), lines


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "d.json:1:1: "),
        ("{", "d.json:1:2: "),
        ('{"class": "AS3",\n "declaration": {"class": "ADC"', "d.json:2:"),
        ('{"a": 1, "a": 2}', "d.json:1:13: "),
        ("{\"a\": 'b'}", "d.json:1:7: "),
        ("[" * 100, "d.json:1:66: "),
        ("[]", "d.json:1:1: "),
        ('{"class": "Tenant"}', "d.json:1:1: "),
        ('{"a": "b\nc"}', "d.json:1:7: "),
        ("{} {}", "d.json:1:4: "),
    ],
)
def test_what_is_no_declaration_is_told_in_one_line(text: str, where: str) -> None:
    with pytest.raises(InputError) as caught:
        as3.read(text, "d.json")
    assert str(caught.value).startswith(where), str(caught.value)
    assert "\n" not in str(caught.value)
