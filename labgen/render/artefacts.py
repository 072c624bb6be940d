"""Every file of a lab, as bytes by path relative to the topology file. Deterministic."""

from __future__ import annotations

from labgen.bigip import ltm_document
from labgen.calico.status import SUBDIRECTORY
from labgen.design.model import CalicoNode, Design, Pod, Router
from labgen.design.plan import VE_STARTUP, directory, plan
from labgen.plan import Role
from labgen.render import clab, hosts, workloads
from labgen.render.bird import adapt, bird_files

_FRR_DAEMONS = ("zebra", "bgpd", "staticd", "bfdd")


def artefacts(design: Design, *, source: str) -> dict[str, bytes]:
    """All files of the lab, its topology first. `source` names the spec in the first lines."""
    files: dict[str, str] = {
        f"{design.name}.clab.yml": clab.topology(plan(design), source=source),
    }
    for router in design.routers:
        files |= _under(design, router.name, _router(router))
    for node in design.calico_nodes:
        files |= _under(design, node.name, calico_node(node))
    for pod in design.pods:
        files |= _under(design, pod.name, _pod(pod))
    return {path: text.encode() for path, text in files.items()}


def _under(design: Design, node: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{directory(design, node)}/{path}": text for path, text in files.items()}


def _pod(pod: Pod) -> dict[str, str]:
    files = {"interfaces": hosts.pod(pod)}
    if pod.announces is not None:
        files |= {f"bird{v}.conf": workloads.bird_conf(pod, v) for v in (4, 6)}
    return files


def calico_node(node: CalicoNode) -> dict[str, str]:
    """A Calico node's files: confd's six, its addresses, and what Felix programs."""
    adapted, _notes = adapt(bird_files(node.config))
    return {
        "interfaces": hosts.interfaces(node.interfaces),
        "felix": hosts.felix(node),
        "nat.nft": node.nat,
        **{
            f"{SUBDIRECTORY}/{name}": text
            for name, text in (workloads.endpoint_status(p) for p in node.pods if p.status)
        },
        **{f"confd/{name}": text for name, text in adapted.items()},
    }


def _router(router: Router) -> dict[str, str]:
    if router.startup is not None:
        return {VE_STARTUP: router.startup}
    conf = router.frr_conf
    if router.image is not None:
        conf = hosts.frr_interfaces(router.interfaces) + conf
    files = {
        "interfaces": hosts.interfaces(router.interfaces) + hosts.routes(router.kernel_routes),
        "frr/frr.conf": conf,
        "frr/daemons": "".join(f"{name}=yes\n" for name in (*_FRR_DAEMONS, *router.daemons)),
        "frr/vtysh.conf": "service integrated-vtysh-config\n",
    }
    if router.lockdown is not None:
        files["lockdown.nft"] = router.lockdown
    if router.fails_over:
        files["floating"] = hosts.floating(router)
    if router.local_traffic is not None and router.local_traffic.virtuals:
        floating = [(f.interface, f.address.ip) for f in router.floating]
        files["ltm.json"] = ltm_document.document(router.local_traffic, floating)
    if router.role is Role.BIGIP:
        files["ZebOS.conf"] = router.zebos
        files["bigip.tmsh"] = router.tmsh
    return files
