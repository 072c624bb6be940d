"""Fresh captures of real daemons, made now: the wire reads them, and tshark agrees."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from labgen.capture.read import read_capture
from labgen.check import wire
from tests.unit.capture.test_against_tshark import disagreements

MAKE = Path(__file__).parents[1] / "data" / "captures" / "make.sh"
NEEDED = ("ip", "bird", "vtysh", "tcpdump", "dumpcap", "tshark", "nft")

pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(
        any(shutil.which(tool) is None for tool in NEEDED),
        reason=f"needs {', '.join(NEEDED)} and FRR's bgpd on this host",
    ),
]


@pytest.mark.parametrize("scenario", ["frr-bird-ibgp", "reflector"])
def test_a_fresh_capture(tmp_path: Path, scenario: str) -> None:
    subprocess.run([str(MAKE), scenario, str(tmp_path)], check=True, timeout=120)
    paths = sorted(tmp_path.glob("*.pcap*"))
    assert paths
    for path in paths:
        capture = read_capture(path)
        assert any(session.established for session in capture.sessions)
        assert all(wire.decodes(session) for session in capture.sessions)
        assert disagreements(path) == []
