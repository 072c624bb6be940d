"""`labgen diagnose --evidence` on bundles recorded from real daemons, one for each fault.

The bundles are made by tests/lab/make_bundles.py. Each is diagnosed as recorded, as a pcap with
logs only, and under names that say nothing.
"""

from __future__ import annotations

import json
import shutil
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labgen.check.diagnosis.faults import FAULTS, GALLERY
from labgen.cli.diagnose import diagnose

BUNDLES = Path(__file__).parents[2] / "data" / "bundles"
NAMES = sorted(p.name for p in BUNDLES.iterdir()) if BUNDLES.is_dir() else []
HEALTHY = [n for n in NAMES if n.startswith("healthy")]
FAULTY = [n for n in NAMES if not n.startswith("healthy")]


def fault_of(bundle: str) -> str:
    """The longest fault name that the bundle's name starts with; the rest names the variant."""
    return max((name for name in FAULTS if bundle.startswith(name)), key=len)


def run(directory: Path) -> Result:
    return CliRunner().invoke(diagnose, ["--evidence", str(directory), "--json"])


def causes(directory: Path) -> list[dict[str, object]]:
    return json.loads(run(directory).stdout)  # type: ignore[no-any-return]


def test_every_fault_of_the_gallery_has_a_bundle() -> None:
    assert {FAULTS[fault_of(n)].code for n in FAULTY} == set(GALLERY)
    assert len(GALLERY) == 29


@pytest.mark.parametrize("name", FAULTY)
def test_the_first_cause_is_the_fault(name: str) -> None:
    result = run(BUNDLES / name)
    first = json.loads(result.stdout)[0]
    assert first["name"] == fault_of(name)
    assert first["evidence"]
    assert first["remedy"]["calico"]
    assert first["remedy"]["bigip"]
    assert result.exit_code == 1


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_bundle_has_no_cause(name: str) -> None:
    result = run(BUNDLES / name)
    assert json.loads(result.stdout) == []
    assert result.exit_code == 0


@pytest.mark.parametrize("name", NAMES)
def test_capture_and_logs_alone_decide(name: str, tmp_path: Path) -> None:
    for path in (BUNDLES / name).iterdir():
        if path.suffix in (".log", ".pcap"):
            shutil.copy(path, tmp_path)
    found = causes(tmp_path)
    if name in HEALTHY:
        assert found == []
    else:
        assert found[0]["name"] == fault_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_files_do_not_matter(name: str, tmp_path: Path) -> None:
    for number, path in enumerate(sorted((BUNDLES / name).iterdir())):
        shutil.copy(path, tmp_path / f"file{number}")
    found = causes(tmp_path)
    if name in HEALTHY:
        assert found == []
    else:
        assert found[0]["name"] == fault_of(name)


# Without packets and logs: the outputs say nothing of these (a session that is up thanks to one
# direction; OPENs refused before FRR keeps a record), or as much of another fault.
UNDECIDED_BY_OUTPUTS = {
    "tcp-179-filtered-masked",
    "unacceptable-hold-time",
    "host-unreachable-mid",
    "hold-timer-expired-link",
    "tcp-179-refused-mid",
}


@pytest.mark.parametrize("name", NAMES)
def test_outputs_alone_decide(name: str, tmp_path: Path) -> None:
    for path in (BUNDLES / name).iterdir():
        if path.suffix not in (".log", ".pcap"):
            shutil.copy(path, tmp_path)
    found = causes(tmp_path)
    if name in HEALTHY:
        assert found == []
    elif name in UNDECIDED_BY_OUTPUTS:
        assert all(c["decides"] for c in found if c["confidence"] == "possible")
    else:
        assert found[0]["name"] == fault_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_one_file_with_shell_prompts_decides(name: str, tmp_path: Path) -> None:
    """Everything but the capture pasted into one file, as a terminal shows it, with CRLF."""
    shown = ""
    for path in sorted((BUNDLES / name).iterdir()):
        node = path.name.partition(".")[0]
        if path.suffix == ".pcap":
            shutil.copy(path, tmp_path / path.stem.upper())
            continue
        text = path.read_text().replace(f"{node}# ", f"root@{node}:~# ")
        if path.suffix == ".json":
            command = f"vtysh -c '{path.stem.partition('.')[2].replace('-', ' ')} json'"
            text = f"root@{node}:~# {command}\n{text}"
        elif path.suffix in (".log", ".cfg"):
            text = f"root@{node}:~# cat /var/log/{path.name}\n{text}"
        shown += text + "\n"
    (tmp_path / "SESSION.TXT").write_text(shown.replace("\n", "\r\n"))
    found = causes(tmp_path)
    if name in HEALTHY:
        assert found == []
    else:
        assert found[0]["name"] == fault_of(name)


def half(capture: bytes, sender: IPv4Address) -> bytes:
    """A little-endian pcap of Ethernet frames without what others than the sender say over IPv4."""
    kept, at = capture[:24], 24
    while at < len(capture):
        size = int.from_bytes(capture[at + 8 : at + 12], "little")
        frame = capture[at + 16 : at + 16 + size]
        if frame[12:14] != b"\x08\x00" or frame[26:30] == sender.packed:
            kept += capture[at : at + 16 + size]
        at += 16 + size
    return kept


@pytest.mark.parametrize("sender", ["10.1.20.5", "10.1.20.20"])
@pytest.mark.parametrize("name", HEALTHY)
def test_half_a_capture_of_a_healthy_network_has_no_cause(
    name: str, sender: str, tmp_path: Path
) -> None:
    """Taken where only one direction passes: that the other is missing is no fault."""
    whole = (BUNDLES / name / "capture.pcap").read_bytes()
    (tmp_path / "half.pcap").write_bytes(half(whole, IPv4Address(sender)))
    for log in (BUNDLES / name).glob("*.log"):
        shutil.copy(log, tmp_path)
    assert causes(tmp_path) == []
