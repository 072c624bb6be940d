"""The datastore in a file: writers one after the other, and none that is killed half-way."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labgen.calico import datastore
from labgen.calico.calicoctl.command import run
from labgen.calico.calicoctl.manifests import Unreadable
from labgen.calico.datastore import VERSION, Datastore
from labgen.errors import HostError, InputError, LabError
from labgen.lab.datastore_files import DatastoreFile, manifests, real_stamps
from tests.unit.calicoctl.conftest import stamps

if TYPE_CHECKING:
    pass

# Writes objects one a transaction; between reading and writing it lets others in if there is no
# lock. Run as its own process.
WRITER = """
import os, sys
from pathlib import Path
from labgen.lab.datastore_files import DatastoreFile, real_stamps
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
file, stamps = DatastoreFile(path), real_stamps()
for number in range(count):
    with file.transaction() as change:
        os.sched_yield()
        change.commit(change.before.put({
            "apiVersion": "projectcalico.org/v3", "kind": "IPPool",
            "metadata": {"name": f"{name}{number}"}, "spec": {"cidr": "10.0.0.0/16"},
        }, stamps))
    print(number, flush=True)
"""
# Stops itself where the new file is written but not yet in place.
STOPPED = """
import os, signal, sys
from pathlib import Path
from labgen.lab.datastore_files import DatastoreFile, real_stamps
real = Path.replace
def stop(self, target):
    os.kill(os.getpid(), signal.SIGKILL)
Path.replace = stop
with DatastoreFile(Path(sys.argv[1])).transaction() as change:
    change.commit(change.before.put({
        "apiVersion": "projectcalico.org/v3", "kind": "IPPool",
        "metadata": {"name": "lost"}, "spec": {"cidr": "10.0.0.0/16"},
    }, real_stamps()))
"""


def pool(name: str) -> dict[str, object]:
    metadata = {"name": name}
    spec = {"cidr": "10.0.0.0/16"}
    return {"apiVersion": VERSION, "kind": "IPPool", "metadata": metadata, "spec": spec}


@pytest.fixture
def file(tmp_path: Path) -> DatastoreFile:
    made = DatastoreFile(tmp_path / "clab-x" / "west.datastore")
    made.create(datastore.seeded([], stamps()))
    return made


def start(script: str, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *argv], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_lose_no_change(file: DatastoreFile) -> None:
    count = 25
    writers = [start(WRITER, str(file.path), name, str(count)) for name in ("a", "b")]
    for writer in writers:
        with writer:
            writer.communicate(timeout=60)
        assert writer.returncode == 0
    store = file.read()
    names = {key.name for key in store.keys("IPPool")}
    assert names == {f"{name}{number}" for name in ("a", "b") for number in range(count)}
    assert store.revision == 1 + 2 * count


def test_threads_are_serialised_too(file: DatastoreFile) -> None:
    made = stamps()

    def write(name: str) -> None:
        for number in range(10):
            with file.transaction() as change:
                change.commit(change.before.put(pool(f"{name}{number}"), made))

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(file.read().keys("IPPool")) == 30


def test_a_writer_killed_before_the_rename_leaves_the_old_store(file: DatastoreFile) -> None:
    before = file.path.read_bytes()
    with start(STOPPED, str(file.path)) as writer:
        writer.communicate(timeout=60)
    assert writer.returncode == -signal.SIGKILL
    assert file.path.read_bytes() == before
    remains = [path for path in file.path.parent.iterdir() if path.name.startswith(".labgen-")]
    assert len(remains) == 1
    with file.transaction() as change:  # neither the lock nor the remains are in the way
        change.commit(change.before.put(pool("kept"), stamps()))
    assert [key.name for key in file.read().keys("IPPool")] == ["kept"]
    assert not [path for path in file.path.parent.iterdir() if path.name.startswith(".labgen-")]


def test_a_writer_killed_at_any_time_leaves_a_whole_store(file: DatastoreFile) -> None:
    for round_number in range(3):
        writer = start(WRITER, str(file.path), f"r{round_number}-", "100000")
        with writer:
            assert writer.stdout is not None
            for _ in range(5 + round_number):
                done = int(writer.stdout.readline())
            writer.kill()
            writer.wait(timeout=30)
        store = file.read()
        names = {key.name for key in store.keys("IPPool")}
        assert {f"r{round_number}-{number}" for number in range(done + 1)} <= names
        assert store.revision == 1 + len(names)


def test_an_error_inside_changes_nothing(file: DatastoreFile) -> None:
    before = file.path.read_bytes()
    with pytest.raises(LabError, match="BIRD refused"), file.transaction():
        raise LabError("BIRD refused the file")
    assert file.path.read_bytes() == before
    with file.transaction() as change:
        change.commit(change.before.put(pool("x"), stamps()))


def test_no_change_writes_nothing(file: DatastoreFile) -> None:
    inode = file.path.stat().st_ino
    with file.transaction() as change:
        change.commit(change.before)
    assert file.path.stat().st_ino == inode


def test_a_store_of_the_past_is_refused(file: DatastoreFile) -> None:
    with file.transaction() as change, pytest.raises(LabError, match="go back"):
        change.commit(Datastore())


def test_only_the_owner_reads_it(file: DatastoreFile) -> None:
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_what_is_not_there_or_not_a_store(tmp_path: Path, file: DatastoreFile) -> None:
    with pytest.raises(InputError, match="deploy the lab first"):
        DatastoreFile(tmp_path / "none").read()
    file.path.write_text(file.path.read_text()[:-20])
    with pytest.raises(InputError, match=r"west\.datastore:\d+:\d+: not valid YAML"):
        file.read()
    with pytest.raises(HostError, match="cannot be opened"):
        DatastoreFile(file.path / "below" / "a-file").create(Datastore())


def test_remains_of_others_are_left_alone(file: DatastoreFile) -> None:
    other = file.path.parent / ".labgen-other"
    other.write_text("router id 1.2.3.4;")
    with file.transaction():
        pass
    assert other.exists()


def test_calicoctl_on_a_file(file: DatastoreFile, tmp_path: Path) -> None:
    manifest = tmp_path / "p.yaml"
    manifest.write_text(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: tor}\n"
        "spec: {peerIP: 10.0.0.1, asNumber: 65001}\n"
    )
    with file.transaction() as change:
        result = run(
            ["apply", "-f", str(manifest)], change.before, read=manifests(), stamps=real_stamps()
        )
        change.commit(result.store)
    assert [key.name for key in file.read().keys("BGPPeer")] == ["tor"]


# --- what -f reads ----------------------------------------------------------------------------


def test_directories_are_walked_as_go_does(tmp_path: Path) -> None:
    for name in ("b.yaml", "a.YML", "c.txt", "aa/z.json", "aa/b/y.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    read = manifests()
    flat, deep = read(str(tmp_path), False), read(str(tmp_path), True)
    assert flat.directory
    assert [m.text for m in flat.manifests] == ["a.YML", "b.yaml"]
    assert [m.text for m in deep.manifests] == ["a.YML", "aa/b/y.yaml", "aa/z.json", "b.yaml"]


def test_standard_input() -> None:
    assert manifests(io.StringIO("text"))("-", False).manifests[0].text == "text"


def test_unreadable_files(tmp_path: Path) -> None:
    read = manifests()
    with pytest.raises(Unreadable, match=r"open \S+/none: no such file or directory"):
        read(str(tmp_path / "none"), False)
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(Unreadable, match="UTF-8"):
        read(str(tmp_path), False)


def test_the_clock_is_this_machines() -> None:
    created = real_stamps().created()
    assert created["creationTimestamp"].endswith("Z")
    assert len(created["uid"]) == 36
