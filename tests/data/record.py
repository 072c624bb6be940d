"""Record a running lab's answers for the unit tests: `python tests/data/record.py LAB DIRECTORY`.

Writes every command that `labgen verify` asks, with its answer, and a copy of the capture.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from labgen.lab.attach import project_of
from labgen.lab.observe import take
from labgen.lab.running import EngineCommands, find
from labgen.runtime.docker import DockerRuntime


class Recorder:
    """Commands that keep what was said."""

    def __init__(self, commands) -> None:
        self.commands, self.answers = commands, []

    def run(self, node, argv, *, stdin=None, timeout=30.0):
        done = self.commands.run(node, argv, stdin=stdin, timeout=timeout)
        self.answers.append(
            {"node": node, "argv": list(argv), "code": done.code, "stdout": done.stdout,
             "stderr": done.stderr}
        )  # fmt: skip
        return done


def main(lab: str, directory: Path) -> None:
    runtime = DockerRuntime()
    project = project_of(lab, runtime)
    recorder = Recorder(EngineCommands(runtime, find(runtime, project.name)))
    take(project.design, recorder, lambda: None)
    directory.mkdir(parents=True, exist_ok=True)
    answers = sorted(recorder.answers, key=lambda a: (a["node"], a["argv"]))
    (directory / "commands.json").write_text(json.dumps(answers, indent=1) + "\n")
    for path in sorted((project.lab_directory / "captures").glob("*/default.*.pcapng")):
        shutil.copyfile(path, directory / f"{path.parent.name}.pcapng")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
