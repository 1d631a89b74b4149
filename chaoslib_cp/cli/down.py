"""``chaos cp down``: take a testbed away."""

import click

from chaoslib_cp.cli import output


@click.command("down")
@output.name_option
@output.json_option
def command(name: str, as_json: bool) -> None:
    """Stop the testbed and remove all that it left, also after a crash."""
    from chaoslib_cp.testbed import commands

    result = commands.down(name)
    output.show(result, as_json, lambda: output.rows(result))
