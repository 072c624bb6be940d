"""imish without FRR: modes, prompts, refusals, and what FRR would be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from labgen.bigip import imish, running, zebos
from labgen.bigip.shell import Host, Shell
from labgen.errors import HostError, InputError

DATA = Path(__file__).parents[2] / "data" / "frr-8.4.4"
ANSWERS = {
    "show bgp ipv4 unicast summary json": "summary",
    "show bgp ipv4 unicast json": "bgp",
    "show bgp ipv6 unicast json": "bgp-ipv6",
    "show ip bgp detail json": "bgp-detail",
    "show bgp neighbors json": "neighbors",
    "show bgp neighbors 10.1.20.20 json": "neighbors",
    "show bgp neighbors 10.1.20.23 json": "neighbors",
    "show bgp neighbors 10.9.9.9 json": "neighbor-absent",
    "show bgp ipv4 unicast neighbors 10.1.20.20 routes json": "neighbor-routes",
    "show bgp ipv4 unicast neighbors 10.1.20.20 received-routes json": "neighbor-received",
    "show bgp ipv4 unicast neighbors 10.1.20.20 advertised-routes json": "neighbor-advertised",
    "show bgp ipv4 unicast neighbors 10.1.20.23 received-routes json": "neighbor-received-refused",
    "show bgp ipv4 unicast 192.168.221.192/26 json": "prefix",
    "show bgp ipv4 unicast 10.77.0.0/16 json": "prefix-absent",
    "show ip route bgp json": "route-bgp",
    "show ip route json": "route",
    "show ipv6 route json": "route-ipv6",
}
STARTUP = """\
router bgp 64512
 neighbor calico-k8s peer-group
 neighbor calico-k8s remote-as 64512
 neighbor 10.1.20.20 peer-group calico-k8s
"""


@dataclass
class RecordedFrr:
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    complaint: str = ""

    def ask(self, command: str) -> str:
        self.asked.append(command)
        if command.startswith("clear"):
            return ""
        return (DATA / f"{ANSWERS[command]}.json").read_text(encoding="utf-8")

    def configure(self, lines: str) -> str:
        self.told.append(lines)
        return self.complaint


@dataclass
class InMemory:
    startup_text: str = STARTUP
    running_text: str = ""

    def running(self) -> str:
        return self.running_text or self.startup_text

    def startup(self) -> str:
        return self.startup_text

    def save_running(self, text: str) -> None:
        self.running_text = text

    def save_startup(self, text: str) -> None:
        self.startup_text = text


@dataclass
class Lab:
    shell: Shell
    frr: RecordedFrr
    store: InMemory

    def type(self, *lines: str) -> str:
        return "".join(self.shell.line(line) for line in lines)


@pytest.fixture
def lab() -> Lab:
    frr, store = RecordedFrr(), InMemory()
    host = Host("bigip-1.lab.cloud", 0, {"internal": "eth1"})
    return Lab(Shell(host, frr, store), frr, store)


CONFIGURE = ("enable", "configure terminal")


def test_prompts_follow_the_mode(lab: Lab) -> None:
    seen = [lab.shell.prompt]
    for line in (
        *CONFIGURE,
        "router bgp 64512",
        "address-family ipv6",
        "exit",
        "route-map R permit 10",
        "end",
        "disable",
    ):
        assert lab.type(line) == ""
        seen.append(lab.shell.prompt)
    assert [prompt.removeprefix("bigip-1.lab.cloud[0]") for prompt in seen] == [
        ">",
        "#",
        "(config)#",
        "(config-router)#",
        "(config-router-af)#",
        "(config-router)#",
        "(config-route-map)#",
        "#",
        ">",
    ]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("show ip bgp neighbors", "BGP neighbor is 10.1.20.20, remote AS 64512"),
        ("sh ip bgp nei", "BGP neighbor is 10.1.20.20, remote AS 64512"),
        ("sh ip bgp nei 10.1.20.20", "  BGP state = Established, up for 00:00:36"),
        ("show ip bgp neighbors 10.1.20.20 routes", "*>i192.168.221.192/26"),
        ("show ip bgp neighbors 10.1.20.20 received-routes", "192.168.221.192/26"),
        ("show ip bgp neighbors 10.1.20.20 advertised-routes", "10.99.99.100/32"),
        ("show ip bgp neighbors 10.1.20.23 received-routes", "% Inbound soft reconfiguration"),
        ("show ip bgp neighbors 10.9.9.9", "% No such neighbor"),
        ("show ip bgp summary", "Total number of neighbors 5"),
        ("show bgp summary", "Total number of neighbors 5"),
        ("sh ip bgp", "Total number of prefixes 4"),
        ("show bgp ipv6", "fd00:50::/48"),
        ("show bgp ipv6 unicast", "fd00:50::/48"),
        ("show ip bgp 192.168.221.192/26", "best #1"),
        ("show ip bgp 10.77.0.0/16", "% Network not in table"),
        ("show ip route", "Codes: K - kernel"),
        ("sh ip ro bgp", "B       192.168.180.0/26 [200/0] via 10.1.20.21, internal, 00:00:37"),
        ("show ipv6 route", "Gateway of last resort is not set"),
        ("show running-config", "router bgp 64512\n neighbor calico-k8s peer-group\n"),
        ("show startup-config", "router bgp 64512\n neighbor calico-k8s peer-group\n"),
    ],
)
def test_show(lab: Lab, command: str, shown: str) -> None:
    assert shown in lab.type(command)


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        ("clear ip bgp *", "clear bgp *"),
        ("clear ip bgp 10.1.20.20 soft in", "clear bgp 10.1.20.20 soft in"),
        ("clear ip bgp 64512 soft", "clear bgp 64512 soft"),
        ("clear ip bgp peer-group calico-k8s", "clear bgp peer-group calico-k8s"),
        ("clear bgp ipv6 fd00::1", "clear bgp ipv6 unicast fd00::1"),
    ],
)
def test_clear(lab: Lab, command: str, asked: str) -> None:
    assert lab.type(command) == ""
    assert lab.frr.asked == [asked]


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("show foo", "     ^\n% Invalid input detected at '^' marker.\n\n"),
        ("frobnicate", "^\n% Invalid input detected at '^' marker.\n\n"),
        ("show ip", "% Incomplete command.\n\n"),
        ("show ip bgp neighbors 10.1.20", None),
        ("configure terminal", "^\n% Invalid input detected at '^' marker.\n\n"),
    ],
)
def test_what_is_not_understood(lab: Lab, line: str, printed: str | None) -> None:
    answer = lab.type(line)
    assert answer == printed if printed else "% Invalid input detected" in answer
    assert lab.frr.asked == []


def test_the_marker_stands_under_the_word_on_the_screen(lab: Lab) -> None:
    prompt = lab.shell.prompt
    marker = lab.shell.line("show foo", indent=len(prompt)).splitlines()[0]
    assert (prompt + "show foo")[marker.index("^")] == "f"


def test_configuration_in_configuration_mode_is_refused_by_word(lab: Lab) -> None:
    answer = lab.type(*CONFIGURE, "router bgp 64512", "neighbor 10.1.20.21 remote-az 5")
    assert answer == f"{' ' * 20}^\n% Invalid input detected at '^' marker.\n\n"
    assert lab.type("neighbor 10.1.20.21") == "% Incomplete command.\n\n"
    assert lab.frr.told == [""]


def test_a_statement_goes_to_frr_translated_and_alone(lab: Lab) -> None:
    lab.type(*CONFIGURE, "router bgp 64512", "max-paths ebgp 2")
    assert lab.frr.told[-1] == (
        "router bgp 64512\naddress-family ipv4 unicast\nno maximum-paths 1\n"
        "exit-address-family\nexit\n"
        "router bgp 64512\naddress-family ipv4 unicast\nmaximum-paths 2\n"
        "exit-address-family\nexit\n"
    )


def test_a_changed_value_is_not_taken_back_first(lab: Lab) -> None:
    lab.type(*CONFIGURE, "router bgp 64512", "neighbor calico-k8s timers 10 30")
    lab.type("neighbor calico-k8s timers 20 60")
    assert lab.frr.told[-1] == "router bgp 64512\nneighbor calico-k8s timers 20 60\nexit\n"


def test_a_neighbor_goes_with_one_line(lab: Lab) -> None:
    lab.type(*CONFIGURE, "router bgp 64512", "neighbor 10.1.20.21 remote-as 64999")
    assert "neighbor 10.1.20.21 remote-as 64999\n" in lab.frr.told[-1]
    lab.type("no neighbor 10.1.20.21")
    assert "no neighbor 10.1.20.21 remote-as 64999\n" in lab.frr.told[-1]
    assert lab.frr.told[-1].count("no neighbor") == 1
    assert "10.1.20.21" not in lab.type("do show running-config")


def test_the_whole_instance_goes_with_one_line(lab: Lab) -> None:
    lab.type(*CONFIGURE, "no router bgp 64512")
    told = lab.frr.told[-1].splitlines()
    assert "no router bgp 64512" in told
    assert not any("neighbor" in line for line in told)


def test_frr_hears_of_a_route_map_before_it_is_used(lab: Lab) -> None:
    """FRR would warn: a route map may be named before it is defined."""
    lab.type(*CONFIGURE, "router bgp 64512", "neighbor calico-k8s route-map later in")
    told = lab.frr.told[-1].splitlines()
    assert told.index("route-map later deny 65535") < told.index(
        "neighbor calico-k8s route-map later in"
    )
    lab.type("route-map later permit 10")
    assert lab.frr.told[-1].splitlines() == [
        "no route-map later deny 65535",
        "route-map later permit 10",
        "exit",
    ]


def test_what_frr_refuses_is_not_stored(lab: Lab) -> None:
    lab.type(*CONFIGURE, "router bgp 64512")
    lab.frr.complaint = "line 2: % Can not configure the local system as neighbor"
    assert lab.type("neighbor 10.1.20.29 remote-as 7").startswith("% line 2")
    assert "10.1.20.29" not in lab.store.running()
    assert "no neighbor 10.1.20.29 remote-as 7" in lab.frr.told[-1]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("neighbor 10.1.20.29 description x", "% The neighbor 10.1.20.29 has no remote-as"),
        ("neighbor 10.1.20.29 peer-group nope", "% The peer group `nope` is not defined"),
        ("router bgp 64513", "% A second `router bgp 64513`"),
        ("synchronization", "% `synchronization` cannot be honoured"),
        ("neighbor calico-k8s update-source external", "% The VLAN `external` has no interface"),
    ],
)
def test_what_contradicts_is_refused_in_one_line(lab: Lab, line: str, answer: str) -> None:
    lab.type(*CONFIGURE, "router bgp 64512")
    before = lab.store.running()
    assert lab.type(line).startswith(answer)
    assert lab.store.running() == before


def test_what_has_no_effect_says_so(lab: Lab) -> None:
    answer = lab.type(*CONFIGURE, "router bgp 64512", "neighbor calico-k8s version 4")
    assert answer == ("% Stored, without effect in the stand-in: FRR speaks version 4 only\n")
    assert " neighbor calico-k8s version 4\n" in lab.store.running()


def test_write_keeps_what_stands(lab: Lab) -> None:
    lab.type(*CONFIGURE, "router bgp 64512", "neighbor 10.1.20.21 peer-group calico-k8s")
    assert "10.1.20.21" not in lab.store.startup()
    assert lab.type("end", "write") == "Building configuration...\n[OK]\n"
    assert " neighbor 10.1.20.21 peer-group calico-k8s\n" in lab.store.startup()


def test_an_empty_configuration_prints_what_a_bigip_prints() -> None:
    shell = Shell(Host("host"), RecordedFrr(), InMemory(""))
    text = shell.line("show running-config")
    assert text.startswith("!\nno service password-encryption\n!\n")
    assert text.endswith("!\nline con 0\n login\nline vty 0 39\n login\n!\nend\n")


@pytest.mark.parametrize(
    "path",
    sorted((DATA.parent / "zebos").glob("*[!l]")),
    ids=lambda p: p.name,
)
def test_running_config_reads_back_as_the_same_configuration(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first = Shell(Host("h"), RecordedFrr(), InMemory(text)).line("show running-config")
    second = Shell(Host("h"), RecordedFrr(), InMemory(first)).line("show running-config")
    assert second == first

    def identities(text: str) -> set[object]:
        standing = running.apply(zebos.parse(text, "t").statements).standing
        return {(s.identity, s.negated) for s in standing}

    assert identities(text) <= identities(first)


def test_what_follows_an_interface_is_not_swallowed_by_it() -> None:
    text = "interface internal\nip route 10.9.0.0/16 null0\nip prefix-list P permit any\n"
    shell = Shell(Host("h"), RecordedFrr(), InMemory(text))
    shown = shell.line("show running-config")
    assert "interface internal\n!\n" in shown
    assert "\nip route 10.9.0.0/16 null0\n" in shown
    assert "\nip prefix-list P permit any\n" in shown


def test_modifiers(lab: Lab) -> None:
    assert lab.type("show ip bgp summary | include 10.1.20.22").count("\n") == 1
    assert lab.type("show ip bgp summary | begin Total") == "Total number of neighbors 5\n"
    assert "Total" not in lab.type("show ip bgp summary | exclude Total")


def test_a_bar_in_a_statement_is_part_of_it(lab: Lab) -> None:
    lab.type(*CONFIGURE, "ip as-path access-list a permit (1|2)")
    assert "ip as-path access-list a permit (1|2)\n" in lab.store.running()


def test_passwords_go_to_frr_and_to_the_root_only_file(lab: Lab) -> None:
    lab.type(*CONFIGURE, "router bgp 64512", "neighbor calico-k8s password open-sesame")
    assert "neighbor calico-k8s password open-sesame\n" in lab.frr.told[-1]
    assert "open-sesame" in lab.store.running()
    assert "open-sesame" not in lab.type("neighbor calico-k8s password open-sesame extra")


def test_interactive_session_ends_with_exit_or_end_of_input(lab: Lab) -> None:
    typed = iter(["enable", "show foo", "exit", "never read"])
    said: list[str] = []
    imish.interact(lab.shell, lambda _: next(typed), said.append)
    assert next(typed) == "never read"
    assert "% Invalid input" in "".join(said)

    def nothing(_: str) -> str:
        raise EOFError

    lab.shell.closed = False
    imish.interact(lab.shell, nothing, said.append)
    assert said[-1] == "\n"


def test_batch_keeps_its_mode_and_is_privileged(lab: Lab) -> None:
    said: list[str] = []
    commands = ["configure terminal", "router bgp 64512", "max-paths ibgp 2", "end", "write"]
    imish.batch(lab.shell, commands, said.append)
    assert "".join(said) == "Building configuration...\n[OK]\n"
    assert " max-paths ibgp 2\n" in lab.store.startup()


def test_files_are_written_whole_and_for_root_alone(tmp_path: Path) -> None:
    files = imish.Files(3, tmp_path / "config", tmp_path / "run", tmp_path / "given")
    assert files.running() == ""
    (tmp_path / "given").write_text("zero\n")
    assert files.running() == "zero\n"
    files.save_startup("one\n")
    assert files.running() == "one\n"
    files.save_running("two\n")
    assert (files.running(), files.startup()) == ("two\n", "one\n")
    kept = tmp_path / "config" / "rd3" / "ZebOS.conf"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in kept.parent.iterdir()] == ["ZebOS.conf"]


def test_vtysh_gets_configuration_on_standard_input() -> None:
    calls: list[tuple[tuple[str, ...], str]] = []

    def run(argv: object, text: str) -> tuple[int, str, str]:
        assert isinstance(argv, tuple)
        calls.append((argv, text))
        return (0, "Graceful restart configuration changed, reset all peers\n", "")

    assert imish.Vtysh(run).configure("neighbor X password open-sesame\n") == ""
    assert calls == [(("vtysh", "-f", "/dev/stdin"), "neighbor X password open-sesame\n")]


def test_frr_that_is_down_is_one_line() -> None:
    vtysh = imish.Vtysh(lambda *_: (1, "", "Exiting: failed to connect to any daemons.\n"))
    with pytest.raises(HostError, match="FRR does not run"):
        vtysh.ask("show ip bgp json")


def test_vlans_from_the_environment() -> None:
    assert dict(imish.vlans("internal=eth1,external=eth2")) == {
        "internal": "eth1",
        "external": "eth2",
    }
    with pytest.raises(InputError, match="is not VLAN=INTERFACE"):
        imish.vlans("internal")


@pytest.mark.parametrize(
    ("mode", "line", "some", "none"),
    [
        ((), "?", ["show", "clear", "enable"], ["router"]),
        ((), "sh?", ["show"], ["clear"]),
        ((), "show ip bgp ?", ["summary", "neighbors", "<cr>"], ["route"]),
        ((), "show ip bgp neighbors ?", ["an IP address", "<cr>"], []),
        (CONFIGURE, "?", ["router", "route-map", "ip", "end"], ["summary"]),
        ((*CONFIGURE, "router bgp 64512"), "neighbor calico-k8s ?", ["remote-as", "timers"], []),
        ((*CONFIGURE, "router bgp 64512"), "no neighbor calico-k8s pa?", ["password", "passive"],
         ["port"]),
    ],
)  # fmt: skip
def test_a_question_mark_lists_what_may_come(
    mode: tuple[str, ...], line: str, some: list[str], none: list[str], lab: Lab
) -> None:
    for before in mode:
        lab.type(before)
    told = [shown.strip() for shown in lab.type(line).splitlines()]
    assert set(some) <= set(told)
    assert not set(none) & set(told)


def test_a_question_that_nothing_answers(lab: Lab) -> None:
    assert lab.type("show nonsense ?").endswith("% Invalid input detected at '^' marker.\n\n")


def test_a_session_in_its_shortest_words(lab: Lab) -> None:
    shell = Shell(Host("host"), lab.frr, lab.store)
    for typed, prompt in (
        ("en", "host[0]#"), ("conf t", "host[0](config)#"),
        ("rou bgp 64512", "host[0](config-router)#"), ("ex", "host[0](config)#"),
        ("end", "host[0]#"),
    ):  # fmt: skip
        assert shell.line(typed) == ""
        assert shell.prompt == prompt
    assert shell.line("conf") == "% Incomplete command.\n\n"
    assert shell.line("wr") == "Building configuration...\n[OK]\n"
