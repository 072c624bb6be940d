"""The kubectl commands that reach into pods: run, exec, logs. The lab carries them out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from labgen.errors import InputError
from labgen.kubernetes import kinds, verbs
from labgen.kubernetes.call import Call, whole_number
from labgen.kubernetes.errors import KubectlError, ServerError
from labgen.kubernetes.flags import Flag, switch
from labgen.kubernetes.labels import check_labels
from labgen.kubernetes.objects import (
    Container,
    ContainerPort,
    Deployment,
    EnvVar,
    Phase,
    Pod,
    ReplicaSet,
    StandsFor,
    ref,
)
from labgen.kubernetes.present import pods_behind
from labgen.kubernetes.shell import Answer, Attach, Clusters, Exec, Logs

_STDIN, _TTY = switch("stdin", "i"), switch("tty", "t")
_CONTAINER = Flag("container", "c")
RUN = (
    _STDIN, _TTY, switch("rm"), Flag("image"), Flag("restart"), Flag("labels", "l"), Flag("env"),
    Flag("port"), switch("command"), switch("attach"), switch("quiet", "q"),
)  # fmt: skip
EXEC = (_STDIN, _TTY, _CONTAINER, switch("quiet", "q"))
LOGS = (_CONTAINER, switch("follow", "f"), Flag("tail"), switch("timestamps"))
_RESTART = ("Always", "OnFailure", "Never")


def run(call: Call) -> Answer:
    """`kubectl run NAME --image IMAGE [-i] [-t] [--rm] [-- ARG…]`."""
    flags = call.parsed
    if len(call.words) != 1:
        raise call.wrong("exactly one NAME is required for run; arguments stand behind --")
    if not flags.value("image"):
        raise KubectlError('required flag(s) "image" not set')
    attached = flags.on("stdin") or flags.on("attach")
    if flags.on("rm") and not attached:
        raise KubectlError("--rm should only be used for attached containers")
    if flags.on("tty") and not flags.on("stdin"):
        raise KubectlError("-i/--stdin is required for containers with -t/--tty=true")
    restart = flags.value("restart", "Always")
    if restart not in _RESTART:
        raise KubectlError(f"invalid restart policy: {restart}")
    (name,) = call.words
    container = _container(call, name)
    labels = _labels(flags.value("labels")) if flags.all("labels") else None
    done = verbs.run(
        call.state, name, container, namespace=call.namespace, labels=labels,
        restart_policy=restart, now=call.now,
    )  # fmt: skip
    answer = call.done(done)
    if not attached or done.problems:
        return answer
    # an attached pod is not announced: kubectl waits for it and shows its output
    at = kinds.Ref(kinds.POD, call.namespace, name)
    action = Attach(call.state.name, at, name, flags.on("stdin"), flags.on("tty"), flags.on("rm"))
    return replace(answer, out="", action=action)


def _container(call: Call, name: str) -> Container:
    flags = call.parsed
    env = []
    for text in flags.all("env"):
        key, sign, value = text.partition("=")
        if not key or not sign:
            raise KubectlError(f"invalid env: {key}", hint="write --env NAME=VALUE")
        env.append(EnvVar(key, value))
    ports: tuple[ContainerPort, ...] = ()
    if flags.value("port"):
        ports = (ContainerPort(whole_number(flags.value("port"), "port", "kubectl run")),)
    rest = flags.rest or ()
    command = flags.on("command")
    return Container(
        name=name,
        image=flags.value("image"),
        command=rest if command else (),
        args=() if command else rest,
        ports=ports,
        env=tuple(env),
        stdin=flags.on("stdin"),
        tty=flags.on("tty"),
    )


def _labels(text: str) -> dict[str, str]:
    found = {}
    for part in text.split(","):
        key, sign, value = part.partition("=")
        if not sign:
            raise KubectlError(f"unexpected label spec: {part}", hint="write KEY=VALUE,KEY=VALUE")
        found[key] = value
    check_labels(found, lambda _: None)
    return found


def session_ended(
    clusters: Clusters, action: Attach, *, exit_code: int = 0, now: datetime
) -> Answer:
    """The attached process of `kubectl run -i` ended: say so, and remove the pod with `--rm`.

    Without `--rm` the pod stays: completed if its restart policy lets it end.
    """
    state = clusters.states[action.cluster]
    pod = state.get(action.pod)
    lines: list[str] = []
    restarts = isinstance(pod, Pod) and pod.spec.restart_policy == "Always"
    if isinstance(pod, Pod) and restarts and action.stdin:
        terminal = " -i -t" if action.tty else " -i"
        lines.append(
            f"Session ended, resume using 'kubectl attach {action.pod.name} -c {action.container}"
            f"{terminal}' command when the pod is running"
        )
    if action.remove:
        done = verbs.delete(state, [action.pod], now=now)
        state = done.state
        lines += done.out
    elif not restarts:
        state = verbs.completed(state, action.pod, now=now)
    return Answer(clusters.having(state), "".join(f"{line}\n" for line in lines), code=exit_code)


def exec_(call: Call) -> Answer:
    """`kubectl exec [-i] [-t] POD [-c CONTAINER] -- COMMAND`."""
    if len(call.words) > 1:
        raise KubectlError(
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead"
        )
    if not call.words:
        raise KubectlError("pod, type/name or --filename must be specified")
    if not call.parsed.rest:
        raise KubectlError("you must specify at least one command for the container")
    pod = _pod(call, call.words[0])
    _check_process(pod)
    if pod.phase is Phase.COMPLETED:
        raise KubectlError(
            "cannot exec into a container in a completed pod; current phase is Succeeded"
        )
    container = _chosen(call, pod)
    if pod.phase is not Phase.RUNNING:
        raise InputError(
            f'error: unable to upgrade connection: container not found ("{container}")'
        )
    action = Exec(
        call.state.name, ref(pod), container, pod.spec.node_name, pod.stands_for,
        call.parsed.rest, call.parsed.on("stdin"), call.parsed.on("tty"),
    )  # fmt: skip
    return Answer(call.clusters, action=action)


def logs(call: Call) -> Answer:
    """`kubectl logs POD [-c CONTAINER] [-f] [--tail N]`."""
    if len(call.words) not in (1, 2):
        raise KubectlError("expected 'logs (POD | TYPE/NAME) [CONTAINER_NAME]'.")
    pod = _pod(call, call.words[0])
    _check_process(pod)
    container = call.words[1] if len(call.words) == 2 else _chosen(call, pod)
    if pod.phase not in (Phase.RUNNING, Phase.COMPLETED):
        raise InputError(
            f'Error from server (BadRequest): container "{container}" in pod '
            f'"{pod.meta.name}" is waiting to start: {pod.phase.value}'
        )
    text = call.parsed.value("tail", "-1")
    tail = None if text == "-1" else whole_number(text, "tail", "kubectl logs")
    action = Logs(
        call.state.name, ref(pod), container, pod.spec.node_name, pod.stands_for,
        call.parsed.on("follow"), tail, call.parsed.on("timestamps"),
    )  # fmt: skip
    return Answer(call.clusters, action=action)


def _pod(call: Call, word: str) -> Pod:
    """A pod by name, or the first one of a `deployment/NAME`, `ds/NAME` or `rs/NAME`."""
    kind_word, slash, name = word.rpartition("/")
    kind = call.kind(kind_word) if slash else kinds.POD
    try:
        item = call.object(call.at(kind, name))
    except ServerError as error:
        if call.verb != "logs" or kind != kinds.POD:
            raise
        where = f'in namespace "{call.namespace}"'
        raise KubectlError(f"error from server (NotFound): {error.detail} {where}") from None
    if isinstance(item, Pod):
        return item
    if isinstance(item, Deployment | ReplicaSet):
        pods = pods_behind(item, call.state)
    else:
        pods = call.state.pods_of(ref(item))
    if not pods:
        raise KubectlError(f"no pods found behind {ref(item)}")
    return min(pods, key=lambda pod: not pod.ready)


def _check_process(pod: Pod) -> None:
    if pod.stands_for is StandsFor.NOTHING:
        raise KubectlError(
            f'pod "{pod.meta.name}" stands for {StandsFor.NOTHING.value.partition(":")[0]} in this '
            "lab: no process runs for it"
        )


def _chosen(call: Call, pod: Pod) -> str:
    names = [container.name for container in pod.spec.containers]
    name = call.parsed.value("container") or names[0]
    if name not in names:
        raise KubectlError(
            f"container {name} not found in pod {pod.meta.name}_{pod.meta.namespace}"
        )
    return name
