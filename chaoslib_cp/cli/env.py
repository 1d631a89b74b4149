"""``chaos cp env``: the environment a command needs inside a testbed."""

import shlex

import click

from chaoslib_cp.cli import output


@click.command("env")
@output.name_option
@output.json_option
def command(name: str, as_json: bool) -> None:
    """Print the variables that `exec` and `shell` set, as export lines.

    The kubeconfig they point to has the contexts runner, admin, break-glass and observer. Its addresses exist only
    inside the testbed, so from outside nothing answers there: use `chaos cp exec -- COMMAND`.
    """
    from chaoslib_cp.testbed import commands

    variables = commands.environment(name)
    output.show(variables, as_json, lambda: "\n".join(f"export {k}={shlex.quote(v)}" for k, v in variables.items()))
