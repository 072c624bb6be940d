"""kube-proxy's rules: which flow goes where, and that nft takes them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from ipaddress import ip_address, ip_network

import pytest

from labgen.kubernetes import controllers, nodes, proxy, state, verbs
from labgen.kubernetes.objects import ref
from labgen.kubernetes.proxy import Pool, frontends, ruleset
from labgen.kubernetes.state import ClusterState

from .conftest import ECHO, NOW, decode

POOLS = (
    Pool(ip_network("10.200.0.0/16"), nat_outgoing=True),
    Pool(ip_network("10.210.0.0/16"), nat_outgoing=False),
    Pool(ip_network("10.200.128.0/17"), nat_outgoing=True),  # Calico forbids it; nft must not fail
)
LOCAL = """\
apiVersion: v1
kind: Service
metadata: {name: edge}
spec:
  type: LoadBalancer
  loadBalancerIP: 192.0.2.80
  externalIPs: [192.0.2.1]
  externalTrafficPolicy: Local
  selector: {app: echo}
  ports: [{port: 80, targetPort: http}]
"""

needs_nft = pytest.mark.skipif(
    shutil.which("nft") is None or shutil.which("unshare") is None or os.geteuid() != 0,
    reason="nft, unshare and root are needed to load rules in a network namespace",
)


def in_a_namespace(script: str) -> subprocess.CompletedProcess[str]:
    argv = ["unshare", "-n", "sh", "-c", script]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)


def load(*texts: str) -> str:
    """Load the texts in turn in a network namespace of their own, and list what came of them."""
    files = "".join(f"nft -f - <<'EOF' || exit 1\n{text}\nEOF\n" for text in texts)
    done = in_a_namespace(f"{files}nft list ruleset\n")
    assert done.returncode == 0, done.stderr
    return done.stdout


def chain(text: str, name: str) -> list[str]:
    """The rules of the chain whose name starts so."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith(f"chain {name}"))
    end = next(i for i in range(start, len(lines)) if lines[i].strip() == "}")
    return [line.strip() for line in lines[start + 1 : end]]


def test_shares_are_equal_over_ready_endpoints(scaled: Callable[[int], ClusterState]) -> None:
    rules = chain(ruleset(scaled(3), "cluster-a"), "service-")
    assert rules[-1].startswith("numgen random mod 3 vmap { 0 : goto endpoint-")


def test_an_endpoint_that_is_not_ready_gets_nothing(scaled: Callable[[int], ClusterState]) -> None:
    cluster = nodes.set_ready(scaled(4), "cluster-a-m02", ready=False, now=NOW)
    (frontend,) = frontends(cluster, "cluster-a", 4)
    assert len(frontend.everywhere) == 3


def test_only_strangers_are_masqueraded_at_a_cluster_ip(echo: ClusterState) -> None:
    rules = chain(ruleset(echo, "cluster-a"), "service-")
    assert rules[0].endswith("ip saddr != 10.200.0.0/16 jump mark-for-masquerade")
    hairpin = chain(ruleset(echo, "cluster-a"), "endpoint-")
    assert hairpin == [
        "ip saddr 10.200.0.1 jump mark-for-masquerade",
        "meta l4proto tcp dnat to 10.200.0.1:8080",
    ]


def test_local_policy_uses_the_node_itself_and_keeps_the_sender(echo: ClusterState) -> None:
    cluster = verbs.apply(echo, decode(LOCAL), source="f", now=NOW).checked()
    (pod,) = (p for p in cluster.pods if p.meta.namespace == "default")
    other = next(n.meta.name for n in cluster.nodes if n.meta.name != pod.spec.node_name)
    here, there = ruleset(cluster, pod.spec.node_name), ruleset(cluster, other)
    rules = chain(here, "external-")
    assert rules[0].startswith("ip saddr 10.200.0.0/16 goto cluster-")
    assert rules[-1].startswith("numgen random mod 1")
    assert "jump mark-for-masquerade" not in rules
    assert "192.0.2.80 . tcp . 80 : drop" in there
    assert "192.0.2.80 . tcp . 80 : drop" not in here
    assert not [rule for rule in chain(there, "external-") if rule.startswith("numgen")]


def test_cluster_policy_masquerades_whoever_comes_from_outside(echo: ClusterState) -> None:
    text = LOCAL.replace("Local", "Cluster")
    cluster = verbs.apply(echo, decode(text), source="f", now=NOW).checked()
    assert chain(ruleset(cluster, "cluster-a"), "external-")[0] == "jump mark-for-masquerade"


def test_a_service_without_endpoints_is_refused_at_once(four_nodes: ClusterState) -> None:
    cluster = verbs.apply(four_nodes, decode(ECHO), source="f", now=NOW).checked()
    address = cluster.services[0].cluster_ips[0]
    text = ruleset(cluster, "cluster-a")
    assert f"{address} . tcp . 8385 : goto reject-chain" in text
    assert "chain service-" not in text


def test_a_disabled_pool_counts_as_a_destination_and_not_as_a_source() -> None:
    empty = state.ClusterState("c", (ip_network("10.201.0.0/16"),), (ip_network("10.200.0.0/16"),))
    lines = [line.strip() for line in ruleset(empty, "n", POOLS[:2]).splitlines()]
    every = lines.index("set cali40all-ipam-pools {")
    sources = lines.index("set cali40masq-ipam-pools {")
    assert lines[every + 2] == "elements = { 10.200.0.0/16, 10.210.0.0/16 }"
    assert lines[sources + 2] == "elements = { 10.200.0.0/16 }"


def test_rules_do_not_depend_on_the_order_of_pools(echo: ClusterState) -> None:
    assert ruleset(echo, "cluster-a", POOLS) == ruleset(echo, "cluster-a", POOLS[::-1])


def dual_stack() -> ClusterState:
    cluster = state.new_cluster(
        "dual",
        service_networks=[ip_network("10.201.0.0/16"), ip_network("fd00:201::/112")],
        pod_networks=[ip_network("10.200.0.0/16"), ip_network("fd00:200::/64")],
        now=NOW,
    )
    cluster = nodes.add_node(
        cluster, "n1", [ip_address("172.18.0.2"), ip_address("fd00:18::2")], now=NOW
    )
    dual = "  ipFamilyPolicy: PreferDualStack\n"
    text = ECHO.replace("replicas: 1", "replicas: 3").replace(
        "  ports: [{p", f"{dual}  ports: [{{p"
    )
    edge = LOCAL.replace("[192.0.2.1]", "[192.0.2.1, 2001:db8::1]")
    text += "---\n" + edge.replace("  type: Load", f"{dual}  type: Load")
    cluster = verbs.apply(cluster, decode(text), source="f", now=NOW).checked()
    found = {
        ref(pod): (ip_address(f"10.200.0.{i + 1}"), ip_address(f"fd00:200::{i + 1}"))
        for i, pod in enumerate(cluster.to_start())
    }
    return controllers.running(cluster, found, NOW)


def test_both_families_have_their_endpoints() -> None:
    echo_port, edge_port = sorted(frontends(dual_stack(), "n1", 6), key=lambda f: f.port)[::-1]
    assert edge_port.name == "default/edge/tcp/80"
    assert [str(t) for t in edge_port.here] == [f"[fd00:200::{i}]:8080" for i in (1, 2, 3)]
    assert [str(a) for a in edge_port.external] == ["2001:db8::1"]
    assert echo_port.external == ()


@needs_nft
@pytest.mark.parametrize("count", [0, 1, 3])
def test_nft_takes_the_rules(scaled: Callable[[int], ClusterState], count: int) -> None:
    cluster = verbs.apply(scaled(count), decode(LOCAL), source="f", now=NOW).checked()
    for node in ("cluster-a", "cluster-a-m02"):
        listed = load(ruleset(cluster, node, POOLS))
        assert "table ip kube-proxy" in listed
        assert "table ip6 kube-proxy" in listed
        # the ClusterIPs of both Services, and of edge what pods send to its outer addresses
        assert listed.count("numgen random mod 3") == (3 if count == 3 else 0)


@needs_nft
def test_nft_takes_both_families_and_long_names() -> None:
    listed = load(ruleset(dual_stack(), "n1", (*POOLS, Pool(ip_network("fd00:200::/64"), True))))
    assert "dnat to [fd00:200::1]:8080" in listed
    long = ECHO.replace("name: echo", "name: " + "e" * 60)
    cluster = verbs.apply(dual_stack(), decode(long), source="f", now=NOW).checked()
    load(ruleset(cluster, "n1"))


@needs_nft
def test_loading_again_replaces_and_leaves_other_tables_alone(
    echo: ClusterState, scaled: Callable[[int], ClusterState]
) -> None:
    foreign = "table ip foreign {\n    chain kept {\n    }\n}"
    many, one = ruleset(scaled(3), "cluster-a", POOLS), ruleset(echo, "cluster-a", POOLS)
    assert load(foreign, many, one) == load(foreign, one)
    assert "chain kept" in load(foreign, many, one)


@needs_nft
def test_a_broken_ruleset_leaves_the_old_one_in_force(echo: ClusterState) -> None:
    good = ruleset(echo, "cluster-a", POOLS)
    bad = good.replace("goto endpoint-", "goto nowhere-")
    script = f"nft -f - <<'EOF'\n{good}\nEOF\nnft -f - <<'EOF'\n{bad}\nEOF\nnft list ruleset\n"
    done = in_a_namespace(script)
    assert "nowhere" in done.stderr
    assert done.stdout == load(good)


def test_the_mark_is_one_bit() -> None:
    assert proxy.MASQUERADE_MARK.bit_count() == 1
