"""What a person starts: the group ``cp`` of the ``chaos`` command.

``chaos`` loads this module at every start, for ``chaos run`` as well. So it imports click and nothing heavy; the file
of a command is imported when the command is named, and that file imports what is heavy inside its function.
"""

import importlib

import click

from chaoslib_cp.cli import working_folder
from chaoslib_cp.errors import ControlPlaneError

_COMMANDS = (
    "up",
    "status",
    "env",
    "exec",
    "shell",
    "down",
    "doctor",
    "programs",
    "manifests",
    "kubeconfig",
    "mark",
    "check",
    "presets",
    "load",
    "ramp",
    "price",
    "recover",
    "restart-containers",
    "reload-containers",
    "oom-kill-containers",
    "read-setting",
    "set-setting",
)

_TESTBED_PACKAGES = frozenset({"cryptography", "grpc", "google"})
"""Top-level packages that only the extra [testbed] brings: for the testbed, and for keys of `kubeconfig`."""


class ControlPlaneGroup(click.Group):
    """A group that loads a command's file when it is asked for, and turns our errors into one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name every command, in the order in which a newcomer needs them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the file of one command."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"chaoslib_cp.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an error of ours becomes one line on standard error and exit code 1."""
        try:
            return super().invoke(ctx)
        except ControlPlaneError as error:
            raise click.ClickException(str(error)) from error
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in _TESTBED_PACKAGES:
                raise
            from chaoslib_cp.testbed.doctor import extra_command

            raise click.ClickException(
                f"chaos cp {ctx.invoked_subcommand} needs the Python package {error.name}, which is not installed; "
                f"nothing was changed; run: {extra_command()}"
            ) from error


@click.group(cls=ControlPlaneGroup, name="cp")
def cp() -> None:
    """Rehearse control-plane failures: a testbed, its doctor, and recovery."""


working_folder.survive()
