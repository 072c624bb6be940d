"""The kinds that calicoctl knows here: their names on the command line and their table columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labgen.calico.datastore import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    Document = Mapping[str, Any]
    Cell = Callable[[Document, int], str]  # the object, and the cluster's AS number


_NIL = "<nil>"  # a Go template's word for a pointer that is nil


@dataclass(frozen=True, slots=True)
class Kind:
    """`columns` are the default headings, `wide` those of `-o wide`; `cells` has every heading.

    An `opaque` kind is kept and printed, but not checked, and has no effect in a lab.
    """

    name: str
    aliases: tuple[str, ...]
    columns: tuple[str, ...]
    wide: tuple[str, ...]
    cells: Mapping[str, Cell]
    namespaced: bool = False
    opaque: bool = False


def _spec(document: Document) -> Mapping[str, Any]:
    spec = document.get("spec")
    return spec if isinstance(spec, Mapping) else {}


def go_text(value: Any) -> str:
    """A value as a Go template prints it; None is the zero value of a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _field(*names: str, unset: str = "") -> Cell:
    def cell(document: Document, _: int) -> str:
        value: Any = _spec(document)
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return unset if value in (None, "") else go_text(value)

    return cell


def _joined(name: str, limit: int = 0) -> Cell:
    def cell(document: Document, _: int) -> str:
        found = _spec(document).get(name) or ()
        if isinstance(found, Mapping):  # sorted pairs, as calicoctl joins a map
            found = sorted(f"{key}={go_text(value)}" for key, value in found.items())
        items = found if isinstance(found, list | tuple) else [found]
        text = ",".join(
            f"{{{' '.join(map(go_text, item.values()))}}}" if isinstance(item, Mapping)
            else go_text(item)
            for item in items
        )  # fmt: skip
        return text[: limit - 3] + "..." if limit and len(text) > limit else text

    return cell


def _count(name: str) -> Cell:
    return lambda document, _: str(len(_spec(document).get(name) or ()))


def _name(document: Document, _: int) -> str:
    return go_text(document["metadata"].get("name"))


def _namespace(document: Document, _: int) -> str:
    return go_text(document["metadata"].get("namespace"))


def _node_as(document: Document, cluster_as: int) -> str:
    bgp = _spec(document).get("bgp")
    if bgp is None:
        return ""
    number = bgp.get("asNumber")
    return f"({cluster_as})" if number is None else go_text(number)


def _peer_node(document: Document, _: int) -> str:
    spec = _spec(document)
    return go_text(spec.get("node") or spec.get("nodeSelector") or "(global)")


def _workload(document: Document, _: int) -> str:
    spec = _spec(document)
    return go_text(spec.get("workload") or spec.get("pod"))


def _pod_selector(document: Document, _: int) -> str:
    """Go's %v of a metav1.LabelSelector: a map, then a list of expressions."""
    selector = _spec(document).get("podSelector") or {}
    labels = " ".join(f"{k}:{v}" for k, v in sorted((selector.get("matchLabels") or {}).items()))
    expressions = " ".join(
        f"{{{e.get('key', '')} {e.get('operator', '')} [{' '.join(e.get('values') or ())}]}}"
        for e in selector.get("matchExpressions") or ()
    )
    return f"{{map[{labels}] [{expressions}]}}"


def _policy(name: str, aliases: str, *, namespaced: bool) -> Kind:
    """A staged policy's columns."""
    cells = {
        "TIER": _field("tier"),
        "ORDER": _field("order", unset=_NIL),
        "SELECTOR": _field("selector"),
    }
    return _kind(
        name, aliases, "NAME TIER", cells, wide="NAME TIER ORDER SELECTOR",
        namespaced=namespaced, opaque=True,
    )  # fmt: skip


def _kind(
    name: str,
    aliases: str,
    columns: str,
    cells: Mapping[str, Cell] | None = None,
    *,
    wide: str | None = None,
    namespaced: bool = False,
    opaque: bool = False,
) -> Kind:
    all_cells: dict[str, Cell] = {"NAME": _name, **(cells or {})}
    if namespaced:
        all_cells["NAMESPACE"] = _namespace
    headings = tuple(columns.split())
    return Kind(
        name=name,
        aliases=tuple(aliases.split()),
        columns=headings,
        wide=headings if wide is None else tuple(wide.split()),
        cells=all_cells,
        namespaced=namespaced,
        opaque=opaque,
    )


KINDS = (
    _kind(
        "Node",
        "node nodes no nos",
        "NAME",
        {
            "ASN": _node_as,
            "IPV4": _field("bgp", "ipv4Address"),
            "IPV6": _field("bgp", "ipv6Address"),
        },
        wide="NAME ASN IPV4 IPV6",
    ),
    _kind(
        "BGPPeer",
        "bgppeer bgppeers bgpp bgpps bp bps",
        "NAME PEERIP NODE ASN",
        {
            "PEERIP": _field("peerIP"),
            "NODE": _peer_node,
            "ASN": _field("asNumber", unset="0"),
        },
    ),
    _kind(
        "BGPConfiguration",
        "bgpconfiguration bgpconfigurations bgpconfig bgpconfigs",
        "NAME LOGSEVERITY MESHENABLED ASNUMBER",
        {
            "LOGSEVERITY": _field("logSeverityScreen"),
            "MESHENABLED": _field("nodeToNodeMeshEnabled", unset="-"),
            "ASNUMBER": _field("asNumber", unset="-"),
        },
    ),
    _kind(
        "BGPFilter",
        "bgpfilter bgpfilters bgpf bgpfs bf bfs",
        "NAME NUMEXPORTV4 NUMIMPORTV4 NUMEXPORTV6 NUMIMPORTV6",
        {
            "NUMEXPORTV4": _count("exportV4"),
            "NUMIMPORTV4": _count("importV4"),
            "NUMEXPORTV6": _count("exportV6"),
            "NUMIMPORTV6": _count("importV6"),
        },
    ),
    _kind(
        "IPPool",
        "ippool ippools ipp ipps pool pools",
        "NAME CIDR SELECTOR",
        {
            "CIDR": _field("cidr"),
            "NAT": _field("natOutgoing", unset="false"),
            "IPIPMODE": _field("ipipMode", unset="Never"),
            "VXLANMODE": _field("vxlanMode", unset="Never"),
            "DISABLED": _field("disabled", unset="false"),
            "DISABLEBGPEXPORT": _field("disableBGPExport", unset="false"),
            "SELECTOR": _field("nodeSelector"),
            "ASSIGNMENTMODE": _field("assignmentMode"),
        },
        wide="NAME CIDR NAT IPIPMODE VXLANMODE DISABLED DISABLEBGPEXPORT SELECTOR ASSIGNMENTMODE",
    ),
    _kind(
        "IPReservation",
        "ipreservation ipreservations reservation reservations",
        "NAME",
        {"CIDRS": _joined("reservedCIDRs", 80)},
        wide="NAME CIDRS",
    ),
    _kind(
        "IPAMConfiguration",
        "ipamconfiguration ipamconfigurations ipamconfig ipamconfigs",
        "NAME STRICTAFFINITY AUTOALLOCATEBLOCKS",
        {
            "STRICTAFFINITY": _field("strictAffinity", unset="false"),
            "AUTOALLOCATEBLOCKS": _field("autoAllocateBlocks", unset="false"),
            "MAXBLOCKSPERHOST": _field("maxBlocksPerHost", unset="0"),
        },
        wide="NAME STRICTAFFINITY AUTOALLOCATEBLOCKS MAXBLOCKSPERHOST",
    ),
    _kind(
        "WorkloadEndpoint",
        "workloadendpoint workloadendpoints wep weps",
        "WORKLOAD NODE NETWORKS INTERFACE",
        {
            "WORKLOAD": _workload,
            "NODE": _field("node"),
            "ORCHESTRATOR": _field("orchestrator"),
            "NETWORKS": _joined("ipNetworks"),
            "INTERFACE": _field("interfaceName"),
            "PROFILES": _joined("profiles"),
            "NATS": _joined("ipNATs"),
        },
        wide="NAME WORKLOAD NODE NETWORKS INTERFACE PROFILES NATS",
        namespaced=True,
    ),
    _kind(
        "ClusterInformation",
        "clusterinformation clusterinformations clusterinfo clusterinfos",
        "NAME CLUSTERGUID CLUSTERTYPE CALICOVERSION DATASTOREREADY",
        {
            "CLUSTERGUID": _field("clusterGUID"),
            "CLUSTERTYPE": _field("clusterType"),
            "CALICOVERSION": _field("calicoVersion"),
            "DATASTOREREADY": _field("datastoreReady", unset=_NIL),
        },
    ),
    # What has no part in routing.
    _kind(
        "FelixConfiguration",
        "felixconfiguration felixconfigurations felixconfig felixconfigs",
        "NAME",
        opaque=True,
    ),
    _kind(
        "KubeControllersConfiguration",
        "kubecontrollersconfiguration kubecontrollersconfigurations kubecontrollersconfig "
        "kubecontrollersconfigs",
        "NAME",
        opaque=True,
    ),
    _kind(
        "GlobalNetworkPolicy",
        "globalnetworkpolicy globalnetworkpolicies gnp gnps",
        "NAME",
        {"ORDER": _field("order", unset=_NIL), "SELECTOR": _field("selector")},
        wide="NAME ORDER SELECTOR",
        opaque=True,
    ),
    _kind(
        "NetworkPolicy",
        "networkpolicy networkpolicies policy np policies pol pols",
        "NAME TIER",
        {
            "TIER": _field("tier"),
            "ORDER": _field("order", unset=_NIL),
            "SELECTOR": _field("selector"),
        },
        wide="NAME TIER ORDER SELECTOR",
        namespaced=True,
        opaque=True,
    ),
    _kind(
        "GlobalNetworkSet",
        "globalnetworkset globalnetworksets gnetsets",
        "NAME",
        {"NETS": _joined("nets", 80)},
        wide="NAME NETS",
        opaque=True,
    ),
    _kind(
        "NetworkSet",
        "networkset networksets netsets",
        "NAME",
        {"NETS": _joined("nets", 80)},
        wide="NAME NETS",
        namespaced=True,
        opaque=True,
    ),
    _kind(
        "HostEndpoint",
        "hostendpoint hostendpoints hep heps",
        "NAME NODE",
        {
            "NODE": _field("node"),
            "INTERFACE": _field("interfaceName"),
            "IPS": _joined("expectedIPs"),
            "PROFILES": _joined("profiles"),
        },
        wide="NAME NODE INTERFACE IPS PROFILES",
        opaque=True,
    ),
    _kind(
        "Profile",
        "profile profiles pro pros",
        "NAME",
        {"LABELS": _joined("labelsToApply")},
        wide="NAME LABELS",
        opaque=True,
    ),
    _kind(
        "CalicoNodeStatus",
        "caliconodestatus caliconodestatuses nodestatus nodestatuses",
        "NAME NODE",
        {"NODE": _field("node"), "CLASSES": _joined("classes")},
        wide="NAME NODE CLASSES",
        opaque=True,
    ),
    _policy(
        "StagedGlobalNetworkPolicy",
        "stagedglobalnetworkpolicy stagedglobalnetworkpolicies sgnp sgnps",
        namespaced=False,
    ),
    _policy(
        "StagedNetworkPolicy",
        "stagednetworkpolicy stagednetworkpolicies stagedpolicy snp stagedpolicies spol spols",
        namespaced=True,
    ),
    _kind(
        "StagedKubernetesNetworkPolicy",
        "stagedkubernetesnetworkpolicy stagedkubernetesnetworkpolicies stagedkubernetespolicy "
        "sknp stagedkubernetespolicies skpol skpols",
        "NAME",
        {"PODSELECTOR": _pod_selector},
        wide="NAME PODSELECTOR",
        namespaced=True,
        opaque=True,
    ),
    _kind(
        "Tier",
        "tier tiers",
        "NAME ORDER",
        {"ORDER": _field("order", unset=_NIL)},
        opaque=True,
    ),
)
_BY_ALIAS = {alias: kind for kind in KINDS for alias in kind.aliases}
_BY_NAME = {kind.name: kind for kind in KINDS}


def by_alias(word: str) -> Kind | None:
    """The kind that a word on the command line means, in any case."""
    return _BY_ALIAS.get(word.lower())


def by_version(version: str, name: str) -> Kind | None:
    """The kind of a document; calicoctl takes v3 only."""
    return _BY_NAME.get(name) if version == VERSION else None
