"""Guides as commands, and verdicts on what a shell printed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from labgen.lab import shell
from labgen.lab.guide import Step, steps
from labgen.lab.replay import Verdict, judged
from labgen.lab.tools import docker, network_id, standing_on

MARKDOWN = """\
Text with `code`.

```console
# a comment
minikube -p one start \\
  --network=lan
kubectl get nodes
```

```console
kubectl run shell --rm -i --tty --image i -- /bin/bash

bash-5.1# curl http://10.0.0.1

Request served by x

bash-5.1# exit
```
"""
RST = """\
Check this::

      ubuntu@node-1:~/dir$ calicoctl get bgpPeer
      NAME   PEERIP
      tor    10.1.20.5

On the device::

    imish
    show ip bgp

Or::

      big.lab.cloud[0]#sh ip route bgp
      B 10.0.0.0/24
      [root@big:Active:Standalone] config # ping 10.0.0.1
      64 bytes

.. note::

   no command
"""


def test_markdown_commands_are_joined_and_sessions_get_their_input():
    found = steps(MARKDOWN, rst=False)
    assert [(s.line, s.command) for s in found] == [
        (5, "minikube -p one start   --network=lan"),
        (7, "kubectl get nodes"),
        (11, "kubectl run shell --rm -i --tty --image i -- /bin/bash"),
    ]
    assert found[2].stdin == "curl http://10.0.0.1\nexit\n"
    assert "Request served by x" in found[2].shown


def test_rst_prompts_say_on_which_machine():
    found = [s for s in steps(RST, rst=True) if s.command != "no command"]
    assert [(s.host, s.command, s.stdin) for s in found] == [
        ("node-1", "calicoctl get bgpPeer", ""),
        (None, "imish", "show ip bgp\n"),
        ("big", "imish", "sh ip route bgp\n"),
        ("big", "ping 10.0.0.1", ""),
    ]
    assert found[0].shown == "NAME   PEERIP\ntor    10.1.20.5\n"


@pytest.mark.parametrize(
    ("shown", "out", "err", "code", "verdict"),
    [
        ("a  b\n", "a b\n", "", 0, Verdict.ANSWERED),
        ("up 00:00:16\n", "up 00:41:02\n", "", 0, Verdict.ANSWERED),
        ("pod-1 3h11m\n", "pod-1 5s\n", "", 0, Verdict.ANSWERED),
        ("a\nb\n", "a\n", "", 0, Verdict.DIFFERENTLY),
        ("", "", "Error: no such thing\n", 1, Verdict.DIFFERENTLY),
        ("", "", "", 1, Verdict.DIFFERENTLY),
        ("", "", "error: kubectl top is not covered by this lab\n", 1, Verdict.UNSUPPORTED),
        ("", "", "labgen: foo is neither\n", 127, Verdict.UNSUPPORTED),
    ],
)
def test_verdicts(shown, out, err, code, verdict):
    result = judged(Step(1, "x", shown=shown), out, err, code)
    assert result.verdict is verdict
    assert bool(result.reason) is (verdict is not Verdict.ANSWERED)


def test_docker_network_shows_segments_and_refuses_the_rest(lab):
    design = lab.design()
    listed = docker(design, ("network", "ls"))
    identity = network_id(design, design.segments[0])
    assert listed.out.splitlines()[1].split() == [identity[:12], "demo", "bridge", "lab"]
    assert '"Subnet": "172.17.0.0/16"' in docker(design, ("network", "inspect", identity[:12])).out
    missing = docker(design, ("network", "inspect", "nope"))
    assert (missing.code, "network nope not found" in missing.err) == (1, True)
    assert "not covered" in docker(design, ("ps",)).err


def test_who_answers_a_machines_programs(lab):
    assert standing_on(lab.design(), "netstat") == "cluster-a"
    assert standing_on(lab.design(), "imish") is None


def test_the_shell_has_the_labs_programs_first_and_leaves_nothing(tmp_path: Path):
    spec = tmp_path / "lab.yaml"
    with shell.made("demo", spec) as made:
        found = made.run("command -v kubectl curl minikube")
        assert set(map(os.path.dirname, found.stdout.split())) == {str(made.directory / "bin")}
        refused = made.run("curl http://192.0.2.1")
        assert refused.returncode == 127
        assert "curl is not covered in this shell" in refused.stderr
        assert made.run("cat", stdin="x").stdout == "x"
        kept = made.directory
    assert not kept.exists()


def test_an_unknown_command_is_refused_in_the_shell(tmp_path: Path):
    with shell.made("demo", tmp_path / "lab.yaml") as made:
        done = subprocess.run(
            ["bash", "--rcfile", str(made.directory / "rc"), "-i"], input="no-such-thing\n",
            env=made.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert "no-such-thing is neither a command of this lab nor of this machine" in done.stderr
