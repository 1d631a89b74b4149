"""``chaos cp read-setting``: what the infrastructure driver of the testbed calls."""

import click

from chaoslib_cp.cli import output


@click.command("read-setting", hidden=True)
@output.name_option
@click.option("--setting", required=True, help="Name of the setting.")
@click.option("--cluster-uid", required=True, metavar="UID", help="UID of the cluster that is meant.")
@output.json_option
def command(name: str, setting: str, cluster_uid: str, as_json: bool) -> None:
    """Say what a setting of the testbed is, without asking the API server."""
    from chaoslib_cp.testbed.settings import read_setting

    value = read_setting(name, setting, cluster_uid)
    output.show({"value": value}, as_json, lambda: str(value))
