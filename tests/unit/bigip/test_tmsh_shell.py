"""tmsh without a stand-in: lists, shows, changes and refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from labgen.bigip import tmsh_cli
from labgen.bigip.tmsh_list import MemberStatus, Status
from labgen.bigip.tmsh_shell import Network, Refused, Tmsh
from labgen.errors import InputError

DATA = Path(__file__).parents[2] / "data" / "frr-8.4.4"
GIVEN = """\
ltm monitor http web_http { defaults-from http interval 2 timeout 7
    send "GET /\\r\\n" recv "200 OK" }
ltm pool web {
    members {
        192.168.1.1:8080 { address 192.168.1.1 }
        /Common/192.168.1.2:8080 { address 192.168.1.2 }
    }
    monitor web_http
}
ltm pool idle { }
ltm virtual vs_web { destination 10.99.99.100:80 ip-protocol tcp pool web
    source-address-translation { type automap } }
net vlan internal { interfaces { 1.1 { } } tag 10 }
net self internal-self { address 10.1.20.5/24 allow-service { default tcp:179 } vlan internal }
net self internal-float { address 10.1.20.7/24 floating enabled traffic-group traffic-group-1
    vlan internal }
net route far { network 10.50.0.0/16 gw 10.1.20.1 }
net route-domain 0 { id 0 routing-protocol { BGP } vlans { internal } }
"""


@dataclass
class Recorded:
    """A stand-in that notes what it is told."""

    given: str = GIVEN
    states: tuple[str, str] = ("up", "down")
    networks: list[tuple[Network, Network]] = field(default_factory=list)
    served: list[dict[str, Any]] = field(default_factory=list)
    saved: str = ""
    asked: list[Sequence[str]] = field(default_factory=list)

    def text(self) -> str:
        return self.given

    def save_text(self, text: str) -> None:
        self.given = text

    def status(self) -> Status:
        members = tuple(
            MemberStatus(f"192.168.1.{n}:8080", f"192.168.1.{n}", 8080, state, True, f"m_{n}")
            for n, state in enumerate(self.states, 1)
        )
        word = "available" if "up" in self.states else "offline"
        return Status({"web": members}, {"vs_web": (word, 1)})

    def counters(self) -> Mapping[str, int]:
        return {"v_1": 12, "m_1_v1": 7, "m_2_v1": 5, "m_2_v3": 1}

    def rib(self) -> tuple[str, ...]:
        return tuple((DATA / f"{name}.json").read_text() for name in ("route", "route-ipv6"))

    def serve(self, document: str) -> None:
        self.served.append(json.loads(document))

    def network(self, before: Network, after: Network) -> None:
        self.networks.append((before, after))

    def save_config(self, text: str) -> Sequence[str]:
        self.saved = text
        return ("/config/bigip.conf",)

    def saved_config(self) -> str:
        return self.saved or GIVEN

    def failover(self) -> tuple[str, int]:
        return "active", 90061

    def imish(self, argv: Sequence[str]) -> str:
        self.asked.append(argv)
        return "said\n"


@pytest.fixture
def system() -> Recorded:
    return Recorded()


@pytest.fixture
def shell(system: Recorded) -> Tmsh:
    return Tmsh("bigip-1", system, {"internal": "eth1"})


def test_a_pool_is_listed_as_tmos_does(shell: Tmsh) -> None:
    assert (
        shell.line("list ltm pool web")
        == """\
ltm pool web {
    members {
        192.168.1.1:webcache {
            address 192.168.1.1
            session monitor-enabled
            state up
        }
        /Common/192.168.1.2:webcache {
            address 192.168.1.2
            session monitor-enabled
            state down
        }
    }
    monitor web_http
}
""".replace("/Common/192", "192")
    )


def test_one_line_and_one_property(shell: Tmsh) -> None:
    assert shell.line("list ltm virtual one-line") == (
        "ltm virtual vs_web { destination 10.99.99.100:http ip-protocol tcp pool web "
        "source-address-translation { type automap } }\n"
    )
    assert (
        shell.line("list net self internal-self allow-service")
        == """\
net self internal-self {
    allow-service {
        default
        tcp:bgp
    }
}
"""
    )
    assert shell.line("list net self allow-service one-line") == (
        "net self internal-float { allow-service none }\n"
        "net self internal-self { allow-service { default tcp:bgp } }\n"
    )


def test_what_tmos_makes_by_itself_is_listed(shell: Tmsh) -> None:
    assert shell.line("list ltm node one-line") == (
        "ltm node 192.168.1.1 { address 192.168.1.1 }\n"
        "ltm node 192.168.1.2 { address 192.168.1.2 }\n"
    )
    assert shell.line("list ltm virtual-address one-line") == (
        "ltm virtual-address 10.99.99.100 { address 10.99.99.100 }\n"
    )


def test_everything_that_is_listed_reads_back(shell: Tmsh, system: Recorded) -> None:
    listed = shell.line("list")
    for component in ("ltm virtual", "ltm pool", "ltm monitor http", "net self", "net vlan",
                      "net route", "net route-domain"):  # fmt: skip
        assert f"{component} " in listed
    system.given = listed
    assert shell.line("list") == listed
    assert shell.line("show running-config net self") == shell.line("list net self")


def test_pools_and_members_are_shown_with_what_was_measured(shell: Tmsh, system: Recorded) -> None:
    text = shell.line("show ltm pool web members")
    for line in (
        "Ltm::Pool: web",
        "  Availability : available",
        "  Reason       : The pool is available",
        "  Monitor      : web_http",
        "  Current Active Members : 1",
        "       Available Members : 1",
        "           Total Members : 2",
        "  Total Connections                     13",
        "  | Ltm::Pool Member: 192.168.1.2:8080",
        "  |   Availability   : offline",
        "  |   Reason         : Pool member has been marked down by a monitor",
        "  |   Total Connections                  6",
    ):
        assert line in text.splitlines(), line
    assert "Member: 192" not in shell.line("show ltm pool")
    system.states = ("down", "down")
    assert "The children pool member(s) are down" in shell.line("show ltm pool web")
    virtual = shell.line("show ltm virtual vs_web").splitlines()
    assert "  Availability     : offline" in virtual
    assert "  Destination      : 10.99.99.100:80" in virtual
    assert "  Total Connections                     12" in virtual
    assert "Ltm::Node: 192.168.1.1 (192.168.1.1)" in shell.line("show ltm node").splitlines()


def test_routes_failover_and_imish(shell: Tmsh, system: Recorded) -> None:
    routes = shell.line("show net route").splitlines()
    assert "Net::Routes" in routes
    (row,) = [line.split() for line in routes if line.startswith("192.168.221.192/26")]
    assert row[2:] == ["gw", "10.1.20.20", "dynamic"]
    assert any(
        line.split()[2:] == ["interface", "/Common/internal", "connected"] for line in routes
    )
    assert shell.line("show sys failover") == "Failover active for 1d 01:01:01\n"
    assert shell.line("run util imish -r 0 -e 'show ip bgp'") == "said\n"
    assert system.asked == [["-r", "0", "-e", "show ip bgp"]]


def test_changes_go_through_the_same_reading(shell: Tmsh, system: Recorded) -> None:
    assert shell.line("create ltm monitor tcp quick interval 1 timeout 4") == ""
    shell.line("create ltm pool p members add { 10.0.0.1:80 { ratio 3 } } monitor quick")
    shell.line(
        "modify ltm pool web members modify { 192.168.1.2:webcache { session user-disabled } }"
    )
    shell.line("modify ltm pool web members add { 192.168.1.3:http } load-balancing-mode "
               "ratio-member")  # fmt: skip
    shell.line("modify ltm virtual vs_web pool p disabled")
    shell.line("modify ltm virtual-address 10.99.99.100 route-advertisement selective")
    now = system.served[-1]
    assert now["pools"]["p"]["monitors"][0]["interval"] == 1
    assert [(m["name"], m["enabled"]) for m in now["pools"]["web"]["members"]] == [
        ("192.168.1.1:8080", True), ("192.168.1.2:8080", False), ("192.168.1.3:80", True),
    ]  # fmt: skip
    assert now["pools"]["web"]["weighted"]
    assert (now["virtuals"][0]["pool"], now["virtuals"][0]["enabled"]) == ("p", False)
    assert now["addresses"]["10.99.99.100"]["advertisement"] == "selective"
    assert now["snat"] == [{"interface": "eth1", "address": "10.1.20.7"}]
    shell.line("modify ltm virtual vs_web enabled pool web")
    shell.line("delete ltm pool p")
    assert "p" not in system.served[-1]["pools"]


def test_self_ips_and_routes_reach_the_kernel(shell: Tmsh, system: Recorded) -> None:
    shell.line("modify net self internal-self allow-service delete { tcp:179 }")
    before, after = system.networks[-1]
    assert before.lockdown != after.lockdown
    assert before.addresses == after.addresses == {("eth1", "10.1.20.5/24")}
    shell.line("create net self second address 10.1.20.8/24 vlan internal allow-service all")
    shell.line("create net route r network 10.60.0.0/16 gw 10.1.20.9")
    shell.line("delete net route far")
    _, after = system.networks[-1]
    assert ("eth1", "10.1.20.8/24") in after.addresses
    assert after.routes == {("10.60.0.0/16", "10.1.20.9")}


def test_save_and_load(shell: Tmsh, system: Recorded) -> None:
    shell.line("delete net route far")
    assert shell.line("save sys config") == (
        "Saving running configuration...\n  /config/bigip.conf\n"
    )
    assert "net route far" not in system.saved
    shell.line("create net route far network 10.50.0.0/16 gw 10.1.20.1")
    shell.line("load sys config")
    assert "far" not in shell.line("list net route")


@pytest.mark.parametrize(
    ("line", "refusal"),
    [
        ("frobnicate", 'Syntax Error: unexpected argument "frobnicate"'),
        ("list ltm frob", 'Syntax Error: unexpected argument "frob"'),
        ("list sys db", 'Syntax Error: unexpected argument "sys"'),
        ("list ltm pool gone", "01020036:3: The requested Pool (/Common/gone) was not found."),
        ("show ltm virtual gone",
         "01020036:3: The requested Virtual Server (/Common/gone) was not found."),
        ("modify ltm pool gone monitor none",
         "01020036:3: The requested Pool (/Common/gone) was not found."),
        ("create ltm pool web", "01020066:3: The requested Pool (/Common/web) already exists in "),
        ("delete ltm pool web", "01070265:3: The Pool (/Common/web) cannot be deleted because it"),
        ("delete ltm monitor http web_http",
         "01070265:3: The monitor rule (/Common/web_http) cannot be deleted because it is in use "),
        ("modify ltm virtual vs_web pool gone",
         "01020036:3: The requested Pool (/Common/gone) was not found."),
        ("create net self x address 10.1.1.1/24 vlan gone",
         "01020036:3: The requested VLAN (/Common/gone) was not found."),
        ("modify ltm pool web members add { 10.0.0.1 }",
         "Data Input Error: `10.0.0.1` is not ADDRESS:PORT"),
        ("modify ltm pool web members modify { 10.0.0.1:80 { ratio 2 } }",
         "Data Input Error: members: no `10.0.0.1:80` to modify"),
        ("modify ltm pool web members add { 10.0.0.1:80", "Syntax Error: `{` is not closed"),
        ("modify net self internal-self allow-service add { tcp }",
         "Data Input Error: `tcp` is not PROTOCOL:PORT"),
        ("create ltm pool", "Syntax Error: an `ltm` object without a name"),
        ("modify net self internal-float address 10.1.20.9/24",
         "floating self-IPs are changed in the lab's own files"),
        ("create net vlan v interfaces add { 1.9 }",
         "the stand-in's tmsh does not change `net vlan`"),
        ("run sys failover standby",
         "the other unit would not hear of it: `labgen bigip failover LAB`"),
    ],
)  # fmt: skip
def test_refusals(line: str, refusal: str, shell: Tmsh, system: Recorded) -> None:
    with pytest.raises(Refused) as caught:
        shell.line(line)
    assert str(caught.value).startswith(refusal)
    assert system.given == GIVEN
    assert not system.served, "nothing changes where a command is refused"


def test_the_prompt_and_the_end(shell: Tmsh) -> None:
    assert shell.prompt == "root@(bigip-1)(cfg-sync Standalone)(Active)(/Common)(tmos)# "
    assert shell.line("quit") == ""
    assert shell.closed


def test_batch_ends_with_the_first_refusal(shell: Tmsh) -> None:
    heard: list[tuple[str, bool]] = []
    lines = ["list ltm node 192.168.1.1 one-line", "frob", "list net vlan"]
    assert not tmsh_cli.batch(shell, lines, lambda text, good: heard.append((text, good)))
    assert [good for _, good in heard] == [True, False]


def test_a_block_may_take_several_lines(shell: Tmsh, system: Recorded) -> None:
    given = iter(["create ltm pool p members add {", "10.0.0.1:80", "} monitor tcp", "quit"])
    tmsh_cli.interact(shell, lambda _: next(given), lambda *_: None)
    assert [m["port"] for m in system.served[-1]["pools"]["p"]["members"]] == [80]


def test_the_container_around_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tmsh reads there, and what it has done."""
    told: list[Sequence[str]] = []
    (tmp_path / "given").write_text(GIVEN)
    for name in ("RUNNING", "SAVED", "STATUS", "LTM_CONFIG", "FAILOVER"):
        monkeypatch.setattr(tmsh_cli, name, tmp_path / name)
    monkeypatch.setattr(tmsh_cli, "GIVEN", tmp_path / "given")

    def runner(argv: Sequence[str], _text: str) -> tuple[int, str, str]:
        told.append(argv)
        if argv[0] == "nft" and "list" in argv:
            counter = {"counter": {"name": "v_1", "packets": 3, "bytes": 180}}
            return 0, json.dumps({"nftables": [{"metainfo": {}}, counter]}), ""
        return 0, "", ""

    system = tmsh_cli.StandIn(runner)
    assert system.status() == Status()
    assert system.counters() == {"v_1": 3}
    shell = Tmsh("b", system, {"internal": "eth1"})
    shell.line("create net route r network 10.60.0.0/16 gw 10.1.20.9")
    assert ("ip", "route", "replace", "10.60.0.0/16", "via", "10.1.20.9") in told
    assert "net route r" in (tmp_path / "RUNNING").read_text()
    assert json.loads((tmp_path / "LTM_CONFIG").read_text())["virtuals"][0]["name"] == "vs_web"
    assert shell.line("save sys config").startswith("Saving")
    (tmp_path / "FAILOVER").write_text("standby\n")
    assert system.failover()[0] == "standby"


def test_bad_environment_is_one_line(capsys: pytest.CaptureFixture[str],
                                     monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setenv("LABGEN_VLANS", "internal")
    assert tmsh_cli.main(["list"]) == InputError.exit_code
    assert capsys.readouterr().err.count("\n") == 1
