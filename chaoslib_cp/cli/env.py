"""``chaos cp env``: the environment a command needs inside a testbed."""

import shlex

import click

from chaoslib_cp.cli import output


@click.command("env")
@output.name_option
@output.json_option
def command(name: str, as_json: bool) -> None:
    """Print the variables that `exec` and `shell` set, as export lines, and the contexts of the kubeconfig.

    Its addresses exist only inside the testbed, so from outside nothing answers there: use `chaos cp exec -- COMMAND`.
    """
    from chaoslib_cp.testbed import inside
    from chaoslib_cp.testbed.instance import Instance

    variables, contexts = inside.environment(name), inside.contexts()

    def text() -> str:
        exports = [f"export {key}={shlex.quote(value)}" for key, value in variables.items()]
        notes = [f"# contexts: {', '.join(contexts)}"]
        if not Instance(name).is_around_us():
            notes.append(f"# nothing answers from here; use them with: chaos cp exec --name {name} -- COMMAND")
        return "\n".join([*exports, *notes])

    output.show({"variables": variables, "contexts": contexts}, as_json, text)
