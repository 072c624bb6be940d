"""What docker and requests raise becomes one line that says what to do next."""

from __future__ import annotations

import os
import socket
from types import SimpleNamespace

import pytest
import requests
from docker.errors import APIError, ImageNotFound

from labgen.errors import HostError, InputError, LabError
from labgen.runtime import bootstrap, build
from labgen.runtime.docker import DockerRuntime, client, translate


def api_error(text, status=500, kind=APIError):
    return kind("error", response=SimpleNamespace(status_code=status), explanation=text)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (requests.exceptions.ConnectionError("refused"), HostError, "no Docker engine answers at"),
        (requests.exceptions.ReadTimeout("timed out"), HostError, "did not answer in time"),
        (PermissionError(13, "Permission denied"), HostError, "join the group docker"),
        (api_error("write /x: no space left on device"), HostError, "no space left"),
        (api_error("No such image: x:1", 404), HostError, "cannot be had"),
        (api_error('Conflict. The container name "/a" is already in use by container "b"', 409),
         LabError, "a container of this name exists already"),
        (api_error("invalid\nsysctl  value"), LabError, "create n1: invalid sysctl value"),
    ],
)  # fmt: skip
def test_each_trouble_has_its_line(error, kind, said):
    translated = translate(error, "create n1")
    assert isinstance(translated, kind)
    assert said in str(translated)
    assert "\n" not in str(translated)


def test_a_missing_engine_is_told_at_once(tmp_path):
    with pytest.raises(HostError, match=r"no Docker engine answers at unix:///.*nothing"):
        client(host=f"unix://{tmp_path}/nothing")


def test_a_socket_without_the_right_to_it_is_told_as_that(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with pytest.raises(HostError, match="no right to use the Docker engine"):
        client(host=f"unix://{tmp_path}/sock")


class FakeAPI:
    """As much of the SDK's client as building and removing needs."""

    def __init__(self, present=(), **raising):
        self.present, self.raising, self.calls = set(present), raising, []

    def _maybe(self, verb):
        self.calls.append(verb)
        if verb in self.raising:
            raise self.raising[verb]

    def inspect_image(self, reference):
        if reference not in self.present:
            raise api_error("No such image", 404, ImageNotFound)

    def pull(self, *_, **__):
        self._maybe("pull")
        return iter([{"status": "Pulling"}])

    def build(self, *, tag, buildargs, **_):
        self._maybe("build")
        self.present.add(tag)
        return iter([{"stream": "Step 1"}, {"stream": "E: no such package"}, {"error": "exit 100"}])

    def remove_container(self, *_, **__):
        self._maybe("remove")


def test_a_build_that_fails_shows_its_last_words():
    api = FakeAPI()
    with pytest.raises(HostError, match=r"labgen/base:\w+: exit 100 .*E: no such package"):
        build.build(api, "base", lambda _: None, {})


def test_present_images_cost_nothing(monkeypatch):
    reference = build.images.reference("pod")
    api = FakeAPI(present=[reference])
    assert build.ensure_images(api, [reference], pytest.fail) == ()
    assert api.calls == []


def test_another_labgens_image_is_not_taken_for_ours():
    with pytest.raises(HostError, match="not the image that this labgen builds"):
        build.ensure_images(FakeAPI(), ["labgen/pod:000000000000"], lambda _: None)


def test_a_foreign_image_that_cannot_be_had_is_bad_input():
    api = FakeAPI(pull=api_error("manifest unknown", 404))
    with pytest.raises(InputError, match="image frr:9 cannot be had"):
        build.ensure_images(api, ["frr:9"], lambda _: None)


def test_without_a_registry_and_without_root_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    api = FakeAPI(pull=requests.exceptions.ConnectionError("no such host"))
    said = []
    with pytest.raises(HostError, match=r"pull debian:bookworm-slim once, or run once as root"):
        build.ensure_images(api, [build.images.reference("pod")], said.append)
    assert said[0] == "pulling debian:bookworm-slim"


def test_a_proxy_reaches_builds_as_an_argument(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://user:secret@proxy:3128")
    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: None)
    assert bootstrap.proxies()["http_proxy"] == "http://user:secret@proxy:3128"


@pytest.mark.parametrize("status", [404, 409])
def test_removing_what_is_gone_or_going_is_fine(status):
    DockerRuntime(FakeAPI(remove=api_error("gone", status))).remove("x")


def test_removing_what_withstands_is_told():
    with pytest.raises(LabError, match="remove x: device busy"):
        DockerRuntime(FakeAPI(remove=api_error("device busy"))).remove("x")
