"""`labgen bigip translate`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labgen import cli
from labgen.cli.bigip import bigip

DATA = Path(__file__).parents[2] / "data" / "zebos"


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *argv: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["labgen", "bigip", "translate", *argv])
    code = 0
    try:
        cli.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_it_is_a_command_of_labgen() -> None:
    assert bigip.name in cli.cli.list_commands(None)  # type: ignore[arg-type]


def test_both_sides_in_aligned_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(monkeypatch, capsys, str(DATA / "aws-vpn.conf"))
    assert code == 0
    lines = out.splitlines()
    verdict, frr = lines[0].index("verdict"), lines[0].index("FRR")
    row = next(line for line in lines if line.startswith("4 "))
    assert row[6:verdict].strip() == "max-paths ebgp 8"
    assert row[verdict:frr].strip() == "renamed"
    assert row[frr:].startswith("maximum-paths 8")


def test_json_has_a_row_for_each_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(monkeypatch, capsys, str(DATA / "ddos-gre.conf"), "--output", "json")
    assert code == 0
    data = json.loads(out)
    assert data["daemons"] == ["zebra", "bgpd", "staticd"]
    assert {row["verdict"] for row in data["rows"]} == {"same", "renamed", "added", "unsupported"}
    assert "not-a-real-secret" not in out


def test_frr_alone_is_a_configuration(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(
        monkeypatch,
        capsys,
        str(DATA / "imish-config-fixture.conf"),
        *("--output", "frr", "--interface", "vlan-external=eth1"),
    )
    assert code == 0
    assert " neighbor 10.2.0.1 update-source eth1\n" in out


def test_errors_are_one_line_each_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "bad.conf"
    path.write_text("router bgp 64512\nnonsense\nneighbor 10.0.0.1\n")
    code, _, err = run(monkeypatch, capsys, str(path))
    assert code == 2
    assert [line.partition("bad.conf:")[2][:5] for line in err.splitlines()] == ["2:1: ", "3:18:"]
    path.write_text("router bgp 64512\nsynchronization\n")
    code, out, err = run(monkeypatch, capsys, str(path))
    assert (code, "unsupported" in out, err.count("\n")) == (2, True, 1)
    code, _, err = run(monkeypatch, capsys, str(tmp_path / "absent.conf"))
    assert (code, "no such file" in err) == (2, True)


def test_a_wrong_interface_option_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(monkeypatch, capsys, str(DATA / "aws-vpn.conf"), "--interface", "x")
    assert (code, "is not VLAN=LINUX" in err) == (2, True)


ROOT = Path(__file__).parents[3]
TMSH = ROOT / "frr-configs" / "bigip-a.tmsh"
AS3 = ROOT / "tests" / "lab" / "bigip" / "vip" / "services.json"


def test_tmsh_text_is_shown_object_by_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "t.conf"
    path.write_text(TMSH.read_text() + "ltm rule r { when { } }\nsys dns { }\n")
    code, out, _ = run(monkeypatch, capsys, str(path))
    assert code == 0
    rows = out.splitlines()
    column = rows[0].index("becomes")
    (virtual,) = [row for row in rows if "ltm virtual vs_web" in row]
    assert virtual[column:] == "10.99.99.100 tcp 80 to pool web, SNAT automap"
    assert any(row.endswith("`ltm rule r` is not served") for row in rows)
    assert any("`sys dns`" in row for row in rows), rows


def test_a_declaration_is_shown_as_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(monkeypatch, capsys, str(AS3), "--output", "json")
    assert code == 0
    found = {row["object"]: row["becomes"] for row in json.loads(out)["objects"]}
    assert found["ltm virtual /Shop/Front/serviceMain"].startswith("fd99::100 tcp 80 to pool")
    assert all(row["line"] > 1 for row in json.loads(out)["objects"])


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("t.tmsh", "ltm pool p {\n members {\n", ":2:10: `{` is not closed"),
        ("t.tmsh", "ltm virtual v { destination 10.0.0.1:80 pool gone }\n", ":1:41: "),
        ("d.json", '{"class": "ADC",', ":1:17: no JSON"),
    ],
)
def test_bad_objects_are_told_by_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    name: str, text: str, complaint: str,
) -> None:  # fmt: skip
    (tmp_path / name).write_text(text)
    code, out, err = run(monkeypatch, capsys, str(tmp_path / name))
    assert (code, out) == (2, "")
    assert complaint in err
