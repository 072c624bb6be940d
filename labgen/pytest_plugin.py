"""`pytest --lab LAB`: fixtures for users' own tests against a lab.

    def test_bigip_learns_every_block(lab):
        assert lab.router("bigip-1").learns("192.168.180.0/26", via="10.1.20.21")

LAB is a lab spec, its directory or the name of a running lab. A lab that runs already is used and
left alone; one that the plugin deployed is destroyed at the end. When a test that used `lab`
fails, the report shows the sessions' ladder and the story of every session that is not all green.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from labgen.bgp.conversation import Capture, WireSession
    from labgen.bgp.negotiated import Negotiated
    from labgen.check.model import Finding
    from labgen.design.model import Address, Design, Session
    from labgen.evidence import Evidence, FibRoute, Missing, NodeView, RibRoute
    from labgen.lab.project import Project
    from labgen.runtime.protocol import Completed, Runtime


class Lab:
    """A running lab. What it shows is a snapshot; `refresh()` takes a new one."""

    def __init__(self, project: Project, runtime: Runtime) -> None:
        self.project, self.runtime = project, runtime

    @property
    def name(self) -> str:
        return self.project.name

    @property
    def design(self) -> Design:
        return self.project.design

    @cached_property
    def evidence(self) -> Evidence:
        """Everything that was observed, at the first use since the last `refresh()`."""
        from labgen.lab.verify import evidence_of  # noqa: PLC0415 - docker only when it is used

        return evidence_of(self.project, self.runtime)

    def refresh(self) -> Lab:
        """Forget what was observed; the next look observes anew."""
        self.__dict__.pop("evidence", None)
        self.__dict__.pop("findings", None)
        return self

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """What `labgen verify` says of the evidence."""
        from labgen.check.ladder import verify  # noqa: PLC0415

        return verify(self.design, self.evidence)

    @property
    def capture(self) -> Capture:
        """The conversations on the wire. Raises AssertionError when there is no capture."""
        return _have(self.evidence.wire)

    @property
    def sessions(self) -> list[LabSession]:
        return [LabSession(self, session) for session in self.design.sessions]

    @property
    def routers(self) -> list[LabRouter]:
        """Every BGP speaker: the BIG-IP and the Calico nodes."""
        return [LabRouter(self, speaker.node) for speaker in self.design.speakers]

    @property
    def pods(self) -> list[LabPod]:
        return [LabPod(self, pod.name) for pod in self.design.pods]

    def session(self, one: str, two: str) -> LabSession:
        """The session between two nodes, whichever way round."""
        for session in self.design.sessions:
            if {session.a.node, session.b.node} == {one, two}:
                return LabSession(self, session)
        raise LookupError(f"no session between {one} and {two} in lab {self.name}")

    def router(self, name: str) -> LabRouter:
        return _named(self.routers, name)

    def pod(self, name: str) -> LabPod:
        return _named(self.pods, name)

    def exec(self, node: str, *argv: str) -> Completed:
        """Run a command in a node."""
        from labgen.lab.running import EngineCommands, find  # noqa: PLC0415

        return EngineCommands(self.runtime, find(self.runtime, self.name)).run(node, argv)

    def story(self) -> list[str]:
        """The ladder, and the story of every session that is not all green."""
        from labgen.report import text  # noqa: PLC0415

        lines = text.ladder(self.findings)
        for name in dict.fromkeys(f.session for f in self.findings):
            own = [f for f in self.findings if f.session == name]
            if any(f.status.value in ("FAIL", "ERROR") for f in own):
                lines += ["", *text.story(own, name)]
        return lines


class _Node:
    def __init__(self, lab: Lab, name: str) -> None:
        self.lab, self.name = lab, name

    def exec(self, *argv: str) -> Completed:
        """Run a command here."""
        return self.lab.exec(self.name, *argv)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


_T = TypeVar("_T")
_N = TypeVar("_N", bound=_Node)


class LabRouter(_Node):
    """A BGP speaker of the lab."""

    @property
    def view(self) -> NodeView:
        return _have(self.lab.evidence.nodes[self.name])

    @property
    def rib(self) -> tuple[RibRoute, ...]:
        """Every path of its BGP table."""
        return _have(self.view.rib)

    @property
    def fib(self) -> tuple[FibRoute, ...]:
        """Every route of its kernel's main table."""
        return _have(self.view.fib)

    def learns(self, prefix: str, *, via: str | None = None) -> bool:
        """Whether the prefix is its best path from a peer (by that next hop) and in its kernel."""
        network = ip_network(prefix)
        hop = ip_address(via) if via is not None else None
        best = [r for r in self.rib if r.prefix == network and r.best and r.next_hop is not None]
        chosen = any(hop in (None, r.next_hop) for r in best)
        kernel = [f for f in self.fib if f.prefix == network and f.protocol in ("bgp", "bird")]
        return chosen and any(hop is None or hop in dict(f.next_hops) for f in kernel)

    def reaches(self, pod: str) -> bool:
        """Whether the pod answers its ping with a TTL that one router on the way leaves."""
        address = self.lab.pod(pod).addresses[0]
        done = self.exec("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", address)
        return done.code == 0 and "ttl=63" in done.stdout


class LabPod(_Node):
    """A pod of the lab."""

    @property
    def addresses(self) -> list[str]:
        pod = next(p for p in self.lab.design.pods if p.name == self.name)
        return [str(address) for address in pod.addresses]


class LabSession:
    """A BGP session that the inputs imply."""

    def __init__(self, lab: Lab, session: Session) -> None:
        self.lab, self.design = lab, session

    @property
    def name(self) -> str:
        return self.design.name

    @property
    def established(self) -> bool:
        """Both daemons say so."""
        from labgen.check.state import peer_view  # noqa: PLC0415

        for end, other in (self.design.ends, self.design.ends[::-1]):
            if end.node is None:
                return False
            peer = peer_view(self.lab.router(end.node).view, other)
            if getattr(peer, "state", None) != "Established":
                return False
        return True

    @property
    def wire(self) -> WireSession:
        """Its conversations in the capture. Raises AssertionError when there are none."""
        found = self.lab.capture.session(self.design.a.address, self.design.b.address)
        assert found is not None, f"{self.name}: not one packet of it is in the capture"
        return found

    @property
    def negotiated(self) -> Negotiated:
        found = self.wire.negotiated
        assert found is not None, f"{self.name}: its two OPENs are not in the capture"
        return found

    def address(self, node: str) -> Address:
        """The address from which a node speaks in it, as the assertions of `labgen.check.wire` and
        `labgen.check.wire_routes` want it."""
        return self.design.end(node).address

    def announced(self, by: str) -> set[str]:
        """The prefixes that a node announced and did not withdraw."""
        return {str(e.prefix) for e in self.wire.adj_rib_in(self.address(by)).values()}

    def __repr__(self) -> str:
        return f"LabSession({self.name!r})"


def _have(value: _T | Missing) -> _T:
    from labgen.evidence import Missing  # noqa: PLC0415

    assert not isinstance(value, Missing), value.reason
    return value


def _named(items: Sequence[_N], name: str) -> _N:
    for item in items:
        if item.name == name:
            return item
    known = ", ".join(item.name for item in items)
    raise LookupError(f"no {name!r} in this lab; there are: {known}")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("labgen")
    group.addoption("--lab", help="lab spec, its directory, or the name of a running lab")
    group.addoption("--lab-keep", action="store_true",
                    help="leave a lab that the tests deployed running")  # fmt: skip


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab of `--lab`: attached to when it runs, else deployed and destroyed at the end."""
    from labgen.errors import LabgenError  # noqa: PLC0415
    from labgen.lab.attach import attached  # noqa: PLC0415
    from labgen.runtime.docker import DockerRuntime  # noqa: PLC0415

    argument = request.config.getoption("--lab")
    if argument is None:
        pytest.skip("no lab: run pytest with --lab LAB")
    try:
        keep = request.config.getoption("--lab-keep")
        with (
            contextlib.closing(DockerRuntime()) as runtime,
            attached(argument, runtime, keep=keep) as project,
        ):
            yield Lab(project, runtime)
    except LabgenError as error:
        pytest.fail(f"labgen: {error}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item
) -> Generator[None, pytest.TestReport, pytest.TestReport]:  # fmt: skip
    """A failed test that used `lab` shows what every session's ladder looked like."""
    report = yield
    used = getattr(item, "funcargs", {}).get("lab")
    if report.when == "call" and report.failed and isinstance(used, Lab):
        try:
            report.sections.append((f"lab {used.name}", "\n".join(used.story())))
        except Exception as error:  # noqa: BLE001 - the test's own failure must stay visible
            report.sections.append((f"lab {used.name}", f"its story cannot be told: {error}"))
    return report
