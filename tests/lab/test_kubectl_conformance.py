"""labgen's kubectl beside the real one: both get the same objects and the same command lines.

The real kubectl talks to an API server of this test on the loopback interface, which holds what
labgen's `present` prints of a cluster. What is compared is what kubectl itself words: messages, not
the tables, which the API server fills in.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest

from labgen import yaml_source
from labgen.kubernetes import labels, nodes, verbs
from labgen.kubernetes.present import manifest
from labgen.kubernetes.state import ClusterState

from ..unit.kubernetes.conftest import (  # noqa: TID252 - tests are no package to import by name
    ECHO,
    NOW,
    Shell,
    decode,
    empty,
    four_nodes,
    started,
)

__all__ = ["empty", "four_nodes"]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed"),
]
DATA = Path(__file__).parents[1] / "data" / "kubectl"
KINDS = {
    "": (
        ("pods", "Pod", True, "po"), ("nodes", "Node", False, "no"),
        ("services", "Service", True, "svc"), ("namespaces", "Namespace", False, "ns"),
    ),
    "apps": (
        ("deployments", "Deployment", True, "deploy"), ("daemonsets", "DaemonSet", True, "ds"),
        ("replicasets", "ReplicaSet", True, "rs"),
    ),
    "discovery.k8s.io": (("endpointslices", "EndpointSlice", True, ""),),
    "policy": (("poddisruptionbudgets", "PodDisruptionBudget", True, "pdb"),),
}  # fmt: skip
ALL_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch", "deletecollection"]
# Wording of the API server or of the lab, or what needs more than this server has: tables, a rule
# for system namespaces, bodies that are not JSON, the memory of an earlier apply.
NOT_COMPARED = re.compile(
    r"get (?!.*-o name)|delete ns default|create namespace|scale ds|apply -f echo|"
    r"delete pods --all|.*--current"
)

Objects = dict[tuple[str, str, str], dict[str, Any]]


@dataclass
class Store:
    """What the API server holds, by resource, namespace and name."""

    objects: Objects = field(default_factory=dict)

    def of(self, cluster: ClusterState) -> None:
        found: Objects = {}
        for at, item in cluster.objects.items():
            body = manifest(item, cluster)
            body["metadata"]["resourceVersion"] = "1"
            for owner in body["metadata"].get("ownerReferences", ()):
                owner["uid"] = "owner"
            found[at.kind.resource, at.namespace, at.name] = body
        self.objects = dict(sorted(found.items()))


def merge(target: dict[str, Any], patch: dict[str, Any]) -> None:
    """RFC 7386; kubectl's strategic patches of these tests are no different."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = Store()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""

    def send(self, code: int, body: dict[str, Any]) -> None:
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def fail(self, code: int, reason: str, resource: str, name: str, verb: str) -> None:
        plural, _, group = resource.partition(".")
        details = {"name": name, "group": group, "kind": plural}
        message = f'{resource} "{name}" {verb}'
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message}
        self.send(code, body | {"reason": reason, "details": details, "code": code})

    def discover(self, parts: list[str]) -> bool:
        """Answer a question about what the server has; False if it is not one."""
        groups = [group for group in KINDS if group]
        versions = {g: [{"groupVersion": f"{g}/v1", "version": "v1"}] for g in groups}
        listed = [
            {"name": g, "versions": versions[g], "preferredVersion": versions[g][0]} for g in groups
        ]
        if parts == ["version"]:
            self.send(200, {"major": "1", "minor": "32", "gitVersion": "v1.32.4"})
        elif parts == ["api"]:
            self.send(200, {"kind": "APIVersions", "versions": ["v1"]})
        elif parts == ["apis"]:
            self.send(200, {"kind": "APIGroupList", "groups": listed})
        elif parts in (["api", "v1"], *(["apis", g, "v1"] for g in groups)):
            group = parts[1] if parts[0] == "apis" else ""
            version = f"{group}/v1" if group else "v1"
            body = {"kind": "APIResourceList", "groupVersion": version}
            self.send(200, body | {"resources": self.resources(group)})
        elif parts[0] == "openapi":
            self.send(404, {"kind": "Status", "status": "Failure", "code": 404})
        else:
            return False
        return True

    @staticmethod
    def resources(group: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [
            {
                "name": plural,
                "singularName": kind.lower(),
                "namespaced": spaced,
                "kind": kind,
                "verbs": ALL_VERBS,
                "shortNames": [short] if short else [],
            }
            for plural, kind, spaced, short in KINDS[group]
        ]
        sub = {"singularName": "", "namespaced": True, "verbs": ["create", "get", "update"]}
        if not group:
            eviction = {"name": "pods/eviction", "group": "policy", "version": "v1"}
            found.append(sub | eviction | {"kind": "Eviction"})
        if group == "apps":
            scale = {"name": "deployments/scale", "group": "autoscaling", "version": "v1"}
            found.append(sub | scale | {"kind": "Scale", "verbs": ["get", "update", "patch"]})
        return found

    def handle_one(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        url = urlparse(self.path)
        parts = [part for part in url.path.split("/") if part]
        if self.discover(parts):
            return
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        space = ""
        if rest[0] == "namespaces" and len(rest) > 2:
            space, rest = rest[1], rest[2:]
        resource = f"{rest[0]}.{group}" if group else rest[0]
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if len(rest) == 1:
            if self.command == "POST":
                self.create(resource, space, body)
            else:
                self.list(resource, group, space, query)
            return
        key = (resource, space, rest[1])
        if key not in self.store.objects:
            self.fail(404, "NotFound", resource, rest[1], "not found")
        elif len(rest) == 3:
            self.subresource(key, rest[2], body)
        else:
            self.one(key, body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one

    def create(self, resource: str, space: str, body: dict[str, Any]) -> None:
        name = body["metadata"]["name"]
        if space and ("namespaces", "", space) not in self.store.objects:
            self.fail(404, "NotFound", "namespaces", space, "not found")
        elif (resource, space, name) in self.store.objects:
            self.fail(409, "AlreadyExists", resource, name, "already exists")
        else:
            body["metadata"] |= {"uid": name, "resourceVersion": "1"}
            body["metadata"] |= {"namespace": space} if space else {}
            self.store.objects[resource, space, name] = body
            self.send(201, body)

    def list(self, resource: str, group: str, space: str, query: dict[str, str]) -> None:
        items = [
            item
            for (kind, within, _), item in self.store.objects.items()
            if kind == resource and space in ("", within)
        ]
        for part in filter(None, query.get("fieldSelector", "").split(",")):
            path, _, value = part.partition("=")
            first, _, last = path.partition(".")
            items = [item for item in items if item.get(first, {}).get(last) == value]
        if query.get("labelSelector"):
            wanted = labels.parse(query["labelSelector"])
            items = [i for i in items if wanted.matches(i["metadata"].get("labels", {}))]
        kind = next(k for plural, k, *_ in KINDS[group] if plural == resource.partition(".")[0])
        version = f"{group}/v1" if group else "v1"
        body = {"kind": f"{kind}List", "apiVersion": version, "items": items}
        self.send(200, body | {"metadata": {"resourceVersion": "1"}})

    def subresource(self, key: tuple[str, str, str], name: str, body: dict[str, Any]) -> None:
        item = self.store.objects[key]
        if name == "eviction":
            del self.store.objects[key]
            self.send(201, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
            return
        if self.command in ("PATCH", "PUT"):
            item["spec"]["replicas"] = body["spec"]["replicas"]
        scale = {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": item["metadata"]}
        self.send(200, scale | {"spec": {"replicas": item["spec"]["replicas"]}})

    def one(self, key: tuple[str, str, str], body: dict[str, Any]) -> None:
        item = self.store.objects[key]
        if self.command == "DELETE":
            del self.store.objects[key]
            details = {"name": key[2], "kind": key[0], "uid": item["metadata"]["uid"]}
            status = {"kind": "Status", "apiVersion": "v1", "status": "Success"}
            self.send(200, status | {"details": details})
            return
        if self.command == "PATCH":
            merge(item, body)
        elif self.command == "PUT":
            self.store.objects[key] = item = body
        self.send(200, item)


@dataclass
class Real:
    """The real kubectl, its home and its server."""

    home: Path
    store: Store

    def __call__(self, line: str) -> tuple[str, str, int]:
        words = shlex.split(line)
        if words[0] in ("apply", "create") and "-f" in words:
            words.append("--validate=false")  # this server has no schema to validate against
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "KUBECONFIG": str(self.home / "config"),
        }
        done = subprocess.run(
            ["kubectl", *words], capture_output=True, text=True, check=False, timeout=60,
            cwd=self.home, env=environment,
        )  # fmt: skip
        return done.stdout, done.stderr, done.returncode


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    home = tmp_path_factory.mktemp("kubectl")
    named = {"cluster": "cluster-a", "user": "cluster-a"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "cluster-a", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}
        ],
        "contexts": [{"name": "cluster-a", "context": named}],
        "users": [{"name": "cluster-a", "user": {}}],
        "current-context": "cluster-a",
    }
    (home / "config").write_text(json.dumps(config), encoding="utf-8")
    (home / "echo.yaml").write_text(ECHO, encoding="utf-8")
    yield Real(home, Api.store)
    server.shutdown()
    server.server_close()
    thread.join()


def lines() -> list[str]:
    found = [
        case["line"]
        for name in ("answered", "refused")
        for document in yaml_source.read(DATA / f"{name}.yaml")
        for case in document.value
    ]
    return [line for line in found if not NOT_COMPARED.match(line)]


def same(real: Real, shell: Shell, line: str) -> None:
    out, err, code = real(line)
    ours = shell(line)
    assert ours.out == out
    # kubectl adds where to read more
    assert err == ours.err or (ours.err and err.startswith(ours.err)), err
    assert bool(ours.code) is bool(code)


@pytest.mark.parametrize("line", lines())
def test_both_say_the_same(real: Real, four_nodes: ClusterState, line: str) -> None:
    done = verbs.apply(four_nodes, decode(ECHO), source="echo.yaml", now=NOW)
    cluster = started(done.checked())
    real.store.of(cluster)
    same(real, Shell(cluster, files={"echo.yaml": ECHO}), line)


def test_apply_create_and_apply_again(real: Real, four_nodes: ClusterState) -> None:
    real.store.of(four_nodes)
    shell = Shell(
        four_nodes, files={"echo.yaml": ECHO, "new.yaml": ECHO.replace("tier: test", "tier: other")}
    )
    (real.home / "new.yaml").write_text(shell.files["new.yaml"], encoding="utf-8")
    for line in (
        "create -f echo.yaml",
        "apply -f echo.yaml",
        "apply -f echo.yaml",
        "apply -f new.yaml",
        "label deploy echo a=b",
        "apply -f new.yaml",
        "delete -f new.yaml",
        "delete -f new.yaml",
    ):
        same(real, shell, line)


@pytest.mark.parametrize("what", ["svc echo", "deploy echo", "nodes", "ds -n kube-system"])
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_both_print_the_same_objects(
    real: Real, four_nodes: ClusterState, what: str, form: str
) -> None:
    cordoned = nodes.cordon(four_nodes, ["cluster-a-m02"], now=NOW).state
    done = verbs.apply(cordoned, decode(ECHO), source="echo.yaml", now=NOW)
    cluster = started(done.checked())
    real.store.of(cluster)
    out, _, _ = real(f"get {what} -o {form}")
    ours = Shell(cluster)(f"get {what} -o {form}").out
    # the lab has no resource versions
    version = re.compile(r'^ *"?resourceVersion"?: "1",?\n', re.MULTILINE)
    assert ours == version.sub("", out)
