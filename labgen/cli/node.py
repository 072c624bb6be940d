"""`labgen node add` and `remove`: Calico nodes that join and leave a running lab."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import click

from labgen.cli.calicoctl import lab_option, running_project
from labgen.cli.common import runtime
from labgen.errors import InputError

if TYPE_CHECKING:
    from labgen.lab.change import Changed

wait_option = click.option(
    "--wait/--no-wait", default=True, show_default=True,
    help="Wait until every session is Established and every route in the kernel.",
)  # fmt: skip


@click.group()
def node() -> None:
    """Calico nodes that join and leave a running lab."""


@node.command()
@lab_option
@click.argument("cluster")
@click.argument("name")
@click.option("--segment", help="Where it stands; by default where the cluster's first node does.")
@click.option("--address", help="Its address there; by default the next free one.")
@wait_option
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="May be repeated.")
def add(
    lab: str | None, cluster: str, name: str, segment: str | None, address: str | None,
    labels: tuple[str, ...], wait: bool,
) -> None:  # fmt: skip
    """Node NAME joins CLUSTER: container, link, Node objects, a block; its peers are told.

    Example: labgen node add cluster-a cluster-a-m05 --label rack=r1
    """
    from labgen.lab.live import live

    pairs = dict(_pair(text) for text in labels)
    try:
        chosen = ip_address(address) if address is not None else None
    except ValueError:
        raise InputError(f"--address {address}: not an IP address") from None
    with live(running_project(lab), runtime()) as opened:
        done = opened.add_node(cluster, name, segment=segment, address=chosen, labels=pairs)
        if wait:
            opened.wait()
    _tell(f"node {name} joined {cluster}", done)


@node.command()
@lab_option
@click.argument("cluster")
@click.argument("name")
@wait_option
def remove(lab: str | None, cluster: str, name: str, wait: bool) -> None:
    """Node NAME leaves CLUSTER: its pods go elsewhere, its blocks are free again.

    Example: labgen node remove cluster-a cluster-a-m05
    """
    from labgen.lab.live import live

    with live(running_project(lab), runtime()) as opened:
        done = opened.remove_node(cluster, name)
        if wait:
            opened.wait()
    _tell(f"node {name} left {cluster}", done)


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign:
        raise InputError(f"--label {text}: not KEY=VALUE")
    return key, value


def _tell(what: str, done: Changed) -> None:
    others = ", ".join(done.reconfigured) or "none"
    click.echo(f"{what}; reconfigured: {others}")
