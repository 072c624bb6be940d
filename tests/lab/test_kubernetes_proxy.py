"""kube-proxy's rules under real TCP: two nodes, three pods and a stranger in network namespaces.

    stranger 172.18.0.100, 10.210.0.5 ── br0 ──┬── n1 172.18.0.2 ── a 10.200.1.1
                                               └── n2 172.18.0.3 ─┬─ b 10.200.2.1
                                                                  └─ c 10.200.2.2

Pods are wired as Calico wires them: a /32, 169.254.1.1 as the gateway, and no address on the
node's side. Every server answers with its name and with the address that it was called from. All
of it lives in one private network and mount namespace and vanishes with its process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

import pytest

from labgen import yaml_source
from labgen.kubernetes import controllers, manifests, nodes, state, verbs
from labgen.kubernetes.objects import Pod, ref
from labgen.kubernetes.proxy import Pool, ruleset
from labgen.kubernetes.state import ClusterState

NEEDED = ("nft", "ip", "unshare", "nsenter", "python3", "sysctl")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = [
    pytest.mark.lab,
    pytest.mark.skipif(os.geteuid() != 0, reason="root is needed to make network namespaces"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]

NOW = datetime(2026, 11, 22, tzinfo=UTC)
PODS = {"a": ("n1", 1), "b": ("n2", 1), "c": ("n2", 2)}
NODES = {"n1": 2, "n2": 3}
OWN = Pool(ip_network("10.200.0.0/16"), nat_outgoing=True)
OWN6 = Pool(ip_network("fd00:200::/32"), nat_outgoing=True)
OTHER = Pool(ip_network("10.210.0.0/16"), nat_outgoing=False)
CONNECTIONS = 240
SERVICES = """\
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  clusterIP: 10.201.7.7
  clusterIPs: [10.201.7.7, "fd00:201::77"]
  ipFamilyPolicy: RequireDualStack
  selector: {app: echo}
  ports: [{port: 8385, targetPort: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: edge}
spec:
  clusterIP: 10.201.7.8
  type: LoadBalancer
  loadBalancerIP: 192.0.2.80
  externalTrafficPolicy: Local
  selector: {app: echo}
  ports: [{port: 80, targetPort: 8080, nodePort: 30080}]
---
apiVersion: v1
kind: Service
metadata: {name: doors}
spec:
  clusterIP: 10.201.7.10
  type: LoadBalancer
  loadBalancerIP: 192.0.2.81
  externalIPs: [192.0.2.82]
  selector: {app: echo}
  ports: [{port: 80, targetPort: 8080, nodePort: 30081}]
---
apiVersion: v1
kind: Service
metadata: {name: nobody}
spec:
  clusterIP: 10.201.7.9
  selector: {app: nobody}
  ports: [{port: 80}]
"""
POD = """\
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: echo}}}}
spec: {{nodeName: {node}, containers: [{{name: echo, image: none}}]}}
"""
SERVER = """
import socket, threading, sys
server = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True)
def answer(connection, peer):
    with connection:
        while connection.recv(64):
            seen_from = peer[0].removeprefix("::ffff:")
            connection.sendall(f"{sys.argv[1]} {seen_from}\\n".encode())
print("up", flush=True)
while True:
    threading.Thread(target=answer, args=server.accept(), daemon=True).start()
"""
CLIENT = """
import socket, sys
host, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for _ in range(count):  # the first error ends it: nothing here fails once in a while
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(b"x")
            print(connection.recv(64).decode().strip())
    except OSError as error:
        print(type(error).__name__)
        break
"""
HELD = """
import socket, sys
connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3)
for line in sys.stdin:
    connection.sendall(b"x")
    print(connection.recv(64).decode().strip(), flush=True)
"""


@dataclass
class Net:
    """The namespaces, held by one process."""

    holder: subprocess.Popen[str]
    servers: list[subprocess.Popen[str]]

    def argv(self, *words: str) -> list[str]:
        return ["nsenter", "-t", str(self.holder.pid), "-n", "-m", *words]

    def run(self, *words: str, text: str | None = None) -> str:
        done = subprocess.run(
            self.argv(*words), input=text, capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def within(self, name: str, *words: str, text: str | None = None) -> str:
        return self.run("ip", "netns", "exec", name, *words, text=text)

    def rules(self, cluster: ClusterState, *pools: Pool) -> None:
        for node in NODES:
            self.within(node, "nft", "-f", "-", text=ruleset(cluster, node, pools))

    def connect(self, name: str, host: str, port: int, count: int = 1) -> Counter[str]:
        """What so many connections were answered with: `<server> <seen from>`, or the error."""
        words = ("python3", "-c", CLIENT, host, str(port), str(count))
        return Counter(self.within(name, *words).splitlines())


def pod_link(pod: str, node: str, index: int) -> list[str]:
    block = 1 if node == "n1" else 2
    v4, v6 = f"10.200.{block}.{index}", f"fd00:200:{block}::{index}"
    return [
        f"ip link add eth0 netns {pod} type veth peer name cali{pod} netns {node}",
        f"ip -n {pod} addr add {v4}/32 dev eth0",
        f"ip -n {pod} addr add {v6}/128 dev eth0 nodad",
        f"ip -n {pod} link set eth0 up",
        f"ip netns exec {node} sysctl -qw net.ipv4.conf.cali{pod}.proxy_arp=1",
        f"ip netns exec {node} sysctl -qw net.ipv4.neigh.cali{pod}.proxy_delay=0",
        f"ip -n {node} addr add fe80::1/64 dev cali{pod} nodad",
        f"ip -n {node} link set cali{pod} up",
        f"ip -n {pod} route add 169.254.1.1 dev eth0 scope link",
        f"ip -n {pod} route add default via 169.254.1.1",
        f"ip -n {pod} route add default via fe80::1 dev eth0",
        f"ip -n {node} route add {v4}/32 dev cali{pod} scope link",
        f"ip -n {node} route add {v6}/128 dev cali{pod}",
    ]


def lan_link(name: str, index: int) -> list[str]:
    return [
        f"ip link add port{index} type veth peer name eth0 netns {name}",
        f"ip link set port{index} master br0 up",
        f"ip -n {name} addr add 172.18.0.{index}/24 dev eth0",
        f"ip -n {name} addr add fd00:18::{index}/64 dev eth0 nodad",
        f"ip -n {name} link set eth0 up",
    ]


def wiring() -> str:
    names = ("stranger", *NODES, *PODS)
    lines = ["mkdir -p /run/netns", "mount -t tmpfs tmpfs /run/netns"]
    lines += [f"ip netns add {name}; ip -n {name} link set lo up" for name in names]
    lines += ["ip link add br0 type bridge", "ip link set br0 up"]
    for name, index in (*NODES.items(), ("stranger", 100)):
        lines += lan_link(name, index)
    for node in NODES:
        lines.append(
            f"ip netns exec {node} sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1"
        )
    for pod, (node, index) in PODS.items():
        lines += pod_link(pod, node, index)
    lines += [
        "ip -n n1 route add 10.200.2.0/26 via 172.18.0.3",
        "ip -n n2 route add 10.200.1.0/26 via 172.18.0.2",
        "ip -n n1 route add fd00:200:2::/122 via fd00:18::3",
        "ip -n n2 route add fd00:200:1::/122 via fd00:18::2",
        # the stranger knows n1 as the way to the Services, and both ways to the pods
        "ip -n stranger addr add 10.210.0.5/32 dev lo",
        "ip -n stranger route add 10.201.0.0/16 via 172.18.0.2",
        "ip -n stranger route add fd00:201::/112 via fd00:18::2",
        "ip -n stranger route add 192.0.2.80/30 via 172.18.0.2",
        "ip -n stranger route add 10.200.1.0/26 via 172.18.0.2",
        "ip -n stranger route add 10.200.2.0/26 via 172.18.0.3",
        # the kernel answers ARP for 169.254.1.1 only if it has a route there by another way:
        # Calico counts on the node's default route
        "ip -n n1 route add default via 172.18.0.100",
        "ip -n n2 route add default via 172.18.0.100",
    ]
    return "set -e\n" + "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    holder = subprocess.Popen(
        ["unshare", "-n", "-m", "sh", "-c", "echo up; exec sleep 600"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    net = Net(holder, [])
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        net.run("sh", "-c", wiring())
        for name in ("stranger", *PODS):
            argv = net.argv("ip", "netns", "exec", name, "python3", "-c", SERVER, name)
            server = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
            net.servers.append(server)
            assert server.stdout is not None
            assert server.stdout.readline() == "up\n"
        yield net
    finally:
        for process in (*net.servers, holder):
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture(scope="module")
def cluster() -> ClusterState:
    found = state.new_cluster(
        "c",
        service_networks=[ip_network("10.201.0.0/16"), ip_network("fd00:201::/112")],
        pod_networks=[ip_network("10.200.0.0/16"), ip_network("fd00:200::/32")],
        now=NOW,
    )
    for node, index in NODES.items():
        found = nodes.add_node(found, node, [ip_address(f"172.18.0.{index}")], now=NOW)
    text = SERVICES + "".join(POD.format(name=n, node=node) for n, (node, _) in PODS.items())
    decoded = manifests.decode(yaml_source.parse(text, "services.yaml"))
    found = verbs.apply(found, decoded, source="services.yaml", now=NOW).checked()
    addresses = {}
    for pod in found.to_start():
        node, index = PODS[pod.meta.name]
        block = 1 if node == "n1" else 2
        v6 = ip_address(f"fd00:200:{block}::{index}")
        addresses[ref(pod)] = (ip_address(f"10.200.{block}.{index}"), v6)
    return controllers.running(found, addresses, NOW)


def by_server(answers: Counter[str]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for answer, count in answers.items():
        found[answer.split()[0]] += count
    return dict(found)


def is_even(answers: Counter[str]) -> bool:
    """Each of three servers within four standard deviations of a third (binomial)."""
    mean, deviation = CONNECTIONS / 3, (CONNECTIONS * 2 / 9) ** 0.5
    counts = by_server(answers)
    return set(counts) == set(PODS) and all(
        abs(count - mean) < 4 * deviation for count in counts.values()
    )


def test_a_pod_reaches_all_endpoints_evenly_with_its_own_address(
    net: Net, cluster: ClusterState
) -> None:
    net.rules(cluster, OWN, OTHER)
    answers = net.connect("a", "10.201.7.7", 8385, CONNECTIONS)
    assert is_even(answers), answers
    # b and c see pod a; a sees its node, because it reached itself (hairpin)
    assert set(answers) == {"a 172.18.0.2", "b 10.200.1.1", "c 10.200.1.1"}


def test_a_stranger_is_masqueraded_so_that_replies_return(net: Net, cluster: ClusterState) -> None:
    net.rules(cluster, OWN, OTHER)
    answers = net.connect("stranger", "10.201.7.7", 8385, CONNECTIONS)
    assert is_even(answers), answers
    # n1 forwards to a through a link without an address of its own: any of n1's will do
    assert set(answers) == {"a 172.18.0.2", "b 172.18.0.2", "c 172.18.0.2"}


def test_the_same_in_ipv6(net: Net, cluster: ClusterState) -> None:
    net.rules(cluster, OWN, OWN6)
    inside = net.connect("b", "fd00:201::77", 8385, CONNECTIONS)
    assert is_even(inside), inside
    assert {"a fd00:200:2::1", "c fd00:200:2::1"} <= set(inside)
    assert "b fd00:200:2::1" not in inside
    outside = net.connect("stranger", "fd00:201::77", 8385, CONNECTIONS)
    assert is_even(outside), outside
    assert not [answer for answer in outside if "fd00:18::64" in answer]


def test_local_policy_keeps_the_strangers_address_and_this_nodes_pods(
    net: Net, cluster: ClusterState
) -> None:
    net.rules(cluster, OWN, OTHER)
    assert set(net.connect("stranger", "192.0.2.80", 80, 20)) == {"a 172.18.0.100"}
    assert set(net.connect("stranger", "172.18.0.3", 30080, 40)) == {
        "b 172.18.0.100",
        "c 172.18.0.100",
    }
    # a pod of the cluster reaches every endpoint under the same address
    assert set(by_server(net.connect("b", "192.0.2.80", 80, 60))) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("address", "port", "node"),
    [("192.0.2.81", 80, "172.18.0.2"), ("192.0.2.82", 80, "172.18.0.2"),
     ("172.18.0.3", 30081, "172.18.0.3")],
    ids=["load balancer", "external IP", "node port"],
)  # fmt: skip
def test_cluster_policy_masquerades_a_stranger_at_every_door(
    address: str, port: int, node: str, net: Net, cluster: ClusterState
) -> None:
    """The endpoint may be elsewhere: the reply must return through the node that translated."""
    net.rules(cluster, OWN, OTHER)
    answers = net.connect("stranger", address, port, 60)
    assert set(answers) == {f"{pod} {node}" for pod in PODS}, answers


def test_no_endpoint_is_a_refusal_and_not_a_timeout(net: Net, cluster: ClusterState) -> None:
    net.rules(cluster, OWN, OTHER)
    before = time.monotonic()
    assert set(net.connect("a", "10.201.7.9", 80)) == {"ConnectionRefusedError"}
    assert set(net.connect("a", "10.201.7.7", 81)) == {"ConnectionRefusedError"}
    assert time.monotonic() - before < 2


def test_a_node_that_is_not_ready_gets_no_new_flow(net: Net, cluster: ClusterState) -> None:
    net.rules(nodes.set_ready(cluster, "n2", ready=False, now=NOW), OWN, OTHER)
    assert set(net.connect("stranger", "10.201.7.7", 8385, 30)) == {"a 172.18.0.2"}


def test_outgoing_nat_obeys_disabled_pools(net: Net, cluster: ClusterState) -> None:
    """The point of the guide's disabled IPPools: without them the other cluster sees nodes."""
    net.rules(cluster, OWN)
    assert set(net.connect("a", "10.210.0.5", 8080)) == {"stranger 172.18.0.2"}
    net.rules(cluster, OWN, OTHER)
    assert set(net.connect("a", "10.210.0.5", 8080)) == {"stranger 10.200.1.1"}
    assert set(net.connect("a", "172.18.0.100", 8080)) == {"stranger 172.18.0.2"}
    net.rules(cluster, replace(OWN, nat_outgoing=False), OTHER)
    assert set(net.connect("a", "172.18.0.100", 8080)) == {"stranger 10.200.1.1"}


def test_a_flow_survives_the_replacement_of_the_rules(net: Net, cluster: ClusterState) -> None:
    net.rules(cluster, OWN, OTHER)
    argv = net.argv("ip", "netns", "exec", "stranger", "python3", "-c", HELD, "10.201.7.7", "8385")
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as held:  # fmt: skip
        assert held.stdin is not None
        assert held.stdout is not None
        held.stdin.write("x\n")
        held.stdin.flush()
        first = held.stdout.readline()
        server = first.split()[0]
        other = next(pod for pod in cluster.of(Pod) if pod.meta.name != server)
        only = cluster.without(ref(p) for p in cluster.of(Pod) if p != other)
        net.rules(controllers.settle(only, NOW), OWN, OTHER)
        assert set(by_server(net.connect("stranger", "10.201.7.7", 8385, 10))) == {other.meta.name}
        held.stdin.write("x\n")
        held.stdin.flush()
        assert held.stdout.readline() == first
        held.stdin.close()
