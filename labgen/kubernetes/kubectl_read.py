"""`kubectl get` and `kubectl describe`."""

from __future__ import annotations

from collections.abc import Sequence

from labgen.errors import InputError
from labgen.kubernetes.call import SELECTOR, Call
from labgen.kubernetes.describe import described
from labgen.kubernetes.errors import KubectlError
from labgen.kubernetes.flags import Flag, switch
from labgen.kubernetes.kinds import Kind
from labgen.kubernetes.objects import Object, ref
from labgen.kubernetes.output import as_json, as_yaml
from labgen.kubernetes.present import manifest
from labgen.kubernetes.shell import Answer
from labgen.kubernetes.tables import View, table

_EVERYWHERE = switch("all-namespaces", "A")
GET = (
    Flag("output", "o"),
    _EVERYWHERE,
    SELECTOR,
    switch("show-labels"),
    switch("no-headers"),
    switch("ignore-not-found"),
)
DESCRIBE = (_EVERYWHERE, SELECTOR)
_FORMATS = ("wide", "yaml", "json", "name")


def get(call: Call) -> Answer:
    """`kubectl get`: one table for each kind, or the objects in another form."""
    form = call.parsed.value("output")
    if form and form not in _FORMATS:
        raise KubectlError(
            f"kubectl get -o {form} is not covered by this lab; covered: {', '.join(_FORMATS)}"
        )
    groups, problems, one = _found(call)
    err = "".join(f"{problem}\n" for problem in problems)
    code = 1 if problems else 0
    items = [item for _, group in groups for item in group]
    if form in ("yaml", "json"):
        out = "" if one and not items else _listed(call, items, one, form)
        return Answer(call.clusters, out, err, code)
    if form == "name":
        return Answer(call.clusters, "".join(f"{ref(item)}\n" for item in items), err, code)
    if not items and not problems and not call.parsed.on("ignore-not-found"):
        everywhere = call.parsed.on("all-namespaces")
        spaced = any(kind.namespaced for kind, _ in groups) and not everywhere
        where = f" in {call.namespace} namespace." if spaced else ""
        return Answer(call.clusters, err=f"No resources found{where}\n")
    return Answer(call.clusters, _tables(call, groups, wide=form == "wide"), err, code)


Groups = list[tuple[Kind, list[Object]]]


def _found(call: Call) -> tuple[Groups, list[InputError], bool]:
    """Objects by kind in the order asked for; what was not found; and whether one was named."""
    named = call.named(call.words)
    everywhere = call.parsed.on("all-namespaces")
    by_name = any(name for _, name in named)
    if everywhere and by_name and any(kind.namespaced for kind, _ in named):
        raise KubectlError("a resource cannot be retrieved by name across all namespaces")
    if by_name and call.parsed.value("selector"):
        raise KubectlError("selectors and the all flag cannot be used when passing resource names")
    groups: dict[Kind, list[Object]] = {}
    problems: list[InputError] = []
    for kind, name in named:
        group = groups.setdefault(kind, [])
        if not name:
            group += call.selected(call.of(kind, everywhere=everywhere))
            continue
        try:
            group.append(call.object(call.at(kind, name)))
        except InputError as error:
            if not call.parsed.on("ignore-not-found"):
                problems.append(error)
    return list(groups.items()), problems, by_name and len(named) == 1


def _listed(call: Call, items: Sequence[Object], one: bool, form: str) -> str:
    shown = [manifest(item, call.state) for item in items]
    whole = (
        shown[0]
        if one
        else {
            "apiVersion": "v1",
            "items": shown,
            "kind": "List",
            "metadata": {"resourceVersion": ""},
        }
    )
    return as_yaml(whole) if form == "yaml" else as_json(whole)


def _tables(call: Call, groups: Groups, *, wide: bool) -> str:
    view = View(call.state, call.now)
    shown = [(kind, items) for kind, items in groups if items]
    texts = [
        table(
            kind,
            items,
            view,
            wide=wide,
            namespace=call.parsed.on("all-namespaces"),
            prefix=len(groups) > 1,
            labels=call.parsed.on("show-labels"),
            header=not call.parsed.on("no-headers"),
        )
        for kind, items in shown
    ]
    return "\n".join(texts)


def describe(call: Call) -> Answer:
    """`kubectl describe`: what the lab knows of each object."""
    named = call.named(call.words)
    everywhere = call.parsed.on("all-namespaces")
    items: list[Object] = []
    for kind, name in named:
        if name:
            items.append(call.object(call.at(kind, name)))
        else:
            items += call.selected(call.of(kind, everywhere=everywhere))
    if not items:
        spaced = named[0][0].namespaced and not everywhere
        where = f" in {call.namespace} namespace." if spaced else ""
        return Answer(call.clusters, err=f"No resources found{where}\n")
    view = View(call.state, call.now)
    return Answer(call.clusters, "\n\n".join(described(item, view) for item in items))
