"""kubectl's words and columns.

The messages are those that kubectl 1.32.4 printed when it was run against an API server that held
the same objects; the columns are those of the API server's printers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labgen import yaml_source
from labgen.kubernetes import nodes
from labgen.kubernetes.kubectl import COVERED, kubectl, session_ended
from labgen.kubernetes.objects import StandsFor
from labgen.kubernetes.shell import Attach, Clusters, Exec, Logs
from labgen.kubernetes.state import ClusterState

from .conftest import ECHO, NOW, Shell, decode

DATA = Path(__file__).parents[2] / "data" / "kubectl"
APPLIED = ECHO.replace("example/echo", "example/echo:2")
MISSING = (
    "Warning: resource {}/echo is missing the kubectl.kubernetes.io/last-applied-configuration "
    "annotation which is required by kubectl apply. kubectl apply should only be used on resources "
    "created declaratively by either kubectl create --save-config or kubectl apply. The missing "
    "annotation will be patched automatically.\n"
)


def recorded(name: str, key: str) -> list[tuple[str, str]]:
    """Command lines of a file under tests/data/kubectl, each with what it comes to."""
    (document,) = yaml_source.read(DATA / f"{name}.yaml")
    return [(case["line"], case[key]) for case in document.value]


def test_get_nodes(four_nodes: ClusterState) -> None:
    shell = Shell(nodes.cordon(four_nodes, ["cluster-a-m03"], now=NOW).state)
    assert shell("get nodes").out == (
        "NAME            STATUS                     ROLES           AGE   VERSION\n"
        "cluster-a       Ready                      control-plane   10s   v1.32.0+labgen\n"
        "cluster-a-m02   Ready                      <none>          10s   v1.32.0+labgen\n"
        "cluster-a-m03   Ready,SchedulingDisabled   <none>          10s   v1.32.0+labgen\n"
        "cluster-a-m04   Ready                      <none>          10s   v1.32.0+labgen\n"
    )
    wide = shell("get nodes cluster-a -o wide").out.splitlines()
    assert wide[0].split("   ")[-3:] == ["OS-IMAGE", " KERNEL-VERSION", "CONTAINER-RUNTIME"]
    assert wide[1].split() == [
        "cluster-a", "Ready", "control-plane", "20s", "v1.32.0+labgen", "172.18.0.2", "<none>",
        "<unknown>", "<unknown>", "<unknown>",
    ]  # fmt: skip


def test_get_pods_wide_everywhere(shell: Shell) -> None:
    lines = shell("get pods -A -o wide").out.splitlines()
    assert lines[0].split("  ")[0] == "NAMESPACE"
    assert [h.strip() for h in lines[0].split("   ") if h.strip()] == [
        "NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE", "NOMINATED NODE",
        "READINESS GATES",
    ]  # fmt: skip
    (line,) = (line for line in lines if line.startswith("default"))
    assert line.split()[2:] == [
        "1/1", "Running", "0", "10s", "10.200.0.1", "cluster-a", "<none>", "<none>",
    ]  # fmt: skip
    assert len([line for line in lines if "calico-node" in line]) == 4


def test_get_services_wide(shell: Shell) -> None:
    address = shell.state.services[0].cluster_ips[0]
    assert shell("get services -A -o wide").out == (
        "NAMESPACE   NAME   TYPE        CLUSTER-IP     EXTERNAL-IP   PORT(S)    AGE   SELECTOR\n"
        f"default     echo   ClusterIP   {address}   <none>        8385/TCP   10s   app=echo\n"
    )


@pytest.mark.parametrize(("line", "out"), recorded("answered", "out"))
def test_answered(shell: Shell, line: str, out: str) -> None:
    pod = next(p.meta.name for p in shell.state.pods if p.meta.namespace == "default")
    names = {"pod": pod, "slice": shell.state.endpoint_slices[0].meta.name}
    answer = shell(line)
    assert answer.out == out.format(**names)
    assert answer.code == 0, answer.err


@pytest.mark.parametrize(("line", "err"), recorded("refused", "err"))
def test_refused_as_kubectl_refuses(shell: Shell, line: str, err: str) -> None:
    before = shell.clusters
    answer = shell(line)
    assert answer.err == err
    assert answer.code == 1
    assert answer.clusters.states["cluster-a"].objects == before.states["cluster-a"].objects
    assert answer.action is None


@pytest.mark.parametrize(("line", "says"), recorded("not-covered", "says"))
def test_what_the_lab_does_not_cover_is_refused_by_name(shell: Shell, line: str, says: str) -> None:
    shell.files["calico-pool.yaml"] = (
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: a}\n"
    )
    shell.files["node.yaml"] = "apiVersion: v1\nkind: Node\nmetadata: {name: a}\n"
    shell.files["empty.yaml"] = ""
    before = shell.clusters
    answer = shell(line)
    assert says in answer.err
    assert answer.err.count("\n") == 1
    assert answer.code == 1
    assert not answer.out
    assert answer.clusters.states["cluster-a"].objects == before.states["cluster-a"].objects


def test_a_context_that_is_not_there_is_told_below_the_table(shell: Shell) -> None:
    answer = shell("config get-contexts nope")
    assert answer.out == "CURRENT   NAME   CLUSTER   AUTHINFO   NAMESPACE\n"
    assert (answer.err, answer.code) == ("error: context nope not found\n", 1)


def test_nothing_found_is_said_and_no_error(shell: Shell) -> None:
    assert shell("get pods -n web").err == "No resources found in web namespace.\n"
    assert shell("get installations").err == "No resources found\n"
    assert shell("get pods nope --ignore-not-found").err == ""


def test_get_all_has_a_table_for_each_kind(shell: Shell) -> None:
    blocks = shell("get all").out.split("\n\n")
    assert [block.splitlines()[1].split()[0].split("/")[0] for block in blocks] == [
        "pod", "service", "deployment.apps", "replicaset.apps",
    ]  # fmt: skip


def test_yaml_and_json_are_read_back(shell: Shell) -> None:
    (document,) = yaml_source.parse(shell("get svc echo -o yaml").out, "out.yaml")
    assert document.value == json.loads(shell("get svc echo -o json").out)
    listed = json.loads(shell("get nodes -o json").out)
    assert listed["kind"] == "List"
    assert listed["items"][0]["metadata"]["name"] == "cluster-a"


def test_yaml_quotes_what_would_read_as_something_else(shell: Shell) -> None:
    shell.files["p.yaml"] = """\
apiVersion: v1
kind: Pod
metadata:
  name: p
  labels: {a: "true", b: "012", d: "yes"}
  annotations: {s: "1:20", t: "2026-01-01", u: "{x}", v: "n", z: ""}
spec: {containers: [{name: a, image: b, args: ["*x"]}]}
"""
    shell("create -f p.yaml")
    text = shell("get pod p -o yaml").out
    for line in ('a: "true"', 'b: "012"', 'd: "yes"', 's: "1:20"', 't: "2026-01-01"'):
        assert f"    {line}\n" in text
    for line in ("    u: '{x}'\n", '    v: "n"\n', '    z: ""\n', "    - '*x'\n"):
        assert line in text
    assert 'creationTimestamp: "2026-11-22T' in text


def test_apply_says_what_it_did(four_nodes: ClusterState) -> None:
    shell = Shell(four_nodes, files={"e.yaml": ECHO, "2.yaml": APPLIED})
    created = "deployment.apps/echo created\nservice/echo created\n"
    assert shell("create -f e.yaml").out == created
    first = shell("apply -f e.yaml")
    assert first.out == "deployment.apps/echo configured\nservice/echo configured\n"
    assert first.err == MISSING.format("deployments") + MISSING.format("services")
    assert "unchanged" in shell("apply -f e.yaml").out
    assert shell("apply -f 2.yaml").out == (
        "deployment.apps/echo configured\nservice/echo unchanged\n"
    )


def test_apply_keeps_what_no_file_named_and_removes_what_it_named(shell: Shell) -> None:
    shell("label deploy echo by=hand")
    shell("scale deploy echo --replicas 3")
    shell.files["3.yaml"] = ECHO.replace(", labels: {tier: test}", "").replace(
        "  replicas: 1\n", ""
    )
    shell("apply -f 3.yaml")
    found = json.loads(shell("get deploy echo -o json").out)
    assert found["metadata"]["labels"] == {"by": "hand"}
    assert found["spec"]["replicas"] == 1  # the last file named it, so its absence resets it


def test_a_file_with_one_bad_object_changes_nothing(four_nodes: ClusterState) -> None:
    shell = Shell(four_nodes, files={"bad.yaml": ECHO.replace("port: 8385", "port: 0")})
    before = shell.state
    answer = shell("apply -f bad.yaml")
    assert "bad.yaml:18:12: Service(echo): spec.ports[0].port: " in answer.err
    assert answer.err.startswith("error: ")
    assert shell.state.objects == before.objects


def test_a_drain_that_may_not_be_names_every_reason(shell: Shell) -> None:
    shell.files["alone.yaml"] = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: alone}\n"
        "spec: {nodeName: cluster-a-m02, containers: [{name: a, image: b}]}\n"
    )
    shell("create -f alone.yaml")
    pods = [p.meta.name for p in shell.state.pods if p.spec.node_name == "cluster-a-m02"]
    calico, proxy = sorted(name for name in pods if name != "alone")
    daemons = (
        "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): "
        f"calico-system/{calico}, kube-system/{proxy}"
    )
    alone = (
        "cannot delete cannot delete Pods that declare no controller (use --force to override): "
        "default/alone"
    )
    answer = shell("drain cluster-a-m02")
    assert answer.code == 1
    assert answer.out == "node/cluster-a-m02 cordoned\n"
    assert answer.err == (
        f'error: unable to drain node "cluster-a-m02" due to error: [{daemons}, {alone}], '
        "continuing command...\nThere are pending nodes to be drained:\n cluster-a-m02\n"
        f"{daemons}\n{alone}\n"
    )
    forced = shell("drain cluster-a-m02 --ignore-daemonsets --force")
    assert forced.out == (
        "node/cluster-a-m02 already cordoned\nevicting pod default/alone\n"
        "pod/alone evicted\nnode/cluster-a-m02 drained\n"
    )
    assert forced.err == (
        "Warning: deleting Pods that declare no controller: default/alone; ignoring "
        f"DaemonSet-managed Pods: calico-system/{calico}, kube-system/{proxy}\n"
    )


def test_run_attached_is_an_action_and_ends_as_the_guide_shows(shell: Shell) -> None:
    line = "--cluster=cluster-a run tmp-shell --rm -i --tty --image nicolaka/netshoot -- /bin/bash"
    answer = shell(line)
    action = answer.action
    assert isinstance(action, Attach)
    assert (action.stdin, action.tty, action.remove, answer.out) == (True, True, True, "")
    pod = shell.state.pod("tmp-shell")
    assert pod is not None
    assert pod.spec.containers[0].args == ("/bin/bash",)
    assert pod.meta.labels == {"run": "tmp-shell"}
    ended = session_ended(shell.clusters, action, now=NOW)
    assert ended.out == (
        "Session ended, resume using 'kubectl attach tmp-shell -c tmp-shell -i -t' command when "
        'the pod is running\npod "tmp-shell" deleted\n'
    )
    assert ended.clusters.states["cluster-a"].pod("tmp-shell") is None


def test_run_that_ends_and_stays_is_completed(shell: Shell) -> None:
    action = shell("run once --image a -i --restart Never --command -- true").action
    assert isinstance(action, Attach)
    ended = session_ended(shell.clusters, action, exit_code=3, now=NOW)
    assert (ended.out, ended.code) == ("", 3)
    after = Shell(ended.clusters.states["cluster-a"])
    assert after("get pod once --no-headers").out.split()[1:3] == ["0/1", "Completed"]
    assert "cannot exec into a container in a completed pod" in after("exec once -- x").err


def test_exec_and_logs_are_actions_on_the_pod(shell: Shell) -> None:
    (pod,) = (p for p in shell.state.pods if p.meta.namespace == "default")
    action = shell("exec -it deploy/echo -- ip route").action
    assert isinstance(action, Exec)
    assert (action.pod.name, action.node) == (pod.meta.name, pod.spec.node_name)
    assert action.argv == ("ip", "route")
    assert (action.stdin, action.tty, action.container) == (True, True, "echo")
    logs = shell(f"logs {pod.meta.name} -f --tail=5").action
    assert isinstance(logs, Logs)
    assert (logs.follow, logs.tail) == (True, 5)
    assert "container nope not found" in shell("exec deploy/echo -c nope -- x").err


def test_a_system_pod_is_its_node_or_nothing(shell: Shell) -> None:
    action = shell("exec -n calico-system ds/calico-node -- birdc show protocols").action
    assert isinstance(action, Exec)
    assert action.stands_for is StandsFor.NODE_PROCESS
    assert "labgen/stands-for" in shell("describe ds -n kube-system kube-proxy").out


def test_a_waiting_pod_has_no_container_yet(four_nodes: ClusterState) -> None:
    clusters = Clusters({"cluster-a": four_nodes}, "cluster-a")
    done = kubectl(["run", "x", "--image", "a"], clusters, read=lambda _: [], now=NOW)
    again = kubectl(["exec", "x", "--", "ls"], done.clusters, read=lambda _: [], now=NOW)
    assert again.err == 'error: unable to upgrade connection: container not found ("x")\n'
    logs = kubectl(["logs", "x"], done.clusters, read=lambda _: [], now=NOW)
    assert logs.err == (
        'Error from server (BadRequest): container "x" in pod "x" is waiting to start: '
        "ContainerCreating\n"
    )


def test_describe_service_has_kubectls_headings(shell: Shell) -> None:
    address = shell.state.services[0].cluster_ips[0]
    assert (
        shell("describe svc echo").out
        == f"""\
Name:                     echo
Namespace:                default
Labels:                   <none>
Annotations:              <none>
Selector:                 app=echo
Type:                     ClusterIP
IP Family Policy:         SingleStack
IP Families:              IPv4
IP:                       {address}
IPs:                      {address}
Port:                     <unset>  8385/TCP
TargetPort:               http/TCP
Endpoints:                10.200.0.1:8080
Session Affinity:         None
Internal Traffic Policy:  Cluster
"""
    )


@pytest.mark.parametrize("kind", ["node", "pod", "deploy", "rs", "endpointslice", "ns"])
def test_describe_every_kind(shell: Shell, kind: str) -> None:
    answer = shell(f"describe {kind}")
    assert answer.code == 0
    assert answer.out


def test_clusters_are_told_apart(echo: ClusterState, empty: ClusterState) -> None:
    other = Shell(echo, files={"echo.yaml": ECHO})
    other.clusters = other.clusters.having(
        ClusterState("cluster-b", empty.service_networks, empty.pod_networks, empty.objects)
    )
    assert "echo" in other("get deploy").out
    assert other("--cluster=cluster-b get deploy").err.startswith("No resources found")
    assert other("config use-context cluster-b").clusters.current == "cluster-b"
    assert other("get deploy").err.startswith("No resources found")
    assert other("apply -f echo.yaml --context cluster-b").code == 0
    assert "echo" in other("get deploy").out


def test_without_a_cluster_the_way_to_choose_one_is_told() -> None:
    answer = kubectl(["get", "pods"], Clusters(), read=lambda _: [], now=NOW)
    assert "no cluster is chosen" in answer.err
    assert answer.code == 1


def test_the_operators_manifests(four_nodes: ClusterState) -> None:
    url = "https://raw.githubusercontent.com/projectcalico/calico/v3.24.1/manifests/"
    shell = Shell(four_nodes)
    done = shell(f"create -f {url}tigera-operator.yaml")
    assert done.code == 0
    assert done.out.startswith("tigera-operator.yaml: not read, this lab provides it by itself")
    assert done.out.count("\n") == 1


def test_an_installation_brings_calico_node(empty: ClusterState) -> None:
    text = "apiVersion: operator.tigera.io/v1\nkind: {}\nmetadata: {{name: default}}\nspec: {{}}\n"
    both = text.format("Installation") + "---\n" + text.format("APIServer")
    shell = Shell(empty, files={"custom-resources.yaml": both})
    assert shell("create -f custom-resources.yaml").out == (
        "installation.operator.tigera.io/default created\n"
        "apiserver.operator.tigera.io/default created\n"
    )
    assert "calico-node" in shell("get ds -n calico-system").out


def test_every_covered_command_is_in_the_refusal(shell: Shell) -> None:
    said = shell("frobnicate").err
    assert all(verb in said for verb in COVERED)


def test_decoding_is_by_namespace_of_the_call(shell: Shell) -> None:
    shell("create namespace web")
    assert shell("apply -f echo.yaml -n web").code == 0
    assert "web" in shell("get deploy -A").out
    shell.files["own.yaml"] = ECHO.replace("{name: echo}", "{name: echo, namespace: own}")
    said = shell("apply -f own.yaml -n web").err
    assert 'the namespace from the provided object "own" does not match the namespace "web"' in said
    assert decode(ECHO, "web")[0].item.meta.namespace == "web"


def test_patch_changes_what_it_names(shell: Shell) -> None:
    before = shell.state.service("echo")
    assert before is not None
    line = (
        """patch svc echo -p '{"spec": {"type": "LoadBalancer", "loadBalancerIP": "192.0.2.9"}}'"""
    )
    assert shell(line).out == "service/echo patched\n"
    assert shell("get svc --no-headers").out.split()[1:4] == [
        "LoadBalancer", str(before.cluster_ips[0]), "192.0.2.9",
    ]  # fmt: skip
    local = "patch svc echo -p 'spec: {externalTrafficPolicy: Local}'"
    assert shell(local).out == "service/echo patched\n"
    assert shell(local).out == "service/echo patched (no change)\n"
    assert shell('patch deploy/echo -p \'{"spec": {"replicas": 2}}\'').code == 0
    assert "2/2" in shell("get deploy").out
    shell("patch node cluster-a -p 'metadata: {labels: {rack: r1, kubernetes.io/os: null}}'")
    node = shell.state.node("cluster-a")
    assert node is not None
    assert node.meta.labels["rack"] == "r1"
    assert "kubernetes.io/os" not in node.meta.labels
    shell("""patch svc echo --type merge -p '{"spec": {"ports": [{"port": 81}]}}'""")
    after = shell.state.service("echo")
    assert after is not None
    assert [port.port for port in after.ports] == [81]
    assert shell("patch svc echo -p 'spec: {type: ClusterIP}'").out == "service/echo patched\n"
    assert shell("get svc --no-headers").out.split()[1:5] == [
        "ClusterIP", str(before.cluster_ips[0]), "<none>", "81/TCP",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("'spec: {ports: [{port: 81}]}'", "spec.ports: a strategic patch of a list of objects"),
        ("'spec: {clusterIP: 10.201.1.1, clusterIPs: null}'", "may not change once set"),
        ("'spec: {type: Odd}'", "spec.type"),
        ("'metadata: {name: other}'", "cannot be patched"),
        ("'[1]'", "a mapping is wanted"),
        ("'{'", "not valid YAML"),
        ("x --type json", "kubectl patch --type json is not covered"),
    ],
)
def test_patches_that_are_refused(shell: Shell, change: str, says: str) -> None:
    before = shell.state
    answer = shell(f"patch svc echo -p {change}")
    assert says in answer.err
    assert (answer.code, answer.out, answer.err.count("\n")) == (1, "", 1)
    assert shell.state.objects == before.objects
