"""`calicoctl ipam release` and `ipam configure`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labgen.calico import admission
from labgen.calico.calicoctl.flags import go_bool
from labgen.calico.calicoctl.ipam_blocks import block_document, blocks, with_blocks
from labgen.calico.calicoctl.ipam_show import CONFIG, address_of, settings
from labgen.calico.calicoctl.kinds import go_text
from labgen.calico.calicoctl.results import Result, failed
from labgen.calico.datastore import VERSION, key_of
from labgen.calico.datastore_errors import Refused

if TYPE_CHECKING:
    from labgen.calico.calicoctl.flags import Arguments
    from labgen.calico.calicoctl.verbs import Session


class _Wrong(Exception):
    """A setting's value that calicoctl refuses; the text is its own."""


def release(session: Session, arguments: Arguments) -> Result:
    """Free an address in its block. What uses it goes on using it, as with the real one."""
    store = session.store
    if arguments.text("from-report"):
        return failed(store, "--from-report is not in labgen: release each address with --ip")
    if not arguments.text("ip"):
        return Result(store)
    address = address_of(arguments.text("ip"), store)
    if isinstance(address, Result):
        return address
    for block in blocks(store):
        held = {a.address: ordinal for ordinal, a in block.allocations.items()}
        if address in held:
            del block.allocations[held[address]]
            block.free.append(held[address])  # the list is first in, first out
            if not store.keys("IPAMBlock"):
                store = with_blocks(store, blocks(store), session.stamps)
            document = block_document(block)
            if block.owner is None and not block.allocations:
                store = store.remove(key_of(document))  # nobody's any more
            else:
                store = store.put(document, session.stamps)
            return Result(store, f"Successfully released IP address {address}\n")
    return failed(store, f"IP address {address} is not assigned")


def _settings_of(arguments: Arguments) -> list[tuple[str, str, Any]]:
    """(the setting's name in messages, in the resource, its value) for each flag given."""
    found: list[tuple[str, str, Any]] = []
    if text := arguments.text("strictaffinity"):
        value = go_bool(text)
        if value is None:
            raise _Wrong("invalid value. Use true or false to set strictaffinity")
        found.append(("StrictAffinity", "strictAffinity", value))
    if text := arguments.text("max-blocks-per-host"):
        if not text.removeprefix("-").isdecimal():
            raise _Wrong("invalid value for maxblockhost. Use a valid number")
        found.append(("MaxBlocksPerHost", "maxBlocksPerHost", int(text)))
    if text := arguments.text("kubevirt-ip-persistence"):
        if text not in ("Enabled", "Disabled"):
            raise _Wrong("invalid value for --kubevirt-ip-persistence. Use Enabled or Disabled")
        found.append(("KubeVirtVMAddressPersistence", "kubeVirtVMAddressPersistence", text))
    if text := arguments.text("ip-cooldown-seconds", "-1"):
        if not text.removeprefix("-").isdecimal():
            raise _Wrong(
                f'invalid argument "{text}" for "--ip-cooldown-seconds" flag: '
                f'strconv.ParseInt: parsing "{text}": invalid syntax'
            )
        if int(text) >= 0:  # -1, the flag's default, leaves it as it is
            found.append(("IPCooldownSeconds", "ipCooldownSeconds", int(text)))
    return found


def configure(session: Session, arguments: Arguments) -> Result:
    store = session.store
    try:
        changes = _settings_of(arguments)
    except _Wrong as problem:
        return failed(store, str(problem))
    if not changes:
        return failed(store, "at least one configuration option must be specified")
    document = {
        "apiVersion": VERSION,
        "kind": CONFIG.kind,
        "metadata": {"name": CONFIG.name},
        "spec": {**settings(store), **{name: value for _, name, value in changes}},
    }
    try:
        store, _ = admission.apply(store, document, session.stamps)
    except Refused as problem:
        return failed(store, f"error: {problem.message}")
    said = (f"Successfully set {name} to: {go_text(value)}\n" for name, _, value in changes)
    return Result(store, "".join(said))
