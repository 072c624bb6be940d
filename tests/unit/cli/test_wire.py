"""`labgen wire` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from ipaddress import ip_address
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.unit.capture.packets import Connection, pcap
from tests.unit.capture.scenarios import packets

CAPTURES = Path(__file__).parents[2] / "data" / "captures"
STORY = str(CAPTURES / "frr-bird-ibgp.pcapng")


def labgen(*arguments: str, code: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from labgen.cli import main; main()", "wire", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[arg-type]
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def lines(*arguments: str) -> list[dict[str, object]]:
    output = labgen("--json", *arguments, STORY).stdout
    return [json.loads(line) for line in output.splitlines()]


def test_the_table_and_the_ladder() -> None:
    output = labgen(STORY).stdout
    table, _, ladder = output.partition("\n\n")
    assert "10.1.20.20  10.1.20.5   Established    2     2       8" in table
    assert 'Administrative Shutdown (6/2): "maintenance window"' in ladder
    assert "#13 │◀─────────── OPEN" in ladder
    assert labgen("--table", STORY).stdout.strip() == table.strip()


def test_the_ladder_without_utf8() -> None:
    output = labgen(STORY, env={**os.environ, "PYTHONIOENCODING": "ascii:replace"}).stdout
    assert "#13 |<----------- OPEN ----------|" in output


def test_lines_without_utf8() -> None:
    output = labgen("--list", STORY, env={**os.environ, "PYTHONIOENCODING": "ascii"}).stdout
    assert "UPDATE ? 10.99.99.0/24" in output


def test_the_ladder_of_long_addresses(tmp_path: Path) -> None:
    """They need room, in the terminal and in the picture."""
    ends = [ip_address(f"2001:db8:1111:2222:3333:4444:5555:{n}") for n in (6666, 7777)]
    path = tmp_path / "six.pcap"
    path.write_bytes(pcap(packets(Connection(*ends), 3), link_type=101))
    lines = labgen(str(path)).stdout.splitlines()
    assert [line.strip() for line in lines[4:6]] == [str(end) for end in ends]
    picture = tmp_path / "six.svg"
    labgen("--svg", str(picture), str(path))
    texts = list(ET.parse(picture).iter("{http://www.w3.org/2000/svg}text"))
    places = {t.text: int(t.attrib["x"]) for t in texts if t.attrib.get("class") == "h"}
    first, second = (places[str(end)] for end in ends)
    assert first >= 8
    assert second >= first + 8 * len(str(ends[0]))
    assert max(len(t.text or "") for t in texts) <= 180


def test_json_has_one_object_per_message_and_full_time() -> None:
    found = lines()
    assert len(found) == 46
    assert {"frame", "time", "src", "dst", "type", "length"} <= found[0].keys()
    assert '"time":1795' in labgen("--json", STORY).stdout
    first = json.loads(labgen("--json", STORY).stdout.splitlines()[0], parse_float=str)
    assert len(first["time"].partition(".")[2]) == 9


def test_filters() -> None:
    assert {m["type"] for m in lines("--type", "open")} == {"OPEN"}
    assert len(lines("--type", "open", "--type", "NOTIFICATION")) == 6
    assert {m["frame"] for m in lines("--prefix", "10.99.99.0/24")} == {27, 41}
    assert len(lines("--prefix", "10.99.0.0/16")) > 2
    assert lines("--peer", "10.9.9.9") == []
    assert len(lines("--peer", "10.1.20.5")) == 46


def test_words() -> None:
    output = labgen("--explain", STORY).stdout
    assert "They agree on iBGP; hold time 9 s; ipv4/unicast" in output
    refused = labgen("--explain", str(CAPTURES / "refused.pcapng")).stdout
    assert "was refused by a RST (frame 14): nothing listens there." in refused
    assert "ICMP: communication prohibited (frame 39, 1 in all)" in refused
    assert "with the TCP MD5 option (frame 18): 4 SYNs in 3.1 s, no answer" in refused
    assert "10.1.20.5 asked 6 times who has 10.1.20.21" in refused


def test_the_list() -> None:
    output = labgen("--list", "--type", "notification", STORY).stdout
    assert output.startswith("    60 ")
    assert "10.1.20.5 > 10.1.20.20 NOTIFICATION Cease / Administrative Shutdown" in output


def test_the_picture_is_well_formed_and_complete(tmp_path: Path) -> None:
    target = tmp_path / "ladder.svg"
    labgen("--svg", str(target), STORY)
    root = ET.parse(target).getroot()
    assert root.tag.endswith("svg")
    text = "".join(root.itertext())
    assert "NOTIFICATION" in text
    assert "maintenance window" in text
    assert list(tmp_path.iterdir()) == [target]


def test_a_picture_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = labgen("--svg", str(tmp_path / "no" / "ladder.svg"), STORY, code=2)
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("nowhere.pcap",), 3, "neither a capture file nor a lab"),
        ((__file__,), 3, "not a capture file"),
        (("--peer", "bigip", STORY), 2, "--peer wants an address"),
        (("--prefix", "10.0.0.1/8", STORY), 2, "has host bits set"),
        (("--follow", "--table", STORY), 2, "--follow prints messages"),
        (("--json", "--svg", "x.svg", STORY), 2, "--svg draws ladders"),
        (("--follow", "--svg", "x.svg", STORY), 2, "--svg draws ladders"),
        (("--type", "hello", STORY), 2, "hello"),
        (("--port", "0", STORY), 2, "0"),
    ],
)
def test_trouble_is_told_in_one_line(arguments: tuple[str, ...], code: int, words: str) -> None:
    done = labgen(*arguments, code=code)
    assert words in done.stderr
    assert done.stdout == ""


def test_a_reader_that_leaves_early_is_no_error() -> None:
    command = f"{sys.executable} -c 'from labgen.cli import main; main()' wire --json {STORY}"
    done = subprocess.run(
        f"set -o pipefail; {command} | head -1",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""


def test_standard_input_is_a_capture() -> None:
    with Path(STORY).open("rb") as stream:
        assert len(labgen("--json", "-", stdin=stream).stdout.splitlines()) == 46


def test_several_captures_are_kept_apart() -> None:
    output = labgen("--json", str(CAPTURES)).stdout
    files = {json.loads(line)["file"] for line in output.splitlines()}
    assert len(files) == 4


def started(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", "from labgen.cli import main; main()", "wire", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,  # type: ignore[call-overload]
    )


def test_a_pipe_is_followed_line_by_line() -> None:
    whole = Path(STORY).read_bytes()
    with started("--follow", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(whole[:4000])
        process.stdin.flush()
        first = process.stdout.readline()  # comes although the pipe stays open
        assert b"OPEN AS 64512" in first
        process.stdin.write(whole[4000:])
        process.stdin.close()
        rest = process.stdout.read().splitlines()
        assert len(rest) == 45
        assert process.stderr
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_growing_file_is_followed_until_interrupted(tmp_path: Path) -> None:
    whole = Path(STORY).read_bytes()
    path = tmp_path / "growing.pcapng"
    path.write_bytes(whole[:4000])
    with started("--follow", "--json", str(path)) as process:
        assert process.stdout
        assert json.loads(process.stdout.readline())["type"] == "OPEN"
        with path.open("ab") as stream:
            stream.write(whole[4000:])
        while json.loads(process.stdout.readline())["frame"] != 87:
            pass
        process.send_signal(signal.SIGINT)
        assert process.stderr
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_reading_a_file_does_not_wait_for_what_only_labs_need() -> None:
    """A third of a second of imports would be most of what a small capture costs."""
    code = (
        "import atexit, sys; from labgen.cli import main\n"
        "heavy = {'pydantic', 'ruamel', 'docker', 'jinja2'}\n"
        "atexit.register(lambda: print(sorted(heavy & {*sys.modules})))\n"
        "main()"
    )
    argv = [sys.executable, "-c", code, "wire", "--json", STORY]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
