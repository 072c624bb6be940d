"""`image: quay.io/frrouting/frr:…`: an image that knows nothing of labgen, started as FRR's own is.

No registry answers in a sealed lab, so the image is made here: FRR's start scripts on the same FRR
packages, as FRR's Dockerfile has them, and none of labgen's entrypoint.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from labgen import images
from labgen.check.ladder import verify
from labgen.check.model import Status
from labgen.lab.attach import attached
from labgen.lab.verify import evidence_of
from labgen.runtime.docker import DockerRuntime

NAME = "rtr-foreign-frr"
IMAGE = "rtr-foreign-frr:test"
# FRR's Alpine package brings /run/frr along; Debian's leaves it to its own init script
START = (
    "install -d -o frr -g frr /run/frr; source /usr/lib/frr/frrcommon.sh; "
    "exec /usr/lib/frr/watchfrr $(daemon_list)"
)


@pytest.fixture(scope="module")
def image(engine: DockerRuntime) -> Iterator[str]:
    base = images.reference("bigip")
    engine.ensure_images([base], lambda _: None)
    text = f'FROM {base}\nENTRYPOINT ["/usr/bin/tini", "--", "/bin/bash", "-c", "{START}"]\n'
    for _ in engine.api.build(fileobj=io.BytesIO(text.encode()), tag=IMAGE, rm=True):
        pass
    yield IMAGE
    engine.api.remove_image(IMAGE)


def test_frrs_own_start_finds_all_it_needs(
    image: str, engine: DockerRuntime, copied: Callable[[str, str], Path]
) -> None:
    spec = copied("bgp-tor", NAME)
    text = spec.read_text()
    spec.write_text(text.replace("    kind: frr\n", f"    kind: frr\n    image: {image}\n"))
    with attached(str(spec), engine) as project:
        findings = verify(project.design, evidence_of(project, engine))
        assert {f.status for f in findings} == {Status.PASS}, [
            f for f in findings if f.status is not Status.PASS
        ]
