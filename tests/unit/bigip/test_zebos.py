"""ZebOS text as it really arrives: pasted, cut off, with prompts, from Windows, from YAML."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labgen.bigip import running, source, zebos
from labgen.bigip.translate import translate
from labgen.errors import InputError, InputErrors

DATA = Path(__file__).parents[2] / "data" / "zebos"
PLAIN = """\
router bgp 64512
 neighbor G peer-group
 neighbor G remote-as 64512
 neighbor 10.0.0.1 peer-group G
"""


def meaning(text: str) -> list[str]:
    return [s.text() for s in running.apply(zebos.parse(text, "t").statements).standing]


def complaints(text: str) -> list[str]:
    """What is wrong with a text, line by line; anything but an InputError fails the test."""
    try:
        translate(zebos.parse(text, "t"))
    except InputError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.replace(" ", "\t"),
        "\ufeff" + PLAIN,
        PLAIN.replace(" neighbor", "neighbor"),
        PLAIN.replace("\n", "   \n\n"),
        "!\n! kept by the network team\n" + PLAIN + "!\nend\n",
        PLAIN.replace("neighbor", "NEIGHBOR").replace("peer-group", "Peer-Group"),
        PLAIN.replace("neighbor", "nei").replace("remote-as", "rem").replace("peer-group", "peer"),
        PLAIN.upper().replace("10.0.0.1 PEER-GROUP G", "10.0.0.1 peer-group G"),
    ],
    ids=["crlf", "cr", "tabs", "bom", "flat", "blank", "comments", "case", "short", "upper"],
)
def test_the_same_text_in_other_clothes(text: str) -> None:
    assert meaning(text) == meaning(PLAIN)


PASTED = """\
Last login: Tue Nov  3 20:45:29 2020 from 10.1.1.4
[root@bigip-1:Active:Standalone] config # imish
bigip-1.lab.cloud[0]>enable
bigip-1.lab.cloud[0]#show ip bgp summary
BGP router identifier 10.1.20.5, local AS number 64512
neighbor 10.9.9.9 remote-as 1
bigip-1.lab.cloud[0]#config terminal
bigip-1.lab.cloud[0](config)#router bgp 64512
bigip-1.lab.cloud[0](config-router)#neighbor G peer-group
bigip-1.lab.cloud[0](config-router)#neighbor G remote-as 64512
bigip-1.lab.cloud[0](config-router)#neighbor 10.0.0.1 peer-group G
bigip-1.lab.cloud[0](config-router)#write
Building configuration...
[OK]
bigip-1.lab.cloud[0](config-router)#end
bigip-1.lab.cloud[0]#
"""


def test_a_terminal_with_prompts_and_output() -> None:
    config = zebos.parse(PASTED, "t")
    assert meaning(PASTED) == meaning(PLAIN)
    reasons = {r.mark.line: r.reason for r in config.remarks}
    assert reasons[6] == "output of `show ip bgp summary`"
    assert set(reasons) | {s.mark.line for s in config.statements} == set(range(1, 16))


_ERASED = "\b" * 10 + " " * 10 + "\b" * 10


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\x1b[K\r\n").replace("router", "\x1b[1;32mrouter\x1b[0m"),
        "".join(f" --More-- {_ERASED}{line}\n" for line in PLAIN.splitlines()),
        "".join(f"--More--      {line}\n" for line in PLAIN.splitlines()),
        "".join(f"--More--\r         \r{line}\n" for line in PLAIN.splitlines()),
        PLAIN.replace("\n", "\n---(less 42%)---\n") + "(END)\n",
        f"en\nconf t\n{PLAIN}end\nwr\n",
        "b.lab[0]#conf t\nEnter configuration commands, one per line.  End with CNTL/Z.\n"
        + "".join(f"\x1b[0;1mb.lab[0](config)#\x1b[0m{line}\n" for line in PLAIN.splitlines())
        + "b.lab[0](config)#^Z\n",
    ],
    ids=["colours", "erased", "blanks", "returns", "less", "short", "recorded"],
)
def test_what_a_terminal_showed_besides(text: str) -> None:
    assert meaning(text) == meaning(PLAIN)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("neighbor 10.1.1.1%101 remote-as 65000",
         "t:2:10: `10.1.1.1%101`: an address of ZebOS carries no route domain (`imish -r 101` is"),
        ("tmsh modify net self x allow-service all",
         "t:2:1: unknown command `tmsh modify net self x allow-service all` (a tmsh command"),
    ],
)  # fmt: skip
def test_what_belongs_elsewhere_is_told_so(line: str, complaint: str) -> None:
    (told,) = complaints(f"router bgp 1\n{line}\n")
    assert told.startswith(complaint)


def test_show_running_config_pasted_with_its_command() -> None:
    text = f"bigip-1[0]#show running-config\n!\n{PLAIN}!\nend\nbigip-1[0]#exit\n"
    assert meaning(text) == meaning(PLAIN)


def test_columns_count_what_is_on_the_line() -> None:
    text = "bigip-1[0](config)#router bgp 64512\nbigip-1[0](config-router)#\tneighbor 10.0.0 x\n"
    with pytest.raises(InputErrors) as error:
        zebos.parse(text, "t")
    [problem] = error.value.problems
    assert problem.mark is not None
    line = text.splitlines()[problem.mark.line - 1]
    assert line[problem.mark.column - 1 :].startswith("10.0.0 x")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("frobnicate the network\n", "t:1:1: unknown command `frobnicate the network`"),
        ("router bgp 0\n", "t:1:12: unknown command `router bgp 0`: `0` is not understood (exp"),
        ("router bgp 4294967296\n", "expected an AS number"),
        ("router bgp\n", "t:1:11: `router bgp` is not complete (expected an AS number"),
        (PLAIN + " neighbor 10.0.0.256 remote-as 1\n", "t:5:11: "),
        (PLAIN + " neighbor 10.0.0.1 timers 10\n", "is not complete (expected a number from 0"),
        (PLAIN + " neighbor 10.0.0.1 shutdown now\n", "`now` is not understood"),
        (PLAIN + " network 10.0.0.0/33\n", "`10.0.0.0/33` is not understood"),
        (PLAIN + " neighbor 10.0.0.1 a\n", "may mean"),
        ("ip route 10.0.0.0/8 null0 256\n", "t:1:27: "),
        ("ip prefix-list P permit fd00::/8\n", "t:1:25: "),
        ("router bgp 1\nrouter bgp 2\n", "t:2:1: a second `router bgp 2` beside AS 1"),
        ("ip route 10.0.0.0 255.0.255.0 10.0.0.1\n", "t:1:1: not a prefix"),
        ("router bgp 64512\n\x00\x01\n", "control character"),
    ],
)  # fmt: skip
def test_bad_lines(text: str, complaint: str) -> None:
    with pytest.raises(InputErrors) as error:
        translate(zebos.parse(text, "t"))
    assert complaint in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_all_bad_lines_are_told_at_once() -> None:
    with pytest.raises(InputErrors) as error:
        zebos.parse("nonsense one\n" + PLAIN + "nonsense two\n", "t")
    assert [str(p)[:6] for p in error.value.problems] == ["t:1:1:", "t:6:1:"]


def test_a_password_in_a_bad_line_stays_secret() -> None:
    with pytest.raises(InputErrors) as error:
        zebos.parse("routr bgp 1\nneighbor 10.0.0.1 password open-sesame\n", "t")
    assert "open-sesame" not in str(error.value)


@pytest.mark.parametrize("path", sorted(DATA.glob("*[!l]")), ids=lambda p: p.name)
def test_a_file_cut_off_anywhere_is_read_or_reported(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for end in range(0, len(text), 23):
        assert all(line.startswith("t:") for line in complaints(text[:end]))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_any_text_is_read_or_reported(text: str) -> None:
    assert all(line.startswith("t:") for line in complaints(text))


_WORDS = st.sampled_from(
    [
        "router",
        "bgp",
        "64512",
        "neighbor",
        "10.0.0.1",
        "G",
        "peer-group",
        "remote-as",
        "no",
        "ip",
        "route",
        "10.0.0.0/8",
        "null0",
        "address-family",
        "ipv6",
        "exit",
        "end",
        "route-map",
        "R",
        "permit",
        "10",
        "match",
        "set",
        "interface",
        "lo",
        "password",
        "x",
        "prefix-list",
        "P",
        "seq",
        "5",
        "any",
        "network",
        "redistribute",
        "kernel",
        "max-paths",
        "ebgp",
        "2",
        "timers",
        "30",
        "90",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(_WORDS, min_size=1, max_size=6).map(" ".join), max_size=12))
def test_any_lines_of_known_words_are_read_or_reported(lines: list[str]) -> None:
    assert all(line.startswith("t:") for line in complaints("\n".join(lines)))


def test_a_configmap_counts_the_lines_of_its_own_file(tmp_path: Path) -> None:
    path = tmp_path / "configmap.yaml"
    path.write_text(
        "apiVersion: v1\nkind: ConfigMap\ndata:\n  ZebOS.conf: |\n    router bgp 1\n    nonsense\n"
    )
    with pytest.raises(InputErrors) as error:
        source.read(path, shown="c.yaml")
    assert str(error.value).startswith("c.yaml:6:5: unknown command `nonsense`")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file"),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"kind: ConfigMap\ndata: {}\n", "no ConfigMap with the key `ZebOS.conf`"),
        (b"data:\n  ZebOS.conf: 5\n", "must be text"),
    ],
)
def test_files_that_are_not_what_they_should_be(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "z.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        source.read(path)
