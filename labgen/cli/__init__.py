"""The command line: parses, calls, prints; owns the exit codes. Commands load when they run."""

from __future__ import annotations

import gc
import importlib
import sys
from typing import Any

import click

from labgen import __version__
from labgen.errors import LabgenError

# command -> "module:attribute"; a command's module is imported only when it is used
_COMMANDS: dict[str, str] = {
    "bigip": "labgen.cli.bigip:bigip",
    "calico": "labgen.cli.calico:calico",
    "calicoctl": "labgen.cli.calicoctl:calicoctl",
    "capture": "labgen.cli.capture:capture",
    "collect": "labgen.cli.fault:collect",
    "completion": "labgen.cli.doctor:completion",
    "deploy": "labgen.cli.lab:deploy",
    "destroy": "labgen.cli.lab:destroy",
    "diagnose": "labgen.cli.diagnose:diagnose",
    "doctor": "labgen.cli.doctor:doctor",
    "exec": "labgen.cli.lab:exec_",
    "fault": "labgen.cli.fault:fault",
    "generate": "labgen.cli.generate:generate",
    "inspect": "labgen.cli.lab:inspect",
    "kubectl": "labgen.cli.kubernetes:kubectl",
    "logs": "labgen.cli.lab:logs",
    "minikube": "labgen.cli.kubernetes:minikube",
    "node": "labgen.cli.node:node",
    "rehearse": "labgen.cli.rehearse:rehearse",
    "replay": "labgen.cli.shell:replay",
    "schema": "labgen.cli.generate:schema",
    "shell": "labgen.cli.shell:shell",
    "shell-tool": "labgen.cli.shell:shell_tool",
    "verify": "labgen.cli.lab:verify",
    "wire": "labgen.cli.wire:wire",
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use: start-up time is a feature."""

    def __init__(self, *args: Any, lazy: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self._lazy})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, attribute = self._lazy[cmd_name].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="labgen")
def cli() -> None:
    """Rehearse and verify BGP between Calico and a BIG-IP."""


def main() -> None:
    """Entry point: every error of ours is one line on stderr and a documented exit code."""
    # Hundreds of classes are made at import and live to the end: looking for garbage among them
    # every 700 objects, and once more at exit, is a tenth of a short command's time.
    gc.set_threshold(50_000, 20, 20)
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except LabgenError as error:
        for line in str(error).splitlines():
            click.echo(f"labgen: {line}", err=True)
        sys.exit(int(error.exit_code))
    finally:
        gc.freeze()
