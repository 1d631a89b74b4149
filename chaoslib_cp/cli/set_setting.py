"""``chaos cp set-setting``: what the infrastructure driver of the testbed calls."""

import click

from chaoslib_cp.cli import output


@click.command("set-setting", hidden=True)
@output.name_option
@click.option("--setting", required=True, help="Name of the setting.")
@click.option("--value", required=True, help="What it is to be.")
@click.option("--expected", required=True, help="What it must be now; otherwise it is left alone.")
@click.option("--cluster-uid", required=True, metavar="UID", help="UID of the cluster that is meant.")
@output.json_option
def command(name: str, setting: str, value: str, expected: str, cluster_uid: str, as_json: bool) -> None:
    """Set a setting of the testbed where it is as expected, and say what it is then."""
    from chaoslib_cp.testbed.settings import set_setting

    now = set_setting(name, setting, parse_value(value), parse_value(expected), cluster_uid)
    output.show({"value": now}, as_json, lambda: str(now))


def parse_value(text: str) -> float | str:
    """A number where it is one."""
    try:
        return float(text)
    except ValueError:
        return text
