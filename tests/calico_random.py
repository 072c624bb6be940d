"""Random clusters that Calico would accept, of all resources and fields that confd reads."""

from __future__ import annotations

import json
import random
from typing import Any

from labgen import yaml_source
from labgen.calico import resources

V3 = "projectcalico.org/v3"
NAMES = ("n1", "n2", "n10", "kube-master", "a.b.c", "worker-0", "leaf-node-0")
V4 = ("10.0.0.2/24", "10.0.0.10/24", "10.0.1.9", "10.192.0.100/16", "172.17.0.9/16")
V6 = ("fd00::1/64", "fd00:0:0::a/64", "2001:0db8::10", "fd00::9/64", "2001::103/64")
AS_NUMBERS = (64512, 65001, "1.10", "65003", 4200000000)
COMMUNITIES = ("100:1", "65000:65000", "1:2:3", "4294967295:0:9", "tor", "dc")
FILTERS = ("f", "b-1", "a" * 45, "a" * 46, "tor.long-" + "x" * 60)
SELECTORS = (
    "all()", "rack == 'a'", "rack != 'a'", "has(rr)", "!has(rr)", "!rack == 'a'",
    "rr == 'true' && !(rack in {'a', 'b'})", "rack not in {'b'} || rr == 'false'",
    "rack starts with 'tr'", "kubernetes.io/hostname ends with '0'",
)  # fmt: skip
POOLS = (
    "10.48.0.0/16",
    "10.49.0.0/16",
    "192.168.0.0/16",
    "10.200.0.0/16",
    "fd20::/48",
    "fd21::/48",
)
RANGES = {
    "serviceClusterIPs": ("10.96.0.0/12", "fd96::/112", "10.3.0.5/32"),
    "serviceExternalIPs": ("203.0.113.0/24", "203.0.114.7/32", "fd97::/64", "fd98::7/128"),
    "serviceLoadBalancerIPs": ("198.51.100.0/24", "198.51.101.7/32", "fdaa::/64", "fdab::7/128"),
}
SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}


class Maker:
    """Makes the documents of one cluster; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.names = self.some(NAMES[:5], 1) if seed % 3 else list(NAMES[:3])

    def pick(self, values: Any) -> Any:
        return self.chance.choice(values)

    def some(self, values: Any, least: int = 0) -> list[Any]:
        return self.chance.sample(values, self.chance.randint(least, len(values)))

    def maybe(self, **fields: Any) -> dict[str, Any]:
        """Each field with one of its values, or not at all."""
        return {k: self.pick(v) for k, v in fields.items() if self.chance.random() < 0.35}

    def documents(self) -> list[dict[str, Any]]:
        made = [self.node(i, name) for i, name in enumerate(self.names)]
        made.append(_object("BGPConfiguration", "default", self.configuration() | self.cluster()))
        made += [
            _object("BGPConfiguration", f"node.{name}", self.configuration())
            for name in self.some(self.names)
        ]
        made += [_object("BGPFilter", name, self.filter()) for name in self.some(FILTERS)]
        made += [_object("BGPPeer", f"p{i}", self.peer()) for i in range(self.pick(range(6)))]
        made += [
            _object("IPPool", f"pool{i}", self.pool(cidr))
            for i, cidr in enumerate(self.some(POOLS))
        ]
        made += [
            _object("BlockAffinity", f"b{i}", self.block(i)) for i in range(self.pick(range(6)))
        ]
        secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "stringData": {"k": "w w"}}
        return [*made, secret | {"metadata": {"name": "s", "namespace": "kube-system"}}]

    def node(self, index: int, name: str) -> dict[str, Any]:
        bgp = {"ipv4Address": V4[index], "ipv6Address": V6[index]}
        bgp.pop(self.pick(("ipv4Address", "ipv6Address", "none", "none")), None)
        bgp |= self.maybe(asNumber=AS_NUMBERS, routeReflectorClusterID=("244.0.0.1", "244.0.0.2"))
        spec: dict[str, Any] = {"bgp": bgp}
        spec |= self.maybe(wireguard=[{"interfaceIPv4Address": f"192.168.9.{index + 1}"}])
        made = _object("Node", name, spec)
        made["metadata"]["labels"] = self.maybe(rack=("a", "b", True), rr=("true", "false"))
        return made

    def configuration(self) -> dict[str, Any]:
        advertised = [
            {"cidr": cidr, "communities": self.some(COMMUNITIES)}
            for cidr in self.some(("192.168.0.0/16", "0.0.0.0/0", "fd20::0/48"), 1)
        ]
        made = self.maybe(
            logSeverityScreen=("Debug", "INFO", "Error"),
            listenPort=(178, 179, 1790),
            prefixAdvertisements=[advertised],
        )
        if "prefixAdvertisements" in made:
            made["communities"] = [
                {"name": "tor", "value": "7:7"},
                {"name": "dc", "value": "9:1:1"},
            ]
        return made

    def cluster(self) -> dict[str, Any]:
        made = self.maybe(
            nodeToNodeMeshEnabled=(False,),
            asNumber=AS_NUMBERS,
            bindMode=("None", "NodeIP"),
            ignoredInterfaces=[["docker*", "lo1"]],
            programClusterRoutes=("Disabled", "EnabledIPIPOnly", "Enabled"),
            ipv4NormalRoutePriority=(1, 5000),
            ipv6NormalRoutePriority=(2, 2147483646),
            serviceLoadBalancerAggregation=("Enabled", "Disabled"),
            **{key: [[{"cidr": cidr} for cidr in self.some(v)]] for key, v in RANGES.items()},
        )
        if "nodeToNodeMeshEnabled" not in made:
            made |= self.maybe(nodeMeshMaxRestartTime=("10s", "1500ms"), nodeMeshPassword=[SECRET])
        return made

    def filter(self) -> dict[str, Any]:
        return {
            f"{direction}V{version}": [self.rule(version) for _ in range(self.pick(range(4)))]
            for direction in ("import", "export")
            for version in (4, 6)
        }

    def rule(self, version: int) -> dict[str, Any]:
        cidrs = ("10.0.0.0/8", "10.1.0.0/26") if version == 4 else ("fd00::/8", "2001:db8::/122")
        made = {"action": self.pick(("Accept", "Reject"))}
        made |= self.maybe(
            source=["RemotePeers"],
            interface=("eth0", "*.calico", "*"),
            communities=[{"values": [text]} for text in COMMUNITIES[:4]],
            asPathPrefix=[[64512], [65001, "1.1"]],
            priority=(1, 1024, 2147483646),
            peerType=("eBGP", "iBGP"),
        )
        if self.chance.random() < 0.6:
            made |= {"cidr": self.pick(cidrs), "matchOperator": self.pick(("Equal", "In", "NotIn"))}
            made |= self.maybe(prefixLength=[{}, {"min": 16}, {"max": 24}, {"min": 8, "max": 32}])
        if made["action"] == "Accept":
            operations = (
                {"addCommunity": {"value": self.pick(COMMUNITIES[:4])}},
                {"prependASPath": {"prefix": [1, "1.1", 4200000000]}},
                {"setPriority": {"value": 512}},
            )
            made |= self.maybe(operations=[self.some(operations, 1)])
        return made

    def peer(self) -> dict[str, Any]:
        made = self.maybe(
            localASNumber=AS_NUMBERS,
            numAllowedLocalASNumbers=(0, 3),
            nextHopMode=("Auto", "Self", "Keep"),
            password=[SECRET],
            sourceAddress=("None", "UseNodeIP"),
            maxRestartTime=("10s", "2m", "0s"),
            keepaliveTime=("10s", "1m30s"),
            ttlSecurity=(0, 1, 255),
            filters=[self.some(FILTERS)],
            reversePeering=("Auto", "Manual"),
        )
        made |= self.maybe(**self.pick(({"node": NAMES}, {"nodeSelector": SELECTORS}, {})))
        if self.chance.random() < 0.4:
            return made | {"peerSelector": self.pick(SELECTORS)}
        address = self.pick(("10.0.0.2", "10.0.0.10", "fd00::a", "fd00::9", "10.9.0.1", "fd09::1"))
        port = self.pick(("", "", ":179", ":1790"))
        text = f"[{address}]{port}" if ":" in address and port else f"{address}{port}"
        gateway = "fd00::77" if ":" in address else "10.0.0.77"
        # Now and then without asNumber: Calico lets that through, and BIRD does not.
        made |= {"peerIP": text, **self.maybe(reachableBy=[gateway])}
        return made | ({"asNumber": self.pick(AS_NUMBERS)} if self.chance.random() < 0.9 else {})

    def pool(self, cidr: str) -> dict[str, Any]:
        modes = ("Never", "Always", "CrossSubnet")
        made = {"cidr": cidr, **self.maybe(disabled=(True,), disableBGPExport=(True, False))}
        mode = "vxlanMode" if ":" in cidr else self.pick(("ipipMode", "vxlanMode"))
        return made | self.maybe(**{mode: modes})

    def block(self, index: int) -> dict[str, Any]:
        cidr = self.pick(
            (f"192.168.221.{index * 16}/28", f"fd20::{index:x}00/122", f"10.48.0.{index}/32")
        )
        states = ("confirmed", "", "pending", "pendingDeletion")
        made = {"node": self.pick(self.names), "cidr": cidr, "state": self.pick(states)}
        return made | self.maybe(type=("host", "", "virtual"), deleted=("false", "true"))


def parsed(documents: list[dict[str, Any]]) -> resources.Resources:
    text = "---\n".join(f"{json.dumps(document)}\n" for document in documents)
    return resources.parse(yaml_source.parse(text, "random.yaml"))


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": V3, "kind": kind, "metadata": {"name": name}, "spec": spec}
