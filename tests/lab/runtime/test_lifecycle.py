"""Beginning and end: failures take back what they made, kills leave nothing, labs stay apart."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import sample

from labgen.errors import InputError, LabError
from labgen.lab import running
from labgen.lab.deploy import deploy
from labgen.lab.destroy import destroy
from labgen.lab.wait import wait_until
from labgen.plan import Role

pytestmark = [pytest.mark.lab, pytest.mark.xdist_group("runtime-lifecycle")]

HERE = Path(__file__).parent
VICTIM = """
import sys
import tempfile
sys.path.insert(0, {here!r})
from pathlib import Path
import sample
from labgen.lab.deploy import deploy
from labgen.runtime.docker import DockerRuntime
root = Path({root!r})
try:
    deploy(sample.plan({name!r}), sample.artefacts({name!r}), root,
           topology_file=root / "{name}.clab.yml", runtime=DockerRuntime(),
           progress=lambda event: print(event.step.value, flush=True))
except KeyboardInterrupt:
    sys.exit(130)
print("done", flush=True)
"""


def victim(name, root):
    """A deploy in a process of its own, which tells each step on its standard output."""
    code = VICTIM.format(here=str(HERE), root=str(root), name=name)
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def leftovers(runtime, name, root):
    """Whatever of a lab still exists: containers, processes, links, temporary files."""
    found = [c.name for c in runtime.containers({"labgen.lab": name})]
    found += [str(path) for path in root.rglob(".labgen*")]
    plan = sample.plan(name)
    marks = {end.owner_altname for link in plan.links for end in (link.a, link.b)}
    host = json.loads(subprocess.check_output(["ip", "-j", "link"]))
    found += [item["ifname"] for item in host if marks & set(item.get("altnames", ()))]
    return found


def namespaces():
    """Network namespaces that some process holds."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(link.readlink())
        except OSError:
            continue  # it ended meanwhile
    return found


@pytest.fixture(scope="module")
def neighbour(bring_up):
    """A second lab with the same addresses, whose sessions must not notice anything."""
    return bring_up("rt-neighbour")


def sessions(lab):
    said = lab.commands.run("bigip-1", ["vtysh", "-c", "show bgp summary json"]).check().stdout
    peers = json.loads(said)["ipv4Unicast"]["peers"]
    return {a: (p["state"], p["connectionsEstablished"]) for a, p in peers.items()}


@pytest.mark.parametrize("moment", range(10))
def test_kill_9_at_any_moment_of_a_deploy_leaves_nothing_after_destroy(
    moment, neighbour, runtime, tmp_path
):
    before = sessions(neighbour)
    name = f"rt-kill{moment}"
    process = victim(name, tmp_path)
    try:
        if moment < 7:  # at a step: two nodes started, three, …, wired, ready
            for _ in range(moment + 1):
                process.stdout.readline()
        else:  # between steps: before the first container, while they are made
            process.wait(0.15 + 0.12 * (moment - 7))
    except subprocess.TimeoutExpired:
        pass
    process.kill()
    assert process.wait() == -signal.SIGKILL, "it was over before it could be killed"
    process.stdout.close()
    destroy(name, runtime=runtime, directory=tmp_path / f"clab-{name}", cleanup=True)
    assert leftovers(runtime, name, tmp_path) == []
    assert list(tmp_path.glob("clab-*")) == []
    assert sessions(neighbour) == before
    assert {state for state, _ in before.values()} == {"Established"}
    said = neighbour.commands.run("bigip-1", ["ping", "-c", "1", "-W", "1", "192.168.180.1"])
    assert "ttl=63" in said.check().stdout


def test_destroy_frees_every_namespace(runtime, tmp_path):
    before = namespaces()
    name = "rt-ns"
    plan = sample.plan(name)
    deploy(
        plan, sample.artefacts(name), tmp_path,
        topology_file=tmp_path / f"{name}.clab.yml", runtime=runtime,
    )  # fmt: skip
    lab = running.find(runtime, name)
    ours = {Path(f"/proc/{runtime.pid(c.id)}/ns/net").readlink() for c in lab.nodes.values()}
    assert len(ours - before) == len(plan.nodes)
    destroy(name, runtime=runtime, cleanup=True)
    assert not ours & namespaces()


def test_ctrl_c_takes_back_what_was_made(runtime, tmp_path):
    process = victim("rt-int", tmp_path)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.stdout.read()
    process.stdout.close()
    assert process.wait(20) == 130
    assert leftovers(runtime, "rt-int", tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_node_that_ends_is_named_with_its_last_words_and_nothing_stays(runtime, tmp_path):
    name = "rt-badbird"
    artefacts = dict(sample.artefacts(name))
    artefacts[f"clab-{name}/n2/confd/bird.cfg"] = b"router id ;\n"
    with pytest.raises(LabError, match=r"node n2 ended.*bird\.cfg:1:11 syntax error"):
        deploy(
            sample.plan(name), artefacts, tmp_path,
            topology_file=tmp_path / f"{name}.clab.yml", runtime=runtime,
        )  # fmt: skip
    assert leftovers(runtime, name, tmp_path) == []
    assert not (tmp_path / f"clab-{name}").exists()


def test_an_image_that_cannot_be_had_is_bad_input_and_creates_nothing(runtime, tmp_path):
    name = "rt-noimage"
    plan = sample.plan(name)
    nodes = [
        replace(n, image="localhost:1/none:1") if n.role is Role.BIGIP else n for n in plan.nodes
    ]
    with pytest.raises(InputError, match="image localhost:1/none:1 cannot be had") as caught:
        deploy(
            replace(plan, nodes=tuple(nodes)), sample.artefacts(name), tmp_path,
            topology_file=tmp_path / f"{name}.clab.yml", runtime=runtime,
        )  # fmt: skip
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_running_lab_is_not_overwritten_by_another_of_its_name(neighbour, runtime, tmp_path):
    name = neighbour.deployment.lab
    before = {c.name: c.id for c in neighbour.running.nodes.values()}
    with pytest.raises(LabError, match="a lab named rt-neighbour runs already, from"):
        deploy(
            sample.plan(name), sample.artefacts(name), tmp_path,
            topology_file=tmp_path / f"{name}.clab.yml", runtime=runtime,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert {c.name: c.id for c in neighbour.running.nodes.values()} == before


def test_two_deploys_of_one_lab_at_once_end_with_one_lab(runtime, tmp_path):
    processes = [victim("rt-twice", tmp_path) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    try:
        assert [p.returncode for p in processes] == [0, 0]
        assert sorted("unchanged" in text for text in said) == [False, True]
        assert len(running.find(runtime, "rt-twice").nodes) == 8
    finally:
        destroy("rt-twice", runtime=runtime, cleanup=True)


def test_captures_survive_destroy_unless_the_directory_goes(runtime, tmp_path):
    name = "rt-keep"
    result = deploy(
        sample.plan(name), sample.artefacts(name), tmp_path,
        topology_file=tmp_path / f"{name}.clab.yml", runtime=runtime,
    )  # fmt: skip
    destroy(name, runtime=runtime)
    assert (result.directory / "captures/net/default.00001.pcapng").stat().st_size > 0
    assert leftovers(runtime, name, tmp_path) == []
    destroy(name, runtime=runtime, directory=result.directory, cleanup=True)
    assert not result.directory.exists()
    assert (tmp_path / f"{name}.clab.yml").exists()


def test_an_ordinary_user_of_the_docker_group_deploys_and_owns_every_file(runtime):
    """Root's own python may be out of an ordinary user's reach; Debian's is not."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    python, packages = Path("/usr/bin/python3"), Path(sample.__file__).parents[3]
    site = Path(pytest.__file__).parents[1]
    group = Path("/var/run/docker.sock").stat().st_gid
    with tempfile.TemporaryDirectory(prefix="rt-user-") as directory:
        root = Path(directory)
        os.chown(root, 1234, 1234)
        code = VICTIM.format(here=str(HERE), root=str(root), name="rt-user")
        code += "\nfrom labgen.lab.destroy import destroy\n"
        end = code + "destroy('rt-user', runtime=DockerRuntime(), cleanup=True)\n"
        environment = {
            "HOME": str(root), "PYTHONPATH": f"{packages}:{site}", "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip

        def as_user(program):
            return subprocess.run(
                [python, "-c", program], env=environment, user=1234, group=1234,
                extra_groups=[group], capture_output=True, text=True, check=False,
            )  # fmt: skip

        if as_user("import labgen, docker").returncode:
            pytest.skip("this checkout, or a python to run it, is out of an ordinary user's reach")
        done = as_user(code)
        try:
            assert done.returncode == 0, done.stderr
            assert (root / "clab-rt-user/captures/net/default.00001.pcapng").exists()
            assert {path.stat().st_uid for path in root.rglob("*")} == {1234}
            done = as_user(end)
            assert done.returncode == 0, done.stderr
        finally:
            destroy("rt-user", runtime=runtime)
        assert not (root / "clab-rt-user").exists()


def test_the_wiring_container_ends_with_the_process_that_made_it(runtime):
    code = (
        "from labgen.runtime.docker import DockerRuntime\n"
        "from labgen.runtime.wirer import Wirer\n"
        "wirer = Wirer(DockerRuntime(), 'rt-orphan', {'labgen.lab': 'rt-orphan'})\n"
        "print('up', flush=True)\n"
        "import signal; signal.pause()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    assert runtime.containers({"labgen.lab": "rt-orphan"})
    process.kill()
    process.wait()
    process.stdout.close()
    wait_until(
        lambda: runtime.containers({"labgen.lab": "rt-orphan"}), lambda left: not left,
        deadline=10, what="its end",
    )  # fmt: skip
