"""Who holds a lab, and who is refused. Another process is played by a process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from labgen.errors import HostError, LabError
from labgen.lab.lock import LOCK, locked, refuse_rehearsed, rehearsing

OTHER = """
import sys
from pathlib import Path
from labgen.lab.lock import locked, rehearsing
holds = rehearsing(Path(sys.argv[2])) if sys.argv[1] == "rehearsal" else locked(
    Path(sys.argv[2]), "deploy of demo")
with holds:
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "clab-demo").mkdir()
    return tmp_path / "clab-demo"


@contextmanager
def another(what: str, lab: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, what, str(lab)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_rehearsal_refuses_everybody_else_at_once(lab: Path) -> None:
    with another("rehearsal", lab) as other:
        said = f"lab demo is busy: rehearsal of demo, process {other.pid}"
        with pytest.raises(LabError, match=said), locked(lab, "deploy of demo"):
            pytest.fail("it was held")
        with pytest.raises(LabError, match=said), rehearsing(lab):
            pytest.fail("it was held")
        assert not (lab / LOCK).exists()
    with locked(lab, "deploy of demo"):  # it has ended
        pass


def test_a_rehearsal_goes_on_with_its_own_commands(lab: Path) -> None:
    with rehearsing(lab):
        with locked(lab, "calicoctl on a"):
            pass
        refuse_rehearsed(lab)
    assert list(lab.parent.iterdir()) == [lab]


def test_a_rehearsal_does_not_begin_in_the_midst_of_a_command(lab: Path) -> None:
    with (
        another("deploy", lab) as other,
        pytest.raises(LabError, match=f"deploy of demo, process {other.pid}"),
        rehearsing(lab),
    ):
        pytest.fail("it was held")
    assert list(lab.parent.iterdir()) == [lab]


def test_a_rehearsal_that_was_killed_holds_nothing(lab: Path) -> None:
    with another("rehearsal", lab) as other:
        other.kill()
        other.wait()
    assert list(lab.parent.glob(".*"))
    with locked(lab, "destroy of demo"):
        pass
    assert list(lab.parent.iterdir()) == [lab]


def test_a_rehearsal_of_a_lab_that_is_not_there_yet(tmp_path: Path) -> None:
    with rehearsing(tmp_path / "clab-new"):
        assert not (tmp_path / "clab-new").exists()
    assert list(tmp_path.iterdir()) == []


def test_where_no_lock_can_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written"), rehearsing(tmp_path / "no/clab-x"):
        pytest.fail("there is no such directory")
