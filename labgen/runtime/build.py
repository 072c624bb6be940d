"""Builds labgen's images through the SDK, when their tag is absent and only then."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Callable
from typing import TYPE_CHECKING

from labgen import images
from labgen.errors import HostError, InputError, LabgenError
from labgen.runtime import bootstrap
from labgen.runtime.docker import translated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from docker import APIClient

Say = Callable[[str], None]

ORIGIN = "debian:bookworm-slim"
BUILD_TIMEOUT = 1800
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def ensure_images(api: APIClient, references: Iterable[str], say: Say) -> tuple[str, ...]:
    """Make every image of `references` present. Returns those that were built or pulled.

    labgen's own images are built when absent; any other is pulled when absent. `say` gets one
    line for each thing begun. Raises HostError when an image cannot be had.
    """
    wanted = sorted(set(references))
    missing = [image for image in wanted if not present(api, image)]
    ours = {image: images.name_of(image) for image in missing}
    for image in missing:
        name = ours[image]
        if name is not None:
            _ensure_base(api, say)
            build(api, name, say, {"BASE": images.reference(images.BASE)})
        elif image.startswith("labgen/"):
            raise HostError(
                f"{image}: not the image that this labgen builds", hint="run `labgen generate` anew"
            )
        else:
            say(f"pulling {image}")
            _pull_foreign(api, image)
    return tuple(missing)


def present(api: APIClient, reference: str) -> bool:
    from docker.errors import ImageNotFound  # noqa: PLC0415

    with translated(f"look for {reference}"):
        try:
            api.inspect_image(reference)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return False
    return True


def _pull_foreign(api: APIClient, reference: str) -> None:
    """An image that the user named: when it cannot be had, the input is wrong."""
    try:
        pull(api, reference)
    except LabgenError as error:
        raise InputError(
            f"image {reference} cannot be had: {error.message}",
            hint="check its name, or pull or load it by hand",
        ) from error


def pull(api: APIClient, reference: str) -> None:
    """Pull one image. Raises HostError when it cannot be had."""
    from docker.utils import parse_repository_tag  # noqa: PLC0415

    repository, tag = parse_repository_tag(reference)
    with translated(f"pull {reference}"):
        for message in api.pull(repository, tag=tag or "latest", stream=True, decode=True):
            if "error" in message:
                raise HostError(f"{reference}: cannot be had: {message['error']}")


def _ensure_base(api: APIClient, say: Say) -> None:
    if present(api, images.reference(images.BASE)):
        return
    origin = ORIGIN
    if not present(api, origin):
        origin = bootstrap.LOCAL_ORIGIN
        if not present(api, origin):
            origin = _fetch_origin(api, say)
    build(api, images.BASE, say, {"ORIGIN": origin})


def _fetch_origin(api: APIClient, say: Say) -> str:
    """Debian from a registry; where none answers, made from Debian's own archive."""
    say(f"pulling {ORIGIN}")
    try:
        pull(api, ORIGIN)
    except LabgenError as error:
        say("no registry answers; making Debian's base from its archive")
        bootstrap.make_origin(api, reason=str(error))
        return bootstrap.LOCAL_ORIGIN
    return ORIGIN


def build(api: APIClient, name: str, say: Say, arguments: Mapping[str, str]) -> None:
    """Build one image under its content tag. Raises HostError with the build's last words."""
    reference = images.reference(name)
    say(f"building {reference}")
    context = archive(images.context(name))
    said: list[str] = []
    with translated(f"build {reference}"):
        for message in api.build(
            fileobj=context,
            custom_context=True,
            tag=reference,
            buildargs={**arguments, **bootstrap.proxies()},
            network_mode="host",
            rm=True,
            forcerm=True,
            decode=True,
            timeout=BUILD_TIMEOUT,
            labels={"labgen.image": name},
        ):
            text = _ANSI.sub("", str(message.get("stream", ""))).strip()
            said.extend(text.splitlines())
            if "error" in message:
                hint = " / ".join(said[-3:])
                raise HostError(f"{reference}: {message['error'].strip()}", hint=hint or None)


def archive(files: Mapping[str, bytes]) -> io.BytesIO:
    """A tar of a build context; the same bytes for the same files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer
