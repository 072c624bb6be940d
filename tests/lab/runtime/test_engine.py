"""An engine of our own, beside the one that is there; never the latter itself."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from labgen.errors import HostError
from labgen.runtime import engine

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("runtime-engine")]


@pytest.fixture
def own(tmp_path_factory):
    """A second engine's place: its own socket, storage and process files."""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("a second dockerd needs root and an installed dockerd")
    root = tmp_path_factory.mktemp("e")
    options = (
        f"--data-root={root}/data", f"--exec-root={root}/exec", f"--pidfile={root}/pid",
        "--bridge=none", "--iptables=false", "--ip6tables=false",
    )  # fmt: skip
    own = engine.OwnEngine(f"unix://{root}/sock", root / "run", options)
    yield own
    engine.stop_own_engine(own)


def test_an_engine_is_started_recorded_and_stopped(own, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", own.host)
    said = []
    with pytest.raises(HostError, match="no Docker engine answers at unix"):
        engine.ensure_engine(start=False, own=own)
    version = engine.ensure_engine(start=True, own=own, say=said.append)
    assert version
    assert said == ["starting dockerd"]
    assert engine.ensure_engine(start=True, own=own, say=said.append) == version
    assert said == ["starting dockerd"]  # it was there already
    assert engine.stop_own_engine(own)
    assert not engine.stop_own_engine(own)
    with pytest.raises(HostError):
        engine.engine_version()


def test_only_the_very_process_that_was_started_is_stopped(own):
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"],
                             stdin=subprocess.PIPE)  # fmt: skip
    own.run_directory.mkdir(parents=True)
    own.record.write_text(json.dumps({"pid": other.pid, "started": "1"}))
    try:
        assert not engine.stop_own_engine(own)
        assert other.poll() is None
    finally:
        other.stdin.close()
        other.wait()


def test_a_dockerd_that_cannot_start_is_told_with_its_last_words(own, monkeypatch):
    broken = engine.OwnEngine(own.host, own.run_directory, (*own.options, "--nonsense"))
    monkeypatch.setenv("DOCKER_HOST", own.host)
    with pytest.raises(HostError, match=r"dockerd ended: .*(nonsense|help)"):
        engine.ensure_engine(start=True, own=broken)


def test_an_engine_named_elsewhere_is_never_started(own, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/at/all.sock")
    with pytest.raises(HostError, match="no Docker engine answers at unix:///nowhere") as caught:
        engine.ensure_engine(start=True, own=own)
    assert "\n" not in str(caught.value)
    assert not own.run_directory.exists()
