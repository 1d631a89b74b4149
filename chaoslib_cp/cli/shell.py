"""``chaos cp shell``: a shell inside a testbed."""

import os

import click

from chaoslib_cp.cli import output
from chaoslib_cp.cli.exec import enter


@click.command("shell")
@output.name_option
@output.json_option
@click.pass_context
def command(ctx: click.Context, name: str, as_json: bool) -> None:
    """Open your shell ($SHELL, else /bin/sh) inside the testbed."""
    ctx.exit(enter(name, [os.environ.get("SHELL") or "/bin/sh"], as_json))
