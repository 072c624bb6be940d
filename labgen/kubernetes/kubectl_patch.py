"""`kubectl patch` of Services, Deployments, Nodes and what else a manifest can describe.

A merge patch (RFC 7386) replaces lists. A strategic one, kubectl's default, merges some lists by a
key; those are refused rather than merged wrongly.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from labgen import yaml_source
from labgen.errors import Mark
from labgen.kubernetes import verbs
from labgen.kubernetes.call import Call
from labgen.kubernetes.errors import KubectlError
from labgen.kubernetes.flags import Flag
from labgen.kubernetes.manifests import decode
from labgen.kubernetes.objects import EndpointSlice, OperatorResource, Pod, ReplicaSet, ref
from labgen.kubernetes.present import manifest
from labgen.kubernetes.shell import Answer
from labgen.yaml_source import Document

PATCH = (Flag("patch", "p"), Flag("type"))
_TYPES = ("strategic", "merge")
_WHERE = "--patch"


def patch(call: Call) -> Answer:
    """`kubectl patch TYPE NAME -p PATCH [--type merge|strategic]`; PATCH is JSON or YAML."""
    kind = call.parsed.value("type", "strategic")
    if kind not in _TYPES:
        shown = f"kubectl patch --type {kind} is not covered by this lab"
        raise KubectlError(f"{shown}; covered: {', '.join(_TYPES)}")
    if not call.parsed.value("patch"):
        raise KubectlError(
            "must specify --patch or --patch-file containing the contents of the patch"
        )
    change = _change(call.parsed.value("patch"), strategic=kind == "strategic")
    (at, *more) = call.refs(call.words)
    if more:
        raise call.wrong("one object at a time can be patched in this lab")
    known = call.object(at)
    if isinstance(known, Pod | ReplicaSet | EndpointSlice | OperatorResource):
        raise KubectlError(f"kubectl patch of {at} is not covered by this lab")
    body = _without_leftovers(merged(manifest(known, call.state), change))
    path = _WHERE
    (item,) = decode([Document(body, path, Mark(path, 1, 1), {})], call.namespace)
    if ref(item.item) != at:
        raise KubectlError("the name, the namespace and the kind of an object cannot be patched")
    done = verbs.patched(call.state, known, item.item, now=call.now)
    if not done.problems and done.state.get(at) == known:
        done = replace(done, out=(f"{at} patched (no change)",))
    return call.done(done)


def _change(text: str, *, strategic: bool) -> dict[str, Any]:
    documents = yaml_source.parse(text, _WHERE)
    if len(documents) != 1 or not isinstance(documents[0].value, dict):
        raise KubectlError("unable to parse the patch: a mapping is wanted", hint=text[:60])
    (document,) = documents
    value: dict[str, Any] = document.value
    if strategic and (key := _list_of_objects(value)):
        raise KubectlError(
            f"{key}: a strategic patch of a list of objects is not covered by this lab",
            hint="write --type merge with the whole list, or kubectl apply",
        )
    return value


def _list_of_objects(value: Any, at: str = "") -> str:
    """Where the first list of mappings stands; empty if there is none."""
    if isinstance(value, dict):
        found = (_list_of_objects(item, f"{at}.{key}") for key, item in value.items())
        return next((place for place in found if place), "")
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return at.removeprefix(".")
    return ""


def _without_leftovers(body: dict[str, Any]) -> dict[str, Any]:
    """A Service that becomes ClusterIP loses its node ports, as in the API server.

    kube-apiserver calls them the type-dependent fields.
    """
    spec = body.get("spec")
    if body["kind"] != "Service" or not isinstance(spec, dict) or spec.get("type") != "ClusterIP":
        return body
    ports = [
        {key: value for key, value in port.items() if key != "nodePort"}
        if isinstance(port, dict)
        else port
        for port in spec.get("ports") or ()
    ]
    kept = {key: value for key, value in spec.items() if key != "loadBalancerIP"}
    if not kept.get("externalIPs"):
        kept.pop("externalTrafficPolicy", None)
    return {**body, "spec": {**kept, "ports": ports}}


def merged(target: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """RFC 7386: null removes, mappings merge, all else replaces."""
    result = dict(target)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            inner = result.get(key)
            result[key] = merged(inner if isinstance(inner, dict) else {}, value)
        else:
            result[key] = value
    return result
