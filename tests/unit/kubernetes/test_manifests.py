"""What a user may write, what is refused, and where the refusal points."""

from __future__ import annotations

import pytest

from labgen.errors import InputError, InputErrors
from labgen.kubernetes import labels
from labgen.kubernetes.objects import Deployment, Service, ServiceType, TrafficPolicy

from .conftest import ECHO, decode

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: s}}
spec: {{{spec}}}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec: {{{spec}}}
"""


def service(spec: str) -> Service:
    (found,) = decode(SERVICE.format(spec=spec))
    assert isinstance(found.item, Service)
    return found.item


def test_two_documents_become_two_objects_with_their_places() -> None:
    deployment, echo = decode(ECHO)
    assert isinstance(deployment.item, Deployment)
    assert deployment.item.replicas == 1
    assert (deployment.mark.line, echo.mark.line) == (1, 13)
    assert isinstance(echo.item, Service)
    assert [(p.port, p.target_port) for p in echo.item.ports] == [(8385, "http")]


def test_a_list_is_taken_apart_and_points_into_itself() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "- {apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"
    )
    assert [m.item.meta.name for m in decode(text)] == ["a"]
    with pytest.raises(InputError, match=r"test\.yaml:4:48"):
        decode(text.replace("name: a", "name: A_B"))


def test_a_namespace_is_taken_from_the_object_or_the_call() -> None:
    assert decode(ECHO, "other")[0].item.meta.namespace == "other"
    text = ECHO.replace("name: echo, labels", "name: echo, namespace: own, labels")
    assert decode(text, "other")[0].item.meta.namespace == "own"


def test_every_problem_of_a_file_is_reported_at_once() -> None:
    text = ECHO.replace("replicas: 1", "replicas: -1").replace("port: 8385", "port: 99999")
    with pytest.raises(InputErrors) as caught:
        decode(text)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("test.yaml:5:3: Deployment(echo): spec.replicas: ")
    assert lines[1].startswith("test.yaml:18:12: Service(echo): spec.ports[0].port: ")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("kind: Service", "kind: Servise", 'no matches for kind "Servise" in version "v1"'),
        ("apiVersion: v1\n", "", "the object has no apiVersion"),
        ("metadata: {name: echo}", "metadata: {}", "Service has no metadata.name"),
        ("metadata: {name: echo}", "metadata: {generateName: a-}", "generateName is not covered"),
        ("metadata: {name: echo}", "metadata: {name: Echo}", "metadata.name"),
        ("matchLabels: {app: echo}", "matchLabels: {app: other}", "does not match the labels"),
        ("matchLabels: {app: echo}", "matchLabels: {}", "selects nothing"),
        ("targetPort: http", "targetPort: '8080'", "must contain at least one letter"),
        ("app: echo}}", "app: -bad-}}", "not a valid label value"),
        ("tier: test", "'a b': test", "not a valid label key"),
        ("image: example/echo, ", "", "containers[0].image: Required value"),
    ],
)
def test_refused_with_its_place(old: str, new: str, reason: str) -> None:
    assert old in ECHO
    with pytest.raises(InputError, match=r"test\.yaml:\d+:\d+: ") as caught:
        decode(ECHO.replace(old, new))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("type: ExternalName, externalName: a.b", "no cluster DNS"),
        ("ports: [{port: 80}], sessionAffinity: ClientIP", "sessionAffinity ClientIP"),
        ("ports: []", "Required value"),
        ("ports: [{port: 80}, {port: 81}]", "spec.ports[0].name: Required value"),
        ("ports: [{port: 80, name: a}, {port: 80, name: b}]", "port 80/TCP stands twice"),
        ("ports: [{port: 80, name: a}, {port: 81, name: a}]", "the port name a stands twice"),
        ("ports: [{port: 80, nodePort: 30000}]", "nodePort may not be used"),
        ("type: NodePort, ports: [{port: 80, nodePort: 80}]", "not in the valid range"),
        ("clusterIP: 10.1, ports: [{port: 80}]", "not an IP address"),
        ("clusterIP: None, type: NodePort, ports: [{port: 80}]", "does not go with type"),
        ("externalIPs: [a], ports: [{port: 80}]", "spec.externalIPs[0]"),
        ("externalTrafficPolicy: Local, ports: [{port: 80}]", "externally-accessible"),
        ("ports: [{port: 80, protocol: ICMP}]", "spec.ports[0].protocol"),
        ("ports: [{port: '80'}]", "spec.ports[0].port"),
    ],
)
def test_services_that_no_api_server_or_no_lab_would_take(spec: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        service(spec)
    assert reason in str(caught.value)


def test_service_defaults() -> None:
    plain = service("ports: [{port: 80}]")
    assert plain.ports[0].target_port == 80
    assert plain.external_traffic_policy is None
    outside = service("ports: [{port: 80}], externalIPs: [192.0.2.1]")
    assert outside.external_traffic_policy is TrafficPolicy.CLUSTER
    balancer = service("type: LoadBalancer, loadBalancerIP: 192.0.2.7, ports: [{port: 80}]")
    assert balancer.type is ServiceType.LOAD_BALANCER
    assert str(balancer.load_balancer_ip) == "192.0.2.7"
    dual = service("ports: [{port: 80}], ipFamilyPolicy: PreferDualStack")
    assert dual.families == (4, 6)


def test_calico_resources_are_sent_to_calicoctl() -> None:
    with pytest.raises(InputError, match="use calicoctl"):
        decode("apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: a}\n")


def test_two_containers_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="container name a stands twice"):
        decode(POD.format(spec="containers: [{name: a, image: x}, {name: a, image: y}]"))


def test_a_replica_set_of_ones_own_is_refused() -> None:
    with pytest.raises(InputError, match="write a Deployment"):
        decode("apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: a}\n")


def test_the_value_of_an_environment_variable_is_in_no_repr() -> None:
    spec = "containers: [{name: a, image: x, env: [{name: PASSWORD, value: geheim}]}]"
    (found,) = decode(POD.format(spec=spec))
    assert "geheim" not in repr(found)


@pytest.mark.parametrize(
    ("text", "matching"),
    [
        ("a=1", [0]),
        ("a==1", [0]),
        ("a!=1", [1, 2]),
        ("a", [0, 1]),
        ("!a", [2]),
        ("a in (1,2)", [0, 1]),
        ("a notin (1)", [1, 2]),
        ("a in (1, 2),b=x", [1]),
    ],
)
def test_selectors(text: str, matching: list[int]) -> None:
    given = [{"a": "1"}, {"a": "2", "b": "x"}, {"b": "y"}]
    wanted = labels.parse(text)
    assert [i for i, item in enumerate(given) if wanted.matches(item)] == matching


@pytest.mark.parametrize("text", ["", "a=b=c", "a in b", "=x", "a,,b"])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="unable to parse the label selector"):
        labels.parse(text)
