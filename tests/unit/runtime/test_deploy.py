"""Deploy and destroy against an engine in memory: what happens, in which order, and what stays."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from labgen.errors import HostError, InputError, LabError, NotReady
from labgen.lab import files, naming, running
from labgen.lab.deploy import deploy
from labgen.lab.destroy import destroy, destroy_all
from labgen.lab.lock import LOCK, locked
from labgen.plan import Bind, BridgePlan, Endpoint, LabPlan, LinkPlan, NodePlan, Role
from labgen.runtime.memory import MemoryRuntime


def plan(name="demo"):
    config = Bind(f"clab-{name}/n1", "/etc/labgen")
    captures = Bind(f"clab-{name}/captures", "/captures", read_only=False)
    nodes = (
        NodePlan("net", Role.SEGMENT, "seg:1", binds=(captures,)),
        NodePlan("n1", Role.CALICO_NODE, "node:1", binds=(config,), env={"A": "b"}),
        NodePlan("bigip-1", Role.BIGIP, "f5:1", cap_add=("NET_ADMIN", "SYS_ADMIN")),
        NodePlan("pod1", Role.POD, "pod:1"),
    )
    links = (
        LinkPlan(Endpoint("n1", "eth1", "m1"), Endpoint("br0|net", "n1", "m2")),
        LinkPlan(Endpoint("bigip-1", "eth1", "m3"), Endpoint("br0|net", "bigip-1", "m4")),
        LinkPlan(Endpoint("pod1", "eth0", "m5"), Endpoint("n1", "cali0", "m6"), mtu=1440),
    )
    return LabPlan(name, nodes, (BridgePlan("br0", "net"),), links)


TOPOLOGY = b"name: demo\ntopology:\n  nodes:\n    n1: {}\nsettings: {}\n"
ARTEFACTS = {
    "demo.clab.yml": TOPOLOGY,
    "clab-demo/n1/bird.cfg": b"password secret;\n",
}


@pytest.fixture(autouse=True)
def brisk(monkeypatch):
    """This engine has nothing in flight for long."""
    monkeypatch.setattr("labgen.lab.destroy.IN_FLIGHT_SECONDS", 0.5)


@pytest.fixture
def engine():
    return MemoryRuntime()


@pytest.fixture
def up(engine, tmp_path):
    def call(**options):
        options = {"plan": plan(), "artefacts": ARTEFACTS, "directory": tmp_path, **options}
        arguments = [options.pop(key) for key in ("plan", "artefacts", "directory")]
        file = arguments[2] / "demo.clab.yml"
        return deploy(*arguments, topology_file=file, runtime=engine, **options)

    return call


def nodes_of(engine):
    return {s.labels.get("labgen.node") for s in engine.specs.values()} - {None}


def test_a_deploy_starts_every_node_and_wires_every_link(up, engine, tmp_path):
    result = up()
    assert result.changed
    assert result.containers["n1"] == "clab-demo-n1"
    assert nodes_of(engine) == {"net", "n1", "bigip-1", "pod1"}
    assert sum(len(request["veths"]) for request in engine.wired) == 3
    assert [len(request["before"]) for request in engine.wired] == [1, 0, 0]
    assert (tmp_path / "clab-demo/n1/bird.cfg").read_bytes() == b"password secret;\n"


def test_pods_start_after_what_routes(up, engine):
    up()
    started = [name for verb, name in engine.calls if verb == "start"]
    assert started.index("clab-demo-pod1") > started.index("clab-demo-n1")
    assert started.index("clab-demo-pod1") > started.index("clab-demo-net")


def test_configurations_are_private(up, tmp_path):
    up()
    assert (tmp_path / "clab-demo/n1/bird.cfg").stat().st_mode & 0o077 == 0


def test_the_wiring_container_has_every_nodes_capability_and_is_gone_afterwards(up, engine):
    seen = []
    create = engine.create
    engine.create = lambda spec: seen.append(spec) or create(spec)
    up()
    wiring = next(s for s in seen if s.labels["labgen.role"] == "wiring")
    assert {"NET_ADMIN", "SYS_ADMIN", "NET_RAW"} <= set(wiring.cap_add)
    assert (wiring.network_mode, wiring.pid_mode, wiring.auto_remove) == ("host", "host", True)
    assert wiring.name not in engine.specs
    assert "containerlab" not in wiring.labels  # containerlab must not take it for a node


def test_an_equal_running_lab_is_left_alone(up, engine):
    up()
    calls = len(engine.calls)
    events = []
    assert not up(progress=events.append).changed
    assert len(engine.calls) == calls
    assert [event.step.value for event in events] == ["unchanged"]


def test_a_different_lab_is_refused_with_the_way_out(up, engine):
    up()
    changed = {**ARTEFACTS, "clab-demo/n1/bird.cfg": b"other"}
    with pytest.raises(LabError, match=r"runs with another configuration .*--reconfigure"):
        up(artefacts=changed)
    assert up(artefacts=changed, reconfigure=True).changed
    assert not up(artefacts=changed).changed


def test_a_half_dead_lab_is_refused_with_the_way_out(up, engine):
    up()
    engine.die("clab-demo-n1")
    with pytest.raises(LabError, match=r"only partly there \(3 of 4 nodes run\)"):
        up()
    assert up(reconfigure=True).changed


def test_one_name_stands_at_one_place(up, engine, tmp_path):
    up()
    other = tmp_path / "other"
    other.mkdir()
    for reconfigure in (False, True):
        with pytest.raises(LabError, match="a lab named demo runs already, from"):
            up(directory=other, reconfigure=reconfigure)
    assert list(other.iterdir()) == []


@pytest.mark.parametrize("node", ["net", "n1", "bigip-1", "pod1"])
def test_a_node_that_does_not_start_takes_everything_back(up, engine, tmp_path, node):
    engine.failing[f"clab-demo-{node}"] = "no such device"
    with pytest.raises(LabError, match=f"node {node}: .*no such device"):
        up()
    assert engine.specs == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("node", ["net", "n1"])
def test_a_node_that_ends_is_named_with_its_last_words(up, engine, tmp_path, node, monkeypatch):
    monkeypatch.setattr("labgen.images.name_of", lambda image: image)
    engine.dying.add(f"clab-demo-{node}")
    engine.log_lines[f"clab-demo-{node}"] = ["hello", "cannot bind", "bye"]
    with pytest.raises(LabError, match=f"node {node} ended.*hello / cannot bind / bye"):
        up()
    assert engine.specs == {}
    assert list(tmp_path.iterdir()) == []


def test_wiring_that_fails_takes_everything_back(up, engine, tmp_path):
    engine.unwireable = "RTNETLINK answers: File exists"
    with pytest.raises(LabError, match="RTNETLINK answers: File exists"):
        up()
    assert engine.specs == {}
    assert list(tmp_path.iterdir()) == []


def test_files_that_were_there_before_stay(up, engine, tmp_path):
    (tmp_path / "clab-demo").mkdir()
    (tmp_path / "clab-demo/notes").write_text("mine")
    (tmp_path / "demo.clab.yml").write_text("mine")
    engine.unwireable = "no"
    with pytest.raises(LabError):
        up()
    assert (tmp_path / "clab-demo/notes").read_text() == "mine"
    assert (tmp_path / "demo.clab.yml").exists()


def test_ctrl_c_takes_everything_back(up, engine, tmp_path):
    def interrupted(event):
        if event.step.value == "wired":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        up(progress=interrupted)
    assert engine.specs == {}
    assert list(tmp_path.iterdir()) == []


def test_a_failed_deploy_leaves_other_labs_alone(up, engine, tmp_path):
    up()
    before = dict(engine.specs)
    engine.unwireable = "no"
    (tmp_path / "b").mkdir()
    with pytest.raises(LabError):
        deploy(
            plan("other"), {}, tmp_path / "b", topology_file=tmp_path / "b/o.yml", runtime=engine
        )
    assert engine.specs == before


def test_a_wait_that_fails_keeps_the_lab_for_whoever_wants_to_look(up, engine):
    def never(_commands):
        raise NotReady("sessions", waited=1.0, last="Active")

    with pytest.raises(NotReady):
        up(wait=never)
    assert nodes_of(engine) == {"net", "n1", "bigip-1", "pod1"}
    assert not [s for s in engine.specs.values() if s.labels["labgen.role"] == "wiring"]


def test_a_node_that_dies_during_the_wait_is_the_better_explanation(up, engine):
    def dies(_commands):
        engine.die("clab-demo-n1")
        raise NotReady("sessions", waited=1.0, last="Active")

    with pytest.raises(LabError, match="node n1 ended"):
        up(wait=dies)
    assert engine.specs == {}


def test_the_wait_runs_commands_in_nodes(up, engine):
    engine.answer = lambda container, argv, stdin: (0, f"{container} {argv} {stdin}", "")
    seen = []
    up(wait=lambda commands: seen.append(commands.run("n1", ["birdc"], stdin="x").stdout))
    assert seen == ["clab-demo-n1 ['birdc'] x"]


def test_the_state_file_is_the_topology_section(up, tmp_path):
    up()
    lines = (tmp_path / "clab-demo/.state.clab.yaml").read_text().splitlines()
    assert lines[0].startswith("# generated by containerlab at 2")
    assert lines[1:] == ["topology:", "  nodes:", "    n1: {}"]


def test_destroy_goes_by_labels_and_touches_one_lab(up, engine, tmp_path):
    up()
    (tmp_path / "b").mkdir()
    deploy(plan("other"), {}, tmp_path / "b", topology_file=tmp_path / "b/o.yml", runtime=engine)
    removed = destroy("demo", runtime=engine)
    assert set(removed) == {f"clab-demo-{n.name}" for n in plan().nodes}
    assert nodes_of(engine) == {"net", "n1", "bigip-1", "pod1"}  # other's
    assert (tmp_path / "clab-demo/n1/bird.cfg").exists()
    assert not (tmp_path / "clab-demo/.state.clab.yaml").exists()
    assert destroy("demo", runtime=engine) == ()
    assert destroy_all(runtime=engine, cleanup=True) == ("other",)
    assert engine.specs == {}
    assert not (tmp_path / "b/clab-other").exists()


def test_cleanup_removes_the_directory_even_of_a_lab_that_is_gone(up, engine, tmp_path):
    up()
    destroy("demo", runtime=engine)
    destroy("demo", runtime=engine, directory=tmp_path / "clab-demo", cleanup=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.clab.yml"]


def test_cleanup_never_removes_a_directory_that_is_no_labs(tmp_path):
    (tmp_path / "home").mkdir()
    with pytest.raises(HostError, match="is not the directory of lab demo"):
        files.remove_directory(tmp_path / "home", "demo")
    (tmp_path / "clab-demo").symlink_to(tmp_path / "home")
    with pytest.raises(HostError):
        files.remove_directory(tmp_path / "clab-demo", "demo")
    assert (tmp_path / "home").is_dir()


@pytest.mark.parametrize("key", ["/etc/passwd", "../x", "clab-demo/../../x"])
def test_an_artefact_cannot_leave_the_lab(up, engine, tmp_path, key):
    with pytest.raises(InputError, match="lies outside the lab"):
        up(artefacts={"demo.clab.yml": b"", key: b"x"})
    assert engine.specs == {}
    assert list(tmp_path.iterdir()) == []


def test_a_busy_lab_is_refused_in_one_line_that_names_who(tmp_path):
    done, entered = threading.Event(), threading.Event()

    def holder():
        with locked(tmp_path, "deploy of demo"):
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=holder)
    thread.start()
    entered.wait(10)
    try:
        with (
            pytest.raises(LabError, match="is busy: deploy of demo, process") as caught,
            locked(tmp_path, "destroy of demo", seconds=0.1),
        ):
            pytest.fail("it was held")
    finally:
        done.set()
        thread.join()
    assert "\n" not in str(caught.value)
    with locked(tmp_path, "again", seconds=0.1):
        pass
    assert not (tmp_path / LOCK).exists()


def test_an_atomic_write_says_whether_it_changed_anything(tmp_path):
    path = tmp_path / "a/b"
    assert files.write_atomically(path, b"1")
    assert not files.write_atomically(path, b"1")
    assert files.write_atomically(path, b"2")
    assert [p.name for p in path.parent.iterdir()] == ["b"]


def test_a_directory_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match=r"cannot be written: (Not a directory|File exists)"):
        files.write_atomically(tmp_path / "file/x", b"")


def test_labels_and_environment_are_containerlabs(tmp_path):
    place = naming.Place("demo", tmp_path / "demo.clab.yml", "me")
    spec = naming.container_spec(place, plan(), plan().nodes[1], {"labgen.lab": "demo"})
    assert spec.name == "clab-demo-n1"
    assert spec.labels["clab-node-lab-dir"] == f"{tmp_path}/clab-demo/n1"
    assert spec.labels["clab-owner"] == "me"
    assert spec.env["CLAB_INTFS"] == "2"
    assert spec.env["A"] == "b"
    assert spec.env["CLAB_LABEL_CLAB_NODE_KIND"] == "linux"
    assert spec.binds == (f"{tmp_path}/clab-demo/n1:/etc/labgen:ro",)
    assert spec.network_mode == "none"


def test_the_digest_sees_every_change_and_no_order():
    first = naming.digest(plan(), ARTEFACTS)
    assert naming.digest(plan(), dict(reversed(ARTEFACTS.items()))) == first
    assert naming.digest(plan(), {**ARTEFACTS, "x": b""}) != first
    nodes = (replace(plan().nodes[0], env={"x": "y"}), *plan().nodes[1:])
    assert naming.digest(replace(plan(), nodes=nodes), ARTEFACTS) != first


def test_running_labs_are_found_listed_and_asked(up, engine, tmp_path):
    up()
    lab = running.find(engine, "demo")
    assert lab.directory == tmp_path / "clab-demo"
    assert lab.with_role("segment") == ("net",)
    rows = running.inspect(running.labs(engine), relative_to=tmp_path)
    assert [row["name"] for row in rows["demo"]] == [
        "clab-demo-bigip-1", "clab-demo-n1", "clab-demo-net", "clab-demo-pod1",
    ]  # fmt: skip
    assert rows["demo"][0]["labPath"] == "demo.clab.yml"
    assert rows["demo"][0]["ipv4_address"] == "N/A"
    engine.answer = lambda *_: (1, "", "no\n")
    done = running.EngineCommands(engine, lab).run("n1", ["false"])
    assert (done.node, done.code) == ("n1", 1)
    with pytest.raises(LabError, match="n1: `false` exited with 1: no"):
        done.check()


def test_asking_for_what_is_not_there_names_what_is(up, engine):
    with pytest.raises(LabError, match="no lab named demo runs"):
        running.find(engine, "demo")
    up()
    lab = running.find(engine, "demo")
    with pytest.raises(LabError, match="these do: demo"):
        running.find(engine, "demmo")
    with pytest.raises(InputError, match=r"no node n9 .*there are .*bigip-1"):
        running.EngineCommands(engine, lab).run("n9", ["x"])
    engine.die("clab-demo-n1")
    with pytest.raises(LabError, match="node n1 of lab demo does not run"):
        running.EngineCommands(engine, running.find(engine, "demo")).run("n1", ["x"])


def test_quick_commands_skip_the_dead_and_leave_no_helper(up, engine):
    up()
    engine.die("clab-demo-pod1")
    engine.answer = lambda container, argv, stdin: (0, container, "")
    with running.quick_commands(engine, running.find(engine, "demo")) as commands:
        assert commands.run("n1", ["x"]).stdout == "clab-demo-n1"
        with pytest.raises(LabError, match="pod1"):
            commands.run("pod1", ["x"])
    assert len(engine.specs) == 4


def test_what_a_killed_deploy_asked_for_is_removed_when_it_appears(up, engine, tmp_path):
    """The engine goes on making what it was asked for by a process that is gone."""
    up()
    late = engine.specs["clab-demo-n1"]
    destroy("demo", runtime=engine)
    (tmp_path / "clab-demo" / LOCK).write_text("deploy of demo, process 1")
    timer = threading.Timer(0.2, lambda: engine.create(late))
    timer.start()
    assert destroy("demo", runtime=engine, directory=tmp_path / "clab-demo") == ("clab-demo-n1",)
    timer.join()
    assert engine.specs == {}
    assert not (tmp_path / "clab-demo" / LOCK).exists()


def test_a_lock_tells_whether_its_last_holder_was_killed(tmp_path):
    with locked(tmp_path, "first") as killed:
        assert not killed
    (tmp_path / LOCK).write_text("deploy of demo, process 1")
    with locked(tmp_path, "second") as killed:
        assert killed
    with locked(tmp_path, "third") as killed:
        assert not killed
