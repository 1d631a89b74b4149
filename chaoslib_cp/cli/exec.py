"""``chaos cp exec -- COMMAND``: run anything inside a testbed."""

import click

from chaoslib_cp.cli import output


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@output.name_option
@output.json_option
@click.argument("argv", metavar="COMMAND [ARGS]...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, name: str, as_json: bool, argv: tuple[str, ...]) -> None:
    """Run COMMAND inside the testbed's namespaces, with KUBECONFIG set.

    The exit code is the command's own. With --json the command writes to standard error only, and standard output
    gets {"command": [...], "exit_code": N}.
    """
    ctx.exit(enter(name, list(argv), as_json))


def enter(name: str, argv: list[str], as_json: bool) -> int:
    """Run ``argv`` inside testbed ``name`` and return its exit code."""
    from chaoslib_cp.testbed import inside

    if not as_json:
        return inside.execute(name, argv)
    with output.child_output_on_stderr():
        exit_code = inside.execute(name, argv)
    output.show({"command": argv, "exit_code": exit_code}, True, str)
    return exit_code
