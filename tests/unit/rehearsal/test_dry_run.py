"""What cannot work is refused before anything starts, at its place in the spec."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from labgen.errors import InputError
from labgen.lab.clusters import beginning
from labgen.lab.datastore_files import real_stamps
from labgen.lab.project import Project, open_project
from labgen.rehearsal.calls import Texts, substituted, variables, words
from labgen.rehearsal.dry_run import check
from labgen.rehearsal.rehearse import chosen

REPO = Path(__file__).parents[3]
HEAD = """\
name: tried
segments: {lan: {subnet: 172.17.0.0/16}}
clusters:
  a:
    resources: [pool.yaml]
    manifests: [echo.yaml]
    nodes:
      n1: {segment: lan, address: 172.17.0.2}
      n2: {segment: lan, address: 172.17.0.3}
    pods:
      shell: {node: n1}
"""
POOL = """\
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: pods}
spec: {cidr: 10.200.0.0/16, blockSize: 26}
"""
PEER = """\
apiVersion: projectcalico.org/v3
kind: BGPPeer
metadata: {name: other}
spec: {peerIP: "${N2_IP}", asNumber: 64513}
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "pool.yaml").write_text(POOL)
    (tmp_path / "peer.yaml").write_text(PEER)
    shutil.copy(REPO / "topologies/two-clusters/testingworkload/echo-server.yaml",
                tmp_path / "echo.yaml")  # fmt: skip
    return tmp_path


def opened(lab: Path, text: str) -> Project:
    (lab / "lab.yaml").write_text(HEAD + text)
    return open_project(lab / "lab.yaml")


def tried(project: Project, faults_in: tuple[str, ...] = ()) -> None:
    stamps = real_stamps()
    now = beginning(project.loaded.spec, project.design, stamps)
    check(project, chosen(project.loaded.spec), now, Texts(project.loaded), stamps, faults_in)


def stage(*actions: str, expect: str = "") -> str:
    text = "stages:\n  - name: change\n"
    if actions:
        text += "    actions:\n" + "".join(f"      - {action}\n" for action in actions)
    return text + (f"    expect:\n      {expect}\n" if expect else "")


GOOD = [
    "apply: {cluster: a, file: peer.yaml}",
    "create: {cluster: a, file: peer.yaml}",
    "patch: {cluster: a, kind: node, name: n1, patch: {spec: {bgp: {asNumber: 64600}}}}",
    "delete: {cluster: a, kind: ippool, name: pods}",
    "delete: {cluster: a, kind: service, name: echoserver}",
    "label: {cluster: a, nodes: [n1, n2], labels: {rack: one}}",
    "drain: {cluster: a, nodes: [n2]}",
    "cordon: {cluster: a, nodes: [n1]}",
    "uncordon: {cluster: a, nodes: [n1]}",
    "calicoctl: {cluster: a, argv: [get, nodes]}",
    "kubectl: {cluster: a, argv: [get, nodes]}",
    "add_node: {cluster: a, name: n3}",
    "remove_node: {cluster: a, name: n2}",
    "run: {node: shell, argv: [ip, route]}",
]


@pytest.mark.parametrize("action", GOOD, ids=lambda a: a.split(":")[0])
def test_what_can_work_is_taken(lab: Path, action: str) -> None:
    project = opened(lab, stage(action))
    tried(project)
    assert words(project.loaded.spec.stages[0].actions[0])


def test_a_later_action_may_use_what_an_earlier_one_made(lab: Path) -> None:
    tried(
        opened(
            lab,
            stage(
                "add_node: {cluster: a, name: n3}",
                "label: {cluster: a, nodes: [n3], labels: {rack: two}}",
                "apply: {cluster: a, file: peer.yaml}",
                "delete: {cluster: a, kind: bgppeer, name: other}",
                expect="sessions: {n3: [n1, n2]}",
            ),
        )
    )


BAD = [
    (stage("apply: {cluster: b, file: peer.yaml}"), r"no cluster `b`"),
    (stage("apply: {cluster: a, file: pear.yaml}"), r"no such file: pear.yaml"),
    (stage("apply: {cluster: a, file: peer.yaml}",
           "delete: {cluster: a, kind: bgppeer, name: third}"), r"third"),
    (stage("patch: {cluster: a, kind: node, name: n9, patch: {spec: {}}}"), r"n9"),
    (stage("patch: {cluster: a, kind: nodule, name: n1, patch: {spec: {}}}"), r"nodule"),
    (stage("patch: {cluster: a, kind: node, name: n1, patch: {spec: {bgp: {asNumber: x}}}}"),
     r"patch node"),
    (stage("label: {cluster: a, nodes: [n7], labels: {x: y}}"), r"n7"),
    (stage("drain: {cluster: a, nodes: [n1]}"), r"shell"),  # a bare pod, as kubectl says
    (stage("drain: {cluster: a, nodes: [n2, n9]}"), r"n9"),
    (stage("cordon: {cluster: a, nodes: [n9]}"), r"n9"),
    (stage("uncordon: {cluster: a, nodes: [n9]}"), r"n9"),
    (stage("delete: {cluster: a, kind: service, name: echo}"), r"echo"),
    (stage("delete: {cluster: a, kind: ippool, name: pod}"), r"pod"),
    (stage("delete: {cluster: a, kind: nodule, name: n1}"), r"nodule"),
    (stage("patch: {cluster: b, kind: node, name: n1, patch: {}}"), r"no cluster `b`"),
    (stage("add_node: {cluster: a, name: n1}"), r"n1 is taken"),
    (stage("add_node: {cluster: a, name: n3, address: 10.0.0.1}"), r"not in 172.17"),
    (stage("remove_node: {cluster: a, name: n3}"), r"no node `n3`"),
    (stage("run: {node: shall, argv: [id]}"), r"no node `shall`.*did you mean `shell`"),
    (stage("inject: {fault: nonsense}"), r"no fault `nonsense`"),
    (stage("calicoctl: {cluster: a, argv: [frobnicate]}"), r"frobnicate"),
    (stage("kubectl: {cluster: a, argv: [run, x, -i, --image, y]}"), r"use the verb `run`|run"),
    (stage(expect="sessions: {n1: [n4]}"), r"no node `n4`"),
    (stage(expect="sessions: {n5: [n1]}"), r"no node `n5`"),
    (stage(expect="as_numbers: {c: 64512}"), r"no cluster or node `c`"),
    (stage(expect="routes: [{clusters: [b], to: 10.0.0.0/8}]"), r"no cluster `b`"),
    (stage(expect="routes: [{nodes: [n1], to: 10.0.0.0/8, via: [n6]}]"), r"no node `n6`"),
    (stage(expect="traffic: [{from: nobody, to: {pod: shell}}]"), r"no node or pod `nobody`"),
    (stage(expect="traffic: [{from: shell, to: {cluster: a, service: x}}]"), r"default/x"),
    (stage(expect="traffic: [{from: shell, to: {cluster: a, app: x}}]"), r"app=x"),
    ("probes: {f: {from: nobody, to: {pod: shell}}}\n" + stage(), r"no node or pod `nobody`"),
    ("probes: {f: {from: shell, to: {pod: nobody}}}\n" + stage(), r"no pod `nobody`"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD)
def test_what_cannot_work_is_refused_at_its_place(lab: Path, text: str, told: str) -> None:
    project = opened(lab, text)
    with pytest.raises(InputError, match=told) as caught:
        tried(project)
    for line in str(caught.value).splitlines():
        assert re.match(r"\S*lab\.yaml:\d+:\d+: ", line), line


FAULTS = [
    (["heal: {fault: md5-mismatch}"], (), "the fault md5-mismatch is not in the lab by then"),
    (["inject: {fault: md5-mismatch}", "heal: {fault: both-passive}"], (), "both-passive is not"),
    (["inject: {fault: md5-mismatch}"], ("md5-mismatch",), "md5-mismatch is in the lab by then"),
    (["inject: {fault: md5-mismatch, node: kube-node9}"], (), "did you mean `kube-node2`"),
    (["inject: {fault: md5-mismatched}"], (), "did you mean `md5-mismatch`"),
]


def with_a_bigip(root: Path, text: str) -> Project:
    shutil.copytree(REPO / "topologies/bigip-calico", root / "topologies/x",
                    ignore=shutil.ignore_patterns("clab-*"))  # fmt: skip
    shutil.copytree(REPO / "frr-configs", root / "frr-configs")
    spec = root / "topologies/x/lab.yaml"
    spec.write_text(spec.read_text() + text)
    return open_project(spec)


@pytest.mark.parametrize(("actions", "there", "told"), FAULTS)
def test_a_fault_is_in_before_it_is_healed(
    tmp_path: Path, actions: list[str], there: tuple[str, ...], told: str
) -> None:
    project = with_a_bigip(tmp_path, stage(*actions))
    with pytest.raises(InputError, match=told) as caught:
        tried(project, there)
    assert re.match(r"\S*lab\.yaml:\d+:\d+: ", str(caught.value))


def test_a_fault_comes_and_goes(tmp_path: Path) -> None:
    actions = ["heal: {fault: both-passive}", "add_node: {cluster: k8s, name: kube-node3}",
               "inject: {fault: md5-mismatch, node: kube-node3}", "heal: {fault: md5-mismatch}",
               "inject: {fault: md5-mismatch}"]  # fmt: skip
    tried(with_a_bigip(tmp_path, stage(*actions)), ("both-passive",))


SHAPE = [
    ("stages: [{name: x, actions: [{}]}]", "exactly one verb"),
    ("stages: [{name: x, actions: [{cordon: {cluster: a, nodes: []}}]}]", "at least one"),
    ("stages: [{name: x, actions: [{explode: {}}]}]", "unknown key `explode`"),
    ("stages: [{name: x, max_gap: 1}]", "a duration such as 1s"),
    ("stages: [{name: x, max_gap: fast}]", "a duration such as 1s"),
    ("stages: [{name: x, expect: {routes: [{to: 10.0.0.0/8}]}}]", "`clusters` or `nodes`"),
    ("probes: {f: {from: shell, to: {pod: shell}, rate: 100000}}", "1000"),
    ("probes: {f: {from: shell, to: {pod: shell}, kind: sctp}}", "icmp"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), SHAPE)
def test_the_shape_is_checked_first(lab: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)) as caught:
        opened(lab, text + "\n")
    assert re.match(r"\S*lab\.yaml:\d+:\d+: ", str(caught.value))


def test_a_variable_that_names_no_node_has_its_place_in_its_file(lab: Path) -> None:
    (lab / "peer.yaml").write_text(PEER.replace("N2_IP", "N22_IP"))
    with pytest.raises(InputError, match=r"peer\.yaml:4:17: .*N22_IP.*known: N1_IP, N2_IP"):
        tried(opened(lab, stage("apply: {cluster: a, file: peer.yaml}")))


def test_variables_are_the_nodes_addresses(lab: Path) -> None:
    project = opened(lab, stage())
    assert variables(project.loaded.spec) == {"N1_IP": "172.17.0.2", "N2_IP": "172.17.0.3"}
    assert substituted("x: ${A_IP}\n", "f", {"A_IP": "1.2.3.4"}) == "x: 1.2.3.4\n"


def test_the_guides_stages_are_taken() -> None:
    tried(open_project(REPO / "topologies/two-clusters/lab.yaml"))


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--stage", "mash"), "did you mean `mesh`"),
        (("--from", "nowhere"), "known: `mesh`, `AS of cluster-b, and service CIDRs`, "),
        (("--from", "ebgp"), "did you mean `eBGP between the reflectors`?"),
        (("--stage", "ct"), "did you mean `route reflectors` or `eBGP between the reflectors`?"),
        (("--stage", "mesh", "--from", "mesh"), "exclude each other"),
    ],
)
def test_the_command_refuses_stages_that_are_not_there(argv: tuple[str, ...], told: str) -> None:
    from labgen.cli.rehearse import rehearse

    done = CliRunner().invoke(rehearse, [str(REPO / "topologies/two-clusters"), *argv])
    assert isinstance(done.exception, InputError)
    assert told in str(done.exception)


def test_sigterm_ends_a_rehearsal_as_ctrl_c_does(monkeypatch: pytest.MonkeyPatch) -> None:
    from labgen.cli import rehearse

    cleaned: list[str] = []

    def half_way(*_: object, **__: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            cleaned.append("probes and faults")

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("labgen.rehearsal.rehearse.rehearse", half_way)
    monkeypatch.setattr(rehearse, "runtime", object)
    try:
        done = CliRunner().invoke(rehearse.rehearse, [str(REPO / "topologies/two-clusters")])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (done.exit_code, cleaned) == (1, ["probes and faults"])
    assert "Aborted" in done.output


def test_a_lab_without_stages_says_what_to_write() -> None:
    project = open_project(REPO / "topologies/bigip-calico/lab.yaml")
    with pytest.raises(InputError, match="write `stages:`"):
        chosen(project.loaded.spec)


def test_from_and_only_choose(lab: Path) -> None:
    spec = open_project(REPO / "topologies/two-clusters/lab.yaml").loaded.spec
    assert [s.name for s in chosen(spec, only="mesh off")] == ["mesh off"]
    assert next(s.name for s in chosen(spec, first="mesh off")) == "mesh off"
    assert len(chosen(spec, first="mesh off")) == 3
