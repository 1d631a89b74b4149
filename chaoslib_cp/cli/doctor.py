"""``chaos cp doctor``: what this machine lacks for a testbed."""

from typing import TYPE_CHECKING

import click

from chaoslib_cp.cli import output

if TYPE_CHECKING:
    from chaoslib_cp.testbed.doctor import Check


@click.command("doctor")
@output.json_option
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Say what is missing for a testbed, and the command that installs it. Changes nothing.

    The exit code is 1 when something is missing without which a testbed cannot come up.
    """
    from chaoslib_cp.testbed.doctor import examine

    checks = examine()
    output.show(checks, as_json, lambda: describe(checks))
    ctx.exit(int(any(check["required"] and not check["ok"] for check in checks)))


def describe(checks: "list[Check]") -> str:
    """Format the checks one a line, and below them each step that helps, once."""
    width = max(len(check["name"]) for check in checks)
    lines = [f"{_word(check):<7}  {check['name']:<{width}}  {check['detail']}" for check in checks]
    fixes = dict.fromkeys(check["fix"] for check in checks if check["fix"])
    return "\n".join([*lines, *(f"do: {fix}" for fix in fixes)])


def _word(check: "Check") -> str:
    if check["ok"]:
        return "ok"
    return "missing" if check["required"] else "poor"
