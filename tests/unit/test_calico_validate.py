"""Calico's validation: each document under tests/data/calico-invalid is refused, and says where.

A document's first line holds what the message must contain; `# <--` stands on the line to blame.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from labgen import yaml_source
from labgen.calico import resources, validate
from labgen.cli.calico import calico
from labgen.errors import InputError

DATA = Path(__file__).parents[1] / "data" / "calico-invalid"
INVALID = sorted(DATA.glob("*.yaml"))
WRITE_ONLY = {
    "bgppeer-filter-missing",
    "bgpconfig-cluster-routes",  # confd takes its default
    "ippool-overlap",
    "affinity-deleted",
}


def parse(text: str) -> resources.Resources:
    return resources.parse(yaml_source.parse(text, "given.yaml"))


def test_there_are_enough() -> None:
    assert len(INVALID) >= 40


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_each_is_refused_and_says_where(path: Path) -> None:
    lines = path.read_text().splitlines()
    expected = lines[0].removeprefix("# refused: ")
    line = next(i for i, text in enumerate(lines, 1) if "# <--" in text)
    with pytest.raises(InputError) as caught:
        validate.check(resources.load([path]), strict=True)
    blamed = [text for text in str(caught.value).splitlines() if expected in text]
    assert blamed, f"{expected!r} is not in {caught.value}"
    assert blamed[0].startswith(f"{path}:{line}:")


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_render_writes_nothing_from_them(path: Path, tmp_path: Path) -> None:
    node = tmp_path / "node.yaml"
    node.write_text(
        "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: n}\n"
        "spec: {bgp: {ipv4Address: 10.9.0.1/24}}\n"
    )
    output = tmp_path / "out"
    argv = ["render", "--resources", str(path), str(node), "--node", "n", "--output", str(output)]
    result = CliRunner().invoke(calico, argv)
    if path.stem in WRITE_ONLY:  # a cluster may hold these: Calico renders with them
        assert result.exit_code == 0
        assert "warning" in result.stderr
        return
    assert isinstance(result.exception, InputError)
    assert not output.exists()


def test_what_a_server_printed_is_told_and_not_refused() -> None:
    given = parse(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\n"
        "metadata: {name: tor, uid: 6d1f, resourceVersion: '12'}\n"
        "spec: {peerIP: 10.0.0.1, asNumber: 65001, keepOriginalNextHop: true, nextHopMode: Keep,\n"
        "       fromTheFuture: {deep: 1}}\n"
    )
    assert "labgen does not know spec.fromTheFuture" in given.notices[0].message
    assert str(given.notices[0].mark) == "given.yaml:5:8"
    (notice,) = validate.check(given)
    assert "keepOriginalNextHop and nextHopMode cannot both be set" in notice.message
    with pytest.raises(InputError, match="cannot both be set"):
        validate.check(given, strict=True)


def test_calicoctls_text_for_one_and_for_several_fields() -> None:
    given = parse(
        "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: tor}\n"
        "spec: {peerIP: tor, node: N1}\n"
    )
    found = validate.problems(given)
    assert validate.calico_message(found[:1]) == (
        "error with field Node = 'N1' "
        "(Reason: failed to validate Field: Node because of Tag: name )"
    )
    assert validate.calico_message(found) == (
        "error with the following fields:\n"
        "-  Node = 'N1' (Reason: failed to validate Field: Node because of Tag: name )\n"
        "-  PeerIP = 'tor' (Reason: failed to validate Field: PeerIP because of Tag: IP:port )"
    )


def test_a_bad_secret_is_not_printed() -> None:
    given = parse(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: bgp}\ndata: {password: 'hunter-2'}\n"
    )
    (problem,) = validate.problems(given)
    assert "hunter" not in problem.message
    assert "hunter" not in repr(given)


@pytest.mark.parametrize(
    "spec",
    [
        "{peerIP: '10.0.0.1:1790', asNumber: '0.64512'}",
        "{peerIP: '[fd00::1]:179', asNumber: 65001, ttlSecurity: 255}",
        "{nodeSelector: all(), peerSelector: \"route-reflector == 'true'\"}",
        "{peerIP: 10.0.0.1}",  # no asNumber: Calico lets it through
        "{localWorkloadSelector: has(bgp), asNumber: 65001, filters: null}",
        "{peerIP: 10.0.0.1, asNumber: 65001, maxRestartTime: 1m30s, keepaliveTime: 500ms}",
    ],
)
def test_what_calico_accepts(spec: str) -> None:
    given = parse(
        f"apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {{name: ok}}\nspec: {spec}\n"
    )
    assert validate.problems(given) == ()


def test_a_secret_may_hold_bytes_and_line_breaks() -> None:
    given = parse(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: tls}\n"
        "data:\n  cert: //79\n  key: |\n    aHVu\n    dGVy\n"
    )
    assert validate.problems(given) == ()
    key = given.secrets[0].spec.value("key")
    assert key is not None
    assert key.reveal() == "hunter"
    assert given.secrets[0].spec.value("cert") is None
