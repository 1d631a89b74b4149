"""``chaos cp down``: take a testbed away."""

import click

from chaoslib_cp.cli import output
from chaoslib_cp.errors import TestbedFailed


@click.command("down")
@output.name_option
@output.json_option
def command(name: str, as_json: bool) -> None:
    """Stop the testbed and remove all that it left, also after a crash.

    What interrupted runs had left open in it is gone with it, so their undo logs are closed.
    """
    from chaoslib_cp.cluster.undo.recover import close_logs_of_deleted_cluster
    from chaoslib_cp.testbed import commands
    from chaoslib_cp.waits import telling

    cluster_uid = _cluster_uid(name)
    with telling(output.say):
        result = commands.down(name)
    result["closed_undo_logs"] = close_logs_of_deleted_cluster(cluster_uid) if cluster_uid else []
    output.show(result, as_json, lambda: f"testbed {name} {'is down' if result['was_up'] else 'was not up'}")


def _cluster_uid(name: str) -> str:
    from chaoslib_cp.testbed import commands

    try:
        return str(commands.status(name).get("cluster_uid") or "")
    except TestbedFailed:
        return ""  # a damaged state file is what `down` clears away
