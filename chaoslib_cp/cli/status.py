"""``chaos cp status``: what a testbed is doing."""

import click

from chaoslib_cp.cli import output


@click.command("status")
@output.name_option
@output.json_option
def command(name: str, as_json: bool) -> None:
    """Say whether the testbed is up and how its parts are."""
    from chaoslib_cp.testbed import commands

    state = commands.status(name)
    output.show(state, as_json, lambda: output.rows(state))
