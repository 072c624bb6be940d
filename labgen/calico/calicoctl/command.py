"""calicoctl as a function: a command line and a datastore in, both outputs and a datastore out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from labgen.calico.calicoctl import flags, ipam_change, ipam_check, ipam_show, verbs
from labgen.calico.calicoctl.flags import ABSENT, COMMANDS, GLOBAL, GROUPS, Arguments, UsageError
from labgen.calico.calicoctl.node_status import BirdError, report
from labgen.calico.calicoctl.results import Result, failed
from labgen.calico.calicoctl.verbs import Session
from labgen.calico.datastore import CALICO_VERSION, GROUP, Datastore, Key

if TYPE_CHECKING:
    from labgen.calico.calicoctl.manifests import Read
    from labgen.calico.calicoctl.node_status import Daemon
    from labgen.calico.datastore import Stamps

# The commit of projectcalico/calico that the reproduced behaviour was read from.
CALICO_COMMIT = "87c15906f20c"
_ROOT = "calicoctl"


def run(
    argv: Sequence[str],
    store: Datastore,
    *,
    read: Read,
    stamps: Stamps,
    daemons: Mapping[int, Daemon] | None = None,
) -> Result:
    """Run `calicoctl ARGV`. Pure: nothing but `read` and `stamps` looks outside.

    `daemons` is what is known of the BIRDs of the node that `node status` is about (keys 4 and 6);
    None means that this is no node. The result's store is the same object where nothing changed.
    """
    try:
        name, left = _command(list(argv))
        if name not in COMMANDS:
            return Result(store, flags.help_text(name))
        command = COMMANDS[name]
        arguments = flags.parse(left, (*command.flags, *GLOBAL))
        if arguments.switch("help"):
            return Result(store, flags.help_text(name))
        _counted(command, arguments)
    except UsageError as problem:
        return failed(store, str(problem))
    if name == "node status":
        return _node_status(store, daemons)
    return _RUN[name](Session(store, stamps, read), arguments)


def _command(argv: list[str]) -> tuple[str, list[str]]:
    """The command's name (a group's or "" where help is to be shown), and its arguments.

    Global flags may stand before the command. Raises UsageError.
    """
    switches = {f"--{flag.name}" for flag in GLOBAL if flag.switch} | {
        f"-{flag.short}" for flag in GLOBAL if flag.switch and flag.short
    }
    early: list[str] = []
    while argv and argv[0].startswith("-") and argv[0] not in ("-", "--"):
        early.append(argv.pop(0))
        if early[-1] not in switches and "=" not in early[-1] and argv:
            early.append(argv.pop(0))
    if flags.parse(early, GLOBAL).switch("help") or not argv:
        return "", []
    word, *left = argv
    if word == "help":  # of a command or a group; cobra shows its own for anything else
        return flags.topic(left), ["--help"]
    if word in GROUPS:
        return _in_group(word, early, left)
    if word in ABSENT:
        raise UsageError(_absent(word))
    if word not in COMMANDS:
        raise UsageError(f'unknown command "{word}" for "{_ROOT}"')
    return word, [*early, *left]


def _in_group(group: str, early: list[str], left: list[str]) -> tuple[str, list[str]]:
    """A group without a command that it knows shows its help, as cobra's groups do."""
    name = f"{group} {left[0]}" if left else group
    if name in ABSENT:
        raise UsageError(_absent(name))
    return (name, [*early, *left[1:]]) if name in COMMANDS else (group, [])


def _absent(name: str) -> str:
    return f'unknown command "{name}" for "{_ROOT}": labgen does not have it ({ABSENT[name]})'


def _counted(command: flags.Command, arguments: Arguments) -> None:
    given = len(arguments.words)
    if command.exactly is not None and given != command.exactly:
        raise UsageError(f"accepts {command.exactly} arg(s), received {given}")
    if given < command.at_least:
        raise UsageError(f"requires at least {command.at_least} arg(s), only received {given}")


def _node_status(store: Datastore, daemons: Mapping[int, Daemon] | None) -> Result:
    if daemons is None:
        return failed(store, "Calico process is not running.")
    try:
        return Result(store, report(dict(daemons)))
    except BirdError as problem:
        return failed(store, f"error executing command: {problem}")


def _version(session: Session, arguments: Arguments) -> Result:
    store = session.store
    text = f"Client Version:    {CALICO_VERSION}\nGit commit:        {CALICO_COMMIT}\n"
    if arguments.text("poll"):
        return failed(store, "--poll is not in labgen: run `calicoctl version` again", stdout=text)
    if arguments.switch("client"):
        return Result(store, text)
    found = store.get(Key(GROUP, "ClusterInformation", "", "default"))
    if found is None:
        cause = f'clusterinformations.crd.{GROUP} "default" not found'
        return failed(
            store,
            "unable to retrieve Cluster Version or Type: resource does not exist: "
            f"ClusterInformation(default) with error: {cause}",
            stdout=text,
        )
    spec = found.get("spec") or {}
    version, kind = spec.get("calicoVersion") or "unknown", spec.get("clusterType") or "unknown"
    return Result(store, f"{text}Cluster Version:   {version}\nCluster Type:      {kind}\n")


_RUN: dict[str, Callable[[Session, Arguments], Result]] = {
    "create": lambda session, arguments: verbs.create_apply_validate("create", session, arguments),
    "apply": lambda session, arguments: verbs.create_apply_validate("apply", session, arguments),
    "validate": lambda session, arguments: verbs.create_apply_validate(
        "validate", session, arguments
    ),
    "replace": verbs.replace_,
    "delete": verbs.delete,
    "patch": verbs.patch,
    "get": verbs.get,
    "label": verbs.label,
    "version": _version,
    "ipam show": ipam_show.show,
    "ipam check": ipam_check.check,
    "ipam release": ipam_change.release,
    "ipam configure": ipam_change.configure,
}
