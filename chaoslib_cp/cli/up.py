"""``chaos cp up``: bring a testbed up."""

import click

from chaoslib_cp.cli import output
from chaoslib_cp.cli.status import describe


@click.command("up")
@click.argument("spec", default="as-incident")
@output.name_option
@output.json_option
def command(spec: str, name: str, as_json: bool) -> None:
    """Bring up a real control plane on this machine, as SPEC says.

    SPEC is a shipped name (as-incident, small) or the path of a YAML file. If the testbed is up already, it is left
    as it is and reported; with another spec than SPEC it is left as it is, and that is an error.
    """
    from chaoslib_cp.testbed import commands

    state = commands.up(spec, name, output.say)
    output.show(state, as_json, lambda: describe(state))
