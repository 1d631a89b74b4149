"""``chaos cp up``: bring a testbed up."""

from pathlib import Path

import click

from chaoslib_cp.cli import downloads, output
from chaoslib_cp.cli.status import describe


@click.command("up")
@click.argument("spec", required=False)
@output.name_option
@downloads.elsewhere_options
@output.json_option
def command(spec: str | None, name: str, archives: tuple[Path, ...], mirrors: tuple[str, ...], as_json: bool) -> None:
    """Bring up a real control plane on this machine, as SPEC says.

    SPEC is a shipped name (as-incident, small) or the path of a YAML file; without it as-incident is meant. If the
    testbed is up already, it is left as it is and reported; if it is up with another spec than the SPEC that is given,
    it is left as it is, and that is an error.

    Programs that are missing are got first, as `chaos cp programs` does.
    """
    from chaoslib_cp.testbed import commands
    from chaoslib_cp.waits import telling

    with telling(output.say):
        state = commands.up(spec, name, output.say, elsewhere=downloads.elsewhere(archives, mirrors))
    output.show(state, as_json, lambda: describe(state))
